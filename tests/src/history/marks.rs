//! What devices acknowledged and people read, and what was told of it, held against each other.
//!
//! Drive it in the order in which things happen: what a device says goes to [`Told::acknowledges`] and [`Told::reads`] before it is said,
//! what it is given to [`Told::given`], what is accepted of it to [`Said::accepted`], and what it is told to [`Told::told`]. Once it is
//! quiet, [`Told::missing`] is empty for a device that was told everything anew.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_schema::{Seq, Spans};
use serde_json::Value;

/// How far something came. Nothing is lower than something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Up to this order it was delivered.
    pub delivered: Option<u64>,
    /// Up to this order it was read.
    pub read: Option<u64>,
}

impl Mark {
    fn raise(&mut self, said: Mark) {
        // What was read was delivered.
        self.delivered = self.delivered.max(said.delivered).max(said.read);
        self.read = self.read.max(said.read);
    }

    fn is_at_most(self, other: Mark) -> bool {
        self.delivered <= other.delivered && self.read <= other.read
    }
}

/// What everybody's devices acknowledged and everybody read, by who sent it and to whom.
#[derive(Default)]
pub struct Said {
    pairs: BTreeMap<(String, String), Pair>,
    /// How often somebody's log began another epoch.
    epochs: BTreeMap<String, u32>,
}

#[derive(Clone, Default)]
struct Pair {
    /// In this epoch.
    now: Mark,
    /// In any: a mark of the epoch before may be told late.
    ever: Mark,
    /// The orders of all that was accepted, in any epoch.
    accepted: BTreeSet<u64>,
    /// Those of them that a device acknowledged.
    came: BTreeSet<u64>,
}

impl Pair {
    /// An order that is told as delivered, and that nobody had and read.
    fn is_passed_over(&self, mark: Mark, missing: &Spans) -> Option<u64> {
        let below = self.accepted.iter().filter(|order| Some(**order) <= mark.delivered);
        let came = |order: u64| self.came.contains(&order) || Some(order) <= self.ever.read;
        below.copied().find(|order| !missing.holds(Seq(*order)) && !came(*order))
    }
}

impl Said {
    /// Somebody's log went back: its marks begin anew.
    pub fn began_anew(&mut self, user: &str) {
        *self.epochs.entry(user.to_owned()).or_default() += 1;
        let theirs = self.pairs.iter_mut().filter(|((_, by), _)| by == user);
        theirs.for_each(|(_, pair)| pair.now = Mark::default());
    }

    /// What somebody sent to another was accepted under this order.
    pub fn accepted(&mut self, from: &str, to: &str, order: u64) {
        self.pair(from, to).accepted.insert(order);
    }

    fn raise(&mut self, from: &str, by: &str, said: Mark) {
        let pair = self.pair(from, by);
        pair.now.raise(said);
        pair.ever.raise(said);
        pair.came.extend(said.delivered);
    }

    fn pair(&mut self, from: &str, by: &str) -> &mut Pair {
        self.pairs.entry((from.to_owned(), by.to_owned())).or_default()
    }

    fn of(&self, from: &str, by: &str) -> Pair {
        self.pairs.get(&(from.to_owned(), by.to_owned())).cloned().unwrap_or_default()
    }

    fn epoch(&self, of: &str) -> u32 {
        self.epochs.get(of).copied().unwrap_or_default()
    }
}

/// A rule that what was told breaks.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// A mark is lower than this one, which the same device was told before.
    Lower(Mark),
    /// A mark is higher than anything that was acknowledged or read.
    NobodySaidSo,
    /// A mark says that something was delivered that no device acknowledged and nobody read: its order.
    PassedOver(u64),
    /// Something was read that was not delivered.
    ReadAndNotDelivered,
}

/// What one device was given, and what it was told of marks.
#[derive(Default)]
pub struct Told {
    user: String,
    /// Sequence, who sent it, and its order, of what others sent.
    given: Vec<(u64, String, u64)>,
    /// By who received: in which epoch of theirs, and what.
    receipts: BTreeMap<String, (u32, Mark, Spans)>,
    /// By who sent: up to where the user has read it.
    marked: BTreeMap<String, u64>,
}

impl Told {
    /// A device of this user that was told nothing yet.
    pub fn new(user: &str) -> Told {
        Told { user: user.to_owned(), ..Told::default() }
    }

    /// The device was given an entry. Gives who sent it and its order, where somebody else did to the user.
    pub fn given(&mut self, entry: &Value) -> Option<(String, u64)> {
        let name = |field: &str| entry[field].as_str().expect("a name");
        if name("from") == self.user || name("to") != self.user {
            return None;
        }
        let number = |field: &str| entry[field].as_u64().expect("a number");
        let (from, order) = (name("from").to_owned(), number("order"));
        self.given.push((number("seq"), from.clone(), order));
        Some((from, order))
    }

    /// The device acknowledges what it was given up to a sequence.
    pub fn acknowledges(&self, said: &mut Said, upto: u64) {
        for (_, from, order) in self.given.iter().filter(|(seq, ..)| *seq <= upto) {
            said.raise(from, &self.user, Mark { delivered: Some(*order), read: None });
        }
    }

    /// The user reads up to an order of what somebody sent.
    pub fn reads(&self, said: &mut Said, with: &str, upto: u64) {
        said.raise(with, &self.user, Mark { delivered: None, read: Some(upto) });
    }

    /// The user's log went back, as the device was told by a gap.
    pub fn began_anew(&mut self, said: &mut Said) {
        (self.given, self.marked) = Default::default();
        said.began_anew(&self.user);
    }

    /// The device was told something; other frames than those of marks are passed over.
    pub fn told(&mut self, said: &Said, frame: &Value) -> Result<(), Broken> {
        if let Some(receipt) = frame.get("receipt") {
            let by = receipt["by"].as_str().expect("a name");
            let mark = Mark { delivered: receipt["delivered"].as_u64(), read: receipt["read"].as_u64() };
            let missing = serde_json::from_value(receipt["missing"].clone()).expect("spans");
            return self.told_receipt(said, by, mark, missing);
        }
        if let Some(marked) = frame.get("marked") {
            let (with, read) = (marked["with"].as_str().expect("a name"), marked["read"].as_u64().expect("an order"));
            return self.told_marked(said, with, read);
        }
        Ok(())
    }

    fn told_receipt(&mut self, said: &Said, by: &str, mark: Mark, missing: Spans) -> Result<(), Broken> {
        let (epoch, pair) = (said.epoch(by), said.of(&self.user, by));
        let passed_over = pair.is_passed_over(mark, &missing);
        let before = self.receipts.insert(by.to_owned(), (epoch, mark, missing));
        if let Some((_, before, _)) = before.filter(|(of, before, _)| *of == epoch && !before.is_at_most(mark)) {
            return Err(Broken::Lower(before));
        }
        if !mark.is_at_most(pair.ever) {
            return Err(Broken::NobodySaidSo);
        }
        // In another epoch an order may be another message's.
        if let Some(order) = passed_over.filter(|_| epoch == 0) {
            return Err(Broken::PassedOver(order));
        }
        if mark.read > mark.delivered { Err(Broken::ReadAndNotDelivered) } else { Ok(()) }
    }

    fn told_marked(&mut self, said: &Said, with: &str, read: u64) -> Result<(), Broken> {
        if let Some(before) = self.marked.insert(with.to_owned(), read).filter(|before| *before > read) {
            return Err(Broken::Lower(Mark { delivered: None, read: Some(before) }));
        }
        let ever = said.of(with, &self.user).ever.read.unwrap_or_default();
        if read > ever { Err(Broken::NobodySaidSo) } else { Ok(()) }
    }

    /// Up to where the user is known to have read what somebody sent.
    pub fn marked(&self, with: &str) -> Option<u64> {
        self.marked.get(with).copied()
    }

    /// What was said and the device was not told, in words.
    pub fn missing(&self, said: &Said) -> Vec<String> {
        let mut missing = vec![];
        for ((from, by), Pair { now, came, .. }) in said.pairs.iter().filter(|(_, pair)| pair.now != Mark::default()) {
            let receipt = self.receipts.get(by);
            let told = receipt.map(|(_, mark, _)| *mark);
            if *from == self.user && told != Some(*now) {
                missing.push(format!("what {from} sent to {by}: {now:?} was said, {told:?} told"));
            }
            let holes = receipt.into_iter().filter(|(epoch, ..)| *epoch == 0);
            let holes = holes.flat_map(|(_, _, holes)| came.iter().filter(|order| holes.holds(Seq(**order))));
            missing.extend(holes.filter(|_| *from == self.user).map(|order| format!("{order} of {from} came to {by}")));
            let marked = self.marked(from);
            if *by == self.user && now.read.is_some() && marked != now.read {
                missing.push(format!("what {by} read of {from}: {:?} was said, {marked:?} told", now.read));
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Bob was given two entries of alice's, and one of carol's between them.
    fn bob() -> Told {
        let mut bob = Told::new("bob");
        for (seq, from) in [(3, "alice"), (5, "carol"), (6, "alice")] {
            let entry = json!({ "seq": seq, "from": from, "to": "bob", "order": seq });
            assert_eq!(bob.given(&entry), Some((from.to_owned(), seq)));
        }
        for (from, to) in [("bob", "alice"), ("bob", "bob")] {
            assert_eq!(bob.given(&json!({ "seq": 7, "from": from, "to": to, "order": 2 })), None);
        }
        bob
    }

    fn receipt(delivered: Option<u64>, read: Option<u64>) -> Value {
        let (by, order, missing) = ("bob", Value::Null, json!([]));
        json!({ "receipt": { "by": by, "to": by, "order": order, "delivered": delivered, "read": read, "missing": missing } })
    }

    fn lower(delivered: Option<u64>, read: Option<u64>) -> Broken {
        Broken::Lower(Mark { delivered, read })
    }

    fn marked(read: u64) -> Value {
        json!({ "marked": { "with": "alice", "read": read } })
    }

    #[test]
    fn what_was_said_may_be_told_late_repeated_and_in_part() {
        let (bob, mut alice, mut said) = (bob(), Told::new("alice"), Said::default());
        bob.acknowledges(&mut said, 4);
        assert_eq!(alice.told(&said, &receipt(Some(3), None)), Ok(()));
        bob.acknowledges(&mut said, 9);
        bob.reads(&mut said, "alice", 3);
        for (delivered, read) in [(3, None), (6, None), (6, Some(3)), (6, Some(3))] {
            assert_eq!(alice.told(&said, &receipt(Some(delivered), read)), Ok(()));
        }
        assert_eq!(alice.told(&said, &json!({ "entry": {} })), Ok(()));
        assert_eq!(alice.missing(&said), Vec::<String>::new());
    }

    #[test]
    fn a_history_that_breaks_a_rule_is_found() {
        let cases: [(&[Value], Broken); 6] = [
            (&[receipt(Some(6), None), receipt(Some(3), None)], lower(Some(6), None)),
            (&[receipt(Some(6), Some(3)), receipt(Some(6), None)], lower(Some(6), Some(3))),
            (&[receipt(Some(7), None)], Broken::NobodySaidSo),
            (&[receipt(Some(6), Some(6))], Broken::NobodySaidSo),
            (&[receipt(None, Some(3))], Broken::ReadAndNotDelivered),
            (&[receipt(Some(3), Some(3)), receipt(None, Some(3))], lower(Some(3), Some(3))),
        ];
        for (frames, broken) in cases {
            let (bob, mut alice, mut said) = (bob(), Told::new("alice"), Said::default());
            bob.acknowledges(&mut said, 6);
            bob.reads(&mut said, "alice", 3);
            let (last, before) = frames.split_last().expect("a frame");
            before.iter().for_each(|frame| assert_eq!(alice.told(&said, frame), Ok(()), "{frame}"));
            assert_eq!(alice.told(&said, last), Err(broken), "{last}");
        }
        for (frames, broken) in
            [(&[marked(3), marked(2)][..], lower(None, Some(3))), (&[marked(3), marked(4)], Broken::NobodySaidSo)]
        {
            let (mut bob, mut said) = (bob(), Said::default());
            bob.reads(&mut said, "alice", 3);
            assert_eq!(bob.told(&said, &frames[0]), Ok(()));
            assert_eq!(bob.told(&said, &frames[1]), Err(broken), "{frames:?}");
        }
    }

    #[test]
    fn an_acknowledgement_says_nothing_of_what_lies_above_it_and_a_read_mark_nothing_of_others() {
        let (mut bob, mut alice, mut carol) = (bob(), Told::new("alice"), Told::new("carol"));
        let mut said = Said::default();
        bob.acknowledges(&mut said, 5);
        bob.reads(&mut said, "alice", 3);
        assert_eq!(alice.told(&said, &receipt(Some(6), Some(3))), Err(Broken::NobodySaidSo));
        assert_eq!(carol.told(&said, &receipt(Some(5), Some(5))), Err(Broken::NobodySaidSo));
        let of_carol = json!({ "marked": { "with": "carol", "read": 3 } });
        assert_eq!(bob.told(&said, &of_carol), Err(Broken::NobodySaidSo));
    }

    #[test]
    fn what_was_accepted_below_a_mark_came_or_is_told_as_missing() {
        let (mut alice, mut said) = (Told::new("alice"), Said::default());
        for order in [2, 3, 6] {
            said.accepted("alice", "bob", order);
        }
        bob().acknowledges(&mut said, 6);
        assert_eq!(alice.told(&said, &receipt(Some(6), None)), Err(Broken::PassedOver(2)));
        let mut told = receipt(Some(6), None);
        for (above, upto, expected, lacks) in
            [(0, 1, Err(Broken::PassedOver(2)), 0), (1, 2, Ok(()), 0), (0, 4, Ok(()), 1)]
        {
            told["receipt"]["missing"] = json!([{ "above": above, "upto": upto }]);
            assert_eq!(alice.told(&said, &told), expected, "{told}");
            assert_eq!(alice.missing(&said).len(), lacks, "{told}");
        }
    }

    #[test]
    fn what_is_not_told_in_the_end_is_found() {
        let (mut bob, mut alice, mut said) = (bob(), Told::new("alice"), Said::default());
        bob.acknowledges(&mut said, 6);
        bob.reads(&mut said, "alice", 3);
        for (frame, missing) in [(receipt(Some(3), Some(3)), 1), (receipt(Some(6), Some(3)), 0)] {
            assert_eq!(alice.missing(&said).len(), 1, "before {frame}");
            assert_eq!(alice.told(&said, &frame), Ok(()));
            assert_eq!(alice.missing(&said).len(), missing, "after {frame}");
        }
        assert_eq!(Told::new("carol").missing(&said).len(), 1);
        assert_eq!(bob.missing(&said).len(), 1);
        assert_eq!(bob.told(&said, &marked(3)), Ok(()));
        assert_eq!(bob.missing(&said), Vec::<String>::new());
    }

    #[test]
    fn in_another_epoch_marks_begin_anew() {
        let (mut bob, mut alice, mut said) = (bob(), Told::new("alice"), Said::default());
        bob.acknowledges(&mut said, 6);
        bob.reads(&mut said, "alice", 6);
        for frame in [receipt(Some(6), Some(6)), marked(6)] {
            let device = if frame["marked"].is_object() { &mut bob } else { &mut alice };
            assert_eq!(device.told(&said, &frame), Ok(()));
        }
        bob.began_anew(&mut said);
        bob.acknowledges(&mut said, 6);
        assert_eq!(alice.missing(&said), Vec::<String>::new(), "nothing is said yet in this epoch");
        bob.given(&json!({ "seq": 4, "from": "alice", "to": "bob", "order": 4 }));
        bob.acknowledges(&mut said, 6);
        bob.reads(&mut said, "alice", 4);
        assert_eq!(alice.missing(&said).len(), 1);
        assert_eq!(alice.told(&said, &receipt(Some(4), None)), Ok(()));
        assert_eq!(bob.told(&said, &marked(4)), Ok(()));
        assert_eq!(alice.told(&said, &receipt(None, None)), Err(lower(Some(4), None)));
    }
}
