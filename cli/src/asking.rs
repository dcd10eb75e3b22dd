//! What commands share that ask a gateway one thing, as somebody.

use anyhow::Context;
use dunlin_client::{AskError, Client, ClientOptions, Events, Status};
use dunlin_schema::{DeviceName, frame::StartAt};

use crate::{span::Span, talk::WhoArgs};

/// How the devices are called that commands make for a question or a send. Whoever asks means their own.
pub(crate) const OWN: &str = "dunlin-devices-";

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
    let mut options = of_its_own(who.options()?)?;
    options.ask_within = timeout.0;
    Ok(Client::start(options).await?)
}

/// Options of a client that reads no entries, and so acknowledges nothing: once it is gone, nothing is left of its device. The name is a
/// new one each time, so that it takes nobody's place.
pub(crate) fn of_its_own(options: ClientOptions) -> anyhow::Result<ClientOptions> {
    let device = DeviceName::new(&format!("{OWN}{:016x}", rand::random::<u64>()))?;
    Ok(options.device(device).start(StartAt::Live))
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
