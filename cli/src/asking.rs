//! What commands share that ask a gateway one thing, as somebody.

use anyhow::Context;
use dunlin_client::{AskError, Client, Events, Status};

use crate::{span::Span, talk::WhoArgs};

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
