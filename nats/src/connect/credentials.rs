//! Who a process is to NATS.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use nkeys::KeyPair;
use serde::{Deserialize, Serialize};

use super::ConnectError;

/// Who a process is to NATS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// A `.creds` file: a user's JWT and seed.
    CredsFile(PathBuf),
    /// A file that holds an nkey seed (`SU…`).
    NkeySeedFile(PathBuf),
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

impl Credentials {
    /// Adds them to what is asked for, and says in words who that makes us. Errors: they can't be read.
    pub(super) async fn add_to(
        &self,
        options: async_nats::ConnectOptions,
    ) -> Result<(async_nats::ConnectOptions, String), ConnectError> {
        match self {
            Credentials::CredsFile(path) => {
                let read = options.credentials_file(path).await;
                Ok((read.map_err(|error| unusable(path, &error))?, format!("the credentials in {}", path.display())))
            }
            Credentials::NkeySeedFile(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| unusable(path, &error))?;
                let seed = text.lines().map(str::trim).find(|line| line.starts_with('S'));
                let seed = seed.ok_or_else(|| unusable(path, &"it holds no nkey seed, a line that begins with S"))?;
                // The error itself may tell of the seed.
                let key = KeyPair::from_seed(seed).map_err(|_| unusable(path, &"the nkey seed in it is damaged"))?;
                let who = format!("the nkey {} of the seed in {}", key.public_key(), path.display());
                Ok((options.nkey(seed.to_owned()), who))
            }
            Credentials::UserPassword { user, password } => Ok((
                options.user_and_password(user.clone(), password.clone()),
                format!("the user {user:?} with its password"),
            )),
            Credentials::Token(token) => Ok((options.token(token.clone()), "the token".to_owned())),
        }
    }
}

fn unusable(path: &Path, why: &impl Display) -> ConnectError {
    ConnectError::Options(format!("`credentials`: {} can't be used: {why}", path.display()))
}
