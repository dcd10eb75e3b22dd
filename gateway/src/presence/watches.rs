//! Carries out what is decided about watches: one interest in the news of each person who is watched here, however many watch, and their
//! questions.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use dunlin_nats::{FanIn, Joined};
use dunlin_schema::{
    Address, UserName, limits,
    presence::{GatewayRun, Presence},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OnceCell},
    time::{Instant, interval, sleep, sleep_until},
};

use super::{
    core::{Core, Input, Output, Question, Watcher},
    sight::{Sight, shown},
    whereabouts::{SETTLES, Whereabouts},
};
use crate::{
    clock::Uptime,
    connection::Connection,
    directory::Directory,
    metrics::Metrics,
    services::{BEAT_EVERY, Pulse},
};

/// The pause before the interest in other gateways is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// Watchers and people for whom it is asked at once whether the one may see the other.
const DECIDED_AT_ONCE: usize = 256;

/// Who is watched here.
pub(crate) struct Watches {
    metrics: Arc<Metrics>,
    held: Mutex<Held>,
    more: Notify,
    told: Notify,
}

/// The interest in the news of one person.
type Interest = Arc<OnceCell<Joined>>;

#[derive(Default)]
struct Held {
    core: Core,
    watchers: BTreeMap<Watcher, Arc<Connection>>,
    interests: HashMap<UserName, Interest>,
    /// Bounded by what the core asks at once.
    questions: VecDeque<(Question, Interest)>,
    /// Who is to be told of whom, once it is clear what they are shown.
    telling: BTreeSet<(Watcher, UserName)>,
    /// Those of whom nobody could say it, which is asked again.
    undecided: BTreeSet<(Watcher, UserName)>,
    last: u64,
}

impl Watches {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Arc<Watches> {
        Arc::new(Watches { metrics: metrics.clone(), held: Mutex::default(), more: Notify::new(), told: Notify::new() })
    }

    /// From now on a connection watches these people of the region, and nobody else. Of `others` nobody can say anything.
    pub(crate) fn watch(&self, connection: &Arc<Connection>, people: BTreeSet<UserName>, others: BTreeSet<Address>) {
        let mut held = self.held.lock();
        let watcher = match connection.watcher() {
            Some(watcher) => Watcher(watcher),
            None => {
                held.last += 1;
                Watcher(held.last)
            }
        };
        match people.is_empty() {
            true => held.watchers.remove(&watcher),
            false => held.watchers.insert(watcher, connection.clone()),
        };
        let is_over = people.is_empty() && others.is_empty();
        connection.watches((!is_over).then_some(watcher.0));
        for address in others {
            connection.tell_presence(address, Presence::unknown());
        }
        self.handle(&mut held, Input::Watch(watcher, people));
    }

    /// A connection is over.
    pub(crate) fn unwatch(&self, connection: &Connection) {
        let Some(watcher) = connection.watcher().map(Watcher) else { return };
        let mut held = self.held.lock();
        held.watchers.remove(&watcher);
        self.handle(&mut held, Input::Watch(watcher, BTreeSet::new()));
    }

    /// Somebody's presence may have changed.
    pub(super) fn ask_again(&self, user: &UserName) {
        self.handle(&mut self.held.lock(), Input::AskAgain(user.clone()));
    }

    fn handle(&self, held: &mut Held, input: Input) {
        let mut outputs = Vec::new();
        held.core.handle(Uptime::now(), input, &mut outputs);
        for output in outputs {
            match output {
                Output::Ask(question) => {
                    let interest = held.interests.entry(question.user.clone()).or_default().clone();
                    held.questions.push_back((question, interest));
                    self.more.notify_one();
                }
                Output::Forget(user) => {
                    held.interests.remove(&user);
                }
                Output::Tell(watcher, user) => {
                    held.telling.insert((watcher, user));
                    self.told.notify_one();
                }
            }
        }
        self.metrics.presence_watched.set(i64::try_from(held.core.watched()).unwrap_or(i64::MAX));
    }

    fn next(&self) -> Option<(Question, Interest)> {
        self.held.lock().questions.pop_front()
    }

    /// Who is to be told of whom.
    fn next_told(&self) -> Option<((Watcher, UserName), Arc<Connection>)> {
        let mut held = self.held.lock();
        loop {
            let told = held.telling.pop_first()?;
            if let Some(connection) = held.watchers.get(&told.0) {
                return Some((told, connection.clone()));
            }
        }
    }

    /// Tells a connection how somebody is by now, as far as it may see that.
    fn tell(&self, (watcher, user): (Watcher, UserName), connection: &Connection, visible: Option<bool>) {
        let mut held = self.held.lock();
        let Some(presence) = held.core.known(watcher, &user) else { return };
        if connection.tell_presence(Address::local(user.clone()), shown(visible, presence.clone())) {
            self.metrics.presence_told.inc();
        }
        if visible.is_none() {
            held.undecided.insert((watcher, user));
        }
    }

    /// Asks for those who are watched, and says to other gateways that this one is there, until it is dropped.
    pub(crate) async fn run(
        self: &Arc<Watches>,
        directory: &Directory,
        whereabouts: &Whereabouts,
        sight: Sight<'_>,
        fan_in: &FanIn,
        pulse: &Pulse,
    ) {
        tokio::select! {
            () = self.watch_gateways(fan_in) => {}
            () = beat(fan_in, directory.run()) => {}
            () = self.find(directory, whereabouts, fan_in, pulse) => {}
            () = self.show(sight) => {}
        }
    }

    async fn find(
        self: &Arc<Watches>,
        directory: &Directory,
        whereabouts: &Whereabouts,
        fan_in: &FanIn,
        pulse: &Pulse,
    ) {
        let mut finding = FuturesUnordered::new();
        let (mut status, mut losses) = (fan_in.status(), fan_in.losses());
        let mut settled = None;
        let mut beats = interval(BEAT_EVERY);
        loop {
            while let Some((question, interest)) = self.next() {
                finding.push(async move {
                    let (presence, by) = match self.interested(fan_in, &question.user, &interest).await {
                        true => whereabouts.find(directory, &question.user).await,
                        // Nothing comes from there, but who is here is known.
                        false => (whereabouts.here(directory, &question.user), None),
                    };
                    Input::Answered(question, presence, by)
                });
            }
            let input = tokio::select! {
                Some(answered) = finding.next() => answered,
                () = self.more.notified() => continue,
                // Whoever was elsewhere may be anywhere now, and whoever was asked for before the connection was whole again too.
                Ok(()) = status.changed() => Input::AskAllAgain,
                Ok(()) = losses.changed() => {
                    whereabouts.came_back(Uptime::now());
                    settled = Some(Instant::now() + Duration::from_millis(SETTLES.0));
                    Input::AskAllAgain
                }
                () = async { sleep_until(settled.unwrap_or_else(Instant::now)).await }, if settled.is_some() => {
                    settled = None;
                    Input::AskAllAgain
                }
                _ = beats.tick() => {
                    pulse.beat();
                    Input::Tick
                }
            };
            self.handle(&mut self.held.lock(), input);
        }
    }

    /// Tells those who watch, each what they may see.
    async fn show(&self, sight: Sight<'_>) {
        let mut deciding = FuturesUnordered::new();
        // Each with whether it is to be decided again.
        let mut under_way: BTreeMap<(Watcher, UserName), bool> = BTreeMap::new();
        let mut decided_anew = sight.people.decided_anew();
        let mut rounds = interval(Duration::from_millis(limits::PRESENCE_UNKNOWN_ASKED_EVERY.0));
        loop {
            while deciding.len() < DECIDED_AT_ONCE
                && let Some((told, connection)) = self.next_told()
            {
                // What is being decided may be older than the change that has this one told again.
                if let Some(again) = under_way.get_mut(&told) {
                    *again = true;
                    continue;
                }
                match sight.known_visible(connection.user(), &told.1) {
                    visible @ Some(_) => self.tell(told, &connection, visible),
                    None => {
                        under_way.insert(told.clone(), false);
                        deciding.push(async move {
                            let visible = sight.visible(connection.user(), &told.1).await;
                            (told, connection, visible)
                        });
                    }
                }
            }
            tokio::select! {
                Some((told, connection, visible)) = deciding.next() => match under_way.remove(&told) {
                    Some(true) => drop(self.held.lock().telling.insert(told)),
                    Some(false) | None => self.tell(told, &connection, visible),
                },
                () = self.told.notified(), if deciding.len() < DECIDED_AT_ONCE => {}
                // Where more was decided than is remembered, it may have been anybody's.
                again = decided_anew.recv() => {
                    self.handle(&mut self.held.lock(), Input::ShowAgain(again.unwrap_or_default()));
                }
                _ = rounds.tick() => {
                    let held = &mut *self.held.lock();
                    held.telling.append(&mut held.undecided);
                }
            }
        }
    }

    /// Whether news of somebody come here.
    async fn interested(self: &Arc<Watches>, fan_in: &FanIn, user: &UserName, interest: &Interest) -> bool {
        if interest.initialized() {
            return true;
        }
        // It would be waited for until the connection is back.
        if !fan_in.is_connected() {
            return false;
        }
        let (watches, watched) = (Arc::downgrade(self), user.clone());
        let again = move || {
            if let Some(watches) = watches.upgrade() {
                watches.ask_again(&watched);
            }
        };
        interest.get_or_try_init(|| fan_in.watch(user, again)).await.is_ok()
    }

    /// Hears the other gateways.
    async fn watch_gateways(self: &Arc<Watches>, fan_in: &FanIn) {
        loop {
            let watches = Arc::downgrade(self);
            let heard = move |gateway: GatewayRun| {
                if let Some(watches) = watches.upgrade() {
                    watches.handle(&mut watches.held.lock(), Input::Beat(gateway));
                }
            };
            match fan_in.gateways(heard).await {
                Ok(_joined) => return std::future::pending().await,
                Err(error) => {
                    tracing::debug!(%error, "other gateways are not heard yet");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Says again and again that this gateway is there.
async fn beat(fan_in: &FanIn, gateway: GatewayRun) {
    let mut beats = interval(Duration::from_millis(limits::GATEWAY_BEATS_EVERY.0));
    loop {
        beats.tick().await;
        if let Err(error) = fan_in.beat(gateway).await {
            tracing::debug!(%error, "the other gateways do not hear that this one is there");
        }
    }
}
