//! A bot inside a region that says back what it hears. NATS tells it, by the one subscription that its user may have, and it answers over
//! HTTP as any back end does: so it can neither read nor write what is another's, whatever is wrong with it.
//!
//! `dunlin nats-conf single --bot echo` writes its user; `dunlin token echo --scope service` signs its token. Then
//!
//! ```sh
//! NATS_BOT_ECHO_PASSWORD=… DUNLIN_TOKEN=… cargo run -p dunlin-nats --example echo_bot -- \
//!     echo nats://localhost:4222 http://localhost:8080
//! ```
//!
//! It hears what comes while it is there. A bot that must not miss anything is a client: see `client/examples/echo.rs`.

use std::{env, time::Duration};

use anyhow::{Context, bail, ensure};
use dunlin_nats::permissions::{Permissions, bot_password_variable, bot_user};
use dunlin_schema::{
    Content, Entry, MessageId, Peer, UserName,
    entry::Body,
    live::UserMessage,
    presence::{GatewayRun, Here},
    subject,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

/// For how long the same answer is tried, while the gateway says "later".
const TRIES: u32 = 30;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [name, nats, gateway] = env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .or_else(|_| bail!("three arguments are needed: the bot's name, the URL of NATS, and that of a gateway"))?;
    let bot: UserName = name.parse()?;
    let secret = |variable: &str| env::var(variable).with_context(|| format!("{variable} is not set"));
    let (password, token) = (secret(&bot_password_variable(&bot))?, secret("DUNLIN_TOKEN")?);
    let options = async_nats::ConnectOptions::with_user_and_password(bot_user(&bot), password);
    let client = options.custom_inbox_prefix(Permissions::bot_inbox(&bot)).connect(nats).await?;
    let mut heard = client.subscribe(subject::live(&Peer::User(bot.clone()))).await?;
    client.flush().await?;
    eprintln!("{bot} listens");
    let (http, run) = (reqwest::Client::new(), GatewayRun(rand::random()));
    while let Some(message) = heard.next().await {
        match UserMessage::decode(&message.payload) {
            Ok(UserMessage::Entry(live)) => {
                if let Some(answer) = answer(&bot, &live.entry)
                    && let Err(error) = send(&http, &gateway, &token, &answer).await
                {
                    eprintln!("one is not answered: {error:#}");
                }
            }
            // Whoever is asked for is online while somebody answers for them.
            Ok(UserMessage::IsThere) => {
                if let Some(asker) = message.reply {
                    client.publish(asker, Here { gateway: run }.encode().into()).await?;
                }
            }
            // What gateways tell each other, and what a newer release says.
            Ok(UserMessage::Signal(_) | UserMessage::Receipt(_) | UserMessage::Mark(_) | UserMessage::Devices(_))
            | Err(_) => {}
        }
    }
    bail!("the connection to NATS is closed")
}

/// The answer to an entry: none to what the bot itself said, nor to what is no message.
fn answer(bot: &UserName, entry: &[u8]) -> Option<Value> {
    let Entry { id, from, body: Body::Content(content @ Content::Message { .. }), .. } = Entry::decode(entry).ok()?
    else {
        return None;
    };
    // An id that is made of the other's: however often an entry comes, and to however many bots of this name, one answer is stored.
    let mut bytes = id.to_bytes();
    bytes[15] ^= 0xff;
    let id = MessageId::from_bytes(bytes);
    (from.user != *bot).then(|| json!({ "id": id, "to": from.to_string(), "content": content }))
}

/// Sends, and sends the same again while it is told to come later.
async fn send(http: &reqwest::Client, gateway: &str, token: &str, body: &Value) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        let request = http.post(format!("{gateway}/v1/messages")).bearer_auth(token);
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await?;
        let later = answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
        let Some(seconds) = later else {
            let status = answer.status();
            let words = answer.text().await?;
            ensure!(status.is_success(), "{status}: {words}");
            return Ok(());
        };
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    bail!("the gateway had no time for it in {TRIES} tries")
}
