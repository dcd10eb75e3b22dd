//! The store that is a folder of this machine, or one that several machines mount.
//!
//! - `uploads/<key>/<part>`: what came so far, each part a whole file.
//! - `objects/<key>/<part>`: what is finished: the upload's folder under another name, so no byte is copied.
//! - `secret`: see [`Store::secret`](crate::Store::secret).
//! - `temporary/`: what is being written or removed, with names drawn by lot.
//!
//! A file has its final name only after its bytes are synced; a rename is synced in its folder before anybody is told. An object's files
//! never change: whoever still writes to its upload writes into `temporary`, and then finds no folder to put it in.

mod blocking;
mod listing;
mod reading;
mod secret;
mod writing;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::Stream;

use self::{blocking::Blocking, writing::Temporary};
use crate::{Error, Key, Part, Reading, Upload};

pub(crate) use self::listing::Listing;

/// Nobody writes to something temporary that has not changed for so long: whoever began it is gone.
const LEFT: Duration = Duration::from_secs(3600);

/// A folder that holds uploads and objects.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    root: Arc<Path>,
    blocking: Blocking,
    secret: [u8; 32],
}

impl Directory {
    /// Opens the store in `root`, makes its folders where they are missing, and removes what a crash has left.
    pub(crate) fn open(root: &Path) -> io::Result<Directory> {
        for folder in ["uploads", "objects", "temporary"] {
            fs::create_dir_all(root.join(folder))?;
        }
        sync(root)?;
        tidy(root)?;
        Ok(Directory { root: root.into(), blocking: Blocking::new(), secret: secret::secret(root)? })
    }

    /// See [`crate::Store::tidy`].
    pub(crate) async fn tidy(&self) -> Result<(), Error> {
        let root = self.root.clone();
        self.blocking.run(move || tidy(&root)).await
    }

    /// See [`crate::Store::secret`].
    pub(crate) fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// The numbers of the parts that are there in full, in order.
    pub(crate) async fn parts(&self, upload: Upload) -> Result<Vec<u32>, Error> {
        let folder = self.upload(upload.key);
        let whole = move |part: &Part| has(&folder, *part);
        self.blocking.run(move || Ok(upload.parts().filter(whole).map(|part| part.number).collect())).await
    }

    /// Stores a part, and says so once it is synced under its name. Of two writers of one part the last one's bytes stay, whole.
    pub(crate) async fn write_part<E: ToString>(
        &self,
        upload: Upload,
        part: Part,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(), Error> {
        let (root, folder) = (self.root.clone(), self.upload(upload.key));
        let temporary =
            self.blocking.run(move || made(&folder).and_then(|()| Temporary::file(&root)).map_err(lacking)).await?;
        let temporary = writing::write(&self.blocking, temporary, part.size, body).await?;
        let folder = self.upload(upload.key);
        self.blocking.run(move || temporary.become_file(&folder, &part.number.to_string())).await
    }

    /// Makes an object out of an upload whose parts are all there. Done again it changes nothing.
    pub(crate) async fn finish(&self, upload: Upload, object: Key) -> Result<(), Error> {
        let (from, to) = (self.upload(upload.key), self.object(object));
        let finished = self.blocking.run(move || finish(upload, &from, &to)).await?;
        finished.map_err(|part| Error::Incomplete { part })
    }

    /// Stores an object. One that is there stays as it is.
    pub(crate) async fn put(&self, object: Key, bytes: Bytes) -> Result<(), Error> {
        let (root, to) = (self.root.clone(), self.object(object));
        let put = move || {
            let folder = Temporary::folder(&root)?;
            let parts = Upload { key: object, size: bytes.len() as u64 }.parts();
            for Part { number, from, size } in parts {
                let mut file = Temporary::file(&root)?;
                file.write(&[bytes.slice(from as usize..(from + size) as usize)])?;
                file.become_file(folder.path(), &number.to_string())?;
            }
            if to.exists() {
                return Ok(());
            }
            folder.become_folder(&to).or_else(|error| if to.exists() { Ok(()) } else { Err(error) })
        };
        self.blocking.run(put).await
    }

    /// The length of an object, in bytes.
    pub(crate) async fn size(&self, object: Key) -> Result<u64, Error> {
        let folder = self.object(object);
        self.blocking.run(move || size(&folder)).await
    }

    /// The bytes `from..until` of an object.
    pub(crate) async fn read(&self, object: Key, from: u64, until: u64) -> Result<Reading, Error> {
        reading::read(self.blocking.clone(), self.object(object), from, until).await
    }

    /// Removes an object; what is not there is removed.
    pub(crate) async fn remove(&self, object: Key) -> Result<(), Error> {
        self.discard(self.object(object)).await
    }

    /// Removes what came of an upload.
    pub(crate) async fn abort(&self, upload: Key) -> Result<(), Error> {
        self.discard(self.upload(upload)).await
    }

    /// All that is in `uploads` or `objects`.
    pub(crate) fn list(&self, folder: &str) -> Listing {
        Listing::new(self.blocking.clone(), self.root.join(folder))
    }

    /// Whether something can be written, synced and removed.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let root = self.root.clone();
        let probe = move || {
            let mut file = Temporary::file(&root)?;
            file.write(&[Bytes::from_static(b"probe")])?;
            file.sync()
        };
        self.blocking.run(probe).await
    }

    fn upload(&self, key: Key) -> PathBuf {
        self.root.join("uploads").join(key.as_str())
    }

    fn object(&self, key: Key) -> PathBuf {
        self.root.join("objects").join(key.as_str())
    }

    /// Takes `folder` out of sight with one rename, then removes its files.
    async fn discard(&self, folder: PathBuf) -> Result<(), Error> {
        let root = self.root.clone();
        let discard = move || {
            let aside = root.join("temporary").join(writing::lot());
            match fs::rename(&folder, &aside) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            sync(parent(&folder))?;
            clear(&aside)
        };
        self.blocking.run(discard).await
    }
}

/// `Ok(Err(part))` where that part is missing.
fn finish(upload: Upload, from: &Path, to: &Path) -> io::Result<Result<(), u32>> {
    let lacks = |folder: &Path| upload.parts().find(|part| !has(folder, *part)).map(|part| part.number);
    if !to.exists() {
        if let Some(part) = lacks(from)
            && !to.exists()
        {
            return Ok(Err(part));
        }
        match fs::rename(from, to) {
            Ok(()) => {}
            // Somebody else has just done it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
            Err(error) => return Err(error),
        }
    }
    // Also where the rename was another's, who may have died before these.
    sync(parent(to))?;
    sync(parent(from))?;
    Ok(lacks(to).map_or(Ok(()), Err))
}

fn has(folder: &Path, part: Part) -> bool {
    fs::metadata(folder.join(part.number.to_string())).is_ok_and(|found| found.len() == part.size)
}

/// What is not there, of what is there in every store, is the store itself.
fn lacking(error: io::Error) -> io::Error {
    let is_there = error.kind() != io::ErrorKind::NotFound;
    if is_there { error } else { io::Error::other("its folder is not there: is it mounted?") }
}

/// Makes a folder, if it is not there, and syncs its name.
fn made(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => sync(parent(folder)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("it was joined to the root")
}

/// Makes the names in a folder survive a power loss.
fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Removes what somebody who is gone has left in `temporary`.
fn tidy(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root.join("temporary"))? {
        let entry = entry?;
        let age = entry.metadata().and_then(|found| found.modified()).map(|changed| changed.elapsed());
        // Another process may be removing the same: what is gone is no error.
        if matches!(age, Ok(Ok(age)) if age > LEFT) {
            let _gone = clear(&entry.path());
        }
    }
    Ok(())
}

fn clear(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// The bytes of all parts in a folder.
fn size(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// When a folder's names last changed: of an upload, when its last part came.
fn changed(folder: &fs::DirEntry) -> io::Result<SystemTime> {
    folder.metadata()?.modified()
}
