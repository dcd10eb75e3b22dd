//! What somebody sends, decided without I/O: checked, looked up where that needs a look elsewhere, its files kept for it, stored in the
//! recipient's log, copied into the sender's own, and answered once. What is sent to a group is stored by the groups worker, which looks up
//! what has to be, and nothing is copied.
//!
//! Drive it: give each send and each outcome to [`Sending::handle`], with the time at which it happened; then carry out what [`Then`] says.
//! Every [`Do`] is answered once, by the input of its kind under its key, and bounded in time by whoever carries it out. A socket keeps
//! one [`Sending`] for as long as it is open; what is sent over HTTP has one for each person.
//!
//! | file | what it decides |
//! |---|---|
//! | `route` | where an address leads |
//! | `lane` | the order of what is sent to one address, and the steps of each item |
//! | `check` | what is looked up before an item is stored, and in which order |
//! | `files` | what is known of the files that it refers to |
//! | `answer` | the words of every answer |

mod answer;
mod check;
mod files;
mod lane;
mod route;

use std::collections::{BTreeMap, VecDeque};

use dunlin_schema::{
    Address, Code, Content, Entry, Log, MediaId, MessageId, Millis, RegionName, Sender, Seq, Shard, UserName,
    content::{Blob, ContentError},
    entry::Body,
    frame::Send,
    group::{GroupAnswer, GroupRequest},
    limits,
    media::{Attachment, MediaFacts, service::MediaRefusal},
};

pub use answer::Answer;
pub use check::is_costly;
use lane::{After, Lane};
use route::Route;
pub(crate) use route::{NoRoute, mailbox_of};

/// Ids remembered that may have been tried before.
const TRIED: usize = 256;
/// Ids remembered that were refused for now.
const POSTPONED: usize = limits::SENDS_IN_FLIGHT;

/// Who sends, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The user.
    pub user: UserName,
    /// The user's region.
    pub region: RegionName,
    /// The region's shards.
    pub shards: u16,
    /// Whether a copy of what is sent goes to the user's own mailbox.
    pub copies: bool,
}

impl Author {
    fn mailbox(&self, user: &UserName) -> Log {
        Log::mailbox(&self.region, self.shards, user)
    }

    /// The author as entries name it.
    pub fn sender(&self) -> Sender {
        Sender { user: self.user.clone(), region: self.region.clone() }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something is to be sent: it is within the sender's share.
    Send(Send),
    /// Something is beyond the sender's share until this has passed.
    OverTheShare(MessageId, Millis),
    /// Something found no room, for now.
    Crowded(MessageId),
    /// The answer to [`Do::Append`].
    Appended {
        /// Its key.
        key: Key,
        /// What came of it.
        outcome: Result<Stored, AppendFailure>,
    },
    /// The answer to [`Do::LookUp`].
    LookedUp {
        /// Its key.
        key: Key,
        /// What was found, `None` where it is not there. [`AppendFailure::TooOld`]: it may have been there.
        outcome: Result<Option<Stored>, AppendFailure>,
    },
    /// The answer to [`Do::InGroup`].
    DoneInGroup {
        /// Its key.
        key: Key,
        /// What the groups worker answered; where nobody knows whether it did anything, [`GroupAnswer::Unknown`].
        answer: GroupAnswer,
    },
    /// The answer to [`Do::Refer`].
    Referred {
        /// Its key.
        key: Key,
        /// What is known of each file, in the order of the question. A file is another one than was asked for where the same bytes had been
        /// stored before.
        outcome: Result<Vec<(MediaId, MediaFacts)>, MediaRefusal>,
    },
}

/// What follows from an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// What is to be done.
    pub todo: Option<Do>,
    /// What the sender is told.
    pub answer: Option<Answer>,
    /// What the sender is told of what waited behind it for too long, in the order in which it was sent.
    pub given_up: Vec<Answer>,
}

/// What is to be done for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Append an entry to a log, once.
    Append(Box<Append>),
    /// Look for an item in a log.
    LookUp(Box<LookUp>),
    /// Have the groups worker do something.
    InGroup(Box<InGroup>),
    /// Have the media workers keep files for as long as what refers to them may be there.
    Refer(Box<Refer>),
}

/// Names a step of an item: there is one at a time for each address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What the item is sent to, with its region.
    pub to: Address,
    /// The item's id.
    pub id: MessageId,
    /// The step.
    pub step: Step,
}

/// The steps of an item, in order. Which look-ups it takes depends on what it says: most take none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The message that it is about is looked for among what the recipient sent to the author.
    FindReceived,
    /// The same among what the author sent to this address.
    FindSent,
    /// It is looked for itself: what was stored before gets its first answer again.
    FindItself,
    /// The files that it refers to are kept for it.
    Refer,
    /// It is stored where its address leads, and where the recipient lets the author write.
    Store,
    /// Its copy is stored in the sender's own mailbox.
    Copy,
}

/// An entry that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Names the append in its answer.
    pub key: Key,
    /// The log.
    pub log: Log,
    /// The entry.
    pub entry: Entry,
    /// Whether this item was not tried here before.
    pub first_try: bool,
    /// Whether it is the sent copy of what the recipient's log has just stored for the first time.
    pub copy_of_new: bool,
}

/// An item that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// Names the look-up in its answer.
    pub key: Key,
    /// The log.
    pub log: Log,
    /// The item, or an entry that tells of it: see [`Entry::accounts_for`].
    pub entry: Entry,
}

/// What the groups worker of a shard is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InGroup {
    /// Names it in its answer.
    pub key: Key,
    /// The group's shard.
    pub shard: Shard,
    /// What is to be done.
    pub wanted: GroupRequest,
}

/// Files that an item refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Names it in its answer.
    pub key: Key,
    /// Who sends it.
    pub from: Sender,
    /// The files, each once.
    pub media: Vec<MediaId>,
    /// Until when it may be there.
    pub until: Millis,
}

/// An item is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The sequence of what accounts for it.
    pub seq: Seq,
    /// What is stored: on a repeat the first one's entry, or the tombstone that names it.
    pub entry: Entry,
    /// Whether it had been stored before.
    pub repeat: bool,
}

/// Why an item is not known to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFailure {
    /// The id is older than what can be looked up: it may be stored.
    TooOld,
    /// The id's time is ahead of the server's.
    FromTheFuture,
    /// The stream has no room: it is not stored.
    Full,
    /// The entry is larger than the stream takes.
    TooLarge,
    /// It may be stored.
    Unknown,
    /// The recipient does not let the author write, and the item was not stored before.
    Refused,
    /// Nobody could say whether the recipient lets the author write: it is not stored.
    Unchecked,
}

/// The sends of one author that have no answer yet. Without any it holds no memory but the ids it remembers.
#[derive(Debug, Default)]
pub struct Sending {
    lanes: BTreeMap<Address, Lane>,
    count: usize,
    bytes: usize,
    tried: VecDeque<MessageId>,
    /// What was refused for now: it comes again, and what is about it waits for that.
    postponed: VecDeque<MessageId>,
}

impl Sending {
    /// Takes in what happened, and says what follows.
    pub fn handle(&mut self, now: Millis, author: &Author, input: Input) -> Then {
        let then = match input {
            Input::Send(send) => self.send(now, author, send),
            Input::OverTheShare(id, retry_after) => Answer::over_the_share(id, retry_after).into(),
            Input::Crowded(id) => Answer::crowded(id).into(),
            Input::Appended { key, outcome } => {
                self.step(now, author, &key, |lane| lane.appended(author, &key, outcome))
            }
            Input::LookedUp { key, outcome } => {
                self.step(now, author, &key, |lane| lane.looked_up(author, &key, outcome))
            }
            Input::DoneInGroup { key, answer } => self.step(now, author, &key, |lane| lane.done_in_group(&key, answer)),
            Input::Referred { key, outcome } => {
                self.step(now, author, &key, |lane| lane.referred(author, &key, outcome))
            }
        };
        for answer in then.answer.iter().chain(&then.given_up) {
            self.note(answer);
        }
        then
    }

    fn note(&mut self, answer: &Answer) {
        match answer {
            Answer::Rejected { id, retry_after: Some(_), .. } => remember(&mut self.postponed, *id, POSTPONED),
            Answer::Accepted { id, .. } | Answer::Rejected { id, retry_after: None, .. } => {
                self.postponed.retain(|postponed| postponed != id);
                if self.postponed.is_empty() {
                    self.postponed = VecDeque::new();
                }
            }
        }
    }

    /// How many sends have no answer yet, and the bytes that they hold.
    pub fn waiting(&self) -> (usize, usize) {
        (self.count, self.bytes)
    }

    /// Whether something was refused for now and has not come again.
    pub fn expects_more(&self) -> bool {
        !self.postponed.is_empty()
    }

    fn send(&mut self, now: Millis, author: &Author, send: Send) -> Then {
        let id = send.id;
        if self.count >= limits::SENDS_IN_FLIGHT {
            return Answer::crowded(id).into();
        }
        let (route, entry) = match check(now, author, send) {
            Ok(checked) => checked,
            Err(refusal) => return refusal.into(),
        };
        self.count += 1;
        self.bytes += weight(&entry);
        match self.lanes.get_mut(&entry.to) {
            Some(lane) => {
                if lane.holds(id) {
                    remember(&mut self.tried, id, TRIED);
                }
                lane.push(entry);
                Then::default()
            }
            None => {
                let to = entry.to.clone();
                let (lane, todo) = Lane::begin(author, route, entry, !self.tried.contains(&id), VecDeque::new());
                self.lanes.insert(to, lane);
                Then { todo: Some(todo), ..Then::default() }
            }
        }
    }

    fn step(&mut self, now: Millis, author: &Author, key: &Key, step: impl FnOnce(&mut Lane) -> Option<After>) -> Then {
        let Some(after) = self.lanes.get_mut(&key.to).and_then(step) else { return Then::default() };
        let answer = match after {
            After::Do(todo) => return Then { todo: Some(todo), ..Then::default() },
            After::Answer(answer) => answer,
            After::NotThere { target, .. } if self.postponed.contains(&target) => Answer::behind_its_message(key.id),
            After::NotThere { refusal, .. } => refusal,
        };
        if answer.is_unknown() {
            remember(&mut self.tried, key.id, TRIED);
        }
        let mut given_up = Vec::new();
        let late = answer.is_unknown().then(|| now.minus(limits::SEND_WAITS));
        let todo = self.next(author, &key.to, late, &mut given_up);
        Then { todo, answer: Some(answer), given_up }
    }

    /// The lane's first is done: the one behind it takes its turn. Where the first had no answer, those that were there at the time `late`
    /// are given up: each would take as long.
    fn next(&mut self, author: &Author, to: &Address, late: Option<Millis>, given_up: &mut Vec<Answer>) -> Option<Do> {
        let (to, lane) = self.lanes.remove_entry(to)?;
        self.count -= 1;
        self.bytes -= lane.bytes();
        let (route, mut waiting) = lane.end();
        while let Some(entry) = waiting.pop_front() {
            let was_tried = self.tried.contains(&entry.id);
            if late.is_none_or(|late| entry.time > late) {
                let (lane, todo) = Lane::begin(author, route, entry, !was_tried, waiting);
                self.lanes.insert(to, lane);
                return Some(todo);
            }
            self.count -= 1;
            self.bytes -= weight(&entry);
            given_up.push(if was_tried { Answer::unknown(entry.id) } else { Answer::not_its_turn(entry.id) });
        }
        None
    }
}

impl From<Answer> for Then {
    fn from(answer: Answer) -> Then {
        Then { answer: Some(answer), ..Then::default() }
    }
}

/// Where a send leads and what is to be stored, or the refusal.
fn check(now: Millis, author: &Author, send: Send) -> Result<(Route, Entry), Answer> {
    let id = send.id;
    let refuse = |code: Code, why: &dyn std::fmt::Display| Answer::refused(id, code, why.to_string());
    let to = send.address().map_err(|error| refuse(Code::BadAddress, &error))?.said_in(&author.region);
    send.content.check().map_err(|error| refuse(code_of(&error), &error))?;
    let route = Route::of(&to, author).map_err(|error| refuse(Code::Unsupported, &error))?;
    if matches!((&route, &send.content), (Route::Mailbox(_), Content::Message { mentions, .. }) if !mentions.is_empty())
    {
        return Err(refuse(Code::BadContent, &"`mentions` are of messages in groups"));
    }
    Ok((route, Entry { id, from: author.sender(), to, order: None, time: now, body: Body::Content(send.content) }))
}

fn code_of(error: &ContentError) -> Code {
    match error {
        ContentError::TooLarge(_) => Code::TooLarge,
        ContentError::TooManyAttachments(_)
        | ContentError::Attachments
        | ContentError::Empty
        | ContentError::Mentions
        | ContentError::Emoji
        | ContentError::Systems => Code::BadContent,
    }
}

/// The bytes that an entry holds while it waits.
fn weight(entry: &Entry) -> usize {
    let said = |text: &Option<String>, data: &Option<Blob>| {
        text.as_ref().map_or(0, String::len) + data.as_ref().map_or(0, |data| data.0.len())
    };
    match &entry.body {
        Body::Content(Content::Message { text, data, attachments, .. }) => {
            said(text, data) + attachments.len() * size_of::<Attachment>()
        }
        Body::Content(Content::Edit { text, data, .. }) => said(text, data),
        Body::Content(Content::Delete { .. } | Content::React { .. }) | Body::Tombstone { .. } => 0,
        // A client's is refused before it is weighed.
        Body::Content(Content::Membership(_) | Content::Failed(_) | Content::Settings(_)) => 0,
    }
}

/// Remembers an id; of too many the oldest is forgotten.
fn remember(ids: &mut VecDeque<MessageId>, id: MessageId, most: usize) {
    if ids.contains(&id) {
        return;
    }
    if ids.len() == most {
        ids.pop_front();
    }
    ids.push_back(id);
}
