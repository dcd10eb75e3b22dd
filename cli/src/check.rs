//! `dunlin token check`: why a gateway would refuse a token, in words. It asks no gateway, so it knows of no revocation, and never prints
//! the token.

use std::{
    io::Read as _,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow};
use clap::Args;
use dunlin_gateway::{
    KeySource, Tokens,
    tokens::examine::{self, Admitted, TokenReport},
};
use dunlin_schema::Millis;

use crate::{
    config::{self, ConfigArgs, FileArgs},
    folder::FolderArgs,
    print,
};

/// Options of `dunlin token check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The token; `-` reads it from the standard input, which no shell remembers
    token: String,
    /// A gateway's configuration. Default: what `dunlin dev` trusts
    #[arg(long, value_name = "FILE")]
    gateway: Option<std::path::PathBuf>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Prints what the token says and what is trusted, and whom a gateway would let in. The exit code is 0 if somebody. Errors: the
/// configuration or a key set can't be read.
pub(crate) async fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let tokens = match &args.gateway {
        Some(path) => config::gateway(&ConfigArgs::from(FileArgs { config: Some(path.clone()) }))?.tokens,
        None => Tokens::new(KeySource::File(args.folder.folder().key_set())),
    };
    let mut text = args.token.clone();
    if text == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text).context("reading the token from the standard input")?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("reading the clock: it is before 1970")?;
    let now = Millis(u64::try_from(now.as_millis()).context("reading the clock")?);
    let TokenReport { found, outcome } = examine::token(&tokens, text.trim(), now).await.map_err(|why| anyhow!(why))?;
    found.iter().try_for_each(|line| print(line))?;
    match outcome {
        Ok(Admitted { user, device, until }) => {
            let device = device.map_or_else(String::new, |device| format!(" with the device {device} alone"));
            print(&format!(
                "good: it lets in {user}{device}, for {} s, where no gateway knows that it was revoked",
                until.since(now).0 / 1_000
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            print(&format!("refused: {why}"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

#[cfg(test)]
mod tests;
