//! What is being written: under a name drawn by lot, until it is whole and synced and gets its own.

use std::{
    fs::{self, File},
    io::{self, IoSlice, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::{blocking::Blocking, clear, parent, sync};
use crate::Error;

/// How much of a body is gathered for one call, in bytes: an upload holds twice so much, and what its sender gave at once.
const GATHERED: usize = 128 << 10;

/// A file or a folder in `temporary`, removed where it did not become something else.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    /// Of a file.
    file: Option<File>,
}

impl Temporary {
    pub(super) fn file(root: &Path) -> io::Result<Temporary> {
        let path = root.join("temporary").join(lot());
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Temporary { path, file: Some(file) })
    }

    pub(super) fn folder(root: &Path) -> io::Result<Temporary> {
        let path = root.join("temporary").join(lot());
        fs::create_dir(&path)?;
        Ok(Temporary { path, file: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of `chunks` at the file's end.
    pub(super) fn write(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        let file = self.file.as_mut().expect("a folder is not written to");
        let mut slices: Vec<_> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut left = &mut slices[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match file.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the file's bytes survive a power loss.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }

    /// Gives the file its name in `folder`, instead of one that has it.
    pub(super) fn become_file(mut self, folder: &Path, name: &str) -> io::Result<()> {
        self.sync()?;
        fs::rename(&self.path, folder.join(name))?;
        self.path = PathBuf::new();
        sync(folder)
    }

    /// Makes the folder, whose files are synced, be `folder`.
    pub(super) fn become_folder(mut self, folder: &Path) -> io::Result<()> {
        fs::rename(&self.path, folder)?;
        self.path = PathBuf::new();
        sync(parent(folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What can't be removed now is removed when the store is opened.
            let _left = clear(&self.path);
        }
    }
}

/// Writes a body that has to be `size` bytes long. While one part of it is written the next one comes.
pub(super) async fn write<E: ToString>(
    blocking: &Blocking,
    mut temporary: Temporary,
    size: u64,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Temporary, Error> {
    let mut body = body.fuse();
    let (mut came, mut chunks) = (0, gather(&mut body).await?);
    while !chunks.is_empty() {
        came += chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if came > size {
            return Err(Error::Length { promised: size });
        }
        let writing = blocking.run(move || temporary.write(&chunks).map(|()| temporary));
        let (written, next) = tokio::join!(writing, gather(&mut body));
        (temporary, chunks) = (written?, next?);
    }
    if came == size { Ok(temporary) } else { Err(Error::Length { promised: size }) }
}

/// What comes next of a body; nothing once it has ended.
async fn gather<E: ToString>(body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) -> Result<Vec<Bytes>, Error> {
    let (mut chunks, mut gathered) = (Vec::new(), 0);
    while gathered < GATHERED {
        let Some(chunk) = body.next().await else { break };
        let chunk = chunk.map_err(|error| Error::Sender(error.to_string()))?;
        gathered += chunk.len();
        chunks.extend(Some(chunk).filter(|chunk| !chunk.is_empty()));
    }
    Ok(chunks)
}

/// A name that nobody else draws.
pub(super) fn lot() -> String {
    format!("{:032x}", rand::random::<u128>())
}
