//! What a gateway counts, for `/metrics`. Names follow Prometheus' rules; every counter is one atomic addition.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use dunlin_nats::Appender;
use dunlin_schema::{Code, Millis, Shard};
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

/// Appends to one shard that were not stored, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailedAppend {
    shard: u16,
    why: &'static str,
}

/// Something that was asked for, by what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

/// A bounded queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByQueue {
    queue: &'static str,
}

/// A service of the gateway's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByService {
    service: String,
}

/// The counters of a gateway.
pub(crate) struct Metrics {
    registry: Registry,
    /// Sockets that are open, before and after `hello`.
    pub(crate) sockets: Gauge,
    /// Devices that have said `hello`.
    pub(crate) devices: Gauge,
    /// Revocations that bar tokens.
    pub(crate) revocations: Gauge,
    /// Upgrades that were answered with an error, by status.
    refused_upgrades: Family<ByCode, Counter>,
    /// Posts over HTTP, by the status of their answer, and those under way.
    posts: Family<ByCode, Counter>,
    pub(crate) posts_under_way: Gauge,
    /// Sockets that ended with a `goodbye`, by code.
    goodbyes: Family<ByCode, Counter>,
    /// Sockets that broke RFC 6455 or took too long over a message, by close code.
    violations: Family<ByCode, Counter>,
    /// Panics that ended a socket.
    pub(crate) panics: Counter,
    /// How long ago each service last showed that it moves.
    service_idle: Family<ByService, Gauge>,
    /// Sockets whose peer did not answer a ping.
    pub(crate) dead_peers: Counter,
    /// Messages that came from clients.
    pub(crate) frames_in: Counter,
    /// Messages that were given to sockets.
    pub(crate) frames_out: Counter,
    /// Sends that the rate limit refused, and all that sockets were told are refused, by code.
    pub(crate) limited_sends: Counter,
    rejected_sends: Family<ByCode, Counter>,
    /// Questions, those that were refused, by code, and answers that found no room because their socket read slowly.
    pub(crate) asks: Counter,
    refused_asks: Family<ByCode, Counter>,
    pub(crate) unread_answers: Counter,
    /// How long appends took.
    pub(crate) appends: Histogram,
    /// Appends that looked at their log first, and the entries that were read for them: as the appender counts them.
    late_appends: Counter,
    late_entries: Counter,
    /// What found no room on the way to NATS and back, by queue: as each counts it.
    refused: Family<ByQueue, Counter>,
    /// Appends that failed, by shard: its stream was full, or nobody knows whether they are stored.
    failed_appends: Family<FailedAppend, Counter>,
    /// Look-ups of earlier messages for what is about them.
    look_ups: Family<ByOutcome, Counter>,
    /// What groups workers were asked to do.
    group_requests: Family<ByOutcome, Counter>,
    /// What media workers were asked.
    media_requests: Family<ByOutcome, Counter>,
    /// Reads of a log, and those without an answer.
    pub(crate) reads: Counter,
    pub(crate) failed_reads: Counter,
    pub(crate) mark_reads: Counter,
    /// Lookups of what somebody may read of a group's log, and those without an answer.
    pub(crate) group_looks: Counter,
    pub(crate) failed_group_looks: Counter,
    /// Live entries that came from NATS.
    pub(crate) live_entries: Counter,
    /// Live entries of logs with many followers that were let go because too much waited for these.
    pub(crate) live_let_go: Counter,
    /// Cursors in a `hello` that could not be opened.
    pub(crate) unopened_cursors: Counter,
    /// Live messages that this release does not use.
    pub(crate) live_passed_over: Counter,
    /// What was not told other gateways of a user's devices, because too much waited.
    pub(crate) devices_untold: Counter,
    /// Signals that came from clients, and those that were not told everywhere or to everybody, because too much waited.
    pub(crate) signals: Counter,
    pub(crate) signals_lost: Counter,
    /// Questions to other gateways whether somebody is connected, and those to which nobody could say.
    pub(crate) presence_asked: Counter,
    pub(crate) presence_unknown: Counter,
    /// People who are watched here, what those who watch were told of them, and changes of which others were not told.
    pub(crate) presence_watched: Gauge,
    pub(crate) presence_told: Counter,
    pub(crate) presence_untold: Counter,
    /// People of whom it was not written down when they were seen, because too many waited.
    pub(crate) seen_dropped: Counter,
    /// Settings of people that were loaded, and those that were not told: what they are about is refused for now.
    pub(crate) settings_loaded: Counter,
    pub(crate) settings_unknown: Counter,
    /// Outbound queues that were full: what was in them is read again.
    pub(crate) overflows: Counter,
    /// Entries that could not be read.
    pub(crate) corrupt_entries: Counter,
    /// How often live entries may have been lost on their way here: a reconnect, or a subscription that was full.
    pub(crate) live_losses: Counter,
    /// Connections that were closed unheard, because too many were open.
    pub(crate) turned_away: Counter,
    /// Questions about heads, and those without an answer.
    pub(crate) heads_asked: Counter,
    pub(crate) heads_unanswered: Counter,
    /// Questions about whose marks were written, and those without an answer.
    pub(crate) marks_asked: Counter,
    pub(crate) marks_unanswered: Counter,
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
            revocations: Gauge::default(),
            refused_upgrades: Family::default(),
            posts: Family::default(),
            posts_under_way: Gauge::default(),
            goodbyes: Family::default(),
            violations: Family::default(),
            dead_peers: Counter::default(),
            frames_in: Counter::default(),
            frames_out: Counter::default(),
            limited_sends: Counter::default(),
            rejected_sends: Family::default(),
            asks: Counter::default(),
            refused_asks: Family::default(),
            unread_answers: Counter::default(),
            appends: Histogram::new([0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]),
            late_appends: Counter::default(),
            late_entries: Counter::default(),
            refused: Family::default(),
            failed_appends: Family::default(),
            look_ups: Family::default(),
            group_requests: Family::default(),
            media_requests: Family::default(),
            panics: Counter::default(),
            service_idle: Family::default(),
            reads: Counter::default(),
            failed_reads: Counter::default(),
            mark_reads: Counter::default(),
            group_looks: Counter::default(),
            failed_group_looks: Counter::default(),
            live_entries: Counter::default(),
            live_let_go: Counter::default(),
            unopened_cursors: Counter::default(),
            live_passed_over: Counter::default(),
            devices_untold: Counter::default(),
            signals: Counter::default(),
            signals_lost: Counter::default(),
            presence_asked: Counter::default(),
            presence_unknown: Counter::default(),
            presence_watched: Gauge::default(),
            presence_told: Counter::default(),
            presence_untold: Counter::default(),
            seen_dropped: Counter::default(),
            settings_loaded: Counter::default(),
            settings_unknown: Counter::default(),
            overflows: Counter::default(),
            corrupt_entries: Counter::default(),
            live_losses: Counter::default(),
            turned_away: Counter::default(),
            heads_asked: Counter::default(),
            heads_unanswered: Counter::default(),
            marks_asked: Counter::default(),
            marks_unanswered: Counter::default(),
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
        let watched = "People whose presence is watched here, each once";
        registry.register("presence_watched", watched, self.presence_watched.clone());
        registry.register("devices", "Devices that have said hello", self.devices.clone());
        registry.register("revocations", "Revocations that bar tokens", self.revocations.clone());
        let under_way = "Posts whose body is read, or which wait for their answer";
        registry.register("posts_under_way", under_way, self.posts_under_way.clone());
        registry.register_with_unit("append", "How long an append to a log took", Unit::Seconds, self.appends.clone());
        registry.register(
            "failed_appends",
            "Appends that were refused because the shard's stream is full, or whose outcome is unknown",
            self.failed_appends.clone(),
        );
        registry.register(
            "queue_refusals",
            "What found no room in a queue to NATS or back, by queue",
            self.refused.clone(),
        );
        registry.register(
            "look_ups",
            "Look-ups of earlier messages, and of repeats, for edits, deletes and reactions",
            self.look_ups.clone(),
        );
        let in_groups = "What groups workers were asked to do, by what came of it";
        registry.register("group_requests", in_groups, self.group_requests.clone());
        let of_media = "What media workers were asked, by what came of it";
        registry.register("media_requests", of_media, self.media_requests.clone());
        registry.register_with_unit(
            "service_idle",
            "How long ago a service last showed that it moves",
            Unit::Seconds,
            self.service_idle.clone(),
        );
        for (name, help, family) in [
            ("refused_upgrades", "Upgrades answered with an error, by HTTP status", &self.refused_upgrades),
            ("refused_asks", "Questions that were refused, by code", &self.refused_asks),
            ("rejected_sends", "Sends of sockets that were refused, by code", &self.rejected_sends),
            ("posts", "Posts of back ends, by the HTTP status of the answer", &self.posts),
            ("goodbyes", "Sockets that ended with a goodbye, by code", &self.goodbyes),
            (
                "violations",
                "Sockets that broke RFC 6455 or took too long over a message, by close code",
                &self.violations,
            ),
        ] {
            registry.register(name, help, family.clone());
        }
        self.register_counters();
    }

    fn register_counters(&mut self) {
        for (name, help, counter) in [
            ("dead_peers", "Sockets whose peer did not answer a ping", &self.dead_peers),
            ("frames_in", "Messages from clients", &self.frames_in),
            ("frames_out", "Messages to clients", &self.frames_out),
            ("limited_sends", "Sends that the rate limit refused", &self.limited_sends),
            ("asks", "Questions from clients", &self.asks),
            ("unread_answers", "Answers that found no room because their socket read slowly", &self.unread_answers),
            ("late_appends", "Appends that looked at their log first", &self.late_appends),
            ("late_entries", "Entries that were read for late appends and look-ups", &self.late_entries),
            ("panics", "Panics that ended a socket", &self.panics),
            ("reads", "Reads of a log", &self.reads),
            ("failed_reads", "Reads of a log without an answer", &self.failed_reads),
            ("mark_reads", "Reads of the marks of a user", &self.mark_reads),
            ("group_looks", "Lookups of what somebody may read of a group", &self.group_looks),
            (
                "failed_group_looks",
                "Lookups of what somebody may read of a group without an answer",
                &self.failed_group_looks,
            ),
            ("live_entries", "Live entries from NATS", &self.live_entries),
            ("live_let_go", "Live entries for many that found no room: these read the log", &self.live_let_go),
            ("unopened_cursors", "Cursors of a hello that could not be opened", &self.unopened_cursors),
            ("live_passed_over", "Live messages that this release does not use", &self.live_passed_over),
            ("devices_untold", "News of devices that other gateways were not told", &self.devices_untold),
            ("signals", "Signals that came from clients", &self.signals),
            ("signals_lost", "Signals that found no room, or no connection to NATS", &self.signals_lost),
            ("presence_told", "States of people that connections that watch them were told", &self.presence_told),
            ("presence_untold", "Changes of presence of which those who watch were not told", &self.presence_untold),
            ("seen_dropped", "People of whom it was not written down when they were seen", &self.seen_dropped),
            ("presence_asked", "Questions to other gateways whether somebody is connected", &self.presence_asked),
            (
                "presence_unknown",
                "Questions whether somebody is connected to which nobody could say",
                &self.presence_unknown,
            ),
            ("settings_loaded", "Settings of people that were loaded", &self.settings_loaded),
            ("settings_unknown", "Settings of people that nobody could tell", &self.settings_unknown),
            ("overflows", "Outbound queues that were full and are read again", &self.overflows),
            ("corrupt_entries", "Entries that could not be read", &self.corrupt_entries),
            ("live_losses", "Events that can have lost live entries: they are compared", &self.live_losses),
            ("turned_away", "Connections closed unheard because too many were open", &self.turned_away),
            ("marks_asked", "Questions about whose marks were written", &self.marks_asked),
            ("marks_unanswered", "Questions about marks without an answer", &self.marks_unanswered),
            ("heads_asked", "Questions about heads", &self.heads_asked),
            ("heads_unanswered", "Questions about heads without an answer", &self.heads_unanswered),
            ("acknowledged", "Acknowledgements that were stored", &self.acknowledged),
            ("acknowledge_retries", "Acknowledgements that were tried again", &self.acknowledge_retries),
            ("acknowledge_dropped", "Acknowledgements let go because too many waited", &self.acknowledge_dropped),
        ] {
            self.registry.register(name, help, counter.clone());
        }
    }

    pub(crate) fn refused_upgrade(&self, status: u16) {
        self.refused_upgrades.get_or_create(&ByCode { code: status.to_string() }).inc();
    }

    pub(crate) fn refused_ask(&self, code: Code) {
        self.refused_asks.get_or_create(&ByCode { code: code.name().to_owned() }).inc();
    }

    pub(crate) fn rejected_send(&self, code: Code) {
        self.rejected_sends.get_or_create(&ByCode { code: code.name().to_owned() }).inc();
    }

    pub(crate) fn post(&self, status: u16) {
        self.posts.get_or_create(&ByCode { code: status.to_string() }).inc();
    }

    pub(crate) fn goodbye(&self, code: Code) {
        self.goodbyes.get_or_create(&ByCode { code: code.name().to_owned() }).inc();
    }

    pub(crate) fn violation(&self, close: u16) {
        self.violations.get_or_create(&ByCode { code: close.to_string() }).inc();
    }

    /// An append to a shard was not stored, or nobody knows.
    pub(crate) fn failed_append(&self, shard: Shard, why: &'static str) {
        self.failed_appends.get_or_create(&FailedAppend { shard: shard.0, why }).inc();
    }

    /// An earlier message was looked for.
    pub(crate) fn looked_up(&self, outcome: &'static str) {
        self.look_ups.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// A groups worker was asked to do something.
    pub(crate) fn asked_in_group(&self, outcome: &'static str) {
        self.group_requests.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// A media worker was asked something.
    pub(crate) fn asked_of_media(&self, outcome: &'static str) {
        self.media_requests.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// The text that Prometheus reads, with what others count: the late appends of `appenders`, what was `refused` by queue, and how old
    /// each service's last sign is.
    pub(crate) fn text<'a>(
        &self,
        appenders: impl Iterator<Item = &'a Appender> + Clone,
        refused: impl Iterator<Item = (&'static str, u64)>,
        services: Vec<(String, Millis)>,
    ) -> String {
        self.late_appends.inner().store(appenders.clone().map(Appender::late_appends).sum(), Ordering::Relaxed);
        self.late_entries.inner().store(appenders.map(Appender::late_entries).sum(), Ordering::Relaxed);
        let mut by_queue = BTreeMap::new();
        for (queue, count) in refused {
            *by_queue.entry(queue).or_insert(0) += count;
        }
        for (queue, count) in by_queue {
            self.refused.get_or_create(&ByQueue { queue }).inner().store(count, Ordering::Relaxed);
        }
        for (service, age) in services {
            let seconds = i64::try_from(age.0 / 1_000).unwrap_or(i64::MAX);
            self.service_idle.get_or_create(&ByService { service }).set(seconds);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}
