//! How entries become messages. Whatever the order in which they come, and however often, the same ones give the same.

use std::collections::BTreeMap;

use dunlin_schema::content::reaction_key;

use super::*;

/// Reactions of one message that are remembered, those that were taken back among them.
const REACTIONS: usize = 64;

/// Where an entry stands among all of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) time: Millis,
    pub(super) id: MessageId,
}

impl Place {
    /// Of an entry whose id nobody says: before all others of its time.
    pub(super) fn unnamed(time: Millis) -> Place {
        Place { time, id: MessageId::from_bytes([0; 16]) }
    }
}

/// What was said, as an edit changes it.
#[derive(Debug, Default)]
struct Words {
    text: Option<String>,
    data: Option<Blob>,
}

/// A message that came.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) place: Place,
    pub(super) order: Option<Seq>,
    words: Words,
    attachments: Vec<Attachment>,
    reply_to: Option<MessageId>,
    mentions: Vec<Address>,
}

/// All that is known of what one author said under one id.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: Key,
    pub(super) message: Option<Stored>,
    edit: Option<(Place, Words)>,
    deleted: bool,
    failure: Option<Failure>,
}

/// The last word of each person for each emoji.
#[derive(Debug, Default)]
pub(super) struct Reactions(BTreeMap<(Author, String), Given>);

#[derive(Debug)]
struct Given {
    place: Place,
    emoji: String,
    on: bool,
}

impl Slot {
    fn new(key: Key) -> Slot {
        Slot { key, message: None, edit: None, deleted: false, failure: None }
    }

    /// Whether it differs now.
    fn edited(&mut self, place: Place, words: Words) -> bool {
        let newer = self.edit.as_ref().is_none_or(|(last, _)| *last < place);
        if newer && !self.deleted {
            self.edit = Some((place, words));
        }
        newer && !self.deleted
    }

    /// Whether it differs now. What was deleted is let go of.
    fn delete(&mut self) -> bool {
        self.edit = None;
        if let Some(message) = &mut self.message {
            message.words = Words::default();
            message.attachments.clear();
            message.mentions.clear();
        }
        !std::mem::replace(&mut self.deleted, true)
    }

    /// Whether it is another than before, and where it stood. After a power loss a message is stored again, and later: that counts.
    fn stored(&mut self, message: Stored) -> Option<Option<Place>> {
        let before = self.message.as_ref().map(|before| before.place);
        if before.is_some_and(|before| before >= message.place) {
            return None;
        }
        self.message = Some(message);
        if self.deleted {
            self.delete();
        }
        Some(before)
    }
}

impl Reactions {
    /// Whether something differs now.
    fn react(&mut self, author: Author, place: Place, emoji: String, on: bool) -> bool {
        let whose = (author, reaction_key(&emoji));
        if self.0.get(&whose).is_some_and(|last| last.place >= place) {
            return false;
        }
        self.0.insert(whose, Given { place, emoji, on });
        if self.0.len() > REACTIONS {
            let oldest = self.0.iter().min_by_key(|(_, given)| given.place).map(|(whose, _)| whose.clone());
            oldest.and_then(|whose| self.0.remove(&whose));
        }
        true
    }
}

impl Conversation {
    /// Takes what was stored; `key` is the one of a draft that this is.
    pub(super) fn apply(
        &mut self,
        key: Option<Key>,
        author: Author,
        place: Place,
        order: Option<Seq>,
        content: Content,
    ) -> Vec<Change> {
        match content {
            Content::Message { text, data, attachments, reply_to, mentions } => {
                let words = Words { text, data };
                self.store(key, author, Stored { place, order, words, attachments, reply_to, mentions })
            }
            Content::Edit { target, text, data } => {
                self.change((target, author), |slot| slot.edited(place, Words { text, data }))
            }
            Content::Delete { target } => {
                let mut changes = Vec::new();
                for item in self.taken_back(target, author) {
                    let deleted = self.change(item, Slot::delete);
                    let is_others = item.1 != Author::Me && !deleted.is_empty();
                    changes.extend(deleted);
                    changes.extend(is_others.then_some(Change::Unread));
                }
                changes
            }
            Content::React { target, emoji, on } => self.react(target, author, place, emoji, on),
            Content::Membership(_) | Content::Failed(_) | Content::Settings(_) => Vec::new(),
        }
    }

    /// What a deletion is about: a message of its author's. Where they have none of this id in a group, they are an admin, and it is about
    /// whoever's there is.
    fn taken_back(&self, target: MessageId, author: Author) -> Vec<(MessageId, Author)> {
        let own = (target, author);
        let is_there = |slot: &Slot| slot.message.is_some();
        let others = self.known(target).filter(|(_, slot)| is_there(slot)).map(|(item, _)| item).collect::<Vec<_>>();
        let is_own = !self.people.are_many() || self.slots.get(&own).is_some_and(is_there) || others.is_empty();
        if is_own { vec![own] } else { others }
    }

    /// All that is known under an id: of each author one.
    pub(super) fn known(&self, id: MessageId) -> impl Iterator<Item = ((MessageId, Author), &Slot)> {
        self.slots.range((id, Author::Me)..=(id, Author::Other(usize::MAX))).map(|(item, slot)| (*item, slot))
    }

    /// Something that was accepted could not be delivered.
    pub(super) fn undeliverable(&mut self, id: MessageId, failure: Failure) -> Vec<Change> {
        self.change((id, Author::Me), |slot| slot.failure.replace(failure.clone()).as_ref() != Some(&failure))
    }

    fn store(&mut self, key: Option<Key>, author: Author, message: Stored) -> Vec<Change> {
        let (place, item) = (message.place, (message.place.id, author));
        let fresh = self.slot(item);
        self.awaited.remove(&item);
        let Some(slot) = self.slots.get_mut(&item) else { return Vec::new() };
        let first = slot.message.is_none();
        let Some(before) = slot.stored(message) else { return Vec::new() };
        // The draft's key goes on, so that whoever shows it shows the same message.
        if let Some(key) = key.filter(|_| first) {
            slot.key = key;
            self.by_key.remove(&fresh);
            self.by_key.insert(key, item);
        }
        let key = slot.key;
        before.map(|before| self.timeline.remove(&(before, author)));
        self.timeline.insert((place, author));
        self.trim();
        let mut changes = Vec::new();
        if self.slots.contains_key(&item) {
            changes.push(Change::Message(key));
            changes.extend((author != Author::Me).then_some(Change::Unread));
        }
        changes
    }

    /// Changes what is known of an item; the message may come later.
    fn change(&mut self, item: (MessageId, Author), change: impl FnOnce(&mut Slot) -> bool) -> Vec<Change> {
        let key = self.slot(item);
        let changed = self.slots.get_mut(&item).is_some_and(|slot| change(slot) && slot.message.is_some());
        self.trim();
        if changed { vec![Change::Message(key)] } else { Vec::new() }
    }

    fn react(&mut self, target: MessageId, author: Author, place: Place, emoji: String, on: bool) -> Vec<Change> {
        if !self.reactions.entry(target).or_default().react(author, place, emoji, on) {
            return Vec::new();
        }
        if self.reactions.len() > self.keep {
            self.reactions.pop_first();
        }
        let shown = self.known(target).filter(|(_, slot)| slot.message.is_some());
        shown.map(|(_, slot)| Change::Message(slot.key)).collect()
    }

    /// What is known of an item is there from now on; its key.
    fn slot(&mut self, item: (MessageId, Author)) -> Key {
        if let Some(slot) = self.slots.get(&item) {
            return slot.key;
        }
        let key = self.key();
        self.slots.insert(item, Slot::new(key));
        self.by_key.insert(key, item);
        self.awaited.insert(item);
        key
    }

    /// Forgets the oldest of what is too much: of what is awaited by the time that its id carries.
    fn trim(&mut self) {
        while self.timeline.len() > self.keep
            && let Some((place, author)) = self.timeline.pop_first()
        {
            self.forget((place.id, author));
            self.reactions.remove(&place.id);
        }
        while self.awaited.len() > self.keep
            && let Some(item) = self.awaited.pop_first()
        {
            self.forget(item);
        }
    }

    fn forget(&mut self, item: (MessageId, Author)) {
        if let Some(slot) = self.slots.remove(&item) {
            self.by_key.remove(&slot.key);
        }
    }

    pub(super) fn stored(&self, item: (MessageId, Author)) -> Option<Message<'_>> {
        let slot = self.slots.get(&item)?;
        let Stored { place, order, words, attachments, reply_to, mentions } = slot.message.as_ref()?;
        let edit = slot.edit.as_ref().map(|(_, words)| words);
        let Words { text, data } = edit.unwrap_or(words);
        let given = self.reactions.get(&item.0).into_iter().flat_map(|reactions| &reactions.0);
        let standing = given.filter(|(_, given)| given.on && !slot.deleted);
        let reactions = standing
            .map(|((author, _), given)| Reaction { by: self.people.address(*author), emoji: &given.emoji })
            .collect();
        Some(Message {
            key: slot.key,
            id: Some(place.id),
            from: self.people.address(item.1),
            time: place.time,
            order: *order,
            text: text.as_deref(),
            data: data.as_ref(),
            attachments,
            reply_to: *reply_to,
            mentions,
            edited: edit.is_some(),
            deleted: slot.deleted,
            reactions,
            state: (item.1 == Author::Me).then(|| self.state(slot.failure.as_ref(), *order, place.time)),
            counts: order.filter(|_| item.1 == Author::Me).and_then(|order| self.counted.of(order)),
        })
    }

    pub(super) fn draft<'a>(&'a self, draft: &'a Draft) -> Option<Message<'a>> {
        let Content::Message { text, data, attachments, reply_to, mentions } = &draft.content else { return None };
        Some(Message {
            key: draft.key,
            id: draft.id.get(),
            from: &self.people.me,
            time: draft.at,
            order: None,
            text: text.as_deref(),
            data: data.as_ref(),
            attachments,
            reply_to: *reply_to,
            mentions,
            edited: false,
            deleted: false,
            reactions: Vec::new(),
            state: Some(draft.failure.clone().map_or(State::Sending, State::Failed)),
            counts: None,
        })
    }

    /// How far the message has come that was accepted at `at` with this order.
    pub(super) fn come(&self, order: Seq, at: Millis) -> Reached {
        match self.people.are_many() {
            true => self.counted.of(order).map_or(Reached::Storage, |counts| counts.reached()),
            false => self.marks.reached(order, at),
        }
    }

    fn state(&self, failure: Option<&Failure>, order: Option<Seq>, at: Millis) -> State {
        match (failure, order.map(|order| self.come(order, at))) {
            (Some(failure), _) => State::Failed(failure.clone()),
            (None, Some(Reached::Eyes)) => State::Read,
            (None, Some(Reached::Device)) => State::Delivered,
            (None, Some(Reached::Storage) | None) => State::Sent,
        }
    }
}
