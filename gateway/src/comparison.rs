//! The comparison of heads: what the gateway's sessions have been given, held against what the deliver readers have published.
//!
//! Each shard is asked in pages, every 15 s, after every event that can have lost live entries, and when a silent reader is back; sessions
//! that have just begun are asked for at once, those that come while a question is on its way together in the next one. Answers go straight
//! into the sessions.

use std::{sync::Arc, time::Duration};

use dunlin_nats::{Heads, HeadsError};
use dunlin_schema::{LogName, Peer, Shard, heads::HeadsAnswer, limits};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use crate::{
    connection::Connection,
    directory::Directory,
    metrics::Metrics,
    services::Pulse,
    session::{HeadOf, Input},
};

/// How often a shard that is silent is asked for nobody, so that a comparison follows as soon as its reader is back.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// How long after a loss the comparison is repeated: what was lost while the interest was being restored shows up then.
const AFTER_LOSS: Duration = Duration::from_secs(1);

/// The questions that wait, and how each shard answers.
pub(crate) struct Comparison {
    shards: Box<[Mutex<Asked>]>,
    more: Notify,
}

/// How it stands with a shard.
#[derive(Default)]
struct Asked {
    /// Sessions that have just begun.
    opening: Vec<Arc<Connection>>,
    /// Whether a question for those is on its way.
    opening_asked: bool,
    /// Whether a round is on its way, and another one is wanted after it.
    round_asked: bool,
    round_wanted: bool,
    /// Whether the shard, being silent, is asked for nobody.
    probed: bool,
    probe_wanted: bool,
    /// Rounds without an answer, one after the other; `None` before the first answer.
    unanswered: Option<u32>,
    /// Whether the last question found nobody who listens.
    nobody_listens: bool,
}

/// Who does not answer, or has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    /// The reader of this shard.
    Reader(Shard),
    /// Nobody in the whole region listens: no worker runs, or the nats-server here has lost its link to the region's.
    Region,
}

/// Why a question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Opening,
    Round,
    Probe,
}

/// A question to a shard's reader.
struct Question {
    shard: Shard,
    cause: Cause,
    page: Vec<Arc<Connection>>,
    /// The pages that are still to be asked for the same cause.
    rest: Vec<Arc<Connection>>,
}

impl Question {
    /// The first page of `all`, a user's connections next to each other.
    fn new(shard: Shard, cause: Cause, mut all: Vec<Arc<Connection>>) -> Question {
        let rest = all.split_off(all.len().min(limits::HEADS_PAGE));
        Question { shard, cause, page: all, rest }
    }
}

type Answer = Result<HeadsAnswer, HeadsError>;

/// The users of a page.
fn logs_of(page: &[Arc<Connection>]) -> Vec<Peer> {
    page.chunk_by(|one, other| one.user() == other.user()).map(|same| Peer::User(same[0].user().clone())).collect()
}

impl Comparison {
    pub(crate) fn new(shards: u16) -> Comparison {
        Comparison { shards: (0..shards).map(|_| Mutex::default()).collect(), more: Notify::new() }
    }

    fn shard(&self, shard: Shard) -> &Mutex<Asked> {
        &self.shards[usize::from(shard.0)]
    }

    fn all(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.shards.len() as u16).map(Shard)
    }

    /// Asks for a session that has just begun.
    pub(crate) fn ask(&self, connection: &Arc<Connection>) {
        connection.waits_for_heads();
        self.shard(connection.shard()).lock().opening.push(connection.clone());
        self.more.notify_one();
    }

    /// Who is silent, if anybody is.
    pub(crate) fn silent(&self) -> Option<Silent> {
        let silent = |shard: &Shard| self.shard(*shard).lock().unanswered.is_none_or(|n| n >= limits::HEADS_UNANSWERED);
        let shard = self.all().find(silent)?;
        let nobody = self.shards.iter().all(|asked| asked.lock().nobody_listens);
        Some(if nobody { Silent::Region } else { Silent::Reader(shard) })
    }

    /// Compares until it is dropped.
    pub(crate) async fn run(
        &self,
        heads: &Heads,
        directory: &Directory,
        metrics: &Metrics,
        mut losses: watch::Receiver<u64>,
        pulse: &Pulse,
    ) {
        let mut asking: FuturesUnordered<BoxFuture<'_, (Question, Answer)>> = FuturesUnordered::new();
        let (mut next_round, mut next_probe, mut after_loss) = (Instant::now(), Instant::now(), None);
        losses.mark_unchanged();
        loop {
            // It wakes for the probes at least.
            pulse.beat();
            for shard in self.all() {
                let mut asked = self.shard(shard).lock();
                if !asked.opening.is_empty() && !asked.opening_asked {
                    asked.opening_asked = true;
                    let mut all = std::mem::take(&mut asked.opening);
                    all.sort_by(|one, other| one.user().cmp(other.user()));
                    asking.push(Box::pin(ask(heads, metrics, Question::new(shard, Cause::Opening, all))));
                }
                if asked.probe_wanted && !asked.probed {
                    (asked.probe_wanted, asked.probed) = (false, true);
                    asking.push(Box::pin(ask(heads, metrics, Question::new(shard, Cause::Probe, Vec::new()))));
                }
                if asked.round_wanted && !asked.round_asked {
                    (asked.round_wanted, asked.round_asked) = (false, true);
                    drop(asked);
                    let all = directory.subscribed(shard);
                    asking.push(Box::pin(ask(heads, metrics, Question::new(shard, Cause::Round, all))));
                }
            }
            tokio::select! {
                Some((question, answer)) = asking.next() => {
                    if let Some(next) = self.answered(question, answer) {
                        asking.push(Box::pin(ask(heads, metrics, next)));
                    }
                }
                () = self.more.notified() => {}
                changed = losses.changed() => match changed {
                    Ok(()) => {
                        info!("live entries may have been lost: comparing heads");
                        metrics.live_losses.inc();
                        self.want_round();
                        after_loss = Some(Instant::now() + AFTER_LOSS);
                    }
                    Err(_) => return,
                },
                () = sleep_until(next_round) => {
                    self.want_round();
                    next_round = Instant::now() + pause();
                }
                () = sleep_until(next_probe) => {
                    self.want_probes();
                    next_probe = Instant::now() + PROBE_EVERY;
                }
                () = sleep_until(after_loss.unwrap_or(next_round)), if after_loss.is_some() => {
                    after_loss = None;
                    self.want_round();
                }
            }
        }
    }

    fn want_round(&self) {
        self.shards.iter().for_each(|asked| asked.lock().round_wanted = true);
    }

    fn want_probes(&self) {
        for asked in &self.shards {
            let mut asked = asked.lock();
            asked.probe_wanted = asked.unanswered != Some(0);
        }
    }

    /// Gives the sessions their shares. Gives what is to be asked next for the same cause.
    fn answered(&self, question: Question, answer: Answer) -> Option<Question> {
        let Question { shard, cause, page, rest } = question;
        let users = page.chunk_by(|one, other| one.user() == other.user());
        match &answer {
            Ok(HeadsAnswer { position, floor, heads }) => {
                for (same, head) in users.zip(heads) {
                    let share = HeadOf { position: *position, head: *head, floor: *floor };
                    same.iter().for_each(|connection| connection.tell(Input::Heads(LogName::Mailbox, share)));
                }
            }
            // The rest of the round would wait in vain.
            Err(_) => {
                let all = page.iter().chain(&rest);
                all.for_each(|connection| connection.tell(Input::HeadsUnanswered(LogName::Mailbox)));
            }
        }
        if answer.is_ok() && !rest.is_empty() {
            return Some(Question::new(shard, cause, rest));
        }
        let mut asked = self.shard(shard).lock();
        asked.nobody_listens = answer == Err(HeadsError::NobodyListens);
        match cause {
            Cause::Opening => asked.opening_asked = false,
            Cause::Round => {
                asked.round_asked = false;
                asked.count(shard, answer.is_ok());
            }
            Cause::Probe => {
                asked.probed = false;
                if answer.is_ok() && asked.unanswered != Some(0) {
                    asked.count(shard, true);
                    asked.round_wanted = true;
                }
            }
        }
        None
    }
}

impl Asked {
    fn count(&mut self, shard: Shard, answered: bool) {
        match (answered, self.unanswered) {
            (true, Some(0)) => {}
            (true, _) => {
                info!(%shard, "a deliver reader answers");
                self.unanswered = Some(0);
            }
            (false, None) => {}
            (false, Some(rounds)) => {
                warn!(%shard, "no deliver reader answers");
                self.unanswered = Some(rounds.saturating_add(1));
            }
        }
    }
}

/// The span to the next round, jittered so that gateways do not ask in step.
fn pause() -> Duration {
    Duration::from_millis(limits::HEADS_EVERY.0).mul_f64(rand::random_range(0.85..=1.0))
}

async fn ask(heads: &Heads, metrics: &Metrics, question: Question) -> (Question, Answer) {
    metrics.heads_asked.inc();
    let logs = logs_of(&question.page);
    let count = logs.len();
    let answer = match heads.ask(question.shard, logs).await {
        Ok(answer) if answer.heads.len() != count => Err(HeadsError::Unreadable),
        answer => answer,
    };
    if answer.is_err() {
        metrics.heads_unanswered.inc();
    }
    (question, answer)
}
