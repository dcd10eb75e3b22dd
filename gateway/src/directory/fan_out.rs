//! What is for many followers of a log: given to some of them at a time, and then everybody else has a turn. So nobody waits behind
//! thousands, who was given an entry has it written while all that this takes is still at hand, and what a comparison says of a log comes
//! behind the entries that came before it: else it would say of each that it is missing.

use std::{collections::VecDeque, num::NonZero, sync::Arc, thread::available_parallelism};

use dunlin_schema::LogName;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
};

use super::{Follower, Followers};
use crate::{
    clock::Moment,
    connection::Connection,
    services::Pulse,
    session::{HeadOf, Input, NoAnswer, TailEntry},
};

/// Followers who are given something at once.
pub(super) const AT_ONCE: usize = 64;
/// What waits for the followers of one log. More is let go: whoever misses an entry is shown so by the next one, and reads the log.
const WAITING: usize = 256;

/// The logs whose followers are being given something, each once.
#[derive(Default)]
pub(super) struct FanOut {
    logs: Mutex<VecDeque<Arc<Followers>>>,
    more: Notify,
}

/// What a comparison says of a log.
pub(crate) type Share = Result<HeadOf, NoAnswer>;

/// What is given to the followers of a log.
#[derive(Clone)]
pub(super) enum Item {
    /// A live entry: to all.
    Entry(Arc<TailEntry>),
    /// What a comparison says: to those who are compared up to this number.
    Compared(u32, Share),
}

/// What waits for the followers of one log.
pub(super) struct Giving {
    items: VecDeque<Item>,
    /// Of the list of followers so many, from its beginning, were not given the first one yet.
    left: usize,
    /// How many are given something to some followers just now.
    in_hand: usize,
    /// Whether the next item waits for these.
    waits: bool,
}

/// What is done at once.
struct Turn {
    item: Item,
    /// Whether nothing waits behind the item. Where something does, each one's task is woken instead, and writes all of it together.
    is_last: bool,
    those: Vec<Arc<Connection>>,
    /// Whether it is to be given to others as well.
    is_more: bool,
}

impl FanOut {
    /// Gives what waits, until it is dropped; ends where a part of it does. Who writes to thousands writes for a while, so it takes half of
    /// the cores.
    pub(super) async fn run(self: &Arc<FanOut>, pulse: &Pulse) {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let mut beside: JoinSet<()> = (1..cores.div_ceil(2)).map(|_| self.clone().give()).collect();
        tokio::select! {
            Some(_) = beside.join_next() => {}
            _ = async { tokio::join!(self.clone().give(), pulse.beats()) } => {}
        }
    }

    async fn give(self: Arc<FanOut>) {
        loop {
            if self.turn() {
                yield_now().await;
            } else {
                self.more.notified().await;
            }
        }
    }

    /// Gives something to some followers of the next log. Returns whether there was one.
    fn turn(&self) -> bool {
        let next = self.logs.lock().pop_front();
        let Some(followers) = next else { return false };
        let Some(Turn { item, is_last, those, is_more }) = followers.take_some() else { return true };
        if is_more {
            self.begin(followers.clone());
        }
        let moment = Moment::now();
        for connection in &those {
            match &item {
                Item::Entry(entry) if is_last => connection.give(moment, &followers.log, entry),
                Item::Entry(_) | Item::Compared(..) => item.tell(moment, &followers, connection),
            }
        }
        if followers.gave_some() {
            self.begin(followers);
        }
        true
    }

    fn begin(&self, followers: Arc<Followers>) {
        self.logs.lock().push_back(followers);
        self.more.notify_one();
    }
}

impl Item {
    /// Whether a follower is to be given it.
    fn is_for(&self, follower: &Follower) -> bool {
        match self {
            Item::Entry(_) => true,
            Item::Compared(upto, _) => (1..=*upto).contains(&follower.compared),
        }
    }

    fn tell(&self, moment: Moment, followers: &Followers, connection: &Connection) {
        let log = followers.log.clone();
        let input = match self {
            Item::Entry(entry) => Input::Live(log, entry.clone()),
            Item::Compared(_, share) => said(log, *share),
        };
        connection.tell_at(moment, input);
    }
}

/// What a session is told of a comparison.
pub(super) fn said(log: LogName, share: Share) -> Input {
    match share {
        Ok(head) => Input::Heads(log, head),
        Err(NoAnswer) => Input::HeadsUnanswered(log),
    }
}

impl Followers {
    /// Gives something to all whom it is for: at once where they are few and nothing else waits.
    pub(super) fn give(&self, item: Item) {
        let followers = self.list.lock();
        let mut giving = self.giving.lock();
        match &mut *giving {
            None if followers.len() <= AT_ONCE => {
                let moment = Moment::now();
                let those = followers.iter().filter(|follower| item.is_for(follower));
                those.for_each(|follower| item.tell(moment, self, &follower.connection));
            }
            None => {
                let items = VecDeque::from([item]);
                *giving = Some(Box::new(Giving { items, left: usize::MAX, in_hand: 0, waits: false }));
                // Whoever calls this holds it.
                self.me.upgrade().into_iter().for_each(|me| self.fan_out.begin(me));
            }
            Some(giving) if giving.items.len() < WAITING => giving.items.push_back(item),
            Some(_) => {
                self.metrics.live_let_go.inc();
            }
        }
    }

    /// The first item that waits, and some more to whom it is to be given.
    fn take_some(&self) -> Option<Turn> {
        let followers = self.list.lock();
        let mut giving = self.giving.lock();
        let giving = giving.as_mut()?;
        let (item, is_last) = (giving.items.front()?.clone(), giving.items.len() == 1);
        // From the end: where somebody leaves meanwhile those behind move up, and have it already.
        let upto = giving.left.min(followers.len());
        let from = upto.saturating_sub(AT_ONCE);
        giving.in_hand += 1;
        giving.left = from;
        if from == 0 {
            giving.items.pop_front();
            (giving.left, giving.waits) = (usize::MAX, true);
        }
        let those = followers[from..upto].iter().filter(|follower| item.is_for(follower));
        // Others look into the list while these are written to.
        let those = those.map(|follower| follower.connection.clone()).collect();
        Some(Turn { item, is_last, those, is_more: from > 0 })
    }

    /// Those who were taken have it. Returns whether the next item waits for nobody else.
    fn gave_some(&self) -> bool {
        let mut place = self.giving.lock();
        let Some(giving) = &mut *place else { return false };
        giving.in_hand -= 1;
        let is_next = giving.waits && giving.in_hand == 0;
        if is_next {
            giving.waits = false;
            if giving.items.is_empty() {
                *place = None;
                return false;
            }
        }
        is_next
    }
}

#[cfg(test)]
mod tests;
