//! Requests in turn: one group's one after the other, those of different groups beside each other. Groups stay in memory, those that were
//! used last, as far as there is room.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use dunlin_nats::GroupsQuestion;
use dunlin_schema::{
    GroupName,
    group::{GroupAnswer, GroupRefusal},
    limits,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Duration, Instant};

use super::{Shared, answering, loaded::Loaded};

/// Requests that wait for their turn in one group; further ones are refused for now.
const WAITING: usize = 256;
/// Those that wait, or are worked on, in all groups of a shard.
const WAITING_IN_ALL: usize = 4_096;
/// Members and entries of the groups of a shard that stay in memory; the one used last may be larger.
const KEPT: usize = 250_000;

/// What was worked on, as it is then.
type Worked = (GroupName, Option<Loaded>);

/// The lanes of a shard.
pub(super) struct Lanes {
    shared: Arc<Shared>,
    /// What waits in the groups that are being worked on.
    waiting: HashMap<GroupName, VecDeque<Waiting>>,
    working: FuturesUnordered<BoxFuture<'static, Worked>>,
    questions: usize,
    kept: Kept,
}

struct Waiting {
    question: GroupsQuestion,
    since: Instant,
}

impl Lanes {
    pub(super) fn new(shared: Arc<Shared>) -> Lanes {
        let working = FuturesUnordered::new();
        Lanes { shared, waiting: HashMap::new(), working, questions: 0, kept: Kept::default() }
    }

    /// Takes a request. Where there is no room it is refused for now.
    pub(super) async fn take(&mut self, question: GroupsQuestion) {
        let group = &question.wanted.group;
        let is_full =
            self.questions >= WAITING_IN_ALL || self.waiting.get(group).is_some_and(|lane| lane.len() >= WAITING);
        if is_full {
            self.shared.metrics.busy.inc();
            question.reply.answer(&GroupAnswer::Refused(GroupRefusal::Busy)).await;
            return;
        }
        self.questions += 1;
        let waiting = Waiting { question, since: Instant::now() };
        match self.waiting.get_mut(&waiting.question.wanted.group) {
            Some(lane) => lane.push_back(waiting),
            None => {
                let group = waiting.question.wanted.group.clone();
                let loaded = self.kept.take(&group);
                self.waiting.insert(group, VecDeque::new());
                self.work(waiting, loaded);
            }
        }
    }

    fn work(&self, waiting: Waiting, loaded: Option<Loaded>) {
        self.working.push(work(self.shared.clone(), waiting, loaded).boxed());
    }

    /// Works until one request is done; for ever where there is none. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let Some((group, loaded)) = self.working.next().await else { return std::future::pending().await };
        self.questions -= 1;
        match self.waiting.get_mut(&group).and_then(VecDeque::pop_front) {
            Some(waiting) => self.work(waiting, loaded),
            None => {
                self.waiting.remove(&group);
                if let Some(loaded) = loaded {
                    self.kept.put(group, loaded);
                }
                self.shared.metrics.kept.set(self.kept.weight as i64);
            }
        }
    }

    /// Whether nothing is worked on.
    pub(super) fn are_idle(&self) -> bool {
        self.working.is_empty()
    }

    /// The shard is somebody else's: what was known is worth nothing when it comes back.
    pub(super) fn lost(&mut self) {
        self.waiting.clear();
        self.working.clear();
        (self.questions, self.kept) = (0, Kept::default());
    }
}

/// Answers a request for which somebody still waits.
async fn work(shared: Arc<Shared>, waiting: Waiting, mut loaded: Option<Loaded>) -> Worked {
    let Waiting { question: GroupsQuestion { wanted, reply }, since } = waiting;
    if since.elapsed() < Duration::from_millis(limits::ASK_WITHIN.0)
        && let Some(answer) = answering::answer(&shared, &mut loaded, &wanted).await
    {
        match &answer {
            GroupAnswer::Stored { .. } => shared.metrics.stored.inc(),
            GroupAnswer::Refused(GroupRefusal::Busy | GroupRefusal::TooFast(_)) => shared.metrics.busy.inc(),
            GroupAnswer::Refused(_) => shared.metrics.refused.inc(),
            GroupAnswer::Unknown => shared.metrics.unknown.inc(),
        };
        reply.answer(&answer).await;
    }
    (wanted.group, loaded)
}

/// Groups in memory that nobody works on.
#[derive(Default)]
struct Kept {
    groups: HashMap<GroupName, (u64, Loaded)>,
    /// The groups in the order in which they were used last.
    uses: BTreeMap<u64, GroupName>,
    used: u64,
    weight: usize,
}

impl Kept {
    fn take(&mut self, group: &GroupName) -> Option<Loaded> {
        let (use_of_it, loaded) = self.groups.remove(group)?;
        self.uses.remove(&use_of_it);
        self.weight -= weight(&loaded);
        Some(loaded)
    }

    /// Forgets those that were used longest ago where there is no room.
    fn put(&mut self, group: GroupName, loaded: Loaded) {
        self.used += 1;
        self.weight += weight(&loaded);
        self.uses.insert(self.used, group.clone());
        self.groups.insert(group, (self.used, loaded));
        while self.weight > KEPT && self.groups.len() > 1 {
            let Some((_, oldest)) = self.uses.pop_first() else { return };
            self.take(&oldest);
        }
    }
}

/// What an empty group takes as well.
fn weight(loaded: &Loaded) -> usize {
    8 + loaded.weight()
}
