//! A bot that says back what it hears: `cargo run --example echo -- ws://localhost:8080 TOKEN cursors.redb`.

use anyhow::{Context, bail};
use dunlin_client::{
    Client, ClientOptions, Event, FileStore, SendError,
    schema::{Content, frame::StartAt},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, token, file] = std::env::args().skip(1).collect::<Vec<_>>().try_into().or_else(|_| {
        bail!("three arguments are needed: the gateway's URL, a token, and a file that keeps the cursor")
    })?;
    let store = FileStore::open(file, "echo")?;
    // The device is needed where the token names none. What came before its first start is not answered.
    let options = ClientOptions::new(url, token).device("echo".parse()?).store(store).start(StartAt::Live);
    let (client, mut events) = Client::start(options).await?;
    let mut me = None;
    while let Some(event) = events.next().await {
        match &event {
            Event::Connected(connected) => me = Some(connected.user.to_string()),
            // Its own messages, which a bot on two devices gets as entries too, are not said back.
            Event::Entry(entry) if Some(entry.from.to_string()) != me => {
                // Only a message is said back: an edit or a deletion is about one of somebody else's.
                let content = entry.content.known().filter(|content| matches!(content, Content::Message { .. }));
                let sent = match content {
                    Some(content) => client.send(&entry.from.to_string(), content.clone()).await.map(drop),
                    None => Ok(()),
                };
                match sent {
                    Ok(()) => {}
                    Err(SendError::Rejected { code, message }) => {
                        eprintln!("{} does not want it: {message} ({code:?})", entry.from)
                    }
                    Err(error) => return Err(error).context("answering"),
                }
            }
            Event::Ended(why) => bail!("{why}"),
            Event::Entry(_)
            | Event::Gap(_)
            | Event::CaughtUp(_)
            | Event::Refused { .. }
            | Event::Signal { .. }
            | Event::Presence { .. }
            | Event::Receipt(_)
            | Event::Marked { .. }
            | Event::Disconnected(_) => {}
        }
        // The answer is stored: the question need not come again.
        event.done().await.context("keeping the cursor")?;
    }
    Ok(())
}
