//! What a role's task is given by the worker that runs it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use dunlin_nats::{Appender, Connection, Publisher, Reads, Records, Taps};
use dunlin_schema::stream::RegionSettings;
use dunlin_store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    boot::BootSource,
    erase::Erase,
    group_limits::GroupLimits,
    media_settings::MediaSettings,
    readiness::{TaskState, TaskStates},
};

/// What a task may touch.
#[derive(Clone)]
pub struct Context {
    pub(crate) connection: Connection,
    pub(crate) publisher: Publisher,
    /// What all of the worker's readers of a stream share.
    pub(crate) taps: Taps,
    pub(crate) settings: Arc<RegionSettings>,
    pub(crate) boot: BootSource,
    /// When time began for all tasks.
    pub(crate) began: Instant,
    /// Told when the task should give its work back and end.
    pub(crate) stop: CancellationToken,
    pub(crate) states: Arc<TaskStates>,
    /// Its place among the worker's tasks.
    pub(crate) task: usize,
    pub(crate) appender: Option<Appender>,
    pub(crate) reads: Option<Reads>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) erase: Erase,
    pub(crate) groups: GroupLimits,
    pub(crate) media: Arc<MediaSettings>,
    pub(crate) store: Option<Arc<Store>>,
}

impl Context {
    /// The worker's connection to the region's NATS.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// How the region is made.
    pub fn settings(&self) -> &RegionSettings {
        &self.settings
    }

    /// The region's records.
    pub fn records(&self) -> Records {
        Records::new(&self.connection)
    }

    /// What appends to the region's logs; `None` for a role that did not ask for it.
    pub fn appender(&self) -> Option<&Appender> {
        self.appender.as_ref()
    }

    /// What reads single logs of the region; `None` for a role that did not ask for it.
    pub fn reads(&self) -> Option<&Reads> {
        self.reads.as_ref()
    }

    /// What is erased with a person.
    pub fn erase(&self) -> Erase {
        self.erase
    }

    /// What one group may say.
    pub fn groups(&self) -> GroupLimits {
        self.groups
    }

    /// What is chosen about files.
    pub fn media(&self) -> &MediaSettings {
        &self.media
    }

    /// Where files are kept; `None` where they are not.
    pub fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }

    /// Resolves when the task should give its work back and end.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The folder of this task's projection, which is there; `None` for a role that did not ask for one. What is in it may be gone or old
    /// at any start.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Says what the task is doing, for [`crate::Readiness`].
    pub fn tell(&self, state: TaskState) {
        self.states.tell(self.task, state);
    }
}
