//! A line, as those know it who have something to say on it: what they say is appended to one buffer.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{AskError, replies::Replies};
use crate::wire::{self, Message, Publish, ReplyTo};

/// Bytes that wait to be written; whoever has more waits.
const WAITING: usize = 1 << 20;
/// The number of the subscription that brings answers; others have those above.
pub(super) const ANSWERS: u64 = 0;
/// What a server says in place of an answer where nobody listens.
const NO_RESPONDERS: u16 = 503;

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    /// The line is lost: what was given to it before may have been sent, and nothing more will be.
    #[error("the connection to NATS is lost")]
    Lost,
    /// The server would not take it, and close the connection.
    #[error("the NATS server takes no message of that size")]
    TooLarge,
}

/// Where messages are given to a line. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// What the answers' subjects begin with.
    inbox: String,
    /// The most bytes that the server takes in one message, its headers among them.
    most: usize,
    replies: Replies<Result<Bytes, AskError>>,
    state: Mutex<State>,
    /// There may be room again, or the line is lost.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    closed: bool,
    /// Wakes the task that writes.
    writer: Option<Waker>,
    /// Who waits for what is in the buffer to be taken by the server. They share one question.
    asking: Vec<oneshot::Sender<()>>,
    /// Who waits for the answer to each question that was sent, in order.
    asked: VecDeque<Vec<oneshot::Sender<()>>>,
    /// How many of them were sent before the last look at whether the server is there.
    due: usize,
}

impl Outbound {
    /// With the inbox for its answers below a prefix, to a server that takes messages up to so many bytes.
    pub(super) fn new(inbox_prefix: &str, most: usize) -> Outbound {
        let inbox = format!("{inbox_prefix}.{:016x}.", rand::random::<u64>());
        let (replies, state, room) = (Replies::default(), Mutex::default(), Notify::new());
        let outbound = Outbound { shared: Arc::new(Shared { inbox, most, replies, state, room }) };
        outbound.subscribe(&format!("{}*", outbound.shared.inbox), ANSWERS);
        outbound
    }

    /// A subject of the line's own for the subscription of that number, which no answer comes under.
    pub(super) fn inbox_of(&self, number: u64) -> String {
        format!("{}to.{number}", self.shared.inbox)
    }

    /// Whether the server takes a message of that size, in bytes.
    pub(crate) fn takes(&self, size: usize) -> bool {
        size <= self.shared.most
    }

    /// Asks whoever listens, and takes the first answer; it may never come. Errors: nobody listens, or it can't be sent.
    pub(crate) async fn ask(&self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) -> Result<Bytes, AskError> {
        let answer = self.shared.replies.ask().ok_or(AskError::Unanswered)?;
        let reply = ReplyTo::Number(&self.shared.inbox, answer.number());
        let asked = self.publish(&Publish { subject, reply, headers, payload }).await;
        asked.map_err(|_| AskError::Unanswered)?;
        answer.await.unwrap_or(Err(AskError::Unanswered))
    }

    /// What came under the inbox.
    pub(super) fn answer(&self, message: Message<'_>) {
        let number = message.subject.strip_prefix(self.shared.inbox.as_bytes());
        let number = number.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
        let Some(number) = number else { return };
        let answer = match wire::status(message.headers) {
            Some(NO_RESPONDERS) => Err(AskError::NoResponders),
            // A copy: the read buffer is used again.
            Some(_) | None => Ok(Bytes::copy_from_slice(message.payload)),
        };
        self.shared.replies.answered(number, answer);
    }

    /// Sends a message, once there is room. Errors: see [`NotSent`].
    pub(crate) async fn publish(&self, message: &Publish<'_>) -> Result<(), NotSent> {
        loop {
            // Before the look, so that no word of room is missed.
            let room = self.shared.room.notified();
            if self.try_publish(message)? {
                return Ok(());
            }
            room.await;
        }
    }

    /// Sends a message, if there is room; says whether there was. Errors: see [`NotSent`].
    pub(crate) fn try_publish(&self, message: &Publish<'_>) -> Result<bool, NotSent> {
        if !self.takes(message.size()) {
            return Err(NotSent::TooLarge);
        }
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(NotSent::Lost);
        }
        if state.buffer.len() >= WAITING {
            return Ok(false);
        }
        wire::publish(&mut state.buffer, message);
        state.wake();
        Ok(true)
    }

    /// Subscribes under a number above 0 that was never given before on this line. On a lost one it does nothing.
    pub(crate) fn subscribe(&self, subject: &str, sid: u64) {
        self.say(|buffer| wire::subscribe(buffer, subject, sid));
    }

    /// Takes a subscription back.
    pub(crate) fn unsubscribe(&self, sid: u64) {
        self.say(|buffer| wire::unsubscribe(buffer, sid));
    }

    /// Resolves when the server has processed everything that was given before. Errors: see [`NotSent`].
    pub(crate) fn round_trip(&self) -> impl Future<Output = Result<(), NotSent>> + use<> {
        let (told, answered) = oneshot::channel();
        let mut state = self.shared.state.lock();
        if !state.closed {
            state.asking.push(told);
            state.wake();
        }
        async move { answered.await.map_err(|_| NotSent::Lost) }
    }

    /// Says that we are there, to a server that hears it: one that reads nothing is not owed more and more answers.
    pub(super) fn pong(&self) {
        self.say(|buffer| {
            if buffer.len() < WAITING {
                wire::pong(buffer);
            }
        });
    }

    /// Asks whether the server is there; says whether it has answered all that was asked before the last time.
    pub(super) fn ping(&self) -> bool {
        let mut state = self.shared.state.lock();
        let answered = state.due == 0;
        wire::ping(&mut state.buffer);
        state.asked.push_back(Vec::new());
        state.due = state.asked.len();
        state.wake();
        answered
    }

    /// The server has answered the first question that it had not.
    pub(super) fn answered(&self) {
        let mut state = self.shared.state.lock();
        state.due = state.due.saturating_sub(1);
        let waiting = state.asked.pop_front();
        drop(state);
        for told in waiting.into_iter().flatten() {
            // Whoever asked may have given up.
            told.send(()).ok();
        }
    }

    /// Swaps what waits with an empty buffer; says whether there was something. If not, the task of `cx` is woken when there is.
    pub(super) fn take(&self, cx: &mut Context<'_>, empty: &mut Vec<u8>) -> bool {
        let mut state = self.shared.state.lock();
        if state.writer.as_ref().is_none_or(|writer| !writer.will_wake(cx.waker())) {
            state.writer = Some(cx.waker().clone());
        }
        if !state.asking.is_empty() {
            let asking = std::mem::take(&mut state.asking);
            wire::ping(&mut state.buffer);
            state.asked.push_back(asking);
        }
        let full = state.buffer.len() >= WAITING;
        std::mem::swap(&mut state.buffer, empty);
        drop(state);
        if full {
            self.shared.room.notify_waiters();
        }
        !empty.is_empty()
    }

    /// The line is lost.
    pub(super) fn close(&self) {
        let mut state = self.shared.state.lock();
        *state = State { closed: true, ..State::default() };
        drop(state);
        self.shared.room.notify_waiters();
        self.shared.replies.close();
    }

    fn say(&self, say: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.shared.state.lock();
        if !state.closed {
            say(&mut state.buffer);
            state.wake();
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
