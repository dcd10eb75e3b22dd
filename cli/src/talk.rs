//! `dunlin send` and `dunlin listen`: as somebody, beside a running `dunlin dev` with no options.

use anyhow::{Context, bail};
use clap::Args;
use dunlin_client::{Client, ClientOptions, Event, Events, FileStore, TokenError};
use dunlin_schema::{Content, DeviceName, UserName, frame::EntryFrame};

use crate::{
    folder::{Folder, FolderArgs},
    keys::{self, Wanted},
    print,
    span::Span,
};

/// Who speaks, and to which gateway.
#[derive(Debug, Args)]
pub struct WhoArgs {
    /// The user: a token is signed with the key of `dunlin dev`
    #[arg(long = "as", value_name = "USER", required_unless_present = "token")]
    user: Option<UserName>,
    /// A token, for a gateway that does not trust that key; `--as` goes before it
    #[arg(long, env = "DUNLIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The gateway. Default: the one of `dunlin dev`
    #[arg(long, env = "DUNLIN_URL", value_name = "URL", hide_env_values = true)]
    url: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Options of `dunlin send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The address: `bob`, `bob@eu`
    to: String,
    /// What to say
    text: String,
}

/// Options of `dunlin listen`.
#[derive(Debug, Args)]
pub struct ListenArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The device: each has its own place in the mailbox
    #[arg(long, default_value = "listen", value_name = "NAME")]
    device: DeviceName,
    /// End when everything that waited is printed
    #[arg(long)]
    until_caught_up: bool,
}

impl WhoArgs {
    fn options(&self) -> anyhow::Result<ClientOptions> {
        let folder = self.folder.folder();
        let url = match &self.url {
            Some(url) => url.clone(),
            None => folder.address()?,
        };
        match (&self.user, &self.token) {
            (Some(user), _) => {
                // Once here, so that a missing key is this command's error and not a retry.
                sign(&folder, user)?;
                let user = user.clone();
                let fresh = move |_| {
                    let token = sign(&folder, &user).map_err(|error| TokenError::Failed(format!("{error:#}")));
                    std::future::ready(token)
                };
                Ok(ClientOptions::new(url, fresh))
            }
            (None, Some(token)) => Ok(ClientOptions::new(url, token.clone())),
            (None, None) => bail!("who speaks? Say it with --as, or give a --token"),
        }
    }
}

fn sign(folder: &Folder, user: &UserName) -> anyhow::Result<String> {
    let ttl = Span(std::time::Duration::from_secs(3_600));
    keys::sign(folder, &Wanted { user, ttl, device: None, scope: None })
}

/// Sends one message and prints what became of it. Errors: it was not accepted.
pub async fn send(args: SendArgs) -> anyhow::Result<()> {
    let device = DeviceName::new("send").expect("`send` is a name");
    let (client, events) = Client::start(args.who.options()?.device(device)).await?;
    let troubles = tokio::spawn(say_troubles(events));
    let content = Content::Message { text: Some(args.text), data: None, attachments: Vec::new(), reply_to: None };
    let outcome = client.send(&args.to, content).await.with_context(|| format!("sending to {}", args.to));
    client.close().await;
    troubles.abort();
    let accepted = outcome?;
    print(&serde_json::to_string(&serde_json::json!({ "accepted": {
        "id": accepted.id, "order": accepted.order, "time": accepted.time,
    }}))?)
}

/// Passes over what comes; whoever waits in vain is told why.
async fn say_troubles(mut events: Events) {
    while let Some(event) = events.next().await {
        trouble(&event);
    }
}

fn trouble(event: &Event) {
    match event {
        Event::Disconnected(lost) => tracing::warn!("no connection: {}; trying again in {:?}", lost.why, lost.retry_in),
        Event::Refused { code, message } => tracing::warn!("the gateway refused a frame: {message} ({code})"),
        Event::Connected(_) | Event::Entry(_) | Event::Gap(_) | Event::CaughtUp(_) | Event::Ended(_) => {}
    }
}

/// Prints entries until `shutdown`. Errors: the gateway ended it for good, or the cursor can't be kept.
pub async fn listen(args: ListenArgs, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let folder = args.who.folder.folder();
    // A token names its user itself; its cursor is kept by the device alone, and a cursor of somebody else is refused.
    let whose = args.who.user.as_ref().map_or("token", UserName::as_str);
    let path = folder.cursors(whose, args.device.as_str())?;
    let store = FileStore::open(&path, "mailbox").with_context(|| {
        format!(
            "keeping the cursor: does another `dunlin listen` run as device {}? Give this one its own --device",
            args.device
        )
    })?;
    let options = args.who.options()?.device(args.device.clone()).store(store);
    let (client, mut events) = Client::start(options).await?;
    tokio::pin!(shutdown);
    let outcome = loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = &mut shutdown => break Ok(()),
        };
        let Some(event) = event else { break Ok(()) };
        if let Event::Ended(why) = event {
            break Err(why.into());
        }
        let caught_up = matches!(event, Event::CaughtUp(_));
        if let Err(error) = show(&event).await {
            break Err(error);
        }
        if caught_up && args.until_caught_up {
            break Ok(());
        }
    };
    client.close().await;
    outcome
}

/// Prints an entry; what is printed is done.
async fn show(event: &Event) -> anyhow::Result<()> {
    match event {
        Event::Entry(entry) => print(&line(entry)?)?,
        Event::Gap(gap) => {
            print(&serde_json::to_string(
                &serde_json::json!({ "gap": { "log": gap.log, "from": gap.from, "to": gap.to } }),
            )?)?;
        }
        Event::CaughtUp(_) | Event::Connected(_) | Event::Refused { .. } | Event::Disconnected(_) | Event::Ended(_) => {
            trouble(event)
        }
    }
    event.done().await.context("keeping the cursor")
}

fn line(entry: &EntryFrame) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&serde_json::json!({ "entry": entry }))?)
}
