//! A lane: what one author sends to one address, stored one message after the other. The first is on its way, step by step, and the others
//! wait behind it, so that they are stored in the order in which they were sent.

use std::collections::VecDeque;

use dunlin_schema::{
    Address, Entry, MediaId, MessageId, Millis, Peer, Seq,
    entry::Body,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest},
    media::{MediaFacts, service::MediaRefusal},
};

use super::{
    Answer, Append, AppendFailure, Author, Do, InGroup, Key, Step, Stored,
    check::{Check, Verdict, target},
    files,
    route::{Mailbox, Route},
    weight,
};

/// The sends to one address.
#[derive(Debug)]
pub(super) struct Lane {
    route: Route,
    to: Address,
    id: MessageId,
    bytes: usize,
    first_try: bool,
    way: Way,
    waiting: VecDeque<Entry>,
}

/// How far the lane's first has come.
#[derive(Clone, Debug)]
enum Way {
    /// What it says depends on what is stored elsewhere.
    Checking(Box<Check>),
    /// The files that it refers to are kept.
    Referring(Box<Entry>),
    /// They are not, so it is refused with this unless it is stored already.
    Recalling(Box<Answer>),
    Storing,
    /// The groups worker looks for the message that it is about, if it is about one, and stores it.
    Saying {
        target: Option<MessageId>,
    },
    /// The recipient's log has it.
    Copying {
        order: Seq,
        time: Millis,
    },
}

/// What follows from the outcome of a step.
pub(super) enum After {
    /// The next step.
    Do(Do),
    /// The item's end.
    Answer(Answer),
    /// The message that the item is about is not there: this is its end, unless the message is to come yet.
    NotThere {
        /// The message.
        target: MessageId,
        /// What is told then.
        refusal: Answer,
    },
}

impl Lane {
    /// Puts an item on its way.
    pub(super) fn begin(
        author: &Author,
        route: Route,
        entry: Entry,
        first_try: bool,
        waiting: VecDeque<Entry>,
    ) -> (Lane, Do) {
        let (id, bytes, to) = (entry.id, weight(&entry), entry.to.clone());
        let mut lane = Lane { route, to, id, bytes, first_try, way: Way::Storing, waiting };
        let todo = match Check::of(author, &lane.route, entry) {
            Ok(check) => {
                let todo = check.todo(author);
                lane.way = Way::Checking(Box::new(check));
                todo
            }
            Err(entry) => match files::wanted(lane.key(Step::Refer), &entry) {
                Some(todo) => {
                    lane.way = Way::Referring(Box::new(entry));
                    todo
                }
                None => lane.store(entry),
            },
        };
        (lane, todo)
    }

    fn key(&self, step: Step) -> Key {
        Key { to: self.to.clone(), id: self.id, step }
    }

    fn store(&mut self, entry: Entry) -> Do {
        let (key, first_try) = (self.key(Step::Store), self.first_try);
        match &self.route {
            Route::Mailbox(Mailbox { log, .. }) => {
                self.way = Way::Storing;
                Do::Append(Box::new(Append { key, log: log.clone(), entry, first_try, copy_of_new: false }))
            }
            Route::Group { group, shard } => {
                let Entry { id, from: by, time: at, body: Body::Content(content), .. } = entry else {
                    unreachable!("what is sent has a content: see `check`");
                };
                self.way = Way::Saying { target: target(&content) };
                let wanted = GroupRequest { group: group.clone(), by, id, at, what: GroupCommand::Say(content) };
                Do::InGroup(Box::new(InGroup { key, shard: *shard, wanted }))
            }
        }
    }

    /// Whether an item of this id is on its way or waits.
    pub(super) fn holds(&self, id: MessageId) -> bool {
        self.id == id || self.waiting.iter().any(|before| before.id == id)
    }

    /// An item waits behind the others.
    pub(super) fn push(&mut self, entry: Entry) {
        self.waiting.push_back(entry);
    }

    /// What the first one holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first one is done: where the lane leads, and what waits.
    pub(super) fn end(self) -> (Route, VecDeque<Entry>) {
        (self.route, self.waiting)
    }

    /// Takes the outcome of an append; `None` where it is no answer to what the lane waits for.
    pub(super) fn appended(
        &mut self,
        author: &Author,
        key: &Key,
        outcome: Result<Stored, AppendFailure>,
    ) -> Option<After> {
        if key.id != self.id {
            return None;
        }
        match (&self.way, key.step) {
            (Way::Storing, Step::Store) => Some(match outcome {
                Ok(stored) => self.stored(author, stored),
                Err(failure) => After::Answer(Answer::failed(self.id, failure)),
            }),
            (Way::Copying { order, time }, Step::Copy) => Some(After::Answer(copied(self.id, *order, *time, outcome))),
            (
                Way::Checking(_)
                | Way::Referring(_)
                | Way::Recalling(_)
                | Way::Storing
                | Way::Saying { .. }
                | Way::Copying { .. },
                _,
            ) => None,
        }
    }

    /// Takes what the groups worker answered; `None` where it is no answer to what the lane waits for.
    pub(super) fn done_in_group(&mut self, key: &Key, answer: GroupAnswer) -> Option<After> {
        let (Way::Saying { target }, id) = (&self.way, self.id) else { return None };
        if key.id != id {
            return None;
        }
        Some(match (answer, *target) {
            (GroupAnswer::Stored { order, time }, _) => After::Answer(Answer::Accepted { id, order, time }),
            (GroupAnswer::Refused(refusal @ (GroupRefusal::NotYours | GroupRefusal::NotFound)), Some(target)) => {
                After::NotThere { target, refusal: Answer::refused_in_group(id, refusal) }
            }
            (GroupAnswer::Refused(refusal), _) => After::Answer(Answer::refused_in_group(id, refusal)),
            (GroupAnswer::Unknown, _) => After::Answer(Answer::unknown(id)),
        })
    }

    /// Takes what is known of the files; `None` where it is no answer to what the lane waits for.
    pub(super) fn referred(
        &mut self,
        author: &Author,
        key: &Key,
        outcome: Result<Vec<(MediaId, MediaFacts)>, MediaRefusal>,
    ) -> Option<After> {
        if key.id != self.id || key.step != Step::Refer {
            return None;
        }
        let Way::Referring(entry) = &self.way else { return None };
        let entry = entry.as_ref().clone();
        Some(After::Do(match outcome {
            Ok(known) => self.store(files::written(entry, known)),
            Err(refusal) => {
                self.way = Way::Recalling(Box::new(Answer::without_its_files(self.id, &refusal)));
                files::recall(author, &self.route, entry)
            }
        }))
    }

    /// Takes the outcome of a look-up; `None` where it is no answer to what the lane waits for.
    pub(super) fn looked_up(
        &mut self,
        author: &Author,
        key: &Key,
        outcome: Result<Option<Stored>, AppendFailure>,
    ) -> Option<After> {
        if let (Way::Recalling(refusal), Step::FindItself) = (&self.way, key.step) {
            let refusal = refusal.as_ref().clone();
            return (key.id == self.id).then(|| match outcome {
                Ok(Some(stored)) => self.stored(author, stored),
                Ok(None) => After::Answer(refusal),
                Err(failure @ (AppendFailure::TooOld | AppendFailure::FromTheFuture)) => {
                    After::Answer(Answer::failed(self.id, failure))
                }
                Err(
                    AppendFailure::Full
                    | AppendFailure::TooLarge
                    | AppendFailure::Unknown
                    | AppendFailure::Refused
                    | AppendFailure::Unchecked,
                ) => After::Answer(Answer::unknown(self.id)),
            });
        }
        let Way::Checking(check) = &mut self.way else { return None };
        if key.id != self.id || key.step != check.step() {
            return None;
        }
        Some(match check.found(outcome) {
            Verdict::Store(entry) => After::Do(self.store(entry)),
            Verdict::Stored(stored) => self.stored(author, stored),
            Verdict::LookOn => After::Do(check.todo(author)),
            Verdict::Refuse(answer) => After::Answer(answer),
            Verdict::NotThere { target, refusal } => After::NotThere { target, refusal },
        })
    }

    fn stored(&mut self, author: &Author, stored: Stored) -> After {
        let Stored { seq, entry, repeat } = stored;
        let (id, order, time) = (self.id, entry.order.unwrap_or(seq), entry.time);
        // A note to oneself is one entry in one mailbox, and what was erased or said in a group is copied nowhere.
        if entry.is_tombstone()
            || !author.copies
            || self.route.is_to_a_group()
            || self.to.peer == Peer::User(author.user.clone())
        {
            return After::Answer(Answer::Accepted { id, order, time });
        }
        self.way = Way::Copying { order, time };
        let (key, log, first_try) = (self.key(Step::Copy), author.mailbox(&author.user), self.first_try);
        let entry = Entry { order: Some(order), ..entry };
        After::Do(Do::Append(Box::new(Append { key, log, entry, first_try, copy_of_new: !repeat })))
    }
}

/// The recipient's log has the item: whatever became of the copy, "no" would be a lie.
fn copied(id: MessageId, order: Seq, time: Millis, outcome: Result<Stored, AppendFailure>) -> Answer {
    match outcome {
        // What this mailbox held when an earlier try stored the recipient's is gone, that try's copy with it: a repeat could not help.
        Ok(_) | Err(AppendFailure::TooOld) => Answer::Accepted { id, order, time },
        Err(
            AppendFailure::FromTheFuture
            | AppendFailure::Full
            | AppendFailure::TooLarge
            | AppendFailure::Unknown
            | AppendFailure::Refused
            | AppendFailure::Unchecked,
        ) => Answer::unknown(id),
    }
}
