//! What an application holds: the handle that sends, and the stream of what happens.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use dunlin_schema::{Address, Content, MessageId, Seq, frame, frame::ClientFrame, limits};
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::{
    core::{Accepted, ClockSkew},
    error::{ConnectError, Ended, SendError, SignalError, StoreError},
    event::{Event, Status},
    options::ClientOptions,
    pending::PendingId,
    run::{self, Command, Submit, Tells},
};

/// Questions that may wait for their answer, or for their turn; whoever asks more waits.
const ASKS: usize = 256;

/// A client's handle: cheap to clone. When all handles and the [`Events`] are dropped, the client's task ends.
#[derive(Clone)]
pub struct Client {
    pub(crate) commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    /// One permit for each question that may wait for its answer.
    pub(crate) asks: Arc<Semaphore>,
    pub(crate) ask_within: Duration,
    status: watch::Receiver<Status>,
    skew: watch::Receiver<Option<ClockSkew>>,
    encoding: frame::Encoding,
}

impl Client {
    /// Begins, and returns when a gateway has welcomed this client. While none can be reached it goes on trying: whoever does not
    /// want to wait for that sets a timeout, or calls [`Client::start`]. Must be called in a tokio runtime.
    /// Errors: the options make no sense, the store can't be read, or no gateway will ever take this client.
    pub async fn connect(options: ClientOptions) -> Result<(Client, Events), ConnectError> {
        let (client, events) = Client::start(options).await?;
        let mut status = client.status.clone();
        let now = status.wait_for(|status| !matches!(status, Status::Connecting(_))).await.map(|status| status.clone());
        match now {
            Ok(Status::Ended(ended)) => Err(ended.into()),
            Ok(Status::Connected(_) | Status::Connecting(_)) => Ok((client, events)),
            Err(_) => Err(Ended::Closed.into()),
        }
    }

    /// Begins, and returns at once; what is sent before there is a connection waits for it. Must be called in a tokio runtime.
    /// Errors: the options make no sense, or the store can't be read.
    pub async fn start(options: ClientOptions) -> Result<(Client, Events), ConnectError> {
        let gateways = options.check()?;
        let store = options.store.clone();
        let kept = tokio::task::spawn_blocking(move || store.load())
            .await
            .map_err(|error| StoreError { doing: "loading the cursor".to_owned(), why: error.to_string() })??;
        let room = Arc::new(Semaphore::new(options.unaccepted.min(Semaphore::MAX_PERMITS)));
        let asks = Arc::new(Semaphore::new(ASKS));
        let (encoding, ask_within) = (options.encoding, options.ask_within);
        let (commands, asked) = mpsc::channel(64);
        let (events, happened) = mpsc::channel(options.events);
        let (tell_status, status) = watch::channel(Status::Connecting(None));
        let (tell_skew, skew) = watch::channel(None);
        let tells = Tells { status: tell_status, skew: tell_skew };
        tokio::spawn(run::run(options, gateways, kept, asked, events, tells));
        Ok((Client { commands, room, asks, ask_within, status, skew, encoding }, Events(happened)))
    }

    /// Sends, and waits until it is stored. Dropping the future does not take the message back: see [`Client::submit`].
    /// Errors: see [`SendError`]; what is refused for now is repeated, not reported.
    pub async fn send(&self, to: &str, content: Content) -> Result<Accepted, SendError> {
        self.submit(to, content).await?.await
    }

    /// Hands something over to be sent, waits while too much is unaccepted, and returns what tells the outcome. What was handed over
    /// is sent, in this order for each address, and repeated with the same id until a gateway has accepted or refused it for good,
    /// through any number of connections, whether or not somebody waits for the outcome.
    /// Errors: the address or content can't be sent, or the client is over.
    pub async fn submit(&self, to: &str, content: Content) -> Result<Sending, SendError> {
        let to = self.check(to, &content)?;
        let permit = self.room.clone().acquire_owned().await.map_err(|_| self.ended())?;
        self.hand_over(to, content, permit).await
    }

    /// [`Client::submit`] that does not wait for room. Errors: also [`SendError::Full`].
    pub async fn try_submit(&self, to: &str, content: Content) -> Result<Sending, SendError> {
        let to = self.check(to, &content)?;
        let permit = self.room.clone().try_acquire_owned().map_err(|_| SendError::Full)?;
        self.hand_over(to, content, permit).await
    }

    async fn hand_over(
        &self,
        to: Address,
        content: Content,
        permit: OwnedSemaphorePermit,
    ) -> Result<Sending, SendError> {
        let (reply, outcome) = oneshot::channel();
        let id = PendingId::default();
        let submit = Submit { to, content, id: id.clone(), reply, permit };
        self.commands.send(Command::Submit(submit)).await.map_err(|_| self.ended())?;
        Ok(Sending { id, outcome, status: self.status.clone() })
    }

    fn check(&self, to: &str, content: &Content) -> Result<Address, SendError> {
        let address = to.parse()?;
        content.check()?;
        let id = MessageId::from_bytes([u8::MAX; 16]);
        let frame = ClientFrame::Send(frame::Send { id, to: to.to_owned(), content: content.clone() });
        match self.encoding.write(&frame).len() {
            length if length > limits::FRAME_BYTES => Err(SendError::TooLarge(length)),
            _ => Ok(address),
        }
    }

    /// Tells the devices of a user or the members of a group something that is so just now (`typing`). It is never stored or repeated, and
    /// lost where nobody is there to see it, or where this client has no connection. Errors: see [`SignalError`].
    pub async fn signal(&self, to: &str, kind: &str) -> Result<(), SignalError> {
        let (to, kind) = (to.parse()?, kind.parse()?);
        self.commands.send(Command::Signal { to, kind }).await.map_err(|_| SignalError::Ended(self.why_ended()))
    }

    /// Says that the user has read a conversation up to this order. It is said again, also over the next connection, until it is stored:
    /// then [`crate::Event::Marked`] comes, here and at the user's other devices. Errors: see [`SignalError`].
    pub async fn read(&self, with: &str, upto: Seq) -> Result<(), SignalError> {
        let with = with.parse()?;
        self.commands.send(Command::Read { with, upto }).await.map_err(|_| SignalError::Ended(self.why_ended()))
    }

    /// How the client stands, as a value to watch.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// How far this machine's clock is from the gateway's, as the last answer of one has shown; `None` while there was none. Where it
    /// [is harmful](ClockSkew::is_harmful), a token that was made by this clock may be refused as one that is over.
    pub fn clock_skew(&self) -> Option<ClockSkew> {
        *self.skew.borrow()
    }

    /// Ends the client: closes the socket and answers what is unaccepted with [`Ended::Closed`]. Returns when its task has let go of
    /// the socket.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_ok() {
            // An error means that the task ended by itself meanwhile: closed all the same.
            let _ = closed.await;
        }
    }

    fn ended(&self) -> SendError {
        self.why_ended().into()
    }

    pub(crate) fn why_ended(&self) -> Ended {
        why_ended(&self.status)
    }
}

fn why_ended(status: &watch::Receiver<Status>) -> Ended {
    match &*status.borrow() {
        Status::Ended(ended) => ended.clone(),
        Status::Connecting(_) | Status::Connected(_) => Ended::Closed,
    }
}

/// The outcome of a send, to be awaited. Dropping it does not take the message back.
#[must_use = "the outcome of a send is known when this is awaited"]
pub struct Sending {
    id: PendingId,
    outcome: oneshot::Receiver<Result<Accepted, SendError>>,
    status: watch::Receiver<Status>,
}

impl Sending {
    /// The message's id, as soon as it has one.
    pub fn id(&self) -> PendingId {
        self.id.clone()
    }
}

impl Future for Sending {
    type Output = Result<Accepted, SendError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sending = &mut *self;
        Pin::new(&mut sending.outcome)
            .poll(cx)
            .map(|answer| answer.unwrap_or_else(|_| Err(why_ended(&sending.status).into())))
    }
}

/// What happens, in order: a bounded stream. While the application does not read it the library stops reading the socket, so nothing
/// is lost; the stream ends after [`Event::Ended`].
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` when the client is over. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Stream for Events {
    type Item = Event;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::{error::TokenError, token::TokenRequest};

    #[tokio::test]
    async fn what_is_handed_over_while_the_task_ends_is_let_go() {
        let nobody = |_: TokenRequest| std::future::ready(Err::<String, _>(TokenError::NoMore));
        let (client, events) = Client::start(ClientOptions::new("http://127.0.0.1:1", nobody)).await.unwrap();
        let room = client.commands.reserve().await.unwrap();
        drop(events);
        let mut status = client.status.clone();
        status.wait_for(|status| matches!(status, Status::Ended(_))).await.unwrap();
        let (done, closed) = oneshot::channel();
        // The task closes the channel before it is over; it is over only once nobody is handing anything over.
        while !client.commands.is_closed() {
            tokio::task::yield_now().await;
        }
        room.send(Command::Close(done));
        assert!(timeout(Duration::from_secs(10), closed).await.is_ok(), "it waits for ever");
    }
}
