//! The comparison of marks: a receipt or read mark that was lost on its way here is found by asking the receipts workers whose marks were
//! written. What is asked, and when, is decided in `changed`; whom it concerns reads STATE again.

use std::{sync::Arc, time::Duration};

use dunlin_schema::{Millis, marks::MarksAnswer};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{interval, sleep};

use super::changed::{Question, Rounds, Then};
use crate::{
    clock::Uptime,
    comparison::EARLIER,
    connection::Connection,
    region::Region,
    services::{BEAT_EVERY, Pulse},
    session::Input,
};

/// How long an answer may take.
const WITHIN: Millis = Millis(2_000);
/// Where all users of a shard read again: so many devices begin at once, and the next ones after a pause.
const AT_ONCE: usize = 64;
const PAUSE: Duration = Duration::from_millis(50);

/// Compares until it is dropped.
pub(crate) async fn run(region: &Region, pulse: &Pulse) {
    let mut rounds = Rounds::new(region.settings.shards, Uptime::now());
    let (mut asking, mut reading) = (FuturesUnordered::new(), FuturesUnordered::new());
    let mut losses = region.fan_in.losses();
    losses.mark_unchanged();
    let mut beats = interval(BEAT_EVERY);
    loop {
        for question in rounds.due(Uptime::now(), Millis(rand::random_range(0..=EARLIER))) {
            asking.push(ask(region, question));
        }
        let next = Duration::from_millis(rounds.next_deadline().since(Uptime::now()).0);
        tokio::select! {
            _ = beats.tick() => pulse.beat(),
            Some((question, answer)) = asking.next() => match rounds.answered(question, answer.as_ref()) {
                Then::Nothing => {}
                Then::Changed(next) => {
                    for (user, revision) in answer.iter().flat_map(|answer| &answer.changes) {
                        region.directory.marks_changed(user, *revision);
                    }
                    asking.extend(next.map(|next| ask(region, next)));
                }
                Then::Everybody => {
                    tracing::info!(shard = %question.shard, "marks may have changed unseen: all devices are told theirs again");
                    reading.push(read_again(region.directory.devices(question.shard)));
                }
            },
            Some(()) = reading.next() => {}
            lost = losses.changed() => match lost {
                Ok(()) => rounds.lost(Uptime::now()),
                Err(_) => return,
            },
            () = sleep(next) => {}
        }
    }
}

async fn ask(region: &Region, question: Question) -> (Question, Option<MarksAnswer>) {
    region.metrics.marks_asked.inc();
    let answer = region.marks.changed(question.shard, question.after, WITHIN).await.inspect_err(|error| {
        region.metrics.marks_unanswered.inc();
        tracing::debug!(%error, shard = %question.shard, "nobody says whose marks were written");
    });
    (question, answer.ok())
}

/// Has these devices read all their marks again, some at a time.
async fn read_again(devices: Vec<Arc<Connection>>) {
    for some in devices.chunks(AT_ONCE) {
        some.iter().for_each(|device| device.tell(Input::MarksUnknown));
        sleep(PAUSE).await;
    }
}
