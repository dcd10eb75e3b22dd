//! A conversation as it is now, with one person or in a group: its messages with their state, with edits, deletions and reactions applied.
//!
//! Decided without I/O. Drive it: give [`Conversation::event`] everything that happens to the client, hand what is sent to
//! [`Conversation::sending`] and its outcome to [`Conversation::settled`]; each says what has changed. Times are the application's own
//! clock, and only compared with each other.
//!
//! # Order
//! Messages stand in the order in which gateways accepted them: by time, and by id where two have the same time. Both belong to the
//! message, so each device of both people shows the same order in the end, whatever came first, and also after a gap, when the
//! sequences of a mailbox may begin again. What is not accepted yet stands behind everything else, and what failed where it was handed
//! over, by the application's clock. Where the clocks of two gateways
//! differ, two messages that were sent within that difference may have changed places, for everybody alike. Of several edits of a
//! message the last one in this order counts.
//!
//! # What counts
//! Entries may come in any order, repeatedly, and before what they are about. An edit or a deletion counts where its author is the
//! message's own, whoever has checked that before; a group's log takes deletions of its admins as well, which count for whoever's message
//! it is. A deletion is final. A reaction is one for each person and emoji; of several the last one counts.
//!
//! # In a group
//! The peer is the group, and its messages are those of all its members, as they come in its log; who is in it is no message. Of one's own
//! it is told to how many members they came; one that came to all, or was read by all, is delivered, or read.

mod counts;
mod fold;
mod marks;
mod people;
#[cfg(test)]
mod tests;
mod typing;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use dunlin_schema::{
    Address, Attachment, Blob, Code, Content, MessageId, Millis, Open, Seq, UserName,
    frame::{EntryFrame, HistoryEntry, ReactionItem},
    presence::Presence,
};

pub use self::counts::Counts;
use self::{
    counts::Counted,
    fold::{Place, Reactions, Slot},
    marks::{Marks, Reached},
    people::{Author, People},
    typing::Typing,
};
use crate::{
    core::Accepted,
    error::SendError,
    event::{Event, Receipt},
    pending::PendingId,
};

/// How long a peer is typing after they said so.
pub const TYPING_FOR: Millis = Millis(10_000);
/// The kind of signal that says it.
pub const TYPING: &str = "typing";
/// The kind of signal that says that nothing is typed any more, and nothing was sent.
pub const TYPING_STOPPED: &str = "typing_stopped";
/// Messages that are kept where nothing else is said.
pub const KEPT: usize = 2_000;
/// Gaps that are remembered.
const GAPS: usize = 64;

/// Names a message for as long as the conversation keeps it, from before it has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A message is new, or differs from what it was.
    Message(Key),
    /// There is another [`Gap`].
    Gap(Gap),
    /// The peer, or a member of the group, began to type, or stopped. That time has passed is no change: see
    /// [`Conversation::typing_until`].
    Typing,
    /// The peer came or went, or nobody knows any more: see [`Conversation::presence`].
    Presence,
    /// What is unread has changed.
    Unread,
}

/// What may be missing: messages between two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Nothing is missing before this time.
    pub from: Millis,
    /// Nothing is missing after this time.
    pub to: Millis,
}

/// How far one of one's own messages is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No gateway has accepted it yet.
    Sending,
    /// It is stored.
    Sent,
    /// A device of the peer has it.
    Delivered,
    /// The peer has read it.
    Read,
    /// It was refused, or could not be delivered; or nobody knows, and the message says so.
    Failed(Failure),
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The refusal's code; `None` where no gateway answered.
    pub code: Option<Open<Code>>,
    /// The same in words.
    pub message: String,
}

/// A reaction that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction<'a> {
    /// Whose.
    pub by: &'a Address,
    /// The emoji, as it came last.
    pub emoji: &'a str,
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its name here.
    pub key: Key,
    /// Its id, which edits, deletions and reactions name; `None` while it was never sent.
    pub id: Option<MessageId>,
    /// Who sent it.
    pub from: &'a Address,
    /// When it was accepted; before that, when it was handed over.
    pub time: Millis,
    /// Its order among what its sender sent to the other one, once it is accepted.
    pub order: Option<Seq>,
    /// What a person reads; nothing of a deleted message.
    pub text: Option<&'a str>,
    /// What a program reads; nothing of a deleted message.
    pub data: Option<&'a Blob>,
    /// Media that goes with it; nothing of a deleted message.
    pub attachments: &'a [Attachment],
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Whom it mentions.
    pub mentions: &'a [Address],
    /// Whether text and data are those of an edit.
    pub edited: bool,
    /// Whether its author took it back.
    pub deleted: bool,
    /// The reactions that stand, one's own first.
    pub reactions: Vec<Reaction<'a>>,
    /// How far it is; `None` for what others sent.
    pub state: Option<State>,
    /// Of one's own message to a group, to how many members it came, where anything is known of that.
    pub counts: Option<Counts>,
}

/// Something that was handed over to be sent and has no answer yet, or failed.
#[derive(Debug)]
struct Draft {
    key: Key,
    at: Millis,
    id: PendingId,
    content: Content,
    failure: Option<Failure>,
}

/// A conversation: see the module.
#[derive(Debug)]
pub struct Conversation {
    people: People,
    keep: usize,
    keys: u64,
    drafts: VecDeque<Draft>,
    slots: BTreeMap<(MessageId, Author), Slot>,
    by_key: HashMap<Key, (MessageId, Author)>,
    /// The messages that came, in their order.
    timeline: BTreeSet<(Place, Author)>,
    /// What only changes of which have come: the message may still follow.
    awaited: BTreeSet<(MessageId, Author)>,
    reactions: BTreeMap<MessageId, Reactions>,
    gaps: VecDeque<Gap>,
    marks: Marks,
    counted: Counted,
    marked: Seq,
    typing: Typing,
    presence: Option<Presence>,
}

impl Conversation {
    /// The conversation of `me` with `peer`, who may be a group, empty. The peer is named as entries name it: without its region where that
    /// is one's own (see [`Address::seen_from`]).
    pub fn new(me: UserName, peer: Address) -> Conversation {
        Conversation {
            people: People::new(me, peer),
            keep: KEPT,
            keys: 0,
            drafts: VecDeque::new(),
            slots: BTreeMap::new(),
            by_key: HashMap::new(),
            timeline: BTreeSet::new(),
            awaited: BTreeSet::new(),
            reactions: BTreeMap::new(),
            gaps: VecDeque::new(),
            marks: Marks::default(),
            counted: Counted::default(),
            marked: Seq(0),
            typing: Typing::default(),
            presence: None,
        }
    }

    /// Keeps this many messages, at least one, and forgets the oldest. A message takes what its text and data do: 32 KiB at most.
    /// Default: [`KEPT`].
    pub fn keep(mut self, messages: usize) -> Conversation {
        self.keep = messages.max(1);
        self
    }

    /// Who this is.
    pub fn me(&self) -> &Address {
        &self.people.me
    }

    /// The other one, or the group.
    pub fn peer(&self) -> &Address {
        &self.people.peer
    }

    /// Takes what has happened to the client. What belongs to other conversations changes nothing.
    pub fn event(&mut self, now: Millis, event: &Event) -> Vec<Change> {
        match event {
            Event::Entry(entry) => {
                let mut changes = self.entry(entry);
                let is_message = matches!(entry.content.known(), Some(Content::Message { .. }));
                if is_message && entry.log == self.people.log && self.typing.stops(&entry.from) {
                    changes.push(Change::Typing);
                }
                changes
            }
            Event::Gap(gap) if gap.log == self.people.log => self.gap(Gap { from: gap.from, to: gap.to }),
            Event::Signal { from, kind, group } => match group {
                None if *from == self.people.peer => self.signal(now, from, kind),
                Some(group) if *group == self.people.peer => self.signal(now, from, kind),
                None | Some(_) => Vec::new(),
            },
            Event::Presence { user, presence } => self.present(user, presence),
            // Nobody says any more whether they type, and whether they are there.
            Event::Disconnected(_) => {
                let typed = self.typing.clear().then_some(Change::Typing);
                typed.into_iter().chain(self.presence.take().map(|_| Change::Presence)).collect()
            }
            Event::Receipt(receipt) if receipt.to == self.people.peer => self.receipt(receipt),
            Event::Marked { with, read } if *with == self.people.peer => self.marked(*read),
            Event::Gap(_)
            | Event::Connected(_)
            | Event::CaughtUp(_)
            | Event::Refused { .. }
            | Event::Receipt(_)
            | Event::Marked { .. }
            | Event::Ended(_) => Vec::new(),
        }
    }

    /// Takes an entry, wherever it comes from: a page of history, a store of the application's own.
    pub fn entry(&mut self, entry: &EntryFrame) -> Vec<Change> {
        let Some(content) = entry.content.known() else { return Vec::new() };
        if let Content::Failed(failed) = content {
            // The system's word; a peer that says it is a gateway's mistake.
            let ours = failed.to == self.people.peer && entry.from != self.people.peer;
            let failure = Failure { code: Some(failed.code.clone()), message: failed.message.clone() };
            return if ours { self.undeliverable(failed.id, failure) } else { Vec::new() };
        }
        let Some(author) = self.people.author(&entry.from, &entry.to) else { return Vec::new() };
        let key = if author == Author::Me { self.sent_here(entry.id) } else { None };
        let place = Place { time: entry.time, id: entry.id };
        self.apply(key, author, place, entry.order, content.clone())
    }

    /// Takes a message out of a page of [`crate::Client::history`], with what has changed it.
    pub fn past(&mut self, entry: &HistoryEntry) -> Vec<Change> {
        let (Some(author), Some(content)) = (self.people.author(&entry.from, &entry.to), entry.content.known()) else {
            return Vec::new();
        };
        let key = if author == Author::Me { self.sent_here(entry.id) } else { None };
        let place = Place { time: entry.time, id: entry.id };
        let mut changes = self.apply(key, author, place, entry.order, content.clone());
        if let (Some(time), Content::Message { text, data, .. }) = (entry.edited, content) {
            let edit = Content::Edit { target: entry.id, text: text.clone(), data: data.clone() };
            changes.extend(self.apply(None, author, Place::unnamed(time), None, edit));
        }
        for ReactionItem { from, emoji, time } in &entry.reactions {
            let Some(by) = self.people.whose(from) else { continue };
            let reaction = Content::React { target: entry.id, emoji: emoji.clone(), on: true };
            changes.extend(self.apply(None, by, Place::unnamed(*time), None, reaction));
        }
        changes.dedup();
        changes
    }

    /// Takes what was handed to [`crate::Client::submit`] at `now`; `id` is [`crate::Sending::id`]. A message is shown from now on; an
    /// edit, a deletion and a reaction count once they are stored.
    pub fn sending(&mut self, now: Millis, content: Content, id: PendingId) -> Key {
        let key = self.key();
        // What failed stays until it is dismissed, or until there is too much.
        if self.drafts.len() >= self.keep
            && let Some(failed) = self.drafts.iter().position(|draft| draft.failure.is_some())
        {
            self.drafts.remove(failed);
        }
        self.drafts.push_back(Draft { key, at: now, id, content, failure: None });
        key
    }

    /// Takes the outcome of what was sent. One that failed and is stored all the same becomes a message like all others once its entry
    /// comes.
    pub fn settled(&mut self, key: Key, outcome: &Result<Accepted, SendError>) -> Vec<Change> {
        let Some(at) = self.drafts.iter().position(|draft| draft.key == key) else { return Vec::new() };
        match outcome {
            Ok(accepted) => {
                let Some(draft) = self.drafts.remove(at) else { return Vec::new() };
                let place = Place { time: accepted.time, id: accepted.id };
                self.apply(Some(key), Author::Me, place, accepted.order, draft.content)
            }
            Err(error) => {
                let draft = &mut self.drafts[at];
                draft.failure = Some(Failure::from(error));
                if matches!(draft.content, Content::Message { .. }) {
                    return vec![Change::Message(key)];
                }
                self.drafts.remove(at);
                Vec::new()
            }
        }
    }

    /// Forgets a message that failed, or one that is still to be sent: the client sends it all the same.
    pub fn dismiss(&mut self, key: Key) {
        self.drafts.retain(|draft| draft.key != key);
    }

    /// The peer has what was sent to them up to an order, and has read what was up to another; of a group, so many members. Within a life
    /// of the peer's log marks only rise.
    pub fn receipt(&mut self, receipt: &Receipt) -> Vec<Change> {
        let before = self.reached();
        if self.people.are_many() {
            self.counted.raise(receipt);
        } else {
            self.marks.raise(receipt);
        }
        let changed = self.reached().into_iter().zip(before).filter(|(after, before)| after != before);
        changed.map(|((key, ..), _)| Change::Message(key)).collect()
    }

    /// How far each of one's own messages has come.
    fn reached(&self) -> Vec<(Key, Reached, Option<Counts>)> {
        let own = self.slots.iter().filter(|((_, author), _)| *author == Author::Me);
        let stored = own.filter_map(|(_, slot)| Some((slot.key, slot.message.as_ref()?)));
        stored
            .filter_map(|(key, message)| {
                let (order, at) = (message.order?, message.place.time);
                Some((key, self.come(order, at), self.counted.of(order)))
            })
            .collect()
    }

    /// One has read what the peer sent up to an order, here or on another device. The mark only rises.
    pub fn marked(&mut self, read: Seq) -> Vec<Change> {
        let rises = read > self.marked;
        self.marked = self.marked.max(read);
        if rises { vec![Change::Unread] } else { Vec::new() }
    }

    /// Counts everything that is here as read. The order to tell with `read`, where it rises.
    pub fn mark_read(&mut self) -> Option<Seq> {
        let last = self.received().filter_map(|message| message.order).max()?;
        (!self.marked(last).is_empty()).then_some(last)
    }

    /// How many messages of the peer's are unread. A deleted one is not.
    pub fn unread(&self) -> usize {
        self.received().filter(|message| message.order.is_some_and(|order| order > self.marked)).count()
    }

    /// Takes note of messages that may be missing.
    pub fn gap(&mut self, gap: Gap) -> Vec<Change> {
        if self.gaps.contains(&gap) {
            return Vec::new();
        }
        if self.gaps.len() == GAPS {
            self.gaps.pop_front();
        }
        let at = self.gaps.partition_point(|other| (other.from, other.to) < (gap.from, gap.to));
        self.gaps.insert(at, gap);
        vec![Change::Gap(gap)]
    }

    /// The gaps, by their beginning: each stands behind the messages up to its `from`.
    pub fn gaps(&self) -> impl Iterator<Item = Gap> {
        self.gaps.iter().copied()
    }

    /// Takes what the peer, or a member of the group, does just now.
    pub fn signal(&mut self, now: Millis, from: &Open<Address>, kind: &str) -> Vec<Change> {
        let until = match kind {
            TYPING => Some(now.plus(TYPING_FOR)),
            TYPING_STOPPED => None,
            _ => return Vec::new(),
        };
        if *from != self.people.peer && !self.people.are_many() {
            return Vec::new();
        }
        if self.typing.says(now, from, until) { vec![Change::Typing] } else { Vec::new() }
    }

    /// Takes how somebody is who is watched.
    pub fn present(&mut self, user: &Open<Address>, presence: &Presence) -> Vec<Change> {
        if *user != self.people.peer || self.presence.as_ref() == Some(presence) {
            return Vec::new();
        }
        self.presence = Some(presence.clone());
        vec![Change::Presence]
    }

    /// Whether the peer is connected, where the client [watches](crate::Client::watch) them and is connected itself.
    pub fn presence(&self) -> Option<&Presence> {
        self.presence.as_ref()
    }

    /// Who is typing: the peer, or members of the group.
    pub fn typing(&self, now: Millis) -> impl Iterator<Item = &Open<Address>> {
        self.typing.now(now)
    }

    /// When the next one of them stops if they say nothing more.
    pub fn typing_until(&self, now: Millis) -> Option<Millis> {
        self.typing.until(now)
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let mut stored = self.timeline.iter().filter_map(|(place, author)| self.stored((place.id, *author))).peekable();
        let drafts = |failed| self.drafts.iter().filter(move |draft| draft.failure.is_some() == failed);
        let mut failed = drafts(true).filter_map(|draft| self.draft(draft)).peekable();
        let settled = std::iter::from_fn(move || {
            let next = stored.peek().map(|message| message.time);
            failed.next_if(|draft| next.is_none_or(|next| draft.time < next)).or_else(|| stored.next())
        });
        settled.chain(drafts(false).filter_map(|draft| self.draft(draft)))
    }

    /// One message, while it is kept.
    pub fn message(&self, key: Key) -> Option<Message<'_>> {
        match self.by_key.get(&key) {
            Some(item) => self.stored(*item),
            None => self.drafts.iter().find(|draft| draft.key == key).and_then(|draft| self.draft(draft)),
        }
    }

    /// The message of an id, while it is kept.
    pub fn find(&self, id: MessageId) -> Option<Message<'_>> {
        self.known(id).find_map(|(item, _)| self.stored(item))
    }

    fn key(&mut self) -> Key {
        self.keys += 1;
        Key(self.keys)
    }

    /// The key of what was sent from here under this id and has had no answer, or a bad one: its entry is the answer.
    fn sent_here(&mut self, id: MessageId) -> Option<Key> {
        let at = self.drafts.iter().position(|draft| draft.id.get() == Some(id))?;
        Some(self.drafts.remove(at)?.key)
    }

    fn received(&self) -> impl Iterator<Item = Message<'_>> {
        self.messages().filter(|message| message.state.is_none() && !message.deleted)
    }
}

impl From<&SendError> for Failure {
    fn from(error: &SendError) -> Failure {
        let (code, message) = match error {
            SendError::Rejected { code, message } => (Some(code.clone()), message.clone()),
            SendError::Address(_)
            | SendError::Content(_)
            | SendError::TooLarge(_)
            | SendError::Full
            | SendError::Ended(_) => (None, error.to_string()),
        };
        Failure { code, message }
    }
}
