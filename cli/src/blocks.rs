//! `dunlin block`, `dunlin unblock` and `dunlin blocks`: who does not reach somebody.

use clap::Args;
use dunlin_client::Client;

use crate::{asking::asked, print, span::Span, talk::WhoArgs};

/// Options of `dunlin block` and `dunlin unblock`.
#[derive(Debug, Args)]
pub struct BlockArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The person's address: `bob`, `bob@eu`
    whom: String,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Options of `dunlin blocks`.
#[derive(Debug, Args)]
pub struct BlocksArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Blocks somebody. Errors: the question was refused, or had no answer in time.
pub async fn block(BlockArgs { who, whom, timeout }: BlockArgs) -> anyhow::Result<()> {
    asked(&who, timeout, &format!("blocking {whom}"), async |client| client.block(&whom).await).await?;
    print(&serde_json::to_string(&serde_json::json!({ "blocked": whom }))?)
}

/// Lets somebody in again. Errors: as for [`block`].
pub async fn unblock(BlockArgs { who, whom, timeout }: BlockArgs) -> anyhow::Result<()> {
    asked(&who, timeout, &format!("unblocking {whom}"), async |client| client.unblock(&whom).await).await?;
    print(&serde_json::to_string(&serde_json::json!({ "unblocked": whom }))?)
}

/// Prints whom somebody has blocked, one JSON object a line. Errors: as for [`block`].
pub async fn list(BlocksArgs { who, timeout }: BlocksArgs) -> anyhow::Result<()> {
    for user in asked(&who, timeout, "listing the blocks", Client::blocks).await? {
        print(&serde_json::to_string(&serde_json::json!({ "user": user }))?)?;
    }
    Ok(())
}
