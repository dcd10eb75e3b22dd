//! `dunlin send` and `dunlin listen`: as somebody, beside a running `dunlin dev` with no options.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use dunlin_client::{
    AskError, Client, ClientOptions, ClockSkew, Connected, Event, Events, FileStore, Lost, Receipt, Refusal, Status,
    TokenError, TokenRequest,
};
use dunlin_schema::{Address, Code, Content, DeviceName, Millis, UserName, frame::StartAt};

use crate::{
    awaited::{Awaited, groups_of},
    files,
    folder::{Folder, FolderArgs},
    keys::{self, Wanted},
    plain, print,
    span::Span,
};

/// Who speaks, and to which gateway.
#[derive(Debug, Args)]
pub struct WhoArgs {
    /// The user, for whom a token is signed with the key of `dunlin dev`. `Bob` and `bob` are two users
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
    /// The address: `bob`, `#team`
    to: String,
    /// What to say
    #[arg(allow_hyphen_values = true, required_unless_present = "attach")]
    text: Option<String>,
    /// A file that goes with it; several with several of these
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// A member of the group whom it is meant for above others; several with several of these
    #[arg(long = "mention", value_name = "USER")]
    mentions: Vec<Address>,
    /// How long to try before giving up, with exit code 75
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// The exit code of a `send` that gave up: `EX_TEMPFAIL` of BSD's sysexits.h, "the user is invited to try again later".
pub(crate) const GAVE_UP: u8 = 75;

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

/// How the devices are called that commands make for a question or a send. Whoever asks means their own.
pub(crate) const OWN: &str = "dunlin-devices-";

impl WhoArgs {
    /// Options of a client that reads no entries, and so acknowledges nothing: once it is gone, nothing is left of its device. The name is
    /// a new one each time, so that it takes nobody's place.
    pub(crate) fn options_of_no_device(&self) -> anyhow::Result<ClientOptions> {
        let device = DeviceName::new(&format!("{OWN}{:016x}", rand::random::<u64>()))?;
        Ok(self.options()?.device(device).start(StartAt::Live))
    }

    /// The user, where no token says it.
    pub(crate) fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    pub(crate) fn options(&self) -> anyhow::Result<ClientOptions> {
        let folder = self.folder.folder();
        let url = match &self.url {
            Some(url) => url.clone(),
            None => folder.address()?,
        };
        match (&self.user, &self.token) {
            (Some(user), _) => {
                // Once here, so that a missing key is this command's error and not a retry.
                sign(&folder, user, None)?;
                let user = user.clone();
                let fresh = move |request: TokenRequest| {
                    std::future::ready(match request.refused {
                        // Whoever took it back, or removed the device, means this program: it does not come back by itself.
                        Some(Refusal { code: Code::TokenRevoked, was_open: true }) => Err(TokenError::NoMore),
                        _ => sign(&folder, &user, request.server_time)
                            .map_err(|error| TokenError::Failed(format!("{error:#}"))),
                    })
                };
                Ok(ClientOptions::new(url, fresh))
            }
            (None, Some(token)) => Ok(ClientOptions::new(url, token.trim().to_owned())),
            (None, None) => bail!("who speaks? Say it with --as, or give a --token"),
        }
    }
}

fn sign(folder: &Folder, user: &UserName, at: Option<Millis>) -> anyhow::Result<String> {
    let ttl = Span(std::time::Duration::from_secs(3_600));
    keys::sign(folder, &Wanted { user, ttl, device: None, scope: None, at })
}

/// Sends one message and prints what became of it. The exit code says whether it was given up. Errors: it was refused.
pub async fn send(args: SendArgs) -> anyhow::Result<ExitCode> {
    let (client, events) = Client::start(args.who.options_of_no_device()?).await?;
    let mut attempts = Attempts::default();
    let sending = async {
        let mut attachments = Vec::new();
        for path in &args.attach {
            attachments.push(files::upload(&client, path).await?);
        }
        let (text, mentions) = (args.text, args.mentions);
        let content = Content::Message { text, data: None, attachments, reply_to: None, mentions };
        // A file takes as long as it takes.
        let sent = tokio::time::timeout(args.timeout.0, client.send(&args.to, content)).await;
        Ok::<_, anyhow::Error>(sent.ok().transpose()?)
    };
    let outcome = tokio::select! {
        outcome = sending => outcome.transpose(),
        () = attempts.watch(&client, events) => None,
    };
    let skew = client.clock_skew();
    let status = client.status().borrow().clone();
    client.close().await;
    let Some(outcome) = outcome else {
        let why = plain::text(&attempts.words(&status));
        // With stderr gone there is nobody to tell.
        let _ = writeln!(
            std::io::stderr(),
            "dunlin: sending to {}: gave up after {} s: {why}{}",
            args.to,
            args.timeout.0.as_secs(),
            about_the_clock(skew)
        );
        return Ok(ExitCode::from(GAVE_UP));
    };
    let accepted = outcome.with_context(|| format!("sending to {}{}", args.to, about_the_clock(skew)))?;
    print(&serde_json::to_string(&serde_json::json!({ "accepted": {
        "id": accepted.id, "order": accepted.order, "time": accepted.time,
    }}))?)?;
    Ok(ExitCode::SUCCESS)
}

/// What becomes of the connections of a `send`: told as it happens, and when it gives up.
#[derive(Default)]
struct Attempts {
    welcomed: bool,
    troubles: Troubles,
}

impl Attempts {
    /// Takes note of what happens; never ends while the client may still be answered.
    async fn watch(&mut self, client: &Client, mut events: Events) {
        while let Some(event) = events.next().await {
            // A script is told once, at the end; a person who waits, at once.
            if std::io::stderr().is_terminal() {
                self.troubles.note(&event, client.clock_skew());
            }
            self.welcomed |= matches!(event, Event::Connected(_));
        }
        std::future::pending().await
    }

    fn words(&self, status: &Status) -> String {
        let stored = if self.welcomed { "it may be stored" } else { "nothing was sent" };
        match status {
            Status::Connected(_) => format!("the gateway did not answer, {stored}"),
            Status::Connecting(Some(lost)) => format!("{lost}, {stored}"),
            Status::Connecting(None) | Status::Ended(_) => format!("no gateway answered, {stored}"),
        }
    }
}

/// What a clock that is wrong has to do with it.
pub(crate) fn about_the_clock(skew: Option<ClockSkew>) -> String {
    match skew {
        Some(skew) if skew.is_harmful() => {
            format!(" (this machine's clock is {skew}: tokens and times made by it are refused, set it right)")
        }
        Some(_) | None => String::new(),
    }
}

/// Says why there is no connection: once for each reason, until there is one again.
#[derive(Default)]
pub(crate) struct Troubles {
    told: Option<Lost>,
}

impl Troubles {
    pub(crate) fn note(&mut self, event: &Event, skew: Option<ClockSkew>) {
        match event {
            Event::Disconnected(lost) => {
                if self.told.as_ref() != Some(&lost.why) {
                    tracing::warn!("no connection: {}; it is tried again{}", lost.why, about_the_clock(skew));
                    self.told = Some(lost.why.clone());
                }
            }
            Event::Connected(_) => self.told = None,
            Event::Refused { code, message } => tracing::warn!("the gateway refused a frame: {message} ({code})"),
            Event::Entry(_)
            | Event::Gap(_)
            | Event::CaughtUp(_)
            | Event::Signal { .. }
            | Event::Presence { .. }
            | Event::Receipt(_)
            | Event::Marked { .. }
            | Event::Ended(_) => {}
        }
    }
}

/// Says once that there is a connection: until something comes, whoever sits at a terminal sees nothing else.
struct Greeting {
    due: bool,
}

impl Greeting {
    fn upon(&mut self, event: &Event) -> Option<String> {
        let Event::Connected(Connected { url, user, device, .. }) = event else { return None };
        std::mem::take(&mut self.due).then(|| format!("listening as {user}, device {device}, at {url}"))
    }
}

/// Prints entries until `shutdown`. Errors: the gateway ended it for good, or the cursor can't be kept.
pub async fn listen(args: ListenArgs, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let folder = args.who.folder.folder();
    // A token names its user itself; its cursor is kept by the device alone, and a cursor of somebody else is refused.
    let whose = args.who.user.as_ref().map_or("token", UserName::as_str);
    let path = folder.cursors(whose, args.device.as_str())?;
    let store = FileStore::open(&path, format!("{whose}/{}", args.device)).with_context(|| {
        format!(
            "keeping the cursor: does another `dunlin listen` run as device {}? Give this one its own --device",
            args.device
        )
    })?;
    let options = args.who.options()?.device(args.device.clone()).store(store);
    let (client, mut events) = Client::start(options).await?;
    let mut troubles = Troubles::default();
    let mut greeting = Greeting { due: true };
    let (mut awaited, groups) = (Awaited::default(), groups_of(&client));
    tokio::pin!(shutdown, groups);
    let outcome = loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = &mut shutdown => break Ok(()),
            groups = &mut groups, if args.until_caught_up && awaited.wants_groups() => match groups {
                Ok(groups) => {
                    awaited.groups(groups);
                    if awaited.is_over() {
                        break Ok(());
                    }
                    continue;
                }
                Err(AskError::Ended(_)) => events.next().await,
                Err(error) => break Err(anyhow::Error::new(error).context("asking for the groups")),
            },
        };
        let Some(event) = event else { break Ok(()) };
        if let Event::Ended(why) = event {
            let ended = anyhow::Error::new(why);
            break Err(match about_the_clock(client.clock_skew()) {
                clock if clock.is_empty() => ended,
                clock => ended.context(format!("listening{clock}")),
            });
        }
        troubles.note(&event, client.clock_skew());
        match greeting.upon(&event) {
            // With stderr gone there is nobody to tell.
            Some(greeting) if std::io::stderr().is_terminal() => drop(writeln!(std::io::stderr(), "{greeting}")),
            Some(greeting) => tracing::info!("{greeting}"),
            None => {}
        }
        if let Err(error) = show(&event).await {
            break Err(error);
        }
        if let Event::CaughtUp(caught_up) = &event {
            awaited.caught_up(&caught_up.log);
        }
        if args.until_caught_up && awaited.is_over() {
            break Ok(());
        }
    };
    client.close().await;
    outcome
}

/// Prints an entry; what is printed is done.
async fn show(event: &Event) -> anyhow::Result<()> {
    match event {
        Event::Entry(entry) => print(&plain::json(&serde_json::json!({ "entry": &**entry })))?,
        Event::Gap(gap) => {
            print(&plain::json(&serde_json::json!({ "gap": { "log": gap.log, "from": gap.from, "to": gap.to } })))?;
        }
        Event::Signal { from, kind, group } => {
            let mut signal = serde_json::json!({ "from": from, "kind": kind });
            if let Some(group) = group {
                signal["group"] = serde_json::json!(group);
            }
            print(&plain::json(&serde_json::json!({ "signal": signal })))?;
        }
        Event::Receipt(Receipt { by, to, order, delivered, read, of, time, since, missing }) => {
            let receipt = serde_json::json!({
                "by": by, "to": to, "order": order, "delivered": delivered, "read": read, "of": of, "time": time,
                "since": since, "missing": missing,
            });
            print(&plain::json(&serde_json::json!({ "receipt": receipt })))?;
        }
        Event::Marked { with, read } => {
            print(&plain::json(&serde_json::json!({ "marked": { "with": with, "read": read } })))?;
        }
        // Nobody is watched here.
        Event::Presence { .. }
        | Event::CaughtUp(_)
        | Event::Connected(_)
        | Event::Refused { .. }
        | Event::Disconnected(_)
        | Event::Ended(_) => {}
    }
    event.done().await.context("keeping the cursor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_greeted_once() {
        let connected = Event::Connected(Connected {
            url: "ws://127.0.0.1:8080/v1/connect".to_owned(),
            user: "bob".parse().unwrap(),
            device: "listen".parse().unwrap(),
            region: "local".parse().unwrap(),
        });
        let refused = Event::Refused { code: Code::UnknownLog.into(), message: String::new() };
        let mut greeting = Greeting { due: true };
        let said = [&refused, &connected, &connected].map(|event| greeting.upon(event));
        let meant = "listening as bob, device listen, at ws://127.0.0.1:8080/v1/connect".to_owned();
        assert_eq!(said, [None, Some(meant), None]);
    }
}
