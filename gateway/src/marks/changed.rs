//! The comparison of marks, decided without I/O: when a shard's receipts workers are asked whose marks were written, from which revision
//! on, and what an answer means.
//!
//! Drive it: say when live messages may have been lost ([`Rounds::lost`]). After that, after each answer, and at
//! [`Rounds::next_deadline`], send the questions of [`Rounds::due`]; give each answer, or that there is none, to [`Rounds::answered`].

use dunlin_schema::{Millis, Seq, Shard, limits, marks::MarksAnswer};

use crate::{
    clock::Uptime,
    comparison::timetable::{Due, Timetable},
};

/// When the shards are asked, and up to where each has answered.
#[derive(Debug)]
pub(super) struct Rounds {
    shards: Box<[Known]>,
    rounds: Timetable,
}

/// What is known of a shard.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Whether a question is on its way.
    is_asked: bool,
    wanted: Option<Cause>,
    /// Where the last two regular rounds ended, the older one first; `None` before the first answer. It is asked from the older one on:
    /// another worker may answer that is a little behind.
    ends: Option<(Seq, Seq)>,
}

/// Why it is asked. A round after a loss moves no end, because it may follow closely upon another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Loss,
    Regular,
}

/// A question to a shard's workers: whose marks were written behind a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) shard: Shard,
    pub(super) after: Seq,
    cause: Cause,
    is_first_page: bool,
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: there was none.
    Nothing,
    /// The users that it names are told, and this is asked next.
    Changed(Option<Question>),
    /// Anybody's marks may have changed, or have gone back: all users of the shard read theirs again.
    Everybody,
}

impl Rounds {
    /// Asks everybody at `now`.
    pub(super) fn new(shards: u16, now: Uptime) -> Rounds {
        let shards = vec![Known::default(); usize::from(shards)];
        Rounds { shards: shards.into(), rounds: Timetable::new(now) }
    }

    /// Live messages may have been lost.
    pub(super) fn lost(&mut self, now: Uptime) {
        self.want(Cause::Loss);
        self.rounds.lost(now);
    }

    fn want(&mut self, cause: Cause) {
        self.shards.iter_mut().for_each(|known| known.wanted = known.wanted.max(Some(cause)));
    }

    /// When [`Rounds::due`] has questions because time has passed.
    pub(super) fn next_deadline(&self) -> Uptime {
        self.rounds.next()
    }

    /// The questions to be sent now. The next round comes `earlier` than it might, by chance, so that gateways do not ask in step.
    pub(super) fn due(&mut self, now: Uptime, earlier: Millis) -> Vec<Question> {
        let Due { regular, repeated } = self.rounds.due(now, earlier);
        if regular {
            self.want(Cause::Regular);
        }
        if repeated {
            self.want(Cause::Loss);
        }
        let mut questions = Vec::new();
        for (shard, known) in (0..).map(Shard).zip(&mut self.shards) {
            if !known.is_asked
                && let Some(cause) = known.wanted.take()
            {
                known.is_asked = true;
                let after = known.ends.map_or(Seq(0), |(older, _)| older);
                questions.push(Question { shard, after, cause, is_first_page: true });
            }
        }
        questions
    }

    /// What follows from the answer, or from none: then it is asked from the same revision in the next round.
    pub(super) fn answered(&mut self, question: Question, answer: Option<&MarksAnswer>) -> Then {
        let known = &mut self.shards[usize::from(question.shard.0)];
        known.is_asked = false;
        let Some(&MarksAnswer { floor, upto, ref changes }) = answer else { return Then::Nothing };
        let is_unknown = floor > question.after;
        let went_back = question.is_first_page && upto < question.after;
        // Before the first answer nothing was compared, and every session reads its marks as it begins.
        if known.ends.is_some() && (is_unknown || went_back) {
            known.ends = Some((upto, upto));
            return Then::Everybody;
        }
        if changes.len() >= limits::MARKS_PAGE {
            known.is_asked = true;
            return Then::Changed(Some(Question { after: upto, is_first_page: false, ..question }));
        }
        known.ends = match (known.ends, question.cause) {
            (None, Cause::Regular | Cause::Loss) => Some((upto, upto)),
            (Some((_, newer)), Cause::Regular) => Some((newer, upto)),
            (Some(ends), Cause::Loss) => Some(ends),
        };
        Then::Changed(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::timetable::AFTER_LOSS;

    const SHARD: Shard = Shard(0);

    fn at(millis: u64) -> Uptime {
        Uptime(millis)
    }

    fn answer(floor: u64, upto: u64) -> MarksAnswer {
        MarksAnswer { floor: Seq(floor), upto: Seq(upto), changes: vec![] }
    }

    /// The one question that is due, and from where on it asks.
    fn due(rounds: &mut Rounds, now: u64) -> Option<(Question, u64)> {
        let questions = rounds.due(at(now), Millis(0));
        assert!(questions.len() <= 1);
        questions.first().map(|question| (*question, question.after.0))
    }

    /// A regular round that is answered like this.
    fn round(rounds: &mut Rounds, now: u64, floor: u64, upto: u64) -> (u64, Then) {
        let (question, after) = due(rounds, now).expect("a round");
        assert_eq!(due(rounds, now), None, "one at a time");
        (after, rounds.answered(question, Some(&answer(floor, upto))))
    }

    #[test]
    fn it_is_asked_in_rounds_from_where_the_last_but_one_ended() {
        let mut rounds = Rounds::new(1, at(0));
        let every = limits::HEADS_EVERY.0;
        let changed = || Then::Changed(None);
        assert_eq!(round(&mut rounds, 0, 9, 10), (0, changed()), "before the first answer nobody was compared");
        assert_eq!(rounds.next_deadline(), at(every));
        assert_eq!(due(&mut rounds, every - 1), None);
        assert_eq!(round(&mut rounds, every, 9, 20), (10, changed()));
        assert_eq!(round(&mut rounds, 2 * every, 9, 30), (10, changed()));
        assert_eq!(round(&mut rounds, 3 * every, 9, 30), (20, changed()));
        // Without an answer, from the same one again.
        let (question, after) = due(&mut rounds, 4 * every).unwrap();
        assert_eq!((after, rounds.answered(question, None)), (30, Then::Nothing));
        assert_eq!(round(&mut rounds, 5 * every, 9, 31), (30, changed()));
    }

    #[test]
    fn a_loss_is_asked_about_at_once_and_once_more_and_moves_no_end() {
        let mut rounds = Rounds::new(1, at(0));
        assert_eq!(round(&mut rounds, 0, 0, 10).1, Then::Changed(None));
        assert_eq!(due(&mut rounds, 100), None);
        rounds.lost(at(100));
        let (question, _) = due(&mut rounds, 100).unwrap();
        // Another loss while that is on its way is asked about after it.
        rounds.lost(at(200));
        assert_eq!(due(&mut rounds, 200), None);
        assert_eq!(rounds.answered(question, Some(&answer(0, 20))), Then::Changed(None));
        assert_eq!(round(&mut rounds, 200, 0, 20).0, 10);
        assert_eq!(rounds.next_deadline(), at(200 + AFTER_LOSS.0));
        assert_eq!(round(&mut rounds, 200 + AFTER_LOSS.0, 0, 20).0, 10);
        assert_eq!(due(&mut rounds, 300 + AFTER_LOSS.0), None);
    }

    #[test]
    fn where_it_is_not_known_what_changed_everybody_reads_again() {
        let every = limits::HEADS_EVERY.0;
        for (floor, upto, then, next) in [
            (10, 10, Then::Changed(None), 10),
            (11, 20, Then::Everybody, 20),
            (0, 9, Then::Everybody, 9),
            (0, 0, Then::Everybody, 0),
        ] {
            let mut rounds = Rounds::new(1, at(0));
            assert_eq!(round(&mut rounds, 0, 0, 10).1, Then::Changed(None));
            assert_eq!(round(&mut rounds, every, floor, upto), (10, then), "{floor} {upto}");
            assert_eq!(round(&mut rounds, 2 * every, 0, 30), (next, Then::Changed(None)), "{floor} {upto}");
        }
    }

    #[test]
    fn a_long_answer_is_asked_for_in_pages() {
        let mut rounds = Rounds::new(SHARD.0 + 1, at(0));
        let (question, _) = due(&mut rounds, 0).unwrap();
        let user = dunlin_schema::UserName::new("alice").unwrap();
        let changes = (1..=limits::MARKS_PAGE as u64).map(|revision| (user.clone(), Seq(revision))).collect();
        let page = MarksAnswer { floor: Seq(0), upto: Seq(limits::MARKS_PAGE as u64), changes };
        let Then::Changed(Some(next)) = rounds.answered(question, Some(&page)) else { panic!("no page follows") };
        assert_eq!((next.shard, next.after), (SHARD, page.upto));
        assert_eq!(due(&mut rounds, limits::HEADS_EVERY.0), None, "the round is not over");
        assert_eq!(rounds.answered(next, Some(&answer(0, 5_000))), Then::Changed(None));
        assert_eq!(due(&mut rounds, limits::HEADS_EVERY.0).unwrap().1, 5_000);
    }
}
