//! The heads service, offered for as long as a reader owns its shard. A standby must not offer it: NATS would give it every other question.

use dunlin_nats::{Connection, HeadsService, Question, service::ServiceError};
use dunlin_schema::Shard;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Duration, sleep};

const AGAIN: Duration = Duration::from_secs(1);

/// The offer.
pub(crate) enum Offer {
    /// There is none.
    Withdrawn,
    /// It is being made.
    Making { connection: Connection, shard: Shard, made: BoxFuture<'static, Result<HeadsService, ServiceError>> },
    /// It stands.
    Standing { connection: Connection, shard: Shard, service: Box<HeadsService> },
}

impl Offer {
    /// Makes the offer, again and again until it stands.
    pub(crate) fn make(connection: &Connection, shard: Shard) -> Offer {
        Offer::after(Duration::ZERO, connection.clone(), shard)
    }

    fn after(wait: Duration, connection: Connection, shard: Shard) -> Offer {
        let asked = connection.clone();
        let made = async move {
            sleep(wait).await;
            HeadsService::start(&asked, shard).await
        };
        Offer::Making { connection, shard, made: made.boxed() }
    }

    /// The next question. Waits as long as it takes. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Question {
        loop {
            let next = match self {
                Offer::Withdrawn => std::future::pending().await,
                Offer::Making { connection, shard, made } => match made.await {
                    Ok(service) => {
                        Offer::Standing { connection: connection.clone(), shard: *shard, service: service.into() }
                    }
                    Err(error) => {
                        tracing::warn!(%shard, %error, "trying again");
                        Offer::after(AGAIN, connection.clone(), *shard)
                    }
                },
                Offer::Standing { connection, shard, service } => match service.next().await {
                    Some(question) => return question,
                    None => Offer::after(AGAIN, connection.clone(), *shard),
                },
            };
            *self = next;
        }
    }
}
