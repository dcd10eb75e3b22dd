//! `dunlin block`, `dunlin unblock` and `dunlin blocks`: who does not reach somebody.

use anyhow::Context;
use clap::Args;

use crate::{
    devices::{connected, unreached},
    print,
    span::Span,
    talk::WhoArgs,
};

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
    let client = connected(&who, timeout).await?;
    let blocked = client.block(&whom).await;
    let blocked = blocked.with_context(|| format!("blocking {whom}{}", unreached(&client)));
    client.close().await;
    blocked?;
    print(&serde_json::to_string(&serde_json::json!({ "blocked": whom }))?)
}

/// Lets somebody in again. Errors: as for [`block`].
pub async fn unblock(BlockArgs { who, whom, timeout }: BlockArgs) -> anyhow::Result<()> {
    let client = connected(&who, timeout).await?;
    let unblocked = client.unblock(&whom).await;
    let unblocked = unblocked.with_context(|| format!("unblocking {whom}{}", unreached(&client)));
    client.close().await;
    unblocked?;
    print(&serde_json::to_string(&serde_json::json!({ "unblocked": whom }))?)
}

/// Prints whom somebody has blocked, one JSON object a line. Errors: as for [`block`].
pub async fn list(BlocksArgs { who, timeout }: BlocksArgs) -> anyhow::Result<()> {
    let client = connected(&who, timeout).await?;
    let blocks = client.blocks().await;
    let blocks = blocks.with_context(|| format!("listing the blocks{}", unreached(&client)));
    client.close().await;
    for user in blocks? {
        print(&serde_json::to_string(&serde_json::json!({ "user": user }))?)?;
    }
    Ok(())
}
