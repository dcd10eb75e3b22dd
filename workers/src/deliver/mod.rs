//! The `deliver` role: publishes each entry of a shard, in order, to its log's live subject, and answers how far logs have come.
//!
//! `core` decides, `heads` is its map; this file feeds the core with what its reader gives. The end
//! comes first; then questions and entries in turns, at most [`BATCH`] entries at once, so that neither a long backlog nor a flood of
//! questions keeps the other waiting.

pub mod core;
pub mod heads;
mod metrics;
#[cfg(test)]
mod model;

use std::{collections::HashMap, sync::Arc};

use dunlin_nats::{HeadsService, Question, Reply};
use dunlin_schema::{
    Peer, Shard,
    heads::{HeadsRequest, Verified},
    limits,
    live::{LiveEntry, UserMessage},
    record, subject,
};
use futures_util::FutureExt;
use prometheus_client::registry::Registry;

use self::{
    core::Deliver,
    metrics::{DeliverMetrics, Metrics},
};
use crate::{
    context::Context,
    offer::Offer,
    reader::{
        Given, Pass,
        core::{DoubtId, Epochs},
    },
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new(record::LEADER, prepare);

/// Entries taken for each wake-up.
const BATCH: usize = 64;

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// Works on a shard until it is told to stop.
async fn run(context: Context, shard: Shard, metrics: DeliverMetrics) {
    let (replicas, sync_always) = (context.settings.replicas, context.settings.sync_always);
    let epochs = Epochs::Begins { replicas, sync_always };
    let mut pass = Pass::start(&context, shard, ROLE.as_str(), epochs, metrics.reader.clone());
    let mut work = Delivery {
        core: Deliver::new(limits::HEADS_MAP),
        logs: subject::Logs::of(&context.settings.region, shard),
        offer: Offer::Withdrawn,
        doubts: HashMap::new(),
        doubted: 0,
        context,
        shard,
        metrics,
    };
    let stop = work.context.stop();
    let mut stopping = false;
    loop {
        let given = tokio::select! {
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                pass.stop();
                continue;
            }
            // Until it is live, questions wait: a late answer is better than none.
            question = work.offer.next(), if pass.is_live() => {
                work.ask(question, &mut pass).await;
                continue;
            }
            given = pass.next() => given,
        };
        if !work.take(given).await {
            return;
        }
        for _ in 1..BATCH {
            let Some(given) = pass.try_next() else { break };
            if !work.take(given).await {
                return;
            }
        }
        work.metrics.mailboxes.set(work.core.mailboxes() as i64);
    }
}

/// The role's work on one shard.
struct Delivery {
    context: Context,
    shard: Shard,
    metrics: DeliverMetrics,
    logs: subject::Logs,
    core: Deliver,
    offer: Offer<HeadsService>,
    /// At most [`crate::reader::core::DOUBTS`].
    doubts: HashMap<DoubtId, Reply<Verified>>,
    doubted: u64,
}

impl Delivery {
    /// Does what it does with what the reader gave. Whether there is more to come.
    async fn take(&mut self, given: Given) -> bool {
        match given {
            Given::Begin(position) => self.core.begin(position),
            Given::Live => {
                if matches!(self.offer, Offer::Withdrawn) {
                    self.offer = Offer::make(&self.context.connection, self.shard);
                }
            }
            Given::Entry { position, after_hole, subject, payload } => {
                let owner = self.logs.owner(&subject);
                let live = self.core.entry(position, after_hole, owner.as_ref(), payload);
                match (owner, live) {
                    (Some(owner), Some(live)) => self.publish(&owner, &live).await,
                    (Some(_) | None, _) => {
                        self.metrics.skipped.inc();
                    }
                }
            }
            Given::Verified(doubt, position) => {
                if let Some(reply) = self.doubts.remove(&doubt) {
                    reply.answer(&Verified { position }).await;
                }
            }
            Given::Declined(doubt) => {
                self.doubts.remove(&doubt);
                self.metrics.declined.inc();
            }
            Given::Lost => {
                self.core.lost();
                self.offer = Offer::Withdrawn;
            }
            Given::Stopped => return false,
        }
        true
    }

    async fn publish(&mut self, owner: &Peer, live: &LiveEntry) {
        let (subject, payload) = (subject::live(owner), UserMessage::encode_entry(live));
        match self.context.publisher.publish(&subject, &payload).await {
            Ok(()) => {
                self.metrics.published.inc();
            }
            // Whoever waits for it finds it by the next entry's `after`, or by comparing heads.
            Err(error) => {
                tracing::debug!(shard = %self.shard, seq = live.position.seq.0, %error, "an entry was not published");
            }
        }
    }

    async fn ask(&mut self, question: Question, pass: &mut Pass) {
        match question {
            Question::Heads(HeadsRequest { logs }, reply) => match self.core.heads(pass.live_at(), &logs) {
                Some(answer) => reply.answer(&answer).await,
                None => {
                    self.metrics.declined.inc();
                }
            },
            Question::Verify(_, reply) => {
                self.doubted += 1;
                let doubt = DoubtId(self.doubted);
                self.doubts.insert(doubt, reply);
                pass.doubt(doubt);
            }
        }
    }
}
