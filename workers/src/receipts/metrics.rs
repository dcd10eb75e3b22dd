//! What `receipts` counts.

use std::sync::atomic::AtomicI64;

use dunlin_schema::Shard;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::{Counters, Gauges, OfShard};

/// What the role counts, by shard.
#[derive(Default)]
pub(super) struct Metrics {
    stored: Counters,
    marks: Counters,
    withheld: Counters,
    read_marks: Counters,
    nothing_read: Counters,
    told: Counters,
    mailbox_reads: Counters,
    mailbox_entries: Counters,
    answered: Counters,
    declined: Counters,
    poison: Counters,
    failed: Counters,
    removed: Counters,
    named: Counters,
    forgotten: Counters,
    rounds: Counters,
    parts: Counters,
    counted: Counters,
    conflicts: Counters,
    remembered: Gauges,
    devices: Gauges,
    readers: Gauges,
    pairs: Gauges,
    seen: Gauges,
    groups: Gauges,
}

/// What the role counts of one shard.
#[derive(Clone)]
pub(super) struct ReceiptsMetrics {
    pub(super) stored: Counter,
    pub(super) marks: Counter,
    pub(super) withheld: Counter,
    pub(super) read_marks: Counter,
    pub(super) nothing_read: Counter,
    pub(super) told: Counter,
    pub(super) mailbox_reads: Counter,
    pub(super) mailbox_entries: Counter,
    pub(super) answered: Counter,
    pub(super) declined: Counter,
    pub(super) poison: Counter,
    pub(super) failed: Counter,
    pub(super) removed: Counter,
    pub(super) named: Counter,
    pub(super) forgotten: Counter,
    pub(super) rounds: Counter,
    pub(super) parts: Counter,
    pub(super) counted: Counter,
    pub(super) conflicts: Counter,
    pub(super) remembered: Gauge<i64, AtomicI64>,
    pub(super) devices: Gauge<i64, AtomicI64>,
    pub(super) readers: Gauge<i64, AtomicI64>,
    pub(super) pairs: Gauge<i64, AtomicI64>,
    pub(super) seen: Gauge<i64, AtomicI64>,
    pub(super) groups: Gauge<i64, AtomicI64>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_receipts");
        let metrics = Metrics::default();
        let counters = [
            ("stored", "Marks of devices that were raised", &metrics.stored),
            ("marks", "Marks of pairs, of senders and recipients, that were raised", &metrics.marks),
            ("withheld", "Marks of pairs that did not rise because the sender is blocked", &metrics.withheld),
            ("read_marks", "Read marks that were raised", &metrics.read_marks),
            (
                "nothing_read",
                "Read marks of conversations in which the other one has written nothing new up to there",
                &metrics.nothing_read,
            ),
            ("told", "Marks that were told live", &metrics.told),
            ("mailbox_reads", "Mailboxes that were read because nobody had said who sent what", &metrics.mailbox_reads),
            ("mailbox_entries", "Entries that were read for that", &metrics.mailbox_entries),
            ("answered", "Questions whose marks have changed that were answered", &metrics.answered),
            ("declined", "Questions whose marks have changed that were left to others", &metrics.declined),
            ("poison", "Items that no release can read, or no gateway lets in, taken off the queue", &metrics.poison),
            ("failed", "Marks, titles and removals that could not be stored: they come again", &metrics.failed),
            ("removed", "Devices that their user removed", &metrics.removed),
            ("named", "Titles of devices that were answered as stored", &metrics.named),
            ("forgotten", "Devices that made room for a newer one of their user", &metrics.forgotten),
            ("rounds", "Rounds in which what members of a group said was stored and counted", &metrics.rounds),
            ("parts", "Records of what members of groups have and have read that were raised", &metrics.parts),
            ("counted", "Records of how far messages to groups have come that were raised", &metrics.counted),
            (
                "conflicts",
                "Records that somebody else wrote at the same time: they were written again",
                &metrics.conflicts,
            ),
        ];
        for (name, help, counters) in counters {
            role.register(name, help, counters.clone());
        }
        role.register("remembered", "Records of marks whose last writes are known", metrics.remembered.clone());
        role.register("devices", "Devices whose acknowledgements are brought together", metrics.devices.clone());
        role.register("readers", "Conversations whose read marks are brought together", metrics.readers.clone());
        role.register("pairs", "Pairs whose marks are brought together", metrics.pairs.clone());
        role.register("seen", "Users of whom it is written down when they were last seen", metrics.seen.clone());
        role.register("groups", "Groups of which what members say is brought together", metrics.groups.clone());
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> ReceiptsMetrics {
        let label = OfShard::new(shard);
        ReceiptsMetrics {
            stored: self.stored.get_or_create_owned(&label),
            marks: self.marks.get_or_create_owned(&label),
            withheld: self.withheld.get_or_create_owned(&label),
            read_marks: self.read_marks.get_or_create_owned(&label),
            nothing_read: self.nothing_read.get_or_create_owned(&label),
            told: self.told.get_or_create_owned(&label),
            mailbox_reads: self.mailbox_reads.get_or_create_owned(&label),
            mailbox_entries: self.mailbox_entries.get_or_create_owned(&label),
            answered: self.answered.get_or_create_owned(&label),
            declined: self.declined.get_or_create_owned(&label),
            poison: self.poison.get_or_create_owned(&label),
            failed: self.failed.get_or_create_owned(&label),
            named: self.named.get_or_create_owned(&label),
            removed: self.removed.get_or_create_owned(&label),
            forgotten: self.forgotten.get_or_create_owned(&label),
            rounds: self.rounds.get_or_create_owned(&label),
            parts: self.parts.get_or_create_owned(&label),
            counted: self.counted.get_or_create_owned(&label),
            conflicts: self.conflicts.get_or_create_owned(&label),
            remembered: self.remembered.get_or_create_owned(&label),
            devices: self.devices.get_or_create_owned(&label),
            readers: self.readers.get_or_create_owned(&label),
            pairs: self.pairs.get_or_create_owned(&label),
            seen: self.seen.get_or_create_owned(&label),
            groups: self.groups.get_or_create_owned(&label),
        }
    }
}
