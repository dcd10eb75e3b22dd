//! The comparison of heads: what is followed here, held against what the deliver readers have published. What is asked, and when, is
//! decided in [`core`]; answers go straight into the sessions.

pub mod core;
pub(crate) mod timetable;

use std::{sync::Arc, time::Duration};

use dunlin_nats::{Heads, HeadsError};
use dunlin_schema::{
    Log, Millis,
    heads::HeadsAnswer,
    limits::{self, Bounds},
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use self::core::{Answered, News, Silent, Unanswered};
use crate::{
    clock::Uptime,
    connection::Connection,
    directory::{Audience, Directory, Followers},
    metrics::Metrics,
    services::Pulse,
};

/// How much of the span between two rounds chance takes away at most.
pub(crate) const EARLIER: u64 = limits::HEADS_EVERY.0 * 15 / 100;

type Core = core::Comparison<Audience>;
type Question = core::Question<Audience>;

/// The questions that wait, and how each shard answers.
pub(crate) struct Comparison {
    core: Mutex<Core>,
    more: Notify,
}

impl Comparison {
    pub(crate) fn new(shards: u16) -> Comparison {
        Comparison { core: Mutex::new(Core::new(shards, &Bounds::STANDARD, Uptime::now())), more: Notify::new() }
    }

    /// Asks for logs that somebody has just begun to follow: together, so that those of a shard are one question.
    pub(crate) fn ask(&self, logs: &[(Log, &Arc<Followers>)], connection: &Arc<Connection>) {
        let mut core = self.core.lock();
        for (Log { shard, owner, .. }, followers) in logs {
            connection.waits_for_heads(followers.log());
            core.ask(*shard, owner.clone(), Audience::one(followers, connection));
        }
        drop(core);
        self.more.notify_one();
    }

    /// Who is silent, if anybody is.
    pub(crate) fn silent(&self) -> Option<Silent> {
        self.core.lock().silent()
    }

    /// Compares until it is dropped.
    pub(crate) async fn run(
        &self,
        heads: &Heads,
        directory: &Directory,
        metrics: &Metrics,
        mut losses: watch::Receiver<u64>,
        pulse: &Pulse,
    ) {
        let mut asking: FuturesUnordered<BoxFuture<'_, (Question, Result<HeadsAnswer, HeadsError>)>> =
            FuturesUnordered::new();
        losses.mark_unchanged();
        loop {
            // It wakes for the probes at least.
            pulse.beat();
            let (due, next_deadline) = self.due();
            for question in due {
                let question = match question.is_round() {
                    true => {
                        let followed = directory.followed(question.shard());
                        question.about(followed, &Bounds::STANDARD)
                    }
                    false => question,
                };
                asking.push(Box::pin(ask(heads, metrics, question)));
            }
            tokio::select! {
                Some((question, answer)) = asking.next() => {
                    if let Some(next) = self.answered(question, &answer, directory) {
                        asking.push(Box::pin(ask(heads, metrics, next)));
                    }
                }
                () = self.more.notified() => {}
                changed = losses.changed() => match changed {
                    Ok(()) => {
                        info!("live entries may have been lost: comparing heads");
                        metrics.live_losses.inc();
                        self.core.lock().lost(Uptime::now());
                        directory.shards().for_each(|shard| directory.missed(shard));
                    }
                    Err(_) => return,
                },
                () = tokio::time::sleep(Duration::from_millis(next_deadline.since(Uptime::now()).0)) => {}
            }
        }
    }

    /// What is to be asked now, and when to look again.
    fn due(&self) -> (Vec<Question>, Uptime) {
        let mut core = self.core.lock();
        let due = core.due(Uptime::now(), Millis(rand::random_range(0..=EARLIER)));
        (due, core.next_deadline())
    }

    /// Gives the sessions their shares. Gives what is to be asked next.
    fn answered(
        &self,
        question: Question,
        answer: &Result<HeadsAnswer, HeadsError>,
        directory: &Directory,
    ) -> Option<Question> {
        question.tell(answer.as_ref().ok(), Audience::tell);
        let shard = question.shard();
        let answered = match answer {
            Ok(_) => Ok(()),
            Err(HeadsError::NobodyListens) => Err(Unanswered::NobodyListens),
            Err(HeadsError::Unanswered | HeadsError::Unreadable) => Err(Unanswered::NoAnswer),
        };
        let Answered { next, news } = self.core.lock().answered(question, answered);
        match news {
            Some(News::Answers) => {
                info!(%shard, "a deliver reader answers");
                // Whoever could not ask it may have been cut off behind a leaf node, which loses no connection of ours.
                directory.missed(shard);
            }
            Some(News::Silent) => warn!(%shard, "no deliver reader answers"),
            None => {}
        }
        next
    }
}

async fn ask(heads: &Heads, metrics: &Metrics, question: Question) -> (Question, Result<HeadsAnswer, HeadsError>) {
    metrics.heads_asked.inc();
    let answer = heads.ask(question.shard(), question.logs()).await;
    if answer.is_err() {
        metrics.heads_unanswered.inc();
    }
    (question, answer)
}
