//! Where cursors are kept: in memory, in a file, or wherever the application keeps its own state.

mod file;

use parking_lot::Mutex;

use dunlin_schema::CursorText;

pub use file::FileStore;

use crate::error::StoreError;

/// Keeps the cursor of a user's mailbox. Both calls may block: the library makes them where blocking does no harm.
///
/// A store belongs to one user and one device: a cursor of somebody else's mailbox is refused by the gateway.
pub trait CursorStore: Send + Sync + 'static {
    /// The cursor that was saved last. Errors: the store can't be read; the client does not begin then.
    fn load(&self) -> Result<Option<CursorText>, StoreError>;

    /// Keeps a cursor: when this returns it survives what the store promises. Errors: it was not kept.
    fn save(&self, cursor: &CursorText) -> Result<(), StoreError>;
}

/// Keeps the cursor as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Option<CursorText>>);

impl CursorStore for MemoryStore {
    fn load(&self) -> Result<Option<CursorText>, StoreError> {
        Ok(*self.0.lock())
    }

    fn save(&self, cursor: &CursorText) -> Result<(), StoreError> {
        *self.0.lock() = Some(*cursor);
        Ok(())
    }
}

/// A store that several clients share, one after the other.
impl<T: CursorStore> CursorStore for std::sync::Arc<T> {
    fn load(&self) -> Result<Option<CursorText>, StoreError> {
        T::load(self)
    }

    fn save(&self, cursor: &CursorText) -> Result<(), StoreError> {
        T::save(self, cursor)
    }
}
