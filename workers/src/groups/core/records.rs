//! What an entry makes of the records of STATE. None is ever written over by one of an earlier entry, so an entry that is applied twice, or
//! late, does no harm.

use dunlin_schema::{
    Millis, Position, Seq, Turn,
    record::{Follows, GroupRecord, MemberRecord},
};

use super::{Becomes, Meaning};

/// The entry that changes somebody's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Where it stands.
    pub at: Position,
    /// When it was accepted.
    pub time: Millis,
    /// Whether those who join see what was written before.
    pub history: bool,
}

/// Whether a record that was last changed there takes account of an entry. In each epoch a log that went back is read anew: what is left of
/// it from before the record's change was taken account of then, and is older than all that came since.
pub fn is_accounted(entry: Position, record: Position) -> bool {
    entry.at_or_below(&record) || (entry.epoch > record.epoch && entry.time <= record.time)
}

/// Whether an entry that ends the group concerns somebody: whoever is in it, and whoever's record takes account of that entry already,
/// since other records may not yet.
pub fn ends_for(record: &MemberRecord, at: Position) -> bool {
    record.role.is_some() || record.at.time == at.time
}

/// Somebody's record after an entry; `None` where the record takes account of it already.
pub fn member(stored: &MemberRecord, entry: &Joining, becomes: Becomes) -> Option<MemberRecord> {
    let Joining { at, time, history } = *entry;
    if is_accounted(at, stored.at) {
        return None;
    }
    let mut record = MemberRecord { role: becomes.after(stored.role), at, ..stored.clone() };
    match (stored.role, record.role) {
        (None, Some(_)) => {
            record.windows.turn(at.seq, Turn::Joins, history);
            record.joined = time;
        }
        (Some(_), None) => record.windows.turn(at.seq, Turn::Goes, history),
        (None, None) | (Some(_), Some(_)) => {}
    }
    Some(record)
}

/// Somebody's record where the log ends before the entries that it speaks of, which a power loss took: they may read nothing of what will
/// have the sequences of what they could read before they left. `None` where it says nothing else already.
pub fn shortened(stored: &MemberRecord, end: Seq) -> Option<MemberRecord> {
    let mut record = stored.clone();
    record.windows.end_by(end);
    (record != *stored).then_some(record)
}

/// Whether somebody is in a group, after an entry; `None` where the record takes account of it already.
pub fn follows(stored: &Follows, at: Position, is_member: bool) -> Option<Follows> {
    (!is_accounted(at, stored.at)).then_some(Follows { is_member, at })
}

/// The group's record after an entry, with as many members and owners; `None` where it takes account of it already. That of a group that is
/// no more takes account of nothing but its end, once all members' records do.
pub fn group(
    stored: Option<&GroupRecord>,
    at: Position,
    meaning: &Meaning,
    (members, owners): (u32, u32),
) -> Option<GroupRecord> {
    let ends = *meaning == Meaning::Deleted;
    if stored.is_some_and(|stored| is_accounted(at, stored.applied) || (stored.deleted && !ends)) {
        return None;
    }
    let (title, settings) = match (meaning, stored) {
        (Meaning::Created { title, settings, .. } | Meaning::Changed { title, settings }, _) => {
            (title.clone(), settings.clone())
        }
        (Meaning::Nothing | Meaning::Deleted | Meaning::Members { .. }, Some(stored)) => {
            (stored.title.clone(), stored.settings.clone())
        }
        // What is no group is none by this entry either.
        (Meaning::Nothing | Meaning::Deleted | Meaning::Members { .. }, None) => return None,
    };
    Some(GroupRecord { applied: at, title, settings, members, owners, deleted: ends })
}

/// The record of a group that an entry ends, before all members' records say so: it says that the group is no more, and that there are so
/// many members less. `None` where it says so already, or takes account of the entry.
pub fn ending(stored: &GroupRecord, at: Position, fewer: u32) -> Option<GroupRecord> {
    let members = stored.members.saturating_sub(fewer);
    let record = GroupRecord { members, deleted: true, ..stored.clone() };
    (!is_accounted(at, stored.applied) && record != *stored).then_some(record)
}

/// What is to be done where it is recorded that an entry has ended a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingIs {
    /// Its members are to be told.
    Due,
    /// Whoever reads its log is about to write that it is no more.
    ToCome,
    /// Nothing: its members' records say so, or a power loss took that entry, and the group goes on.
    Over,
}

/// Decides that for a group with this record, where all that the log had up to `read` was applied before the record was read.
pub fn ending_is(stored: Option<&GroupRecord>, at: Position, read: Position) -> EndingIs {
    match stored {
        Some(stored) if stored.deleted && !is_accounted(at, stored.applied) => EndingIs::Due,
        Some(stored) if stored.deleted => EndingIs::Over,
        Some(_) | None if at.at_or_below(&read) => EndingIs::Over,
        Some(_) | None => EndingIs::ToCome,
    }
}
