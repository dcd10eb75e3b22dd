//! What people have decided about others, as far as it is known here: needed before each append and each signal, and loaded once a person.
//!
//! **A change is in force within a second.** What is loaded is trusted for as long as each change of its shard is told here: one watch a
//! shard, without a snapshot. While that is in doubt everything is loaded anew each time. What this gateway has changed itself it forgets
//! before it says that it is done.

mod cache;

use std::sync::Arc;

use dunlin_nats::{ContactError, Contacts, Reads, RecordError, Records, Watch, WatchEvent};
use dunlin_schema::{
    RegionName, Sender, Shard, UserName,
    envelope::EnvelopeError,
    limits,
    record::Settings,
    settings::{Audience, Lets},
    subject,
};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use self::cache::{Cache, Decided, Known};
use crate::{clock, metrics::Metrics, services::Pulse};

/// Changes that wait for whoever hears of them; of more they hear that anybody's may have changed.
const CHANGES: usize = 1_024;

/// Why nobody knows what somebody has decided.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    /// Storage did not say.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Nobody says whether they have written to somebody.
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// What is stored is damaged, or a newer release wrote it.
    #[error("settings that can't be read: {0}")]
    Unreadable(#[from] EnvelopeError),
}

/// The settings of a region's people.
pub(crate) struct People {
    region: RegionName,
    records: Records,
    metrics: Arc<Metrics>,
    shards: Box<[Mutex<Cache>]>,
    anew: broadcast::Sender<Option<UserName>>,
}

impl People {
    pub(crate) fn new(region: RegionName, shards: u16, records: Records, metrics: Arc<Metrics>) -> People {
        let most = (limits::SETTINGS_CACHED / usize::from(shards)).max(1);
        let shards = (0..shards).map(|_| Mutex::new(Cache::new(most))).collect();
        let (anew, _) = broadcast::channel(CHANGES);
        People { region, records, metrics, shards, anew }
    }

    /// A person of the region, as others name them.
    pub(crate) fn sender(&self, user: &UserName) -> Sender {
        Sender { user: user.clone(), region: self.region.clone() }
    }

    fn shard(&self, user: &UserName) -> Shard {
        Shard::of(user.as_str(), self.shards.len() as u16)
    }

    fn cache(&self, shard: Shard) -> &Mutex<Cache> {
        &self.shards[usize::from(shard.0)]
    }

    /// A person's settings, where they are known.
    fn known(&self, user: &UserName) -> Option<Known> {
        self.cache(self.shard(user)).lock().known(user)
    }

    /// A person's settings. Errors: see [`Unsettled`].
    async fn of(&self, user: &UserName) -> Result<Known, Unsettled> {
        let shard = self.shard(user);
        loop {
            // The lock is not held while it is waited.
            let slot = self.cache(shard).lock().slot(user);
            let Some(slot) = slot else { return self.load(shard, user).await };
            let load = async || {
                let known = self.load(shard, user).await?;
                self.cache(shard).lock().loaded(user, &known);
                Ok::<Known, Unsettled>(known)
            };
            let known = slot.get_or_try_init(load).await?.clone();
            // Where they changed while they were loaded, the slot is gone.
            if self.cache(shard).lock().holds(user, &slot) {
                return Ok(known);
            }
        }
    }

    async fn load(&self, shard: Shard, user: &UserName) -> Result<Known, Unsettled> {
        self.metrics.settings_loaded.inc();
        let loaded = async {
            let record = self.records.load(shard, &subject::settings(&self.region, shard, user)).await?;
            let settings = record.map(|record| Settings::decode(&record.bytes)).transpose()?;
            Ok(settings
                .filter(|settings| *settings != Settings::default())
                .map(|settings| Arc::new(Decided::new(settings))))
        };
        loaded.await.inspect_err(|error: &Unsettled| {
            self.metrics.settings_unknown.inc();
            tracing::debug!(%error, %user, "what somebody decided about others is not known");
        })
    }

    /// Somebody's settings have changed.
    pub(crate) fn forget(&self, user: &UserName) {
        self.cache(self.shard(user)).lock().forget(user);
        self.say(Some(user.clone()));
    }

    fn say(&self, changed: Option<UserName>) {
        // Nobody may be there to hear it.
        self.anew.send(changed).ok();
    }

    /// Whether a person lets somebody write to them, or tell them signals. Errors: see [`Unsettled`].
    pub(crate) async fn may_write(&self, reads: &Reads, from: &Sender, to: &UserName) -> Result<bool, Unsettled> {
        self.lets(reads, from, to, |settings| settings.who_may_write).await
    }

    /// The same, where nothing has to be asked for it.
    pub(crate) fn known_to_let_write(&self, from: &Sender, to: &UserName) -> Option<bool> {
        let known = self.known(to)?;
        self.decided(from, to, known.as_deref(), |settings| settings.who_may_write)
    }

    /// Whether a person lets somebody see whether they are there, and when they were last. Errors: see [`Unsettled`].
    pub(crate) async fn may_see(&self, reads: &Reads, asker: &Sender, person: &UserName) -> Result<bool, Unsettled> {
        self.lets(reads, asker, person, |settings| settings.who_sees_presence).await
    }

    /// The same, where nothing has to be asked for it.
    pub(crate) fn known_to_show(&self, asker: &Sender, person: &UserName) -> Option<bool> {
        let known = self.known(person)?;
        self.decided(asker, person, known.as_deref(), |settings| settings.who_sees_presence)
    }

    /// Whom of the region a person has blocked. Errors: see [`Unsettled`].
    pub(crate) async fn blocked_by(&self, person: &UserName) -> Result<Vec<UserName>, Unsettled> {
        let known = self.of(person).await?;
        let blocked = known.iter().flat_map(|decided| &decided.settings.blocked);
        Ok(blocked.filter(|who| who.region == self.region).map(|who| who.user.clone()).collect())
    }

    /// Hears whose settings have changed from now on; `None` where that may be anybody's.
    pub(crate) fn decided_anew(&self) -> broadcast::Receiver<Option<UserName>> {
        self.anew.subscribe()
    }

    async fn lets(
        &self,
        reads: &Reads,
        other: &Sender,
        person: &UserName,
        audience: impl Fn(&Settings) -> Audience,
    ) -> Result<bool, Unsettled> {
        let known = self.of(person).await?;
        if let Some(lets) = self.decided(other, person, known.as_deref(), audience) {
            return Ok(lets);
        }
        let of = (&self.region, self.shards.len() as u16);
        let is_contact = Contacts::of(other, of, &self.records, reads, clock::now()).have(person).await?;
        if let Some(decided) = known.filter(|_| is_contact) {
            decided.add_contact(other);
        }
        Ok(is_contact)
    }

    /// Whether a person's settings let somebody do something; `None` where it has to be asked whether they are a contact. Nobody shuts
    /// themselves out.
    fn decided(
        &self,
        other: &Sender,
        person: &UserName,
        decided: Option<&Decided>,
        audience: impl Fn(&Settings) -> Audience,
    ) -> Option<bool> {
        let Some(decided) = decided else { return Some(true) };
        if other.user == *person && other.region == self.region {
            return Some(true);
        }
        match decided.settings.lets(other, audience(&decided.settings)) {
            Lets::Yes => Some(true),
            Lets::Contacts => decided.is_contact(other).then_some(true),
            Lets::No => Some(false),
        }
    }

    /// Takes in what changes, until it is dropped.
    pub(crate) async fn run(&self, pulse: &Pulse) {
        let shards = (0..self.shards.len() as u16).map(Shard);
        let watches = shards.map(|shard| {
            let changes = self.records.watch_changes(shard, subject::all_settings(&self.region, shard));
            self.watch(shard, changes)
        });
        tokio::join!(join_all(watches), pulse.beats());
    }

    async fn watch(&self, shard: Shard, mut changes: Watch) {
        loop {
            match changes.next().await {
                WatchEvent::Began => self.cache(shard).lock().doubt(),
                WatchEvent::Complete => {
                    self.cache(shard).lock().trust();
                    self.say(None);
                }
                WatchEvent::Record(subject, _) => match subject::parse_settings(&subject) {
                    Some(user) => self.forget(&user),
                    None => tracing::debug!(subject, "a record of settings that is nobody's"),
                },
            }
        }
    }
}
