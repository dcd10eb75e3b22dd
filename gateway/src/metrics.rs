//! What a gateway counts, for `/metrics`. Names follow Prometheus' rules; every counter is one atomic addition.

use std::sync::atomic::Ordering;

use dunlin_nats::Appender;
use dunlin_schema::Code;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// A code that somebody was told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByCode {
    code: String,
}

/// The counters of a gateway.
pub(crate) struct Metrics {
    registry: Registry,
    /// Sockets that are open, before and after `hello`.
    pub(crate) sockets: Gauge,
    /// Devices that have said `hello`.
    pub(crate) devices: Gauge,
    /// Upgrades that were answered with an error, by status.
    refused_upgrades: Family<ByCode, Counter>,
    /// Sockets that ended with a `goodbye`, by code.
    goodbyes: Family<ByCode, Counter>,
    /// Sockets that broke RFC 6455 or took too long over a message, by close code.
    violations: Family<ByCode, Counter>,
    /// Sockets whose peer did not answer a ping.
    pub(crate) dead_peers: Counter,
    /// Messages that came from clients.
    pub(crate) frames_in: Counter,
    /// Messages that were given to sockets.
    pub(crate) frames_out: Counter,
    /// Sends that the rate limit refused.
    pub(crate) limited_sends: Counter,
    /// How long appends took.
    pub(crate) appends: Histogram,
    /// Appends that looked at their log first, and the entries that were read for them: as the appender counts them.
    late_appends: Counter,
    late_entries: Counter,
    /// Appends that failed for want of room or answer.
    pub(crate) failed_appends: Counter,
    /// Reads of a log, and those without an answer.
    pub(crate) reads: Counter,
    pub(crate) failed_reads: Counter,
    /// Live entries that came from NATS.
    pub(crate) live_entries: Counter,
    /// Live messages that this release does not use.
    pub(crate) live_passed_over: Counter,
    /// Outbound queues that were full: what was in them is read again.
    pub(crate) overflows: Counter,
    /// Entries that could not be read.
    pub(crate) corrupt_entries: Counter,
    /// Questions about heads, and those without an answer.
    pub(crate) heads_asked: Counter,
    pub(crate) heads_unanswered: Counter,
    /// Acknowledgements that were stored, tried again, and let go because too many waited.
    pub(crate) acknowledged: Counter,
    pub(crate) acknowledge_retries: Counter,
    pub(crate) acknowledge_dropped: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("dunlin_gateway"),
            sockets: Gauge::default(),
            devices: Gauge::default(),
            refused_upgrades: Family::default(),
            goodbyes: Family::default(),
            violations: Family::default(),
            dead_peers: Counter::default(),
            frames_in: Counter::default(),
            frames_out: Counter::default(),
            limited_sends: Counter::default(),
            appends: Histogram::new([0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]),
            late_appends: Counter::default(),
            late_entries: Counter::default(),
            failed_appends: Counter::default(),
            reads: Counter::default(),
            failed_reads: Counter::default(),
            live_entries: Counter::default(),
            live_passed_over: Counter::default(),
            overflows: Counter::default(),
            corrupt_entries: Counter::default(),
            heads_asked: Counter::default(),
            heads_unanswered: Counter::default(),
            acknowledged: Counter::default(),
            acknowledge_retries: Counter::default(),
            acknowledge_dropped: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("sockets", "Sockets that are open", self.sockets.clone());
        registry.register("devices", "Devices that have said hello", self.devices.clone());
        registry.register_with_unit("append", "How long an append to a log took", Unit::Seconds, self.appends.clone());
        for (name, help, family) in [
            ("refused_upgrades", "Upgrades answered with an error, by HTTP status", &self.refused_upgrades),
            ("goodbyes", "Sockets that ended with a goodbye, by code", &self.goodbyes),
            (
                "violations",
                "Sockets that broke RFC 6455 or took too long over a message, by close code",
                &self.violations,
            ),
        ] {
            registry.register(name, help, family.clone());
        }
        for (name, help, counter) in [
            ("dead_peers", "Sockets whose peer did not answer a ping", &self.dead_peers),
            ("frames_in", "Messages from clients", &self.frames_in),
            ("frames_out", "Messages to clients", &self.frames_out),
            ("limited_sends", "Sends that the rate limit refused", &self.limited_sends),
            ("late_appends", "Appends that looked at their log first", &self.late_appends),
            ("late_entries", "Entries that were read for late appends", &self.late_entries),
            ("failed_appends", "Appends that failed for want of room or answer", &self.failed_appends),
            ("reads", "Reads of a log", &self.reads),
            ("failed_reads", "Reads of a log without an answer", &self.failed_reads),
            ("live_entries", "Live entries from NATS", &self.live_entries),
            ("live_passed_over", "Live messages that this release does not use", &self.live_passed_over),
            ("overflows", "Outbound queues that were full and are read again", &self.overflows),
            ("corrupt_entries", "Entries that could not be read", &self.corrupt_entries),
            ("heads_asked", "Questions about heads", &self.heads_asked),
            ("heads_unanswered", "Questions about heads without an answer", &self.heads_unanswered),
            ("acknowledged", "Acknowledgements that were stored", &self.acknowledged),
            ("acknowledge_retries", "Acknowledgements that were tried again", &self.acknowledge_retries),
            ("acknowledge_dropped", "Acknowledgements let go because too many waited", &self.acknowledge_dropped),
        ] {
            registry.register(name, help, counter.clone());
        }
    }

    pub(crate) fn refused_upgrade(&self, status: u16) {
        self.refused_upgrades.get_or_create(&ByCode { code: status.to_string() }).inc();
    }

    pub(crate) fn goodbye(&self, code: Code) {
        self.goodbyes.get_or_create(&ByCode { code: code.name() }).inc();
    }

    pub(crate) fn violation(&self, close: u16) {
        self.violations.get_or_create(&ByCode { code: close.to_string() }).inc();
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, appender: &Appender) -> String {
        self.late_appends.inner().store(appender.late_appends(), Ordering::Relaxed);
        self.late_entries.inner().store(appender.late_entries(), Ordering::Relaxed);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}
