//! Compares the store and the records, and mends both ways: what no record speaks of is taken out of the store; of a file that the store no
//! longer has, those who sent it are told, and small pictures that are gone are made anew.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use dunlin_nats::{Appender, Item, Origin};
use dunlin_schema::{
    Address, Code, Content, Entry, Log, MediaId, MessageId, Millis, Peer, Shard,
    content::Failed,
    entry::Body,
    media::{
        MediaFacts,
        record::{MediaRecord, MediaState, Reference},
    },
};
use dunlin_store::{Error as StoreError, Key, LONGEST, Stored};
use tokio::time::sleep;

use super::{
    Media,
    core::{is_of_a_file, kept},
    place::{Looked, Place, Saved, Trouble},
    region::{Region, key},
};
use crate::{clock, context::Context};

/// Whoever has this shard goes through the store: two at once do no harm.
const SWEEPER: Shard = Shard(0);

/// How long ago somebody else may have told of a file that is lost, and have died before that was written down.
const TOLD_WITHIN: Millis = Millis(7 * 24 * 3_600_000);

/// Sweeps now and then, until it is dropped.
pub(super) async fn run(context: &Context, shard: Shard, media: &Media) {
    let settings = context.media();
    let every = Duration::from_millis(settings.swept_every.0.max(1));
    let count = |mended| match mended {
        Mended::Object(_) | Mended::Upload(_) => _ = media.metrics.swept.inc(),
        Mended::Lost(_) => _ = media.metrics.lost.inc(),
        Mended::Preview(file) => tracing::warn!(%file, "the store had lost a small picture, and has it again"),
    };
    let (region, appender, stray_after) = (&media.region, context.appender(), settings.stray_after);
    loop {
        // Not all workers at once, nor each at its start.
        sleep(every.mul_f64(rand::random_range(0.5..1.0))).await;
        if shard != SWEEPER {
            continue;
        }
        if let Err(trouble) = (Sweep { region, appender, stray_after, mended: &count }).all().await {
            tracing::warn!(%trouble, "the store of media was not gone through: it is tried again later");
        }
    }
}

/// What a sweep has mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Bytes that are of no file were taken out.
    Object(Key),
    /// So was an upload that nobody is to go on with.
    Upload(Key),
    /// A file's bytes are gone, and those who sent it were told.
    Lost(MediaId),
    /// A file's small picture was gone, and is there again.
    Preview(MediaId),
}

/// One walk through the store, and through the records.
pub(super) struct Sweep<'a> {
    pub(super) region: &'a Region,
    pub(super) appender: Option<&'a Appender>,
    /// How old something has to be that is taken out.
    pub(super) stray_after: Millis,
    /// Told of each thing that was mended.
    pub(super) mended: &'a (dyn Fn(Mended) + Sync),
}

impl Sweep<'_> {
    /// All of it. What was mended before it fails stays mended.
    pub(super) async fn all(&self) -> Result<(), Trouble> {
        let begun = clock::now();
        let there = self.objects().await?;
        self.uploads().await?;
        self.region.store.tidy().await?;
        self.lost(&there, begun).await
    }

    /// Takes out the objects that are of no file. Gives all that the walk met, each with its size.
    async fn objects(&self) -> Result<HashMap<Key, u64>, Trouble> {
        let store = &self.region.store;
        let (mut listing, mut there) = (store.objects(), HashMap::new());
        loop {
            let page = listing.page().await?;
            if page.is_empty() {
                return Ok(there);
            }
            for stored in page {
                there.insert(stored.key, stored.size);
                let Some(file) = file_of(stored.key).filter(|_| self.is_old(&stored)) else { continue };
                if !is_of_a_file(self.record(file).await?.as_ref()) {
                    store.remove(stored.key).await?;
                    (self.mended)(Mended::Object(stored.key));
                }
            }
        }
    }

    /// Takes out the uploads that nobody is to go on with.
    async fn uploads(&self) -> Result<(), Trouble> {
        let store = &self.region.store;
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
                    (self.mended)(Mended::Upload(stored.key));
                }
            }
        }
    }

    fn is_old(&self, stored: &Stored) -> bool {
        let age = SystemTime::now().duration_since(stored.changed).unwrap_or_default();
        age >= Duration::from_millis(self.stray_after.0)
    }

    async fn record(&self, file: MediaId) -> Result<Option<MediaRecord>, Trouble> {
        Ok(self.region.media(file).await?.map(|(record, _)| record))
    }

    /// Finds the files whose bytes are not `there`, or not all of them, of those that were usable when the walk through the store began.
    async fn lost(&self, there: &HashMap<Key, u64>, begun: Millis) -> Result<(), Trouble> {
        let region = self.region;
        let (mut known, mut missing, mut unshown) = (0, Vec::new(), Vec::new());
        let look = |file: MediaId, record: MediaRecord, written| {
            let MediaState::Usable(usable) = &record.state else { return };
            if written >= begun {
                return;
            }
            known += 1;
            if there.get(&key(file)) != Some(&usable.facts.size) {
                missing.push(file);
            } else if usable.facts.thumbnail && !there.contains_key(&key(file.preview())) {
                unshown.push((file, usable.facts.clone()));
            }
        };
        region.each(look).await?;
        if is_another_store(known, missing.len()) {
            return Err(Trouble::AnotherStore { known, missing: missing.len() });
        }
        for file in missing {
            self.look_for(file).await?;
        }
        for (file, facts) in unshown {
            self.show(file, facts).await?;
        }
        Ok(())
    }

    /// Makes the small picture of a file anew, where the walk did not meet it.
    async fn show(&self, file: MediaId, facts: MediaFacts) -> Result<(), Trouble> {
        match self.region.store.size(key(file.preview())).await {
            Ok(_) => return Ok(()),
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        let (_, _, whole) = match self.region.hashed(file, &[], LONGEST).await {
            Ok(hashed) => hashed,
            // It went meanwhile.
            Err(StoreError::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match self.region.looked(file, facts, whole).await? {
            Looked::Same(_) => (self.mended)(Mended::Preview(file)),
            // `verify` tells it to who can do something about it.
            Looked::Differs(why) => tracing::warn!(%file, why, "a small picture is lost, and can't be made anew"),
            Looked::Missing(_) => {}
        }
        Ok(())
    }

    /// A file that the walk did not meet as it should be: it may have come meanwhile.
    async fn look_for(&self, file: MediaId) -> Result<(), Trouble> {
        let region = self.region;
        let Some((record, revision)) = region.media(file).await? else { return Ok(()) };
        let MediaState::Usable(usable) = &record.state else { return Ok(()) };
        match region.store.size(key(file)).await {
            Ok(size) if size == usable.facts.size => return Ok(()),
            Ok(_) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        // Whoever told it before, and did not come to write the record, told it under the same ids.
        for reference in &usable.references {
            self.tell(file, reference).await?;
        }
        let lost = MediaRecord { state: MediaState::Lost, until: record.until };
        if region.save_media(file, &lost, kept(lost.until, clock::now()), revision).await? == Saved::Yes {
            tracing::error!(%file, messages = usable.references.len(), "the store has lost a file");
            (self.mended)(Mended::Lost(file));
        }
        Ok(())
    }

    /// Tells somebody who sent a file that it is lost.
    async fn tell(&self, file: MediaId, told: &Reference) -> Result<(), Trouble> {
        let Reference { from, id, to } = told;
        let region = self.region;
        let Some(appender) = self.appender.filter(|_| from.region == region.name) else { return Ok(()) };
        let message = format!("the store has lost the file {file} of this message");
        let failed = Failed { id: *id, to: to.clone(), code: Code::MediaLost.into(), message };
        let owner = Address { peer: Peer::User(from.user.clone()), region: Some(region.name.clone()) };
        let now = clock::now();
        let entry = Entry {
            id: news_id(file, told),
            from: from.clone(),
            to: owner,
            order: None,
            time: now,
            body: Body::Content(Content::Failed(Box::new(failed))),
        };
        let log = Log::mailbox(&region.name, region.shards, &from.user);
        let origin = Origin::Reader { saved: now.minus(TOLD_WITHIN).into() };
        let item = Item { log, entry, origin, first_try: false, copy_of_new: false };
        appender.append(item).await.map(drop).map_err(|error| Trouble::Record(error.to_string()))
    }
}

/// What says that a file of a message is lost is called the same by whoever says it, so that it is stored once.
fn news_id(file: MediaId, Reference { from, id, to }: &Reference) -> MessageId {
    let hash = digest(&SHA256, format!("{file} {from} {id} {to}").as_bytes());
    let random = hash.as_ref().first_chunk().expect("a SHA-256 has 32 bytes");
    MessageId::from_parts(id.time(), u128::from_be_bytes(*random))
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
