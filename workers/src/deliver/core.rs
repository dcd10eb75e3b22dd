//! A shard's deliver reader, decided without I/O.
//!
//! Drive it: give every input to [`Deliver::handle`] in the order it happened, with the time it happened on a clock that never goes back
//! (it need not tell the time of day); carry out the outputs in order. It never waits. Inputs that answer an output
//! ([`Input::Looked`], [`Input::Compared`], [`Input::Stored`]) come once for each, whatever became of it; outputs of one kind are never
//! out twice at once. Entries are given only while [`Deliver::reading`] says so, those of the consumer that the last
//! [`Output::Open`] asked for; a consumer that is made anew by itself begins with [`Input::Opened`] again. [`Input::Tick`] comes at
//! [`Deliver::deadline`] at the latest.
//!
//! What is promised of the outputs: a published `after` and every answered floor are true of the log as this reader read it; an answer's
//! position covers only entries that are in the outputs before it; a saved position likewise, and whoever carries out [`Output::Save`]
//! first makes sure that those publishes have reached the server.
//!
//! | phase | waits for | what ends it |
//! |---|---|---|
//! | `Standby` | a look that finds the record given back, unchanged for the lease, damaged, or none | such a look: `Taking` |
//! | `Taking` | the comparison of the record's position with the stream | made: `Claiming`; not to be made: `Standby` |
//! | `Claiming` | the write that takes the shard, or begins an epoch | written: `Opening`; refused: `Standby` |
//! | `Opening` | the consumer | it stands: `Checking` |
//! | `Checking` | the comparison of the reader's own position with the stream | the same log: `Reading`; it went back: `Claiming` |
//! | `Reading` | entries and questions | a consumer made anew: `Checking`; an old number again: `Opening`; the log went back: `Claiming` |
//! | `Releasing` | the last write | its outcome, whatever it is: `Stopped` |
//!
//! From `Claiming` on, a save that is refused or late leads to `Standby`, and a stop to `Releasing`; before, a stop leads to `Stopped`.

use bytes::Bytes;
use dunlin_schema::{
    Millis, Position, Seq, StreamTime, UserName,
    heads::{Head, HeadsAnswer, Verified},
    limits,
    live::LiveEntry,
    read::ReadFrom,
    record::ReaderRecord,
};

mod language;
#[cfg(test)]
mod model;
mod phase;
#[cfg(test)]
mod tests;

pub use language::{Asked, Because, Compared, Event, Input, Lost, Output, Setup, Stored};

use self::phase::Phase;
use super::heads::Heads;
use crate::reader::{Found, Looked, NOBODY, Ownership, Turn};

/// How long after a comparison that could not be made, it is tried again.
pub const COMPARE_AGAIN: Millis = Millis(500);
/// How long after a replicated log seemed to have gone back, it is looked at again: a new leader may not have applied all it will.
pub const CONFIRM_AFTER: Millis = Millis(2_000);
/// Doubts of gateways that wait for one comparison; more get no answer.
pub const DOUBTS: usize = 256;

/// One shard's reader.
#[derive(Clone, Debug)]
pub struct Deliver {
    setup: Setup,
    ownership: Ownership,
    phase: Phase,
    /// The boot that the record names.
    boot: String,
    /// The last entry that was read, in the epoch that holds. Sequence 0 with a time: none of this epoch yet, it goes on with what is
    /// stored after that time.
    position: Position,
    /// The furthest position ever heard of, in a record or by reading: what the log must still have.
    known: Position,
    heads: Heads,
    looking: bool,
    saving: Option<Saving>,
    /// A claim that waits for the write under way.
    next: Option<Claim>,
    comparing: Option<Comparing>,
    compare_at: Option<Millis>,
    /// The log seemed to have gone back, and is looked at once more.
    doubtful: bool,
    verifies: Vec<Asked>,
}

#[derive(Clone, Debug)]
struct Claim {
    record: ReaderRecord,
    because: Option<Because>,
}

#[derive(Clone, Debug)]
struct Saving {
    begun: Millis,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Claim(Claim),
    Renewal,
    Release,
}

/// A comparison under way: of which position, how many of the doubts it answers, and whether a reason for another one came meanwhile.
#[derive(Clone, Debug)]
struct Comparing {
    of: Position,
    doubts: usize,
    stale: bool,
}

impl Deliver {
    /// A standby.
    pub fn new(setup: Setup) -> Deliver {
        Deliver {
            ownership: Ownership::new(setup.owner.clone()),
            heads: Heads::new(Seq(0), setup.heads_map),
            setup,
            phase: Phase::Standby,
            boot: String::new(),
            position: Position::default(),
            known: Position::default(),
            looking: false,
            saving: None,
            next: None,
            comparing: None,
            compare_at: None,
            doubtful: false,
            verifies: Vec::new(),
        }
    }

    /// Whether the consumer's events are wanted now.
    pub fn reading(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Reading)
    }

    /// Whether entries are being read and questions answered.
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Reading
    }

    /// Whether the shard is this reader's, as far as it knows.
    pub fn is_owner(&self) -> bool {
        self.ownership.is_owner()
    }

    /// Whether another reader has the shard, as far as the last look tells.
    pub fn is_standing_by(&self) -> bool {
        self.phase == Phase::Standby && self.ownership.sees_an_owner()
    }

    /// The last entry that was read.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Mailboxes in the map of heads.
    pub fn mailboxes(&self) -> usize {
        self.heads.len()
    }

    /// When the next [`Input::Tick`] is due at the latest.
    pub fn deadline(&self) -> Option<Millis> {
        let ownership = match self.phase {
            Phase::Standby => (!self.looking).then(|| self.ownership.deadline()),
            Phase::Opening | Phase::Checking | Phase::Reading => self.is_owner().then(|| self.ownership.deadline()),
            // What is being written renews the lease, or ends it.
            Phase::Claiming | Phase::Releasing => self.ownership.lapses_at(),
            Phase::Taking(_) | Phase::Stopped => None,
        };
        ownership.into_iter().chain(self.compare_at).min()
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        if self.ownership.lapsed(now) {
            self.step_down(now, Lost::Lapsed, out);
        }
        match input {
            Input::Entry { mailbox, seq, time, payload } => self.entry(mailbox, seq, time, payload, out),
            Input::HeadsAsked { asked, users } => self.heads_asked(asked, &users, out),
            Input::VerifyAsked { asked } => self.verify_asked(asked, out),
            Input::Looked(looked) => self.looked(now, &looked, out),
            Input::Compared(compared) => self.compared(now, compared, out),
            Input::Stored(stored) => self.stored(now, stored, out),
            Input::Opened => self.opened(out),
            Input::Tick => {}
            Input::Stop => self.stop(now, out),
        }
        self.pass_time(now, out);
    }

    fn pass_time(&mut self, now: Millis, out: &mut Vec<Output>) {
        if self.phase == Phase::Standby && !self.looking && self.ownership.look_due(now) {
            self.looking = true;
            out.push(Output::Look);
        }
        let owns = matches!(self.phase, Phase::Opening | Phase::Checking | Phase::Reading);
        if owns && self.ownership.renewal_due(now) && self.saving.is_none() {
            let record = self.ownership.record(self.position, &self.boot);
            self.save(now, record, Kind::Renewal, out);
        }
        if self.compare_at.is_some_and(|at| at <= now) {
            self.compare(out);
        }
    }

    fn entry(&mut self, mailbox: Option<UserName>, seq: Seq, time: StreamTime, payload: Bytes, out: &mut Vec<Output>) {
        if self.phase != Phase::Reading {
            return;
        }
        if seq <= self.position.seq {
            // Read already, or the numbers are used again: a new consumer brings a new comparison.
            self.open(out);
            return;
        }
        if seq != self.position.seq.next() {
            self.heads.clear(seq);
            out.push(Output::Event(Event::Hole { after: self.position.seq, until: seq }));
        }
        self.position = Position { seq, time, ..self.position };
        if let Some(user) = mailbox {
            let after = self.heads.rise(user.clone(), Head { seq, time });
            out.push(Output::Publish { user, live: LiveEntry { position: self.position, after, entry: payload } });
        }
    }

    fn heads_asked(&mut self, asked: Asked, users: &[UserName], out: &mut Vec<Output>) {
        if self.phase != Phase::Reading || users.len() > limits::HEADS_PAGE {
            out.push(Output::Decline(asked));
            return;
        }
        let heads = users.iter().map(|user| self.heads.get(user)).collect();
        let answer = HeadsAnswer { position: self.position, floor: self.heads.floor(), heads };
        out.push(Output::Heads { asked, answer });
    }

    /// The doubted position is not looked at: it may be forged. The reader compares its own.
    fn verify_asked(&mut self, asked: Asked, out: &mut Vec<Output>) {
        let owns = matches!(self.phase, Phase::Claiming | Phase::Opening | Phase::Checking | Phase::Reading);
        if !owns || self.verifies.len() >= DOUBTS {
            out.push(Output::Decline(asked));
            return;
        }
        self.verifies.push(asked);
        if self.phase == Phase::Reading && self.comparing.is_none() {
            self.compare(out);
        }
    }

    fn looked(&mut self, now: Millis, looked: &Looked, out: &mut Vec<Output>) {
        self.looking = false;
        if let Looked::Record { record, stamp, .. } = looked {
            let position = Position { epoch: record.epoch(*stamp), ..record.position };
            self.known = self.known.later(position);
        }
        if self.phase != Phase::Standby {
            return;
        }
        match self.ownership.looked(now, looked) {
            Turn::Take(found) if self.saving.is_none() => {
                self.phase = Phase::Taking(found);
                self.compare(out);
            }
            Turn::Take(_) | Turn::Wait => {}
        }
    }

    fn opened(&mut self, out: &mut Vec<Output>) {
        if matches!(self.phase, Phase::Opening | Phase::Checking | Phase::Reading) {
            self.phase = Phase::Checking;
            self.compare(out);
        }
    }

    /// Asks for a comparison that begins after now.
    fn compare(&mut self, out: &mut Vec<Output>) {
        self.compare_at = None;
        match &mut self.comparing {
            Some(comparing) => comparing.stale = true,
            None => {
                let of = self.known.later(self.position);
                self.comparing = Some(Comparing { of, doubts: self.verifies.len(), stale: false });
                out.push(Output::Compare(of.seq));
            }
        }
    }

    fn compared(&mut self, now: Millis, compared: Option<Compared>, out: &mut Vec<Output>) {
        let Some(Comparing { of, doubts, stale }) = self.comparing.take() else { return };
        let found = match &self.phase {
            Phase::Taking(found) => found.clone(),
            Phase::Checking | Phase::Reading => Some(Found { position: self.position, boot: self.boot.clone() }),
            Phase::Standby | Phase::Claiming | Phase::Opening | Phase::Releasing | Phase::Stopped => return,
        };
        if stale {
            return self.compare(out);
        }
        let Some(compared) = compared else { return self.not_compared(now, doubts, out) };
        match self.judge(found.as_ref(), of, &compared) {
            Some(Because::EndBelow | Because::OtherEntry) if self.setup.replicas > 1 && !self.doubtful => {
                self.doubtful = true;
                if self.phase == Phase::Reading {
                    self.phase = Phase::Checking;
                }
                self.compare_at = Some(now.plus(CONFIRM_AFTER));
            }
            None if self.ownership.is_owner() => {
                self.doubtful = false;
                self.phase = Phase::Reading;
                self.verified(doubts, out);
                if !self.verifies.is_empty() {
                    self.compare(out);
                }
            }
            because => {
                self.doubtful = false;
                self.claim(now, found, of, compared, because, out);
            }
        }
    }

    fn not_compared(&mut self, now: Millis, doubts: usize, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Taking(_) => {
                self.doubtful = false;
                self.phase = Phase::Standby;
            }
            Phase::Reading => {
                out.extend(self.verifies.drain(..doubts).map(Output::Decline));
                if !self.verifies.is_empty() {
                    self.compare_at = Some(now.plus(COMPARE_AGAIN));
                }
            }
            Phase::Checking => self.compare_at = Some(now.plus(COMPARE_AGAIN)),
            Phase::Standby | Phase::Claiming | Phase::Opening | Phase::Releasing | Phase::Stopped => {}
        }
    }

    /// Why a new epoch must begin, if it must. `of` is the furthest position known, and what was compared.
    fn judge(&self, found: Option<&Found>, of: Position, compared: &Compared) -> Option<Because> {
        let Some(found) = found else { return Some(Because::NoRecord) };
        let tail_may_be_lost = self.setup.replicas == 1 && !self.setup.sync_always;
        if of.epoch > found.position.epoch {
            Some(Because::RecordWentBack)
        } else if tail_may_be_lost && compared.boot != found.boot {
            Some(Because::OtherBoot)
        } else if compared.last < of.seq {
            Some(Because::EndBelow)
        } else if of.seq > Seq(0) && compared.time.is_some_and(|time| time != of.time) {
            Some(Because::OtherEntry)
        } else {
            None
        }
    }

    fn claim(
        &mut self,
        now: Millis,
        found: Option<Found>,
        of: Position,
        compared: Compared,
        because: Option<Because>,
        out: &mut Vec<Output>,
    ) {
        let mut position = found.map_or_else(Position::default, |found| found.position);
        // Where the log still has the furthest entry known, it has all below it as they were. Otherwise the number means nothing any
        // more, and the reader goes on with what is stored after the time.
        let intact = of.epoch == position.epoch && compared.time == Some(of.time);
        if because.is_some() && !intact {
            position.seq = Seq(0);
        }
        if self.is_owner() {
            out.push(Output::Close);
        }
        let begins_after = because.map(|_| of.epoch);
        let record = ReaderRecord { begins_after, ..self.ownership.record(position, &compared.boot) };
        self.phase = Phase::Claiming;
        self.next = Some(Claim { record, because });
        self.save_next(now, out);
    }

    fn save_next(&mut self, now: Millis, out: &mut Vec<Output>) {
        if self.saving.is_none()
            && let Some(claim) = self.next.take()
        {
            self.save(now, claim.record.clone(), Kind::Claim(claim), out);
        }
    }

    fn save(&mut self, now: Millis, record: ReaderRecord, kind: Kind, out: &mut Vec<Output>) {
        self.saving = Some(Saving { begun: now, kind });
        out.push(Output::Save { record, expected: self.ownership.revision() });
    }

    fn stored(&mut self, now: Millis, stored: Option<Stored>, out: &mut Vec<Output>) {
        let Some(Saving { begun, kind }) = self.saving.take() else { return };
        if matches!(self.phase, Phase::Standby | Phase::Taking(_) | Phase::Stopped) {
            // Given up meanwhile. The next look shows what became of it.
            return;
        }
        let Some(stored) = stored else { return self.step_down(now, Lost::NotStored, out) };
        let took_over = !self.is_owner();
        self.ownership.stored(begun, stored.revision);
        match kind {
            Kind::Renewal => {}
            Kind::Release => {
                self.phase = Phase::Stopped;
                out.push(Output::Stopped);
                return;
            }
            Kind::Claim(Claim { record, because }) => {
                self.position = Position { epoch: record.epoch(stored.stamp), ..record.position };
                self.boot = record.boot;
                self.heads.clear(self.position.seq);
                if took_over {
                    out.push(Output::Event(Event::TookOver { position: self.position }));
                }
                if let Some(because) = because {
                    out.push(Output::Event(Event::EpochBegun { epoch: self.position.epoch, because }));
                }
                if self.phase == Phase::Claiming {
                    self.open(out);
                }
            }
        }
        if self.phase == Phase::Releasing {
            self.release(now, out);
        } else {
            self.save_next(now, out);
        }
    }

    fn open(&mut self, out: &mut Vec<Output>) {
        let Position { seq, time, .. } = self.position;
        let unread = seq == Seq(0) && time > StreamTime(0);
        let from = if unread { ReadFrom::Time(time.next()) } else { ReadFrom::Seq(seq.next()) };
        self.phase = Phase::Opening;
        out.push(Output::Open(from));
    }

    /// Answers the first `doubts` doubts with the position.
    fn verified(&mut self, doubts: usize, out: &mut Vec<Output>) {
        let verified = Verified { position: self.position };
        out.extend(self.verifies.drain(..doubts).map(|asked| Output::Verified { asked, verified }));
    }

    fn step_down(&mut self, now: Millis, lost: Lost, out: &mut Vec<Output>) {
        let stopping = self.phase == Phase::Releasing;
        if self.is_owner() {
            out.push(Output::Event(Event::SteppedDown(lost)));
            if !stopping {
                out.push(Output::Close);
            }
        }
        self.known = self.known.later(self.position);
        self.ownership.lost(now);
        self.next = None;
        self.compare_at = None;
        self.doubtful = false;
        self.heads.clear(Seq(0));
        out.extend(self.verifies.drain(..).map(Output::Decline));
        self.phase = if stopping { Phase::Stopped } else { Phase::Standby };
        if stopping {
            out.push(Output::Stopped);
        }
    }

    fn stop(&mut self, now: Millis, out: &mut Vec<Output>) {
        self.next = None;
        self.compare_at = None;
        out.extend(self.verifies.drain(..).map(Output::Decline));
        match self.phase {
            Phase::Standby | Phase::Taking(_) => {
                self.phase = Phase::Stopped;
                out.push(Output::Stopped);
            }
            Phase::Claiming | Phase::Opening | Phase::Checking | Phase::Reading => {
                if self.is_owner() {
                    out.push(Output::Close);
                }
                self.phase = Phase::Releasing;
                self.release(now, out);
            }
            Phase::Releasing | Phase::Stopped => {}
        }
    }

    /// Writes the record that gives the shard to whoever looks next, after what is being written.
    fn release(&mut self, now: Millis, out: &mut Vec<Output>) {
        if self.saving.is_none() {
            let record = ReaderRecord { owner: NOBODY.to_owned(), ..self.ownership.record(self.position, &self.boot) };
            self.save(now, record, Kind::Release, out);
        }
    }
}
