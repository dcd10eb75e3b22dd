//! What the client sends: checked, appended to the recipient's mailbox, then copied into the sender's own, and answered once.
//!
//! One item at a time for each recipient, so that a sender's order is kept. An item is a lane's first until both of its appends have an
//! outcome. A note to oneself is one entry in one mailbox: a log keeps an id of a sender once.

use std::collections::{BTreeMap, VecDeque};

use dunlin_schema::{
    Address, Code, Content, Entry, Log, MessageId, Millis, Peer, RegionName, Sender, Seq, UserName,
    content::ContentError,
    entry::Body,
    frame::{Send, ServerFrame},
    limits,
};

use super::{Append, AppendFailure, AppendKey, Output, Stored, tail::SharedFrame};

/// When a send that may be stored, or found no room, is to be repeated.
const RETRY_AFTER: Millis = Millis(1_000);
/// Ids remembered that may have been tried before, and ids of copies that are to come back live.
const REMEMBERED: usize = 256;

/// Whose session this is.
#[derive(Debug)]
pub(super) struct Me {
    pub(super) user: UserName,
    pub(super) region: RegionName,
    pub(super) shards: u16,
}

impl Me {
    fn mailbox(&self, user: &UserName) -> Log {
        Log::mailbox(&self.region, self.shards, user)
    }

    fn is(&self, sender: &Sender) -> bool {
        sender.user == self.user && sender.region == self.region
    }
}

/// The sends that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Sending {
    lanes: BTreeMap<UserName, Lane>,
    count: usize,
    bytes: usize,
    tried: VecDeque<MessageId>,
    copies: VecDeque<MessageId>,
}

/// The sends to one recipient: one on its way, the others behind it.
#[derive(Debug)]
struct Lane {
    id: MessageId,
    bytes: usize,
    first_try: bool,
    /// What the recipient's log said, once it did.
    accepted: Option<(Seq, Millis)>,
    waiting: VecDeque<Entry>,
}

impl Sending {
    /// Takes a send. Returns the answer where there is one at once.
    pub(super) fn send(
        &mut self,
        now: Millis,
        me: &Me,
        send: Send,
        admitted: Result<(), Millis>,
        out: &mut Vec<Output>,
    ) -> Option<ServerFrame> {
        let id = send.id;
        if let Err(retry_after) = admitted {
            return Some(rejected(id, Code::RateLimited, "more than your share", Some(retry_after)));
        }
        if self.count >= limits::SENDS_IN_FLIGHT {
            let message = "too many sends wait for their answer: wait for some before sending more";
            return Some(rejected(id, Code::Unavailable, message, Some(RETRY_AFTER)));
        }
        let (to, entry) = match check(now, me, send) {
            Ok(checked) => checked,
            Err(refusal) => return Some(refusal),
        };
        self.count += 1;
        self.bytes += weight(&entry);
        match self.lanes.get_mut(&to) {
            Some(lane) => {
                if lane.id == id || lane.waiting.iter().any(|before| before.id == id) {
                    remember(&mut self.tried, id);
                }
                lane.waiting.push_back(entry);
            }
            None => self.begin(me, to, entry, VecDeque::new(), out),
        }
        None
    }

    /// Puts an item on its way to the recipient.
    fn begin(&mut self, me: &Me, to: UserName, entry: Entry, waiting: VecDeque<Entry>, out: &mut Vec<Output>) {
        let id = entry.id;
        let first_try = !self.tried.contains(&id);
        let lane = Lane { id, bytes: weight(&entry), first_try, accepted: None, waiting };
        let key = AppendKey { to: to.clone(), id, copy: false };
        let log = me.mailbox(&to);
        out.push(Output::Append(Box::new(Append { key, log, entry, first_try, copy_of_new: false })));
        self.lanes.insert(to, lane);
    }

    /// Takes the outcome of an append. Returns the answer where it is the send's last.
    pub(super) fn appended(
        &mut self,
        me: &Me,
        copy_wanted: bool,
        key: AppendKey,
        outcome: Result<Stored, AppendFailure>,
        out: &mut Vec<Output>,
    ) -> Option<ServerFrame> {
        let AppendKey { to, id, copy } = key;
        let lane = self.lanes.get_mut(&to).filter(|lane| lane.id == id && lane.accepted.is_some() == copy)?;
        let answer = match (outcome, lane.accepted) {
            (Ok(Stored { entry, .. }), None) if !entry.is_tombstone() && entry.to.peer != Peer::User(to.clone()) => {
                let message = "this id was used for another address: every send has an id of its own".to_owned();
                ServerFrame::Rejected { id, code: Code::BadContent, message, retry_after: None }
            }
            (Ok(Stored { seq, entry, repeat }), None) => {
                let (order, time) = (entry.order.unwrap_or(seq), entry.time);
                lane.accepted = Some((order, time));
                if copy_wanted && to != me.user && !entry.is_tombstone() {
                    let (log, first_try) = (me.mailbox(&me.user), lane.first_try);
                    let entry = Entry { order: Some(order), ..entry };
                    remember(&mut self.copies, id);
                    let key = AppendKey { to, id, copy: true };
                    out.push(Output::Append(Box::new(Append { key, log, entry, first_try, copy_of_new: !repeat })));
                    return None;
                }
                accepted(id, order, time)
            }
            (Ok(_), Some((order, time))) => accepted(id, order, time),
            // An earlier try stored the recipient's. What this mailbox held then is gone, that try's copy with it: a repeat could not help.
            (Err(AppendFailure::TooOld), Some((order, time))) => accepted(id, order, time),
            // The recipient has it: whatever became of the copy, "no" would be a lie.
            (Err(_), Some(_)) => unknown(id),
            (Err(failure), None) => failed(id, failure),
        };
        if matches!(answer, ServerFrame::Rejected { code: Code::UnknownOutcome, .. }) {
            remember(&mut self.tried, id);
        }
        self.next(me, &to, out);
        Some(answer)
    }

    /// The lane's first is done: the one behind it takes its turn.
    fn next(&mut self, me: &Me, to: &UserName, out: &mut Vec<Output>) {
        let Some((to, lane)) = self.lanes.remove_entry(to) else { return };
        self.count -= 1;
        self.bytes -= lane.bytes;
        let mut waiting = lane.waiting;
        if let Some(entry) = waiting.pop_front() {
            self.begin(me, to, entry, waiting, out);
        }
    }

    /// How many sends have no answer yet, and the bytes that they hold.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.count, self.bytes)
    }

    /// Whether `entry` is the copy of something that this session sent: its device has it. Each is told once.
    pub(super) fn is_own_copy(&mut self, me: &Me, entry: &SharedFrame) -> bool {
        if self.copies.is_empty() || !me.is(&entry.from) || entry.to.peer == Peer::User(me.user.clone()) {
            return false;
        }
        let Some(at) = self.copies.iter().position(|id| *id == entry.id) else { return false };
        self.copies.remove(at);
        if self.copies.is_empty() {
            self.copies = VecDeque::new();
        }
        true
    }
}

/// The recipient and the entry of a send, or the refusal.
fn check(now: Millis, me: &Me, send: Send) -> Result<(UserName, Entry), ServerFrame> {
    let id = send.id;
    let refuse = |code: Code, why: &dyn std::fmt::Display| rejected(id, code, &why.to_string(), None);
    let address = send.address().map_err(|error| refuse(Code::BadAddress, &error))?.said_in(&me.region);
    send.content.check().map_err(|error| refuse(code_of(&error), &error))?;
    let Address { peer, region } = &address;
    if region.as_ref() != Some(&me.region) {
        return Err(refuse(Code::Unsupported, &"this release carries no message to another region"));
    }
    let Peer::User(to) = peer else {
        return Err(refuse(Code::Unsupported, &"this release has no groups"));
    };
    let from = Sender { user: me.user.clone(), region: me.region.clone() };
    let to = to.clone();
    Ok((to, Entry { id, from, to: address, order: None, time: now, body: Body::Content(send.content) }))
}

fn code_of(error: &ContentError) -> Code {
    match error {
        ContentError::TooLarge(_) => Code::TooLarge,
        ContentError::NoMedia => Code::Unsupported,
        ContentError::TooManyAttachments(_) | ContentError::Empty | ContentError::Emoji(_) => Code::BadContent,
    }
}

fn failed(id: MessageId, failure: AppendFailure) -> ServerFrame {
    match failure {
        AppendFailure::TooOld => rejected(
            id,
            Code::TooOld,
            "the id is too old to tell whether it is stored; a new one is a new message",
            None,
        ),
        AppendFailure::FromTheFuture => {
            rejected(id, Code::FromTheFuture, "the id's time is ahead of the server's: set the clock by welcome", None)
        }
        AppendFailure::Full => rejected(id, Code::Unavailable, "the region's storage is full", Some(RETRY_AFTER)),
        AppendFailure::TooLarge => rejected(id, Code::TooLarge, "larger than the region's storage takes", None),
        AppendFailure::Unknown => unknown(id),
    }
}

fn accepted(id: MessageId, order: Seq, time: Millis) -> ServerFrame {
    ServerFrame::Accepted { id, order: Some(order), time }
}

fn unknown(id: MessageId) -> ServerFrame {
    rejected(id, Code::UnknownOutcome, "it may be stored: repeat it with the same id", Some(RETRY_AFTER))
}

fn rejected(id: MessageId, code: Code, message: &str, retry_after: Option<Millis>) -> ServerFrame {
    ServerFrame::Rejected { id, code, message: message.to_owned(), retry_after }
}

fn weight(entry: &Entry) -> usize {
    match &entry.body {
        Body::Content(Content::Message { text, data, .. } | Content::Edit { text, data, .. }) => {
            text.as_ref().map_or(0, String::len) + data.as_ref().map_or(0, |data| data.0.len())
        }
        Body::Content(Content::Delete { .. } | Content::React { .. }) | Body::Tombstone { .. } => 0,
    }
}

fn remember(ids: &mut VecDeque<MessageId>, id: MessageId) {
    if ids.contains(&id) {
        return;
    }
    if ids.len() == REMEMBERED {
        ids.pop_front();
    }
    ids.push_back(id);
}
