//! `dunlin erase`: everything of somebody, for good.

use clap::Args;

use crate::{asking::asked, print, span::Span, talk::WhoArgs};

/// Options of `dunlin erase`.
#[derive(Debug, Args)]
pub struct EraseArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The user's own name once more, so that nobody is erased by mistake
    #[arg(long, value_name = "USER")]
    confirm: String,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Has a user erased, soon after it has returned. Errors: the question was refused, or had no answer in time.
pub async fn run(EraseArgs { who, confirm, timeout }: EraseArgs) -> anyhow::Result<()> {
    asked(&who, timeout, &format!("erasing {confirm}"), async |client| client.erase(&confirm).await).await?;
    print(&serde_json::to_string(&serde_json::json!({ "erasing": confirm }))?)
}
