//! How far what is said in a group has come: by member, as STATE has it; by message, as its sender is told; and what a gateway asks of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Cursor, DeviceName, Epoch, GroupName, Millis, Seq, Shard, Spans, UserName, envelope::sealed, limits};

const VERSION: u8 = 1;

/// What the devices of some members have acknowledged of a group's log, and what these members have read: see
/// [`crate::subject::group_marks`]. Written by `receipts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMarks {
    /// Each member of this part of whom something is known.
    pub members: BTreeMap<UserName, MemberMarks>,
}

impl GroupMarks {
    /// In which of the [`limits::GROUP_MARK_PARTS`] parts a member is.
    pub fn part(user: &UserName) -> u16 {
        Shard::of(user.as_str(), limits::GROUP_MARK_PARTS).0
    }
}

/// What is known of one member. Within an epoch it only rises; in a newer one it begins anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberMarks {
    /// The epoch of the group's log.
    pub epoch: Epoch,
    /// What some device of theirs was given and has acknowledged: [`limits::GROUP_MARK_SPANS`] spans at most, the highest.
    pub given: Spans,
    /// Up to here they have read what they may read.
    pub read: Seq,
    /// Where each of their devices goes on: [`limits::DEVICES`] at most.
    pub devices: Vec<GroupDevice>,
}

/// Where a device goes on in a group's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDevice {
    /// Which of the member's.
    pub device: DeviceName,
    /// Up to here it has everything, as far back as the cursor says.
    pub cursor: Cursor,
    /// When the connection was opened that said so. Of a device that was removed since it counts no more.
    pub opened: Millis,
}

/// How far the last messages that somebody sent to a group have come: the record of [`crate::subject::sent_marks`] where the address is a
/// group. Written by `receipts`. Numbers only rise within an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSentMarks {
    /// The epoch of the group's log.
    pub epoch: Epoch,
    /// In rising order: the last [`limits::GROUP_SENT_COUNTED`] that came to somebody.
    pub messages: Vec<GroupCount>,
}

/// To how many members a message came. Its sender is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCount {
    /// Its order.
    pub order: Seq,
    /// Members that have it.
    pub delivered: u32,
    /// Members that have read it.
    pub read: u32,
    /// Members that may read it.
    pub of: u32,
    /// When it became so, by the worker's clock.
    pub time: Millis,
}

/// The question how far a message has come, which its sender asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRequest {
    /// The group that it was sent to.
    pub group: GroupName,
    /// Who sent it.
    pub sender: UserName,
    /// Its order.
    pub order: Seq,
    /// Which members are to be named; `None` where they are to be counted.
    pub page: Option<MembersPage>,
}

/// Some of the members, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersPage {
    /// Those behind this name.
    pub after: Option<UserName>,
    /// How many at most.
    pub limit: u16,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountsAnswer {
    /// How many.
    Counted {
        /// Members that have it.
        delivered: u32,
        /// Members that have read it.
        read: u32,
        /// Members that may read it.
        of: u32,
    },
    /// Who.
    Members {
        /// In the order of their names.
        items: Vec<MemberReached>,
        /// The last name, where more may follow.
        next: Option<UserName>,
    },
}

/// Whether a message has come to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReached {
    /// Who.
    pub user: UserName,
    /// Whether a device of theirs has it.
    pub delivered: bool,
    /// Whether they have read it.
    pub read: bool,
}

sealed!(VERSION: GroupMarks, GroupSentMarks, CountsRequest, CountsAnswer);
