//! `dunlin receipts`: when something that somebody sent was stored, delivered and read.

use clap::Args;
use dunlin_client::Receipts;
use dunlin_schema::{Address, Seq};
use serde_json::json;

use crate::{asking::asked, print, span::Span, talk::WhoArgs};

/// Options of `dunlin receipts`.
#[derive(Debug, Args)]
pub struct ReceiptsArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The address that it was sent to: `bob`
    to: Address,
    /// Its order, as `dunlin send` prints it
    order: u64,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Prints the times as one JSON object. Errors: the question was refused, or had no answer in time.
pub async fn run(ReceiptsArgs { who, to, order, timeout }: ReceiptsArgs) -> anyhow::Result<()> {
    let doing = format!("asking for the receipts of {order} to {to}");
    let receipts = asked(&who, timeout, &doing, async |client| client.receipts(to.clone(), Seq(order)).await).await?;
    let Receipts { stored, delivered, read } = receipts;
    print(&serde_json::to_string(&json!({ "stored": stored, "delivered": delivered, "read": read }))?)
}
