//! The erasure of a person: asked by a gateway, stored and done by the eraser of the user's shard.

use dunlin_schema::{
    Millis, Shard,
    erasure::{EraseUser, ErasureAsked},
    subject,
};

use crate::{
    Connection,
    service::{AskError, Endpoint, Reply, Service, ServiceError, ask},
};

/// Why it is not known to be stored that a person is erased. Asking again does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErasureError {
    /// No worker of the shard with the role `eraser` listens, or none answered in time.
    #[error(transparent)]
    Unanswered(#[from] AskError),
    /// The worker could not store it.
    #[error("the eraser could not store what is to be erased")]
    NotStored,
    /// The answer can't be read.
    #[error("the eraser answered what can't be read")]
    Unreadable,
}

/// Has people erased. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Erasures {
    connection: Connection,
}

impl Erasures {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Erasures {
        Erasures { connection: connection.clone() }
    }

    /// Has a user of the shard erased: resolves when it is stored that this is to be done. Errors: see [`ErasureError`].
    pub async fn ask(&self, shard: Shard, question: &EraseUser, within: Millis) -> Result<(), ErasureError> {
        let subject = subject::erase_user(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, question.encode(), within).await?;
        match ErasureAsked::decode(&answer) {
            Ok(ErasureAsked::Stored) => Ok(()),
            Ok(ErasureAsked::NotStored) => Err(ErasureError::NotStored),
            Err(_) => Err(ErasureError::Unreadable),
        }
    }
}

/// The worker's side of a shard. Dropping it takes it back.
#[derive(Debug)]
pub struct ErasureService {
    service: Service<()>,
}

impl ErasureService {
    /// Offers the service. Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<ErasureService, ServiceError> {
        let region = connection.region();
        let endpoint = Endpoint { kind: (), name: "erase-user", subject: subject::erase_user(region, shard) };
        let (name, description) = (subject::eraser_service(region, shard), "what is of a shard's people");
        Ok(ErasureService { service: Service::start(connection, &name, description, vec![endpoint]).await? })
    }

    /// The next person to erase, and the way back to who asked; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<(EraseUser, Reply<ErasureAsked>)> {
        loop {
            let request = self.service.next().await?;
            match EraseUser::decode(request.payload()) {
                Ok(question) => return Some((question, request.reply(ErasureAsked::encode))),
                Err(error) => tracing::debug!(%error, "a question to erase somebody can't be read"),
            }
        }
    }
}
