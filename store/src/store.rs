//! One store of whichever kind, behind its guard.

use std::{path::Path, pin::pin, sync::Arc};

use bytes::Bytes;
use futures_util::Stream;

use crate::{Counts, Error, Key, Listing, Reading, Upload, directory::Directory, guard::Guard, listing::Walk};

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

    /// The numbers of the parts of `upload` that are there in full, in order. Of an upload that nobody knows, none are.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn parts(&self, upload: Upload) -> Result<Vec<u32>, Error> {
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.parts(upload)).await,
        }
    }

    /// Stores the part with this number. It is synced when this returns; written again it is replaced as a whole, until the upload is finished.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where the upload has no such part or was finished meanwhile, [`Error::Length`] where `body` is not as long as the
    /// part, [`Error::Sender`] where `body` fails, and where the store does.
    pub async fn write_part<E: ToString>(
        &self,
        upload: Upload,
        number: u32,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<(), Error> {
        let part = upload.part(number).ok_or(Error::NotFound)?;
        match &self.place {
            Place::Directory(directory) => self.guard.once(directory.write_part(upload, part, pin!(body))).await,
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
        }
    }

    /// Stores a small object, such as a preview. One that is there stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] where it is longer than [`PART`](crate::PART), and where the store fails.
    pub async fn put(&self, object: Key, bytes: Bytes) -> Result<(), Error> {
        if bytes.len() as u64 > crate::PART {
            return Err(Error::Length { promised: crate::PART });
        }
        match &self.place {
            Place::Directory(directory) => self.guard.retried(|| directory.put(object, bytes.clone())).await,
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
        }
    }

    /// Whether the store failed so often that it is not asked for now, and what has happened since it was opened.
    pub fn health(&self) -> (bool, Counts) {
        self.guard.health()
    }
}
