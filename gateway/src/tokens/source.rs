//! One issuer's key set, as its file or URL has it: looked at every few seconds, and at once when a token names a key that is not in it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use dunlin_schema::Millis;
use reqwest::redirect::Policy;
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    error::TokenError,
    jwt::Jwt,
    key_set::KeySet,
    verify::{Identity, verify},
};
use crate::{
    config::{Issuer, KeySource, Tokens},
    services::BEAT_EVERY,
};

/// A key set of more bytes is refused.
const SET_BYTES: usize = 1024 * 1024;
/// Longer than a `hello` waits: who was told to try again finds what came meanwhile.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects that are followed, one after the other.
const REDIRECTS: usize = 10;
/// How soon after the end of a look the next one may follow, however many unknown keys are named.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Why a key set can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct KeysError {
    /// Where it is, without what may be secret.
    pub(crate) source_name: String,
    pub(crate) why: String,
}

/// One issuer's keys.
pub(super) struct Source {
    pub(super) issuer: Issuer,
    refresh: Duration,
    client: reqwest::Client,
    /// `None` as long as the key set was never read.
    keys: ArcSwapOption<KeySet>,
    /// Held by [`Source::run`], which alone looks: a look ends also where whoever wanted it has gone.
    seen: Mutex<Seen>,
    /// Tells it to look now.
    wanted: Notify,
    /// Whether the next look also reads a file that looks unchanged.
    stale: AtomicBool,
    looks: watch::Sender<Looks>,
}

/// What the last look found.
#[derive(Default)]
struct Seen {
    stamp: Option<Stamp>,
    content: Vec<u8>,
}

/// How many looks there were; one is under way where more have begun than ended.
#[derive(Clone)]
struct Looks {
    begun: u64,
    ended: u64,
    /// When the last one ended; at first, when the set was read for the first time.
    last: Instant,
    /// Why the source had no key set to give then, if it had none.
    failed: Option<String>,
}

/// What tells a file from its successor without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// Whether the key sets can be used, where they are files; a web server is not asked. Errors: one is not there, or can't be used.
pub(crate) async fn check(tokens: &Tokens) -> Result<(), KeysError> {
    for Issuer { keys, .. } in &tokens.issuers {
        if let KeySource::File(path) = keys {
            let usable = read(path).await.and_then(|content| KeySet::parse(&content));
            usable.map_err(|why| KeysError { source_name: keys.to_string(), why })?;
        }
    }
    Ok(())
}

impl Source {
    /// Reads the key set for the first time. Errors: it is a file and is not there, or can't be used.
    pub(super) async fn open(issuer: &Issuer, refresh: Millis) -> Result<Source, KeysError> {
        let failed = |why| KeysError { source_name: issuer.keys.to_string(), why };
        let client = client().map_err(failed)?;
        let stamp = stamp(&issuer.keys).await;
        let loaded = load(&client, &issuer.keys).await;
        let first = loaded.and_then(|content| Ok((KeySet::parse(&content)?, Seen { stamp, content })));
        let (keys, seen, missed) = match (first, &issuer.keys) {
            (Ok((keys, seen)), source) => {
                warn_of_odd(source, &keys);
                (Some(Arc::new(keys)), seen, None)
            }
            (Err(why), KeySource::File(_)) => return Err(failed(why)),
            (Err(why), KeySource::Url(_)) => {
                warn!(source = %issuer.keys, why, "waiting for the key set; until it is there its tokens are `unavailable`");
                (None, Seen::default(), Some(why))
            }
        };
        Ok(Source {
            issuer: issuer.clone(),
            refresh: Duration::from_millis(refresh.0),
            client,
            keys: ArcSwapOption::new(keys),
            seen: Mutex::new(seen),
            wanted: Notify::new(),
            stale: AtomicBool::new(false),
            looks: watch::Sender::new(Looks { begun: 0, ended: 0, last: Instant::now(), failed: missed }),
        })
    }

    /// Who the token says is there. A key that is not known is looked for once. Errors: see [`TokenError`].
    pub(super) async fn verify(&self, jwt: &Jwt<'_>, now: Millis) -> Result<Identity, TokenError> {
        match self.verify_now(jwt, now) {
            Err(unknown) if unknown.is_unknown_key() => {}
            outcome => return outcome,
        }
        self.look_for_unknown().await;
        match self.verify_now(jwt, now) {
            Err(unknown) if unknown.is_unknown_key() && self.is_unanswered() => Err(TokenError::NoKeySet),
            outcome => outcome,
        }
    }

    /// Who the token says is there, by the keys that are known. Errors: see [`TokenError`].
    pub(super) fn verify_now(&self, jwt: &Jwt<'_>, now: Millis) -> Result<Identity, TokenError> {
        let keys = self.keys.load();
        verify(jwt, keys.as_ref().ok_or(TokenError::NoKeysYet)?, &self.issuer, now)
    }

    /// The keys that are known, if the key set was read at all.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// Why no token can be verified, if that is so.
    pub(super) fn unready(&self) -> Option<String> {
        let why = self.looks.borrow().failed.clone().unwrap_or_default();
        self.keys.load().is_none().then(|| format!("waiting for the key set {}: {why}", self.issuer.keys))
    }

    pub(super) fn refresh(&self) {
        self.stale.store(true, Relaxed);
        self.wanted.notify_one();
    }

    /// Looks for a rotation until it is dropped, and when a token names an unknown key. Calls `moves` once a second, and after each look.
    pub(super) async fn run(&self, moves: impl Fn()) {
        let mut seen = self.seen.lock().await;
        let mut next = Instant::now();
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            moves();
            tokio::select! {
                () = sleep_until(next) => {}
                _ = beats.tick() => continue,
                // Whoever told it so while a look began has that look's result.
                () = self.wanted.notified() => if self.is_soon() && !self.stale.load(Relaxed) { continue },
            }
            self.looks.send_modify(|looks| looks.begun += 1);
            let failed = self.look(&mut seen).await.err();
            let last = Instant::now();
            self.looks.send_modify(|looks| *looks = Looks { begun: looks.begun, ended: looks.begun, last, failed });
            let pause = if self.keys.load().is_none() { LOOK_AGAIN.min(self.refresh) } else { self.refresh };
            next = last + pause;
        }
    }

    /// Waits for a look to end: for one that is under way, otherwise for a new one, where that is not too soon. It takes as long as the
    /// source of the key set does.
    async fn look_for_unknown(&self) {
        let (begun, ended) = {
            let looks = self.looks.borrow();
            (looks.begun, looks.ended)
        };
        let enough = match begun > ended {
            // It costs little to look at a file once more than is needed, and the look may have begun before the file was changed.
            true if self.is_file() => begun + 1,
            true => begun,
            false if self.is_soon() => return,
            false => begun + 1,
        };
        if enough > begun {
            self.wanted.notify_one();
        }
        // The other end is this source's own.
        let _ = self.looks.subscribe().wait_for(|looks| looks.ended >= enough).await;
    }

    fn is_file(&self) -> bool {
        matches!(self.issuer.keys, KeySource::File(_))
    }

    /// Whether the last look was so short a time ago that an unknown key is no reason for another one. A file costs nothing to look at.
    fn is_soon(&self) -> bool {
        !self.is_file() && self.looks.borrow().last.elapsed() < LOOK_AGAIN
    }

    /// Whether nobody knows what the key set holds now: a web server that should have it did not give it.
    fn is_unanswered(&self) -> bool {
        !self.is_file() && self.looks.borrow().failed.is_some()
    }

    /// Looks once. What can't be used changes nothing. Errors: why there was no key set to be had.
    async fn look(&self, seen: &mut Seen) -> Result<(), String> {
        let source = &self.issuer.keys;
        let stale = self.stale.swap(false, Relaxed);
        let stamp = stamp(source).await;
        if !stale && stamp.is_some() && stamp == seen.stamp {
            return Ok(());
        }
        let content = load(&self.client, source).await.inspect_err(|why| self.holds(why))?;
        if content == seen.content {
            seen.stamp = stamp;
            return Ok(());
        }
        match KeySet::parse(&content) {
            Ok(keys) => {
                info!(%source, "the key set changed");
                warn_of_odd(source, &keys);
                self.keys.store(Some(Arc::new(keys)));
                *seen = Seen { stamp, content };
                Ok(())
            }
            Err(why) => {
                self.holds(&why);
                // A web server has answered, and a gateway that has keys goes on with them.
                if self.keys.load().is_none() { Err(why) } else { Ok(()) }
            }
        }
    }

    fn holds(&self, why: &str) {
        let source = &self.issuer.keys;
        match self.keys.load().is_none() {
            true => warn!(%source, why, "still waiting for the key set"),
            false => warn!(%source, why, "the key set can't be read, the old one holds"),
        }
    }
}

fn warn_of_odd(source: &KeySource, keys: &KeySet) {
    for odd in &keys.odd {
        warn!(%source, odd, "a key of the key set can't be read, and is passed over");
    }
}

async fn stamp(source: &KeySource) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let KeySource::File(path) = source else { return None };
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
}

fn client() -> Result<reqwest::Client, String> {
    let redirects = Policy::custom(|attempt| match may_follow(attempt.previous(), attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(why),
    });
    let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(redirects).build();
    client.map_err(|error| format!("making an HTTP client: {error}"))
}

/// Whether a redirect is followed. Errors: why not.
pub(super) fn may_follow(previous: &[reqwest::Url], next: &reqwest::Url) -> Result<(), &'static str> {
    if previous.len() > REDIRECTS {
        return Err("it redirects again and again");
    }
    // Whoever is on the way could put keys of their own in its place.
    match previous.iter().any(|url| url.scheme() == "https") && next.scheme() != "https" {
        true => Err("it redirects from https to http"),
        false => Ok(()),
    }
}

async fn load(client: &reqwest::Client, source: &KeySource) -> Result<Vec<u8>, String> {
    match source {
        KeySource::File(path) => read(path).await,
        KeySource::Url(url) => fetch(client, url.clone()).await.map_err(told),
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let content = tokio::fs::read(path).await.map_err(|error| error.to_string())?;
    if content.len() > SET_BYTES { Err(format!("it has more than {SET_BYTES} bytes")) } else { Ok(content) }
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
