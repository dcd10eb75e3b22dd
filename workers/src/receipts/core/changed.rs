//! Whose marks were written of late: what the comparison of marks is answered out of.
//!
//! Drive it with what a watch says: [`Changed::began`], [`Changed::wrote`] for each record, [`Changed::complete`]. A watch begins with the
//! last record that was written, or before it.

use std::collections::{BTreeMap, HashMap};

use dunlin_schema::{
    Seq, UserName,
    marks::{MarksAnswer, MarksRequest},
};

/// The last writes, one of each record.
#[derive(Debug)]
pub struct Changed {
    most: usize,
    is_complete: bool,
    floor: Option<Seq>,
    upto: Seq,
    by_record: HashMap<String, Seq>,
    by_revision: BTreeMap<Seq, (String, UserName)>,
}

impl Changed {
    /// Remembers so many records at most: the oldest writes make room.
    pub fn new(most: usize) -> Changed {
        Changed {
            most,
            is_complete: false,
            floor: None,
            upto: Seq(0),
            by_record: HashMap::new(),
            by_revision: BTreeMap::new(),
        }
    }

    /// All that is known may be out of date.
    pub fn began(&mut self) {
        *self = Changed::new(self.most);
    }

    /// A record of this user was written.
    pub fn wrote(&mut self, record: String, user: UserName, revision: Seq) {
        self.floor.get_or_insert(revision.previous());
        self.upto = self.upto.max(revision);
        if let Some(before) = self.by_record.insert(record.clone(), revision) {
            self.by_revision.remove(&before);
        }
        self.by_revision.insert(revision, (record, user));
        if self.by_revision.len() > self.most
            && let Some((oldest, (record, _))) = self.by_revision.pop_first()
        {
            self.by_record.remove(&record);
            self.floor = self.floor.max(Some(oldest));
        }
    }

    /// Everything that was there is known; what follows are changes.
    pub fn complete(&mut self) {
        self.is_complete = true;
        self.floor.get_or_insert(Seq(0));
    }

    /// The answer, with at most so many changes; `None` while it is not known whether all of it was seen.
    pub fn answer(&self, MarksRequest { after }: &MarksRequest, page: usize) -> Option<MarksAnswer> {
        let floor = self.floor.filter(|_| self.is_complete)?;
        let above = self.by_revision.range(after.next()..);
        let changes: Vec<_> = above.map(|(revision, (_, user))| (user.clone(), *revision)).take(page).collect();
        let is_cut = changes.len() == page;
        let upto = changes.last().filter(|_| is_cut).map_or(self.upto, |(_, last)| *last);
        Some(MarksAnswer { floor, upto, changes })
    }

    /// Records that are remembered.
    pub fn len(&self) -> usize {
        self.by_revision.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.by_revision.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    /// Floor, end, and who with which revision.
    type Answer = (u64, u64, Vec<(String, u64)>);

    fn answer(changed: &Changed, after: u64, page: usize) -> Option<Answer> {
        let answer = changed.answer(&MarksRequest { after: Seq(after) }, page)?;
        let changes = answer.changes.into_iter().map(|(user, revision)| (user.to_string(), revision.0));
        Some((answer.floor.0, answer.upto.0, changes.collect()))
    }

    fn named(changes: &[(&str, u64)]) -> Vec<(String, u64)> {
        changes.iter().map(|&(user, revision)| (user.to_owned(), revision)).collect()
    }

    #[test]
    fn changes_are_told_above_a_revision_each_record_once() {
        let mut changed = Changed::new(3);
        assert_eq!(answer(&changed, 0, 9), None, "nothing is known yet");
        changed.began();
        changed.wrote("alice-bob".into(), user("alice"), Seq(10));
        assert_eq!(answer(&changed, 0, 9), None, "more may be to come");
        changed.complete();
        assert_eq!(answer(&changed, 0, 9), Some((9, 10, named(&[("alice", 10)]))));
        changed.wrote("alice-carol".into(), user("alice"), Seq(12));
        changed.wrote("alice-bob".into(), user("alice"), Seq(13));
        changed.wrote("dave-bob".into(), user("dave"), Seq(14));
        let all = named(&[("alice", 12), ("alice", 13), ("dave", 14)]);
        assert_eq!(answer(&changed, 9, 9), Some((9, 14, all.clone())));
        assert_eq!(answer(&changed, 12, 9), Some((9, 14, all[1..].to_vec())));
        assert_eq!(answer(&changed, 14, 9), Some((9, 14, vec![])));
        assert_eq!(
            answer(&changed, 99, 9),
            Some((9, 14, vec![])),
            "STATE has gone back: no more is claimed than was seen"
        );
        // A page ends with what it tells.
        assert_eq!(answer(&changed, 9, 2), Some((9, 13, all[..2].to_vec())));
        assert_eq!(answer(&changed, 13, 2), Some((9, 14, all[2..].to_vec())));
        // The oldest makes room, and what was below it is not known any more.
        changed.wrote("erin-bob".into(), user("erin"), Seq(20));
        assert_eq!(answer(&changed, 0, 1), Some((12, 13, named(&[("alice", 13)]))));
        assert_eq!(changed.len(), 3);
        changed.began();
        assert_eq!(answer(&changed, 0, 9), None);
        changed.complete();
        assert_eq!(answer(&changed, 0, 9), Some((0, 0, vec![])), "a shard without marks");
    }
}
