//! Where cursors are kept: in memory, in a file, or wherever the application keeps its own state.

mod file;

use std::collections::BTreeMap;

use parking_lot::Mutex;

use dunlin_schema::{CursorText, LogName, Open};

pub use file::FileStore;

use crate::error::StoreError;

/// The cursors of a device, by log.
pub type Cursors = BTreeMap<Open<LogName>, CursorText>;

/// Keeps the cursor of each log of a device: the user's mailbox, and the groups. Both calls may block: the library makes them where
/// blocking does no harm.
///
/// A store belongs to one user and one device: a cursor of somebody else's mailbox is refused by the gateway.
pub trait CursorStore: Send + Sync + 'static {
    /// The cursor that was saved last of each log. Errors: the store can't be read; the client does not begin then.
    fn load(&self) -> Result<Cursors, StoreError>;

    /// Keeps a log's cursor in place of its last one: when this returns it survives what the store promises. Errors: it was not kept.
    fn save(&self, log: &Open<LogName>, cursor: &CursorText) -> Result<(), StoreError>;
}

/// Keeps cursors as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Cursors>);

impl CursorStore for MemoryStore {
    fn load(&self) -> Result<Cursors, StoreError> {
        Ok(self.0.lock().clone())
    }

    fn save(&self, log: &Open<LogName>, cursor: &CursorText) -> Result<(), StoreError> {
        self.0.lock().insert(log.clone(), cursor.clone());
        Ok(())
    }
}

/// A store that several clients share, one after the other.
impl<T: CursorStore> CursorStore for std::sync::Arc<T> {
    fn load(&self) -> Result<Cursors, StoreError> {
        T::load(self)
    }

    fn save(&self, log: &Open<LogName>, cursor: &CursorText) -> Result<(), StoreError> {
        T::save(self, log, cursor)
    }
}
