//! What people have read: the sender's marks first, then the reader's own, and both are told.

use dunlin_nats::{Queued, ReceiptItem};
use dunlin_schema::{
    Address, Epoch, Peer, Seq, Span, UserName,
    live::{Mark, UserMessage},
    record::ReadMark,
    subject,
};

use super::{
    Shared,
    core::{
        marks::{Raise, cover, read_on},
        pace::Merge,
    },
    mailbox,
    pairs::{self, Pair},
    records::ChangeError,
};
use crate::clock;

/// Who has read what somebody of the region sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Conversation {
    pub(super) user: UserName,
    pub(super) with: UserName,
}

/// How far the user says to have read, and the items that say it.
pub(super) struct ReadUpto {
    pub(super) epoch: Epoch,
    pub(super) upto: Seq,
    pub(super) items: Vec<Queued<ReceiptItem>>,
}

impl Merge for ReadUpto {
    fn merge(&mut self, later: ReadUpto) {
        (self.epoch, self.upto) = (self.epoch, self.upto).max((later.epoch, later.upto));
        self.items.extend(later.items);
    }
}

/// The person of this region with whom the conversation is; `None` where it is another one's, a group's, or one with oneself: no gateway
/// lets that in.
pub(super) fn conversation(shared: &Shared, user: &UserName, with: &Address) -> Option<Conversation> {
    match with.clone().seen_from(&shared.context.settings.region) {
        Address { peer: Peer::User(with), region: None } if with != *user => {
            Some(Conversation { user: user.clone(), with })
        }
        Address { .. } => None,
    }
}

/// Stores it, tells how far the user has read by now, and takes the items off the queue then. Otherwise they come again.
pub(super) async fn store(shared: &Shared, conversation: Conversation, said: ReadUpto) {
    match try_store(shared, &conversation, &said).await {
        Ok(Some((read, revision))) => {
            let region = shared.context.settings.region.clone();
            let with = Address { peer: Peer::User(conversation.with), region: Some(region) };
            let mark = Mark { with, read: read.order, revision };
            shared.publish(&conversation.user, &UserMessage::Mark(mark)).await;
            for item in said.items {
                item.ack().await;
            }
        }
        Ok(None) => {}
        Err(why) => {
            why.tell(shared.shard, &conversation.user, "a read mark was not stored, it will come again");
            shared.metrics.failed.inc();
        }
    }
}

/// Gives the mark as it is stored then, with its revision; `None` where the sender's marks were not stored.
async fn try_store(
    shared: &Shared,
    Conversation { user, with }: &Conversation,
    said: &ReadUpto,
) -> Result<Option<(ReadMark, Seq)>, ChangeError> {
    let region = &shared.context.settings.region;
    let subject = subject::read_mark(region, shared.shard, user, &Peer::User(with.clone()), region);
    let is_news = |stored: &ReadMark| (said.epoch, said.upto) > (stored.epoch, stored.order);
    let (mut stored, _) = shared.read.load(shared.shard, &subject).await?;
    if !is_news(&stored) {
        // Another worker may have raised it, an erasure may have taken it away: only what STATE says now is told.
        let now = shared.read.current(shared.shard, &subject).await?;
        if !is_news(&now.0) {
            return Ok(Some(now));
        }
        stored = now.0;
    }
    let above = if stored.epoch == said.epoch { stored.order } else { Seq(0) };
    let Some(order) = mailbox::last_of(shared, user, with, Span { above, upto: said.upto }).await? else {
        shared.metrics.nothing_read.inc();
        return Ok(Some(shared.read.current(shared.shard, &subject).await?));
    };
    let pair = Pair { sender: with.clone(), by: user.clone() };
    let mut readable = Span { above, upto: order };
    if !cover(&pairs::stored(shared, &pair).await?, said.epoch, readable) {
        readable = mailbox::still_there(shared, user, readable).await?;
    }
    if !shared.pairs.raise(pair, Raise::read(said.epoch, order, readable)).await {
        return Ok(None);
    }
    let now = clock::now();
    let written = shared.read.rewrite(shared.shard, &subject, |stored| read_on(stored, said.epoch, order, now)).await?;
    shared.metrics.read_marks.inc_by(u64::from(written.before.is_some()));
    Ok(Some((written.record, written.revision)))
}
