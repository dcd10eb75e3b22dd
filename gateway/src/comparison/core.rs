//! The comparison of heads, decided without I/O: when a shard's deliver reader is asked, about which logs and in which pages, and what its
//! answer, or its silence, means.
//!
//! Drive it: say who begins ([`Comparison::ask`]) and when live entries may have been lost ([`Comparison::lost`]). After each of these,
//! and at [`Comparison::next_deadline`], send the questions of [`Comparison::due`], a round's once [`Question::about`] has said what is
//! followed. When one is answered, or nobody answers it in time, let [`Question::tell`] say what that means to whom, give it to
//! [`Comparison::answered`], and send what that gives.
//!
//! `F` is a follower of one log, and nothing that is looked into here.

use std::collections::BTreeMap;

use dunlin_schema::{
    Millis, Peer, Shard,
    heads::HeadsAnswer,
    limits::{self, Bounds},
};

use super::timetable::{Due, Timetable};
use crate::{
    clock::Uptime,
    session::{HeadOf, NoAnswer},
};

/// How often a shard that is silent is asked for nobody, so that a comparison follows as soon as its reader is back.
const PROBE_EVERY: Millis = Millis(500);

/// A log by its owner, and those who are to be told of it.
pub type LogFollowers<F> = (Peer, Vec<F>);

/// When a region's deliver readers are asked, and how each of them answers.
#[derive(Debug)]
pub struct Comparison<F> {
    bounds: &'static Bounds,
    shards: Box<[Asking<F>]>,
    rounds: Timetable,
    probe_at: Uptime,
}

/// How it stands with a shard.
#[derive(Debug)]
struct Asking<F> {
    /// Followers that have just begun.
    opening: BTreeMap<Peer, Vec<F>>,
    /// Whether a question for those is on its way.
    opening_asked: bool,
    /// Whether a round is on its way, and another one is wanted after it.
    round_asked: bool,
    round_wanted: bool,
    /// Whether the shard, being silent, is asked for nobody.
    probed: bool,
    probe_wanted: bool,
    /// Rounds without an answer, one after the other; `None` before the first answer.
    unanswered: Option<u32>,
    /// Whether the last question found nobody who listens.
    nobody_listens: bool,
}

/// Who does not answer, or has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silent {
    /// The reader of this shard.
    Reader(Shard),
    /// Nobody in the whole region listens: no worker runs, or the nats-server here has lost its link to the region's.
    Region,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody listens for questions about the shard.
    NobodyListens,
    /// None came in time, or none that can be read.
    NoAnswer,
}

/// Why a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Opening,
    Round,
    Probe,
}

/// A question to a shard's reader.
#[derive(Debug)]
pub struct Question<F> {
    shard: Shard,
    cause: Cause,
    page: Vec<LogFollowers<F>>,
    /// What is still to be asked for the same cause.
    rest: Vec<LogFollowers<F>>,
}

/// What follows from an answer, or from none.
#[derive(Debug)]
pub struct Answered<F> {
    /// The next page, to be asked at once.
    pub next: Option<Question<F>>,
    /// What is new about the shard's reader.
    pub news: Option<News>,
}

/// What is new about a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It answers, for the first time or again.
    Answers,
    /// It answered a round once, and not this one.
    Silent,
}

impl<F> Question<F> {
    /// Which shard's reader is asked.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Whether it is about all that is followed of the shard, which [`Question::about`] says.
    pub fn is_round(&self) -> bool {
        self.cause == Cause::Round && self.page.is_empty()
    }

    /// The first page of a question about these logs.
    pub fn about(self, mut logs: Vec<LogFollowers<F>>, bounds: &Bounds) -> Question<F> {
        let rest = logs.split_off(logs.len().min(bounds.heads_page));
        Question { page: logs, rest, ..self }
    }

    /// The logs that are asked for.
    pub fn logs(&self) -> Vec<Peer> {
        self.page.iter().map(|(log, _)| log.clone()).collect()
    }

    /// Tells the followers what the answer says of their logs. Where there is none, the rest of the question would wait in vain.
    pub fn tell(&self, answer: Option<&HeadsAnswer>, mut tell: impl FnMut(&F, Result<HeadOf, NoAnswer>)) {
        let Some(HeadsAnswer { position, floor, heads }) = answer else {
            let all = self.page.iter().chain(&self.rest).flat_map(|(_, followers)| followers);
            return all.for_each(|follower| tell(follower, Err(NoAnswer)));
        };
        for ((_, followers), head) in self.page.iter().zip(heads) {
            let share = HeadOf { position: *position, head: *head, floor: *floor };
            followers.iter().for_each(|follower| tell(follower, Ok(share)));
        }
    }
}

impl<F> Comparison<F> {
    /// Asks nobody yet, and everybody at `now`.
    pub fn new(shards: u16, bounds: &'static Bounds, now: Uptime) -> Comparison<F> {
        let shards = (0..shards).map(|_| Asking::new()).collect();
        Comparison { bounds, shards, rounds: Timetable::new(now), probe_at: now }
    }

    fn shard(&mut self, shard: Shard) -> &mut Asking<F> {
        &mut self.shards[usize::from(shard.0)]
    }

    /// Asks for a follower that has just begun: together with others that come while a question is on its way.
    pub fn ask(&mut self, shard: Shard, log: Peer, follower: F) {
        self.shard(shard).opening.entry(log).or_default().push(follower);
    }

    /// Live entries may have been lost.
    pub fn lost(&mut self, now: Uptime) {
        self.want_round();
        self.rounds.lost(now);
    }

    /// When [`Comparison::due`] has questions because time has passed.
    pub fn next_deadline(&self) -> Uptime {
        self.rounds.next().min(self.probe_at)
    }

    /// Who is silent, if anybody is.
    pub fn silent(&self) -> Option<Silent> {
        let silent = |asking: &Asking<F>| asking.unanswered.is_none_or(|n| n >= limits::HEADS_UNANSWERED);
        let shard = self.shards.iter().position(silent)?;
        let nobody = self.shards.iter().all(|asking| asking.nobody_listens);
        Some(if nobody { Silent::Region } else { Silent::Reader(Shard(shard as u16)) })
    }

    /// The questions to be sent now. The next round comes `earlier` than it might, by chance, so that gateways do not ask in step.
    pub fn due(&mut self, now: Uptime, earlier: Millis) -> Vec<Question<F>> {
        let Due { regular, repeated } = self.rounds.due(now, earlier);
        if regular || repeated {
            self.want_round();
        }
        if now >= self.probe_at {
            self.shards.iter_mut().for_each(|asking| asking.probe_wanted = asking.unanswered != Some(0));
            self.probe_at = now.plus(PROBE_EVERY);
        }
        let mut questions = Vec::new();
        for (number, asking) in self.shards.iter_mut().enumerate() {
            let question = |cause| Question { shard: Shard(number as u16), cause, page: Vec::new(), rest: Vec::new() };
            if !asking.opening.is_empty() && !asking.opening_asked {
                asking.opening_asked = true;
                let logs = std::mem::take(&mut asking.opening).into_iter().collect();
                questions.push(question(Cause::Opening).about(logs, self.bounds));
            }
            if asking.probe_wanted && !asking.probed {
                (asking.probe_wanted, asking.probed) = (false, true);
                questions.push(question(Cause::Probe));
            }
            if asking.round_wanted && !asking.round_asked {
                (asking.round_wanted, asking.round_asked) = (false, true);
                questions.push(question(Cause::Round));
            }
        }
        questions
    }

    fn want_round(&mut self) {
        self.shards.iter_mut().for_each(|asking| asking.round_wanted = true);
    }

    /// A question was answered, or was not.
    pub fn answered(&mut self, question: Question<F>, answered: Result<(), Unanswered>) -> Answered<F> {
        let bounds = self.bounds;
        let asking = self.shard(question.shard);
        if answered.is_ok() && !question.rest.is_empty() {
            let Question { shard, cause, rest, .. } = question;
            let next = Question { shard, cause, page: Vec::new(), rest: Vec::new() }.about(rest, bounds);
            return Answered { next: Some(next), news: None };
        }
        asking.nobody_listens = answered == Err(Unanswered::NobodyListens);
        let news = match question.cause {
            Cause::Opening => {
                asking.opening_asked = false;
                None
            }
            Cause::Round => {
                asking.round_asked = false;
                asking.count(answered.is_ok())
            }
            Cause::Probe => {
                asking.probed = false;
                if answered.is_ok() && asking.unanswered != Some(0) {
                    asking.round_wanted = true;
                    asking.count(true)
                } else {
                    None
                }
            }
        };
        Answered { next: None, news }
    }
}

impl<F> Asking<F> {
    fn new() -> Asking<F> {
        Asking {
            opening: BTreeMap::new(),
            opening_asked: false,
            round_asked: false,
            round_wanted: false,
            probed: false,
            probe_wanted: false,
            unanswered: None,
            nobody_listens: false,
        }
    }

    fn count(&mut self, answered: bool) -> Option<News> {
        match (answered, self.unanswered) {
            (true, Some(0)) | (false, None) => None,
            (true, Some(_) | None) => {
                self.unanswered = Some(0);
                Some(News::Answers)
            }
            (false, Some(rounds)) => {
                self.unanswered = Some(rounds.saturating_add(1));
                Some(News::Silent)
            }
        }
    }
}

#[cfg(test)]
mod tests;
