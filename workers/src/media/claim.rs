//! That one worker alone looks at an upload: a record that goes by itself when whoever wrote it is gone. Nothing depends on there being one
//! at a time; it saves the others the reading.

use std::time::Duration;

use dunlin_nats::{Records, SaveError};
use dunlin_schema::{MediaId, Millis, Seq, Shard, subject};
use tokio::time::sleep;

use super::{place::Trouble, region::Region};

/// How long after its last word somebody counts as gone.
const GONE_AFTER: Millis = Millis(6_000);

/// See the module's head.
pub(super) struct Claim {
    records: Records,
    shard: Shard,
    subject: String,
    revision: Seq,
}

impl Claim {
    /// `None`: somebody else looks at it.
    pub(super) async fn lay(region: &Region, media: MediaId) -> Result<Option<Claim>, Trouble> {
        let shard = subject::media_shard(region.shards, media);
        let subject = subject::media_looks(&region.name, shard, media);
        match region.records.save_for(GONE_AFTER, &subject, "", Seq(0)).await {
            Ok(revision) => Ok(Some(Claim { records: region.records.clone(), shard, subject, revision })),
            Err(SaveError::Conflict) => Ok(None),
            Err(error @ (SaveError::Unknown | SaveError::Refused(_))) => Err(Trouble::Record(error.to_string())),
        }
    }

    /// Does something, and keeps the claim up as long as it takes.
    pub(super) async fn hold<T>(mut self, work: impl Future<Output = T>) -> T {
        let keeping = async {
            loop {
                sleep(Duration::from_millis(GONE_AFTER.0 / 3)).await;
                if let Ok(revision) = self.records.save_for(GONE_AFTER, &self.subject, "", self.revision).await {
                    self.revision = revision;
                }
            }
        };
        let done = tokio::select! {
            done = work => done,
            () = keeping => unreachable!("it has no end"),
        };
        // Where that fails it goes by itself.
        let _ = self.records.erase(self.shard, self.revision).await;
        done
    }
}
