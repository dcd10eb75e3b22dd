//! Answers about groups, for one person: each of a snapshot that is in step with the group's log, and within what they may read. STATE says
//! that as of a place of the log, and what the projection has of the log says the rest. So it does no harm where a replica that answers for
//! STATE lags.

use std::collections::{HashMap, HashSet};

use dunlin_schema::{
    GroupName, Log, Peer, Seq, UserName,
    envelope::EnvelopeError,
    index::groups::{
        GroupConversation, GroupConversationsAnswer, GroupConversationsRequest, GroupHistoryAnswer,
        GroupHistoryRequest, GroupsLatestAnswer, GroupsLatestRequest,
    },
    limits,
    record::{GroupRecord, MemberRecord, ReadMark},
    subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    super::{
        core::{Unread, group::Sight},
        expired_before,
    },
    Answers, Of, ProjectionError, Reading, Unanswerable, blocking,
};

/// Groups that are looked at at once, for one answer.
const AT_ONCE: usize = 16;

/// What STATE says of a group, and of somebody in it.
#[derive(Clone, Default)]
pub(super) struct Known {
    group: Option<GroupRecord>,
    member: MemberRecord,
}

impl Known {
    /// What they may read, by this snapshot.
    pub(super) fn sight(
        &self,
        reading: &Reading,
        group: &GroupName,
        user: &UserName,
    ) -> Result<Sight, ProjectionError> {
        Ok(Sight::of(&self.member, self.group.as_ref(), &reading.group(group).turned(user)?))
    }
}

impl Answers {
    pub(super) async fn groups_latest(
        &self,
        GroupsLatestRequest { user, groups }: GroupsLatestRequest,
    ) -> Result<GroupsLatestAnswer, Unanswerable> {
        let end = self.reads.shard_end(self.of.shard).await?;
        self.comes_to(end.seq).await?;
        let known = self.known(&user, &groups).await?;
        let projection = self.projection.clone();
        let found = blocking(move || {
            let (reading, oldest) = (projection.read()?, expired_before());
            let latest = |(group, known): (&GroupName, &Known)| {
                let sight = known.sight(&reading, group, &user)?;
                Ok(reading.group(group).latest(&sight, oldest)?.or(sight.joined))
            };
            groups.iter().zip(&known).map(latest).collect::<Result<Vec<_>, ProjectionError>>()
        });
        Ok(GroupsLatestAnswer::Found(found.await?))
    }

    pub(super) async fn group_conversations(
        &self,
        GroupConversationsRequest { user, blocked, groups }: GroupConversationsRequest,
    ) -> Result<GroupConversationsAnswer, Unanswerable> {
        let names: Vec<_> = groups.iter().map(|(group, _)| group.clone()).collect();
        let known = self.known(&user, &names).await?;
        let blocked: HashSet<UserName> = blocked.into_iter().collect();
        let standing = stream::iter(groups.into_iter().zip(known));
        let standing =
            standing.map(|((group, mark), known)| self.stands((&user, &blocked), group, mark, known)).buffered(AT_ONCE);
        Ok(GroupConversationsAnswer::Found(standing.try_collect().await?))
    }

    /// How a group stands for somebody; `None` where they were never in it.
    async fn stands(
        &self,
        (user, blocked): (&UserName, &HashSet<UserName>),
        group: GroupName,
        mark: Option<ReadMark>,
        known: Known,
    ) -> Result<Option<GroupConversation>, Unanswerable> {
        let (reading, first) = self.of_group(&group).await?;
        let (user, blocked, of) = (user.clone(), blocked.clone(), self.of.clone());
        let found = blocking(move || {
            let sight = known.sight(&reading, &group, &user)?;
            if sight.windows.first().is_none() {
                return Ok(None);
            }
            let stored = reading.group(&group);
            let (last, _) = stored.history(&sight, (first, Seq::MAX), 1)?;
            let rule = Unread::of(mark, reading.position(&of)?.epoch);
            let (unread, mentions) = stored.unread((&user, &blocked), &sight, first, &rule)?;
            // What it is called by now is for its members.
            let title = known.group.filter(|_| sight.windows.are_open()).and_then(|group| group.title);
            Ok(Some(GroupConversation { title, last: last.into_iter().next(), unread, mentions, read: rule.read() }))
        });
        Ok(found.await?)
    }

    pub(super) async fn group_history(
        &self,
        GroupHistoryRequest { user, group, below, limit }: GroupHistoryRequest,
    ) -> Result<GroupHistoryAnswer, Unanswerable> {
        let known = self.known(&user, std::slice::from_ref(&group)).await?.pop().unwrap_or_default();
        let (reading, first) = self.of_group(&group).await?;
        let limit = usize::from(limit.min(limits::HISTORY_PAGE));
        let found = blocking(move || {
            let sight = known.sight(&reading, &group, &user)?;
            if sight.windows.first().is_none() {
                return Ok(GroupHistoryAnswer::NotAMember);
            }
            let within = (first, below.unwrap_or(Seq::MAX));
            let (messages, more) = reading.group(&group).history(&sight, within, limit)?;
            Ok(GroupHistoryAnswer::Found { messages, more })
        });
        Ok(found.await?)
    }

    /// A snapshot that has what a group's log has, and the log's first entry. Of one without entries there is nothing to be had.
    async fn of_group(&self, group: &GroupName) -> Result<(Reading, Seq), Unanswerable> {
        let log = Log { region: self.of.region.clone(), shard: self.of.shard, owner: Peer::Group(group.clone()) };
        if let Some((reading, ends)) = self.in_step(&log).await? {
            return Ok((reading, ends.first.seq));
        }
        let projection = self.projection.clone();
        Ok((blocking(move || projection.read()).await?, Seq::MAX))
    }

    /// What STATE says of these groups, and of somebody in each.
    pub(super) async fn known(&self, user: &UserName, groups: &[GroupName]) -> Result<Vec<Known>, Unanswerable> {
        let Of { region, shard } = &self.of;
        let of_group = |group: &GroupName| subject::group_record(region, *shard, group);
        let of_member = |group: &GroupName| subject::member_record(region, *shard, group, user);
        let subjects: Vec<_> = groups.iter().flat_map(|group| [of_group(group), of_member(group)]).collect();
        let mut found = HashMap::new();
        for page in subjects.chunks(limits::READ_ENTRIES) {
            found.extend(self.reads.states(*shard, page).await?);
        }
        let known = groups.iter().map(|group| {
            let record = found.get(&of_group(group)).map(|bytes| GroupRecord::decode(bytes)).transpose()?;
            let member = found.get(&of_member(group)).map(|bytes| MemberRecord::decode(bytes)).transpose()?;
            Ok(Known { group: record, member: member.unwrap_or_default() })
        });
        known.collect::<Result<_, EnvelopeError>>().map_err(Unanswerable::Unreadable)
    }
}
