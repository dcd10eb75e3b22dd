//! The `media` role: has files uploaded, looks at what came, says who may have it, and forgets what nobody refers to. Their bytes are in
//! the store, and never travel through NATS.
//!
//! | file | what lives there |
//! |---|---|
//! | `core` | what becomes of a file's record, decided without I/O |
//! | `steps` | what is done with a file, step by step, against a `place` |
//! | `region` | the place: the region's records, and its store |
//! | `claim` | that one worker looks at an upload, and not all of them |
//! | `sweep` | takes out of the store what no record speaks of |
//! | `inventory` | the region's files, as its operators see them |

mod claim;
pub mod core;
mod inventory;
mod metrics;
mod place;
mod region;
mod steps;
mod sweep;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use dunlin_nats::{MediaQuestion, MediaService};
use dunlin_schema::{
    MediaId, Shard, UserName, limits,
    media::{
        record::{MediaState, Reference},
        service::{MediaAnswer, MediaRefusal, MediaRequest},
    },
};
use dunlin_store::{Previews, Store};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use self::{
    claim::Claim,
    metrics::{MediaMetrics, Metrics},
    place::{Place, Trouble},
    region::Region,
    steps::Steps,
};
pub use self::{
    inventory::{Fault, Inventory, NotOpened},
    sweep::Mended,
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
/// How often whoever waits for another worker to have looked at a file sees whether it has.
const ANOTHER_LOOKS: Duration = Duration::from_millis(50);
/// Small pictures that are made at once: each takes up to half a gibibyte for a moment.
const PREVIEWS: usize = 1;

fn prepare(registry: &mut Registry) -> Work {
    let store = Arc::<OnceLock<Arc<Store>>>::default();
    let metrics = Metrics::register(registry, store.clone());
    let looking =
        Looking { turns: Semaphore::new(LOOKED_AT), at: Mutex::default(), previews: Previews::new(PREVIEWS), store };
    let looking = Arc::new(looking);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard), looking.clone()).boxed()))
}

/// What all shards have in common: the files that are looked at, and the store once there is one.
struct Looking {
    turns: Semaphore,
    at: Mutex<HashSet<MediaId>>,
    previews: Previews,
    store: Arc<OnceLock<Arc<Store>>>,
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
        let store = looking.store.get_or_init(|| store).clone();
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
        let looks_at = match &wanted {
            MediaRequest::Complete { by, media, .. } => self.is_promised(by, *media).await.then_some(*media),
            MediaRequest::Begin { .. }
            | MediaRequest::GoOn { .. }
            | MediaRequest::Refer { .. }
            | MediaRequest::Open { .. }
            | MediaRequest::Release { .. } => None,
        };
        let answer = match looks_at {
            Some(media) => self.look(media, wanted).await,
            None => self.done(wanted).await,
        };
        self.metrics.count(&answer);
        answer
    }

    /// It may take long, and goes on when whoever asks has been told so.
    async fn look(&self, media: MediaId, wanted: MediaRequest) -> MediaAnswer {
        let busy = MediaAnswer::Refused(MediaRefusal::Busy);
        let Some(at_work) = AtWork::begin(&self.looking, media) else { return busy };
        let whole = self.clone();
        let work = tokio::spawn(async move {
            let done = whole.completed(wanted).await;
            drop(at_work);
            done
        });
        match timeout(Duration::from_millis(limits::MEDIA_WITHIN.0), work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => busy,
        }
    }

    /// Looks at an upload, or waits until somebody else has.
    async fn completed(&self, wanted: MediaRequest) -> MediaAnswer {
        let MediaRequest::Complete { ref by, media, .. } = wanted else { return self.done(wanted).await };
        while self.is_promised(by, media).await {
            match Claim::lay(&self.region, media).await {
                Ok(Some(claim)) => {
                    let look = async {
                        let _turn = self.looking.turns.acquire().await;
                        self.metrics.looked.inc();
                        self.done(wanted).await
                    };
                    return claim.hold(look).await;
                }
                Ok(None) => sleep(ANOTHER_LOOKS).await,
                Err(trouble) => return unavailable(&trouble),
            }
        }
        self.done(wanted).await
    }

    /// Whether somebody is to upload a file, or has, and nobody has looked at it.
    async fn is_promised(&self, who: &UserName, media: MediaId) -> bool {
        let record = self.region.media(media).await.ok().flatten();
        record.is_some_and(|(record, _)| matches!(record.state, MediaState::Promised { by, .. } if by == *who))
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
        answered.unwrap_or_else(|trouble| unavailable(&trouble))
    }
}

fn unavailable(trouble: &Trouble) -> MediaAnswer {
    tracing::warn!(%trouble, "something was not done with a file");
    MediaAnswer::Refused(MediaRefusal::Unavailable)
}
