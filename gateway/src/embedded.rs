//! The store that is a folder, which gateways take files into and give them out of: where S3 has presigned URLs, it has tickets.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
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
const UPLOADS_OF_ONE: usize = 10;
/// Files that are given out at once, of all people and of one: each holds some 200 KiB for as long as nobody takes it.
const DOWNLOADS_AT_ONCE: usize = 1_000;
const DOWNLOADS_OF_ONE: usize = 100;

/// The store, and what is allowed with it.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) store: Store,
    pub(crate) tickets: Tickets,
    /// For parts that are on their way in.
    pub(crate) uploads: Arc<Places>,
    /// For files that are on their way out.
    pub(crate) downloads: Arc<Places>,
}

/// Places for what may be under way at once.
#[derive(Debug)]
pub(crate) struct Places {
    all: usize,
    of_one: usize,
    /// Those that are taken, by whose they are.
    taken: Mutex<HashMap<UserName, usize>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    whose: UserName,
}

impl Places {
    fn new(all: usize, of_one: usize) -> Arc<Places> {
        Arc::new(Places { all, of_one, taken: Mutex::default() })
    }

    /// A place for something of somebody's; `None` while as many are taken as there are.
    pub(crate) fn take(self: &Arc<Places>, whose: &UserName) -> Option<Place> {
        let mut taken = self.taken.lock();
        let all: usize = taken.values().sum();
        if all >= self.all || taken.get(whose).is_some_and(|own| *own >= self.of_one) {
            return None;
        }
        *taken.entry(whose.clone()).or_default() += 1;
        Some(Place { places: self.clone(), whose: whose.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(count) = taken.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

impl Embedded {
    /// Opens a folder. Errors: it can't be read, or not be written.
    pub(crate) fn open(folder: &Path) -> Result<Embedded, dunlin_store::Error> {
        let store = Store::directory(folder)?;
        let secret = store.secret().expect("a folder has a secret");
        let uploads = Places::new(UPLOADS_AT_ONCE, UPLOADS_OF_ONE);
        let downloads = Places::new(DOWNLOADS_AT_ONCE, DOWNLOADS_OF_ONE);
        Ok(Embedded { store, tickets: Tickets::new(&secret), uploads, downloads })
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
    fn whoever_takes_many_places_leaves_room_for_others() {
        let places = Places::new(9, 3);
        let user = |number: usize| format!("user-{number}").parse().unwrap();
        let mut taken: Vec<_> = (0..3).map(|_| places.take(&user(0)).unwrap()).collect();
        assert!(places.take(&user(0)).is_none());
        taken.extend((3..9).map(|number| places.take(&user(number)).unwrap()));
        assert!(places.take(&user(1)).is_none(), "there is no room for anybody");
        taken.swap_remove(0);
        assert!(places.take(&user(0)).is_some());
        drop(taken);
        assert!(places.taken.lock().is_empty());
    }
}
