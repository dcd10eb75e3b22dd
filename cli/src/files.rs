//! Files on their way: for `dunlin send --attach`, and for `dunlin media`.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    sync::Mutex,
};

use anyhow::{Context, bail};
use dunlin_client::{Client, File};
use dunlin_schema::{
    Attachment, limits,
    media::{FileName, MediaType},
};

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
pub(crate) struct Progress {
    what: String,
    size: Option<u64>,
    told: Mutex<Option<u64>>,
}

/// What is told of it at a time, in bytes.
const STEP: u64 = 256 * 1024;

impl Progress {
    pub(crate) fn new(what: String, size: Option<u64>) -> Progress {
        Progress { what, size, told: Mutex::new(None) }
    }

    pub(crate) fn at(&self, there: u64) {
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
