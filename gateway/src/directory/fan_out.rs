//! Live entries for logs that many follow here: given to some of the followers at a time, and then everybody else has a turn. So nobody
//! waits behind thousands, and who was given an entry writes it while all that this takes is still at hand.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::yield_now};

use super::Followers;
use crate::{
    clock::Moment,
    services::Pulse,
    session::{Input, TailEntry},
};

/// Followers who are given an entry at once.
pub(super) const AT_ONCE: usize = 64;
/// Entries of one log that wait. More are let go: whoever misses them is shown so by the next one, and reads the log.
const WAITING: usize = 256;

/// The logs whose followers are being given something, each once.
#[derive(Default)]
pub(super) struct FanOut {
    logs: Mutex<VecDeque<Arc<Followers>>>,
    more: Notify,
}

/// What waits for the followers of one log.
pub(super) struct Giving {
    entries: VecDeque<Arc<TailEntry>>,
    /// Of the list of followers so many, from its beginning, were not given the first entry yet.
    left: usize,
}

impl FanOut {
    /// Gives what waits, until it is dropped.
    pub(super) async fn run(&self, pulse: &Pulse) {
        tokio::join!(self.give(), pulse.beats());
    }

    async fn give(&self) {
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
        if followers.give_some() {
            self.logs.lock().push_back(followers);
        }
        true
    }

    fn begin(&self, followers: Arc<Followers>) {
        self.logs.lock().push_back(followers);
        self.more.notify_one();
    }
}

impl Followers {
    /// Gives an entry to all: at once where they are few and nothing else waits.
    pub(super) fn give(&self, entry: TailEntry) {
        let (entry, followers) = (Arc::new(entry), self.list.lock());
        let mut giving = self.giving.lock();
        match &mut *giving {
            None if followers.len() <= AT_ONCE => {
                let moment = Moment::now();
                for follower in followers.iter() {
                    follower.connection.tell_at(moment, Input::Live(self.log.clone(), entry.clone()));
                }
            }
            None => {
                *giving = Some(Box::new(Giving { entries: VecDeque::from([entry]), left: usize::MAX }));
                // Whoever calls this holds it.
                self.me.upgrade().into_iter().for_each(|me| self.fan_out.begin(me));
            }
            Some(giving) if giving.entries.len() < WAITING => giving.entries.push_back(entry),
            Some(_) => {
                self.metrics.live_let_go.inc();
            }
        }
    }

    /// Gives the first entry that waits to some more. Returns whether anything is left to give.
    fn give_some(&self) -> bool {
        let followers = self.list.lock();
        let mut place = self.giving.lock();
        let Some(giving) = &mut *place else { return false };
        let Some(entry) = giving.entries.front().cloned() else { return false };
        // From the end: where somebody leaves meanwhile those behind move up, and have it already.
        let upto = giving.left.min(followers.len());
        giving.left = upto.saturating_sub(AT_ONCE);
        let some = giving.left..upto;
        if giving.left == 0 {
            giving.entries.pop_front();
            giving.left = usize::MAX;
        }
        let is_more = !giving.entries.is_empty();
        if !is_more {
            *place = None;
        }
        drop(place);
        let moment = Moment::now();
        for follower in &followers[some] {
            follower.connection.tell_at(moment, Input::Live(self.log.clone(), entry.clone()));
        }
        is_more
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{connection, directory, entry, followers_of, live, seq},
        *,
    };
    use dunlin_nats::LiveSink;

    #[test]
    fn many_are_given_each_entry_once_whoever_leaves_meanwhile() {
        let (directory, [team, other]) = (directory(), ["#team", "#other"].map(|log| log.parse().unwrap()));
        let members: Vec<_> = (0..3 * AT_ONCE).map(|number| connection(&format!("user-{number}"), "phone")).collect();
        members.iter().for_each(|member| live(&directory, member, &team));
        members.iter().for_each(|member| live(&directory, member, &other));
        // What each is given until now.
        let given = || members.iter().map(|member| std::iter::from_fn(|| seq(member)).collect::<Vec<_>>());
        let name = team.clone();
        let [team, other] = [team, other].map(|log| followers_of(&directory, "user-0", &log).unwrap());
        team.live(entry(2));
        team.live(entry(3));
        other.live(entry(2));
        assert!(given().all(|seqs| seqs.is_empty()), "nobody waits behind so many");
        assert!(directory.fan_out.turn() && directory.fan_out.turn());
        let had: Vec<_> = given().collect();
        assert!(had.iter().enumerate().all(|(at, seqs)| if at < 2 * AT_ONCE {
            seqs.is_empty()
        } else {
            *seqs == [2, 2]
        }));
        let leave = [0, AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE - 1];
        leave.iter().for_each(|&at| directory.leave(&members[at], &name));
        while directory.fan_out.turn() {}
        assert!(team.giving.lock().is_none());
        for (at, mut seqs) in given().enumerate() {
            seqs.sort_unstable();
            let expected: &[u64] = match (at < 2 * AT_ONCE, leave.contains(&at)) {
                (true, false) => &[2, 2, 3],
                (true, true) => &[2],
                (false, false) => &[3],
                (false, true) => &[],
            };
            assert_eq!(seqs, expected, "{at}");
        }
    }

    #[test]
    fn what_finds_no_room_is_found_missing() {
        let (directory, team) = (directory(), "#team".parse().unwrap());
        let members: Vec<_> = (0..=AT_ONCE).map(|number| connection(&format!("user-{number}"), "phone")).collect();
        members.iter().for_each(|member| live(&directory, member, &team));
        let log = followers_of(&directory, "user-0", &team).unwrap();
        (0..=WAITING as u64).for_each(|number| log.live(entry(2 + number)));
        assert_eq!(log.metrics.live_let_go.get(), 1);
        while directory.fan_out.turn() {}
        members.iter().for_each(|member| while seq(member).is_some() {});
        log.live(entry(3 + WAITING as u64));
        while directory.fan_out.turn() {}
        assert!(members.iter().all(|member| !member.take_outputs().is_empty()), "each reads the log");
    }
}
