//! What a role's task is given by the worker that runs it.

use std::sync::Arc;

use dunlin_nats::Connection;
use dunlin_schema::{Shard, stream::RegionSettings};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    boot::BootSource,
    metrics::Metrics,
    readiness::{TaskState, TaskStates},
};

/// What every task is given.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) connection: Connection,
    pub(crate) settings: Arc<RegionSettings>,
    pub(crate) boot: BootSource,
    /// When time began for all tasks.
    pub(crate) began: Instant,
    pub(crate) metrics: Metrics,
    pub(crate) shard: Shard,
    /// Told when the task should give its work back and end.
    pub(crate) stop: CancellationToken,
    pub(crate) states: Arc<TaskStates>,
    /// Its place among the worker's tasks.
    pub(crate) task: usize,
}

impl Context {
    pub(crate) fn tell(&self, state: TaskState) {
        self.states.tell(self.task, state);
    }
}
