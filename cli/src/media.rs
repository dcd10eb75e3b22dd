//! `dunlin media`: files that go with messages.

use std::{
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use dunlin_client::Client;
use dunlin_schema::MediaId;

use crate::{files::Progress, inventory, print, talk::WhoArgs};

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
    /// For operators: list the files that a region knows, one JSON object a line
    Ls(inventory::RegionArgs),
    /// For operators: take out of the store what no record speaks of, and tell those whose files it has lost, as media workers do now and
    /// then
    Gc(inventory::RegionArgs),
    /// For operators: read every file from end to end, and print those that are not what they were. It changes nothing; the exit code is 0
    /// if nothing is wrong
    Verify(inventory::RegionArgs),
}

/// Does what is to be done with files.
pub async fn run(MediaArgs { command }: MediaArgs) -> anyhow::Result<ExitCode> {
    match command {
        MediaCommand::Get(args) => get(args).await.map(|()| ExitCode::SUCCESS),
        MediaCommand::Ls(args) => inventory::list(&args).await.map(|()| ExitCode::SUCCESS),
        MediaCommand::Gc(args) => inventory::sweep(&args).await.map(|()| ExitCode::SUCCESS),
        MediaCommand::Verify(args) => inventory::verify(&args).await,
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
