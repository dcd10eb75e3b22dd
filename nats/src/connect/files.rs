//! The files that a connection was made with, and whether others have taken their place.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rand::Rng;

use super::{ConnectOptions, Credentials};

/// The longest pause between two looks; half of it is the shortest, so that many who were given new files at once do not dial at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// When a file was written, and its length; `None` where there is none.
type Stamp = Option<(SystemTime, u64)>;

/// The files of one connection.
#[derive(Debug)]
pub(crate) struct Files {
    options: ConnectOptions,
    /// As they were before they were last read.
    read: Vec<Stamp>,
    /// As they were when they were last found to be of no use.
    refused: Vec<Stamp>,
}

impl Files {
    /// Those that these options name, as they are now: look before they are read.
    pub(crate) async fn of(options: &ConnectOptions) -> Files {
        let mut files = Files { options: options.clone(), read: Vec::new(), refused: Vec::new() };
        files.read = files.stamps().await;
        files
    }

    /// Resolves when one of them was replaced and all can be used: then whoever stays with what was read before should dial. Cancel-safe.
    pub(crate) async fn replaced(&mut self) {
        loop {
            let pause = rand::rng().random_range(LOOK_EVERY / 2..LOOK_EVERY);
            tokio::time::sleep(pause).await;
            let found = self.stamps().await;
            if found == self.read || found == self.refused {
                continue;
            }
            match self.options.check().await {
                Ok(()) => {
                    self.read = found;
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "a file of the NATS settings was replaced by one that can't be used: staying with what was read before");
                    self.refused = found;
                }
            }
        }
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        let ConnectOptions { credentials, tls, .. } = &self.options;
        let credentials = credentials.as_ref().and_then(Credentials::file);
        let tls = [&tls.ca, &tls.cert, &tls.key].into_iter().flatten().map(PathBuf::as_path);
        credentials.into_iter().chain(tls)
    }

    async fn stamps(&self) -> Vec<Stamp> {
        let mut stamps = Vec::new();
        for path in self.paths() {
            let found = tokio::fs::metadata(path).await.ok();
            stamps.push(found.and_then(|found| Some((found.modified().ok()?, found.len()))));
        }
        stamps
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_counts_as_replaced_once_and_only_when_it_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let seed = || nkeys::KeyPair::new_user().seed().unwrap();
        fs::write(&path, seed()).unwrap();
        let options =
            ConnectOptions { credentials: Some(Credentials::NkeySeedFile(path.clone())), ..ConnectOptions::default() };
        let mut files = Files::of(&options).await;
        let looks = LOOK_EVERY * 4;
        assert!(tokio::time::timeout(looks, files.replaced()).await.is_err(), "it is the one that was read");
        for useless in ["half a s", ""] {
            fs::write(&path, useless).unwrap();
            assert!(tokio::time::timeout(looks, files.replaced()).await.is_err(), "{useless:?}");
        }
        fs::write(&path, format!("{}\n", seed())).unwrap();
        tokio::time::timeout(looks, files.replaced()).await.expect("it was replaced");
        assert!(files.replaced().now_or_never().is_none());
        assert!(tokio::time::timeout(looks, files.replaced()).await.is_err(), "it was read since");
    }
}
