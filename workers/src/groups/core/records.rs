//! What an entry makes of the records of STATE. None is ever written over by one of an earlier entry, so an entry that is applied twice, or
//! late, does no harm.

use dunlin_schema::{
    Millis, Position, Turn,
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

/// Somebody's record after an entry; `None` where the record takes account of it already.
pub fn member(stored: &MemberRecord, entry: &Joining, becomes: Becomes) -> Option<MemberRecord> {
    let Joining { at, time, history } = *entry;
    if at.at_or_below(&stored.at) {
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

/// Whether somebody is in a group, after an entry; `None` where the record takes account of it already.
pub fn follows(stored: &Follows, at: Position, is_member: bool) -> Option<Follows> {
    at.above(&stored.at).then_some(Follows { is_member, at })
}

/// The group's record after an entry, with as many members and owners; `None` where it takes account of it already.
pub fn group(
    stored: Option<&GroupRecord>,
    at: Position,
    meaning: &Meaning,
    (members, owners): (u32, u32),
) -> Option<GroupRecord> {
    if stored.is_some_and(|stored| at.at_or_below(&stored.applied)) {
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
    let deleted = *meaning == Meaning::Deleted || stored.is_some_and(|stored| stored.deleted);
    Some(GroupRecord { applied: at, title, settings, members, owners, deleted })
}
