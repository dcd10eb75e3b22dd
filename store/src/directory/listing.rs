//! All that is in a folder of the store, in pages.

use std::{fs::ReadDir, path::PathBuf};

use super::{blocking::Blocking, changed, size};
use crate::{
    Error,
    stored::{PAGE, Stored},
};

/// A walk through a folder that has begun or will.
#[derive(Debug)]
pub(crate) struct Listing {
    blocking: Blocking,
    folder: PathBuf,
    walk: Option<ReadDir>,
}

impl Listing {
    pub(super) fn new(blocking: Blocking, folder: PathBuf) -> Listing {
        Listing { blocking, folder, walk: None }
    }

    /// The next page; an empty one is the end.
    pub(crate) async fn page(&mut self) -> Result<Vec<Stored>, Error> {
        let (walk, folder) = (self.walk.take(), self.folder.clone());
        let page = move || {
            let mut walk = walk.map_or_else(|| folder.read_dir(), Ok)?;
            let mut page = Vec::new();
            for entry in walk.by_ref() {
                let entry = entry?;
                // What is no key is not ours, and what is gone by now is no error.
                let key = entry.file_name().to_str().and_then(|name| name.parse().ok());
                let about = || Some((size(&entry.path()).ok()?, changed(&entry).ok()?));
                page.extend(key.and_then(|key| about().map(|(size, changed)| Stored { key, size, changed })));
                if page.len() == PAGE {
                    break;
                }
            }
            Ok((page, walk))
        };
        let (page, walk) = self.blocking.run(page).await?;
        self.walk = Some(walk);
        Ok(page)
    }
}
