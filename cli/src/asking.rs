//! What commands share that ask a gateway one thing, as somebody.

use std::num::NonZeroUsize;

use anyhow::Context;
use clap::Args;
use dunlin_client::{AskError, Client, Events, Status};
use dunlin_schema::{Seq, limits};
use serde::Serialize;

use crate::{plain, print, span::Span, talk::WhoArgs};

/// Options of a command that lists something page by page.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// How many to print at most
    #[arg(long, default_value = "30", value_name = "COUNT")]
    limit: NonZeroUsize,
    /// How long to wait for each answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Asks, and gives the answer. Errors: the question was refused, or had no answer in time; `doing` says what was being done.
pub(crate) async fn asked<T>(
    who: &WhoArgs,
    timeout: Span,
    doing: &str,
    ask: impl AsyncFnOnce(&Client) -> Result<T, AskError>,
) -> anyhow::Result<T> {
    let (client, _events) = connected(who, timeout).await?;
    let answer = told(&client, doing, ask(&client).await);
    client.close().await;
    answer
}

/// A client for questions, and what happens to it.
pub(crate) async fn connected(who: &WhoArgs, timeout: Span) -> anyhow::Result<(Client, Events)> {
    let mut options = who.options_of_no_device()?;
    options.ask_within = timeout.0;
    Ok(Client::start(options).await?)
}

/// An answer, or what was being done when there was none. Where no answer came in time, and there is no connection, that is the reason.
pub(crate) fn told<T>(client: &Client, doing: &str, answer: Result<T, AskError>) -> anyhow::Result<T> {
    let status = client.status().borrow().clone();
    let unreached = match (&answer, status) {
        (Err(AskError::TimedOut | AskError::Disconnected), Status::Connecting(why)) => {
            let why = why.map_or_else(|| "none answered".to_owned(), |lost| lost.to_string());
            format!(": no gateway could be reached: {why}")
        }
        _ => String::new(),
    };
    answer.with_context(|| format!("{doing}{unreached}"))
}

/// Asks for pages, each from where the one before says, and prints what is in them.
pub(crate) async fn pages<T: Serialize>(
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
