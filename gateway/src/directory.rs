//! Who follows which log here: each log once, with its followers and the interest that brings its live entries, by shard.

mod audience;
mod changes;
mod devices;
mod fan_out;
mod roll;

use std::{
    collections::{BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak, atomic::AtomicU32},
};

use dunlin_nats::{FanIn, FanInError, Joined, LiveSink};
use dunlin_schema::{
    Log, LogName, Peer, RegionName, Seq, Shard, UserName, limits,
    live::{DeviceNews, LiveEntry, Mark, Receipt, Signal},
    presence::{GatewayRun, Here},
};
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell};

pub(crate) use audience::Audience;
pub(crate) use changes::Change;
use changes::Changes;
use devices::Teller;
pub(crate) use devices::{News, publish};
use fan_out::{FanOut, Giving, Item};
use roll::Roll;
pub(crate) use roll::Unheard;

use crate::{
    clock::{Moment, Uptime},
    connection::Connection,
    metrics::Metrics,
    services::Pulse,
    session::{Input, Tail, marks},
    timer::Order,
};

/// The logs of a region that somebody here follows.
pub(crate) struct Directory {
    region: RegionName,
    metrics: Arc<Metrics>,
    teller: Teller,
    shards: Box<[Mutex<Logs>]>,
    /// Shards of whose users' devices something may have been missed.
    missed: Mutex<BTreeSet<Shard>>,
    more_missed: Notify,
    changes: Changes,
    fan_out: Arc<FanOut>,
}

/// By the logs' owners.
type Logs = HashMap<Peer, Arc<Followed>>;

/// A log that somebody here follows. It goes with its last follower, and its interest with it.
struct Followed {
    followers: Arc<Followers>,
    interest: OnceCell<Joined>,
}

/// The followers of a log.
pub(crate) struct Followers {
    me: Weak<Followers>,
    log: LogName,
    tail: Tail,
    metrics: Arc<Metrics>,
    teller: Teller,
    list: Mutex<Vec<Follower>>,
    /// How many there were so far whose sessions know that the interest is in place.
    compared: AtomicU32,
    fan_out: Arc<FanOut>,
    /// What some of them have yet to be given, while there is any.
    giving: Mutex<Option<Box<Giving>>>,
    roll: Roll,
}

/// A connection that follows a log.
struct Follower {
    connection: Arc<Connection>,
    /// As which of those it is compared whose sessions know that the interest is in place; 0 until its session does.
    compared: u32,
}

/// The user has as many devices connected as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this user has {max} devices connected, which is as many as are allowed", max = limits::DEVICES)]
pub(crate) struct TooMany;

impl Directory {
    /// What it tells other gateways goes out while the [`News`] run.
    pub(crate) fn new(region: RegionName, shards: u16, metrics: Arc<Metrics>) -> (Directory, News) {
        let (teller, news) = devices::channel(&metrics);
        let shards = (0..shards).map(|_| Mutex::default()).collect();
        let (missed, more_missed) = (Mutex::default(), Notify::new());
        let (changes, fan_out) = (Changes::default(), Arc::default());
        (Directory { region, metrics, teller, shards, missed, more_missed, changes, fan_out }, news)
    }

    /// Gives what is for the followers of logs that many follow, until it is dropped.
    pub(crate) async fn fan_out(&self, pulse: &Pulse) {
        self.fan_out.run(pulse).await;
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.shards.len() as u16).map(Shard)
    }

    /// The shard of the log and the records of a user or a group.
    pub(crate) fn shard_of(&self, owner: &Peer) -> Shard {
        Shard::of(owner.as_str(), self.shards.len() as u16)
    }

    /// The log of a user or a group of the region.
    pub(crate) fn log_of(&self, owner: Peer) -> Log {
        Log::of(&self.region, self.shards.len() as u16, owner)
    }

    fn logs(&self, shard: Shard) -> &Mutex<Logs> {
        &self.shards[usize::from(shard.0)]
    }

    /// Where a log is that a connection's user follows.
    fn place(&self, connection: &Connection, log: &LogName) -> Log {
        Log::named(&self.region, self.shards.len() as u16, connection.user(), log)
    }

    /// Adds a connection to the followers of a log, until [`Directory::leave`]. Of a mailbox the same device's older connection is told to
    /// end. Errors: the user has too many devices at the mailbox; then nothing was added.
    pub(crate) fn follow(&self, connection: &Arc<Connection>, log: LogName) -> Result<Arc<Followers>, TooMany> {
        let place = self.place(connection, &log);
        let mut logs = self.logs(place.shard).lock();
        let followed = logs.entry(place.owner.clone()).or_insert_with(|| {
            let (log, metrics, teller) = (log.clone(), self.metrics.clone(), self.teller.clone());
            let (roll, compared) = (Roll::default(), AtomicU32::new(0));
            let (tail, list) = (Tail::of(&place, log.clone()), Mutex::new(Vec::with_capacity(1)));
            let (fan_out, giving) = (self.fan_out.clone(), Mutex::default());
            let followers = Arc::new_cyclic(|me: &Weak<Followers>| {
                let me = me.clone();
                Followers { me, log, tail, metrics, teller, list, compared, fan_out, giving, roll }
            });
            Arc::new(Followed { followers, interest: OnceCell::new() })
        });
        let follower = Follower { connection: connection.clone(), compared: 0 };
        let mut list = followed.followers.list.lock();
        match log {
            LogName::Mailbox => devices::add(&mut list, follower)?,
            LogName::Group(_) => {
                // Thousands follow some logs: room for an eighth more, not for as many again.
                if list.len() == list.capacity() {
                    let more = list.len().div_ceil(8);
                    list.reserve_exact(more);
                }
                list.push(follower);
            }
        }
        Ok(followed.followers.clone())
    }

    /// Takes a follower out, unless a newer connection of its device has taken the place.
    pub(crate) fn leave(&self, connection: &Arc<Connection>, log: &LogName) {
        let Log { shard, owner, .. } = self.place(connection, log);
        let mut logs = self.logs(shard).lock();
        let Some(followed) = logs.get(&owner) else { return };
        let mut list = followed.followers.list.lock();
        list.retain(|other| !Arc::ptr_eq(&other.connection, connection));
        let is_empty = list.is_empty();
        drop(list);
        // Its interest goes when others may look here again.
        let gone = if is_empty { logs.remove(&owner) } else { None };
        drop(logs);
        if gone.is_some() && *log == LogName::Mailbox {
            self.change(Change::Left(connection.user().clone()));
        }
        drop(gone);
    }

    /// Whether somebody here follows a log.
    pub(crate) fn is_followed(&self, log: &Log) -> bool {
        self.logs(log.shard).lock().contains_key(&log.owner)
    }

    /// Whether a device of a user of the region is here.
    pub(crate) fn is_here(&self, user: &UserName) -> bool {
        self.is_followed(&Log::mailbox(&self.region, self.shards.len() as u16, user))
    }

    /// This run of the gateway.
    pub(crate) fn run(&self) -> GatewayRun {
        self.teller.run()
    }

    /// Resolves when the interest in the live entries of a follower's log is in place: the first follower puts it there, the others wait
    /// for it. Then the other gateways are told of a mailbox's device. Errors: see [`FanInError`].
    pub(crate) async fn interest(
        &self,
        fan_in: &FanIn,
        connection: &Connection,
        log: &LogName,
    ) -> Result<(), FanInError> {
        let place = self.place(connection, log);
        // Only one that was replaced in the meantime is not there, and it is told to end.
        let Some(followed) = self.found(&place) else { return Ok(()) };
        let is_first = followed.joined(fan_in, place.owner).await?;
        if *log == LogName::Mailbox {
            if is_first {
                self.change(Change::Came(connection.user().clone()));
            }
            if followed.followers.removal_of(connection.device(), connection.opened().wall).is_some() {
                connection.alarm().tell(Order::Revoked);
            }
            self.teller.announce(connection);
        }
        Ok(())
    }

    /// Gives a signal to the devices here of the user, or of the group's members, to whom it is sent.
    pub(crate) fn signal(&self, to: &Peer, signal: &Signal) {
        if let Some(followed) = self.found(&self.log_of(to.clone())) {
            followed.followers.signal(signal.clone());
        }
    }

    /// Tells the devices here of a user that one of the user's marks was written under this revision.
    pub(crate) fn marks_changed(&self, user: &UserName, revision: Seq) {
        let mailbox = Log::mailbox(&self.region, self.shards.len() as u16, user);
        if let Some(followed) = self.found(&mailbox) {
            for follower in followed.followers.list.lock().iter() {
                follower.connection.tell(Input::MarksChanged(revision));
            }
        }
    }

    /// Tells the devices here of a user that the user has joined a group, or left it.
    pub(crate) fn groups_changed(&self, user: &UserName, log: &LogName) {
        let mailbox = Log::mailbox(&self.region, self.shards.len() as u16, user);
        if let Some(followed) = self.found(&mailbox) {
            for follower in followed.followers.list.lock().iter() {
                follower.connection.tell(Input::Groups(Some(log.clone())));
            }
        }
    }

    /// Tells the devices here of all users of a shard that they may have joined groups, or left them.
    pub(crate) fn any_groups_changed(&self, shard: Shard) {
        let mailboxes = |(owner, followed): (&Peer, &Arc<Followed>)| match owner {
            Peer::User(_) => Some(followed.clone()),
            Peer::Group(_) => None,
        };
        let mailboxes: Vec<Arc<Followed>> = self.logs(shard).lock().iter().filter_map(mailboxes).collect();
        for followed in mailboxes {
            for follower in followed.followers.list.lock().iter() {
                follower.connection.tell(Input::Groups(None));
            }
        }
    }

    /// The name of a group's log as the others here have it: one that is shared is kept once.
    pub(crate) fn shared(&self, log: LogName) -> LogName {
        let LogName::Group(address) = &log else { return log };
        let place = self.log_of(Peer::Group(address.group.clone()));
        self.found(&place).map_or(log, |followed| followed.followers.log.clone())
    }

    fn found(&self, place: &Log) -> Option<Arc<Followed>> {
        self.logs(place.shard).lock().get(&place.owner).cloned()
    }

    /// The logs of a shard that are compared, each once, and who is to be told.
    pub(crate) fn followed(&self, shard: Shard) -> Vec<(Peer, Vec<Audience>)> {
        let logs = self.logs(shard).lock();
        let compared = logs.iter().filter_map(|(owner, followed)| {
            let audience = Audience::of(&followed.followers)?;
            Some((owner.clone(), vec![audience]))
        });
        compared.collect()
    }
}

impl Followed {
    /// Resolves when the interest is in place, and says whether this put it there: who comes first does. Errors: see [`FanInError`].
    async fn joined(&self, fan_in: &FanIn, owner: Peer) -> Result<bool, FanInError> {
        let mut is_first = false;
        let join = || {
            is_first = true;
            fan_in.join(owner, self.followers.clone())
        };
        self.interest.get_or_try_init(join).await?;
        Ok(is_first)
    }
}

impl Followers {
    /// Tells the devices of a mailbox's user of their marks.
    fn tell_of_marks(&self, news: &marks::News) {
        let moment = Moment::now();
        for follower in self.list.lock().iter() {
            follower.connection.tell_at(moment, Input::News(news.clone()));
        }
    }
}

impl LiveSink for Followers {
    /// Makes an entry ready once, and gives it to all.
    fn live(&self, entry: LiveEntry) {
        self.metrics.live_entries.inc();
        let followers = self.list.lock().len();
        // Whoever published it is not trusted with the task that reads for everybody.
        let Ok(ready) = catch_unwind(AssertUnwindSafe(|| self.tail.entry(entry, followers))) else {
            self.metrics.panics.inc();
            tracing::error!("a panic over a live entry: the comparison of heads finds it");
            return;
        };
        self.give(Item::Entry(Arc::new(ready)));
    }

    fn devices(&self, news: DeviceNews) {
        match (&self.log, news) {
            (LogName::Mailbox, DeviceNews::Joined(joined)) => self.meet(joined, Uptime::now()),
            (LogName::Mailbox, DeviceNews::Stays(joined)) => self.meet_again(joined),
            (LogName::Mailbox, DeviceNews::Met(met)) => self.take_in(met),
            (LogName::Mailbox, DeviceNews::RollCall(call)) => self.answer(call),
            (LogName::Mailbox, DeviceNews::Present(present)) => self.count(present),
            (LogName::Mailbox, DeviceNews::Removed(removed)) => self.end(&removed),
            (LogName::Group(_), _) => self.passed_over(),
        }
    }

    fn signal(&self, signal: Signal) {
        let moment = Moment::now();
        if !signal.holds(moment.wall) {
            self.metrics.signals_lost.inc();
            return;
        }
        // In a group, one's own devices know what one does.
        let is_own =
            |follower: &Follower| self.log != LogName::Mailbox && *follower.connection.user() == signal.from.user;
        for follower in self.list.lock().iter().filter(|follower| !is_own(follower)) {
            follower.connection.tell_at(moment, Input::Signal(signal.clone()));
        }
    }

    fn receipt(&self, receipt: Receipt) {
        self.tell_of_marks(&marks::News::of_receipt(receipt));
    }

    fn mark(&self, mark: Mark) {
        self.tell_of_marks(&marks::News::of_mark(mark));
    }

    fn here(&self) -> Option<Here> {
        let is_here = self.log == LogName::Mailbox && !self.list.lock().is_empty();
        is_here.then(|| Here { gateway: self.teller.run() })
    }

    fn passed_over(&self) {
        self.metrics.live_passed_over.inc();
    }
}

#[cfg(test)]
mod tests;
