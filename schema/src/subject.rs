//! Every subject, built and parsed here and nowhere else.

mod groups;
mod media;
pub mod pattern;

use std::{fmt, str::FromStr};

use crate::{
    Address, DeviceName, GroupName, LogName, MessageId, Peer, RegionName, Sender, Shard, TokenId, UserName,
    revocation::Revoked,
};

pub use self::groups::{
    all_follows, all_group_marks, ending, endings, follows, group_command, group_counts, group_marks,
    group_marks_everywhere, group_receipt, group_record, group_records, groups_service, link, links, member_everywhere,
    member_record, member_records, parse_ending, parse_follows, parse_group_marks, parse_group_receipt, parse_link,
    parse_member_record, shard_follows, shard_links,
};
pub use self::media::{
    all_same, all_uploaded, holds, media, media_looks, media_record, media_records, media_same, media_service,
    media_shard, parse_media_record, parse_media_same, parse_uploaded, same_shard, shard_uploaded, uploaded,
};

/// A log: the entries under one subject of a shard, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Log {
    /// The region that keeps it.
    pub region: RegionName,
    /// The shard whose stream holds it.
    pub shard: Shard,
    /// Whose it is.
    pub owner: Peer,
}

impl Log {
    /// A user's mailbox in a region of `shards` shards.
    pub fn mailbox(region: &RegionName, shards: u16, user: &UserName) -> Log {
        Log::of(region, shards, Peer::User(user.clone()))
    }

    /// The log of a user or group in a region of `shards` shards.
    pub fn of(region: &RegionName, shards: u16, owner: Peer) -> Log {
        Log { region: region.clone(), shard: Shard::of(owner.as_str(), shards), owner }
    }

    /// The log that `user`, of this region, calls `name`.
    pub fn named(region: &RegionName, shards: u16, user: &UserName, name: &LogName) -> Log {
        match name {
            LogName::Mailbox => Log::mailbox(region, shards, user),
            LogName::Group(address) => Log::of(region, shards, Peer::Group(address.group.clone())),
        }
    }

    /// The subject under which the log is stored.
    pub fn subject(&self) -> String {
        self.to_string()
    }

    /// The `Nats-Msg-Id` of an item in this log. JetStream's duplicate window belongs to the stream, so the log is part of it; so is the
    /// recipient of a sent copy ([`crate::Entry::copy_to`]), because one id sent to two people makes two copies.
    pub fn message_id(&self, sender: &Sender, id: MessageId, copy_to: Option<&Address>) -> String {
        match copy_to {
            Some(to) => format!("{self}:{sender}:{id}:{to}"),
            None => format!("{self}:{sender}:{id}"),
        }
    }

    /// The log that a subject names; `None` where it names none.
    pub fn parse(subject: &str) -> Option<Log> {
        let mut tokens = subject.splitn(4, '.');
        let (Some("log"), Some(region), Some(shard), Some(owner)) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return None;
        };
        let owner = parse_owner(owner)?;
        let log = Log { region: RegionName::new(region).ok()?, shard: Shard(shard.parse().ok()?), owner };
        // One log has one subject: `01` is no shard.
        (log.subject() == subject).then_some(log)
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.owner {
            Peer::User(_) => "user",
            Peer::Group(_) => "group",
        };
        write!(f, "log.{}.{}.{kind}.{}", self.region, self.shard, self.owner.as_str())
    }
}

/// The logs of one shard: tells whose an entry is from its subject without building a [`Log`], for readers of a whole shard.
#[derive(Clone, Debug)]
pub struct Logs {
    prefix: String,
}

impl Logs {
    /// The logs of a shard.
    pub fn of(region: &RegionName, shard: Shard) -> Logs {
        Logs { prefix: format!("log.{region}.{shard}.") }
    }

    /// Whose log has this subject; `None` for subjects of other shards, and of no log.
    pub fn owner(&self, subject: &str) -> Option<Peer> {
        parse_owner(subject.strip_prefix(&self.prefix)?)
    }
}

/// An owner as the tail of a subject: `user.<user>` or `group.<group>`.
fn owner(peer: &Peer) -> String {
    match peer {
        Peer::User(user) => format!("user.{user}"),
        Peer::Group(group) => format!("group.{group}"),
    }
}

fn parse_owner(tail: &str) -> Option<Peer> {
    match tail.split_once('.')? {
        ("user", user) => UserName::new(user).ok().map(Peer::User),
        ("group", group) => GroupName::new(group).ok().map(Peer::Group),
        _ => None,
    }
}

/// The logs of a shard's groups: a pattern.
pub fn group_logs(region: &RegionName, shard: Shard) -> String {
    format!("log.{region}.{shard}.group.*")
}

/// Where what is live of a log is published: `user.<user>`, `group.<group>`.
pub fn live(log: &Peer) -> String {
    owner(log)
}

/// Where gateways say that whoever watches a user is to ask again: `presence.<user>`.
pub fn presence(user: &UserName) -> String {
    format!("presence.{user}")
}

/// Where the gateways of a region say that they are there: `gateways.<region>`.
pub fn gateways(region: &RegionName) -> String {
    format!("gateways.{region}")
}

/// The record of a shard's reader: `state.<region>.<shard>.reader.<role>`.
pub fn reader_record(region: &RegionName, shard: Shard, role: &str) -> String {
    format!("state.{region}.{shard}.reader.{role}")
}

/// The record of what a device has acknowledged of a log: `state.<region>.<shard>.device.<user>.<device>.<user or group>.<name>`. The
/// shard is the user's, whoever's the log is: so one worker writes all records of a device.
pub fn device_record(region: &RegionName, shard: Shard, user: &UserName, device: &DeviceName, log: &Peer) -> String {
    format!("state.{region}.{shard}.device.{user}.{device}.{}", owner(log))
}

/// The records of what a user's devices have acknowledged of the user's own mailbox, one for each device: a pattern.
pub fn mailbox_records(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.device.{user}.*.{}", owner(&Peer::User(user.clone())))
}

/// The records of what a device has acknowledged, one for each log: a pattern.
pub fn device_records(region: &RegionName, shard: Shard, user: &UserName, device: &DeviceName) -> String {
    format!("state.{region}.{shard}.device.{user}.{device}.>")
}

/// The device of a [`device_record`].
pub fn parse_device_record(subject: &str) -> Option<DeviceName> {
    let mut tokens = subject.splitn(7, '.');
    let (Some("state"), Some(region), Some(shard), Some("device"), Some(user), Some(device), Some(log)) =
        (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next())
    else {
        return None;
    };
    let (region, user) = (RegionName::new(region).ok()?, UserName::new(user).ok()?);
    let (device, log) = (DeviceName::new(device).ok()?, parse_owner(log)?);
    (device_record(&region, Shard(shard.parse().ok()?), &user, &device, &log) == subject).then_some(device)
}

/// The record of how far what a user sent to somebody was delivered and read:
/// `state.<region>.<shard>.mark.<user>.sent.<region>.<user or group>.<name>`. The shard is the sender's. `to` has its region.
pub fn sent_marks(region: &RegionName, shard: Shard, user: &UserName, to: &Peer, of: &RegionName) -> String {
    format!("state.{region}.{shard}.mark.{user}.sent.{of}.{}", owner(to))
}

/// The record of how far a user has read a conversation:
/// `state.<region>.<shard>.mark.<user>.read.<region>.<user or group>.<name>`. The shard is the reader's.
pub fn read_mark(region: &RegionName, shard: Shard, user: &UserName, with: &Peer, of: &RegionName) -> String {
    format!("state.{region}.{shard}.mark.{user}.read.{of}.{}", owner(with))
}

/// All marks of a user, of both kinds: a pattern.
pub fn marks_of(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.mark.{user}.>")
}

/// All marks of a shard's users: a pattern.
pub fn marks(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.mark.>")
}

/// All read marks of a shard's users: a pattern.
pub fn read_marks(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.mark.*.read.>")
}

/// A mark's subject, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkOf {
    /// Whose it is.
    pub user: UserName,
    /// Which of the two.
    pub kind: MarkRecord,
    /// The other side.
    pub peer: Peer,
    /// The other side's region.
    pub region: RegionName,
}

/// Which record of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkRecord {
    /// See [`sent_marks`].
    Sent,
    /// See [`read_mark`].
    Read,
}

/// The mark that a subject names; `None` where it names none.
pub fn parse_mark(subject: &str) -> Option<MarkOf> {
    let mut tokens = subject.splitn(8, '.');
    let (Some("state"), Some(region), Some(shard), Some("mark"), Some(user), Some(kind), Some(of), Some(peer)) = (
        tokens.next(),
        tokens.next(),
        tokens.next(),
        tokens.next(),
        tokens.next(),
        tokens.next(),
        tokens.next(),
        tokens.next(),
    ) else {
        return None;
    };
    let (region, shard) = (RegionName::new(region).ok()?, Shard(shard.parse().ok()?));
    let (user, of, peer) = (UserName::new(user).ok()?, RegionName::new(of).ok()?, parse_owner(peer)?);
    let (kind, built) = match kind {
        "sent" => (MarkRecord::Sent, sent_marks(&region, shard, &user, &peer, &of)),
        "read" => (MarkRecord::Read, read_mark(&region, shard, &user, &peer, &of)),
        _ => return None,
    };
    (built == subject).then_some(MarkOf { user, kind, peer, region: of })
}

/// That everything of a user is to be erased: `state.<region>.<shard>.erasure.<user>`.
pub fn erasure(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.erasure.{user}")
}

/// All people of a shard that are to be erased: a pattern.
pub fn erasures(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.erasure.*")
}

/// The kinds of records that are of a user: whatever is there under the user's name goes with the user. What takes tokens back is of the
/// operator, and stays.
const OF_A_USER: [&str; 6] = ["device", "mark", "settings", "seen", "follows", "uploaded"];

/// The records of a user in the user's own shard, of every kind: patterns, two of each kind. They name the kinds, because a user may be
/// called as a role is, whose readers' records end with its name.
pub fn records_of(region: &RegionName, shard: Shard, user: &UserName) -> Vec<String> {
    let of =
        |kind| [format!("state.{region}.{shard}.{kind}.{user}"), format!("state.{region}.{shard}.{kind}.{user}.>")];
    OF_A_USER.into_iter().flat_map(of).collect()
}

/// The marks that others of a shard have with a user of `of`: a pattern.
pub fn marks_about(region: &RegionName, shard: Shard, user: &UserName, of: &RegionName) -> String {
    format!("state.{region}.{shard}.mark.*.*.{of}.user.{user}")
}

/// The name of the service by which the eraser of a shard is asked to erase people. Its endpoint is [`erase_user`].
pub fn eraser_service(region: &RegionName, shard: Shard) -> String {
    format!("eraser-{region}-{shard}")
}

/// Where the eraser of a shard is told of a person to erase: `svc.<region>.eraser-<shard>.erase-user`.
pub fn erase_user(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.eraser-{shard}.erase-user")
}

/// The record of when a user was last connected: `state.<region>.<shard>.seen.<user>`.
pub fn last_seen(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.seen.{user}")
}

/// The record of a person's settings: `state.<region>.<shard>.settings.<user>`.
pub fn settings(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.settings.{user}")
}

/// The settings of all people of a shard: a pattern.
pub fn all_settings(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.settings.*")
}

/// Whose [`settings`] a subject names.
pub fn parse_settings(subject: &str) -> Option<UserName> {
    parse_one(subject, "settings", settings)
}

/// The record of what was taken back: `state.<region>.<shard>.revoked.token.<id>`, `….revoked.user.<user>` or
/// `….revoked.device.<user>.<device>`. The shard is that of [`Revoked::owner`].
pub fn revocation(region: &RegionName, shard: Shard, what: &Revoked) -> String {
    match what {
        Revoked::Token(id) => format!("state.{region}.{shard}.revoked.token.{id}"),
        Revoked::User(user) => format!("state.{region}.{shard}.revoked.user.{user}"),
        Revoked::Device(user, device) => format!("state.{region}.{shard}.revoked.device.{user}.{device}"),
    }
}

/// Everything that was taken back in a shard: a pattern.
pub fn revocations(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.revoked.>")
}

/// What the subject of a [`revocation`] names.
pub fn parse_revocation(subject: &str) -> Option<Revoked> {
    let mut tokens = subject.splitn(7, '.');
    let (Some("state"), Some(region), Some(shard), Some("revoked")) =
        (tokens.next(), tokens.next(), tokens.next(), tokens.next())
    else {
        return None;
    };
    let what = match (tokens.next()?, tokens.next()?, tokens.next()) {
        ("token", id, None) => Revoked::Token(TokenId::new(id).ok()?),
        ("user", user, None) => Revoked::User(UserName::new(user).ok()?),
        ("device", user, Some(device)) => Revoked::Device(UserName::new(user).ok()?, DeviceName::new(device).ok()?),
        _ => return None,
    };
    let region = RegionName::new(region).ok()?;
    (revocation(&region, Shard(shard.parse().ok()?), &what) == subject).then_some(what)
}

/// Where what a user's devices acknowledge waits for the receipts worker: `receipt.<region>.<shard>.<user>`.
pub fn receipt(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("receipt.{region}.{shard}.{user}")
}

/// The user of a receipt subject.
pub fn parse_receipt(subject: &str) -> Option<UserName> {
    let mut tokens = subject.split('.');
    let (Some("receipt"), Some(region), Some(shard), Some(user), None) =
        (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next())
    else {
        return None;
    };
    let user = UserName::new(user).ok()?;
    let built = receipt(&RegionName::new(region).ok()?, Shard(shard.parse().ok()?), &user);
    (built == subject).then_some(user)
}

/// The name of the service by which a shard's deliver reader answers questions about heads. Its endpoints are
/// [`heads`] and [`verify`].
pub fn heads_service(region: &RegionName, shard: Shard) -> String {
    format!("deliver-{region}-{shard}")
}

/// Where a shard's deliver reader answers questions about heads: `svc.<region>.deliver-<shard>.heads`.
pub fn heads(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.deliver-{shard}.heads")
}

/// Where a shard's deliver reader takes a gateway's doubt: `svc.<region>.deliver-<shard>.verify`.
pub fn verify(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.deliver-{shard}.verify")
}

/// The name of the service by which the receipts worker changes a shard's records on demand, and says what has changed. Its
/// endpoints are [`remove_device`], [`name_device`], [`changed_marks`] and [`group_counts`].
pub fn receipts_service(region: &RegionName, shard: Shard) -> String {
    format!("receipts-{region}-{shard}")
}

/// Where the receipts worker of a shard is told that a device is removed: `svc.<region>.receipts-<shard>.remove-device`.
pub fn remove_device(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.receipts-{shard}.remove-device")
}

/// Where the receipts worker of a shard is told what a device is called: `svc.<region>.receipts-<shard>.name-device`.
pub fn name_device(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.receipts-{shard}.name-device")
}

/// Where the receipts worker of a shard says whose marks have changed: `svc.<region>.receipts-<shard>.marks`.
pub fn changed_marks(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.receipts-{shard}.marks")
}

/// The name of the service by which a shard's index worker says what it knows. Its endpoints are [`conversations`], [`history`] and, of the
/// shard's groups, [`groups_latest`], [`group_conversations`] and [`group_history`].
pub fn index_service(region: &RegionName, shard: Shard) -> String {
    format!("index-{region}-{shard}")
}

/// Where a shard's index worker says which conversations a user has: `svc.<region>.index-<shard>.conversations`.
pub fn conversations(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.index-{shard}.conversations")
}

/// Where a shard's index worker says which messages a conversation has: `svc.<region>.index-<shard>.history`.
pub fn history(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.index-{shard}.history")
}

/// Where a shard's index worker says when something was last said in groups: `svc.<region>.index-<shard>.groups_latest`.
pub fn groups_latest(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.index-{shard}.groups_latest")
}

/// Where a shard's index worker says how groups stand for one of their members: `svc.<region>.index-<shard>.group_conversations`.
pub fn group_conversations(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.index-{shard}.group_conversations")
}

/// Where a shard's index worker says which messages a group has: `svc.<region>.index-<shard>.group_history`.
pub fn group_history(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.index-{shard}.group_history")
}

/// The name of the service by which the accounts worker changes a shard's records on demand. Its endpoints are [`change_settings`] and
/// [`revoke`].
pub fn accounts_service(region: &RegionName, shard: Shard) -> String {
    format!("accounts-{region}-{shard}")
}

/// Where the accounts worker of a shard changes somebody's settings: `svc.<region>.accounts-<shard>.settings`.
pub fn change_settings(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.accounts-{shard}.settings")
}

/// Where the accounts worker of a shard writes down what is taken back: `svc.<region>.accounts-<shard>.revoke`.
pub fn revoke(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.accounts-{shard}.revoke")
}

/// Where nobody ever listens: a request to it is refused by the server itself, in its turn, and so proves that the server has processed
/// what was sent before: `svc.<region>.round-trip`.
pub fn round_trip(region: &RegionName) -> String {
    format!("svc.{region}.round-trip")
}

/// The name at the end of a record's subject.
fn parse_one<A: FromStr>(subject: &str, kind: &str, build: fn(&RegionName, Shard, &A) -> String) -> Option<A> {
    let mut tokens = subject.splitn(5, '.');
    let (Some("state"), Some(region), Some(shard), Some(found), Some(name)) =
        (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next())
    else {
        return None;
    };
    let (region, shard, name) = (RegionName::new(region).ok()?, Shard(shard.parse().ok()?), name.parse().ok()?);
    (found == kind && build(&region, shard, &name) == subject).then_some(name)
}

/// The two names at the end of a record's subject.
fn parse_pair<A: FromStr, B: FromStr>(
    subject: &str,
    kind: &str,
    build: fn(&RegionName, Shard, &A, &B) -> String,
) -> Option<(A, B)> {
    let mut tokens = subject.splitn(6, '.');
    let (Some("state"), Some(region), Some(shard), Some(found), Some(first), Some(second)) =
        (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next())
    else {
        return None;
    };
    let (region, shard) = (RegionName::new(region).ok()?, Shard(shard.parse().ok()?));
    let (first, second) = (first.parse().ok()?, second.parse().ok()?);
    (found == kind && build(&region, shard, &first, &second) == subject).then_some((first, second))
}
