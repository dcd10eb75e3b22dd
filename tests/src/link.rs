//! A TCP link that can be cut, frozen and healed, that can lose single messages on purpose, and stop in front of one.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use parking_lot::Mutex;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Frozen,
    Cut,
}

/// A link to a server. While it is cut, its connections are closed and new ones too; while it is frozen, bytes wait.
pub struct Link {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    open: Arc<watch::Sender<usize>>,
    on_purpose: OnPurpose,
    task: tokio::task::JoinHandle<()>,
}

/// What is done to single messages.
#[derive(Clone, Default)]
struct OnPurpose {
    lost: Subjects,
    stops: Subjects,
}

impl Link {
    /// A link to a port on loopback.
    pub async fn to(port: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the link");
        let address = listener.local_addr().expect("the link's port");
        let state = Arc::new(watch::Sender::new(State::Open));
        let open = Arc::new(watch::Sender::new(0));
        let on_purpose = OnPurpose::default();
        let task = tokio::spawn(accept(listener, port, state.clone(), open.clone(), on_purpose.clone()));
        Link { address, state, open, on_purpose, task }
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Closes every connection and refuses new ones. Nothing passes any more when this returns.
    pub async fn cut(&self) {
        self.state.send_replace(State::Cut);
        self.open
            .subscribe()
            .wait_for(|open| *open == 0)
            .await
            .expect("the link counts its connections while it lives");
    }

    /// Lets no byte through, and closes nothing: a link that is black-holed.
    pub fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    /// Loses the next message on this subject on its way from the server.
    pub fn lose(&self, subject: &str) {
        self.on_purpose.lost.lock().push_back(subject.into());
    }

    /// Freezes the link in front of the next message that is published to this subject.
    pub fn stop_at(&self, subject: &str) {
        self.on_purpose.stops.lock().push_back(subject.into());
    }

    /// Whether it stands in front of every message at which it was to stop.
    pub fn has_stopped(&self) -> bool {
        self.on_purpose.stops.lock().is_empty() && *self.state.borrow() == State::Frozen
    }

    /// Whether every message that was to be lost is lost.
    pub fn has_lost_all(&self) -> bool {
        self.on_purpose.lost.lock().is_empty()
    }

    /// Lets bytes and connections through.
    pub fn heal(&self) {
        self.state.send_replace(State::Open);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Subjects = Arc<Mutex<VecDeque<String>>>;

/// Whether a message on this subject is one of these, which it then is no more.
fn takes(subjects: &Subjects, subject: &str) -> bool {
    let mut subjects = subjects.lock();
    let found = subjects.iter().position(|wanted| wanted == subject);
    found.map(|place| subjects.remove(place)).is_some()
}

/// A connection that is counted while it lives.
struct Counted(Arc<watch::Sender<usize>>);

impl Counted {
    fn among(open: &Arc<watch::Sender<usize>>) -> Counted {
        open.send_modify(|open| *open += 1);
        Counted(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    state: Arc<watch::Sender<State>>,
    open: Arc<watch::Sender<usize>>,
    on_purpose: OnPurpose,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { return };
        let counted = Counted::among(&open);
        let (state, OnPurpose { lost, stops }) = (state.clone(), on_purpose.clone());
        connections.spawn(async move {
            let _counted = counted;
            let mut changes = state.subscribe();
            if !opens(&mut changes).await {
                return;
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::select! {
                () = carry(near_read, far_write, &state, Filter { held: Vec::new(), wanted: Wanted::Stops(stops) }) => {}
                () = carry(far_read, near_write, &state, Filter { held: Vec::new(), wanted: Wanted::Lost(lost) }) => {}
                _ = changes.wait_for(|state| *state == State::Cut) => {}
            }
        });
    }
}

/// Waits while the link is frozen. Gives whether it is open then: what waited in front of a link that is cut never passes.
async fn opens(changes: &mut watch::Receiver<State>) -> bool {
    changes.wait_for(|state| *state != State::Frozen).await.is_ok_and(|state| *state == State::Open)
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &watch::Sender<State>, mut filter: Filter) {
    let mut buffer = vec![0; 64 * 1024];
    let mut changes = state.subscribe();
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        if !opens(&mut changes).await {
            return;
        }
        filter.held.extend_from_slice(&buffer[..count]);
        loop {
            let (passed, stops) = filter.pass();
            if to.write_all(&passed).await.is_err() {
                return;
            }
            if !stops {
                break;
            }
            state.send_replace(State::Frozen);
            if !opens(&mut changes).await {
                return;
            }
        }
    }
}

/// Follows the NATS client protocol in one direction, operation by operation.
struct Filter {
    held: Vec<u8>,
    wanted: Wanted,
}

/// Messages of which something is wanted.
enum Wanted {
    /// They are left out.
    Lost(Subjects),
    /// The link stops in front of them.
    Stops(Subjects),
}

impl Filter {
    /// What passes of what is held, and whether the link stops behind it.
    fn pass(&mut self) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(self.held.len());
        let (mut done, mut stops) = (0, false);
        while let Some((length, subject)) = operation(&self.held[done..]) {
            let is = |subjects: &Subjects| subject.is_some_and(|subject| takes(subjects, &subject));
            let is_lost = match &self.wanted {
                Wanted::Lost(lost) => is(lost),
                Wanted::Stops(at) => {
                    stops = is(at);
                    false
                }
            };
            if stops {
                break;
            }
            if !is_lost {
                passed.extend_from_slice(&self.held[done..done + length]);
            }
            done += length;
        }
        self.held.drain(..done);
        (passed, stops)
    }
}

/// The length of the operation that `bytes` begins with, and its subject if it is a message; `None` while it is not whole.
fn operation(bytes: &[u8]) -> Option<(usize, Option<String>)> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let line = String::from_utf8_lossy(&bytes[..line_end - 2]);
    let mut words = line.split_ascii_whitespace();
    match words.next() {
        Some("MSG" | "HMSG" | "PUB" | "HPUB") => {
            let subject = words.next().map(str::to_owned);
            let payload: usize = words.next_back()?.parse().ok()?;
            let length = line_end + payload + 2;
            (bytes.len() >= length).then_some((length, subject))
        }
        _ => Some((line_end, None)),
    }
}
