//! `dunlin conversations` and `dunlin history`: whom somebody has messages with, and what they are.

use anyhow::Context;
use clap::Args;
use dunlin_schema::{Address, Seq, limits};

use crate::{
    devices::{connected, unreached},
    print,
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
    #[arg(long, default_value_t = 30, value_name = "COUNT")]
    limit: usize,
    /// How long to wait for each answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Prints conversations, one JSON object a line, the one with the latest message first. Errors: the question was refused, or had no answer
/// in time.
pub async fn list(ConversationsArgs { page }: ConversationsArgs) -> anyhow::Result<()> {
    let client = connected(&page.who, page.timeout).await?;
    let (mut left, mut after) = (page.limit, None);
    while left > 0 {
        let listed = client.conversations(after, asked(left)).await;
        let listed = listed.with_context(|| format!("listing the conversations{}", unreached(&client)))?;
        left = left.saturating_sub(listed.items.len());
        for item in listed.items {
            print(&serde_json::to_string(&item)?)?;
        }
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    client.close().await;
    Ok(())
}

/// Prints the messages of a conversation, one JSON object a line, the latest first. Errors: the question was refused, or had no answer in
/// time.
pub async fn history(HistoryArgs { page, with, before }: HistoryArgs) -> anyhow::Result<()> {
    let client = connected(&page.who, page.timeout).await?;
    let (mut left, mut before) = (page.limit, before.map(Seq));
    while left > 0 {
        let listed = client.history(with.clone(), before, asked(left)).await;
        let listed = listed.with_context(|| format!("listing the messages with {with}{}", unreached(&client)))?;
        left = left.saturating_sub(listed.entries.len());
        for entry in listed.entries {
            print(&serde_json::to_string(&entry)?)?;
        }
        before = listed.next;
        if before.is_none() {
            break;
        }
    }
    client.close().await;
    Ok(())
}

/// How many to ask for, where so many are wanted.
fn asked(left: usize) -> u16 {
    u16::try_from(left).map_or(limits::HISTORY_PAGE, |left| left.min(limits::HISTORY_PAGE))
}
