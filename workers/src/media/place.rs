//! Where files are: what is recorded of them, and the store that has their bytes. The steps are written against this, so that a test puts
//! its own in its place and stops them wherever it likes.

use bytes::Bytes;
use dunlin_schema::{
    MediaId, Millis, Seq, UserName,
    media::{
        FileName, MediaFacts, Sha256,
        record::{MediaRecord, Promise},
        service::Part,
    },
};

/// Why something could not be done now. Trying again does no harm.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The region's records can't be read or written.
    #[error("the record: {0}")]
    Record(String),
    /// The store fails.
    #[error("the store: {0}")]
    Store(String),
    /// So much is missing that it is rather the store that is another one.
    #[error("of {known} files the store has lost {missing}: is it the right one? Nothing is taken for lost")]
    AnotherStore {
        /// The files that the records know.
        known: usize,
        /// Those of them that are not in the store.
        missing: usize,
    },
}

/// A value of a record, and its revision.
pub(crate) type Found<T> = Option<(T, Seq)>;

/// What came of writing a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It is stored.
    Yes,
    /// Somebody else has written it meanwhile.
    Conflict,
}

/// What became of an upload that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// So many of its parts are missing.
    Missing(u32),
    /// It is what it was said to be, and this is known of it.
    Same(Box<MediaFacts>),
    /// It is something else.
    Differs(String),
}

/// What an upload has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// A file that was looked at.
    Looked(Looked),
    /// What it was said to be, and it tells something beside its pixels, which is not to be kept: this is what is.
    Tells {
        /// What that is.
        file: Promise,
        /// Its bytes.
        bytes: Bytes,
    },
}

impl From<Looked> for Finished {
    fn from(looked: Looked) -> Finished {
        Finished::Looked(looked)
    }
}

/// See the module's head. What is kept for a span goes by itself when that has passed.
pub(crate) trait Place: Sync {
    /// The record of a file.
    fn media(&self, media: MediaId) -> impl Future<Output = Result<Found<MediaRecord>, Trouble>> + Send;
    /// Writes it, if it is still as it was found; `Seq(0)` is none.
    fn save_media(
        &self,
        media: MediaId,
        record: &MediaRecord,
        kept: Millis,
        expect: Seq,
    ) -> impl Future<Output = Result<Saved, Trouble>> + Send;
    /// Takes a record away that has this revision. Whether it was there.
    fn forget_media(&self, media: MediaId, revision: Seq) -> impl Future<Output = Result<bool, Trouble>> + Send;
    /// Which file has these bytes, or had.
    fn same(&self, sha256: Sha256) -> impl Future<Output = Result<Found<MediaId>, Trouble>> + Send;
    /// Writes it, if it is still as it was found.
    fn save_same(
        &self,
        sha256: Sha256,
        media: MediaId,
        expect: Seq,
    ) -> impl Future<Output = Result<Saved, Trouble>> + Send;
    /// What the files that somebody has uploaded take of their share.
    fn used(&self, user: &UserName) -> impl Future<Output = Result<u64, Trouble>> + Send;
    /// Whether somebody has uploaded a file, or shown that they have it.
    fn has_uploaded(&self, user: &UserName, media: MediaId) -> impl Future<Output = Result<bool, Trouble>> + Send;
    /// Writes down that they have, until then at least.
    fn save_uploaded(
        &self,
        user: &UserName,
        media: MediaId,
        size: u64,
        until: Millis,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
    /// Lets that end then, if it is still written down: whoever erases somebody may have taken it back.
    fn cut_uploaded(
        &self,
        user: &UserName,
        media: MediaId,
        until: Millis,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
    /// Takes that back.
    fn forget_uploaded(&self, user: &UserName, media: MediaId) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// The parts of an upload that are not there; where to put them, where gateways do not take them.
    fn missing(&self, media: MediaId, size: u64) -> impl Future<Output = Result<Vec<Part>, Trouble>> + Send;
    /// Makes a file of an upload, and looks at it.
    fn finish(&self, media: MediaId, file: &Promise) -> impl Future<Output = Result<Finished, Trouble>> + Send;
    /// Makes a file of these bytes, and looks at it.
    fn put(&self, media: MediaId, file: &Promise, bytes: Bytes)
    -> impl Future<Output = Result<Looked, Trouble>> + Send;
    /// The SHA-256 of these bytes and a file's; `None` where it is not there.
    fn proof(
        &self,
        media: MediaId,
        challenge: [u8; 16],
    ) -> impl Future<Output = Result<Option<Sha256>, Trouble>> + Send;
    /// Where a file, or the small picture of it, can be had; `None` where gateways give it.
    fn url(&self, media: MediaId, facts: &MediaFacts, thumbnail: bool, name: Option<&FileName>) -> Option<String>;
    /// Takes out of the store what is there of a file: its upload, its bytes, its small picture.
    fn remove(&self, media: MediaId) -> impl Future<Output = Result<(), Trouble>> + Send;
}
