//! A user's conversations and what they have: where it lies is the index's to say, what it says is read from the mailbox here.
//!
//! So bodies are stored in the log alone, and travel once. A page ends where the frame is full; what was evicted or erased since the index
//! answered is left out.

use dunlin_nats::ReadError;
use dunlin_schema::{
    Address, Code, Content, Entry, Log, Millis, Peer, Seq,
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

/// Lists the user's conversations.
pub(super) async fn list(context: &Context<'_>, after: Option<Seq>, limit: u64) -> Result<Answer, Refusal> {
    let limit = at_most(limit, limits::CONVERSATIONS_PAGE);
    let question = ConversationsRequest { user: context.asker.user().clone(), below: after, limit };
    let (found, more) = context.index.conversations(context.asker.shard(), &question).await?;
    let mailbox = Mailbox::of(context);
    let reading = stream::iter(found).map(async |Conversation { with, last, unread, read }| {
        let at = last.at.seq;
        let last = mailbox.entry(&with, last).await?;
        Ok((at, Some(ConversationItem { with: with.into(), last, unread, read, mentions: 0, title: None })))
    });
    let (items, next) = page(reading.buffered(READ_AT_ONCE), more).await?;
    Ok(Answer::Conversations { items, next })
}

/// Lists what a conversation has.
pub(super) async fn history(
    context: &Context<'_>,
    with: Address,
    before: Option<Seq>,
    limit: u64,
) -> Result<Answer, Refusal> {
    let said = with.clone().said_in(context.region);
    sending::mailbox_of(&said, context.region).map_err(|error| Refusal::never(Code::Unsupported, error))?;
    let (user, with) = (context.asker.user().clone(), with.seen_from(context.region));
    let limit = at_most(limit, limits::HISTORY_PAGE);
    let question = HistoryRequest { user, with: with.clone(), below: before, limit };
    let (found, more) = context.index.history(context.asker.shard(), &question).await?;
    let mailbox = Mailbox::of(context);
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

/// Items until the frame is full, and where the next page begins: with what lies below the last place that was looked at. JSON has the
/// longer form of every item.
async fn page<T: Serialize>(
    found: impl Stream<Item = Result<(Seq, Option<T>), Refusal>>,
    more: bool,
) -> Result<(Vec<T>, Option<Seq>), Refusal> {
    let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
    pin_mut!(found);
    while let Some(read) = found.next().await {
        let (at, item) = read?;
        if let Some(item) = item {
            bytes += serde_json::to_vec(&item).map_or(PAGE_BYTES, |json| json.len() + 1);
            if bytes > PAGE_BYTES && !items.is_empty() {
                return Ok((items, last));
            }
            items.push(item);
        }
        last = Some(at);
    }
    Ok((items, last.filter(|_| more)))
}

/// The asker's mailbox, read by place.
struct Mailbox<'a> {
    context: &'a Context<'a>,
    log: Log,
}

impl<'a> Mailbox<'a> {
    fn of(context: &'a Context<'a>) -> Mailbox<'a> {
        let owner = Peer::User(context.asker.user().clone());
        Mailbox { log: Log { region: context.region.clone(), shard: context.asker.shard(), owner }, context }
    }

    /// A message as it is now; `None` where it is gone.
    async fn entry(&self, with: &Address, message: Message) -> Result<Option<HistoryEntry>, Refusal> {
        let Message { at, id, mine, time, order, edit, reactions } = message;
        let me = || Address { peer: self.log.owner.clone(), region: None };
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
}
