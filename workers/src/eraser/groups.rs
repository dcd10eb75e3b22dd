//! Takes somebody who is erased out of their groups: they leave each as everybody does, so that it has an owner, or is no more where nobody
//! is left. What they said in it goes where what was sent goes; then what says that they were there, but for the entries of the log itself,
//! what they had of it, and the links that they made.

use std::{collections::HashMap, time::Duration};

use dunlin_nats::{Groups, Record, RecordError};
use dunlin_schema::{
    GroupName, Log, MessageId, Peer, Sender, Seq, Shard, UserName,
    counts::GroupMarks,
    erasure::Before,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest},
    limits,
    record::{Follows, LinkRecord, MemberRecord},
    subject,
};
use tokio::time::{sleep, timeout};

use super::person::{People, PersonError};
use crate::clock;

/// How often it is looked whether the records say that somebody has left.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(50);
/// How long that is waited for before all begins again.
const WITHIN: Duration = Duration::from_secs(10);

impl People<'_> {
    /// Has somebody leave all groups that they are in. Gives those that they are in or were, of which the records are still there.
    pub(super) async fn leave_groups(&self, user: &UserName, before: &Before) -> Result<Vec<GroupName>, PersonError> {
        let pattern = subject::all_follows(&self.context.settings().region, self.shard, user);
        let mut groups = Vec::new();
        for (subject, record) in self.all(self.shard, &pattern, before.state_end(self.shard)).await? {
            let Some((_, group)) = subject::parse_follows(&subject) else { continue };
            let is_member = Follows::decode(&record.bytes)?.is_member;
            // Who was interrupted finds some that are left: that was written later.
            let is_left = before.ends.is_empty() && !is_member;
            if !is_left && !before.has_record(self.shard, record.revision, record.stamp) {
                continue;
            }
            if is_member && self.leave(user, &group).await? {
                let left = timeout(WITHIN, self.has_left(&subject)).await;
                left.map_err(|_| PersonError::Group("its records are behind"))??;
            }
            groups.push(group);
        }
        Ok(groups)
    }

    /// Has somebody leave a group. Gives whether they were in it.
    async fn leave(&self, user: &UserName, group: &GroupName) -> Result<bool, PersonError> {
        let (region, shard) = (&self.context.settings().region, self.log_of(group).shard);
        match self.ask(user, group, GroupCommand::Leave).await? {
            Ok(()) => Ok(true),
            Err(GroupRefusal::NobodyLeft) => match self.ask(user, group, GroupCommand::Delete).await? {
                Ok(()) => Ok(true),
                Err(_) => Err(PersonError::Group("it has changed meanwhile")),
            },
            Err(GroupRefusal::NotAMember) => {
                match self.records.load(shard, &subject::ending(region, shard, group)).await? {
                    Some(_) => Err(PersonError::Group("it is being ended")),
                    None => Ok(false),
                }
            }
            Err(_) => Err(PersonError::Group("its worker can't take that now")),
        }
    }

    async fn ask(
        &self,
        user: &UserName,
        group: &GroupName,
        what: GroupCommand,
    ) -> Result<Result<(), GroupRefusal>, PersonError> {
        let (now, Log { region, shard, .. }) = (clock::now(), self.log_of(group));
        let (id, by) = (MessageId::from_parts(now, rand::random()), Sender { user: user.clone(), region });
        let wanted = GroupRequest { group: group.clone(), by, id, at: now, what };
        match Groups::new(self.context.connection()).ask(shard, &wanted, limits::GROUP_WITHIN).await {
            Ok(GroupAnswer::Stored { .. }) => Ok(Ok(())),
            Ok(GroupAnswer::Refused(refusal)) => Ok(Err(refusal)),
            Ok(GroupAnswer::Unknown) | Err(_) => Err(PersonError::Group("its worker did not answer")),
        }
    }

    /// Resolves when this record says that somebody is not in the group.
    async fn has_left(&self, follows: &str) -> Result<(), PersonError> {
        loop {
            let record = self.records.load(self.shard, follows).await?;
            let Some(record) = record else { return Ok(()) };
            if !Follows::decode(&record.bytes)?.is_member {
                return Ok(());
            }
            sleep(LOOKED_AT_EVERY).await;
        }
    }

    /// Takes away what says that somebody was in these groups, which they have left.
    pub(super) async fn forget_groups(&self, user: &UserName, groups: &[GroupName]) -> Result<(), PersonError> {
        let region = &self.context.settings().region;
        for group in groups {
            let shard = self.log_of(group).shard;
            let member = self.records.load(shard, &subject::member_record(region, shard, group, user)).await?;
            if let Some(member) = member
                && MemberRecord::decode(&member.bytes)?.role.is_none()
            {
                self.records.erase(shard, member.revision).await?;
            }
            let follows = self.records.load(self.shard, &subject::follows(region, self.shard, user, group)).await?;
            if let Some(follows) = follows
                && !Follows::decode(&follows.bytes)?.is_member
            {
                self.records.erase(self.shard, follows.revision).await?;
            }
        }
        Ok(())
    }

    /// Takes what somebody had of groups out of what is kept of all members, also where they left long ago. Whoever is a member by now
    /// keeps what their devices have said since. Where others' marks rise meanwhile all begins again.
    pub(super) async fn forget_group_marks(&self, user: &UserName, before: &Before) -> Result<(), PersonError> {
        let (region, reads) = (&self.context.settings().region, &self.erasing.reads);
        for shard in self.context.settings().shards() {
            let pattern = subject::group_marks_everywhere(region, shard, GroupMarks::part(user));
            let mut found = HashMap::new();
            let with_them = |subject: String, record: Record| {
                let marks = GroupMarks::decode(&record.bytes)?;
                match marks.members.contains_key(user) {
                    true => found.insert(subject, (marks, record.revision)),
                    false => found.remove(&subject),
                };
                Ok::<_, PersonError>(())
            };
            self.records.each_above(reads, shard, &pattern, Seq(0), with_them).await?;
            for (subject, (mut marks, revision)) in found {
                let Some(group) = subject::parse_group_marks(&subject) else { continue };
                let member = self.records.load(shard, &subject::member_record(region, shard, &group, user)).await?;
                match marks.members.get_mut(user).filter(|_| member.is_some()) {
                    Some(theirs) => theirs.devices.retain(|device| device.opened > before.until.millis()),
                    None => _ = marks.members.remove(user),
                }
                self.records.save_for(limits::DEVICE_KEPT, &subject, marks.encode(), revision).await?;
            }
        }
        Ok(())
    }

    /// Takes away the links that somebody has made.
    pub(super) async fn forget_links(&self, user: &UserName, before: &Before) -> Result<(), PersonError> {
        for shard in self.context.settings().shards() {
            for revision in self.links_of(user, before, shard).await? {
                self.records.erase(shard, revision).await?;
            }
        }
        Ok(())
    }

    async fn links_of(&self, user: &UserName, before: &Before, shard: Shard) -> Result<Vec<Seq>, RecordError> {
        let pattern = subject::shard_links(&self.context.settings().region, shard);
        let links = self.all(shard, &pattern, before.state_end(shard)).await?.into_iter();
        let theirs = links.filter(|(_, record)| {
            before.has_record(shard, record.revision, record.stamp)
                && LinkRecord::decode(&record.bytes).is_ok_and(|link| link.by == *user)
        });
        Ok(theirs.map(|(_, record)| record.revision).collect())
    }

    pub(super) fn log_of(&self, group: &GroupName) -> Log {
        let settings = self.context.settings();
        Log::of(&settings.region, settings.shards, Peer::Group(group.clone()))
    }
}
