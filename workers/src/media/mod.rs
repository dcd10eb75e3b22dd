//! The `media` role: has files uploaded, looks at what came, says who may have it, and forgets what nobody refers to. Their bytes are in
//! the store, and never travel through NATS.
//!
//! | file | what lives there |
//! |---|---|
//! | `core` | what becomes of a file's record, decided without I/O |
//! | `steps` | what is done with a file, step by step, against a `place` |
//! | `region` | the place: the region's records, and its store |
//! | `sweep` | takes out of the store what no record speaks of |
//! | `inventory` | the region's files, as its operators see them |

pub mod core;
mod inventory;
mod metrics;
mod place;
mod region;
mod steps;
mod sweep;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc, time::Duration};

use dunlin_nats::{MediaQuestion, MediaService};
use dunlin_schema::{
    MediaId, Shard, limits,
    media::{
        record::Reference,
        service::{MediaAnswer, MediaRefusal, MediaRequest},
    },
};
use dunlin_store::Previews;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::{sync::Semaphore, time::timeout};

pub use self::{
    inventory::{Fault, Inventory},
    place::Trouble,
    sweep::Mended,
};
use self::{
    metrics::{MediaMetrics, Metrics},
    region::Region,
    steps::Steps,
};
use crate::{
    clock,
    context::Context,
    offer,
    readiness::TaskState,
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new("media", prepare).with_reads().with_appender();

/// Questions of a shard that are answered at once: further ones wait.
const AT_ONCE: usize = 64;
/// Files that are looked at at once, of all shards: each is read from end to end.
const LOOKED_AT: usize = 4;
/// Small pictures that are made at once: each takes up to half a gibibyte for a moment.
const PREVIEWS: usize = 1;

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    let looking = Looking { turns: Semaphore::new(LOOKED_AT), at: Mutex::default(), previews: Previews::new(PREVIEWS) };
    let looking = Arc::new(looking);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard), looking.clone()).boxed()))
}

/// The files that are looked at.
struct Looking {
    turns: Semaphore,
    at: Mutex<HashSet<MediaId>>,
    previews: Previews,
}

/// What a shard's questions are answered with.
#[derive(Clone)]
struct Media {
    region: Region,
    quota: u64,
    looking: Arc<Looking>,
    metrics: MediaMetrics,
}

/// Works on a shard until it is told to stop. Where no store is named there is nothing to do.
async fn run(context: Context, shard: Shard, metrics: MediaMetrics, looking: Arc<Looking>) {
    let (store, reads) = (context.store().cloned(), context.reads().cloned());
    let work = async {
        let (Some(store), Some(reads)) = (store, reads) else {
            context.tell(TaskState::Working);
            return std::future::pending().await;
        };
        let settings = context.settings();
        let (name, shards) = (settings.region.clone(), settings.shards);
        let previews = looking.previews.clone();
        let strip = context.media().strip_metadata;
        let region = Region { name, shards, records: context.records(), reads, store, previews, strip };
        let media = Media { region, quota: context.media().quota, looking, metrics };
        tokio::join!(serve(&context, shard, &media), sweep::run(&context, shard, &media));
    };
    tokio::select! {
        () = context.stop.cancelled() => {}
        () = work => {}
    }
    context.tell(TaskState::Idle);
}

/// Answers until it is dropped.
async fn serve(context: &Context, shard: Shard, media: &Media) {
    let start = || MediaService::start(context.connection(), shard);
    let answer = |service| {
        context.tell(TaskState::Working);
        answer(service, media)
    };
    offer::always(shard, start, answer).await;
}

/// Answers until the connection is closed.
async fn answer(mut service: MediaService, media: &Media) {
    let mut answering = FuturesUnordered::new();
    loop {
        tokio::select! {
            question = service.next(), if answering.len() < AT_ONCE => {
                let Some(MediaQuestion { wanted, reply }) = question else { return };
                answering.push(async move { reply.answer(&media.answer(wanted).await).await });
            }
            Some(()) = answering.next() => {}
        }
    }
}

/// That a file is looked at, until this is dropped.
struct AtWork {
    looking: Arc<Looking>,
    media: MediaId,
}

impl AtWork {
    /// `None` where it is looked at already.
    fn begin(looking: &Arc<Looking>, media: MediaId) -> Option<AtWork> {
        looking.at.lock().insert(media).then(|| AtWork { looking: looking.clone(), media })
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.looking.at.lock().remove(&self.media);
    }
}

impl Media {
    async fn answer(&self, wanted: MediaRequest) -> MediaAnswer {
        let answer = match wanted {
            // It may take long, and goes on when whoever asks has been told so.
            MediaRequest::Complete { media, .. } => {
                let Some(at_work) = AtWork::begin(&self.looking, media) else {
                    return MediaAnswer::Refused(MediaRefusal::Busy);
                };
                let whole = self.clone();
                let work = tokio::spawn(async move {
                    let done = match whole.looking.turns.acquire().await {
                        Ok(_turn) => whole.done(wanted).await,
                        Err(_) => MediaAnswer::Refused(MediaRefusal::Busy),
                    };
                    drop(at_work);
                    done
                });
                let within = Duration::from_millis(limits::MEDIA_WITHIN.0);
                match timeout(within, work).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) | Err(_) => MediaAnswer::Refused(MediaRefusal::Busy),
                }
            }
            wanted @ (MediaRequest::Begin { .. }
            | MediaRequest::GoOn { .. }
            | MediaRequest::Refer { .. }
            | MediaRequest::Open { .. }
            | MediaRequest::Release { .. }) => self.done(wanted).await,
        };
        self.metrics.count(&answer);
        self.metrics.open.set(i64::from(self.region.store.health().0));
        answer
    }

    async fn done(&self, wanted: MediaRequest) -> MediaAnswer {
        let steps = Steps { place: &self.region, now: clock::now(), quota: self.quota };
        let answered = match wanted {
            MediaRequest::Begin { by, file } => steps.begin(&by, &file, rand::random(), rand::random()).await,
            MediaRequest::GoOn { by, media } => steps.go_on(&by, media).await,
            MediaRequest::Complete { by, media, proof } => steps.complete(&by, media, proof, rand::random()).await,
            MediaRequest::Refer { message, media, until, seen } => steps.refer(&message, media, until, seen).await,
            MediaRequest::Open { by, media, thumbnail, name, seen } => {
                steps.open(&by, media, seen, thumbnail, name.as_ref()).await
            }
            MediaRequest::Release { from, id, to, media } => steps.release(&Reference { from, id, to }, media).await,
        };
        answered.unwrap_or_else(|trouble| {
            tracing::warn!(%trouble, "something was not done with a file");
            MediaAnswer::Refused(MediaRefusal::Unavailable)
        })
    }
}
