//! The task of a client: feeds the core and does what it says.
//!
//! Priority of inputs: what the application asks, then what it has stored, then the dial, then the socket; one input for each turn. It
//! ends when the client is over and its events are taken, or when every handle is dropped.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::pending,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use dunlin_schema::{
    Address, Content, LogName, Millis, Open, Seq, SignalKind,
    frame::{Answer, Question},
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::http::Uri;

use crate::{
    checkpointer::{Checkpointer, Mark},
    clock::{Clock, millis},
    core::{Accepted, Acknowledged, ClockSkew, Core, Input, Notification, Output, Progress, RequestId, Setup},
    error::{AskError, Lost, SendError},
    event::{CaughtUp, Connected, Disconnected, Entry, Event, Gap, Status},
    options::ClientOptions,
    pending::PendingId,
    socket::{Incoming, Socket},
    store::Cursors,
    token::TokenRequest,
};

/// Frames that may wait for the socket before acknowledgements wait for them: acknowledgements are cumulative, the last one counts.
const OUTGOING: usize = 64;
/// How long the closing of a socket may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What a handle asks of the task.
pub(crate) enum Command {
    Submit(Submit),
    Ask {
        what: Question,
        within: Duration,
        reply: oneshot::Sender<Result<Answer, AskError>>,
        permit: OwnedSemaphorePermit,
    },
    Signal {
        to: Address,
        kind: SignalKind,
    },
    Read {
        with: Address,
        upto: Seq,
    },
    Close(oneshot::Sender<()>),
}

/// Something to send, with the place it takes among the unaccepted.
pub(crate) struct Submit {
    pub(crate) to: Address,
    pub(crate) content: Content,
    pub(crate) id: PendingId,
    pub(crate) reply: oneshot::Sender<Result<Accepted, SendError>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What a dial brings.
struct Dialled {
    socket: Box<Socket>,
    token: String,
    date: Option<Millis>,
}

type Dial = Pin<Box<dyn Future<Output = Result<Dialled, Lost>> + Send>>;
type AskReply = (oneshot::Sender<Result<Answer, AskError>>, OwnedSemaphorePermit);
type Reply = (PendingId, oneshot::Sender<Result<Accepted, SendError>>, OwnedSemaphorePermit);

/// What handles look at.
pub(crate) struct Tells {
    pub(crate) status: watch::Sender<Status>,
    pub(crate) skew: watch::Sender<Option<ClockSkew>>,
}

struct Driver {
    core: Core,
    clock: Clock,
    options: ClientOptions,
    gateways: Vec<Uri>,
    checkpointer: Arc<Checkpointer>,
    events: mpsc::Sender<Event>,
    /// What the application has left no room for. Bounded: the core gives nothing while it is not empty, and of how the connection
    /// stands only the last is kept.
    untold: VecDeque<Event>,
    /// What the core was told of room.
    room: bool,
    tells: Tells,
    replies: HashMap<RequestId, Reply>,
    answers: HashMap<RequestId, AskReply>,
    requests: u64,
    dial: Option<Dial>,
    socket: Option<Box<Socket>>,
    closing: Option<oneshot::Sender<()>>,
    /// Cursors of repeats that are being saved.
    saves: JoinSet<()>,
}

/// What woke the task.
enum Woken {
    Command(Option<Command>),
    Stored(BTreeMap<Open<LogName>, Acknowledged>),
    Dialled(Result<Dialled, Lost>),
    Came(Result<Incoming, Lost>),
    /// There is (plenty of) room for events, or nobody reads them any more.
    Room,
    Time,
}

pub(crate) async fn run(
    options: ClientOptions,
    gateways: Vec<Uri>,
    kept: Cursors,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    tells: Tells,
) {
    let clock = Clock::new();
    let (checkpointer, mut stored) = Checkpointer::new(options.store.clone());
    let setup = Setup {
        gateways: gateways.len(),
        device: options.device.clone(),
        kept,
        start: options.start.clone(),
        backoff_first: millis(options.backoff.first),
        backoff_most: millis(options.backoff.most),
        connect_within: millis(options.connect_within),
        in_flight_per_address: options.in_flight_per_address,
        seed: rand::random(),
    };
    let core = Core::new(setup, clock.now());
    let mut driver = Driver {
        core,
        clock,
        options,
        gateways,
        checkpointer,
        events,
        untold: VecDeque::new(),
        room: true,
        tells,
        replies: HashMap::new(),
        answers: HashMap::new(),
        requests: 0,
        dial: None,
        socket: None,
        closing: None,
        saves: JoinSet::new(),
    };
    let mut held = true;
    while !(driver.core.is_over() && driver.untold.is_empty()) && (held || !driver.events.is_closed()) {
        let woken = driver.wait(&mut commands, held, &mut stored).await;
        held &= !matches!(woken, Woken::Command(None));
        driver.woken(woken);
        if driver.core.is_over() {
            driver.hang_up().await;
        }
    }
    // Whoever still holds something of a client that was dropped learns that it is over.
    driver.give(Input::Close);
    driver.hang_up().await;
    // A command that is just being handed over is dropped with its reply: in a channel that nobody reads it would stay for as long as there
    // is a handle, and whoever handed it over would wait for ever.
    commands.close();
    while let Some(command) = commands.recv().await {
        driver.command(command);
    }
    while driver.saves.join_next().await.is_some() {}
}

impl Driver {
    async fn wait(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        held: bool,
        stored: &mut watch::Receiver<BTreeMap<Open<LogName>, Acknowledged>>,
    ) -> Woken {
        let over = self.core.is_over();
        let reads = self.core.wants_input();
        let takes_acks = !over && self.socket.as_ref().is_none_or(|socket| socket.waiting() < OUTGOING);
        let deadline = self.core.next_deadline().map(|at| self.clock.instant(at));
        let (full, plenty) = (!self.room, self.plenty());
        let Driver { dial, socket, events, saves, .. } = self;
        tokio::select! {
            biased;
            // Before a command, which may be the last: what was done by then is told.
            Ok(()) = stored.changed(), if takes_acks => Woken::Stored(stored.borrow_and_update().clone()),
            command = commands.recv(), if held => Woken::Command(command),
            dialled = async { match dial { Some(dial) => dial.await, None => pending().await } } => Woken::Dialled(dialled),
            came = async { match socket { Some(socket) => socket.turn(reads).await, None => pending().await } } => Woken::Came(came),
            // An error means that nobody reads events any more: room for all of them.
            _ = events.reserve_many(plenty), if full => Woken::Room,
            () = events.closed(), if !full && !events.is_closed() => Woken::Room,
            Some(_) = saves.join_next() => Woken::Time,
            () = async { match deadline { Some(at) => tokio::time::sleep_until(at).await, None => pending().await } } => Woken::Time,
        }
    }

    /// Tells the core what woke the task.
    fn woken(&mut self, woken: Woken) {
        match woken {
            // Every handle is dropped, which the loop has noted.
            Woken::Command(None) => {}
            Woken::Command(Some(command)) => self.command(command),
            Woken::Stored(done) => self.give(Input::Done(done)),
            Woken::Dialled(Ok(Dialled { socket, token, date })) => {
                self.dial = None;
                self.socket = Some(socket);
                self.give(Input::Opened { token, date });
            }
            Woken::Dialled(Err(why)) => {
                self.dial = None;
                self.give(Input::Lost(why));
            }
            Woken::Came(Ok(Incoming::Frame(frame))) => self.give(Input::Frame(frame)),
            Woken::Came(Ok(Incoming::Other)) => self.give(Input::Heard),
            Woken::Came(Err(why)) => {
                self.socket = None;
                self.give(Input::Lost(why));
            }
            Woken::Room => self.give(Input::Tick),
            Woken::Time => self.give(Input::Tick),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            // Its reply is dropped, which says that the client is over.
            Command::Submit(_) | Command::Ask { .. } if self.core.is_over() => {}
            Command::Read { with, upto } => self.give(Input::Read { with, upto }),
            Command::Signal { to, kind } => self.give(Input::Signal { to, kind }),
            Command::Submit(submit) => {
                self.requests += 1;
                let request = RequestId(self.requests);
                self.replies.insert(request, (submit.id, submit.reply, submit.permit));
                self.give(Input::Submit { request, to: submit.to, content: submit.content });
            }
            Command::Ask { what, within, reply, permit } => {
                self.requests += 1;
                let request = RequestId(self.requests);
                self.answers.insert(request, (reply, permit));
                let until = self.clock.now().steady.plus(millis(within));
                self.give(Input::Ask { request, what, until });
            }
            Command::Close(done) => {
                self.closing = Some(done);
                self.give(Input::Close);
            }
        }
    }

    /// Gives the core an input and does what it says, until it also knows whether there is room.
    fn give(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mut outputs = Vec::new();
            self.core.handle(self.clock.now(), input, &mut outputs);
            outputs.into_iter().for_each(|output| self.carry_out(output));
            self.tell_skew();
            let room = self.tell();
            if room != self.room {
                self.room = room;
                next = Some(Input::Room(room));
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Dial { gateway, refused, server_time } => {
                self.dial = Some(self.dial(gateway, TokenRequest { refused, server_time }));
            }
            Output::Write(frame) => {
                if let Some(socket) = &mut self.socket {
                    socket.write(&frame);
                }
            }
            Output::HangUp => {
                self.dial = None;
                // At the end the socket is closed with a goodbye.
                if !self.core.is_over() {
                    self.socket = None;
                }
            }
            Output::Notify(notification) => self.notify(notification),
            Output::Skip(place) => {
                let checkpointer = self.checkpointer.clone();
                self.saves.spawn(async move { checkpointer.skip(place).await });
            }
            Output::Answered(request, answer) => {
                if let Some((reply, _permit)) = self.answers.remove(&request) {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(answer);
                }
            }
            Output::Named(request, id) => {
                if let Some((named, _, _)) = self.replies.get(&request) {
                    named.set(id);
                }
            }
            Output::Settle(request, outcome) => {
                if let Some((_, reply, _permit)) = self.replies.remove(&request) {
                    // Nobody may be waiting: the message was sent all the same.
                    let _ = reply.send(outcome);
                }
            }
        }
    }

    fn dial(&self, gateway: usize, request: TokenRequest) -> Dial {
        let (gateway, encoding) = (self.gateways[gateway].clone(), self.options.encoding);
        let token = self.options.token.clone();
        Box::pin(async move {
            let token = token.token(request).await?;
            let (socket, date) = Socket::open(gateway, encoding).await?;
            Ok(Dialled { socket: Box::new(socket), token, date })
        })
    }

    fn notify(&mut self, notification: Notification) {
        let mark = |place: Progress| Mark { place, checkpointer: self.checkpointer.clone() };
        let event = match notification {
            Notification::Connected { gateway, user, device, region } => {
                let connected = Connected { url: self.gateways[gateway].to_string(), user, device, region };
                tracing::debug!(url = connected.url, user = %connected.user, "connected");
                self.tells.status.send_replace(Status::Connected(connected.clone()));
                Event::Connected(connected)
            }
            Notification::Entry(frame, place) => Event::Entry(Entry::new(frame, mark(place))),
            Notification::Gap { log, from, to, place } => Event::Gap(Gap::new(log, from, to, mark(place))),
            Notification::CaughtUp { log, seq, place } => Event::CaughtUp(CaughtUp::new(log, seq, mark(place))),
            Notification::Refused { code, message } => Event::Refused { code, message },
            Notification::Signal { from, kind, group } => Event::Signal { from, kind, group },
            Notification::Presence { user, presence } => Event::Presence { user, presence },
            Notification::Receipt(receipt) => Event::Receipt(receipt),
            Notification::Marked { with, read } => Event::Marked { with, read },
            Notification::Disconnected { why, retry_in } => {
                tracing::debug!(%why, retry_in = retry_in.0, "disconnected");
                self.tells.status.send_replace(Status::Connecting(Some(why.clone())));
                Event::Disconnected(Disconnected { why, retry_in: Duration::from_millis(retry_in.0) })
            }
            Notification::Ended(ended) => {
                self.tells.status.send_replace(Status::Ended(ended.clone()));
                Event::Ended(ended)
            }
        };
        if let Event::Refused { code, message } = &event
            && !self.untold.is_empty()
        {
            return tracing::warn!(?code, message, "a frame was refused, and the application left no room to be told");
        }
        if matches!(event, Event::Signal { .. }) && !self.untold.is_empty() {
            return;
        }
        if stands(&event) && self.untold.back().is_some_and(stands) {
            self.untold.pop_back();
        }
        self.untold.push_back(event);
    }

    fn tell_skew(&self) {
        let skew = self.core.clock_skew();
        let was_harmful = self.tells.skew.borrow().is_some_and(ClockSkew::is_harmful);
        if let Some(skew) = skew
            && skew.is_harmful()
            && !was_harmful
        {
            tracing::warn!("this machine's clock is {skew}: tokens that are made by it may be refused");
        }
        self.tells.skew.send_if_modified(|told| std::mem::replace(told, skew) != skew);
    }

    /// Passes on what there is room for. Whether there is room for more: once entries were dropped for want of it, when half is free,
    /// so that the connection is not made anew for each entry.
    fn tell(&mut self) -> bool {
        while let Some(event) = self.untold.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.untold.push_front(event);
                    return false;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => self.untold.clear(),
            }
        }
        !self.core.is_behind() || self.events.is_closed() || self.events.capacity() >= self.plenty()
    }

    fn plenty(&self) -> usize {
        if self.core.is_behind() { self.events.max_capacity().div_ceil(2) } else { 1 }
    }

    /// Lets go of the socket when the client is over.
    async fn hang_up(&mut self) {
        self.dial = None;
        if let Some(socket) = self.socket.take() {
            // A gateway that does not answer the close is left all the same.
            let _ = tokio::time::timeout(CLOSE_WITHIN, socket.close()).await;
        }
        if let Some(done) = self.closing.take() {
            // Whoever closed may have stopped waiting.
            let _ = done.send(());
        }
    }
}

/// Whether an event says how the connection stands: of several in a row the last one is enough.
fn stands(event: &Event) -> bool {
    match event {
        Event::Connected(_) | Event::Disconnected(_) => true,
        Event::Entry(_)
        | Event::Gap(_)
        | Event::CaughtUp(_)
        | Event::Refused { .. }
        | Event::Signal { .. }
        | Event::Presence { .. }
        | Event::Receipt(_)
        | Event::Marked { .. }
        | Event::Ended(_) => false,
    }
}
