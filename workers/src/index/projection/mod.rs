//! The projection of one shard: a redb file that can be made again from the log at any time, and goes where it does not fit it.
//!
//! | table | key | what stands there |
//! |---|---|---|
//! | `position` | | the projection's version, its shard, and the last entry that it has: written with every commit |
//! | `entries` | log, sequence | the entry's time, and what it is about: one row for each entry that the log may still have |
//! | `messages` | mailbox, other side, sequence | a message, for counting and paging |
//! | `standings` | mailbox, other side, author, id | the message's [`Standing`](super::core::Standing) |
//! | `latest` | mailbox, sequence | a conversation by its last message |
//! | `references` | log, file, sequence | that a message refers to the file |
//! | `sizes` | log | how many rows it has in `entries`; only says when to look for what can go |
//! | `group_messages` | group, sequence | a message |
//! | `group_standings` | group, id, author | the message's [`Standing`](super::core::Standing) |
//! | `turns` | group, user or nobody, sequence | that they join or go there; of nobody, that everybody goes |
//! | `histories` | group, sequence | whether those who join from there on see what was said before |
//!
//! A log is called as its owner is: a mailbox `bob`, a group's `#team`.
//!
//! **Durability.** A batch is committed without a sync, so that readers see it at once and a busy shard does not wait for the disk; every
//! [`super::DURABLE_EVERY`], and before the shard is given back, a commit is synced, and takes all before it along. A crash leaves the last
//! synced commit, with the position that belongs to it: what came behind is read from the log again. Only a position that is on disk is
//! saved to STATE. Bodies are never here: what was erased from the log is gone.

mod read;
mod row;
mod write;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use dunlin_schema::{Peer, Position, RegionName, Shard, envelope};
use redb::{Builder, Database, Durability, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};

pub(super) use self::{
    read::{Listed, Reading},
    write::{Meant, Taken},
};

/// What the file's form is called; a file of another form goes.
const VERSION: u8 = 4;
/// What it is called in its folder.
const FILE: &str = "index.redb";
/// What redb may keep in memory of one shard's file.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

type Owner<'a> = &'a str;
type Mailbox<'a> = &'a str;
type Group<'a> = &'a str;
type Other<'a> = &'a str;

const POSITION: TableDefinition<'_, (), &[u8]> = TableDefinition::new("position");
const ENTRIES: TableDefinition<'_, (Owner<'_>, u64), &[u8]> = TableDefinition::new("entries");
const MESSAGES: TableDefinition<'_, (Mailbox<'_>, Other<'_>, u64), &[u8]> = TableDefinition::new("messages");
const STANDINGS: TableDefinition<'_, (Mailbox<'_>, Other<'_>, bool, u128), &[u8]> = TableDefinition::new("standings");
const LATEST: TableDefinition<'_, (Mailbox<'_>, u64), Other<'_>> = TableDefinition::new("latest");
const SIZES: TableDefinition<'_, Owner<'_>, u64> = TableDefinition::new("sizes");
const REFERENCES: TableDefinition<'_, (Owner<'_>, u128, u64), ()> = TableDefinition::new("references");
const GROUP_MESSAGES: TableDefinition<'_, (Group<'_>, u64), &[u8]> = TableDefinition::new("group_messages");
const GROUP_STANDINGS: TableDefinition<'_, (Group<'_>, u128, &str), &[u8]> = TableDefinition::new("group_standings");
const TURNS: TableDefinition<'_, (Group<'_>, &str, u64), &[u8]> = TableDefinition::new("turns");
const HISTORIES: TableDefinition<'_, (Group<'_>, u64), &[u8]> = TableDefinition::new("histories");
/// The user of `turns` that are everybody's: no user has such a name.
const EVERYBODY: &str = "";

/// Why a projection can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProjectionError {
    /// Another process has the file.
    #[error("another process has the projection {0:?} open: give each worker of a machine a `folder` of its own")]
    InUse(PathBuf),
    /// Its file says what it can't: it has to go.
    #[error("the projection is damaged, or of another release: {0}")]
    Damaged(String),
    /// It is past the first entry of a log, and lacks it: the log brought back what it had let go.
    #[error("the projection lacks the first entry that the log has of {0}")]
    Lacking(Peer),
    /// The file can't be read or written now.
    #[error("the projection can't be read or written: {0}")]
    Failed(String),
}

/// Every error of redb, by what is to be done about it.
impl<E: Into<redb::Error>> From<E> for ProjectionError {
    fn from(error: E) -> ProjectionError {
        let error = error.into();
        let unreadable =
            |error: &std::io::Error| matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
        let damaged = matches!(&error, redb::Error::Io(error) if unreadable(error))
            || matches!(
                error,
                redb::Error::Corrupted(_)
                    | redb::Error::UpgradeRequired(_)
                    | redb::Error::RepairAborted
                    | redb::Error::TableTypeMismatch { .. }
                    | redb::Error::TableIsMultimap(_)
                    | redb::Error::TypeDefinitionChanged { .. }
            );
        if damaged { ProjectionError::Damaged(error.to_string()) } else { ProjectionError::Failed(error.to_string()) }
    }
}

fn damaged(error: impl ToString) -> ProjectionError {
    ProjectionError::Damaged(error.to_string())
}

/// What stands in `position`.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    region: RegionName,
    shard: Shard,
    position: Position,
}

/// Whose a projection is.
#[derive(Clone, Debug)]
pub(super) struct Of {
    pub(super) region: RegionName,
    pub(super) shard: Shard,
}

/// A projection that is open. Reading and writing wait for the disk.
pub(super) struct Projection {
    of: Of,
    database: Database,
}

impl Projection {
    /// Opens the projection of a folder, or begins one where there is none. One that can't be read, is of another release, or is another
    /// shard's is begun anew. Returns it with its position. Errors: see [`ProjectionError`].
    pub(super) fn open(folder: &Path, of: &Of) -> Result<(Projection, Position), ProjectionError> {
        let path = folder.join(FILE);
        match Projection::open_file(&path, of) {
            Err(ProjectionError::Damaged(why)) => {
                tracing::warn!(shard = %of.shard, why, "the projection is dropped, and made again from the log");
                Projection::remove(folder).map_err(redb::StorageError::from)?;
                Projection::open_file(&path, of)
            }
            opened => opened,
        }
    }

    /// Takes the projection of a folder away. Errors: there is none, or it stays.
    pub(super) fn remove(folder: &Path) -> std::io::Result<()> {
        std::fs::remove_file(folder.join(FILE))
    }

    fn open_file(path: &Path, of: &Of) -> Result<(Projection, Position), ProjectionError> {
        let database = match Builder::new().set_cache_size(CACHE_BYTES).create(path) {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(ProjectionError::InUse(path.to_owned())),
            Err(error) => return Err(error.into()),
        };
        let projection = Projection { of: of.clone(), database };
        let write = projection.write(Durability::Immediate)?;
        let position = write.position()?;
        write.commit()?;
        Ok((projection, position))
    }

    /// A transaction that changes it.
    pub(super) fn write(&self, durability: Durability) -> Result<write::Writing, ProjectionError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability).map_err(|error| ProjectionError::Failed(error.to_string()))?;
        Ok(write::Writing::new(transaction, self.of.clone()))
    }

    /// What was committed last, as it stays while it is looked at.
    pub(super) fn read(&self) -> Result<read::Reading, ProjectionError> {
        Ok(read::Reading::new(self.database.begin_read()?))
    }
}

fn head(bytes: &[u8], of: &Of) -> Result<Position, ProjectionError> {
    let Head { region, shard, position } = envelope::open(VERSION, bytes).map_err(damaged)?;
    if (&region, shard) == (&of.region, of.shard) {
        Ok(position)
    } else {
        Err(damaged(format_args!("it is of shard {shard} of region {region}")))
    }
}

#[cfg(test)]
mod tests;
