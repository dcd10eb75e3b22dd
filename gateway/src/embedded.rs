//! The store that is a folder, which gateways take files into and give them out of: where S3 has presigned URLs, it has tickets.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use dunlin_schema::{MediaId, Millis, UserName, frame::UploadPart, media::service::Part};
use dunlin_store::Store;
use parking_lot::Mutex;

use crate::{
    connection::Connection,
    tickets::{FILES, Ticket, Tickets, UPLOADS, What},
};

/// Parts that are taken in at once, of all people and of one: whoever sends slowly, or nothing, holds up nobody else.
const UPLOADS_AT_ONCE: usize = 100;
const OF_ONE_PERSON: usize = 10;

/// The store, and what is allowed with it.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) store: Store,
    pub(crate) tickets: Tickets,
    /// The parts that are on their way in, by whose they are.
    uploads: Mutex<HashMap<UserName, usize>>,
}

/// That a part is on its way in, until this is dropped.
#[derive(Debug)]
pub(crate) struct Arriving<'a> {
    embedded: &'a Embedded,
    whose: UserName,
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        let mut uploads = self.embedded.uploads.lock();
        if let Some(count) = uploads.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                uploads.remove(&self.whose);
            }
        }
    }
}

impl Embedded {
    /// Opens a folder. Errors: it can't be read, or not be written.
    pub(crate) fn open(folder: &Path) -> Result<Embedded, dunlin_store::Error> {
        let store = Store::directory(folder)?;
        let secret = store.secret().expect("a folder has a secret");
        Ok(Embedded { store, tickets: Tickets::new(&secret), uploads: Mutex::default() })
    }

    /// Lets a part of somebody's in; `None` while as many come in as may at once.
    pub(crate) fn arrives(&self, whose: &UserName) -> Option<Arriving<'_>> {
        let mut uploads = self.uploads.lock();
        let all: usize = uploads.values().sum();
        if all >= UPLOADS_AT_ONCE || uploads.get(whose).is_some_and(|own| *own >= OF_ONE_PERSON) {
            return None;
        }
        *uploads.entry(whose.clone()).or_default() += 1;
        Some(Arriving { embedded: self, whose: whose.clone() })
    }

    /// Where somebody puts a part of a file.
    pub(crate) fn put(&self, asker: &Connection, media: MediaId, part: &Part, until: Millis) -> UploadPart {
        let Part { number, from, size, .. } = *part;
        let url = self.url(UPLOADS, asker, until, What::Put { media, part: number, from, size });
        UploadPart { url, method: "PUT".to_owned(), headers: BTreeMap::new(), from, size }
    }

    /// Where somebody has a file.
    pub(crate) fn get(&self, asker: &Connection, until: Millis, what: What) -> String {
        self.url(FILES, asker, until, what)
    }

    fn url(&self, under: &str, asker: &Connection, until: Millis, what: What) -> String {
        let (user, device, token) = (asker.user().clone(), asker.device().clone(), asker.token().clone());
        let ticket = Ticket { user, device, token, until, what };
        format!("{under}{}", self.tickets.write(&ticket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sends_much_at_once_leaves_room_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let embedded = Embedded::open(folder.path()).unwrap();
        let user = |number: usize| format!("user-{number}").parse().unwrap();
        let mut arriving: Vec<_> = (0..OF_ONE_PERSON).map(|_| embedded.arrives(&user(0)).unwrap()).collect();
        assert!(embedded.arrives(&user(0)).is_none());
        let others = OF_ONE_PERSON..UPLOADS_AT_ONCE;
        arriving.extend(others.map(|number| embedded.arrives(&user(number)).unwrap()));
        assert!(embedded.arrives(&user(1)).is_none(), "there is no room for anybody");
        arriving.swap_remove(0);
        assert!(embedded.arrives(&user(0)).is_some());
        drop(arriving);
        assert!(embedded.uploads.lock().is_empty());
    }
}
