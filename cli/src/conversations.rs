//! `dunlin conversations` and `dunlin history`: whom somebody has messages with, and what they are.

use clap::Args;
use dunlin_client::{Conversations, History};
use dunlin_schema::{Address, Seq};

use crate::asking::{PageArgs, pages};

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
