//! What a stream is given from now on, once for all who read it in this process: one push consumer from the stream's end, over a line of
//! our own. Whoever has read up to a place that the tap still remembers joins there. Who does not keep up, and everybody at a doubt, is
//! told to go on alone: nobody waits for another reader, so the consumer needs no flow control.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy};
use bytes::Bytes;
use dunlin_schema::Seq;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, futures::Notified, mpsc, oneshot},
    task::AbortHandle,
};

use super::ReaderEvent;
use crate::{
    Publisher, StreamName,
    api::{Api, MessageQuery},
    line::Kept,
    ordered::{Doubt, HEARTBEAT, INACTIVE, Place, Placed, consumer_name},
    wire::{self, Message},
};

/// Entries that are remembered for those who join.
const REMEMBERED: usize = 64;
/// A tap that hears nothing for so long is in doubt: two missed heartbeats.
const SILENT: Duration = Duration::from_secs(2 * HEARTBEAT.as_secs() + 1);

/// The taps of a process. Clones share them.
#[derive(Clone, Debug)]
pub struct Taps {
    kept: Kept,
    by_stream: Arc<Mutex<HashMap<StreamName, Weak<Tap>>>>,
}

/// One consumer, from its making to its doubt; it ends with the last who holds it.
#[derive(Debug)]
pub(super) struct Tap {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    moved: Notify,
}

/// The tap is in doubt, and gives nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over;

#[derive(Debug, Default)]
struct State {
    over: bool,
    /// Whether something came since the last look.
    heard: bool,
    /// Messages that the consumer has sent.
    sent: u64,
    /// Right before the first one that is remembered.
    before: Option<Place>,
    remembered: VecDeque<Placed>,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    events: mpsc::Sender<ReaderEvent>,
    /// Told up to where it was given everything, when it is given nothing more.
    left: oneshot::Sender<Place>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Taps {
    /// Over the connection on which a worker publishes: what comes and what follows from it share its wake-ups.
    pub fn over(publisher: &Publisher) -> Taps {
        Taps { kept: publisher.kept().clone(), by_stream: Arc::default() }
    }

    /// The tap of a stream; another one, where that is in doubt.
    pub(super) fn of(&self, stream: &StreamName) -> Arc<Tap> {
        let mut by_stream = self.by_stream.lock();
        let found = by_stream.get(stream).and_then(Weak::upgrade);
        if let Some(tap) = found.filter(|tap| !tap.shared.state.lock().over) {
            return tap;
        }
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(run(self.kept.clone(), stream.clone(), shared.clone())).abort_handle();
        let tap = Arc::new(Tap { shared, task });
        by_stream.insert(stream.clone(), Arc::downgrade(&tap));
        tap
    }
}

impl Tap {
    /// Resolves when the tap has come further, or is in doubt, after this call.
    pub(super) fn moved(&self) -> Notified<'_> {
        self.shared.moved.notified()
    }

    /// From now on `events` are given every entry behind `place`, until the returned says up to where they were; `None` while the tap is
    /// not there, or is elsewhere. Errors: see [`Over`].
    pub(super) fn join(
        &self,
        place: Place,
        events: &mpsc::Sender<ReaderEvent>,
    ) -> Result<Option<oneshot::Receiver<Place>>, Over> {
        let mut state = self.shared.state.lock();
        if state.over {
            return Err(Over);
        }
        let Some(behind) = state.behind(place) else { return Ok(None) };
        let entries = state.remembered.range(behind..).cloned();
        let Ok(room) = events.try_reserve_many(entries.len()) else { return Ok(None) };
        for (room, entry) in room.zip(entries) {
            room.send(entry.into());
        }
        let (left, leaves) = oneshot::channel();
        state.members.push(Member { events: events.clone(), left });
        Ok(Some(leaves))
    }
}

impl Shared {
    /// What the consumer's subject was given.
    fn take(&self, message: Message<'_>) {
        let mut state = self.state.lock();
        if state.over {
            return;
        }
        state.heard = true;
        if let Err(doubt) = state.take(message) {
            tracing::debug!(%doubt, "a tap ends");
            state.end();
        }
        drop(state);
        self.moved.notify_waiters();
    }

    fn end(&self) {
        self.state.lock().end();
        self.moved.notify_waiters();
    }
}

impl State {
    fn take(&mut self, message: Message<'_>) -> Result<(), Doubt> {
        if wire::status(message.headers).is_some() {
            // A heartbeat. What it says was sent, and did not come, was lost on its way.
            let sent = wire::header(message.headers, "Nats-Last-Consumer").and_then(|sent| sent.parse().ok());
            return match sent {
                Some(sent) if sent != self.sent => Err(Doubt::Hole { expected: self.sent, found: sent }),
                Some(_) | None => Ok(()),
            };
        }
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Doubt::Unplaced("no text".to_owned()));
        let (subject, reply) = (text(message.subject)?, message.reply.map(text).transpose()?);
        // A copy: the read buffer is used again.
        let entry = Placed::read(subject, reply, Bytes::copy_from_slice(message.payload), self.sent + 1)?;
        self.sent += 1;
        self.give(entry);
        Ok(())
    }

    /// Gives an entry to all, and remembers it. Who has no room, or reads no more, leaves.
    fn give(&mut self, entry: Placed) {
        let place = self.end_place();
        for index in (0..self.members.len()).rev() {
            if self.members[index].events.try_send(entry.clone().into()).is_err() {
                let member = self.members.swap_remove(index);
                member.left.send(place.unwrap_or_default()).ok();
            }
        }
        self.remembered.push_back(entry);
        if self.remembered.len() > REMEMBERED {
            self.before = self.remembered.pop_front().map(|entry| entry.place());
        }
    }

    /// Where all members are.
    fn end_place(&self) -> Option<Place> {
        self.remembered.back().map(Placed::place).or(self.before)
    }

    /// How many of the remembered entries are not behind this place, if it is one of ours.
    fn behind(&self, place: Place) -> Option<usize> {
        let same = |ours: Place| ours == place && (place.0 == Seq(0) || place.1.is_some());
        if self.before.is_some_and(same) {
            return Some(0);
        }
        let index = self.remembered.binary_search_by_key(&place.0, |entry| entry.seq).ok()?;
        same(self.remembered[index].place()).then_some(index + 1)
    }

    fn end(&mut self) {
        self.over = true;
        let place = self.end_place().unwrap_or_default();
        for member in self.members.drain(..) {
            member.left.send(place).ok();
        }
        self.remembered.clear();
    }
}

/// Ends the tap when it is dropped, with the line or before.
struct Ear(Arc<Shared>);

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs a tap to its doubt.
async fn run(kept: Kept, stream: StreamName, shared: Arc<Shared>) {
    let Err(doubt) = follow(&kept, &stream, &shared).await;
    tracing::debug!(stream = stream.name, %doubt, "a tap ends");
    shared.end();
}

async fn follow(kept: &Kept, stream: &StreamName, shared: &Arc<Shared>) -> Result<std::convert::Infallible, Doubt> {
    let current = kept.line().await.map_err(|_| Doubt::Lost)?;
    let ear = Ear(shared.clone());
    let (subject, _listening) = current.listen(Box::new(move |message| ear.0.take(message)));
    let api = Api::new(current.outbound().clone(), &stream.domain);
    let config = Config {
        name: Some(consumer_name(stream)),
        deliver_subject: Some(subject),
        ack_policy: AckPolicy::None,
        deliver_policy: DeliverPolicy::New,
        idle_heartbeat: HEARTBEAT,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: INACTIVE,
        ..Config::default()
    };
    let end = api.create_consumer(&stream.name, &config).await.map_err(|error| Doubt::NotMade(error.to_string()))?;
    // After the consumer was made: a log that goes back later takes the consumer with it.
    let time = match end {
        Seq(0) => None,
        seq => {
            let found = api.message(&stream.name, MessageQuery::At { seq: seq.0 }).await;
            found.map_err(|error| Doubt::NotMade(error.to_string()))?.map(|found| found.time)
        }
    };
    shared.state.lock().begins_behind((end, time));
    shared.moved.notify_waiters();
    loop {
        tokio::time::sleep(SILENT).await;
        let mut state = shared.state.lock();
        if state.over {
            return Err(Doubt::Ended);
        }
        if !std::mem::take(&mut state.heard) {
            return Err(Doubt::Silent);
        }
    }
}

impl State {
    /// The consumer begins behind this place; it may have sent something already.
    fn begins_behind(&mut self, place: Place) {
        self.before.get_or_insert(place);
    }
}

#[cfg(test)]
mod tests;
