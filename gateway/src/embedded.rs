//! The store that is a folder, which gateways take files into and give them out of: where S3 has presigned URLs, it has tickets.

use std::{collections::BTreeMap, path::Path};

use dunlin_schema::{MediaId, Millis, UserName, frame::UploadPart, media::service::Part};
use dunlin_store::Store;
use tokio::sync::Semaphore;

use crate::{
    clock,
    tickets::{FILES, Ticket, Tickets, UPLOADS, What},
};

/// Parts that are taken in at once.
const UPLOADS_AT_ONCE: usize = 100;

/// The store, and what is allowed with it.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) store: Store,
    pub(crate) tickets: Tickets,
    /// One for each part that may be on its way in.
    pub(crate) uploads: Semaphore,
}

impl Embedded {
    /// Opens a folder. Errors: it can't be read, or not be written.
    pub(crate) fn open(folder: &Path) -> Result<Embedded, dunlin_store::Error> {
        let store = Store::directory(folder)?;
        let secret = store.secret().expect("a folder has a secret");
        Ok(Embedded { store, tickets: Tickets::new(&secret), uploads: Semaphore::new(UPLOADS_AT_ONCE) })
    }

    /// Where somebody puts a part of a file.
    pub(crate) fn put(&self, user: &UserName, media: MediaId, part: &Part, until: Millis) -> UploadPart {
        let Part { number, from, size, .. } = *part;
        let url = self.url(UPLOADS, user, until, What::Put { media, part: number, from, size });
        UploadPart { url, method: "PUT".to_owned(), headers: BTreeMap::new(), from, size }
    }

    /// Where somebody has a file.
    pub(crate) fn get(&self, user: &UserName, until: Millis, what: What) -> String {
        self.url(FILES, user, until, what)
    }

    fn url(&self, under: &str, user: &UserName, until: Millis, what: What) -> String {
        let ticket = Ticket { user: user.clone(), at: clock::now(), until, what };
        format!("{under}{}", self.tickets.write(&ticket))
    }
}
