//! A cursor store in a redb file: a save is on disk when it returns.

use std::{fmt::Display, path::Path};

use redb::{Database, ReadableDatabase, TableDefinition};

use dunlin_schema::{CursorText, LogName, Open};

use super::{CursorStore, Cursors};
use crate::error::StoreError;

/// Cursors by whose they are and by log.
const CURSORS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("cursors_by_log");

/// Keeps cursors by key and log in a file, which one process opens at a time.
pub struct FileStore {
    database: Database,
    path: String,
    key: String,
}

impl FileStore {
    /// Opens the file, or makes it. `key` says whose cursors they are, for example `bob/phone`: a file holds many, and a cursor of another
    /// user would be refused. Errors: the file can't be opened, is no store, or is open elsewhere.
    pub fn open(path: impl AsRef<Path>, key: impl Into<String>) -> Result<FileStore, StoreError> {
        let shown = path.as_ref().display().to_string();
        let database = Database::create(path).map_err(|error| failed("opening", &shown, &error))?;
        Ok(FileStore { database, path: shown, key: key.into() })
    }

    fn read(&self) -> Result<Vec<(String, String)>, redb::Error> {
        let transaction = self.database.begin_read()?;
        match transaction.open_table(CURSORS) {
            Ok(table) => {
                let mut cursors = Vec::new();
                for row in table.range((self.key.as_str(), "")..)? {
                    let (place, cursor) = row?;
                    let (key, log) = place.value();
                    if key != self.key {
                        break;
                    }
                    cursors.push((log.to_owned(), cursor.value().to_owned()));
                }
                Ok(cursors)
            }
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, log: &str, cursor: &str) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(CURSORS)?.insert((self.key.as_str(), log), cursor)?;
        Ok(transaction.commit()?)
    }
}

fn failed(doing: &str, path: &str, why: &dyn Display) -> StoreError {
    StoreError { doing: format!("{doing} {path}"), why: why.to_string() }
}

impl CursorStore for FileStore {
    fn load(&self) -> Result<Cursors, StoreError> {
        let wrong = |error: &dyn Display| failed("reading a cursor from", &self.path, error);
        let rows = self.read().map_err(|error| failed("reading", &self.path, &error))?;
        let parsed = rows
            .into_iter()
            .map(|(log, cursor)| Ok((Open::of_text(&log), cursor.parse().map_err(|error| wrong(&error))?)));
        parsed.collect()
    }

    fn save(&self, log: &Open<LogName>, cursor: &CursorText) -> Result<(), StoreError> {
        self.write(&log.to_string(), &cursor.to_string()).map_err(|error| failed("writing to", &self.path, &error))
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
        let (mailbox, team) = (LogName::Mailbox.into(), Open::of_text("#team"));
        let to_come = Open::of_text("channel!news");
        assert!(team.known().is_some() && to_come.known().is_none());
        {
            let store = FileStore::open(&path, "bob/phone").unwrap();
            assert_eq!(store.load().unwrap(), Cursors::new());
            for (log, seq) in [(&mailbox, 7), (&team, 3), (&to_come, 4), (&mailbox, 8)] {
                store.save(log, &cursor(seq)).unwrap();
            }
            assert!(FileStore::open(&path, "bob/phone").is_err(), "two processes would save over each other");
        }
        let kept = Cursors::from([(mailbox, cursor(8)), (team, cursor(3)), (to_come, cursor(4))]);
        assert_eq!(FileStore::open(&path, "bob/phone").unwrap().load().unwrap(), kept, "one for each log");
        for other in ["bob/laptop", "bob/phon", "bob/phone2"] {
            assert_eq!(FileStore::open(&path, other).unwrap().load().unwrap(), Cursors::new(), "{other}");
        }
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
        store.write("mailbox", &"x".repeat(10_000)).unwrap();
        let error = store.load().err().unwrap().to_string();
        assert!(error.contains("reading a cursor from") && error.contains("other.redb"), "{error}");
    }
}
