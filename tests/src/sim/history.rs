//! What happened, and what must hold of it: every entry that was ever stored with its fate, every promise that was made, and what
//! each device was given and told. The first thing that must not be is kept as the schedule's [`Violation`].

use std::collections::{HashMap, HashSet};

use dunlin_schema::{Cursor, Epoch, MessageId, Millis, Position, Seq, StreamTime, limits::Bounds};

use super::{
    Rule, Violation,
    stream::{Birth, Gone, nanos},
};

/// How far the clocks of two gateways differ: the times of a gap are theirs.
const GATEWAYS_DIFFER: Millis = Millis(10_000);

/// An item: who sent it, with which id.
pub(crate) type Item = (usize, MessageId);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Present,
    Gone(Gone),
    /// Taken by the power loss of this number.
    Lost(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) log: usize,
    pub(crate) seq: Seq,
    pub(crate) time: StreamTime,
    pub(crate) item: Item,
    pub(crate) tombstone: bool,
    pub(crate) fate: Fate,
    /// Whether it was erased once: a power loss may bring it back, and nobody is owed it.
    pub(crate) erased: bool,
    /// Whether it was evicted or expired once: a power loss may bring it back, behind those who were told of a gap.
    pub(crate) dropped: bool,
    /// Whether its sender was told that it is stored.
    pub(crate) accepted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    from: Millis,
    to: Millis,
    new_epoch: bool,
    losses: usize,
}

/// From where on a device is owed a log.
#[derive(Clone, Debug)]
struct Follows {
    /// Everything stored from this birth on.
    since: Birth,
    /// And these, that were there.
    present: Vec<Birth>,
}

/// What one device was given and told.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceHistory {
    pub(crate) user: usize,
    follows: Option<Follows>,
    received: Vec<bool>,
    /// The same since it last lost its cursor.
    given: Vec<bool>,
    last: Option<(Epoch, Seq)>,
    gaps: Vec<Told>,
    /// It came with a cursor that was not true: what it is told it lacks, it may lack.
    forged: bool,
}

/// Everything that happened.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) facts: Vec<Fact>,
    by_place: HashMap<(Seq, StreamTime), Birth>,
    by_item: HashMap<(usize, Item), Vec<Birth>>,
    /// What was refused as too old, by log.
    pub(crate) too_old: HashSet<(usize, Item)>,
    pub(crate) losses: usize,
    pub(crate) devices: Vec<DeviceHistory>,
    pub(crate) violation: Option<Violation>,
    bounds: Bounds,
    /// How far the clocks of two leaders differ at most.
    skew: Millis,
    epoch: Epoch,
    epochs: Vec<Epoch>,
    /// Losses and boot when the last epoch began.
    epoch_of: (usize, String),
}

impl History {
    pub(crate) fn new(bounds: Bounds, skew: Millis) -> History {
        History {
            facts: Vec::new(),
            by_place: HashMap::new(),
            by_item: HashMap::new(),
            too_old: HashSet::new(),
            losses: 0,
            devices: Vec::new(),
            violation: None,
            bounds,
            skew,
            epoch: Epoch(0),
            epochs: Vec::new(),
            epoch_of: (0, String::new()),
        }
    }

    pub(crate) fn blame(&mut self, rule: Rule, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { rule, text: text() });
        }
    }

    /// An entry was stored.
    pub(crate) fn born(&mut self, log: usize, seq: Seq, time: StreamTime, item: Item, tombstone: bool) {
        let birth = self.facts.len();
        if !tombstone {
            let earlier = self.by_item.entry((log, item)).or_default();
            let before = earlier
                .iter()
                .map(|&birth| (birth, self.facts[birth].fate))
                .find(|(_, fate)| !matches!(fate, Fate::Lost(_)));
            earlier.push(birth);
            match before {
                Some((other, Fate::Gone(Gone::Erased))) => {
                    self.blame(Rule::Risen, || format!("{item:?} in log {log} at {seq:?} was erased (entry {other})"))
                }
                // A copy that was stored after a power loss had taken what it is a copy of, and was evicted since: it comes with its item.
                Some((_, Fate::Gone(Gone::Evicted | Gone::Expired))) if self.lost_elsewhere(log, item) => {}
                Some((other, fate)) => self.blame(Rule::StoredTwice, || {
                    format!("{item:?} in log {log} at {seq:?} and as entry {other} ({fate:?})")
                }),
                None => {}
            }
        }
        self.by_place.insert((seq, time), birth);
        self.facts.push(Fact {
            log,
            seq,
            time,
            item,
            tombstone,
            fate: Fate::Present,
            erased: false,
            dropped: false,
            accepted: false,
        });
    }

    /// What left the leader's copy.
    pub(crate) fn gone(&mut self, gone: impl Iterator<Item = (Birth, Gone)>) {
        for (birth, why) in gone {
            self.facts[birth].fate = Fate::Gone(why);
            self.facts[birth].erased |= why == Gone::Erased;
            self.facts[birth].dropped |= why != Gone::Erased;
        }
    }

    /// A power loss took the log back; `present` is what is still stored, `last` the end.
    pub(crate) fn lost(&mut self, kept_births: usize, present: impl Iterator<Item = Birth>) {
        let loss = self.losses;
        self.losses += 1;
        let mut there = vec![false; self.facts.len()];
        for birth in present {
            there[birth] = true;
        }
        for (birth, fact) in self.facts.iter_mut().enumerate() {
            match fact.fate {
                Fate::Lost(_) => {}
                _ if there[birth] => fact.fate = Fate::Present,
                Fate::Present | Fate::Gone(_) if birth >= kept_births => fact.fate = Fate::Lost(loss),
                // What was evicted or erased before the place to which the log went back stays so.
                Fate::Present | Fate::Gone(_) => {}
            }
        }
    }

    /// The entries of an item in a log that no power loss took.
    pub(crate) fn of_item(&self, log: usize, item: Item) -> impl Iterator<Item = &Fact> {
        self.by_item.get(&(log, item)).into_iter().flatten().map(|&birth| &self.facts[birth])
    }

    /// Whether a power loss took the item from another log.
    fn lost_elsewhere(&self, log: usize, item: Item) -> bool {
        self.facts.iter().any(|fact| fact.item == item && fact.log != log && matches!(fact.fate, Fate::Lost(_)))
    }

    /// Whether a log holds, or held, a tombstone that names the item.
    pub(crate) fn tombstone_of(&self, log: usize, item: Item) -> bool {
        self.facts.iter().any(|fact| fact.log == log && fact.tombstone && fact.item == item)
    }

    /// The sender was told that the item is stored.
    pub(crate) fn accepted(&mut self, item: Item, to: usize, order: Option<Seq>) {
        let mut fits = false;
        for fact in self.facts.iter_mut().filter(|fact| fact.item == item) {
            fact.accepted |= !matches!(fact.fate, Fate::Lost(_));
            fits |= fact.log == to && order == Some(fact.seq);
        }
        if !fits {
            self.blame(Rule::WrongOrder, || {
                format!("{item:?} to {to} was accepted with order {order:?}, which its log never gave")
            });
        }
    }

    /// An append says that the item is stored at `seq`.
    pub(crate) fn appended(&mut self, log: usize, item: Item, seq: Seq, losses_before: usize) {
        let there = self.facts.iter().any(|fact| {
            fact.log == log
                && fact.item == item
                && fact.seq == seq
                && match fact.fate {
                    Fate::Present | Fate::Gone(_) => true,
                    Fate::Lost(loss) => loss >= losses_before,
                }
        });
        if !there {
            self.blame(Rule::NotStored, || format!("{item:?} is said to be in log {log} at {seq:?}"));
        }
    }

    /// An append refused an item as too old, `start` being the earliest time at which it can have been stored.
    pub(crate) fn too_old(&mut self, now: u64, log: usize, item: Item, start: Millis, losses_before: usize) {
        self.too_old.insert((log, item));
        let after = start.minus(self.skew).minus(Millis(10_000));
        let known = |fact: &Fact| !matches!(fact.fate, Fate::Lost(loss) if loss < losses_before);
        let later = self.facts.iter().filter(|fact| fact.log == log && fact.time.millis() >= after && known(fact));
        // Tombstones count twice: what they evicted may be gone though the erased ones left room since.
        let rolled_over = later.map(|fact| 1 + u64::from(fact.tombstone)).sum::<u64>() >= self.bounds.mailbox_entries;
        let keeps = self.bounds.retention.minus(self.bounds.retention_slack);
        let expired = nanos(after.plus(keeps)) <= now + nanos(Millis(20_000));
        if !rolled_over && !expired {
            self.blame(Rule::NotTooOld, || format!("{item:?} of log {log}"));
        }
    }

    /// A reader began an epoch after another one, with a record that names `boot` and replaces one of the epoch `replaced`.
    pub(crate) fn began(&mut self, epoch: Epoch, after: Epoch, replaced: Epoch, boot: String) {
        if epoch <= self.epoch {
            let before = self.epoch;
            self.blame(Rule::FalseEpoch, || format!("{epoch:?} follows {before:?}"));
        }
        // A reader that did not see the last one, because its record was lost, may begin its own. So may one that finds an older record:
        // revisions are used again too, and a reader of before can overwrite one.
        let seen = self.epoch != Epoch(0) && after == self.epoch && replaced >= self.epoch;
        if seen && self.epoch_of.0 == self.losses && self.epoch_of.1 == boot {
            self.blame(Rule::FalseEpoch, || format!("{epoch:?} begins though nothing happened since the last one"));
        }
        self.epochs.push(epoch);
        (self.epoch, self.epoch_of) = (epoch, (self.losses, boot));
    }

    /// The latest epoch that began.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A reader promises that the log has nothing between `after` and `position`, both excluded (`upto` excluded).
    pub(crate) fn promised(&mut self, log: usize, after: Seq, upto: Seq, position: Position, what: &str) {
        let current = position.seq == Seq(0)
            || self
                .by_place
                .get(&(position.seq, position.time))
                .is_some_and(|&birth| !matches!(self.facts[birth].fate, Fate::Lost(_)));
        if !current {
            return;
        }
        let between = self.facts.iter().position(|fact| {
            fact.log == log
                && fact.seq > after
                && fact.seq < upto
                && matches!(fact.fate, Fate::Present | Fate::Gone(Gone::Evicted | Gone::Expired))
        });
        if let Some(birth) = between {
            let fact = self.facts[birth].clone();
            self.blame(Rule::FalsePromise, || {
                format!("{what}: nothing of log {log} in {after:?}..{upto:?} at {position:?}, but {fact:?}")
            });
        }
    }

    /// The birth of an entry that stands at a position.
    pub(crate) fn birth_at(&self, seq: Seq, time: StreamTime) -> Option<Birth> {
        self.by_place.get(&(seq, time)).copied()
    }

    // What devices are given and told.

    pub(crate) fn follow(&mut self, user: usize) -> usize {
        self.devices.push(DeviceHistory { user, ..DeviceHistory::default() });
        self.devices.len() - 1
    }

    /// The device comes without what it had: from now on it may be given again what it had.
    pub(crate) fn forgot(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.given.clear();
        device.last = None;
    }

    /// The device comes as if it had never been there (or with a cursor that is not its own): what it was owed is forgotten too.
    pub(crate) fn unfollow(&mut self, device: usize, forged: bool) {
        self.forgot(device);
        self.devices[device].forged = forged;
        let device = &mut self.devices[device];
        device.follows = None;
        device.gaps.clear();
    }

    /// The first frame with a cursor came: from now on the device is owed what follows. `all`: and everything that is there.
    fn follows(&mut self, device: usize, cursor: &Cursor, all: bool) {
        let user = self.devices[device].user;
        if self.devices[device].follows.is_some() {
            return;
        }
        let present = self.facts.iter().enumerate().filter(|(_, fact)| {
            fact.log == user
                && fact.fate == Fate::Present
                && !fact.dropped
                && (all || fact.seq > cursor.position.seq && fact.time > cursor.position.time)
        });
        let present = present.map(|(birth, _)| birth).collect();
        self.devices[device].follows = Some(Follows { since: self.facts.len(), present });
    }

    /// The device was given an entry and stored it with its cursor.
    pub(crate) fn given(&mut self, device: usize, cursor: &Cursor, id: MessageId, from_beginning: bool) {
        let position = cursor.position;
        self.follows(device, cursor, from_beginning);
        let Some(birth) = self.birth_at(position.seq, position.time) else {
            return self.blame(Rule::Lost, || format!("device {device} was given {position:?}, which never was"));
        };
        let (count, fact) = (self.facts.len(), self.facts[birth].clone());
        let known = &mut self.devices[device];
        known.received.resize(count, false);
        known.given.resize(count, false);
        known.received[birth] = true;
        let (again, last) = (std::mem::replace(&mut known.given[birth], true), known.last);
        known.last = Some((position.epoch, position.seq));
        if again {
            self.blame(Rule::Repeated, || format!("device {device} was given entry {birth} {fact:?} again"));
        }
        if last.is_some_and(|(epoch, seq)| (epoch == position.epoch && seq >= position.seq) || epoch > position.epoch) {
            self.blame(Rule::Disorder, || format!("device {device} was given {position:?} after {last:?}"));
        }
        if fact.log != self.devices[device].user || fact.item.1 != id {
            self.blame(Rule::Lost, || format!("device {device} was given {fact:?}, which is not its own or not {id}"));
        }
    }

    /// The device was told that it is caught up.
    pub(crate) fn caught_up(&mut self, device: usize, cursor: &Cursor, from_beginning: bool) {
        self.follows(device, cursor, from_beginning);
    }

    /// The device was told of a gap.
    pub(crate) fn told(&mut self, device: usize, from: Millis, to: Millis, before: Option<Epoch>, cursor: &Cursor) {
        self.follows(device, cursor, false);
        let losses = self.losses;
        let epoch = cursor.position.epoch;
        let known = &mut self.devices[device];
        // Out of an epoch that never was: a forged cursor's.
        known.last = known.last.filter(|last| last.0 <= epoch);
        known.gaps.push(Told { from, to, new_epoch: before.is_none_or(|before| before != epoch), losses });
    }

    /// Whether a gap after `sent` may be told to a session. `sent` is `None` where the session began without a cursor; it began after
    /// `losses` power losses.
    pub(crate) fn gap_is_true(
        &self,
        now: u64,
        log: usize,
        sent: Option<&Cursor>,
        cursor: &Cursor,
        losses: usize,
    ) -> bool {
        let since = sent.map_or(Seq(0), |sent| sent.position.seq);
        // What a power loss took while the gap was queued was there when it was decided.
        let known = |fact: &&Fact| fact.log == log && !matches!(fact.fate, Fate::Lost(loss) if loss < losses);
        let in_log = || self.facts.iter().filter(known);
        let dropped = in_log().any(|fact| fact.seq > since && fact.dropped);
        let Some(sent) = sent else {
            // A reader that was replaced may have named its epoch first.
            // Its own copies and tombstones may have moved it on without a frame.
            let weight: u64 = in_log().map(|fact| 1 + u64::from(fact.tombstone)).sum();
            return dropped || self.epochs.len() > 1 || weight >= self.bounds.mailbox_entries;
        };
        // Also out of an epoch that never was: a forged cursor's.
        let new_epoch = cursor.position.epoch != sent.position.epoch && self.epochs.contains(&cursor.position.epoch);
        // What stands below but is younger is of a later life of the log.
        let time = StreamTime(sent.position.time.0.saturating_add(nanos(self.skew)));
        let below = |fact: &Fact| fact.seq <= since && fact.time <= time;
        let stayed = |fact: &Fact| fact.fate == Fate::Present && !fact.erased && !fact.dropped;
        let nothing_below = !in_log().any(|fact| below(fact) && stayed(fact));
        let young = sent.at.plus(self.bounds.retention).minus(self.bounds.retention_slack);
        let old = nanos(young) <= now + nanos(Millis(20_000));
        let weight: u64 = in_log().filter(|fact| fact.seq > since).map(|fact| 1 + u64::from(fact.tombstone)).sum();
        dropped || new_epoch || (nothing_below && (old || weight >= self.bounds.mailbox_entries))
    }

    /// What a device lacks, when it is connected and nothing fails any more.
    pub(crate) fn lacking(&self, device: usize, has: impl Fn(Item) -> bool) -> Option<(Rule, String)> {
        let known = &self.devices[device];
        let Some(follows) = &known.follows else {
            return Some((Rule::Stalled, format!("device {device} never heard of its mailbox")));
        };
        let lacking = self.facts.iter().enumerate().find(|&(birth, fact)| {
            let owed = fact.log == known.user
                && !fact.tombstone
                && !fact.erased
                && (birth >= follows.since || follows.present.contains(&birth));
            owed && !known.received.get(birth).copied().unwrap_or(false)
                && !has(fact.item)
                && !self.excused(known, fact)
        });
        let (birth, fact) = lacking?;
        Some((Rule::Lost, format!("device {device} lacks entry {birth} {fact:?}; it was told {:?}", known.gaps)))
    }

    fn excused(&self, device: &DeviceHistory, fact: &Fact) -> bool {
        match fact.fate {
            Fate::Present if !device.forged && !fact.dropped => false,
            Fate::Present | Fate::Gone(_) => {
                let time = fact.time.millis();
                let differ = self.skew.plus(GATEWAYS_DIFFER);
                device.gaps.iter().any(|gap| gap.from.minus(differ) <= time && time <= gap.to.plus(differ))
            }
            Fate::Lost(loss) => !fact.accepted || device.gaps.iter().any(|gap| gap.new_epoch && gap.losses > loss),
        }
    }
}
