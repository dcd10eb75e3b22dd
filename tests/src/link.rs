//! A TCP link that can be cut, frozen and healed.

use std::{net::SocketAddr, sync::Arc};

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
    task: tokio::task::JoinHandle<()>,
}

impl Link {
    /// A link to a port on loopback.
    pub async fn to(port: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the link");
        let address = listener.local_addr().expect("the link's port");
        let state = Arc::new(watch::Sender::new(State::Open));
        let task = tokio::spawn(accept(listener, port, state.clone()));
        Link { address, state, task }
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Closes every connection and refuses new ones.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets no byte through, and closes nothing: a link that is black-holed.
    pub fn freeze(&self) {
        self.state.send_replace(State::Frozen);
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

async fn accept(listener: TcpListener, port: u16, state: Arc<watch::Sender<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { return };
        let mut changes = state.subscribe();
        connections.spawn(async move {
            if changes.wait_for(|state| *state != State::Frozen).await.is_err() || *changes.borrow() == State::Cut {
                return;
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            let mut cut = changes.clone();
            tokio::select! {
                () = carry(near_read, far_write, changes.clone()) => {}
                () = carry(far_read, near_write, changes) => {}
                _ = cut.wait_for(|state| *state == State::Cut) => {}
            }
        });
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        if state.wait_for(|state| *state != State::Frozen).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
