//! The store that is a bucket of an S3 service: Amazon's, R2, MinIO and whatever else speaks it.
//!
//! - `uploads/<key>/<part>`: what came so far, each part an object that was put by its presigned URL, of exactly its length.
//! - `objects/<key>`: what is finished: put together by the service itself, out of copies of the parts as they were listed.
//!
//! So any process can sign, list and finish an upload, and none has to remember anything of it; and a presigned URL that is still valid
//! changes nothing of what was finished. What a finish that was cut off leaves, an incomplete multipart upload, is removed by the rule
//! `AbortIncompleteMultipartUpload` of the bucket.

mod answer;
mod finish;
mod listing;
mod settings;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, Method, Response, Url, header::CONTENT_LENGTH};
use rusty_s3::{Bucket, Credentials, S3Action};

pub(crate) use self::listing::Listing;
pub use self::settings::{S3Settings, WrongSettings};
use crate::{Error, Key, Part, Reading, Request, Upload};

/// How long a request of our own is valid, which is sent at once.
const AT_ONCE: Duration = Duration::from_secs(60);

/// The largest chunk that a reader is given, in bytes.
const CHUNK: usize = 256 << 10;

/// A bucket that holds uploads and objects.
#[derive(Debug, Clone)]
pub(crate) struct S3 {
    http: Client,
    /// As we reach it.
    bucket: Bucket,
    /// As clients reach it.
    public: Bucket,
    credentials: Credentials,
}

impl S3 {
    /// The URL to which a client puts a part, for so long: a body of exactly its length.
    pub(crate) fn part_request(&self, upload: Upload, part: Part, valid: Duration) -> Request {
        let (key, size) = (part_key(upload.key, part.number), part.size.to_string());
        let mut put = self.public.put_object(Some(&self.credentials), &key);
        put.headers_mut().insert("content-length", &size);
        Request { method: "PUT", url: put.sign(valid).into(), headers: Vec::new() }
    }

    /// The URL from which a client gets an object, for so long, as what is said here.
    pub(crate) fn object_request(
        &self,
        object: Key,
        kind: Option<&str>,
        disposition: &str,
        valid: Duration,
    ) -> Request {
        let key = object_key(object);
        let mut get = self.public.get_object(Some(&self.credentials), &key);
        if let Some(kind) = kind {
            get.query_mut().insert("response-content-type", kind);
        }
        get.query_mut().insert("response-content-disposition", disposition);
        Request { method: "GET", url: get.sign(valid).into(), headers: Vec::new() }
    }

    /// The numbers of the parts that are there in full, in order.
    pub(crate) async fn parts(&self, upload: Upload) -> Result<Vec<u32>, Error> {
        Ok(self.whole_parts(upload).await?.into_iter().map(|(number, _)| number).collect())
    }

    /// The parts that are there in full, each with its ETag, in order. What is longer or shorter than its part is removed.
    async fn whole_parts(&self, upload: Upload) -> Result<Vec<(u32, String)>, Error> {
        let mut parts = Vec::new();
        for found in self.contents(&folder(upload.key)).await? {
            let number = found.key.rsplit('/').next().and_then(|number| number.parse().ok());
            match number.and_then(|number| upload.part(number)) {
                Some(part) if part.size == found.size => parts.push((part.number, found.etag)),
                Some(_) | None => self.delete(&found.key).await?,
            }
        }
        parts.sort_unstable();
        Ok(parts)
    }

    /// Stores an object of this media type. One that is there stays as it is.
    pub(crate) async fn put(&self, object: Key, kind: &str, bytes: Bytes) -> Result<(), Error> {
        let key = object_key(object);
        let put = self.bucket.put_object(Some(&self.credentials), &key);
        match self.ask(put, &[("content-type", kind), ("if-none-match", "*")], bytes).await {
            Ok(_) | Err(answer::Failure::Exists) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The length of an object, in bytes.
    pub(crate) async fn size(&self, object: Key) -> Result<u64, Error> {
        let key = object_key(object);
        let answer = self.ask(self.bucket.head_object(Some(&self.credentials), &key), &[], Bytes::new()).await?;
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.ok_or_else(|| Error::unavailable("it tells no length"))
    }

    /// The bytes `from..until` of an object.
    pub(crate) async fn read(&self, object: Key, from: u64, until: u64) -> Result<Reading, Error> {
        if from >= until {
            self.size(object).await?;
            return Ok(stream::empty().boxed());
        }
        let (key, range) = (object_key(object), format!("bytes={from}-{}", until - 1));
        let get = self.bucket.get_object(Some(&self.credentials), &key);
        let answer = self.ask(get, &[("range", &range)], Bytes::new()).await?;
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length != Some(until - from) {
            return Err(Error::unavailable("it gives another range than it was asked for"));
        }
        Ok(chunks(answer, until - from).boxed())
    }

    /// Removes an object; what is not there is removed.
    pub(crate) async fn remove(&self, object: Key) -> Result<(), Error> {
        self.delete(&object_key(object)).await
    }

    /// Removes what came of an upload.
    pub(crate) async fn abort(&self, upload: Key) -> Result<(), Error> {
        let parts = self.contents(&folder(upload)).await?;
        stream::iter(parts).map(Ok).try_for_each_concurrent(4, async |part| self.delete(&part.key).await).await
    }

    /// Whether something can be written and removed.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let put = self.bucket.put_object(Some(&self.credentials), "probe");
        self.ask(put, &[], Bytes::from_static(b"probe")).await?;
        self.delete("probe").await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let delete = self.bucket.delete_object(Some(&self.credentials), key);
        match self.ask(delete, &[], Bytes::new()).await.map_err(Error::from) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Does an action, with headers that are signed, and gives the answer of one that was done.
    async fn ask<'a, A: S3Action<'a>>(
        &self,
        mut action: A,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Response, answer::Failure> {
        for (name, value) in headers {
            action.headers_mut().insert(*name, (*value).to_owned());
        }
        let url: Url = action.sign(AT_ONCE);
        let method = Method::from_bytes(A::METHOD.to_str().as_bytes()).expect("the actions' methods are HTTP's");
        let asked =
            headers.iter().fold(self.http.request(method, url), |asked, (name, value)| asked.header(*name, *value));
        // The length is said also where it is 0, which some services ask for.
        let asked = if body.is_empty() && A::METHOD.to_str() == "GET" { asked } else { asked.body(body) };
        answer::judge(asked.send().await.map_err(answer::lost)?).await
    }
}

/// The body of an answer that has to be `left` bytes long.
fn chunks(answer: Response, left: u64) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    let step = async |(mut answer, mut held, left): (Response, Bytes, u64)| {
        if left == 0 {
            return Ok(None);
        }
        while held.is_empty() {
            held =
                answer.chunk().await.map_err(answer::lost)?.ok_or_else(|| Error::unavailable("its answer is cut"))?;
        }
        let chunk = held.split_to(held.len().min(CHUNK).min(usize::try_from(left).unwrap_or(CHUNK)));
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (answer, held, left))))
    };
    stream::try_unfold((answer, Bytes::new(), left), step)
}

fn folder(upload: Key) -> String {
    format!("uploads/{upload}/")
}

fn part_key(upload: Key, number: u32) -> String {
    format!("uploads/{upload}/{number}")
}

fn object_key(object: Key) -> String {
    format!("objects/{object}")
}
