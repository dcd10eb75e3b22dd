//! All that is in a folder of the bucket, in pages.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use rusty_s3::actions::{ListObjectsV2, list_objects_v2::ListObjectsContent};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{S3, answer};
use crate::{
    Error,
    stored::{PAGE, Stored},
};

/// An object of the bucket.
pub(super) struct Content {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) etag: String,
    changed: SystemTime,
}

/// A walk through a folder that has begun or will.
#[derive(Debug)]
pub(crate) struct Listing {
    s3: Arc<S3>,
    folder: String,
    next: Next,
}

/// Where a walk goes on.
#[derive(Debug)]
enum Next {
    Beginning,
    At(String),
    End,
}

impl Listing {
    /// The next page; an empty one is the end. An upload whose parts come in two pages is in both.
    pub(crate) async fn page(&mut self) -> Result<Vec<Stored>, Error> {
        let mut page = Vec::<Stored>::new();
        while page.is_empty() {
            let token = match &self.next {
                Next::Beginning => None,
                Next::At(token) => Some(token.as_str()),
                Next::End => break,
            };
            let (contents, next) = self.s3.page(&self.folder, token).await?;
            self.next = next.map_or(Next::End, Next::At);
            for content in contents {
                // What is no key is not ours.
                let name = content.key.strip_prefix(&self.folder).and_then(|rest| rest.split('/').next());
                let Some(key) = name.and_then(|name| name.parse().ok()) else { continue };
                match page.last_mut().filter(|last| last.key == key) {
                    Some(last) => {
                        last.changed = last.changed.max(content.changed);
                        last.size += content.size;
                    }
                    None => page.push(Stored { key, size: content.size, changed: content.changed }),
                }
            }
        }
        Ok(page)
    }
}

impl S3 {
    /// All that is in `uploads` or `objects`.
    pub(crate) fn list(self: &Arc<S3>, folder: &str) -> Listing {
        Listing { s3: self.clone(), folder: format!("{folder}/"), next: Next::Beginning }
    }

    /// All objects whose keys begin with `folder`.
    pub(super) async fn contents(&self, folder: &str) -> Result<Vec<Content>, Error> {
        let (mut all, mut next) = self.page(folder, None).await?;
        while let Some(token) = next.take() {
            let page = self.page(folder, Some(&token)).await?;
            all.extend(page.0);
            next = page.1;
        }
        Ok(all)
    }

    async fn page(&self, folder: &str, token: Option<&str>) -> Result<(Vec<Content>, Option<String>), Error> {
        let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
        list.with_prefix(folder.to_owned());
        list.with_max_keys(PAGE);
        if let Some(token) = token {
            list.with_continuation_token(token.to_owned());
        }
        let answer = answer::text(self.ask(list, &[], Bytes::new()).await?).await?;
        let page = ListObjectsV2::parse_response(&answer).map_err(Error::unavailable)?;
        let content = |found: ListObjectsContent| {
            let (Some(changed), Some(size), Some(etag)) = (found.last_modified, found.size, found.etag) else {
                return Err(Error::unavailable("its list leaves out what is needed"));
            };
            let changed = OffsetDateTime::parse(&changed, &Rfc3339).map_err(Error::unavailable)?.into();
            Ok(Content { key: found.key, size, etag, changed })
        };
        let contents = page.contents.into_iter().map(content).collect::<Result<_, Error>>()?;
        Ok((contents, page.next_continuation_token))
    }
}
