//! A walk through a whole store, for sweeps.

use std::sync::Arc;

use crate::{Error, directory, guard::Guard, s3, stored::Stored};

/// A walk through all uploads or all objects, in no order. What comes or goes meanwhile may be in it or not.
#[derive(Debug)]
pub struct Listing {
    pub(crate) walk: Walk,
    pub(crate) guard: Arc<Guard>,
}

#[derive(Debug)]
pub(crate) enum Walk {
    Directory(directory::Listing),
    S3(s3::Listing),
}

impl Listing {
    /// The next ones, 1,000 at most; an empty page is the end.
    ///
    /// # Errors
    ///
    /// Where the store fails. Begin a new walk then.
    pub async fn page(&mut self) -> Result<Vec<Stored>, Error> {
        match &mut self.walk {
            Walk::Directory(listing) => self.guard.once(listing.page()).await,
            Walk::S3(listing) => self.guard.once(listing.page()).await,
        }
    }
}
