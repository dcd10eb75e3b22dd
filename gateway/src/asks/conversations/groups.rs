//! The groups among the asker's conversations: each shard's index is asked about its own. The asker's read marks, and whom they have
//! blocked, lie in the asker's shard, so they come with the question.

use std::collections::{BTreeMap, HashMap};

use dunlin_schema::{
    Address, GroupName, Log, Peer, Seq, Shard, StreamTime, UserName,
    frame::{Answer, ConversationItem, HistoryEntry, ReactionItem},
    group::GroupRefusal,
    index::groups::{
        GroupConversation, GroupConversationsRequest, GroupHistoryRequest, GroupMessage, GroupReaction,
        GroupsLatestRequest,
    },
    limits,
    record::ReadMark,
    subject,
};
use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};

use super::{Context, LogOf, READ_AT_ONCE, at_most, page};
use crate::refusal::Refusal;

/// Shards that are asked at once for one answer.
const SHARDS_AT_ONCE: usize = 16;

/// How groups of one page stand.
pub(super) type Standing = HashMap<GroupName, GroupConversation>;

/// The asker's groups, and when something was last said in each.
pub(super) async fn latest(context: &Context<'_>) -> Result<Vec<(StreamTime, GroupName)>, Refusal> {
    let (user, shard) = (context.asker.user(), context.asker.shard());
    let pattern = subject::all_follows(context.region, shard, user);
    let mut groups = Vec::new();
    let keep = |subject: String, _| {
        groups.extend(subject::parse_follows(&subject).map(|(_, group)| group));
        Ok::<_, Refusal>(())
    };
    context.records.each_of_few(context.reads, shard, &pattern, keep).await?;
    let questions = by_shard(context, groups, Clone::clone, limits::GROUPS_ASKED);
    let asked = stream::iter(questions).map(async |(shard, groups)| {
        let question = GroupsLatestRequest { user: user.clone(), groups };
        let latest = context.index.groups_latest(shard, &question).await?;
        let found = latest.into_iter().zip(question.groups).filter_map(|(time, group)| Some((time?, group)));
        Ok::<_, Refusal>(found.collect::<Vec<_>>())
    });
    let found: Vec<_> = asked.buffer_unordered(SHARDS_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// How these groups stand for the asker.
pub(super) async fn standing(context: &Context<'_>, groups: Vec<GroupName>) -> Result<Standing, Refusal> {
    if groups.is_empty() {
        return Ok(Standing::new());
    }
    let user = context.asker.user();
    let blocked = context.people.blocked_by(user).map_err(|error| Refusal::unavailable(error.to_string()));
    let (blocked, marked) = tokio::try_join!(blocked, marks(context, groups))?;
    let questions = by_shard(context, marked, |(group, _)| group.clone(), limits::CONVERSATIONS_PAGE.into());
    let asked = stream::iter(questions).map(async |(shard, groups)| {
        let question = GroupConversationsRequest { user: user.clone(), blocked: blocked.clone(), groups };
        let found = context.index.group_conversations(shard, &question).await?;
        let found = found.into_iter().zip(question.groups).filter_map(|(found, (group, _))| Some((group, found?)));
        Ok::<_, Refusal>(found.collect::<Vec<_>>())
    });
    let found: Vec<_> = asked.buffer_unordered(SHARDS_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// A group as a list has it.
pub(super) async fn item(
    context: &Context<'_>,
    group: GroupName,
    standing: GroupConversation,
) -> Result<ConversationItem, Refusal> {
    let GroupConversation { title, last, unread, mentions, read } = standing;
    let log = LogOf::group(context, group);
    let last = match last {
        Some(last) => entry(&log, last).await?,
        None => None,
    };
    Ok(ConversationItem { with: log.address().into(), last, unread, read, mentions, title })
}

/// Lists what a group has.
pub(super) async fn history(
    context: &Context<'_>,
    group: GroupName,
    below: Option<Seq>,
    limit: u64,
) -> Result<Answer, Refusal> {
    let limit = at_most(limit, limits::HISTORY_PAGE);
    let question = GroupHistoryRequest { user: context.asker.user().clone(), group: group.clone(), below, limit };
    let log = LogOf::group(context, group);
    let found = context.index.group_history(log.log.shard, &question).await?;
    let (found, more) = found.ok_or(GroupRefusal::NotAMember)?;
    let reading = stream::iter(found).map(async |message| Ok((message.at.seq, entry(&log, message).await?)));
    let (entries, next) = page(reading.buffered(READ_AT_ONCE), more).await?;
    Ok(Answer::History { entries, next })
}

/// A message as it is now; `None` where it is gone.
async fn entry(log: &LogOf<'_>, message: GroupMessage) -> Result<Option<HistoryEntry>, Refusal> {
    let GroupMessage { at, id, from, time, edit, reactions } = message;
    let Some((content, edited)) = log.said(at, edit).await? else { return Ok(None) };
    let reactions = reactions.into_iter().map(|GroupReaction { by, emoji, time }| {
        let from = person(by).into();
        ReactionItem { from, emoji, time }
    });
    Ok(Some(HistoryEntry {
        seq: at.seq,
        time,
        id,
        from: person(from).into(),
        to: log.address().into(),
        order: Some(at.seq),
        content: content.into(),
        edited,
        reactions: reactions.collect(),
    }))
}

fn person(user: UserName) -> Address {
    Address { peer: Peer::User(user), region: None }
}

/// How far the asker has read each of these groups.
async fn marks(context: &Context<'_>, groups: Vec<GroupName>) -> Result<Vec<(GroupName, Option<ReadMark>)>, Refusal> {
    let (user, shard) = (context.asker.user(), context.asker.shard());
    let subject = |group: &GroupName| {
        subject::read_mark(context.region, shard, user, &Peer::Group(group.clone()), context.region)
    };
    let subjects: Vec<_> = groups.iter().map(subject).collect();
    let mut found = HashMap::new();
    for (subject, bytes) in context.reads.states(shard, &subjects).await? {
        match ReadMark::decode(&bytes) {
            Ok(mark) => _ = found.insert(subject, mark),
            Err(error) => tracing::error!(subject, %error, "a read mark can't be read: nothing counts as read"),
        }
    }
    Ok(groups.into_iter().zip(subjects).map(|(group, subject)| (group, found.get(&subject).copied())).collect())
}

/// Questions: of each shard what is asked about its groups, so many at most in one.
fn by_shard<T: Clone>(
    context: &Context<'_>,
    asked: Vec<T>,
    group: impl Fn(&T) -> GroupName,
    most: usize,
) -> Vec<(Shard, Vec<T>)> {
    let mut shards: BTreeMap<Shard, Vec<T>> = BTreeMap::new();
    for one in asked {
        let shard = Log::of(context.region, context.shards, Peer::Group(group(&one))).shard;
        shards.entry(shard).or_default().push(one);
    }
    let questions = shards.into_iter().flat_map(|(shard, asked)| {
        let questions: Vec<_> = asked.chunks(most).map(|asked| (shard, asked.to_vec())).collect();
        questions
    });
    questions.collect()
}
