//! How the parts of an upload become an object: the service copies each as it was listed, and puts the copies together.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rusty_s3::actions::{CreateMultipartUpload, CreateMultipartUploadResponse};

use super::{
    S3,
    answer::{self, Failure},
    object_key, part_key,
};
use crate::{Error, Key, Upload};

impl S3 {
    /// Makes an object out of an upload whose parts are all there. Done again it changes nothing.
    pub(crate) async fn finish(&self, upload: Upload, object: Key) -> Result<(), Error> {
        match self.size(object).await {
            Ok(_) => {}
            Err(Error::NotFound) => self.make(upload, object).await?,
            Err(error) => return Err(error),
        }
        self.abort(upload.key).await
    }

    async fn make(&self, upload: Upload, object: Key) -> Result<(), Error> {
        let parts = self.whole_parts(upload).await?;
        for part in upload.parts() {
            if !parts.iter().any(|(number, _)| *number == part.number) {
                // Where somebody else has just finished it, its parts are gone and the object is there.
                let finished = self.size(object).await.is_ok();
                return if finished { Ok(()) } else { Err(Error::Incomplete { part: part.number }) };
            }
        }
        if upload.size == 0 {
            return self.put(object, "application/octet-stream", Bytes::new()).await;
        }
        let key = object_key(object);
        let begin = CreateMultipartUpload::new(&self.bucket, Some(&self.credentials), &key);
        let answer = answer::text(self.ask(begin, &[], Bytes::new()).await?).await?;
        let begun = CreateMultipartUpload::parse_response(&answer).map_err(Error::unavailable)?;
        match self.put_together(upload, &parts, &key, &begun).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                let abort = self.bucket.abort_multipart_upload(Some(&self.credentials), &key, begun.upload_id());
                if let Err(failure) = self.ask(abort, &[], Bytes::new()).await {
                    tracing::debug!(error = %Error::from(failure), "an incomplete object is left to the bucket's own rules");
                }
                // Somebody else was first. Where a part was put again meanwhile, the next try copies that one.
                let moved = matches!(failure, Failure::Exists | Failure::Store(Error::NotFound));
                if moved && self.size(object).await.is_ok() { Ok(()) } else { Err(failure.into()) }
            }
        }
    }

    async fn put_together(
        &self,
        upload: Upload,
        parts: &[(u32, String)],
        key: &str,
        begun: &CreateMultipartUploadResponse,
    ) -> Result<(), Failure> {
        // Owned, so that whoever holds this future may be sent to another thread.
        let copies = parts.iter().cloned().map(|(number, etag)| {
            let id = begun.upload_id();
            async move { self.copy(upload.key, number, &etag, key, id).await }
        });
        let etags: Vec<String> = stream::iter(copies).buffered(4).try_collect().await?;
        let etags = etags.iter().map(String::as_str);
        let complete =
            self.bucket.complete_multipart_upload(Some(&self.credentials), key, begun.upload_id(), etags.clone());
        let body = complete.clone().body();
        let answer = answer::text(self.ask(complete, &[("if-none-match", "*")], body.into()).await?).await?;
        // A failure may come under the status 200.
        match answer::tag(&answer, "ETag") {
            Some(_) => Ok(()),
            None => {
                Err(Error::unavailable(answer::tag(&answer, "Code").unwrap_or("it does not say that it is done"))
                    .into())
            }
        }
    }

    /// Copies a part as it was listed, and gives the copy's ETag.
    async fn copy(&self, upload: Key, number: u32, etag: &str, key: &str, id: &str) -> Result<String, Failure> {
        let source = format!("/{}/{}", self.bucket.name(), part_key(upload, number));
        let number = u16::try_from(number).map_err(Error::unavailable)?;
        let part = self.bucket.upload_part(Some(&self.credentials), key, number, id);
        let headers = [("x-amz-copy-source", source.as_str()), ("x-amz-copy-source-if-match", etag)];
        let answer = answer::text(self.ask(part, &headers, Bytes::new()).await?).await?;
        let etag = answer::tag(&answer, "ETag").map(|etag| etag.replace("&quot;", "\"").replace("&#34;", "\""));
        etag.ok_or_else(|| Error::unavailable("it does not say what it copied").into())
    }
}
