//! Tokens, signed before anything is measured.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

/// The names `<prefix>00000`, `<prefix>00001`, …, each with an hour's token that the Ed25519 key in the file `key` signs.
pub(super) fn people(prefix: &str, count: usize, key: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let pem = fs::read(key).with_context(|| format!("reading {}", key.display()))?;
    let key = EncodingKey::from_ed_pem(&pem)?;
    let exp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3_600;
    names(prefix, count)
        .map(|name| {
            let claims = Claims { sub: &name, aud: "dunlin", exp };
            let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key)?;
            Ok((name, token))
        })
        .collect()
}

/// The same names without tokens, for a relay.
pub(super) fn strangers(prefix: &str, count: usize) -> Vec<(String, String)> {
    names(prefix, count).map(|name| (name, String::new())).collect()
}

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{prefix}{number:06}"))
}
