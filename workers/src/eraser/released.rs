//! Tells the media workers that messages which are erased refer to their files no longer, so that these go sooner than by the ends of their
//! leases. An erasure does not depend on it: where no media worker takes it in for a while, the leases end all the same.

use std::time::Duration;

use dunlin_nats::Media;
use dunlin_schema::{
    MediaId,
    entry::Header,
    limits,
    media::service::{MediaAnswer, MediaRequest},
    subject,
};
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::metrics::EraserMetrics;
use crate::context::Context;

/// For how long it is told again: a worker that was just started does not listen yet. The reader's lease is not renewed meanwhile.
const WITHIN: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(100);

/// See the module's head.
pub(super) struct Released {
    media: Media,
    shards: u16,
    metrics: EraserMetrics,
}

impl Released {
    pub(super) fn of(context: &Context, metrics: EraserMetrics) -> Released {
        Released { media: Media::new(context.connection()), shards: context.settings().shards, metrics }
    }

    /// The message with this header no longer refers to these files.
    pub(super) async fn tell(&self, header: &Header, files: Vec<MediaId>) {
        join_all(files.into_iter().map(|media| self.one(header, media))).await;
    }

    async fn one(&self, Header { id, from, to, .. }: &Header, media: MediaId) {
        let wanted = MediaRequest::Release { from: from.clone(), id: *id, to: to.clone(), media };
        match timeout(WITHIN, self.until_done(media, &wanted)).await {
            Ok(()) => self.metrics.released.inc(),
            Err(_) => {
                tracing::warn!(%media, "a file stays until its lease ends: no media worker has heard that its message is erased");
                self.metrics.kept.inc()
            }
        };
    }

    async fn until_done(&self, media: MediaId, wanted: &MediaRequest) {
        let shard = subject::media_shard(self.shards, media);
        loop {
            match self.media.ask(shard, wanted, limits::ASK_WITHIN).await {
                Ok(MediaAnswer::Done) => return,
                answer => tracing::debug!(%shard, %media, ?answer, "a file is not released yet"),
            }
            sleep(AGAIN).await;
        }
    }
}
