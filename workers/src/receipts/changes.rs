//! Whose marks were written of late: watched in STATE, and told to gateways that compare.

use std::time::Duration;

use dunlin_nats::{Reply, WatchEvent};
use dunlin_schema::{
    limits,
    marks::{MarksAnswer, MarksRequest},
    subject,
};
use parking_lot::Mutex;

use super::{Shared, core::changed::Changed};

/// What is known of the writes of a shard's marks.
pub(super) struct Changes(Mutex<Changed>);

impl Default for Changes {
    fn default() -> Changes {
        Changes(Mutex::new(Changed::new(limits::MARKS_REMEMBERED)))
    }
}

/// Keeps up with what is written, until it is dropped.
pub(super) async fn watch(shared: &Shared) {
    let pattern = subject::marks(&shared.context.settings.region, shared.shard);
    let back = Duration::from_millis(limits::MARKS_REMEMBERED_FOR.0);
    let mut watch = shared.records.watch_back(shared.shard, pattern, back);
    loop {
        let event = watch.next().await;
        let mut changed = shared.changes.0.lock();
        match event {
            WatchEvent::Began => changed.began(),
            WatchEvent::Record(record, stored) => {
                if let Some(of) = subject::parse_mark(&record) {
                    changed.wrote(record, of.user, stored.revision);
                }
            }
            WatchEvent::Complete => changed.complete(),
        }
        shared.metrics.remembered.set(changed.len() as i64);
    }
}

/// Answers what it knows; a worker that may have missed something leaves it to others, or to the next question.
pub(super) async fn answer(shared: &Shared, question: MarksRequest, reply: Reply<MarksAnswer>) {
    let answer = shared.changes.0.lock().answer(&question, limits::MARKS_PAGE);
    match answer {
        Some(answer) => {
            shared.metrics.answered.inc();
            reply.answer(&answer).await;
        }
        None => {
            shared.metrics.declined.inc();
        }
    }
}
