//! `dunlin conversations` and `dunlin history`: whom somebody has messages with, and what they are.

use std::num::NonZeroUsize;

use clap::Args;
use dunlin_client::{AskError, Client, Conversations, History};
use dunlin_schema::{Address, Seq, limits};
use serde::Serialize;

use crate::{
    asking::{connected, told},
    plain, print,
    span::Span,
    talk::WhoArgs,
};

/// Options of `dunlin conversations`.
#[derive(Debug, Args)]
pub struct ConversationsArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// Options of `dunlin history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    page: PageArgs,
    /// The other side
    with: Address,
    /// Only messages below this sequence
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
}

#[derive(Debug, Args)]
struct PageArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// How many to print at most
    #[arg(long, default_value = "30", value_name = "COUNT")]
    limit: NonZeroUsize,
    /// How long to wait for each answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Prints conversations, one JSON object a line, the one with the latest message first. Errors: the question was refused, or had no answer
/// in time.
pub async fn list(ConversationsArgs { page }: ConversationsArgs) -> anyhow::Result<()> {
    pages(page, None, "listing the conversations", async |client, after, limit| {
        let Conversations { items, next } = client.conversations(after, limit).await?;
        Ok((items, next))
    })
    .await
}

/// Prints the messages of a conversation, one JSON object a line, the latest first. Errors: the question was refused, or had no answer in
/// time.
pub async fn history(HistoryArgs { page, with, before }: HistoryArgs) -> anyhow::Result<()> {
    let doing = format!("listing the messages with {with}");
    pages(page, before.map(Seq), &doing, async |client, before, limit| {
        let History { entries, next } = client.history(with.clone(), before, limit).await?;
        Ok((entries, next))
    })
    .await
}

/// Asks for pages, each from where the one before says, and prints what is in them.
async fn pages<T: Serialize>(
    PageArgs { who, limit, timeout }: PageArgs,
    mut from: Option<Seq>,
    doing: &str,
    ask: impl AsyncFn(&Client, Option<Seq>, u16) -> Result<(Vec<T>, Option<Seq>), AskError>,
) -> anyhow::Result<()> {
    let (client, _events) = connected(&who, timeout).await?;
    let mut left = limit.get();
    while left > 0 {
        let most = u16::try_from(left).map_or(limits::HISTORY_PAGE, |left| left.min(limits::HISTORY_PAGE));
        let (items, next) = told(&client, doing, ask(&client, from, most).await)?;
        left = left.saturating_sub(items.len());
        for item in items {
            print(&plain::json(&serde_json::to_value(item)?))?;
        }
        from = next;
        if from.is_none() {
            break;
        }
    }
    client.close().await;
    Ok(())
}
