//! Compares the store and the records, and mends both ways: what no record speaks of is taken out of the store; of a file that the store no
//! longer has, those who sent it are told.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use dunlin_nats::{Appender, Item, Origin};
use dunlin_schema::{
    Address, Code, Content, Entry, Log, MediaId, MessageId, Millis, Peer, Seq, Shard,
    content::Failed,
    entry::Body,
    media::record::{MediaRecord, MediaState, Reference},
    subject,
};
use dunlin_store::{Error as StoreError, Key, Stored};
use tokio::time::sleep;

use super::{
    Media,
    core::{is_of_a_file, kept},
    place::{Place, Saved, Trouble},
    region::key,
};
use crate::{clock, context::Context};

/// Whoever has this shard goes through the store: two at once do no harm.
const SWEEPER: Shard = Shard(0);

/// Sweeps now and then, until it is dropped.
pub(super) async fn run(context: &Context, shard: Shard, media: &Media) {
    let every = Duration::from_millis(context.media().swept_every.0.max(1));
    loop {
        // Not all workers at once, nor each at its start.
        sleep(every.mul_f64(rand::random_range(0.5..1.0))).await;
        if shard != SWEEPER {
            continue;
        }
        let sweep = Sweep { media, appender: context.appender(), stray_after: context.media().stray_after };
        if let Err(trouble) = sweep.all().await {
            tracing::warn!(%trouble, "the store of media was not gone through: it is tried again later");
        }
    }
}

struct Sweep<'a> {
    media: &'a Media,
    appender: Option<&'a Appender>,
    /// How old something has to be that is taken out.
    stray_after: Millis,
}

impl Sweep<'_> {
    async fn all(&self) -> Result<(), Trouble> {
        let begun = clock::now();
        let there = self.objects().await?;
        self.uploads().await?;
        self.lost(&there, begun).await
    }

    /// Takes out the objects that are of no file. Gives all that the walk met.
    async fn objects(&self) -> Result<HashSet<Key>, Trouble> {
        let store = &self.media.region.store;
        let (mut listing, mut there) = (store.objects(), HashSet::new());
        loop {
            let page = listing.page().await?;
            if page.is_empty() {
                return Ok(there);
            }
            for stored in page {
                there.insert(stored.key);
                let Some(file) = file_of(stored.key).filter(|_| self.is_old(&stored)) else { continue };
                if !is_of_a_file(self.record(file).await?.as_ref()) {
                    store.remove(stored.key).await?;
                    self.media.metrics.swept.inc();
                }
            }
        }
    }

    /// Takes out the uploads that nobody is to go on with.
    async fn uploads(&self) -> Result<(), Trouble> {
        let store = &self.media.region.store;
        let mut listing = store.uploads();
        loop {
            let page = listing.page().await?;
            if page.is_empty() {
                return Ok(());
            }
            for stored in page {
                let Some(file) = file_of(stored.key).filter(|_| self.is_old(&stored)) else { continue };
                let state = self.record(file).await?.map(|record| record.state);
                if !matches!(state, Some(MediaState::Promised { .. })) {
                    store.abort(stored.key).await?;
                    self.media.metrics.swept.inc();
                }
            }
        }
    }

    fn is_old(&self, stored: &Stored) -> bool {
        let age = SystemTime::now().duration_since(stored.changed).unwrap_or_default();
        age >= Duration::from_millis(self.stray_after.0)
    }

    async fn record(&self, file: MediaId) -> Result<Option<MediaRecord>, Trouble> {
        Ok(self.media.region.media(file).await?.map(|(record, _)| record))
    }

    /// Finds the files whose bytes are not `there`, of those that were usable when the walk through the store began.
    async fn lost(&self, there: &HashSet<Key>, begun: Millis) -> Result<(), Trouble> {
        let region = &self.media.region;
        let (mut known, mut missing) = (0_usize, Vec::new());
        for shard in (0..region.shards).map(Shard) {
            let pattern = subject::media_records(&region.name, shard);
            let look = |subject: String, record: dunlin_nats::Record| {
                let is_usable = matches!(MediaRecord::decode(&record.bytes)?.state, MediaState::Usable(_));
                if is_usable && record.stamp.millis() < begun {
                    known += 1;
                    missing.extend(subject::parse_media_record(&subject).filter(|file| !there.contains(&key(*file))));
                }
                Ok::<_, Trouble>(())
            };
            region.records.each_above(&region.reads, shard, &pattern, Seq(0), look).await?;
        }
        if is_another_store(known, missing.len()) {
            let missing = missing.len();
            tracing::error!(known, missing, "most files are missing: is this the store? Nothing is taken for lost");
            return Ok(());
        }
        for file in missing {
            self.look_for(file).await?;
        }
        Ok(())
    }

    /// A file that the walk did not meet: it may have come meanwhile.
    async fn look_for(&self, file: MediaId) -> Result<(), Trouble> {
        let region = &self.media.region;
        let Some((record, revision)) = region.media(file).await? else { return Ok(()) };
        let MediaState::Usable(usable) = &record.state else { return Ok(()) };
        match region.store.size(key(file)).await {
            Ok(_) => return Ok(()),
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        // Who is told twice, because the record was not written after it, was told the truth twice.
        for reference in &usable.references {
            self.tell(file, reference).await?;
        }
        let lost = MediaRecord { state: MediaState::Lost, until: record.until };
        if region.save_media(file, &lost, kept(lost.until, clock::now()), revision).await? == Saved::Yes {
            tracing::error!(%file, messages = usable.references.len(), "the store has lost a file");
            self.media.metrics.lost.inc();
        }
        Ok(())
    }

    /// Tells somebody who sent a file that it is lost.
    async fn tell(&self, file: MediaId, Reference { from, id, to }: &Reference) -> Result<(), Trouble> {
        let region = &self.media.region;
        let Some(appender) = self.appender.filter(|_| from.region == region.name) else { return Ok(()) };
        let message = format!("the store has lost the file {file} of this message");
        let failed = Failed { id: *id, to: to.clone(), code: Code::MediaLost.into(), message };
        let owner = Address { peer: Peer::User(from.user.clone()), region: Some(region.name.clone()) };
        let now = clock::now();
        let entry = Entry {
            id: MessageId::from_parts(now, rand::random()),
            from: from.clone(),
            to: owner,
            order: None,
            time: now,
            body: Body::Content(Content::Failed(Box::new(failed))),
        };
        let log = Log::mailbox(&region.name, region.shards, &from.user);
        let item = Item { log, entry, origin: Origin::Client, first_try: true, copy_of_new: false };
        appender.append(item).await.map(drop).map_err(|error| Trouble::Record(error.to_string()))
    }
}

/// The file that something in the store is of, or its small picture; `None` of what nobody here has put there.
fn file_of(key: Key) -> Option<MediaId> {
    key.as_str().parse().ok().map(MediaId::file)
}

/// Whether so much is missing that it is rather the store that is another one: a folder that is not mounted, or the wrong bucket.
fn is_another_store(known: usize, missing: usize) -> bool {
    missing > 10 && missing > known / 2
}

#[test]
fn a_folder_that_is_not_mounted_has_lost_nothing() {
    assert!(is_another_store(1_000, 1_000) && is_another_store(11, 11) && is_another_store(1_000, 501));
    assert!(!is_another_store(1, 1) && !is_another_store(1_000, 500) && !is_another_store(0, 0));
}
