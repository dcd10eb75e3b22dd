//! A store to try, of whichever kind, and how a client's bytes come to it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dunlin_store::{Error, Key, PART, Store, Upload};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tempfile::TempDir;

use crate::service::Service;

/// A store in a place of its own, which goes with it.
pub(crate) struct Trial {
    pub(crate) store: Store,
    place: Place,
}

enum Place {
    Directory(TempDir),
    S3(Service),
}

impl Trial {
    pub(crate) fn directory() -> Trial {
        let root = tempfile::tempdir().unwrap();
        Trial { store: Store::directory(root.path()).unwrap(), place: Place::Directory(root) }
    }

    /// A bucket of a service of its own; `None`, and said, where there is no service to run.
    pub(crate) async fn s3() -> Option<Trial> {
        let service = Service::start().await?;
        Some(Trial { store: Store::s3(&service.settings()).unwrap(), place: Place::S3(service) })
    }

    /// The service behind a store that is one.
    pub(crate) fn service(&mut self) -> &mut Service {
        match &mut self.place {
            Place::Directory(_) => panic!("a directory has no service"),
            Place::S3(service) => service,
        }
    }

    /// The same place, opened by another process, as it were.
    pub(crate) fn again(&self) -> Store {
        match &self.place {
            Place::Directory(root) => Store::directory(root.path()).unwrap(),
            Place::S3(service) => Store::s3(&service.settings()).unwrap(),
        }
    }

    /// Sends a part's bytes as a client does, and tells whether they were taken.
    pub(crate) async fn send(&self, upload: Upload, number: u32, bytes: &[u8]) -> bool {
        match &self.place {
            Place::Directory(_) => self.store.write_part(upload, number, body(bytes)).await.is_ok(),
            Place::S3(_) => {
                let request = self.store.part_request(upload, number, Duration::from_secs(60)).unwrap();
                assert_eq!((request.method, request.headers.len()), ("PUT", 0));
                let put = reqwest::Client::new().put(request.url).body(bytes.to_vec());
                put.send().await.is_ok_and(|answer| answer.status().is_success())
            }
        }
    }

    /// Sends all parts of `bytes`.
    pub(crate) async fn send_all(&self, upload: Upload, bytes: &[u8]) {
        for part in upload.parts() {
            let from = usize::try_from(part.from).unwrap();
            assert!(self.send(upload, part.number, &bytes[from..from + usize::try_from(part.size).unwrap()]).await);
        }
    }

    pub(crate) async fn read(&self, object: Key, from: u64, until: u64) -> Result<Vec<u8>, Error> {
        read(&self.store, object, from, until).await
    }
}

pub(crate) async fn read(store: &Store, object: Key, from: u64, until: u64) -> Result<Vec<u8>, Error> {
    let chunks: Vec<Bytes> = store.read(object, from, until).await?.try_collect().await?;
    assert!(chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= 256 << 10), "chunks are bounded");
    Ok(chunks.concat())
}

/// A body in chunks of odd lengths, among them empty ones.
pub(crate) fn body(bytes: &[u8]) -> impl futures_util::Stream<Item = Result<Bytes, String>> + Unpin + Send + 'static {
    let mut chunks = vec![Ok(Bytes::new())];
    chunks.extend(bytes.chunks(65_521).map(|chunk| Ok(Bytes::copy_from_slice(chunk))));
    stream::iter(chunks).boxed()
}

/// The key with this number.
pub(crate) fn key(number: u32) -> Key {
    format!("01KBA3W2Z8Q4N6V5M7X{number:07}").parse().unwrap()
}

/// Bytes of which each place looks different.
pub(crate) fn bytes(size: u64) -> Vec<u8> {
    (0..size).map(|place| (place ^ (place >> 8) ^ (place / PART * 31)) as u8).collect()
}

/// Comes back once `condition` holds; fails after half a minute.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "it comes to hold");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A file system of 6 MiB, where the machine lets one be mounted; it goes with the value.
pub(crate) struct Small(PathBuf);

impl Small {
    pub(crate) fn mount(folder: &Path) -> Option<Small> {
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(folder).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Small(folder.to_owned()));
        }
        eprintln!("skipped: nothing can be mounted here");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Whoever has a file in it open goes with the test.
        Command::new("umount").arg("--lazy").arg(&self.0).status().unwrap();
    }
}
