//! Whom the shard's people have blocked: who is blocked sees no receipts.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use dunlin_schema::{Sender, UserName, envelope::EnvelopeError, record::Settings, subject};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Shared, records::ChangeError};

/// For how long what was loaded counts, so that a block is in force within a second.
const TRUSTED: Duration = Duration::from_millis(500);
/// People whose blocks are known, at most; where there are more, all are loaded again.
const KNOWN: usize = 4_096;

/// What is known of somebody.
#[derive(Clone, Debug)]
enum Blocked {
    These(Arc<BTreeSet<Sender>>),
    /// Their settings are damaged, and nobody knows whom they have let see something.
    Everybody,
}

/// What was loaded, and when that began.
#[derive(Default)]
pub(super) struct Blocks(Mutex<HashMap<UserName, (Instant, Blocked)>>);

impl Shared {
    /// Whether somebody of the shard has blocked this one of the region. Errors: see [`ChangeError`].
    pub(super) async fn has_blocked(&self, person: &UserName, other: &UserName) -> Result<bool, ChangeError> {
        let known = self.blocks.0.lock().get(person).filter(|(at, _)| at.elapsed() < TRUSTED).cloned();
        let blocked = match known {
            Some((_, blocked)) => blocked,
            None => self.load_blocked(person).await?,
        };
        Ok(match blocked {
            Blocked::These(people) => {
                people.contains(&Sender { user: other.clone(), region: self.context.settings.region.clone() })
            }
            Blocked::Everybody => true,
        })
    }

    async fn load_blocked(&self, person: &UserName) -> Result<Blocked, ChangeError> {
        let began = Instant::now();
        let subject = subject::settings(&self.context.settings.region, self.shard, person);
        let blocked = match self.records.load(self.shard, &subject).await? {
            None => Blocked::These(Arc::default()),
            Some(record) => match Settings::decode(&record.bytes) {
                Ok(settings) => Blocked::These(Arc::new(settings.blocked)),
                Err(error @ EnvelopeError::Version { .. }) => return Err(ChangeError::Version(error)),
                Err(EnvelopeError::Short(_) | EnvelopeError::Checksum | EnvelopeError::Content(_)) => {
                    Blocked::Everybody
                }
            },
        };
        let mut known = self.blocks.0.lock();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(person.clone(), (began, blocked.clone()));
        Ok(blocked)
    }
}
