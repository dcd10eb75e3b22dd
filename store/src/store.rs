//! One store of whichever kind, behind its guard.

use std::{path::Path, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::Stream;

use crate::{
    Counts, Error, Key, Listing, PART, Reading, Request, S3Settings, Upload, WrongSettings,
    directory::Directory,
    guard::{Guard, TRY},
    listing::Walk,
    s3::S3,
};

/// Where the bytes of media are: uploads, in parts, and objects, which never change.
///
/// Every question is given up after some seconds and asked up to three times; a store that keeps failing is not asked for a while, and
/// then each question is answered [`Error::Unavailable`] at once.
#[derive(Debug)]
pub struct Store {
    place: Place,
    guard: Arc<Guard>,
}

#[derive(Debug)]
enum Place {
    Directory(Directory),
    S3(Arc<S3>),
}

impl Store {
    /// The store in the folder `root`, which is made where it is missing. It blocks: call it where a process begins.
    ///
    /// # Errors
    ///
    /// Where the folder can't be made or read.
    pub fn directory(root: &Path) -> Result<Store, Error> {
        Ok(Store { place: Place::Directory(Directory::open(root)?), guard: Arc::new(Guard::new()) })
    }

    /// The store in a bucket of an S3 service. Nothing is asked of it yet: see [`Store::probe`].
    ///
    /// # Errors
    ///
    /// Where the settings can't be right.
    pub fn s3(settings: &S3Settings) -> Result<Store, WrongSettings> {
        Ok(Store { place: Place::S3(Arc::new(S3::new(settings)?)), guard: Arc::new(Guard::new()) })
    }

    /// What is shared by all who open the same folder, to sign what clients may do with it; `None` where the service signs itself.
    pub fn secret(&self) -> Option<[u8; 32]> {
        match &self.place {
            Place::Directory(directory) => Some(directory.secret()),
            Place::S3(_) => None,
        }
    }

    /// Where a client sends the part with this number, within `valid`; `None` where it comes through [`Store::write_part`], or the upload
    /// has no such part. The service takes a body of exactly the part's length.
    pub fn part_request(&self, upload: Upload, number: u32, valid: Duration) -> Option<Request> {
        match &self.place {
            Place::Directory(_) => None,
            Place::S3(s3) => Some(s3.part_request(upload, upload.part(number)?, valid)),
        }
    }

    /// Where a client gets an object from, within `valid`, with these as the answer's `Content-Type` and `Content-Disposition`;
    /// `None` where it comes through [`Store::read`]. Where no type is named, it is the one that the object was put with.
    pub fn object_request(
        &self,
        object: Key,
        kind: Option<&str>,
        disposition: &str,
        valid: Duration,
    ) -> Option<Request> {
        match &self.place {
            Place::Directory(_) => None,
            Place::S3(s3) => Some(s3.object_request(object, kind, disposition, valid)),
        }
    }

    /// The numbers of the parts of `upload` that are there in full, in order. Of an upload that nobody knows, none are.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn parts(&self, upload: Upload) -> Result<Vec<u32>, Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.parts(upload)).await,
            Place::S3(s3) => self.guard.retried(|| s3.parts(upload)).await,
        }
    }

    /// Stores the part with this number. It is synced when this returns; written again it is replaced as a whole, until the upload is
    /// finished.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where the upload has no such part or was finished meanwhile, [`Error::Length`] where `body` is not as long as
    /// the part, [`Error::Sender`] where `body` fails, and where the store does.
    pub async fn write_part<E: ToString>(
        &self,
        upload: Upload,
        number: u32,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<(), Error> {
        let part = upload.part(number).ok_or(Error::NotFound)?;
        match &self.place {
            Place::Directory(directory) => self.guard.once(directory.write_part(upload, part, pin!(body))).await,
            Place::S3(_) => Err(Error::Denied("a part goes to its presigned URL".to_owned())),
        }
    }

    /// Makes the object `object` out of an upload whose parts are all there. From here on nothing that is sent to the upload changes the
    /// object. Asked again it is done.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] where a part is missing, and where the store fails.
    pub async fn finish(&self, upload: Upload, object: Key) -> Result<(), Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.finish(upload, object)).await,
            Place::S3(s3) => {
                // A service copies each part, and a slow one as slowly as it reads and writes.
                self.guard.retried_within(deadline(upload.size), || s3.finish(upload, object)).await
            }
        }
    }

    /// Stores an object of this media type out of memory, such as a preview. One that is there stays as it is. A folder keeps no type.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn put(&self, object: Key, kind: &str, bytes: Bytes) -> Result<(), Error> {
        let deadline = deadline(bytes.len() as u64);
        match &self.place {
            Place::Directory(directory) => {
                self.guard.retried_within(deadline, || directory.put(object, bytes.clone())).await
            }
            Place::S3(s3) => self.guard.retried_within(deadline, || s3.put(object, kind, bytes.clone())).await,
        }
    }

    /// The length of an object, in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and where the store fails.
    pub async fn size(&self, object: Key) -> Result<u64, Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.size(object)).await,
            Place::S3(s3) => self.guard.retried(|| s3.size(object)).await,
        }
    }

    /// The bytes `from..until` of an object, which have to be in it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and where the store fails: now, or in the stream where it happens later.
    pub async fn read(&self, object: Key, from: u64, until: u64) -> Result<Reading, Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.read(object, from, until)).await,
            Place::S3(s3) => self.guard.retried(|| s3.read(object, from, until)).await,
        }
    }

    /// Removes an object. What is not there is removed.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn remove(&self, object: Key) -> Result<(), Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.remove(object)).await,
            Place::S3(s3) => self.guard.retried(|| s3.remove(object)).await,
        }
    }

    /// Removes what came of an upload. What is not there is removed.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn abort(&self, upload: Key) -> Result<(), Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.abort(upload)).await,
            Place::S3(s3) => self.guard.retried(|| s3.abort(upload)).await,
        }
    }

    /// Removes what was being written by somebody who is gone. In a bucket its lifecycle rules do.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn tidy(&self) -> Result<(), Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.tidy()).await,
            Place::S3(_) => Ok(()),
        }
    }

    /// All objects.
    pub fn objects(&self) -> Listing {
        self.list("objects")
    }

    /// All uploads that were not finished.
    pub fn uploads(&self) -> Listing {
        self.list("uploads")
    }

    fn list(&self, folder: &'static str) -> Listing {
        let walk = match &self.place {
            Place::Directory(directory) => Walk::Directory(directory.list(folder)),
            Place::S3(s3) => Walk::S3(s3.list(folder)),
        };
        Listing { walk, guard: self.guard.clone() }
    }

    /// Whether the store can be reached and written.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub async fn probe(&self) -> Result<(), Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.probe()).await,
            Place::S3(s3) => self.guard.retried(|| s3.probe()).await,
        }
    }

    /// Whether the store failed so often that it is not asked for now, and what has happened since it was opened.
    pub fn health(&self) -> (bool, Counts) {
        self.guard.health()
    }
}

/// How long a try may take that writes so many bytes.
fn deadline(bytes: u64) -> Duration {
    TRY * bytes.div_ceil(PART).max(1) as u32
}
