//! The simpler rules of COUNTEREXAMPLES.md, each planted at the boundary of the real cores: the world misreports what a core is told, or
//! changes what it says, so that the whole behaves as the simpler rule would. Each must be caught.
//!
//! What can't be planted here: rules about what a consumer of JetStream does (durable ones, explicit acks, work queues), which the cores
//! meet only as entries out of order; and the late path of a reader's item, of which this release has none.

use std::collections::HashMap;

use dunlin_gateway::{
    sending::{Append, Step},
    session::HeadOf,
};
use dunlin_nats::append::core::{AppendOnce, Item, Known, Place};
use dunlin_schema::{
    Cursor, Epoch, Millis, Position, Seq, StreamTime,
    heads::{Head, HeadsAnswer},
    limits::{self, Bounds},
    live::LiveEntry,
    read::{Evidence, ReadAnswer, ReadFrom, ReadRequest, StoredEntry},
};
use dunlin_workers::reader::core::Compared;

use super::shape::{Faults, Shape};

listed! {
    /// A simpler rule.
    Plant {
    // Storing.
    /// `Nats-Msg-Id = <sender>:<id>`.
    MessageIdWithoutLog,
    /// Publishing on a connection that reconnects.
    PublishesWaitForTheLink,
    /// Late: read, and publish if it is not there.
    LateWithoutExpectation,
    /// Late: expect the last sequence of the range that was read, 0 if empty.
    LateExpectsTheEndOfTheRange,
    /// Late: not found means not stored.
    NotFoundMeansNotStored,
    /// The same, of what was erased.
    ErasedWithoutTombstone,
    /// Fresh for 60 s with a window of 120 s.
    FreshForAMinute,
    /// Recipient and sent copy in parallel.
    CopyInParallel,
    /// Late: an id that is remembered is stored.
    RememberedIsStored,
    /// Late: an id that is remembered is stored if the stream has it at that sequence.
    RememberedInAnyLog,
    /// Late: the last entry has the remembered sequence, so it is the same log.
    RememberedEndIsASequence,
    /// Late: what was read stays true; only what came since is read.
    RemembersAnotherLog,
    /// Late: what is not remembered is not stored, however far back.
    RemembersEverything,
    /// Looking for a message: a log ends where any replica says that it does.
    LookEndsWhereAnyReplicaDoes,
    // Reading in order.
    /// `after` reaches down to 0.
    AfterReachesDown,
    /// Evicting from the heads map without raising the floor.
    EvictionLeavesTheFloor,
    /// A hole in the stream says nothing.
    HoleSaysNothing,
    /// A position is a sequence.
    PositionIsASequence,
    // Resuming.
    /// The head equals the cursor's sequence: nothing to read.
    HeadIsASequence,
    /// The cursor's own entry is missing: gap.
    MissingOwnEntryIsAGap,
    /// No entry missing that we can see: no gap.
    NothingSeenMissingIsNoGap,
    /// A head below what was sent: gap.
    HeadBelowSentIsAGap,
    /// After a gap: everything from the beginning.
    FromTheBeginningAfterAGap,
    /// `at` of every cursor is now.
    AtIsNow,
    /// Fewer than a mailbox's entries follow, tombstones counted once: nothing was dropped.
    TombstonesCountOnce,
    /// A slow socket: `sent` is what was queued.
    SentIsWhatWasQueued,
    /// Nothing in STATE says that something is missing.
    NoBoot,
    /// A mark of a clean stop spares the new epoch.
    CleanStopSparesTheEpoch,
    /// A cursor's `at` before the loss means gap, after it none.
    AtAfterTheLossIsFine,
    /// The reader's clock names the epoch.
    ReadersClockNamesTheEpoch,
    /// Order everything by time.
    OrderByTime,
    /// Proof once, then many requests.
    ProofOnce,
    /// Cursor 0, nothing there: no read, no gap.
    NoProofAtZero,
    /// After a gap the sender repeats what it sent since the gap's beginning.
    RepeatsSinceTheGap,
    /// What was unanswered at the gap is answered, so fine.
    UnansweredAtTheGapIsFine,
    /// The own entry is gone and an older one is there: nothing was dropped.
    OlderEntryIsAProof,
    /// The first live entry tells how far the reader is.
    LiveEntryIsAHead,
    }
}

/// How far a publish's age is moved by [`Plant::FreshForAMinute`].
const YOUNGER: Millis = Millis(30_000);

impl Plant {
    /// Leans the schedule towards what the rule is about.
    pub(crate) fn shape(self, shape: &mut Shape) {
        use Plant::*;
        // Forged cursors are another matter.
        shape.faults.forged = 0;
        let lone = |shape: &mut Shape| (shape.replicas, shape.sync_always) = (1, false);
        let faults = &mut shape.faults;
        match self {
            MessageIdWithoutLog | CopyInParallel => {}
            RememberedIsStored | RememberedInAnyLog | RememberedEndIsASequence | RemembersAnotherLog => {
                (faults.power_loss, faults.repeat_elsewhere, faults.forgets) = (60, 300, 0);
                (faults.gateway_crash, faults.gateway_cut) = (0, 0);
                lone(shape);
            }
            RemembersEverything => {
                (faults.repeat_elsewhere, faults.long_wait, faults.forgets) = (300, 60, 0);
                (faults.gateway_crash, faults.gateway_cut) = (0, 0);
            }
            PublishesWaitForTheLink => {
                (faults.publish_lost, faults.repeat_elsewhere, faults.long_wait) = (200, 100, 60)
            }
            LateWithoutExpectation => (faults.publish_late, faults.repeat_elsewhere, faults.long_wait) = (300, 300, 30),
            LateExpectsTheEndOfTheRange => (faults.repeat_elsewhere, faults.long_wait) = (200, 100),
            NotFoundMeansNotStored => (faults.repeat_elsewhere, faults.burst) = (200, 100),
            ErasedWithoutTombstone => (faults.repeat_elsewhere, faults.erase) = (200, 200),
            FreshForAMinute => {
                shape.devices_per_user = 2;
                shape.faults = Faults { publish_late: 600, ..Faults::default() };
            }
            AfterReachesDown | EvictionLeavesTheFloor => faults.reader_crash = 80,
            HoleSaysNothing => (faults.reader_crash, faults.burst, faults.live_lost) = (100, 120, 150),
            PositionIsASequence | NoBoot | HeadIsASequence | OlderEntryIsAProof => {
                faults.power_loss = 50;
                lone(shape);
            }
            MissingOwnEntryIsAGap | LookEndsWhereAnyReplicaDoes => {
                (shape.replicas, shape.sync_always) = (3, false);
                (faults.power_loss, faults.server_restart) = (0, 0);
                faults.read_lags = 400;
            }
            NothingSeenMissingIsNoGap => (faults.burst, faults.slow) = (100, 100),
            SentIsWhatWasQueued => {
                (faults.burst, faults.slow, faults.gateway_crash, faults.gateway_cut) = (100, 100, 0, 0)
            }
            HeadBelowSentIsAGap => (faults.reader_pause, faults.heads_lost) = (100, 0),
            FromTheBeginningAfterAGap => (faults.burst, faults.slow) = (100, 60),
            AtIsNow => (faults.long_wait, faults.slow, faults.burst) = (120, 150, 60),
            TombstonesCountOnce => (faults.erase, faults.burst, faults.forged, faults.cursor_lost) = (250, 100, 0, 0),
            CleanStopSparesTheEpoch => {
                (faults.reader_stop, faults.power_loss, faults.reader_crash) = (100, 200, 0);
                shape.readers = 1;
                lone(shape);
            }
            AtAfterTheLossIsFine => {
                (faults.power_loss, faults.reader_pause) = (60, 100);
                lone(shape);
            }
            ReadersClockNamesTheEpoch => {
                (faults.power_loss, faults.reader_crash) = (100, 60);
                shape.readers = 2;
                lone(shape);
            }
            OrderByTime => {
                (shape.replicas, shape.sync_always) = (3, false);
                (faults.power_loss, faults.server_restart) = (0, 0);
                faults.election = 100;
            }
            ProofOnce => {
                (shape.replicas, shape.sync_always) = (3, false);
                (faults.power_loss, faults.server_restart) = (0, 0);
                (faults.read_lags, faults.burst, faults.slow) = (500, 150, 60);
            }
            LiveEntryIsAHead => {
                (shape.replicas, shape.sync_always, shape.devices_per_user) = (3, false, 2);
                (faults.read_lags, faults.live_late, faults.burst) = (500, 300, 100);
            }
            NoProofAtZero => (faults.long_wait, faults.forged, faults.cursor_lost) = (120, 0, 0),
            RepeatsSinceTheGap | UnansweredAtTheGapIsFine => {
                (faults.power_loss, faults.publish_late, faults.ack_lost) = (150, 80, 300);
                (faults.cursor_lost, faults.gateway_crash, faults.gateway_cut) = (0, 0, 0);
                (faults.reader_crash, faults.reader_pause, faults.reader_stop) = (0, 0, 0);
                lone(shape);
            }
        }
    }

    // Appends.

    pub(crate) fn append(self, append: &mut Append) {
        if self == Plant::CopyInParallel && append.key.step == Step::Copy {
            append.entry.order = None;
        }
    }

    /// What the append core takes for the log's bounds.
    pub(crate) fn bounds(self, bounds: &Bounds) -> Bounds {
        let forever = Millis(u64::MAX / 4);
        let retention = if self == Plant::NotFoundMeansNotStored { forever } else { bounds.retention };
        Bounds { retention, ..*bounds }
    }

    /// What the append core takes for now when it begins.
    pub(crate) fn begins(self, now: Millis, item: &Item) -> Millis {
        let age = now.since(item.entry.id.time());
        let moved = self == Plant::FreshForAMinute && age >= limits::FRESH_FOR && age < limits::FRESH_FOR.plus(YOUNGER);
        if moved { now.minus(YOUNGER) } else { now }
    }

    /// The `Nats-Msg-Id` and the expectation of a publish; `unique` is no other publish's.
    pub(crate) fn publish(self, id: &mut String, expect: &mut Option<Seq>, item: &Item, unique: &str) {
        if self == Plant::MessageIdWithoutLog {
            *id = format!("{}:{}", item.entry.from, item.entry.id);
        }
        if self == Plant::LateWithoutExpectation && expect.take().is_some() {
            unique.clone_into(id);
        }
    }

    /// What the leader says is the last of the log.
    pub(crate) fn last(self, last: Option<Place>, append: &AppendOnce) -> Option<Place> {
        let since = StreamTime::from(append.item().entry.id.time().minus(limits::LATE_MARGIN));
        let head = append.known().map(Known::head).filter(|_| self == Plant::RememberedEndIsASequence);
        let last = last.map(|last| head.filter(|head| head.seq == last.seq).unwrap_or(last));
        last.filter(|last| self != Plant::LateExpectsTheEndOfTheRange || last.time >= since)
    }

    /// What a late append is given of what was read before.
    pub(crate) fn remembers(self, mut known: Known) -> Known {
        if self == Plant::RemembersEverything {
            known.since = StreamTime(0);
        }
        known
    }

    /// What the leader says stands at a sequence where the item was seen.
    pub(crate) fn read_back(self, found: Option<StoredEntry>, seq: Seq, append: &AppendOnce) -> Option<StoredEntry> {
        let known = append.known().filter(|_| self == Plant::RememberedIsStored);
        let payload = append.item().entry.encode();
        known.map(|_| StoredEntry { seq, time: StreamTime(0), payload }).or(found)
    }

    /// What a server says that follows the entry at which the reading ended.
    pub(crate) fn read_on(self, answer: &mut ReadAnswer, request: &ReadRequest, head: Place) {
        if self == Plant::RemembersAnotherLog && request.from == ReadFrom::Seq(head.seq) {
            answer.entries.retain(|entry| entry.seq != head.seq);
            let seen = StoredEntry { seq: head.seq, time: head.time, payload: bytes::Bytes::new() };
            answer.entries.insert(0, seen);
        }
        if self == Plant::RememberedEndIsASequence {
            answer.entries.iter_mut().filter(|entry| entry.seq == head.seq).for_each(|entry| entry.time = head.time);
        }
    }

    /// What the leader says is the first of the log.
    pub(crate) fn first(self, first: Option<Place>) -> Option<Place> {
        first.filter(|_| self != Plant::NotFoundMeansNotStored)
    }

    // Readers.

    pub(crate) fn compared(self, compared: &mut Compared) {
        if matches!(self, Plant::NoBoot | Plant::PositionIsASequence) {
            compared.boot = String::new();
        }
        if self == Plant::PositionIsASequence {
            compared.time = None;
        }
    }

    /// When STATE says that a reader's record was stored.
    pub(crate) fn stamp(self, now: u64, reader: usize) -> u64 {
        let skew = if self == Plant::ReadersClockNamesTheEpoch && reader % 2 == 1 { 5_000_000_000 } else { 0 };
        now - skew
    }

    /// Whether promises are expected to be false: then what devices lack must show it.
    pub(crate) fn breaks_promises(self) -> bool {
        matches!(self, Plant::AfterReachesDown | Plant::EvictionLeavesTheFloor | Plant::HoleSaysNothing)
    }

    // Sessions.

    /// A session's share of a comparison.
    pub(crate) fn share(self, share: &mut HeadOf, sent: Option<&Cursor>) {
        let Some(sent) = sent else { return };
        let own = sent.position;
        match (self, &mut share.head) {
            (Plant::HeadIsASequence, Some(head)) if head.seq == own.seq => {
                (head.time, share.position.epoch) = (own.time, own.epoch);
            }
            (Plant::HeadBelowSentIsAGap, Some(head)) if head.seq < own.seq => {
                share.position.epoch = Epoch(own.epoch.0.saturating_add(1));
            }
            (Plant::OrderByTime, Some(head)) if head.seq > own.seq && head.time < own.time => {
                *head = Head { seq: own.seq, time: own.time };
            }
            _ => {}
        }
    }

    /// What a session that is not compared yet takes from a live entry.
    pub(crate) fn opened_by(self, live: &LiveEntry) -> Option<HeadOf> {
        let LiveEntry { position, after, .. } = *live;
        let head = Some(Head { seq: position.seq, time: position.time });
        (self == Plant::LiveEntryIsAHead).then_some(HeadOf { position, head, floor: after })
    }

    /// Whether a live entry reaches the session.
    pub(crate) fn hides(self, position: &Position, sent: Option<&Cursor>) -> bool {
        self == Plant::OrderByTime && sent.is_some_and(|sent| position.time <= sent.position.time)
    }

    /// The entries of an answer, before the leader is asked.
    pub(crate) fn read(self, answer: &mut ReadAnswer, request: &ReadRequest, sent: Option<&Cursor>) {
        let Some(own) = sent.map(|sent| sent.position) else { return };
        if self == Plant::OrderByTime {
            answer.entries.retain(|entry| entry.seq <= own.seq || entry.time >= own.time);
        }
        let own_is_missing = own.seq > Seq(0) && !answer.entries.iter().any(|entry| entry.seq == own.seq);
        if self == Plant::MissingOwnEntryIsAGap && request.from == ReadFrom::Seq(own.seq) && own_is_missing {
            let first = answer.entries.first().map(|entry| entry.seq);
            answer.evidence = Some(Evidence { first, stream_last: Seq(u64::MAX), weight: u64::MAX });
        }
    }

    /// What the leader says; `count` entries follow, and `proven` says that an earlier answer held the cursor's own entry.
    pub(crate) fn evidence(self, evidence: &mut Evidence, count: u64, sent: Option<&Cursor>, proven: bool) {
        let at_zero = sent.is_some_and(|sent| sent.position.seq == Seq(0));
        if self == Plant::NothingSeenMissingIsNoGap {
            evidence.weight = 0;
        }
        if self == Plant::TombstonesCountOnce {
            evidence.weight = count;
        }
        if self == Plant::ProofOnce && proven || self == Plant::NoProofAtZero && at_zero {
            evidence.first = Some(Seq(0));
        }
    }

    /// The cursor with which a session begins, `up_since` being when the server last began to run.
    pub(crate) fn comes(self, cursor: &mut Cursor, up_since: Millis, epoch: Epoch) {
        if self == Plant::AtAfterTheLossIsFine && cursor.at >= up_since {
            cursor.position.epoch = epoch;
        }
    }
}

/// A map of heads as the simpler rules keep it, for one reader.
#[derive(Debug, Default)]
pub(crate) struct SimplerHeads {
    heads: HashMap<usize, Head>,
    latest: Option<usize>,
    /// Where the reader began.
    floor: Seq,
}

impl SimplerHeads {
    /// The reader begins to read behind this sequence.
    pub(crate) fn opened(&mut self, plant: Plant, floor: Seq) {
        if plant != Plant::HoleSaysNothing || self.heads.is_empty() {
            self.floor = floor;
        }
    }

    fn get(&self, plant: Plant, user: usize) -> (Option<Head>, Seq) {
        let known = self.heads.get(&user).copied();
        if plant == Plant::AfterReachesDown {
            return (known, Seq(0));
        }
        let evicted = plant == Plant::EvictionLeavesTheFloor && self.latest != Some(user);
        (known.filter(|_| !evicted), self.floor)
    }

    /// Changes what the reader publishes.
    pub(crate) fn live(&mut self, plant: Plant, user: usize, live: &mut LiveEntry) {
        let (known, floor) = self.get(plant, user);
        live.after = known.map_or(floor, |head| head.seq).min(live.position.seq);
        self.heads.insert(user, Head { seq: live.position.seq, time: live.position.time });
        self.latest = Some(user);
    }

    /// Changes what the reader answers.
    pub(crate) fn answer(&self, plant: Plant, users: &[usize], answer: &mut HeadsAnswer) {
        for (user, head) in users.iter().zip(&mut answer.heads) {
            let (known, floor) = self.get(plant, *user);
            *head = known;
            answer.floor = floor;
        }
    }
}
