//! Records of STATE (the last of each subject counts) and items of RECEIPTS.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Address, Cursor, DeviceName, Epoch, MessageId, Millis, Peer, Position, Sender, Seq, Spans, StreamTime, Title,
    UserName, Windows,
    envelope::{EnvelopeError, open, seal, sealed},
    group::{GroupRole, GroupSettings},
    settings::{Audience, Lets},
};

const VERSION: u8 = 1;
/// Of a device's record that says more than where the device goes on.
const VERSION_TITLED: u8 = 2;
/// Of a pair's marks with something missing below them.
const VERSION_MISSING: u8 = 2;

/// The role whose readers begin epochs. All others follow the epoch that its record names.
pub const LEADER: &str = "deliver";
/// The role that writes the records of groups. Up to where its reader's record says, they take account of every entry.
pub const GROUPS: &str = "groups";

/// Who reads a shard for a role, how far it has come, and on which boot of which machine: `state.<region>.<shard>.reader.<role>`,
/// written by compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderRecord {
    /// The reader: unique for each run of a worker.
    pub owner: String,
    /// The last entry whose effects are done.
    pub position: Position,
    /// The boot of the machine that stores the shard, as the reader saw it: the kernel's boot id, or the server's id.
    pub boot: String,
    /// Set in the record that begins a new epoch, to the epoch before it: see [`ReaderRecord::epoch`].
    pub begins_after: Option<Epoch>,
}

sealed!(VERSION: ReaderRecord);

impl ReaderRecord {
    /// The epoch that holds once this record is stored, `stamp` being the stream's timestamp of it: the stamp itself, at least the
    /// old epoch + 1, for a record that begins one.
    pub fn epoch(&self, stamp: StreamTime) -> Epoch {
        match self.begins_after {
            Some(old) => Epoch(stamp.0.max(old.0.saturating_add(1))),
            None => self.position.epoch,
        }
    }
}

/// What a device has acknowledged of one log: see [`crate::subject::device_record`]. That of its user's mailbox also says what the user
/// calls it. Written by `receipts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Where the device goes on when it comes without a cursor; `None` where it has acknowledged nothing since it was removed.
    pub cursor: Option<Cursor>,
    /// When the device was last removed. What it acknowledged over connections that were opened before then counts no more.
    pub removed: Option<Millis>,
    /// What its user calls it.
    pub title: Option<Title>,
    /// When something was last learned of it, where the record was written since for another reason; otherwise its time in the stream
    /// says so.
    pub seen: Option<Millis>,
}

impl DeviceRecord {
    /// Whether there is such a device: one that was removed has come back once it acknowledges something or is called something.
    pub fn is_there(&self) -> bool {
        self.cursor.is_some() || self.title.is_some()
    }

    /// Its bytes: what has never been called anything keeps the form that every release reads.
    pub fn encode(&self) -> Vec<u8> {
        match (&self.title, self.seen) {
            (None, None) => seal(VERSION, &(self.cursor, self.removed)),
            (Some(_), _) | (None, Some(_)) => seal(VERSION_TITLED, self),
        }
    }

    /// The value of its bytes. Errors: see [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<DeviceRecord, EnvelopeError> {
        if bytes.first() != Some(&VERSION) {
            return open(VERSION_TITLED, bytes);
        }
        let (cursor, removed) = open(VERSION, bytes)?;
        Ok(DeviceRecord { cursor, removed, title: None, seen: None })
    }
}

/// An item of RECEIPTS: something a user's device said, on its way to the receipts worker. By log, what one device has; by
/// conversation, what its person has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    /// The device has everything of a log up to the cursor.
    Delivered {
        /// The device.
        device: DeviceName,
        /// The log's owner.
        log: Peer,
        /// Up to where.
        cursor: Cursor,
        /// When the connection was opened that says so.
        opened: Millis,
        /// Of a mailbox, who sent what it is about, as far as the gateway knows: a hint that saves reading the mailbox.
        senders: Option<Senders>,
    },
    /// The user has read a conversation.
    Read {
        /// With whom: a person or a group, with its region.
        with: Address,
        /// Up to this order.
        upto: Seq,
        /// The epoch of the log that gave the order, as the device's gateway knows it.
        epoch: Epoch,
    },
    /// The user had a device at a gateway.
    Seen {
        /// When, by the gateway's clock.
        at: Millis,
    },
    /// What is new of a group's members, at one gateway: its subject names the group. [`crate::limits::GROUP_ITEM`] things at most.
    Group {
        /// Devices that have everything of the group's log up to a cursor.
        acks: Vec<GroupAck>,
        /// Members who have read it up to an order.
        reads: Vec<GroupRead>,
    },
}

/// A member's device has everything of a group's log up to the cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAck {
    /// Whose device.
    pub user: UserName,
    /// The device.
    pub device: DeviceName,
    /// Up to where.
    pub cursor: Cursor,
    /// When the connection was opened that says so.
    pub opened: Millis,
}

/// A member has read a group's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRead {
    /// Who.
    pub user: UserName,
    /// The epoch of the log that gave the order, as the member's gateway knows it.
    pub epoch: Epoch,
    /// Up to this order.
    pub upto: Seq,
}

sealed!(VERSION: Receipt);

/// When a user was last connected, as far as gateways said: see [`crate::subject::last_seen`]. Written by `receipts`; it only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSeen {
    /// When.
    pub at: Millis,
}

sealed!(VERSION: LastSeen);

/// Who sent the entries of a mailbox that lie above `from`, up to the cursor of the acknowledgement that carries this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Senders {
    /// It says nothing of entries at or below this sequence.
    pub from: Seq,
    /// Each sender once, with the highest order of theirs: [`crate::limits::SENDERS_HINTED`] at most.
    pub highest: Vec<(Sender, Seq)>,
}

/// How far what a user has sent to somebody was delivered and read: see [`crate::subject::sent_marks`]. Written by `receipts`. Both marks
/// only rise within an epoch of the log that gave the orders; in a newer epoch orders begin anew, and so do marks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMarks {
    /// The epoch of the recipient's log.
    pub epoch: Epoch,
    /// Everything up to this order was delivered, apart from what is missing.
    pub delivered: Option<Seq>,
    /// Everything up to this order was read, apart from what is missing.
    pub read: Option<Seq>,
    /// How they rose, the oldest first: the last [`crate::limits::MARK_CHANGES`].
    pub changes: Vec<MarkChange>,
    /// Below the marks, what no device is known to have and nobody could read: [`crate::limits::MARK_SPANS`] at most.
    pub missing: Spans,
}

impl SentMarks {
    /// Its bytes: where nothing is missing, in the form that every release reads.
    pub fn encode(&self) -> Vec<u8> {
        match self.missing.is_empty() {
            true => seal(VERSION, &(self.epoch, self.delivered, self.read, &self.changes)),
            false => seal(VERSION_MISSING, self),
        }
    }

    /// The value of its bytes. Errors: see [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<SentMarks, EnvelopeError> {
        if bytes.first() != Some(&VERSION) {
            return open(VERSION_MISSING, bytes);
        }
        let (epoch, delivered, read, changes) = open(VERSION, bytes)?;
        Ok(SentMarks { epoch, delivered, read, changes, missing: Spans::default() })
    }
}

/// A mark rose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkChange {
    /// When, by the worker's clock.
    pub time: Millis,
    /// Which.
    pub kind: MarkKind,
    /// Up to this order.
    pub order: Seq,
}

/// What a mark says of everything up to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MarkKind {
    /// It was delivered.
    Delivered,
    /// It was read.
    Read,
}

/// How far a user has read a conversation: see [`crate::subject::read_mark`]. Written by `receipts`; it only rises within an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMark {
    /// The epoch of the log that gave the order.
    pub epoch: Epoch,
    /// Up to this order of what the other one, or the group's members, sent.
    pub order: Seq,
    /// When that was stored, by the worker's clock.
    pub time: Millis,
}

sealed!(VERSION: ReadMark);

/// What a person has decided about others: `state.<region>.<shard>.settings.<user>`. Written by `accounts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Who may write to the person.
    pub who_may_write: Audience,
    /// Who sees whether the person is there, and when they were last.
    pub who_sees_presence: Audience,
    /// Who reaches the person by nothing, and sees nothing of them: [`crate::limits::BLOCKED`] at most.
    pub blocked: BTreeSet<Sender>,
}

impl Settings {
    /// Whether these let somebody else do what is for such an audience.
    pub fn lets(&self, other: &Sender, audience: Audience) -> Lets {
        match audience {
            _ if self.blocked.contains(other) => Lets::No,
            Audience::Everybody => Lets::Yes,
            Audience::Contacts => Lets::Contacts,
            Audience::Nobody => Lets::No,
        }
    }
}

/// A group, as far as its log was applied: see [`crate::subject::group_record`]. Written by `groups`, behind the records of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The last entry of the log that this, and the records of the members, take account of.
    pub applied: Position,
    /// What the group is called.
    pub title: Option<Title>,
    /// What it has decided about itself.
    pub settings: GroupSettings,
    /// How many members it has.
    pub members: u32,
    /// How many of them are owners.
    pub owners: u32,
    /// Whether it is no more.
    pub deleted: bool,
}

/// Somebody who is in a group, or was: see [`crate::subject::member_record`]. Written by `groups`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// What they are; `None` of somebody who is no longer in the group.
    pub role: Option<GroupRole>,
    /// What they may read of its log.
    pub windows: Windows,
    /// The last entry of the log that changed this: a record is never written over by one of an earlier entry.
    pub at: Position,
    /// When they last joined.
    pub joined: Millis,
}

/// That somebody is to be given a group's log, or was: see [`crate::subject::follows`]. Written by `groups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// Whether they are in the group.
    pub is_member: bool,
    /// The last entry of the log that changed this.
    pub at: Position,
}

/// A link by which people join a group: see [`crate::subject::link`]. Written by `groups`; it goes by itself when it holds no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// Who made it.
    pub by: UserName,
    /// The id under which they did.
    pub id: MessageId,
    /// Until when it holds.
    pub until: Millis,
    /// How many may yet join by it; as many as want to, where nothing is said.
    pub left: Option<u32>,
}

/// That a group is no more, and that its members' records are yet to say so: see [`crate::subject::ending`]. Written by `groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingRecord {
    /// The entry of the log that ends it.
    pub at: Position,
}

/// Tokens that were taken back: see [`crate::subject::revocation`]. Written by `accounts`; each of its times only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// What was issued up to then is barred.
    pub at: Millis,
    /// Of a device, up to when the person's tokens that name no device are barred as well.
    pub unpinned: Option<Millis>,
    /// From then on every token that it bars is over.
    pub until: Millis,
}

sealed!(VERSION: Settings, Revocation, GroupRecord, MemberRecord, Follows, LinkRecord, EndingRecord);
