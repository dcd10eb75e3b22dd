//! The key set, as its file or URL has it: looked at every few seconds, and at once when a token names a key that is not in it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use dunlin_schema::Millis;
use tokio::sync::{Mutex, Notify, watch};
use tracing::{info, warn};

use super::verify::{Identity, Keys, TokenError};
use crate::{
    config::{KeySource, Tokens},
    services::BEAT_EVERY,
};

/// A key set of more bytes is refused.
const SET_BYTES: usize = 1024 * 1024;
/// Longer than a `hello` waits: who was told to try again finds what came meanwhile.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon after the end of a look the next one may follow, however many unknown keys are named.
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
    /// Held by [`KeyRing::run`], which alone looks: a look ends also where whoever wanted it has gone.
    seen: Mutex<Seen>,
    /// Tells it to look now.
    wanted: Notify,
    looks: watch::Sender<Looks>,
}

/// What the last look found.
struct Seen {
    stamp: Option<Stamp>,
    content: Vec<u8>,
}

/// How many looks there were; one is under way where more have begun than ended.
#[derive(Clone, Copy)]
struct Looks {
    begun: u64,
    ended: u64,
    /// When the last one ended; at first, when the set was read for the first time.
    last: Instant,
    /// Whether the source did not answer then.
    unanswered: bool,
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
        let keys = ArcSwap::from_pointee(keys);
        let seen = Mutex::new(Seen { stamp, content });
        let looks = watch::Sender::new(Looks { begun: 0, ended: 0, last: Instant::now(), unanswered: false });
        Ok(KeyRing { tokens: tokens.clone(), client, keys, seen, wanted: Notify::new(), looks })
    }

    /// Who the token says is there. A key that is not known is looked for once. Errors: see [`TokenError`].
    pub(crate) async fn verify(&self, token: &str, now: Millis) -> Result<Identity, TokenError> {
        let is_unknown = |outcome: &_| matches!(outcome, Err(TokenError::UnknownKey | TokenError::NoKeyId));
        let outcome = self.keys.load().verify(token, now);
        if !is_unknown(&outcome) {
            return outcome;
        }
        self.look_for_unknown().await;
        let outcome = self.keys.load().verify(token, now);
        if is_unknown(&outcome) && self.looks.borrow().unanswered { Err(TokenError::NoKeySet) } else { outcome }
    }

    /// Looks for a rotation until it is dropped, and when a token names an unknown key. Calls `moves` once a second, and after each look.
    pub(crate) async fn run(&self, moves: impl Fn()) {
        let mut seen = self.seen.lock().await;
        let mut ticks = tokio::time::interval(Duration::from_millis(self.tokens.refresh.0));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            moves();
            tokio::select! {
                _ = ticks.tick() => {}
                _ = beats.tick() => continue,
                // Whoever told it so while a look began has that look's result.
                () = self.wanted.notified() => if self.is_soon() { continue },
            }
            self.looks.send_modify(|looks| looks.begun += 1);
            let unanswered = self.look(&mut seen).await.is_err();
            self.looks.send_modify(|looks| {
                *looks = Looks { begun: looks.begun, ended: looks.begun, last: Instant::now(), unanswered };
            });
        }
    }

    /// Has [`KeyRing::run`] look now.
    pub(crate) fn refresh(&self) {
        self.wanted.notify_one();
    }

    /// Waits for a look to end: for one that is under way, otherwise for a new one, where that is not too soon. It takes as long as the
    /// source of the key set does.
    async fn look_for_unknown(&self) {
        let Looks { begun, ended, .. } = *self.looks.borrow();
        let is_file = matches!(self.tokens.keys, KeySource::File(_));
        let enough = match begun > ended {
            // It costs little to look at a file once more than is needed, and the look may have begun before the file was changed.
            true if is_file => begun + 1,
            true => begun,
            false if self.is_soon() => return,
            false => begun + 1,
        };
        if enough > begun {
            self.wanted.notify_one();
        }
        // The other end is this ring's own.
        let _ = self.looks.subscribe().wait_for(|looks| looks.ended >= enough).await;
    }

    /// Whether the last look was so short a time ago that an unknown key is no reason for another one.
    fn is_soon(&self) -> bool {
        match self.tokens.keys {
            // A file costs nothing to look at.
            KeySource::File(_) => false,
            KeySource::Url(_) => self.looks.borrow().last.elapsed() < LOOK_AGAIN,
        }
    }

    /// Looks once. What can't be used changes nothing. Errors: a web server that should have the key set does not answer.
    async fn look(&self, seen: &mut Seen) -> Result<(), Unanswered> {
        let stamp = stamp(&self.tokens.keys).await;
        if stamp.is_some() && stamp == seen.stamp {
            return Ok(());
        }
        match load(&self.client, &self.tokens.keys).await {
            Ok(content) if content == seen.content => seen.stamp = stamp,
            Ok(content) => match Keys::parse(&content, &self.tokens) {
                Ok(keys) => {
                    info!(source = %self.tokens.keys, "the key set changed");
                    self.keys.store(Arc::new(keys));
                    *seen = Seen { stamp, content };
                }
                Err(why) => warn!(source = %self.tokens.keys, why, "the new key set can't be used, the old one holds"),
            },
            Err(why) => {
                warn!(source = %self.tokens.keys, %why, "the key set can't be read, the old one holds");
                if matches!(self.tokens.keys, KeySource::Url(_)) {
                    return Err(Unanswered);
                }
            }
        }
        Ok(())
    }
}

/// Nobody knows what the key set holds now.
struct Unanswered;

async fn stamp(source: &KeySource) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let KeySource::File(path) = source else { return None };
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
}

async fn load(client: &reqwest::Client, source: &KeySource) -> Result<Vec<u8>, KeysError> {
    match source {
        KeySource::File(path) => read(path).await,
        KeySource::Url(url) => fetch(client, url.clone()).await.map_err(|error| KeysError(told(error))),
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, KeysError> {
    let content = tokio::fs::read(path).await.map_err(|error| KeysError(error.to_string()))?;
    if content.len() > SET_BYTES { Err(KeysError(format!("it has more than {SET_BYTES} bytes"))) } else { Ok(content) }
}

/// The error and what lies behind it, without the URL, which may hold a password.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
