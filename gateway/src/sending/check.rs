//! What is looked up before an item is stored. An item that is about an earlier message counts only where that message is stored, and is
//! of the person, in the conversation, that it has to be of. What the recipient has decided about the author is looked at by whoever
//! carries out the append, as late as can be: it costs nothing where it is known. What is sent to a group takes no look-up here: whoever
//! writes into the group's log looks.
//!
//! | item | is stored where this is found | otherwise |
//! |---|---|---|
//! | `edit`, `delete` | a message of the author's to this address | `not_yours` |
//! | `react` | a message of the recipient's to the author, or of the author's to this address | `not_found` |
//!
//! What is looked for bears the name of one of the two, so that nobody learns what somebody else wrote to a mailbox: a stranger's message
//! and none are not there alike.
//!
//! **A repeat gets its first answer.** Where the message is not there the item is looked for itself before it is refused: it may have been
//! stored while the message was there, which has gone since. The other order would read twice for each item that is new.
//!
//! **What comes again is waited for.** Where the message itself was refused for now, what is about it is refused for now as well: its
//! sender sends both again, in their order.

use dunlin_schema::{Address, Code, Content, Entry, MessageId, Millis, Peer, Sender, entry::Body, limits};

use super::{
    Answer, AppendFailure, Author, Do, Key, LookUp, Step, Stored,
    route::{Mailbox, Route},
};

/// The look-ups of one item: the one that is under way, and the item itself.
#[derive(Clone, Debug)]
pub(super) struct Check {
    mailbox: Mailbox,
    entry: Entry,
    target: MessageId,
    step: Step,
}

/// What follows from a look-up.
pub(super) enum Verdict {
    /// The item is to be stored.
    Store(Entry),
    /// It is stored already.
    Stored(Stored),
    /// Something else is to be looked for.
    LookOn,
    /// It is refused.
    Refuse(Answer),
    /// The message is not there, and neither is the item.
    NotThere {
        /// The message.
        target: MessageId,
        /// What is told of it.
        refusal: Answer,
    },
}

/// Whether a send costs more than its storing: it makes somebody look for an id that is not young any more, its own or that of the message
/// that it is about, or it has a message overwritten.
pub fn is_costly(now: Millis, id: MessageId, content: &Content) -> bool {
    let oldest = target(content).map_or(id, |target| target.min(id)).time();
    now.since(oldest) >= limits::FRESH_FOR || matches!(content, Content::Delete { .. })
}

/// The message that this is about.
pub(super) fn target(content: &Content) -> Option<MessageId> {
    match content {
        Content::Edit { target, .. } | Content::Delete { target } | Content::React { target, .. } => Some(*target),
        Content::Message { .. } | Content::Membership(_) | Content::Failed(_) | Content::Settings(_) => None,
    }
}

impl Check {
    /// The look-ups of an item. Errors: it takes none.
    #[expect(clippy::result_large_err, reason = "an item that takes no look-up is the usual one, and goes on at once")]
    pub(super) fn of(author: &Author, route: &Route, entry: Entry) -> Result<Check, Entry> {
        let Route::Mailbox(mailbox) = route else { return Err(entry) };
        let Body::Content(content) = &entry.body else { return Err(entry) };
        let Some(target) = target(content) else { return Err(entry) };
        let to_oneself = entry.to.peer == Peer::User(author.user.clone());
        let step = match content {
            Content::React { .. } if !to_oneself => Step::FindReceived,
            Content::Message { .. }
            | Content::Edit { .. }
            | Content::Delete { .. }
            | Content::React { .. }
            | Content::Membership(_)
            | Content::Settings(_)
            | Content::Failed(_) => Step::FindSent,
        };
        Ok(Check { mailbox: mailbox.clone(), entry, target, step })
    }

    /// The look-up that is under way.
    pub(super) fn step(&self) -> Step {
        self.step
    }

    /// What is to be done for it.
    pub(super) fn todo(&self, author: &Author) -> Do {
        let Mailbox { user, log: recipients } = &self.mailbox;
        let (log, entry) = match self.step {
            Step::FindReceived => {
                let peer = Sender { user: user.clone(), region: author.region.clone() };
                let to = Address::local(author.user.clone()).said_in(&author.region);
                (author.mailbox(&author.user), self.telling(peer, to))
            }
            Step::FindSent => (recipients.clone(), self.telling(author.sender(), self.entry.to.clone())),
            Step::FindItself | Step::Refer | Step::Store | Step::Copy => (recipients.clone(), self.entry.clone()),
        };
        let key = Key { to: self.entry.to.clone(), id: self.entry.id, step: self.step };
        Do::LookUp(Box::new(LookUp { key, log, entry }))
    }

    /// An entry that tells of the message, if `from` sent it to `to`.
    fn telling(&self, from: Sender, to: Address) -> Entry {
        let (id, time) = (self.target, self.entry.time);
        Entry { id, from: from.clone(), to, order: None, time, body: Body::Tombstone { sender: from, id } }
    }

    /// Takes the outcome of the look-up that is under way.
    pub(super) fn found(&mut self, outcome: Result<Option<Stored>, AppendFailure>) -> Verdict {
        let id = self.entry.id;
        match (self.step, outcome) {
            // Nothing was stored by this: it is no unknown outcome.
            (
                _,
                Err(
                    AppendFailure::Unknown
                    | AppendFailure::Full
                    | AppendFailure::TooLarge
                    | AppendFailure::Refused
                    | AppendFailure::Unchecked,
                ),
            ) => Verdict::Refuse(Answer::not_looked_up(id)),
            (Step::FindReceived | Step::FindSent, Ok(Some(found))) if is_message(&found.entry) => {
                Verdict::Store(self.entry.clone())
            }
            // One that is older than what can be looked up, or newer than now, is not there either.
            (Step::FindReceived, Ok(_) | Err(AppendFailure::TooOld | AppendFailure::FromTheFuture)) => {
                self.step = Step::FindSent;
                Verdict::LookOn
            }
            (Step::FindSent, Ok(_) | Err(AppendFailure::TooOld | AppendFailure::FromTheFuture)) => {
                self.step = Step::FindItself;
                Verdict::LookOn
            }
            (Step::FindItself | Step::Refer | Step::Store | Step::Copy, Ok(Some(stored))) => Verdict::Stored(stored),
            (Step::FindItself | Step::Refer | Step::Store | Step::Copy, Ok(None)) => {
                Verdict::NotThere { target: self.target, refusal: self.refusal() }
            }
            (
                Step::FindItself | Step::Refer | Step::Store | Step::Copy,
                Err(failure @ (AppendFailure::TooOld | AppendFailure::FromTheFuture)),
            ) => Verdict::Refuse(Answer::failed(id, failure)),
        }
    }

    fn refusal(&self) -> Answer {
        let (code, message) = match &self.entry.body {
            Body::Content(Content::React { .. }) => (
                Code::NotFound,
                "the message is not in this conversation, or no longer stored: only what either of you sent to the other is reacted to",
            ),
            Body::Content(
                Content::Message { .. }
                | Content::Edit { .. }
                | Content::Delete { .. }
                | Content::Membership(_)
                | Content::Settings(_)
                | Content::Failed(_),
            )
            | Body::Tombstone { .. } => (
                Code::NotYours,
                "there is no such message of yours to this address, or it is no longer stored: only what you sent is edited or deleted",
            ),
        };
        Answer::refused(self.entry.id, code, message)
    }
}

fn is_message(entry: &Entry) -> bool {
    matches!(entry.body, Body::Content(Content::Message { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_far_back_and_what_is_overwritten_is_costly() {
        let now = Millis(1_000_000);
        let id = |age: Millis| MessageId::from_parts(now.minus(age), 1);
        let (young, old) = (id(Millis(0)), id(limits::FRESH_FOR));
        let react = |target| Content::React { target, emoji: "\u{1f44d}".to_owned(), on: true };
        for (id, content, costly) in [
            (young, react(young), false),
            (young, react(old), true),
            (old, react(young), true),
            (young, Content::Delete { target: young }, true),
        ] {
            assert_eq!(is_costly(now, id, &content), costly, "{content:?}");
        }
    }
}
