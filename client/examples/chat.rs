//! A conversation: `cargo run --example chat -- ws://localhost:8080 TOKEN bob`. A line on stdin is a message; what a message is now is
//! printed whenever that changes.

use std::{
    io::BufRead,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use dunlin_client::{
    Client, ClientOptions, Conversation, Event,
    conversation::Change,
    schema::{Address, Content, Millis},
};
use tokio::{sync::mpsc, task::JoinSet};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, token, with] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .or_else(|_| bail!("three arguments are needed: the gateway's URL, a token, and with whom to talk"))?;
    // The device is needed where the token names none.
    let options = ClientOptions::new(url, token).device("chat".parse()?);
    let (client, mut events) = Client::connect(options).await?;
    let Some(Event::Connected(me)) = events.next().await else { bail!("the client is over") };
    // Entries name the peer without its region where that is one's own.
    let mut conversation = Conversation::new(me.user, with.parse::<Address>()?.seen_from(&me.region));
    let (give, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| give.blocking_send(line))
    });
    let mut sends = JoinSet::new();
    loop {
        let changes = tokio::select! {
            event = events.next() => {
                let event = event.context("the client is over")?;
                let changes = conversation.event(now(), &event);
                event.done().await?;
                changes
            }
            line = lines.recv() => {
                let Some(text) = line else { break };
                let content = Content::Message { text: Some(text), data: None, attachments: Vec::new(), reply_to: None, mentions: vec![] };
                let sending = client.submit(&with, content.clone()).await?;
                let key = conversation.sending(now(), content, sending.id());
                sends.spawn(async move { (key, sending.await) });
                vec![Change::Message(key)]
            }
            Some(sent) = sends.join_next() => {
                let (key, outcome) = sent?;
                conversation.settled(key, &outcome)
            }
        };
        // What is printed is read.
        if let Some(upto) = conversation.mark_read() {
            client.read(&with, upto).await?;
        }
        for change in changes {
            match change {
                Change::Message(key) => {
                    let Some(message) = conversation.message(key) else { continue };
                    eprintln!("{}: {:?} {:?}", message.from, message.text.unwrap_or_default(), message.state);
                }
                Change::Gap(gap) => eprintln!("messages between {} and {} ms may be missing", gap.from.0, gap.to.0),
                Change::Typing => conversation.typing(now()).for_each(|who| eprintln!("{who} is typing")),
                Change::Presence => eprintln!("{with}: {:?}", conversation.presence().map(|now| &now.state)),
                Change::Unread => {}
            }
        }
    }
    client.close().await;
    Ok(())
}

fn now() -> Millis {
    Millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64)
}
