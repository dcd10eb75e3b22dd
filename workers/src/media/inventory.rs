//! The region's files, as its operators see them: listed, mended, and read from end to end.

use std::sync::Arc;

use dunlin_nats::{Appender, ConnectError, ConnectOptions, Connection, Reads, Records, SettingsError, region_settings};
use dunlin_schema::{
    MediaId, RegionName,
    media::record::{MediaRecord, MediaState},
};
use dunlin_store::{Error as StoreError, Previews};

use super::{
    Mended,
    place::{Place, Trouble},
    region::{Region, key},
    sweep::Sweep,
};
use crate::media_settings::{MediaSettings, NoStore};

/// What a region keeps of files: its records, and its store.
pub struct Inventory {
    region: Region,
    appender: Appender,
    settings: MediaSettings,
}

/// Why a region's files can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// NATS can't be reached, or is too old.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The region's streams are not there, or not ours.
    #[error(transparent)]
    Region(#[from] SettingsError),
    /// Files are not where they are said to be.
    #[error(transparent)]
    Store(#[from] NoStore),
}

/// What is wrong with a file that its record says is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The store does not have it.
    #[error("it is not in the store")]
    Gone,
    /// It is longer or shorter than it was.
    #[error("it has {size} bytes")]
    Size {
        /// Its bytes now.
        size: u64,
    },
    /// Its bytes are others.
    #[error("its SHA-256 is another one")]
    Changed,
    /// The small picture of it is not in the store.
    #[error("its small picture is not in the store")]
    NoThumbnail,
}

impl Inventory {
    /// Opens what a worker is configured with; `None` where that names no store. Errors: see [`NotOpened`].
    pub async fn open(
        nats: &ConnectOptions,
        region: &RegionName,
        settings: MediaSettings,
    ) -> Result<Option<Inventory>, NotOpened> {
        let opened = settings.clone();
        let store = tokio::task::spawn_blocking(move || opened.open_existing())
            .await
            .expect("opening a store does not panic")?;
        let Some(store) = store.map(Arc::new) else { return Ok(None) };
        let connection = Connection::open(nats, region).await?;
        let made = region_settings(&connection).await?;
        let appender = Box::pin(Appender::open(nats, &made)).await?;
        let reads = Reads::open(nats, &made).await?;
        let (name, shards, records, previews) = (made.region, made.shards, Records::new(&connection), Previews::new(1));
        let region = Region { name, shards, records, reads, store, previews, strip: settings.strip_metadata };
        Ok(Some(Inventory { region, appender, settings }))
    }

    /// Shows what is recorded of each file; what is written meanwhile may come once more. Errors: see [`Trouble`].
    pub async fn each(&self, mut show: impl FnMut(MediaId, MediaRecord)) -> Result<(), Trouble> {
        self.region.each(|file, record, _written| show(file, record)).await
    }

    /// Does at once what media workers do now and then: takes out of the store what no record speaks of, and tells those whose files the
    /// store has lost. Errors: see [`Trouble`]; what was mended before stays so.
    pub async fn sweep(&self, mended: &(dyn Fn(Mended) + Sync)) -> Result<(), Trouble> {
        let stray_after = self.settings.stray_after;
        Sweep { region: &self.region, appender: Some(&self.appender), stray_after, mended }.all().await
    }

    /// Reads a file from end to end. Gives what is wrong with it; nothing of what is no file, or no longer. Errors: see [`Trouble`].
    pub async fn examine(&self, media: MediaId) -> Result<Option<Fault>, Trouble> {
        let fault = self.fault(media).await?;
        // One that went while it was read is no longer wrong.
        let is_there = fault.is_none() || self.usable(media).await?.is_some();
        Ok(fault.filter(|_| is_there))
    }

    async fn usable(&self, media: MediaId) -> Result<Option<dunlin_schema::media::record::Usable>, Trouble> {
        Ok(match self.region.media(media).await?.map(|(record, _)| record.state) {
            Some(MediaState::Usable(found)) => Some(found),
            Some(MediaState::Promised { .. } | MediaState::Became(_) | MediaState::Lost) | None => None,
        })
    }

    async fn fault(&self, media: MediaId) -> Result<Option<Fault>, Trouble> {
        let Some(found) = self.usable(media).await? else { return Ok(None) };
        let (size, sha256, _head) = match self.region.hashed(media, &[], 0).await {
            Ok(hashed) => hashed,
            Err(StoreError::NotFound) => return Ok(Some(Fault::Gone)),
            Err(error) => return Err(error.into()),
        };
        if size != found.facts.size {
            return Ok(Some(Fault::Size { size }));
        }
        if sha256 != found.sha256 {
            return Ok(Some(Fault::Changed));
        }
        match self.region.store.size(key(media.preview())).await {
            Err(StoreError::NotFound) if found.facts.thumbnail => Ok(Some(Fault::NoThumbnail)),
            Ok(_) | Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
