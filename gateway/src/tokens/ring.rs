//! The key sets of all issuers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use dunlin_schema::Millis;
use futures_util::future::join_all;

use super::{
    error::TokenError,
    jwt::Jwt,
    source::{KeysError, Source},
    verify::Identity,
};
use crate::config::Tokens;

/// The keys that are trusted now.
pub(crate) struct KeyRing {
    /// One for each issuer.
    pub(super) sources: Vec<Source>,
}

impl KeyRing {
    /// Reads the key sets for the first time. A URL that does not answer is asked again by [`KeyRing::run`]. Errors: a file is not there,
    /// or can't be used.
    pub(crate) async fn open(tokens: &Tokens) -> Result<KeyRing, KeysError> {
        let opened = join_all(tokens.issuers.iter().map(|issuer| Source::open(issuer, tokens.refresh))).await;
        Ok(KeyRing { sources: opened.into_iter().collect::<Result<_, _>>()? })
    }

    /// Who the token says is there. A key that is not known is looked for once. Errors: see [`TokenError`].
    pub(crate) async fn verify(&self, token: &str, now: Millis) -> Result<Identity, TokenError> {
        let jwt = Jwt::parse(token)?;
        self.source(&jwt)?.verify(&jwt, now).await
    }

    /// The only issuer, or the one that the token names.
    pub(super) fn source(&self, jwt: &Jwt<'_>) -> Result<&Source, TokenError> {
        match &self.sources[..] {
            [only] => Ok(only),
            several => {
                let said = jwt.issuer().ok_or_else(|| TokenError::Missing("iss".to_owned()))?;
                several.iter().find(|source| source.issuer.issuer.as_deref() == Some(said)).ok_or(TokenError::Issuer)
            }
        }
    }

    /// Looks for rotations until it is dropped, and when a token names an unknown key. Calls `moves` once a second while all sources move:
    /// one that hangs is not to be covered by the others.
    pub(crate) async fn run(&self, moves: impl Fn()) {
        let moved: Vec<AtomicBool> = self.sources.iter().map(|_| AtomicBool::default()).collect();
        let runs = self.sources.iter().zip(&moved).map(|(source, own)| {
            source.run(|| {
                own.store(true, Relaxed);
                if moved.iter().all(|moved| moved.load(Relaxed)) {
                    moved.iter().for_each(|moved| moved.store(false, Relaxed));
                    moves();
                }
            })
        });
        join_all(runs).await;
    }

    /// Has every key set read again now, also a file that looks unchanged.
    pub(crate) fn refresh(&self) {
        self.sources.iter().for_each(Source::refresh);
    }

    /// Why some tokens can't be verified at all; `None` where every issuer's key set was read.
    pub(crate) fn unready(&self) -> Option<String> {
        self.sources.iter().find_map(Source::unready)
    }
}

#[cfg(test)]
mod tests;
