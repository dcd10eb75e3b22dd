//! One reader of a shard, decided without I/O: who reads, from where, in which epoch, and that nothing is passed over.
//!
//! Drive it: give every input to [`Reader::handle`] in the order it happened, with the time it happened on a clock that never goes back
//! (it need not tell the time of day); carry out the outputs in order, before the next input. It never waits. Inputs that answer an output
//! ([`Input::Looked`], [`Input::Compared`], [`Input::Stored`], [`Input::EpochSeen`]) come once for each, whatever became of it; outputs of
//! one kind are never out twice at once. Entries are given only while [`Reader::reading`] says so, those of the consumer that the last
//! [`Output::Open`] asked for; a consumer that is made anew by itself begins with [`Input::Opened`] again. [`Input::Tick`] comes at
//! [`Reader::deadline`] at the latest.
//!
//! A saved position covers only entries whose [`Output::Entry`] came before: a role that has done what it does with each entry before the
//! next output is carried out is told every entry again whose effects are not done.
//!
//! | phase | waits for | what ends it |
//! |---|---|---|
//! | `Standby` | a look that finds the record given back, unchanged for the lease, damaged, or none | such a look: `Taking` |
//! | `Taking` | the comparison of the position with the stream | made: `Claiming`; not to be made: `Standby` |
//! | `Claiming` | the write that takes the shard, or the first one in an epoch | written: `Opening`; refused: `Standby` |
//! | `Opening` | the consumer | it stands: `Checking` |
//! | `Checking` | the comparison of the reader's own position with the stream | the same log: `Reading`; it went back: `Claiming` |
//! | `Reading` | entries and doubts | a consumer made anew: `Checking`; an old number again: `Opening`; the log went back: `Claiming` |
//! | `Releasing` | the last write | its outcome, whatever it is: `Stopped` |
//!
//! From `Claiming` on, a save that is refused or late leads to `Standby`, and a stop to `Releasing`; before, a stop leads to `Stopped`.
//!
//! A reader that follows claims in the epoch of the deliver reader's record, and waits while there is none. Where the log went back and
//! that record does not say so after [`CONFIRM_AFTER`], the deliver reader had not read what is gone: it begins anew in the same epoch. In
//! another one it goes on behind its position where its entry is still there as it was; otherwise it begins anew, before the first entry,
//! for it can't tell which of the entries that it read are gone. It looks for another epoch each time it renews its lease: until then,
//! positions that it gives may name the epoch before.

use dunlin_schema::{Millis, Position, Seq, StreamTime, read::ReadFrom, record::ReaderRecord};

mod follow;
mod language;
mod phase;
#[cfg(test)]
mod tests;

pub use language::{Because, Compared, DoubtId, Epochs, Event, Input, Lost, Output, Resume, Setup, Stored};

use self::phase::Phase;
use super::ownership::{Found, Looked, NOBODY, Ownership, Turn};

/// How long after a comparison that could not be made, it is tried again.
pub const COMPARE_AGAIN: Millis = Millis(500);
/// How long after a replicated log seemed to have gone back, it is looked at again: a new leader may not have applied all it will.
pub const CONFIRM_AFTER: Millis = Millis(2_000);
/// Doubts that wait for one comparison; more get no answer.
pub const DOUBTS: usize = 256;

/// One shard's reader.
#[derive(Clone, Debug)]
pub struct Reader {
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
    looking: bool,
    saving: Option<Saving>,
    /// A claim that waits for the write under way.
    next: Option<Claim>,
    comparing: Option<Comparing>,
    compare_at: Option<Millis>,
    /// The log seemed to have gone back, and is looked at once more.
    doubtful: bool,
    doubts: Vec<DoubtId>,
    asking_epoch: bool,
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

impl Reader {
    /// A standby.
    pub fn new(setup: Setup) -> Reader {
        Reader {
            phase: Phase::Standby,
            boot: String::new(),
            position: match setup.epochs {
                Epochs::Follows(Resume::Projected(position)) => position,
                Epochs::Follows(Resume::Saved) | Epochs::Begins { .. } => Position::default(),
            },
            ownership: Ownership::new(setup.owner.clone()),
            known: Position::default(),
            looking: false,
            saving: None,
            next: None,
            comparing: None,
            compare_at: None,
            doubtful: false,
            doubts: Vec::new(),
            asking_epoch: false,
            setup,
        }
    }

    /// Whether the consumer's events are wanted now.
    pub fn reading(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Reading)
    }

    /// Whether entries are being read.
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Reading
    }

    /// The last entry that was read, if entries are being read now and nobody else may have the shard: what an answer may be made of.
    pub fn live_at(&self, now: Millis) -> Option<Position> {
        (self.is_live() && !self.ownership.lapsed(now)).then_some(self.position)
    }

    /// Until when nobody else may have the shard; `None` where it is not this reader's.
    pub fn lapses_at(&self) -> Option<Millis> {
        self.ownership.lapses_at()
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
            Input::Entry { seq, time } => self.entry(seq, time, out),
            Input::Doubted(doubt) => self.doubted(doubt, out),
            Input::EpochSeen(epoch) => self.epoch_seen(epoch, out),
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
        if owns && self.ownership.renewal_due(now) {
            self.ask_epoch(out);
            if self.saving.is_none() {
                let record = self.ownership.record(self.position, &self.boot);
                self.save(now, record, Kind::Renewal, out);
            }
        }
        if self.compare_at.is_some_and(|at| at <= now) {
            self.compare(out);
        }
    }

    fn entry(&mut self, seq: Seq, time: StreamTime, out: &mut Vec<Output>) {
        if self.phase != Phase::Reading {
            return;
        }
        if seq <= self.position.seq {
            // Read already, or the numbers are used again: a new consumer brings a new comparison.
            self.open(out);
            return;
        }
        let after_hole = seq != self.position.seq.next();
        if after_hole {
            out.push(Output::Event(Event::Hole { after: self.position.seq, until: seq }));
        }
        self.position = Position { seq, time, ..self.position };
        out.push(Output::Entry { position: self.position, after_hole });
    }

    /// The doubted position is not looked at: it may be forged. The reader compares its own.
    fn doubted(&mut self, doubt: DoubtId, out: &mut Vec<Output>) {
        let owns = matches!(self.phase, Phase::Claiming | Phase::Opening | Phase::Checking | Phase::Reading);
        if !owns || self.doubts.len() >= DOUBTS {
            out.push(Output::Declined(doubt));
            return;
        }
        self.doubts.push(doubt);
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
                let of = match self.setup.epochs {
                    Epochs::Begins { .. } => self.known.later(self.position),
                    Epochs::Follows(resume) => self.resumes_at(resume),
                };
                self.comparing = Some(Comparing { of, doubts: self.doubts.len(), stale: false });
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
        let (replicas, sync_always) = match self.setup.epochs {
            Epochs::Begins { replicas, sync_always } => (replicas, sync_always),
            Epochs::Follows(_) => return self.follow(now, of, doubts, compared, out),
        };
        let tail_may_be_lost = replicas == 1 && !sync_always;
        match judge(tail_may_be_lost, found.as_ref(), of, &compared) {
            Some(Because::EndBelow | Because::OtherEntry) if replicas > 1 && !self.doubtful => {
                self.doubtful = true;
                if self.phase == Phase::Reading {
                    self.phase = Phase::Checking;
                }
                self.compare_at = Some(now.plus(CONFIRM_AFTER));
            }
            None if self.ownership.is_owner() => {
                self.doubtful = false;
                self.read_on(doubts, out);
            }
            because => {
                self.doubtful = false;
                self.claim(now, found, of, compared, because, out);
            }
        }
    }

    /// The log is as it was read: its entries are taken, and the first `doubts` doubts have their answer.
    fn read_on(&mut self, doubts: usize, out: &mut Vec<Output>) {
        self.phase = Phase::Reading;
        let position = self.position;
        out.extend(self.doubts.drain(..doubts).map(|doubt| Output::Verified { doubt, position }));
        if !self.doubts.is_empty() {
            self.compare(out);
        }
    }

    fn not_compared(&mut self, now: Millis, doubts: usize, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Taking(_) => {
                self.doubtful = false;
                self.phase = Phase::Standby;
            }
            Phase::Reading => {
                out.extend(self.doubts.drain(..doubts).map(Output::Declined));
                if !self.doubts.is_empty() {
                    self.compare_at = Some(now.plus(COMPARE_AGAIN));
                }
            }
            Phase::Checking => self.compare_at = Some(now.plus(COMPARE_AGAIN)),
            Phase::Standby | Phase::Claiming | Phase::Opening | Phase::Releasing | Phase::Stopped => {}
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
        let begins_after = because.map(|_| of.epoch);
        let record = ReaderRecord { begins_after, ..self.ownership.record(position, &compared.boot) };
        self.claim_with(now, Claim { record, because }, out);
    }

    /// Writes the claim, after what is being written.
    fn claim_with(&mut self, now: Millis, claim: Claim, out: &mut Vec<Output>) {
        if self.is_owner() {
            out.push(Output::Close);
        }
        self.phase = Phase::Claiming;
        self.next = Some(claim);
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
                if took_over {
                    out.push(Output::Event(Event::TookOver { position: self.position }));
                }
                if let Some(because) = because {
                    out.push(Output::Event(Event::EpochBegun { epoch: self.position.epoch, because }));
                }
                out.push(Output::Begin(self.position));
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
        out.extend(self.doubts.drain(..).map(Output::Declined));
        self.phase = if stopping { Phase::Stopped } else { Phase::Standby };
        if stopping {
            out.push(Output::Stopped);
        }
    }

    fn stop(&mut self, now: Millis, out: &mut Vec<Output>) {
        self.next = None;
        self.compare_at = None;
        out.extend(self.doubts.drain(..).map(Output::Declined));
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

/// Why a new epoch must begin, if it must. `of` is the furthest position known, and what was compared.
fn judge(tail_may_be_lost: bool, found: Option<&Found>, of: Position, compared: &Compared) -> Option<Because> {
    let Some(found) = found else { return Some(Because::NoRecord) };
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
