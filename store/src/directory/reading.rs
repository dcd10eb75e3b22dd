//! A range of an object as a stream: one file at a time is open, and one chunk in memory.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};

use super::blocking::Blocking;
use crate::{Error, PART, Reading};

/// How much is read in one call, in bytes.
const CHUNK: u64 = 128 << 10;

/// The file of the part from which is read.
#[derive(Clone)]
struct Open {
    number: u64,
    file: Arc<File>,
}

impl Open {
    fn at(folder: &Path, place: u64) -> io::Result<Open> {
        let number = place / PART + 1;
        Ok(Open { number, file: Arc::new(File::open(folder.join(number.to_string()))?) })
    }

    fn has(&self, place: u64) -> bool {
        place / PART + 1 == self.number
    }
}

/// The bytes `from..until` of the object in `folder`. What is not there is told now, not in the stream.
pub(super) async fn read(blocking: Blocking, folder: PathBuf, from: u64, until: u64) -> Result<Reading, Error> {
    if from >= until {
        blocking.run(move || folder.metadata()).await?;
        return Ok(stream::empty().boxed());
    }
    let folder: Arc<Path> = folder.into();
    let first = {
        let folder = folder.clone();
        blocking.run(move || Open::at(&folder, from)).await?
    };
    let step = move |(place, open): (u64, Open)| {
        let (blocking, folder) = (blocking.clone(), folder.clone());
        async move {
            if place == until {
                return Ok(None);
            }
            let (chunk, open) = blocking.run(move || chunk(&folder, open, place, until)).await?;
            let next = place + chunk.len() as u64;
            Ok(Some((chunk, (next, open))))
        }
    };
    Ok(stream::try_unfold((from, first), step).boxed())
}

/// What stands at `place`, of one part and not beyond `until`.
fn chunk(folder: &Path, mut open: Open, place: u64, until: u64) -> io::Result<(Bytes, Open)> {
    if !open.has(place) {
        open = Open::at(folder, place)?;
    }
    let length = CHUNK.min(until - place).min(PART - place % PART);
    let mut bytes = BytesMut::zeroed(usize::try_from(length).expect("a chunk is small"));
    open.file.read_exact_at(&mut bytes, place % PART)?;
    Ok((bytes.freeze(), open))
}
