//! Records that are changed now and then, by compare-and-set.

use dunlin_nats::{Record, RecordError, Records, SaveError};
use dunlin_schema::{Millis, Seq, Shard, envelope::EnvelopeError};
use prometheus_client::metrics::counter::Counter;

/// Questions of a shard that may change records and are answered at once: further ones wait, and are asked again by who gets no answer.
pub(crate) const AT_ONCE: usize = 16;
/// Tries to write a record before that is given up for now. Each that fails is a write of somebody else's: as many as two workers have
/// under way for one person.
const TRIES: usize = 4 * AT_ONCE;

/// Why a record is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// It can't be loaded.
    #[error(transparent)]
    Load(#[from] RecordError),
    /// What is stored is damaged, or a newer release wrote it: nobody knows what a write would take away.
    #[error("what is stored can't be read: {0}")]
    Unreadable(#[from] EnvelopeError),
    /// It was not written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// What is to be written, and for how long it is kept: for ever, where nothing is said.
pub(crate) type Write = (Vec<u8>, Option<Millis>);

/// What has come of a change.
pub(crate) struct Changed {
    /// The record's revision; `Seq(0)` where there is none.
    pub(crate) revision: Seq,
    /// Whether the record was made.
    pub(crate) is_new: bool,
}

/// Writes what `change` makes of what is stored, if anything. The outer error is that of `change`.
pub(crate) async fn change<E>(
    records: &Records,
    conflicts: &Counter,
    shard: Shard,
    subject: &str,
    change: impl Fn(Option<&Record>) -> Result<Option<Write>, E>,
) -> Result<Changed, E>
where
    E: From<ChangeError>,
{
    let mut left = TRIES;
    loop {
        let stored = records.load(shard, subject).await.map_err(ChangeError::from)?;
        let revision = stored.as_ref().map_or(Seq(0), |stored| stored.revision);
        let Some((bytes, kept)) = change(stored.as_ref())? else { return Ok(Changed { revision, is_new: false }) };
        let saved = match kept {
            Some(kept) => records.save_for(kept, subject, bytes, revision).await,
            None => records.save(subject, bytes, revision).await,
        };
        left -= 1;
        match saved {
            Ok(written) => return Ok(Changed { revision: written, is_new: revision == Seq(0) }),
            Err(SaveError::Conflict) if left > 0 => {
                conflicts.inc();
            }
            Err(error) => return Err(ChangeError::from(error).into()),
        }
    }
}
