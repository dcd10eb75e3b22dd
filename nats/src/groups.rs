//! What the groups worker of a shard is told to do in a group.

use dunlin_schema::{
    Millis, Shard,
    group::{GroupAnswer, GroupRequest},
    subject,
};

use crate::{
    Connection,
    service::{AskError, Endpoint, Reply, Service, ServiceError, ask},
};

/// Why there is no answer that can be read. What was wanted may be done: the same id is to be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    /// No worker of the shard with the role `groups` listens, or none answered in time.
    #[error("asking the groups worker: {0}")]
    Unanswered(#[from] AskError),
    /// The answer can't be read.
    #[error("the groups worker answered what can't be read")]
    Unreadable,
}

/// Asks the groups workers of a region. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Groups {
    connection: Connection,
}

impl Groups {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Groups {
        Groups { connection: connection.clone() }
    }

    /// Has something done in a group of the shard. Errors: see [`GroupsError`].
    pub async fn ask(&self, shard: Shard, wanted: &GroupRequest, within: Millis) -> Result<GroupAnswer, GroupsError> {
        let subject = subject::group_command(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, wanted.encode(), within).await?;
        GroupAnswer::decode(&answer).map_err(|_| GroupsError::Unreadable)
    }
}

/// What a gateway wants done, and the way back.
#[derive(Debug)]
pub struct GroupsQuestion {
    /// What.
    pub wanted: GroupRequest,
    /// Where the answer goes.
    pub reply: Reply<GroupAnswer>,
}

/// The worker's side of a shard. Dropping it takes it back.
#[derive(Debug)]
pub struct GroupsService {
    service: Service<()>,
}

impl GroupsService {
    /// Offers the service. Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<GroupsService, ServiceError> {
        let region = connection.region();
        let endpoint = Endpoint { kind: (), name: "command", subject: subject::group_command(region, shard) };
        let name = subject::groups_service(region, shard);
        let service = Service::start(connection, &name, "what is done in a shard's groups", vec![endpoint]).await?;
        Ok(GroupsService { service })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<GroupsQuestion> {
        loop {
            let request = self.service.next().await?;
            match GroupRequest::decode(request.payload()) {
                Ok(wanted) => return Some(GroupsQuestion { wanted, reply: request.reply(GroupAnswer::encode) }),
                Err(error) => tracing::debug!(%error, "what is wanted of a group can't be read"),
            }
        }
    }
}
