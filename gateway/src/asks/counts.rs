//! To how many members of a group something came that the asker sent, and to whom: counted by the receipts worker of the group's shard, out
//! of what each member's devices have acknowledged and each has read.
//!
//! As of what goes to people, only who sent it is told, and only while they are a member: all others get the same refusal, after the same
//! questions to storage. Blocks change nothing: in groups what is counted and who is named would differ, and that would tell of them.

use dunlin_nats::MarksError;
use dunlin_schema::{
    Address, GroupAddress, Log, Millis, Peer, Seq,
    counts::{CountsAnswer, CountsRequest, MemberReached, MembersPage},
    frame::{Answer, ReachedItem},
    limits,
    record::MemberRecord,
    subject,
};

use super::{Context, groups, receipts};
use crate::refusal::Refusal;

/// How long the worker may take.
const WITHIN: Millis = Millis(3_000);

/// Says to how many members what has this order came.
pub(super) async fn of(context: &Context<'_>, to: GroupAddress, order: Seq) -> Result<Answer, Refusal> {
    let (stored, answer) = counted(context, to, order, None).await?;
    let CountsAnswer::Counted { delivered, read, of } = answer else { return Err(unread()) };
    Ok(Answer::Counts { stored, of, delivered, read })
}

/// Says to whom what has this order came.
pub(super) async fn members(
    context: &Context<'_>,
    to: GroupAddress,
    order: Seq,
    (after, limit): (Option<Address>, u64),
) -> Result<Answer, Refusal> {
    let after = after.map(|after| groups::person(context, after)).transpose()?;
    let limit = u16::try_from(limit).unwrap_or(u16::MAX).min(limits::REACHED_PAGE);
    let (_, answer) = counted(context, to, order, Some(MembersPage { after, limit })).await?;
    let CountsAnswer::Members { items, next } = answer else { return Err(unread()) };
    let named =
        |MemberReached { user, delivered, read }| ReachedItem { user: Address::local(user).into(), delivered, read };
    let items = items.into_iter().map(named).collect();
    Ok(Answer::ReceiptsOf { items, next: next.map(|user| Address::local(user).into()) })
}

/// When it was accepted, and what the worker says of it.
async fn counted(
    context: &Context<'_>,
    to: GroupAddress,
    order: Seq,
    page: Option<MembersPage>,
) -> Result<(Millis, CountsAnswer), Refusal> {
    let group = groups::here(context, to)?;
    let log = Log::of(context.region, context.shards, Peer::Group(group.clone()));
    let asker = context.people.sender(context.asker.user());
    let member = subject::member_record(context.region, log.shard, &group, &asker.user);
    let entry = async {
        match order {
            // No entry has it, and no server is asked for it.
            Seq(0) => Ok(None),
            Seq(_) => context.reads.entry(&log, order).await.map_err(Refusal::from),
        }
    };
    let member = async { Ok(context.records.load(log.shard, &member).await?) };
    let (entry, member) = tokio::try_join!(entry, member)?;
    let member = member.map(|record| groups::decoded(&record, MemberRecord::decode)).transpose()?;
    let is_member = member.is_some_and(|member| member.role.is_some());
    let stored = entry.and_then(|entry| receipts::accepted(&entry, &asker, &log)).filter(|_| is_member);
    let stored = stored.ok_or_else(receipts::nothing_of_yours)?;
    let request = CountsRequest { group, sender: asker.user, order, page };
    match context.marks.counts(log.shard, &request, WITHIN).await {
        Ok(answer) => Ok((stored, answer)),
        Err(MarksError::Unanswered(error)) => {
            Err(Refusal::unavailable(format!("asking the receipts worker of the group: {error}")))
        }
        Err(MarksError::Unreadable) => Err(unread()),
    }
}

fn unread() -> Refusal {
    Refusal::unavailable("the receipts worker of the group answered what can't be read")
}
