//! The futures that a connection waits for: the appends, reads and questions that its session asked for, and whose results it is given.
//! Each is bounded in time by `nats`.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use dunlin_schema::{
    LogName, Position, Shard,
    frame::{Ask, ServerFrame},
    heads::Verify,
    read::ReadRequest,
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    asks, carrier,
    connection::Connection,
    directory::Followers,
    following::{self, Looked, Opens, Wanted, Which},
    marks,
    region::Region,
    reports::{ReadUpTo, Reader, Report, Who},
    session::{Input, NoAnswer, Output, ReadFailed},
};

const JOIN_TRIES: u32 = 3;
const JOIN_PAUSE: Duration = Duration::from_millis(200);

/// What came of a piece of work.
pub(crate) enum Done {
    /// Something that the session waits for.
    Input(Input),
    /// What was looked up of several groups, and which have to be looked up one by one.
    Looked(Looked),
    /// The answer to a question, or its refusal.
    Answered(ServerFrame),
    /// The logs of groups that are to be followed.
    Opens(Opens),
    /// Whether the interest in a log's live entries is in place; it could not be put there otherwise.
    Joined(Arc<Followers>, bool),
}

/// A connection's work. It holds nothing while there is none; dropping it gives up what is on its way.
#[derive(Default)]
pub(crate) struct Work {
    running: Option<Box<FuturesUnordered<BoxFuture<'static, Done>>>>,
}

impl Work {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_none()
    }

    fn push(&mut self, work: impl Future<Output = Done> + Send + 'static) {
        self.running.get_or_insert_default().push(Box::pin(work));
    }

    /// The next piece that is done; `None` when none is.
    pub(crate) fn poll_done(&mut self, cx: &mut Context<'_>) -> Option<Done> {
        let running = self.running.as_mut()?;
        match running.poll_next_unpin(cx) {
            Poll::Ready(Some(done)) => Some(done),
            Poll::Ready(None) => {
                self.running = None;
                None
            }
            Poll::Pending => None,
        }
    }

    /// Begins to give a connection the live entries of a log.
    pub(crate) fn join(&mut self, region: &Arc<Region>, connection: &Arc<Connection>, followers: &Arc<Followers>) {
        let (region, connection, followers) = (region.clone(), connection.clone(), followers.clone());
        self.push(async move {
            let joined = join(&region, &connection, followers.log()).await;
            Done::Joined(followers, joined)
        });
    }

    /// Begins to find out which groups' logs are to be followed.
    pub(crate) fn open(&mut self, region: &Arc<Region>, connection: &Arc<Connection>, which: Which) {
        let (region, connection) = (region.clone(), connection.clone());
        self.push(async move { Done::Opens(following::find(&region, &connection, which).await) });
    }

    /// Begins to answer a question.
    pub(crate) fn ask(
        &mut self,
        region: &Arc<Region>,
        connection: &Arc<Connection>,
        ask: Ask,
        permit: OwnedSemaphorePermit,
    ) {
        let answered = asks::answered(region.clone(), connection.clone(), ask, permit);
        self.push(async move { Done::Answered(answered.await) });
    }

    /// Begins to look up what the user may read of the logs of groups: of those of one shard together.
    pub(crate) fn look(&mut self, region: &Arc<Region>, connection: &Arc<Connection>, wanted: Vec<Wanted>) {
        let mut shards: BTreeMap<Shard, Vec<Wanted>> = BTreeMap::new();
        for (log, number) in wanted {
            let shard = region.log(connection.user(), &log).shard;
            shards.entry(shard).or_default().push((log, number));
        }
        for (shard, wanted) in shards {
            let (region, connection) = (region.clone(), connection.clone());
            self.push(async move { Done::Looked(following::look_up(&region, connection.user(), shard, wanted).await) });
        }
    }

    /// Begins to look it up for one log.
    pub(crate) fn look_at(&mut self, region: &Arc<Region>, connection: &Arc<Connection>, (log, number): Wanted) {
        let (region, connection) = (region.clone(), connection.clone());
        self.push(async move { Done::Input(following::look(&region, connection.user(), log, number).await) });
    }

    /// Carries out what the session wants, or begins to. Gives whether there is more work than before.
    pub(crate) fn carry_out(&mut self, region: &Arc<Region>, connection: &Arc<Connection>, output: Output) -> bool {
        match output {
            Output::Sending(wanted) => {
                let region = region.clone();
                self.push(async move { Done::Input(Input::Sending(carrier::carry(&region, wanted).await)) });
            }
            Output::Read(log, request) => {
                let (region, connection) = (region.clone(), connection.clone());
                self.push(async move { Done::Input(read(&region, &connection, log, request).await) });
            }
            Output::Look(log, number) => self.look_at(region, connection, (log, number)),
            Output::Verify(shard, doubted) => {
                let region = region.clone();
                self.push(async move { Done::Input(verify(&region, shard, doubted).await) });
            }
            Output::ReadMarks(after) => {
                let (region, connection) = (region.clone(), connection.clone());
                self.push(async move { Done::Input(marks::read(&region, &connection, after).await) });
            }
            output @ (Output::AskHeads(_)
            | Output::Open(_)
            | Output::Ended(..)
            | Output::MarkRead(..)
            | Output::Acknowledge(..)
            | Output::Corrupt(..)
            | Output::Overflowed(_)
            | Output::SignalLost) => {
                at_once(region, connection, output);
                return false;
            }
        }
        true
    }
}

/// Asks for the heads of those of these logs that are followed: of all together.
pub(crate) fn ask_heads(region: &Region, connection: &Arc<Connection>, follows: &[Arc<Followers>], logs: &[LogName]) {
    let those = follows.iter().filter(|followers| logs.contains(followers.log()));
    let those: Vec<_> = those.map(|followers| (region.log(connection.user(), followers.log()), followers)).collect();
    if !those.is_empty() {
        region.comparison.ask(&those, connection);
    }
}

/// Carries out what takes no waiting. Of the rest nothing is begun: the socket is gone.
pub(crate) fn at_once(region: &Region, connection: &Connection, output: Output) {
    match output {
        Output::Sending(_)
        | Output::Read(..)
        | Output::Look(..)
        | Output::Open(_)
        | Output::Ended(..)
        | Output::Verify(..)
        | Output::AskHeads(_)
        | Output::ReadMarks(_) => {}
        Output::MarkRead(with, upto, epoch) => {
            let reader = Reader { user: connection.user().clone(), with };
            region.reports.put(&region.metrics, Report::Read(reader, ReadUpTo { epoch, upto }));
        }
        Output::Acknowledge(log, said) => {
            let (user, device) = (connection.user().clone(), connection.device().clone());
            let log = region.log(&user, &log).owner;
            let who = Who { user, device, log, opened: connection.opened().wall, began: said.cursor.began };
            region.reports.put(&region.metrics, Report::Delivered(who, said));
        }
        Output::Corrupt(log, position) => {
            region.metrics.corrupt_entries.inc();
            tracing::error!(user = %connection.user(), %log, ?position, "an entry can't be read: its client is told of a gap");
        }
        Output::Overflowed(_) => {
            region.metrics.overflows.inc();
        }
        Output::SignalLost => {
            region.metrics.signals_lost.inc();
        }
    }
}

async fn join(region: &Region, connection: &Connection, log: &LogName) -> bool {
    for attempt in 1..=JOIN_TRIES {
        match region.directory.interest(&region.fan_in, connection, log).await {
            Ok(()) => return true,
            Err(error) => {
                let user = connection.user();
                tracing::debug!(%error, attempt, %user, %log, "no interest yet");
            }
        }
        tokio::time::sleep(JOIN_PAUSE).await;
    }
    false
}

async fn read(region: &Region, connection: &Connection, log: LogName, request: ReadRequest) -> Input {
    region.metrics.reads.inc();
    let of = region.log(connection.user(), &log);
    let answer = region.reads.read(&of, request).await.map_err(|error| {
        region.metrics.failed_reads.inc();
        tracing::debug!(%error, user = %connection.user(), %log, "a read had no answer");
        ReadFailed
    });
    Input::Read(log, answer)
}

async fn verify(region: &Region, shard: Shard, doubted: Position) -> Input {
    let answer = region.heads.verify(shard, Verify { doubted }).await;
    Input::Verified(shard, answer.map(|verified| verified.position).map_err(|_| NoAnswer))
}
