//! A file that is uploaded: on disk, or in memory.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use dunlin_schema::media::Sha256;

/// What is read of a file at a time where it is hashed, in bytes.
const CHUNK: u64 = 1024 * 1024;

/// A file. It is read twice: for its hash, and to be sent, an eighth of the largest at a time.
#[derive(Clone, Debug)]
pub struct File {
    place: Place,
    size: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Bytes),
    Disk(PathBuf),
}

impl File {
    /// A file on disk. It blocks. Errors: it is not there, can't be read, or is no file.
    pub fn on_disk(path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref().to_owned();
        let is = fs::File::open(&path)?.metadata()?;
        if !is.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no file", path.display())));
        }
        Ok(File { place: Place::Disk(path), size: is.len() })
    }

    /// A file in memory.
    pub fn in_memory(bytes: impl Into<Bytes>) -> File {
        let bytes = bytes.into();
        File { size: bytes.len() as u64, place: Place::Memory(bytes) }
    }

    /// Its bytes, as many as there were when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `size` bytes behind `from`.
    pub(super) async fn read(&self, from: u64, size: u64) -> io::Result<Bytes> {
        let until = from.checked_add(size).filter(|until| *until <= self.size).ok_or(io::ErrorKind::UnexpectedEof)?;
        match &self.place {
            // The whole of it is in memory, so its length is a usize.
            Place::Memory(bytes) => Ok(bytes.slice(from as usize..until as usize)),
            Place::Disk(path) => {
                let path = path.clone();
                blocking(move || {
                    let mut file = fs::File::open(path)?;
                    file.seek(SeekFrom::Start(from))?;
                    let mut bytes = vec![0; usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?];
                    file.read_exact(&mut bytes)?;
                    Ok(bytes.into())
                })
                .await
            }
        }
    }

    /// The SHA-256 of `before` and its bytes.
    pub(super) async fn hash(&self, before: &[u8]) -> io::Result<Sha256> {
        let mut hash = Context::new(&SHA256);
        hash.update(before);
        let mut from = 0;
        while from < self.size {
            let size = CHUNK.min(self.size - from);
            let bytes = self.read(from, size).await?;
            hash = blocking(move || {
                hash.update(&bytes);
                Ok(hash)
            })
            .await?;
            from += size;
        }
        let hash = hash.finish();
        Ok(Sha256(hash.as_ref().try_into().expect("a SHA-256 has 32 bytes")))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_on_disk_and_in_memory_is_read_and_hashed_alike() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number / 7) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, &bytes).unwrap();
        let (disk, memory) = (File::on_disk(&path).unwrap(), File::in_memory(bytes.clone()));
        assert_eq!(disk.size(), 3_000_000);
        assert_eq!(disk.read(1_234_567, 1_000_000).await.unwrap(), memory.read(1_234_567, 1_000_000).await.unwrap());
        assert!(memory.read(2_999_999, 2).await.is_err());
        assert!(memory.read(u64::MAX, 2).await.is_err());
        let whole = aws_lc_rs::digest::digest(&SHA256, &[b"before", &bytes[..]].concat());
        assert_eq!(disk.hash(b"before").await.unwrap().0, whole.as_ref());
        assert_eq!(memory.hash(b"before").await.unwrap().0, whole.as_ref());
        // FIPS 180-4's hash of "abc".
        let abc = File::in_memory("abc").hash(&[]).await.unwrap().to_string();
        assert_eq!(abc, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(File::on_disk(folder.path()).is_err(), "a folder");
        fs::write(&path, "shorter").unwrap();
        assert!(disk.hash(&[]).await.is_err(), "it changed");
    }
}
