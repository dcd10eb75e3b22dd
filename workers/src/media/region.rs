//! The region's records of files, and its store.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context as Hash, SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dunlin_nats::{Reads, Record, RecordError, Records, SaveError};
use dunlin_schema::{
    MediaId, Millis, RegionName, Seq, Shard, UserName,
    envelope::EnvelopeError,
    limits,
    media::{
        FileName, MediaFacts, Sha256,
        record::{MediaRecord, Promise, SameRecord, UploadedRecord},
        service::Part,
    },
    subject,
};
use dunlin_store::{
    BrokenPicture, Error as StoreError, HEAD, Key, LONGEST, NoPreview, Preview, Previews, Store, Upload,
    content_disposition, duration, is_shown, kind, strip_metadata,
};
use futures_util::TryStreamExt;
use tokio::task::spawn_blocking;

use super::{
    core::{counted, kept},
    place::{Finished, Found, Looked, Place, Saved, Trouble},
};
use crate::clock;

/// See the module's head.
#[derive(Clone)]
pub(super) struct Region {
    pub(super) name: RegionName,
    pub(super) shards: u16,
    pub(super) records: Records,
    pub(super) reads: Reads,
    pub(super) store: Arc<Store>,
    pub(super) previews: Previews,
    /// Whether pictures are kept without their metadata.
    pub(super) strip: bool,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Store(error.to_string())
    }
}

impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Trouble {
        Trouble::Record(error.to_string())
    }
}

impl From<EnvelopeError> for Trouble {
    fn from(error: EnvelopeError) -> Trouble {
        Trouble::Record(error.to_string())
    }
}

fn saved(saved: Result<Seq, SaveError>) -> Result<Saved, Trouble> {
    match saved {
        Ok(_) => Ok(Saved::Yes),
        Err(SaveError::Conflict) => Ok(Saved::Conflict),
        Err(error) => Err(Trouble::Record(error.to_string())),
    }
}

/// What a file is called in the store.
pub(super) fn key(media: MediaId) -> Key {
    media.to_string().parse().expect("both are ULIDs")
}

/// What is kept of a picture that tells something beside its pixels; `None` of one that does not, or that is not taken apart.
fn silent(facts: &MediaFacts, head: &Bytes) -> Option<Finished> {
    if !facts.kind.as_str().starts_with("image/") {
        return None;
    }
    if (head.len() as u64) < facts.size {
        return Some(Looked::Differs(format!("pictures of more than {LONGEST} bytes are not taken here")).into());
    }
    match strip_metadata(head) {
        Ok(Some(bytes)) if bytes != *head => {
            let sha256 = digest(&SHA256, &bytes).as_ref().try_into().expect("a SHA-256 has 32 bytes");
            let file = Promise { size: bytes.len() as u64, kind: facts.kind.clone(), sha256: Sha256(sha256) };
            Some(Finished::Tells { file, bytes })
        }
        Ok(_) => None,
        Err(BrokenPicture) => Some(Looked::Differs(format!("it is no {} that can be read", facts.kind)).into()),
    }
}

impl Region {
    fn record_of(&self, media: MediaId) -> (Shard, String) {
        let shard = subject::media_shard(self.shards, media);
        (shard, subject::media_record(&self.name, shard, media))
    }

    fn record_of_same(&self, sha256: Sha256) -> (Shard, String) {
        let shard = subject::same_shard(self.shards, sha256);
        (shard, subject::media_same(&self.name, shard, sha256))
    }

    fn record_of_upload(&self, user: &UserName, media: MediaId) -> (Shard, String) {
        let shard = Shard::of(user.as_str(), self.shards);
        (shard, subject::uploaded(&self.name, shard, user, media))
    }

    async fn load<T>(
        &self,
        (shard, subject): (Shard, String),
        decode: impl FnOnce(&Record) -> Result<T, EnvelopeError>,
    ) -> Result<Found<T>, Trouble> {
        let record = self.records.load(shard, &subject).await?;
        Ok(record.map(|record| decode(&record).map(|value| (value, record.revision))).transpose()?)
    }

    /// Shows the record of each file, and when it was written.
    pub(super) async fn each(&self, mut show: impl FnMut(MediaId, MediaRecord, Millis)) -> Result<(), Trouble> {
        for shard in (0..self.shards).map(Shard) {
            let pattern = subject::media_records(&self.name, shard);
            let decode = |subject: String, record: Record| {
                if let Some(file) = subject::parse_media_record(&subject) {
                    show(file, MediaRecord::decode(&record.bytes)?, record.stamp.millis());
                }
                Ok::<_, Trouble>(())
            };
            self.records.each_above(&self.reads, shard, &pattern, Seq(0), decode).await?;
        }
        Ok(())
    }

    async fn forget(&self, (shard, subject): (Shard, String)) -> Result<(), Trouble> {
        if let Some(record) = self.records.load(shard, &subject).await? {
            self.records.erase(shard, record.revision).await?;
        }
        Ok(())
    }

    /// The length of a file, the hash of `before` and of its bytes, and as many of these from its beginning as are `kept`. Hashes are
    /// computed on a thread that may block, while more is read.
    pub(super) async fn hashed(
        &self,
        media: MediaId,
        before: &[u8],
        kept: usize,
    ) -> Result<(u64, Sha256, Bytes), StoreError> {
        let size = self.store.size(key(media)).await?;
        let mut bytes = self.store.read(key(media), 0, size).await?;
        let (mut hash, mut head) = (Hash::new(&SHA256), Vec::with_capacity(kept.min(size as usize)));
        hash.update(before);
        let mut hashing = spawn_blocking(|| hash);
        while let Some(chunk) = bytes.try_next().await? {
            let more = kept.saturating_sub(head.len()).min(chunk.len());
            head.extend_from_slice(&chunk[..more]);
            let mut hash = hashing.await.expect("hashing does not panic");
            hashing = spawn_blocking(move || {
                hash.update(&chunk);
                hash
            });
        }
        let hash = hashing.await.expect("hashing does not panic").finish();
        let hash = hash.as_ref().try_into().expect("a SHA-256 has 32 bytes");
        Ok((size, Sha256(hash), head.into()))
    }

    /// What is known of a file by what it holds, as far as its bytes are here, and its small picture made.
    pub(super) async fn looked(&self, media: MediaId, facts: MediaFacts, head: Bytes) -> Result<Looked, Trouble> {
        let family = facts.kind.as_str().split('/').next().unwrap_or_default().to_owned();
        let same = |facts| Ok(Looked::Same(Box::new(facts)));
        if (head.len() as u64) < facts.size || !["image", "audio", "video"].contains(&family.as_str()) {
            return same(facts);
        }
        let whole = head;
        if family != "image" {
            let told = spawn_blocking(move || duration(&whole)).await.ok().flatten();
            return same(MediaFacts { duration: told.map(|told| Millis(told.as_millis() as u64)), ..facts });
        }
        match self.previews.make(whole).await {
            Ok(Preview { bytes, mime, width, height, hash }) => {
                self.store.put(key(media.preview()), mime, bytes).await?;
                let (width, height, blur) = (Some(width), Some(height), Some(STANDARD.encode(hash)));
                same(MediaFacts { width, height, blur, thumbnail: true, ..facts })
            }
            Err(NoPreview::TooLarge { sides }) => {
                let (width, height) = sides.unzip();
                same(MediaFacts { width, height, ..facts })
            }
            Err(NoPreview::Unknown) => same(facts),
            Err(NoPreview::Broken(why)) => {
                Ok(Looked::Differs(format!("it is no {} that can be read: {why}", facts.kind)))
            }
        }
    }
}

impl Place for Region {
    async fn media(&self, media: MediaId) -> Result<Found<MediaRecord>, Trouble> {
        self.load(self.record_of(media), |record| MediaRecord::decode(&record.bytes)).await
    }

    async fn save_media(
        &self,
        media: MediaId,
        record: &MediaRecord,
        kept: Millis,
        expect: Seq,
    ) -> Result<Saved, Trouble> {
        let (_, subject) = self.record_of(media);
        saved(self.records.save_for(kept, &subject, record.encode(), expect).await)
    }

    async fn forget_media(&self, media: MediaId, revision: Seq) -> Result<bool, Trouble> {
        let (shard, _) = self.record_of(media);
        Ok(self.records.erase(shard, revision).await?)
    }

    async fn same(&self, sha256: Sha256) -> Result<Found<MediaId>, Trouble> {
        let decode = |record: &Record| SameRecord::decode(&record.bytes).map(|same| same.media);
        self.load(self.record_of_same(sha256), decode).await
    }

    async fn save_same(&self, sha256: Sha256, media: MediaId, expect: Seq) -> Result<Saved, Trouble> {
        let (_, subject) = self.record_of_same(sha256);
        // It is no lease: what it names is looked up, and may be gone.
        let kept = limits::RETENTION.plus(limits::MEDIA_SLACK);
        saved(self.records.save_for(kept, &subject, SameRecord { media }.encode(), expect).await)
    }

    async fn used(&self, user: &UserName) -> Result<u64, Trouble> {
        let shard = Shard::of(user.as_str(), self.shards);
        let pattern = subject::all_uploaded(&self.name, shard, user);
        let mut used = 0_u64;
        let add = |_, record: Record| {
            used = used.saturating_add(counted(UploadedRecord::decode(&record.bytes)?.size));
            Ok::<_, Trouble>(())
        };
        self.records.each_above(&self.reads, shard, &pattern, Seq(0), add).await?;
        Ok(used)
    }

    async fn has_uploaded(&self, user: &UserName, media: MediaId) -> Result<bool, Trouble> {
        let (shard, subject) = self.record_of_upload(user, media);
        Ok(self.records.load(shard, &subject).await?.is_some())
    }

    async fn save_uploaded(&self, user: &UserName, media: MediaId, size: u64, until: Millis) -> Result<(), Trouble> {
        let (shard, subject) = self.record_of_upload(user, media);
        loop {
            let now = clock::now();
            let stored = self.records.load(shard, &subject).await?;
            let (revision, until) = match &stored {
                Some(stored) => (stored.revision, UploadedRecord::decode(&stored.bytes)?.until.max(until)),
                None => (Seq(0), until),
            };
            let record = UploadedRecord { size, until }.encode();
            if saved(self.records.save_for(kept(until, now), &subject, record, revision).await)? == Saved::Yes {
                return Ok(());
            }
        }
    }

    async fn cut_uploaded(&self, user: &UserName, media: MediaId, until: Millis) -> Result<(), Trouble> {
        let (shard, subject) = self.record_of_upload(user, media);
        while let Some(stored) = self.records.load(shard, &subject).await? {
            let record = UploadedRecord { until, ..UploadedRecord::decode(&stored.bytes)? }.encode();
            let kept = kept(until, clock::now());
            if saved(self.records.save_for(kept, &subject, record, stored.revision).await)? == Saved::Yes {
                break;
            }
        }
        Ok(())
    }

    async fn forget_uploaded(&self, user: &UserName, media: MediaId) -> Result<(), Trouble> {
        self.forget(self.record_of_upload(user, media)).await
    }

    async fn missing(&self, media: MediaId, size: u64) -> Result<Vec<Part>, Trouble> {
        let upload = Upload { key: key(media), size };
        let there = self.store.parts(upload).await?;
        let missing = upload.parts().filter(|part| !there.contains(&part.number));
        let valid = Duration::from_millis(limits::MEDIA_UPLOADED_FOR.0);
        let parts = missing.map(|part| {
            let request = self.store.part_request(upload, part.number, valid);
            let to = request.map(|request| {
                let headers = request.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
                (request.url, headers.collect())
            });
            Part { number: part.number, from: part.from, size: part.size, to }
        });
        Ok(parts.collect())
    }

    async fn finish(&self, media: MediaId, file: &Promise) -> Result<Finished, Trouble> {
        let upload = Upload { key: key(media), size: file.size };
        match self.store.finish(upload, key(media)).await {
            Ok(()) => {}
            Err(StoreError::Incomplete { .. } | StoreError::NotFound) => {
                let there = self.store.parts(upload).await?.len();
                let missing = upload.parts().count().saturating_sub(there);
                return Ok(Looked::Missing(missing as u32).into());
            }
            Err(error) => return Err(error.into()),
        }
        let kept = if file.size > LONGEST as u64 { HEAD } else { LONGEST };
        let (size, sha256, head) = self.hashed(media, &[], kept).await?;
        if size != file.size {
            return Ok(Looked::Differs(format!("it has {size} bytes")).into());
        }
        if sha256 != file.sha256 {
            return Ok(Looked::Differs("its SHA-256 is another one".to_owned()).into());
        }
        let kind = match kind(file.kind.as_str(), &head[..HEAD.min(head.len())]) {
            Ok(kind) => kind.mime.parse().unwrap_or_default(),
            Err(error) => return Ok(Looked::Differs(error.to_string()).into()),
        };
        let facts = MediaFacts { size, kind, ..MediaFacts::default() };
        if self.strip
            && let Some(finished) = silent(&facts, &head)
        {
            return Ok(finished);
        }
        self.looked(media, facts, head).await.map(Finished::from)
    }

    async fn put(&self, media: MediaId, file: &Promise, bytes: Bytes) -> Result<Looked, Trouble> {
        self.store.put(key(media), file.kind.as_str(), bytes.clone()).await?;
        let Promise { size, kind, sha256: _ } = file.clone();
        self.looked(media, MediaFacts { size, kind, ..MediaFacts::default() }, bytes).await
    }

    async fn proof(&self, media: MediaId, challenge: [u8; 16]) -> Result<Option<Sha256>, Trouble> {
        match self.hashed(media, &challenge, 0).await {
            Ok((_, sha256, _)) => Ok(Some(sha256)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn url(&self, media: MediaId, facts: &MediaFacts, thumbnail: bool, name: Option<&FileName>) -> Option<String> {
        let what = if thumbnail { media.preview() } else { media };
        let disposition = content_disposition(thumbnail || is_shown(facts.kind.as_str()), name.map(FileName::as_str));
        let valid = Duration::from_millis(limits::DOWNLOAD_HOLDS.0);
        // A small picture has a type of its own, with which it was put.
        let kind = (!thumbnail).then_some(facts.kind.as_str());
        let request = self.store.object_request(key(what), kind, &disposition, valid);
        request.map(|request| request.url)
    }

    async fn remove(&self, media: MediaId) -> Result<(), Trouble> {
        self.store.abort(key(media)).await?;
        self.store.remove(key(media)).await?;
        self.store.remove(key(media.preview())).await?;
        Ok(())
    }
}
