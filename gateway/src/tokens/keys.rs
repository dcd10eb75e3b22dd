//! The key set, as its file or URL has it: looked at every few seconds, and at once when a token names a key that is not in it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use dunlin_schema::Millis;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::verify::{Identity, Keys, TokenError};
use crate::config::{KeySource, Tokens};

/// A key set of more bytes is refused.
const SET_BYTES: usize = 1024 * 1024;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How soon after a look the next one may follow, however many unknown keys are named.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Why a key set can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct KeysError(String);

/// The keys that are trusted now.
pub(crate) struct KeyRing {
    tokens: Tokens,
    client: reqwest::Client,
    keys: ArcSwap<Keys>,
    seen: Mutex<Seen>,
}

/// What the last look found.
struct Seen {
    stamp: Option<Stamp>,
    content: Vec<u8>,
    looked: Instant,
}

/// What tells a file from its successor without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// Whether the key set can be used, where it is a file; a web server is not asked. Errors: there is none, or it can't be used.
pub(crate) async fn check(tokens: &Tokens) -> Result<(), KeysError> {
    match &tokens.keys {
        KeySource::File(path) => Keys::parse(&read(path).await?, tokens).map(drop).map_err(KeysError),
        KeySource::Url(_) => Ok(()),
    }
}

impl KeyRing {
    /// Reads the key set for the first time. Errors: there is none, or it can't be used.
    pub(crate) async fn open(tokens: &Tokens) -> Result<KeyRing, KeysError> {
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build();
        let client = client.map_err(|error| KeysError(format!("making an HTTP client: {error}")))?;
        let stamp = stamp(&tokens.keys).await;
        let content = load(&client, &tokens.keys).await?;
        let keys = Keys::parse(&content, tokens).map_err(KeysError)?;
        let seen = Mutex::new(Seen { stamp, content, looked: Instant::now() });
        Ok(KeyRing { tokens: tokens.clone(), client, keys: ArcSwap::from_pointee(keys), seen })
    }

    /// Who the token says is there. A key that is not known is looked for once. Errors: see [`TokenError`].
    pub(crate) async fn verify(&self, token: &str, now: Millis) -> Result<Identity, TokenError> {
        match self.keys.load().verify(token, now) {
            Err(TokenError::UnknownKey | TokenError::NoKeyId) => {}
            outcome => return outcome,
        }
        self.look_for_unknown().await;
        self.keys.load().verify(token, now)
    }

    /// Looks for a rotation until it is dropped.
    pub(crate) async fn run(&self) {
        let mut looks = tokio::time::interval(Duration::from_millis(self.tokens.refresh.0));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let mut seen = self.seen.lock().await;
            self.look(&mut seen).await;
        }
    }

    async fn look_for_unknown(&self) {
        // Whoever waited here for another's look finds its result.
        let mut seen = self.seen.lock().await;
        let soon = match self.tokens.keys {
            // A file costs nothing to look at.
            KeySource::File(_) => false,
            KeySource::Url(_) => seen.looked.elapsed() < LOOK_AGAIN,
        };
        if !soon {
            self.look(&mut seen).await;
        }
    }

    async fn look(&self, seen: &mut Seen) {
        seen.looked = Instant::now();
        let stamp = stamp(&self.tokens.keys).await;
        if stamp.is_some() && stamp == seen.stamp {
            return;
        }
        match load(&self.client, &self.tokens.keys).await {
            Ok(content) if content == seen.content => seen.stamp = stamp,
            Ok(content) => match Keys::parse(&content, &self.tokens) {
                Ok(keys) => {
                    info!(source = %self.tokens.keys, "the key set changed");
                    self.keys.store(Arc::new(keys));
                    *seen = Seen { stamp, content, looked: seen.looked };
                }
                Err(why) => warn!(source = %self.tokens.keys, why, "the new key set can't be used, the old one holds"),
            },
            Err(why) => warn!(source = %self.tokens.keys, %why, "the key set can't be read, the old one holds"),
        }
    }
}

async fn stamp(source: &KeySource) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let KeySource::File(path) = source else { return None };
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
}

async fn load(client: &reqwest::Client, source: &KeySource) -> Result<Vec<u8>, KeysError> {
    match source {
        KeySource::File(path) => read(path).await,
        KeySource::Url(url) => fetch(client, url.clone()).await.map_err(|error| KeysError(error.to_string())),
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, KeysError> {
    let content = tokio::fs::read(path).await.map_err(|error| KeysError(error.to_string()))?;
    if content.len() > SET_BYTES { Err(KeysError(format!("it has more than {SET_BYTES} bytes"))) } else { Ok(content) }
}

async fn fetch(client: &reqwest::Client, url: reqwest::Url) -> Result<Vec<u8>, reqwest::Error> {
    let mut answer = client.get(url).send().await?.error_for_status()?;
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        // What is cut off here is no JSON any more, and is refused as such.
        let room = SET_BYTES - content.len();
        content.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    Ok(content)
}
