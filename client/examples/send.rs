//! Sends one message: `cargo run --example send -- ws://localhost:8080 TOKEN bob "hi"`.

use anyhow::{Context, bail};
use dunlin_client::{Client, ClientOptions, schema::Content};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, token, to, text] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .or_else(|_| bail!("four arguments are needed: the gateway's URL, a token, an address, and what to say"))?;
    // Needed where the token names no device.
    let options = ClientOptions::new(url, token).device("send".parse()?);
    let (client, _events) = Client::connect(options).await.context("connecting")?;
    let content =
        Content::Message { text: Some(text), data: None, attachments: Vec::new(), reply_to: None, mentions: vec![] };
    let accepted = client.send(&to, content).await.with_context(|| format!("sending to {to}"))?;
    eprintln!("{} is stored, number {:?} to {to}", accepted.id, accepted.order);
    client.close().await;
    Ok(())
}
