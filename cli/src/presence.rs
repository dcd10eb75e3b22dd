//! `dunlin presence`: who is there, once or for as long as one watches.

use clap::Args;
use dunlin_client::{Client, Event, Events};
use dunlin_schema::{Address, Open, presence::Presence};
use serde_json::json;

use crate::{
    asking::{connected, told},
    print,
    span::Span,
    talk::WhoArgs,
};

/// Options of `dunlin presence`.
#[derive(Debug, Args)]
pub struct PresenceArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The people: `bob`, `bob@eu`
    #[arg(required = true, value_name = "USERS")]
    users: Vec<String>,
    /// Go on, and print each change
    #[arg(long)]
    watch: bool,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Prints who is there, one JSON object a line. Errors: the question was refused, or had no answer in time; and while it watches, the
/// client's end.
pub async fn run(args: PresenceArgs, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let (client, events) = connected(&args.who, args.timeout).await?;
    let outcome = match args.watch {
        true => watch(&client, events, args.users, shutdown).await,
        false => once(&client, args.users).await,
    };
    client.close().await;
    outcome
}

async fn once(client: &Client, users: Vec<String>) -> anyhow::Result<()> {
    for (user, presence) in told(client, "asking who is there", client.presence(users).await)? {
        print(&line(&user, &presence)?)?;
    }
    Ok(())
}

async fn watch(
    client: &Client,
    mut events: Events,
    users: Vec<String>,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    told(client, "watching who is there", client.watch(users).await)?;
    tokio::pin!(shutdown);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = &mut shutdown => return Ok(()),
        };
        match event {
            Some(Event::Presence { user, presence }) => print(&line(&user, &presence)?)?,
            Some(Event::Disconnected(lost)) => tracing::warn!("no connection: {}; it is tried again", lost.why),
            Some(Event::Ended(why)) => return Err(why.into()),
            Some(
                Event::Connected(_)
                | Event::Entry(_)
                | Event::Gap(_)
                | Event::CaughtUp(_)
                | Event::Refused { .. }
                | Event::Signal { .. }
                | Event::Receipt(_)
                | Event::Marked { .. },
            ) => {}
            None => return Ok(()),
        }
    }
}

fn line(user: &Open<Address>, Presence { state, last_seen }: &Presence) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&json!({ "user": user, "state": state, "last_seen": last_seen }))?)
}
