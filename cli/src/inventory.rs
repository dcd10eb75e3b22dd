//! `dunlin media ls`, `gc` and `verify`: the files of a region, for its operators.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Mutex};

use anyhow::Context;
use clap::Args;
use dunlin_schema::{
    MediaId,
    media::record::{MediaRecord, MediaState},
};
use dunlin_workers::{
    Config,
    media::{Inventory, Mended},
};
use serde_json::{Value, json};

use crate::{
    config::{self, ConfigArgs, FileArgs},
    folder::FolderArgs,
    plain, print,
};

/// Whose files.
#[derive(Debug, Args)]
pub struct RegionArgs {
    /// The configuration of a worker that has the role `media`. Default: what `dunlin dev` runs
    #[arg(long, value_name = "FILE")]
    worker: Option<PathBuf>,
    #[command(flatten)]
    folder: FolderArgs,
}

impl RegionArgs {
    /// What a media worker of the region is configured with. Errors: the file can't be read, or nothing runs in the folder.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        if self.worker.is_some() {
            return Ok(config::worker(&ConfigArgs::from(FileArgs { config: self.worker.clone() }), None)?.worker);
        }
        self.folder.folder().worker()
    }

    async fn open(&self) -> anyhow::Result<Inventory> {
        let Config { nats, region, media, .. } = self.config()?;
        let inventory = Inventory::open(&nats, &region, media).await?;
        inventory.context("this worker keeps no files: name `media.directory` or `media.s3` in its configuration")
    }
}

/// Prints what is recorded of each file. Errors: the records can't be read.
pub async fn list(args: &RegionArgs) -> anyhow::Result<()> {
    let inventory = args.open().await?;
    let mut printed = Ok(());
    let show = |media, record| {
        if printed.is_ok() {
            printed = print(&plain::json(&line(media, &record)));
        }
    };
    inventory.each(show).await.context("listing the files")?;
    printed
}

/// What is said of a file. Times are milliseconds since 1970.
fn line(media: MediaId, MediaRecord { state, until }: &MediaRecord) -> Value {
    let said = match state {
        MediaState::Promised { by, file, .. } => {
            json!({ "state": "promised", "by": by, "size": file.size, "type": file.kind })
        }
        MediaState::Usable(found) => json!({
            "state": "usable", "size": found.facts.size, "type": found.facts.kind, "sha256": found.sha256,
            "messages": found.references.len(), "more": found.more,
        }),
        MediaState::Became(other) => json!({ "state": "became", "other": other }),
        MediaState::Lost => json!({ "state": "lost" }),
    };
    let mut line = json!({ "media": media, "until": until });
    if let (Value::Object(line), Value::Object(said)) = (&mut line, said) {
        line.extend(said);
    }
    line
}

/// Mends what differs between the store and the records, and prints each thing. Errors: the store or the records can't be read.
pub async fn sweep(args: &RegionArgs) -> anyhow::Result<()> {
    let inventory = args.open().await?;
    let printed = Mutex::new(Ok(()));
    let tell = |mended| {
        let line = match mended {
            Mended::Object(key) => json!({ "removed": key.as_str() }),
            Mended::Upload(key) => json!({ "removed_upload": key.as_str() }),
            Mended::Lost(media) => json!({ "lost": media }),
            Mended::Preview(media) => json!({ "thumbnail": media }),
        };
        let mut printed = printed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if printed.is_ok() {
            *printed = print(&line.to_string());
        }
    };
    inventory.sweep(&tell).await.context("comparing the store and the records")?;
    printed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Reads each file and prints those that are wrong, and how many there are. Errors: the store or the records can't be read.
pub async fn verify(args: &RegionArgs) -> anyhow::Result<ExitCode> {
    let inventory = args.open().await?;
    let (mut files, mut wrong) = (BTreeMap::new(), 0);
    let find = |media, record: MediaRecord| {
        if let MediaState::Usable(found) = record.state {
            files.insert(media, found.facts.size);
        }
    };
    inventory.each(find).await.context("listing the files")?;
    for media in files.keys() {
        if let Some(fault) = inventory.examine(*media).await.with_context(|| format!("reading {media}"))? {
            wrong += 1;
            print(&json!({ "media": media, "wrong": fault.to_string() }).to_string())?;
        }
    }
    print(&json!({ "files": files.len(), "bytes": files.values().sum::<u64>(), "wrong": wrong }).to_string())?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
