//! Files that go with messages: `dunlin send --attach`, `dunlin media get`.

use std::{
    io::{IsTerminal, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dunlin_client::{Client, File};
use dunlin_schema::{
    Attachment, MediaId, limits,
    media::{FileName, MediaType},
};

use crate::{print, talk::WhoArgs};

/// Options of `dunlin media`.
#[derive(Debug, Args)]
pub struct MediaArgs {
    #[command(subcommand)]
    command: MediaCommand,
}

#[derive(Debug, Subcommand)]
enum MediaCommand {
    /// Download a file that goes with a message, or that one has uploaded
    Get(GetArgs),
}

/// Does what is to be done with files.
pub async fn run(MediaArgs { command }: MediaArgs) -> anyhow::Result<()> {
    match command {
        MediaCommand::Get(args) => get(args).await,
    }
}

/// Options of `dunlin media get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The file, as the `media` of an attachment names it
    media: MediaId,
    /// Where to write it; what is there is not written over. `-` is the standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The small picture instead of the whole
    #[arg(long)]
    thumbnail: bool,
}

/// Uploads a file for a message, and tells a person at a terminal how far it is.
pub(crate) async fn upload(client: &Client, path: &Path) -> anyhow::Result<Attachment> {
    let doing = || format!("uploading {}", path.display());
    let file = File::on_disk(path).with_context(doing)?;
    let size = file.size();
    if size == 0 || size > limits::MEDIA_BYTES {
        bail!("{}: a file has 1 to {} bytes, this one has {size}", doing(), limits::MEDIA_BYTES);
    }
    let progress = Progress::new(path.display().to_string(), Some(size));
    let told = client.upload(&file, kind(path), name(path), move |there| progress.at(there)).await;
    told.with_context(doing)
}

/// Downloads a file.
async fn get(args: GetArgs) -> anyhow::Result<()> {
    let (client, mut events) = Client::start(args.who.options_of_no_device()?).await?;
    let doing = format!("downloading {}", args.media);
    let progress = Progress::new(args.media.to_string(), None);
    let is_printed = args.output == Path::new("-");
    let downloading = async {
        let into = match is_printed {
            true => std::io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from),
            false => std::fs::OpenOptions::new().write(true).create_new(true).open(&args.output),
        };
        let into = into.with_context(|| format!("opening {}", args.output.display()))?;
        let mut into = tokio::fs::File::from_std(into);
        let told = move |there| progress.at(there);
        let downloaded = client.download(args.media, args.thumbnail, &mut into, told).await;
        if downloaded.is_err() && !is_printed {
            // A beginning is no file.
            std::fs::remove_file(&args.output).with_context(|| format!("removing {}", args.output.display()))?;
        }
        Ok::<_, anyhow::Error>(downloaded?)
    };
    let outcome = tokio::select! {
        outcome = downloading => outcome.with_context(|| doing.clone()),
        ended = ended(&mut events) => Err(ended).context(doing.clone()),
    };
    client.close().await;
    let downloaded = outcome?;
    if !is_printed {
        print(&serde_json::to_string(&serde_json::json!({ "downloaded": {
            "media": args.media, "type": downloaded.kind, "size": downloaded.size,
        }}))?)?;
    }
    Ok(())
}

/// Why the client is over, once it is.
async fn ended(events: &mut dunlin_client::Events) -> anyhow::Error {
    while let Some(event) = events.next().await {
        if let dunlin_client::Event::Ended(why) = event {
            return why.into();
        }
    }
    std::future::pending().await
}

/// What a file is, as far as its name tells. Pictures, sounds and films are known by their bytes, which names only mislead about.
fn kind(path: &Path) -> MediaType {
    let guessed = mime_guess::from_path(path).first_raw().unwrap_or_default();
    let is_told_by_its_name = guessed.starts_with("text/") || guessed.starts_with("application/");
    if is_told_by_its_name { guessed.parse().unwrap_or_default() } else { MediaType::default() }
}

/// What a file is called for others: nothing, where they could not be told.
fn name(path: &Path) -> Option<FileName> {
    path.file_name()?.to_str()?.parse().ok()
}

/// How far something is, for a person at a terminal.
struct Progress {
    what: String,
    size: Option<u64>,
    told: Mutex<Option<u64>>,
}

/// What is told of it at a time, in bytes.
const STEP: u64 = 256 * 1024;

impl Progress {
    fn new(what: String, size: Option<u64>) -> Progress {
        Progress { what, size, told: Mutex::new(None) }
    }

    fn at(&self, there: u64) {
        let Ok(mut told) = self.told.lock() else { return };
        let is_whole = self.size == Some(there);
        if !std::io::stderr().is_terminal() || (*told == Some(there / STEP) && !is_whole) {
            return;
        }
        *told = Some(there / STEP);
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        let of = self.size.map_or_else(String::new, |size| format!(" of {:.1}", mib(size)));
        let end = if is_whole { "\n" } else { "" };
        // With stderr gone there is nobody to tell.
        let _ = write!(std::io::stderr(), "\r{}: {:.1}{of} MiB{end}", crate::plain::text(&self.what), mib(there));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_only_they_can_tell() {
        for (path, told) in [
            ("notes.txt", "text/plain"),
            ("a/page.HTML", "text/html"),
            ("doc.pdf", "application/pdf"),
            ("photo.jpg", "application/octet-stream"),
            ("index.ts", "application/octet-stream"),
            ("README", "application/octet-stream"),
        ] {
            assert_eq!(kind(Path::new(path)).as_str(), told, "{path}");
        }
    }

    #[test]
    fn a_name_that_others_could_not_be_told_is_none() {
        assert_eq!(name(Path::new("/tmp/a b.txt")).map(|name| name.to_string()).as_deref(), Some("a b.txt"));
        assert_eq!(name(Path::new("a\nb.txt")), None);
        assert_eq!(name(Path::new("/")), None);
    }
}
