//! What commands share that ask a gateway one thing, as somebody.

use anyhow::Context;
use dunlin_client::{AskError, Client, Events, Status};
use dunlin_schema::{DeviceName, frame::StartAt};

use crate::{span::Span, talk::WhoArgs};

/// How the devices are called that these commands make for their questions. Whoever asks means their own.
pub(crate) const OWN: &str = "dunlin-devices-";

/// Asks, and gives the answer. Errors: the question was refused, or had no answer in time; `doing` says what was being done.
pub(crate) async fn asked<T>(
    who: &WhoArgs,
    timeout: Span,
    doing: &str,
    ask: impl AsyncFnOnce(&Client) -> Result<T, AskError>,
) -> anyhow::Result<T> {
    let (client, _events) = connected(who, timeout).await?;
    let answer = ask(&client).await.with_context(|| format!("{doing}{}", unreached(&client)));
    client.close().await;
    answer
}

/// A client that reads no entries, and so acknowledges nothing, and what happens to it: once it is gone, nothing is left of its device. The
/// name is a new one each time, so that it takes nobody's place.
pub(crate) async fn connected(who: &WhoArgs, timeout: Span) -> anyhow::Result<(Client, Events)> {
    let device = DeviceName::new(&format!("{OWN}{:016x}", rand::random::<u64>()))?;
    let mut options = who.options()?.device(device).start(StartAt::Live);
    options.ask_within = timeout.0;
    Ok(Client::start(options).await?)
}

/// Where there is no connection, that is why there is no answer.
pub(crate) fn unreached(client: &Client) -> &'static str {
    match *client.status().borrow() {
        Status::Connecting => ": no gateway could be reached",
        Status::Connected(_) | Status::Ended(_) => "",
    }
}
