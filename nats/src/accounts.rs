//! What the accounts worker of a shard is asked to write down: a person's settings, and tokens that are taken back.

use dunlin_schema::{
    Millis, Seq, Shard,
    revocation::{Revoke, RevokeAnswer},
    settings::{ChangeSettings, SettingsChanged},
    subject,
};

use crate::{
    Connection,
    service::{AskError, Endpoint, Reply, Service, ServiceError, ask},
};

/// Why something is not known to be written down. Asking again does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// No worker of the shard with the role `accounts` listens, or none answered in time.
    #[error("asking the accounts worker: {0}")]
    Unanswered(#[from] AskError),
    /// As many people are blocked as may be.
    #[error("as many people are blocked as may be")]
    TooMany,
    /// The worker could not store it.
    #[error("the accounts worker could not store it")]
    NotStored,
    /// The answer can't be read.
    #[error("the accounts worker answered what can't be read")]
    Unreadable,
}

/// Asks the accounts workers of a region. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Accounts {
    connection: Connection,
}

impl Accounts {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Accounts {
        Accounts { connection: connection.clone() }
    }

    /// Has the settings of a person of the shard changed: resolves when they are stored, with their revision. Errors: see
    /// [`AccountsError`].
    pub async fn change(&self, shard: Shard, change: &ChangeSettings, within: Millis) -> Result<Seq, AccountsError> {
        let subject = subject::change_settings(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, change.encode(), within).await?;
        match SettingsChanged::decode(&answer) {
            Ok(SettingsChanged::Stored(revision)) => Ok(revision),
            Ok(SettingsChanged::TooMany) => Err(AccountsError::TooMany),
            Ok(SettingsChanged::NotStored) => Err(AccountsError::NotStored),
            Err(_) => Err(AccountsError::Unreadable),
        }
    }

    /// Has tokens of the shard taken back: resolves when that is stored. Errors: see [`AccountsError`].
    pub async fn revoke(&self, shard: Shard, revoke: &Revoke, within: Millis) -> Result<(), AccountsError> {
        let subject = subject::revoke(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, revoke.encode(), within).await?;
        match RevokeAnswer::decode(&answer) {
            Ok(RevokeAnswer::Stored) => Ok(()),
            Ok(RevokeAnswer::NotStored) => Err(AccountsError::NotStored),
            Err(_) => Err(AccountsError::Unreadable),
        }
    }
}

/// What a gateway asks.
#[derive(Debug)]
pub enum AccountsQuestion {
    /// Somebody's settings are to be changed.
    Change(ChangeSettings, Reply<SettingsChanged>),
    /// Tokens are to be taken back.
    Revoke(Revoke, Reply<RevokeAnswer>),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Change,
    Revoke,
}

/// The worker's side of a shard. Dropping it takes it back.
#[derive(Debug)]
pub struct AccountsService {
    service: Service<Kind>,
}

impl AccountsService {
    /// Offers the service. Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<AccountsService, ServiceError> {
        let region = connection.region();
        let endpoints = vec![
            Endpoint { kind: Kind::Change, name: "settings", subject: subject::change_settings(region, shard) },
            Endpoint { kind: Kind::Revoke, name: "revoke", subject: subject::revoke(region, shard) },
        ];
        let (name, description) = (subject::accounts_service(region, shard), "what a shard's people have decided");
        Ok(AccountsService { service: Service::start(connection, &name, description, endpoints).await? })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<AccountsQuestion> {
        loop {
            let request = self.service.next().await?;
            let question = match request.kind {
                Kind::Change => ChangeSettings::decode(request.payload())
                    .map(|change| AccountsQuestion::Change(change, request.reply(SettingsChanged::encode))),
                Kind::Revoke => Revoke::decode(request.payload())
                    .map(|revoke| AccountsQuestion::Revoke(revoke, request.reply(RevokeAnswer::encode))),
            };
            match question {
                Ok(question) => return Some(question),
                Err(error) => tracing::debug!(%error, "what is to be written down can't be read"),
            }
        }
    }
}
