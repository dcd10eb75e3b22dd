//! A user's conversations and what they have: where it lies is the index's to say, what it says is read from the mailbox, and from the logs
//! of groups, here.
//!
//! So bodies are stored in the log alone, and travel once. A page ends where the frame is full; what was evicted or erased since the index
//! answered is left out.
//!
//! **A list goes by the time of the last message**, since its conversations lie in several logs: `next` is that of a page's last one, in
//! microseconds, as the streams have it. What was stored within one of them is never cut apart.

mod groups;

use std::cmp::Reverse;

use dunlin_nats::ReadError;
use dunlin_schema::{
    Address, Code, Content, Entry, GroupName, Log, Millis, Peer, Seq, StreamTime,
    entry::Body,
    frame::{Answer, ConversationItem, HistoryEntry, ReactionItem},
    index::{Conversation, ConversationsRequest, HistoryRequest, Message, Place},
    limits,
};
use futures_util::{Stream, StreamExt, pin_mut, stream};
use serde::Serialize;

use super::Context;
use crate::{refusal::Refusal, sending};

/// Entries that are read at once for one answer, and so are in memory beside it.
const READ_AT_ONCE: usize = 32;
/// What an answer may have of a frame: the rest is for what stands around its items.
const PAGE_BYTES: usize = limits::FRAME_BYTES - 1024;

/// A conversation that a list may have.
enum Listed {
    Pair(Conversation),
    Group(GroupName),
}

/// Lists the user's conversations.
pub(super) async fn list(context: &Context<'_>, after: Option<Seq>, limit: u64) -> Result<Answer, Refusal> {
    let limit = usize::from(at_most(limit, limits::CONVERSATIONS_PAGE));
    let ((pairs, mut more), latest) = tokio::try_join!(pairs(context, after, limit), groups::latest(context))?;
    let pairs = pairs.into_iter().map(|pair| (place(pair.last.at.time), Listed::Pair(pair)));
    let groups = latest.into_iter().map(|(time, group)| (place(time), Listed::Group(group)));
    let mut found: Vec<_> = pairs.chain(groups).filter(|(at, _)| after.is_none_or(|after| *at < after)).collect();
    found.sort_by_key(|(at, _)| Reverse(*at));
    let places: Vec<_> = found.iter().map(|(at, _)| *at).collect();
    let end = cut(&places, limit);
    more |= end < found.len();
    found.truncate(end);
    let names = found.iter().filter_map(|(_, listed)| match listed {
        Listed::Group(group) => Some(group.clone()),
        Listed::Pair(_) => None,
    });
    let standing = groups::standing(context, names.collect()).await?;
    let mailbox = LogOf::mailbox(context);
    let reading = stream::iter(found).map(async |(at, listed)| {
        let item = match listed {
            Listed::Pair(Conversation { with, last, unread, read }) => {
                let last = mailbox.entry(&with, last).await?;
                Some(ConversationItem { with: with.into(), last, unread, read, mentions: 0, title: None })
            }
            Listed::Group(group) => match standing.get(&group) {
                Some(standing) => Some(groups::item(context, group, standing.clone()).await?),
                // The user is not in the group, by now.
                None => None,
            },
        };
        Ok((at, item))
    });
    let (items, next) = page(reading.buffered(READ_AT_ONCE), more).await?;
    Ok(Answer::Conversations { items, next })
}

/// Where a conversation stands in a list.
fn place(time: StreamTime) -> Seq {
    Seq((time.0 / 1_000).min(Seq::MAX.0))
}

/// How many of these places, in falling order, are a page: those of one place are never cut apart.
fn cut(places: &[Seq], limit: usize) -> usize {
    let parts = |end: &usize| match (end.checked_sub(1).and_then(|last| places.get(last)), places.get(*end)) {
        (Some(last), Some(next)) => last != next,
        (Some(_) | None, None) => true,
        (None, Some(_)) => false,
    };
    let shorter = (1..=limit.min(places.len())).rev().find(parts);
    shorter.or_else(|| (limit..=places.len()).find(parts)).unwrap_or(places.len())
}

/// The asker's conversations with people behind a place, one more than a page has, and whether there are more.
async fn pairs(context: &Context<'_>, after: Option<Seq>, limit: usize) -> Result<(Vec<Conversation>, bool), Refusal> {
    let below = match after {
        // The mailbox's own sequences are of the order of its times.
        Some(Seq(micros)) => {
            let time = StreamTime(micros.saturating_mul(1_000));
            context.reads.place_since(&LogOf::mailbox(context).log, time).await?.map(|first| first.seq)
        }
        None => None,
    };
    let limit = u16::try_from(limit + 1).unwrap_or(u16::MAX);
    let question = ConversationsRequest { user: context.asker.user().clone(), below, limit };
    Ok(context.index.conversations(context.asker.shard(), &question).await?)
}

/// Lists what a conversation has.
pub(super) async fn history(
    context: &Context<'_>,
    with: Address,
    before: Option<Seq>,
    limit: u64,
) -> Result<Answer, Refusal> {
    let said = with.clone().said_in(context.region);
    if let (Peer::Group(group), true) = (&said.peer, said.region.as_ref() == Some(context.region)) {
        return groups::history(context, group.clone(), before, limit).await;
    }
    sending::mailbox_of(&said, context.region).map_err(|error| Refusal::never(Code::Unsupported, error))?;
    let (user, with) = (context.asker.user().clone(), with.seen_from(context.region));
    let limit = at_most(limit, limits::HISTORY_PAGE);
    let question = HistoryRequest { user, with: with.clone(), below: before, limit };
    let (found, more) = context.index.history(context.asker.shard(), &question).await?;
    let mailbox = LogOf::mailbox(context);
    let reading = stream::iter(found).map(async |message| {
        let at = message.at.seq;
        Ok((at, mailbox.entry(&with, message).await?))
    });
    let (entries, next) = page(reading.buffered(READ_AT_ONCE), more).await?;
    Ok(Answer::History { entries, next })
}

/// As many as were asked for, and no more than a page has.
fn at_most(limit: u64, page: u16) -> u16 {
    u16::try_from(limit).unwrap_or(u16::MAX).min(page)
}

/// Items until the frame is full, and where the next page begins: with what lies below the last place that was looked at. Items of one
/// place are never cut apart. JSON has the longer form of every item.
async fn page<T: Serialize>(
    found: impl Stream<Item = Result<(Seq, Option<T>), Refusal>>,
    more: bool,
) -> Result<(Vec<T>, Option<Seq>), Refusal> {
    let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
    // Up to the place before, and how many items that are.
    let (mut before, mut whole) = (None, 0);
    pin_mut!(found);
    while let Some(read) = found.next().await {
        let (at, item) = read?;
        if last != Some(at) {
            (before, whole) = (last, items.len());
        }
        last = Some(at);
        let Some(item) = item else { continue };
        bytes += serde_json::to_vec(&item).map_or(PAGE_BYTES, |json| json.len() + 1);
        if bytes > PAGE_BYTES && whole > 0 {
            items.truncate(whole);
            return Ok((items, before));
        }
        // Not even those of one place fit.
        if bytes > PAGE_BYTES && !items.is_empty() {
            return Ok((items, last));
        }
        items.push(item);
    }
    Ok((items, last.filter(|_| more)))
}

/// The asker's mailbox, or a group's log, read by place.
struct LogOf<'a> {
    context: &'a Context<'a>,
    log: Log,
}

impl<'a> LogOf<'a> {
    fn mailbox(context: &'a Context<'a>) -> LogOf<'a> {
        let owner = Peer::User(context.asker.user().clone());
        LogOf { log: Log { region: context.region.clone(), shard: context.asker.shard(), owner }, context }
    }

    fn group(context: &'a Context<'a>, group: GroupName) -> LogOf<'a> {
        LogOf { log: Log::of(context.region, context.shards, Peer::Group(group)), context }
    }

    /// The owner, as the region's people name it.
    fn address(&self) -> Address {
        Address { peer: self.log.owner.clone(), region: None }
    }

    /// A message of the mailbox as it is now; `None` where it is gone.
    async fn entry(&self, with: &Address, message: Message) -> Result<Option<HistoryEntry>, Refusal> {
        let Message { at, id, mine, time, order, edit, reactions } = message;
        let me = || self.address();
        let (from, to) = if mine { (me(), with.clone()) } else { (with.clone(), me()) };
        let Some((content, edited)) = self.said(at, edit).await? else { return Ok(None) };
        let reactions = reactions.into_iter().map(|reaction| {
            let from = if reaction.mine { me() } else { with.clone() };
            ReactionItem { from: from.into(), emoji: reaction.emoji, time: reaction.time }
        });
        Ok(Some(HistoryEntry {
            seq: at.seq,
            time,
            id,
            from: from.into(),
            to: to.into(),
            order: Some(order),
            content: content.into(),
            edited,
            reactions: reactions.collect(),
        }))
    }

    /// What a message says after its edit, and when that was accepted; `None` where either is gone.
    async fn said(&self, at: Place, edit: Option<Place>) -> Result<Option<(Content, Option<Millis>)>, Refusal> {
        let edited = async {
            match edit {
                Some(edit) => self.read(edit).await.map(Some),
                None => Ok(None),
            }
        };
        let (message, edited) = tokio::try_join!(self.read(at), edited)?;
        let Some(Entry { body: Body::Content(content), .. }) = message else { return Ok(None) };
        let content = content.seen_from(self.context.region);
        Ok(match edited {
            None => Some((content, None)),
            Some(Some(Entry { body: Body::Content(edit), time, .. })) => {
                applied(content, edit).map(|content| (content, Some(time)))
            }
            Some(_) => None,
        })
    }

    async fn read(&self, place: Place) -> Result<Option<Entry>, ReadError> {
        let Some(bytes) = self.context.reads.entry_at(&self.log, place).await? else { return Ok(None) };
        match Entry::decode(&bytes) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => {
                tracing::error!(%error, log = %self.log, seq = place.seq.0, "an entry can't be read: it is left out");
                Ok(None)
            }
        }
    }
}

/// A message with the words of its edit; `None` where they are no such pair.
fn applied(message: Content, edit: Content) -> Option<Content> {
    match (message, edit) {
        (Content::Message { attachments, reply_to, mentions, .. }, Content::Edit { text, data, .. }) => {
            Some(Content::Message { text, data, attachments, reply_to, mentions })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paged(sizes: &[Option<usize>], more: bool) -> (Vec<usize>, Option<u64>) {
        let found = sizes.iter().rev().zip(1..).map(|(size, seq)| (Seq(seq), size.map(|size| "x".repeat(size))));
        let found: Vec<_> = found.collect::<Vec<_>>().into_iter().rev().map(Ok).collect();
        let page = futures_util::FutureExt::now_or_never(page(stream::iter(found), more)).unwrap().unwrap();
        (page.0.iter().map(String::len).collect(), page.1.map(|next| next.0))
    }

    #[test]
    fn a_page_ends_where_the_frame_is_full_and_the_next_one_goes_on_there() {
        let half = PAGE_BYTES / 2;
        assert_eq!(paged(&[Some(1), Some(2)], false), (vec![1, 2], None));
        assert_eq!(paged(&[Some(1), Some(2)], true), (vec![1, 2], Some(1)));
        assert_eq!(paged(&[Some(half), Some(half), Some(3)], false), (vec![half], Some(3)));
        assert_eq!(paged(&[Some(2 * half), Some(3)], false), (vec![2 * half], Some(2)), "one always comes");
        // What is gone is left out, and the next page begins behind it.
        assert_eq!(paged(&[Some(1), None], true), (vec![1], Some(1)));
        assert_eq!(paged(&[None, None], true), (vec![], Some(1)));
        assert_eq!(paged(&[], false), (vec![], None));
    }

    #[test]
    fn what_has_one_place_is_never_cut_apart() {
        let places = |of: &[u64]| of.iter().map(|at| Seq(*at)).collect::<Vec<_>>();
        for (of, limit, end) in [
            (&[9, 8, 7][..], 2, 2),
            (&[9, 8, 7], 3, 3),
            (&[9, 8, 7], 4, 3),
            (&[9, 8, 8, 7], 2, 1),
            (&[9, 9, 9, 7], 2, 3),
            (&[9, 9, 9], 1, 3),
            (&[], 2, 0),
        ] {
            assert_eq!(cut(&places(of), limit), end, "{of:?}, {limit}");
        }
        let half = PAGE_BYTES / 2;
        let found = [(9, 3), (8, half), (8, half), (7, 1)].map(|(at, size)| Ok((Seq(at), Some("x".repeat(size)))));
        let page = futures_util::FutureExt::now_or_never(page(stream::iter(found), false)).unwrap().unwrap();
        assert_eq!((page.0.len(), page.1), (1, Some(Seq(9))));
    }
}
