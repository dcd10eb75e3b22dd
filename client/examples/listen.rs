//! Prints what comes, each once, also over restarts: `cargo run --example listen -- ws://localhost:8080 TOKEN cursors.redb`.

use anyhow::{Context, bail};
use dunlin_client::{Client, ClientOptions, Event, FileStore};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, token, file] = std::env::args().skip(1).collect::<Vec<_>>().try_into().or_else(|_| {
        bail!("three arguments are needed: the gateway's URL, a token, and a file that keeps the cursor")
    })?;
    let store = FileStore::open(file, "listen")?;
    // The device is needed where the token names none.
    let options = ClientOptions::new(url, token).device("listen".parse()?).store(store);
    let (_client, mut events) = Client::start(options).await?;
    while let Some(event) = events.next().await {
        match &event {
            Event::Entry(entry) => eprintln!("{} {}: {:?}", entry.seq.0, entry.from, entry.content),
            Event::Gap(gap) => eprintln!("something may be missing between {} and {} ms", gap.from.0, gap.to.0),
            Event::Signal { from, kind, group: None } => eprintln!("{from}: {kind}"),
            Event::Signal { from, kind, group: Some(group) } => eprintln!("{from} in {group}: {kind}"),
            Event::Presence { user, presence } => eprintln!("{user}: {}", presence.state),
            Event::Ended(why) => bail!("{why}"),
            Event::Receipt(_)
            | Event::Marked { .. }
            | Event::CaughtUp(_)
            | Event::Connected(_)
            | Event::Refused { .. }
            | Event::Disconnected(_) => {
                eprintln!("{event:?}")
            }
        }
        // Printed is what this program means by stored.
        event.done().await.context("keeping the cursor")?;
    }
    Ok(())
}
