//! The comparison of heads, asked by a gateway.

use std::time::Duration;

use bytes::Bytes;
use dunlin_schema::{
    Shard, UserName,
    heads::{HeadsAnswer, HeadsRequest, Verified, Verify},
    limits, subject,
};

use crate::Connection;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadsError {
    /// No reader of the shard answered in time.
    #[error("no deliver reader of the shard answers")]
    Unanswered,
    /// The answer can't be read, or is not one to the question.
    #[error("the deliver reader answered what can't be read")]
    Unreadable,
}

/// Asks the deliver readers of a region. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Heads {
    connection: Connection,
}

impl Heads {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Heads {
        Heads { connection: connection.clone() }
    }

    /// Asks for the heads of up to [`dunlin_schema::limits::HEADS_PAGE`] users of one shard. Errors: see [`HeadsError`].
    pub async fn ask(&self, shard: Shard, users: Vec<UserName>) -> Result<HeadsAnswer, HeadsError> {
        let asked = users.len();
        let question = HeadsRequest { users }.encode();
        let answer = self.request(subject::heads(self.connection.region(), shard), question).await?;
        let answer = HeadsAnswer::decode(&answer).map_err(|_| HeadsError::Unreadable)?;
        if answer.heads.len() == asked { Ok(answer) } else { Err(HeadsError::Unreadable) }
    }

    /// Tells the shard's reader of a doubt. Errors: see [`HeadsError`].
    pub async fn verify(&self, shard: Shard, doubt: Verify) -> Result<Verified, HeadsError> {
        let answer = self.request(subject::verify(self.connection.region(), shard), doubt.encode()).await?;
        Verified::decode(&answer).map_err(|_| HeadsError::Unreadable)
    }

    async fn request(&self, subject: String, question: Vec<u8>) -> Result<Bytes, HeadsError> {
        let request = async_nats::Request::new()
            .payload(question.into())
            .timeout(Some(Duration::from_millis(limits::HEADS_TIMEOUT.0)));
        let answer = self.connection.client().send_request(subject, request).await;
        Ok(answer.map_err(|_| HeadsError::Unanswered)?.payload)
    }
}
