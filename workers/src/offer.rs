//! Services of a shard: for as long as its task runs ([`always`]); or, as an [`Offer`], for as long as a reader owns it. A standby must not
//! offer such a one: it would answer from what it has not read.

use dunlin_nats::{
    Connection, GroupsQuestion, GroupsService, HeadsService, IndexQuestion, IndexService, Question,
    service::ServiceError,
};
use dunlin_schema::Shard;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Duration, sleep};

/// The pause before a service is offered again.
const AGAIN: Duration = Duration::from_secs(1);

/// Offers a service until this is dropped, anew whenever `answer` is over, which it is when the connection is closed.
pub(crate) async fn always<S, Started, Answered>(
    shard: Shard,
    start: impl Fn() -> Started,
    answer: impl Fn(S) -> Answered,
) where
    Started: Future<Output = Result<S, ServiceError>>,
    Answered: Future<Output = ()>,
{
    loop {
        match start().await {
            Ok(service) => answer(service).await,
            Err(error) => tracing::warn!(%shard, %error, "trying again"),
        }
        sleep(AGAIN).await;
    }
}

/// A service that can be offered.
pub(crate) trait Offered: Sized + Send + 'static {
    /// What it is asked.
    type Question;
    /// Offers it.
    fn start(connection: Connection, shard: Shard) -> BoxFuture<'static, Result<Self, ServiceError>>;
    /// The next question; `None` when the connection is closed. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Self::Question>> + Send;
}

impl Offered for HeadsService {
    type Question = Question;
    fn start(connection: Connection, shard: Shard) -> BoxFuture<'static, Result<HeadsService, ServiceError>> {
        async move { HeadsService::start(&connection, shard).await }.boxed()
    }
    async fn next(&mut self) -> Option<Question> {
        HeadsService::next(self).await
    }
}

impl Offered for IndexService {
    type Question = IndexQuestion;
    fn start(connection: Connection, shard: Shard) -> BoxFuture<'static, Result<IndexService, ServiceError>> {
        async move { IndexService::start(&connection, shard).await }.boxed()
    }
    async fn next(&mut self) -> Option<IndexQuestion> {
        IndexService::next(self).await
    }
}

impl Offered for GroupsService {
    type Question = GroupsQuestion;
    fn start(connection: Connection, shard: Shard) -> BoxFuture<'static, Result<GroupsService, ServiceError>> {
        async move { GroupsService::start(&connection, shard).await }.boxed()
    }
    async fn next(&mut self) -> Option<GroupsQuestion> {
        GroupsService::next(self).await
    }
}

/// The offer.
pub(crate) enum Offer<S> {
    /// There is none.
    Withdrawn,
    /// It is being made.
    Making { connection: Connection, shard: Shard, made: BoxFuture<'static, Result<S, ServiceError>> },
    /// It stands.
    Standing { connection: Connection, shard: Shard, service: Box<S> },
}

impl<S: Offered> Offer<S> {
    /// Makes the offer, again and again until it stands.
    pub(crate) fn make(connection: &Connection, shard: Shard) -> Offer<S> {
        Offer::after(Duration::ZERO, connection.clone(), shard)
    }

    fn after(wait: Duration, connection: Connection, shard: Shard) -> Offer<S> {
        let asked = connection.clone();
        let made = async move {
            sleep(wait).await;
            S::start(asked, shard).await
        };
        Offer::Making { connection, shard, made: made.boxed() }
    }

    /// The next question. Waits as long as it takes. Cancel-safe.
    pub(crate) async fn next(&mut self) -> S::Question {
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
