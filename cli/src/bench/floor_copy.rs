//! The floor of a file: it is copied beside itself as a store would keep it, with its hash computed.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};

/// How much is read at a time, in bytes.
const CHUNK: usize = 128 << 10;

/// Copies `source` into its folder, under a temporary name until it is synced. Where the copy is.
pub(super) fn copy(source: &Path) -> anyhow::Result<PathBuf> {
    let (temporary, copy) = (source.with_extension("temporary"), source.with_extension("copy"));
    let (mut from, mut to) = (File::open(source)?, File::create_new(&temporary)?);
    let (mut hash, mut chunk) = (Context::new(&SHA256), vec![0; CHUNK]);
    loop {
        let length = from.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        hash.update(&chunk[..length]);
        to.write_all(&chunk[..length])?;
    }
    std::hint::black_box(hash.finish());
    to.sync_all()?;
    fs::rename(&temporary, &copy)?;
    Ok(copy)
}
