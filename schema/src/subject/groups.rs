//! The subjects of groups beside their logs: records, what waits for workers, and what these are asked.

use super::{parse_one, parse_pair};
use crate::{GroupName, LinkKey, RegionName, Shard, UserName};

/// The record of a group: `state.<region>.<shard>.group.<group>`. The shard is the group's.
pub fn group_record(region: &RegionName, shard: Shard, group: &GroupName) -> String {
    format!("state.{region}.{shard}.group.{group}")
}

/// The groups of a shard: a pattern.
pub fn group_records(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.group.*")
}

/// The record of a member of a group: `state.<region>.<shard>.member.<group>.<user>`. The shard is the group's.
pub fn member_record(region: &RegionName, shard: Shard, group: &GroupName, user: &UserName) -> String {
    format!("state.{region}.{shard}.member.{group}.{user}")
}

/// The members of a group: a pattern.
pub fn member_records(region: &RegionName, shard: Shard, group: &GroupName) -> String {
    format!("state.{region}.{shard}.member.{group}.*")
}

/// What somebody is in all groups of a shard: a pattern.
pub fn member_everywhere(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.member.*.{user}")
}

/// The user of a [`member_record`].
pub fn parse_member_record(subject: &str) -> Option<UserName> {
    let (_, user) = parse_pair(subject, "member", member_record)?;
    Some(user)
}

/// The record of a group that somebody is in: `state.<region>.<shard>.follows.<user>.<group>`. The shard is the user's.
pub fn follows(region: &RegionName, shard: Shard, user: &UserName, group: &GroupName) -> String {
    format!("state.{region}.{shard}.follows.{user}.{group}")
}

/// The groups that somebody is in: a pattern.
pub fn all_follows(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.follows.{user}.*")
}

/// The groups that all people of a shard are in: a pattern.
pub fn shard_follows(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.follows.>")
}

/// The user and the group that a [`follows`] record is about.
pub fn parse_follows(subject: &str) -> Option<(UserName, GroupName)> {
    parse_pair(subject, "follows", follows)
}

/// The record of a link by which people join a group: `state.<region>.<shard>.link.<group>.<key>`. The shard is the group's.
pub fn link(region: &RegionName, shard: Shard, group: &GroupName, key: &LinkKey) -> String {
    format!("state.{region}.{shard}.link.{group}.{key}")
}

/// The links of a group: a pattern.
pub fn links(region: &RegionName, shard: Shard, group: &GroupName) -> String {
    format!("state.{region}.{shard}.link.{group}.*")
}

/// The links of all groups of a shard: a pattern.
pub fn shard_links(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.link.>")
}

/// The group and the key of a [`link`].
pub fn parse_link(subject: &str) -> Option<(GroupName, LinkKey)> {
    parse_pair(subject, "link", link)
}

/// The record of a group that is no more, and whose members' records are yet to say so: `state.<region>.<shard>.ending.<group>`. The shard
/// is the group's.
pub fn ending(region: &RegionName, shard: Shard, group: &GroupName) -> String {
    format!("state.{region}.{shard}.ending.{group}")
}

/// All such groups of a shard: a pattern.
pub fn endings(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.ending.*")
}

/// The group of an [`ending`].
pub fn parse_ending(subject: &str) -> Option<GroupName> {
    parse_one(subject, "ending", ending)
}

/// The record of what some of a group's members have and have read: `state.<region>.<shard>.gmarks.<group>.<part>`. The shard is the
/// group's.
pub fn group_marks(region: &RegionName, shard: Shard, group: &GroupName, part: u16) -> String {
    format!("state.{region}.{shard}.gmarks.{group}.{part}")
}

/// The records of what all of a group's members have and have read: a pattern.
pub fn all_group_marks(region: &RegionName, shard: Shard, group: &GroupName) -> String {
    format!("state.{region}.{shard}.gmarks.{group}.*")
}

/// The records in which the members of a part stand, of all groups of a shard: a pattern.
pub fn group_marks_everywhere(region: &RegionName, shard: Shard, part: u16) -> String {
    format!("state.{region}.{shard}.gmarks.*.{part}")
}

/// The group of a [`group_marks`] record.
pub fn parse_group_marks(subject: &str) -> Option<GroupName> {
    let build = |region: &RegionName, shard, group: &GroupName, part: &u16| group_marks(region, shard, group, *part);
    let (group, _) = parse_pair(subject, "gmarks", build)?;
    Some(group)
}

/// Where what a group's members acknowledge and read waits for the receipts worker: `receipt.<region>.<shard>.group.<group>`. The shard is
/// the group's.
pub fn group_receipt(region: &RegionName, shard: Shard, group: &GroupName) -> String {
    format!("receipt.{region}.{shard}.group.{group}")
}

/// The group of a [`group_receipt`].
pub fn parse_group_receipt(subject: &str) -> Option<GroupName> {
    let mut tokens = subject.splitn(5, '.');
    let (Some("receipt"), Some(region), Some(shard), Some("group"), Some(group)) =
        (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next())
    else {
        return None;
    };
    let (region, shard, group) =
        (RegionName::new(region).ok()?, Shard(shard.parse().ok()?), GroupName::new(group).ok()?);
    (group_receipt(&region, shard, &group) == subject).then_some(group)
}

/// Where the receipts worker of a shard says to how many members of a group something came, or to whom:
/// `svc.<region>.receipts-<shard>.counts`.
pub fn group_counts(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.receipts-{shard}.counts")
}

/// The name of the service by which the groups worker of a shard does what is wanted in a group. Its endpoint is [`group_command`].
pub fn groups_service(region: &RegionName, shard: Shard) -> String {
    format!("groups-{region}-{shard}")
}

/// Where the groups worker of a shard is told what is wanted in a group: `svc.<region>.groups-<shard>.command`.
pub fn group_command(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.groups-{shard}.command")
}
