//! Who is watched by whom, and when to ask for them, decided without I/O.
//!
//! Drive it: give what happens to [`Core::handle`], a [`Input::Tick`] once a second among it, and carry out the outputs in order. Each
//! [`Output::Ask`] has exactly one [`Input::Answered`], whenever it comes. No news of a change is believed: it only has somebody asked for
//! again, once at a time and [`AT_ONCE`] people together.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_schema::{
    Millis, Open, UserName, limits,
    presence::{GatewayRun, Presence, PresenceState},
};

use crate::clock::Uptime;

/// People who are asked for at once.
pub(super) const AT_ONCE: usize = 256;
/// By how much rounds are spread, so that not everybody's is at once.
const SPREAD: u64 = 15_000;

/// A connection that watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Watcher(pub(super) u64);

/// A question that is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// For whom.
    pub(super) user: UserName,
    number: u64,
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A connection watches these people from now on, and nobody else.
    Watch(Watcher, BTreeSet<UserName>),
    /// Somebody's presence may have changed.
    AskAgain(UserName),
    /// Everybody's may.
    AskAllAgain,
    /// What somebody shows, or anybody, may be something else now for those who watch them.
    ShowAgain(Option<UserName>),
    /// Another gateway is there.
    Beat(GatewayRun),
    /// An answer, and the gateway whose word it is.
    Answered(Question, Presence, Option<GatewayRun>),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Find out about somebody, with the interest in the news of them in place.
    Ask(Question),
    /// Nobody watches this person any more.
    Forget(UserName),
    /// Tell a connection how somebody is: what [`Core::known`] says by then.
    Tell(Watcher, UserName),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Core {
    people: BTreeMap<UserName, Watched>,
    watchers: BTreeMap<Watcher, BTreeSet<UserName>>,
    /// Those who wait to be asked for, in the order of their tickets.
    waiting: BTreeMap<u64, UserName>,
    under_way: usize,
    /// Numbers of questions and tickets.
    last: u64,
    /// When each is asked for again by itself.
    rounds: BTreeSet<(Uptime, UserName)>,
    /// When each gateway last said that it is there.
    gateways: BTreeMap<GatewayRun, Uptime>,
}

#[derive(Debug, Default)]
struct Watched {
    watchers: BTreeSet<Watcher>,
    known: Option<Presence>,
    /// Whose word that is.
    by: Option<GatewayRun>,
    asking: Asking,
    /// Whether the last answer was let go because it may have been out of date.
    let_go: bool,
    round: Option<Uptime>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asking {
    #[default]
    Idle,
    Waiting(u64),
    /// `again`: something may have changed since it was asked.
    UnderWay {
        number: u64,
        again: bool,
    },
}

impl Core {
    /// Takes an input and says what to do.
    pub(super) fn handle(&mut self, now: Uptime, input: Input, outputs: &mut Vec<Output>) {
        match input {
            Input::Watch(watcher, people) => self.watch(watcher, people, outputs),
            Input::AskAgain(user) => self.want(&user),
            Input::AskAllAgain => {
                for user in self.people.keys().cloned().collect::<Vec<_>>() {
                    self.want(&user);
                }
            }
            Input::ShowAgain(user) => self.show_again(user.as_ref(), outputs),
            Input::Beat(gateway) => {
                self.gateways.insert(gateway, now);
            }
            Input::Answered(question, presence, by) => self.answered(now, &question, presence, by, outputs),
            Input::Tick => self.tick(now),
        }
        self.ask(outputs);
    }

    /// How somebody is, for a connection that watches them.
    pub(super) fn known(&self, watcher: Watcher, user: &UserName) -> Option<&Presence> {
        let watched = self.people.get(user).filter(|watched| watched.watchers.contains(&watcher));
        watched.and_then(|watched| watched.known.as_ref())
    }

    fn show_again(&self, user: Option<&UserName>, outputs: &mut Vec<Output>) {
        let people = self.people.iter().filter(|(name, _)| user.is_none_or(|user| user == *name));
        for (name, watched) in people.filter(|(_, watched)| watched.known.is_some()) {
            outputs.extend(watched.watchers.iter().map(|watcher| Output::Tell(*watcher, name.clone())));
        }
    }

    /// How many people are watched.
    pub(super) fn watched(&self) -> usize {
        self.people.len()
    }

    fn watch(&mut self, watcher: Watcher, people: BTreeSet<UserName>, outputs: &mut Vec<Output>) {
        let before = match people.is_empty() {
            true => self.watchers.remove(&watcher),
            false => self.watchers.insert(watcher, people.clone()),
        };
        for user in before.unwrap_or_default().difference(&people) {
            self.leave(watcher, user, outputs);
        }
        for user in people {
            let watched = self.people.entry(user.clone()).or_default();
            watched.watchers.insert(watcher);
            match &watched.known {
                Some(_) => outputs.push(Output::Tell(watcher, user)),
                None => self.want_first(&user),
            }
        }
    }

    /// Somebody of whom nothing is known yet is asked for, unless that is being done.
    fn want_first(&mut self, user: &UserName) {
        if self.people.get(user).is_some_and(|watched| watched.asking == Asking::Idle) {
            self.want(user);
        }
    }

    fn leave(&mut self, watcher: Watcher, user: &UserName, outputs: &mut Vec<Output>) {
        let Some(watched) = self.people.get_mut(user) else { return };
        watched.watchers.remove(&watcher);
        if !watched.watchers.is_empty() {
            return;
        }
        if let Some(round) = watched.round {
            self.rounds.remove(&(round, user.clone()));
        }
        if let Asking::Waiting(ticket) = watched.asking {
            self.waiting.remove(&ticket);
        }
        self.people.remove(user);
        outputs.push(Output::Forget(user.clone()));
    }

    /// Somebody is to be asked for, if they are watched: again, where that is being done.
    fn want(&mut self, user: &UserName) {
        let Some(watched) = self.people.get_mut(user) else { return };
        match &mut watched.asking {
            Asking::Idle => {
                self.last += 1;
                watched.asking = Asking::Waiting(self.last);
                self.waiting.insert(self.last, user.clone());
            }
            Asking::Waiting(_) => {}
            Asking::UnderWay { again, .. } => *again = true,
        }
    }

    /// Asks for those who wait, as far as there is room.
    fn ask(&mut self, outputs: &mut Vec<Output>) {
        while self.under_way < AT_ONCE
            && let Some((_, user)) = self.waiting.pop_first()
        {
            let Some(watched) = self.people.get_mut(&user) else { continue };
            self.last += 1;
            self.under_way += 1;
            watched.asking = Asking::UnderWay { number: self.last, again: false };
            outputs.push(Output::Ask(Question { user, number: self.last }));
        }
    }

    fn answered(
        &mut self,
        now: Uptime,
        Question { user, number }: &Question,
        presence: Presence,
        by: Option<GatewayRun>,
        outputs: &mut Vec<Output>,
    ) {
        self.under_way -= 1;
        let Some(watched) = self.people.get_mut(user) else { return };
        // Who was let go of and is watched anew has a question of their own.
        let Asking::UnderWay { number: current, again } = watched.asking else { return };
        if current != *number {
            return;
        }
        watched.asking = Asking::Idle;
        // It may be older than the news that came meanwhile. The next one counts in any case, however much news there is.
        watched.let_go = again && !watched.let_go;
        if !watched.let_go {
            if let Some(gateway) = by {
                self.gateways.entry(gateway).or_insert(now);
            }
            watched.by = by;
            let every = match presence.state {
                Open::Known(PresenceState::Online | PresenceState::Offline) => limits::PRESENCE_ASKED_EVERY,
                Open::Known(PresenceState::Unknown) | Open::Unknown(_) => limits::PRESENCE_UNKNOWN_ASKED_EVERY,
            };
            if watched.known.as_ref() != Some(&presence) {
                outputs.extend(watched.watchers.iter().map(|watcher| Output::Tell(*watcher, user.clone())));
                watched.known = Some(presence);
            }
            let spread = number.wrapping_mul(7_919) % SPREAD * every.0 / limits::PRESENCE_ASKED_EVERY.0;
            self.set_round(user, now.plus(every.minus(Millis(spread))));
        }
        if again {
            self.want(user);
        }
    }

    fn set_round(&mut self, user: &UserName, at: Uptime) {
        let Some(watched) = self.people.get_mut(user) else { return };
        if let Some(before) = watched.round.replace(at) {
            self.rounds.remove(&(before, user.clone()));
        }
        self.rounds.insert((at, user.clone()));
    }

    fn tick(&mut self, now: Uptime) {
        while self.rounds.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, user)) = self.rounds.pop_first()
        {
            if let Some(watched) = self.people.get_mut(&user) {
                watched.round = None;
            }
            self.want(&user);
        }
        let is_silent = |_: &GatewayRun, heard: &mut Uptime| heard.plus(limits::GATEWAY_SILENT) <= now;
        let silent: Vec<_> = self.gateways.extract_if(.., is_silent).map(|(gateway, _)| gateway).collect();
        for gateway in silent {
            let held = self.people.iter().filter(|(_, watched)| watched.by == Some(gateway));
            for user in held.map(|(user, _)| user.clone()).collect::<Vec<_>>() {
                self.want(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests;
