//! How many of a worker's tasks are at work, and where they say so.

use std::fmt;

use parking_lot::Mutex;
use tokio::sync::watch;

/// What a task of a role is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Nothing yet, or not any more.
    Idle,
    /// Another worker has its shard.
    StandingBy,
    /// The work.
    Working,
}

/// How many of a worker's tasks are at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// One for each role and shard.
    pub tasks: usize,
    /// Those that do the work of their shard.
    pub working: usize,
    /// Those whose shard another worker has.
    pub standing_by: usize,
    /// Whether the worker is ending.
    pub ending: bool,
}

impl Readiness {
    /// Whether every task works or stands by.
    pub fn is_ready(&self) -> bool {
        !self.ending && self.tasks == self.working + self.standing_by
    }

    /// Whether every task works: what a process that runs the only worker waits for.
    pub fn is_all_working(&self) -> bool {
        !self.ending && self.tasks == self.working
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Readiness { tasks, working, standing_by, ending } = self;
        let ending = if *ending { ", ending" } else { "" };
        write!(f, "{working} of {tasks} tasks work, {standing_by} stand by{ending}")
    }
}

/// Where tasks say what they are doing.
pub(crate) struct TaskStates {
    tasks: Mutex<Vec<TaskState>>,
    told: watch::Sender<Readiness>,
}

impl TaskStates {
    pub(crate) fn new(tasks: usize) -> TaskStates {
        let told = watch::Sender::new(Readiness { tasks, ..Readiness::default() });
        TaskStates { tasks: Mutex::new(vec![TaskState::Idle; tasks]), told }
    }

    pub(crate) fn tell(&self, task: usize, state: TaskState) {
        let mut tasks = self.tasks.lock();
        tasks[task] = state;
        let count = |wanted| tasks.iter().filter(|state| **state == wanted).count();
        let (working, standing_by) = (count(TaskState::Working), count(TaskState::StandingBy));
        self.told.send_modify(|told| *told = Readiness { working, standing_by, ..*told });
    }

    pub(crate) fn end(&self) {
        self.told.send_modify(|told| told.ending = true);
    }
    /// What the tasks do, now and later.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Readiness> {
        self.told.subscribe()
    }
}
