//! What a role is to the worker that runs it: a name, and one task for each unit of its work.

use std::{fmt, sync::Arc};

use dunlin_schema::{RegionName, Shard};
use futures_util::future::BoxFuture;
use prometheus_client::registry::Registry;

use crate::context::Context;

/// A task of a role. It works until [`Context::stop`] tells it to end; one that ends before is an error of the worker.
pub type Task = BoxFuture<'static, ()>;

/// What a role runs: a task for each of its units.
pub enum Work {
    /// One for each shard that the worker is for.
    EachShard(Arc<dyn Fn(Context, Shard) -> Task + Send + Sync>),
    /// One for each link that the worker is for: its other end is this region.
    EachLink(Arc<dyn Fn(Context, RegionName) -> Task + Send + Sync>),
    /// One for the region.
    Region(Box<dyn FnOnce(Context) -> Task + Send>),
}

/// What the tasks of a role need that not every worker has.
#[derive(Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) appender: bool,
    pub(crate) reads: bool,
    pub(crate) folder: bool,
}

/// Something that workers do.
#[derive(Clone, Copy)]
pub struct Role {
    name: &'static str,
    needs: Needs,
    prepare: fn(&mut Registry) -> Work,
}

impl Role {
    /// A role of this name, which stands in subjects, settings and metrics. `prepare` is called once for each worker: it registers what the
    /// role counts, and says what the role runs.
    pub const fn new(name: &'static str, prepare: fn(&mut Registry) -> Work) -> Role {
        Role { name, needs: Needs { appender: false, reads: false, folder: false }, prepare }
    }

    /// The same role, where each task keeps a projection in a folder of its own: see [`Context::folder`].
    pub const fn with_folder(self) -> Role {
        Role { needs: Needs { folder: true, ..self.needs }, ..self }
    }

    /// The same role, whose tasks append to logs: see [`Context::appender`].
    pub const fn with_appender(self) -> Role {
        Role { needs: Needs { appender: true, ..self.needs }, ..self }
    }

    /// The same role, whose tasks read single logs: see [`Context::reads`].
    pub const fn with_reads(self) -> Role {
        Role { needs: Needs { reads: true, ..self.needs }, ..self }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.name
    }

    pub(crate) fn needs(self) -> Needs {
        self.needs
    }

    pub(crate) fn prepare(self, registry: &mut Registry) -> Work {
        (self.prepare)(registry)
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Role) -> bool {
        self.name == other.name
    }
}

impl Eq for Role {}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
