//! A cursor store in a redb file: a save is on disk when it returns.

use std::{fmt::Display, path::Path};

use redb::{Database, ReadableDatabase, TableDefinition};

use dunlin_schema::CursorText;

use super::CursorStore;
use crate::error::StoreError;

const CURSORS: TableDefinition<'_, &str, &str> = TableDefinition::new("cursors");

/// Keeps one cursor by key in a file, which one process opens at a time.
pub struct FileStore {
    database: Database,
    path: String,
    key: String,
}

impl FileStore {
    /// Opens the file, or makes it. `key` says whose cursor it is, for example `bob/phone`: a file holds many, and a cursor of another
    /// user would be refused. Errors: the file can't be opened, is no store, or is open elsewhere.
    pub fn open(path: impl AsRef<Path>, key: impl Into<String>) -> Result<FileStore, StoreError> {
        let shown = path.as_ref().display().to_string();
        let database = Database::create(path).map_err(|error| failed("opening", &shown, &error))?;
        Ok(FileStore { database, path: shown, key: key.into() })
    }

    fn read(&self) -> Result<Option<String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        match transaction.open_table(CURSORS) {
            Ok(table) => Ok(table.get(self.key.as_str())?.map(|text| text.value().to_owned())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, cursor: &str) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(CURSORS)?.insert(self.key.as_str(), cursor)?;
        Ok(transaction.commit()?)
    }
}

fn failed(doing: &str, path: &str, why: &dyn Display) -> StoreError {
    StoreError { doing: format!("{doing} {path}"), why: why.to_string() }
}

impl CursorStore for FileStore {
    fn load(&self) -> Result<Option<CursorText>, StoreError> {
        let text = self.read().map_err(|error| failed("reading", &self.path, &error))?;
        text.map(|text| text.parse().map_err(|error| failed("reading a cursor from", &self.path, &error))).transpose()
    }

    fn save(&self, cursor: &CursorText) -> Result<(), StoreError> {
        self.write(&cursor.to_string()).map_err(|error| failed("writing to", &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Cursor, Log, Position, RegionName, Seq, UserName};

    use super::*;

    fn cursor(seq: u64) -> CursorText {
        let log = Log::mailbox(&RegionName::new("eu").unwrap(), 8, &UserName::new("bob").unwrap());
        Cursor { position: Position { seq: Seq(seq), ..Position::default() }, ..Cursor::default() }.seal(&log)
    }

    #[test]
    fn what_was_saved_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.redb");
        {
            let store = FileStore::open(&path, "bob/phone").unwrap();
            assert_eq!(store.load().unwrap(), None);
            store.save(&cursor(7)).unwrap();
            store.save(&cursor(8)).unwrap();
            assert!(FileStore::open(&path, "bob/phone").is_err(), "two processes would save over each other");
        }
        assert_eq!(FileStore::open(&path, "bob/phone").unwrap().load().unwrap(), Some(cursor(8)));
        assert_eq!(FileStore::open(&path, "bob/laptop").unwrap().load().unwrap(), None, "another device's cursor");
    }

    #[test]
    fn what_is_no_store_or_no_cursor_is_said_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.redb");
        std::fs::write(&path, "not a store").unwrap();
        let error = FileStore::open(&path, "bob").err().unwrap().to_string();
        assert!(error.contains("opening") && error.contains("cursors.redb"), "{error}");

        let path = folder.path().join("other.redb");
        let store = FileStore::open(&path, "bob").unwrap();
        store.write("no cursor").unwrap();
        let error = store.load().err().unwrap().to_string();
        assert!(error.contains("reading a cursor from") && error.contains("other.redb"), "{error}");
    }
}
