//! `dunlin receipts`: when something that somebody sent was stored, delivered and read; of what went to a group, to whom of how many.

use clap::Args;
use dunlin_client::{GroupReceipts, Receipts};
use dunlin_schema::{Address, GroupAddress, Peer, Seq};
use serde_json::json;

use crate::{asking::asked, print, span::Span, talk::WhoArgs};

/// Options of `dunlin receipts`.
#[derive(Debug, Args)]
pub struct ReceiptsArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The address that it was sent to: `bob`, `'#team'`
    to: Address,
    /// Its order, as `dunlin send` prints it
    order: u64,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Members in one question.
const PAGE: u16 = 100;

/// Prints the times as one JSON object; of a group, how many members have it, and then each of them. Errors: the question was refused, or
/// had no answer in time.
pub async fn run(ReceiptsArgs { who, to, order, timeout }: ReceiptsArgs) -> anyhow::Result<()> {
    let doing = format!("asking for the receipts of {order} to {to}");
    if let Address { peer: Peer::Group(group), region } = to {
        return of_group(&who, timeout, &doing, GroupAddress { group, region }, Seq(order)).await;
    }
    let receipts = asked(&who, timeout, &doing, async |client| client.receipts(to.clone(), Seq(order)).await).await?;
    let Receipts { stored, delivered, read } = receipts;
    print(&serde_json::to_string(&json!({ "stored": stored, "delivered": delivered, "read": read }))?)
}

async fn of_group(who: &WhoArgs, timeout: Span, doing: &str, to: GroupAddress, order: Seq) -> anyhow::Result<()> {
    let (counts, members) = asked(who, timeout, doing, async |client| {
        let counts = client.group_receipts(to.clone(), order).await?;
        let (mut members, mut after) = (Vec::new(), None);
        loop {
            let page = client.receipts_of(to.clone(), order, after, PAGE).await?;
            members.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok((counts, members));
            }
        }
    })
    .await?;
    let GroupReceipts { stored, of, delivered, read } = counts;
    print(&serde_json::to_string(&json!({ "stored": stored, "of": of, "delivered": delivered, "read": read }))?)?;
    for member in members {
        print(&serde_json::to_string(&member)?)?;
    }
    Ok(())
}
