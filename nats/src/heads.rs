//! The comparison of heads, asked by a gateway.

use dunlin_schema::{
    Shard, UserName,
    heads::{HeadsAnswer, Verified, Verify},
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
        todo!()
    }

    /// Tells the shard's reader of a doubt. Errors: see [`HeadsError`].
    pub async fn verify(&self, shard: Shard, doubt: Verify) -> Result<Verified, HeadsError> {
        todo!()
    }
}
