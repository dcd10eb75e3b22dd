//! A TCP link that can be cut, frozen and healed, and that can lose single messages on purpose.

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
    losses: Losses,
    task: tokio::task::JoinHandle<()>,
}

impl Link {
    /// A link to a port on loopback.
    pub async fn to(port: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the link");
        let address = listener.local_addr().expect("the link's port");
        let state = Arc::new(watch::Sender::new(State::Open));
        let open = Arc::new(watch::Sender::new(0));
        let losses = Losses::default();
        let task = tokio::spawn(accept(listener, port, state.clone(), open.clone(), losses.clone()));
        Link { address, state, open, losses, task }
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
        self.losses.lock().push_back(subject.into());
    }

    /// Whether every message that was to be lost is lost.
    pub fn has_lost_all(&self) -> bool {
        self.losses.lock().is_empty()
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

type Losses = Arc<Mutex<VecDeque<String>>>;

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
    losses: Losses,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { return };
        let counted = Counted::among(&open);
        let mut changes = state.subscribe();
        let losses = losses.clone();
        connections.spawn(async move {
            let _counted = counted;
            if changes.wait_for(|state| *state != State::Frozen).await.is_err() || *changes.borrow() == State::Cut {
                return;
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            let mut cut = changes.clone();
            tokio::select! {
                () = carry(near_read, far_write, changes.clone(), None) => {}
                () = carry(far_read, near_write, changes, Some(Filter { held: Vec::new(), losses })) => {}
                _ = cut.wait_for(|state| *state == State::Cut) => {}
            }
        });
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    mut filter: Option<Filter>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        if state.wait_for(|state| *state != State::Frozen).await.is_err() {
            return;
        }
        let passed = match &mut filter {
            Some(filter) => filter.pass(&buffer[..count]),
            None => buffer[..count].to_vec(),
        };
        if to.write_all(&passed).await.is_err() {
            return;
        }
    }
}

/// Follows the NATS client protocol from server to client, operation by operation, and leaves out the messages that are to be lost.
struct Filter {
    held: Vec<u8>,
    losses: Losses,
}

impl Filter {
    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut passed = Vec::with_capacity(self.held.len());
        let mut done = 0;
        while let Some((length, subject)) = operation(&self.held[done..]) {
            let lost = subject.is_some_and(|subject| {
                let mut losses = self.losses.lock();
                let found = losses.iter().position(|lost| *lost == subject);
                found.map(|place| losses.remove(place)).is_some()
            });
            if !lost {
                passed.extend_from_slice(&self.held[done..done + length]);
            }
            done += length;
        }
        self.held.drain(..done);
        passed
    }
}

/// The length of the operation that `bytes` begins with, and its subject if it is a message; `None` while it is not whole.
fn operation(bytes: &[u8]) -> Option<(usize, Option<String>)> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let line = String::from_utf8_lossy(&bytes[..line_end - 2]);
    let mut words = line.split_ascii_whitespace();
    match words.next() {
        Some("MSG" | "HMSG") => {
            let subject = words.next().map(str::to_owned);
            let payload: usize = words.next_back()?.parse().ok()?;
            let length = line_end + payload + 2;
            (bytes.len() >= length).then_some((length, subject))
        }
        _ => Some((line_end, None)),
    }
}
