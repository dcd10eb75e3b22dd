//! Who a process is to NATS. Files are read at each dial, so that what replaces them is what the next connection shows.

use std::{
    fmt::{self, Display},
    path::{Path, PathBuf},
};

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::ConnectError;

/// Who a process is to NATS. Its `Debug` shows no password and no token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// A `.creds` file: a user's JWT and seed.
    CredsFile(#[serde(deserialize_with = "path")] PathBuf),
    /// A file that holds an nkey seed (`SU…`).
    NkeySeedFile(#[serde(deserialize_with = "path")] PathBuf),
    /// A user and a password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
}

/// The path of a file. Paths are shown, so the secret itself is refused in its place.
fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_secret(&text) {
        return Err(de::Error::custom(
            "this is a secret itself, not the path of a file that holds it: write it into a file, and that file's path here",
        ));
    }
    Ok(text.into())
}

/// Whether a text looks like an nkey seed, a JWT, or what a `.creds` file holds.
fn is_secret(text: &str) -> bool {
    let text = text.trim();
    let seed = text.len() >= 50 && text.starts_with('S') && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    seed || text.starts_with("eyJ") || text.contains("-----BEGIN")
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::CredsFile(path) => f.debug_tuple("CredsFile").field(path).finish(),
            Credentials::NkeySeedFile(path) => f.debug_tuple("NkeySeedFile").field(path).finish(),
            Credentials::UserPassword { user, password: _ } => {
                f.debug_struct("UserPassword").field("user", user).finish_non_exhaustive()
            }
            Credentials::Token(_) => f.debug_struct("Token").finish_non_exhaustive(),
        }
    }
}

/// What is shown to a server.
pub(crate) struct Identity {
    /// In words, for people.
    pub(super) who: String,
    proof: Proof,
}

enum Proof {
    Jwt { jwt: String, key: KeyPair },
    Nkey(KeyPair),
    UserPassword { user: String, password: String },
    Token(String),
}

impl Credentials {
    /// Reads them. Errors: they can't be used.
    pub(crate) async fn read(&self) -> Result<Identity, ConnectError> {
        let (who, proof) = match self {
            Credentials::CredsFile(path) => {
                let text = text_of(path).await?;
                let missing = |what| unusable(path, &format_args!("it holds no {what}"));
                let jwt = decorated(&text, "NATS USER JWT").ok_or_else(|| missing("user's JWT"))?.to_owned();
                let key = key(path, decorated(&text, "USER NKEY SEED").ok_or_else(|| missing("nkey seed"))?)?;
                (format!("the credentials in {}", path.display()), Proof::Jwt { jwt, key })
            }
            Credentials::NkeySeedFile(path) => {
                let text = text_of(path).await?;
                let seed = text.lines().map(str::trim).find(|line| line.starts_with('S'));
                let seed = seed.ok_or_else(|| unusable(path, &"it holds no nkey seed, a line that begins with S"))?;
                let key = key(path, seed)?;
                let who = format!("the nkey {} of the seed in {}", key.public_key(), path.display());
                (who, Proof::Nkey(key))
            }
            Credentials::UserPassword { user, password } => {
                let proof = Proof::UserPassword { user: user.clone(), password: password.clone() };
                (format!("the user {user:?} with its password"), proof)
            }
            Credentials::Token(token) => ("the token".to_owned(), Proof::Token(token.clone())),
        };
        Ok(Identity { who, proof })
    }

    /// The file that holds them, where one does.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Credentials::CredsFile(path) | Credentials::NkeySeedFile(path) => Some(path),
            Credentials::UserPassword { .. } | Credentials::Token(_) => None,
        }
    }

    /// What a connection shows: asked for at each of its dials.
    pub(super) fn at_each_dial(self) -> async_nats::ConnectOptions {
        async_nats::ConnectOptions::with_auth_callback(move |nonce| {
            let credentials = self.clone();
            async move { credentials.read().await.map_err(AuthError::new)?.shown(&nonce) }
        })
    }
}

impl Identity {
    pub(crate) fn shown(self, nonce: &[u8]) -> Result<Auth, AuthError> {
        // The error itself may tell of the seed.
        let sign = |key: &KeyPair| key.sign(nonce).map_err(|_| AuthError::new("the nkey seed signs nothing"));
        let mut auth = Auth::new();
        match self.proof {
            Proof::Jwt { jwt, key } => (auth.signature, auth.jwt) = (Some(sign(&key)?), Some(jwt)),
            Proof::Nkey(key) => (auth.signature, auth.nkey) = (Some(sign(&key)?), Some(key.public_key())),
            Proof::UserPassword { user, password } => (auth.username, auth.password) = (Some(user), Some(password)),
            Proof::Token(token) => auth.token = Some(token),
        }
        Ok(auth)
    }
}

/// The line below the one that announces it, as in every `.creds` file.
fn decorated<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("---") && line.contains(&format!("BEGIN {what}")))?;
    lines.next().filter(|line| !line.is_empty())
}

async fn text_of(path: &Path) -> Result<String, ConnectError> {
    tokio::fs::read_to_string(path).await.map_err(|error| unusable(path, &error))
}

fn key(path: &Path, seed: &str) -> Result<KeyPair, ConnectError> {
    // The error itself may tell of the seed.
    KeyPair::from_seed(seed).map_err(|_| unusable(path, &"the nkey seed in it is damaged"))
}

fn unusable(path: &Path, why: &impl Display) -> ConnectError {
    ConnectError::Options(format!("`credentials`: {} can't be used: {why}", path.display()))
}
