//! What any store tells of what it holds, and how clients come to it.

use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::{Error, Key};

/// How many are listed at once, at most.
pub(crate) const PAGE: usize = 1_000;

/// The bytes of a range in order, in chunks that are bounded. An error in it is its end.
pub type Reading = BoxStream<'static, Result<Bytes, Error>>;

/// Something that is in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub key: Key,
    /// Its bytes; of an upload those that have come.
    pub size: u64,
    /// Of an object when it came, of an upload when its last part did.
    pub changed: SystemTime,
}

/// A request that a client makes of the store itself. Who has its URL may make it, until it is no longer valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method of HTTP.
    pub method: &'static str,
    /// The presigned URL.
    pub url: String,
    /// What has to be sent with it, beside what each client of HTTP sends.
    pub headers: Vec<(&'static str, String)>,
}
