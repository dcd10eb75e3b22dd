//! `dunlin chat`: a conversation with somebody, or in a group, in a terminal or over pipes.
//!
//! | room | what lives there |
//! |---|---|
//! | `words` | what a typed line means |
//! | `face` | what comes from whoever talks, and what they are shown, by either of the following |
//! | `members` | what becomes of a group, in words |
//! | `view`, `screen` | the conversation as lines of a terminal; the terminal itself |
//! | `lines` | stdin and stdout that are no terminal: a line in is what is typed, a line out is a JSON object |

mod face;
mod lines;
mod members;
mod screen;
mod view;
mod words;

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::Args;
use dunlin_client::{
    Accepted, AskError, Client, Connected, Conversation, Event, Events, SendError,
    conversation::{Change, Key, TYPING, TYPING_FOR, TYPING_STOPPED},
};
use dunlin_schema::{Address, Code, Content, DeviceName, GroupAddress, LogName, Millis, Peer, frame::HistoryEntry};
use futures_util::FutureExt;
use time::UtcOffset;
use tokio::{task::JoinSet, time::Instant};

use self::{
    face::{Face, Input, News},
    lines::Lines,
    members::Members,
    screen::Screen,
    words::Said,
};
use crate::{
    plain,
    span::Span,
    talk::{GAVE_UP, Troubles, WhoArgs, about_the_clock},
};

/// Options of `dunlin chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// With whom; a group in quotes: '#team'
    #[arg(value_name = "PEER")]
    with: Address,
    /// The device: each has its own place in the mailbox
    #[arg(long, default_value = "chat", value_name = "NAME")]
    device: DeviceName,
    /// How long to go on trying to send when the input has ended, and outside a terminal how long to wait for a gateway at first; what is
    /// not sent then is said, with exit code 75
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
    /// Of the clock on the wall: known only while the process has one thread.
    #[arg(skip = UtcOffset::UTC)]
    pub(crate) offset: UtcOffset,
}

/// Sends that may wait for their answer before the next line is read.
const UNSENT: usize = 512;
/// Events that are taken before the screen is drawn.
const AT_ONCE: usize = 256;
/// Messages of before that are shown at first.
const PAST: u16 = 50;
/// How often these are asked for again where the index is behind.
const PAST_TRIES: usize = 8;
/// How often the peer is told that somebody types.
const TYPING_EVERY: Millis = Millis(4_000);

/// What becomes of the chat.
enum Next {
    GoOn,
    /// It ends once everything is sent.
    Close,
    Leave,
}

/// A conversation that is being held.
struct Chat {
    client: Client,
    to: String,
    conversation: Conversation,
    /// Of a group.
    members: Members,
    face: Face,
    sends: JoinSet<(Key, Result<Accepted, SendError>)>,
    /// What was typed and has not been accepted, in words.
    unsent: BTreeMap<Key, String>,
    /// Whether something was refused for good, or nothing came of a line.
    refused: bool,
    /// Who is shown to type.
    typing: Vec<String>,
    /// When the peer was last told that somebody types here.
    told_typing: Millis,
    trouble: Option<String>,
}

/// Talks until the input ends or `shutdown`. The exit code says whether something is unsent or, outside a terminal, was refused. Errors:
/// the gateway ended it for good.
pub async fn run(args: ChatArgs, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<ExitCode> {
    let options = args.who.options()?.device(args.device.clone());
    let (client, mut events) = Client::start(options).await?;
    tokio::pin!(shutdown);
    let at_a_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut screen = match at_a_terminal {
        true => Some(Box::new(Screen::new(args.offset)?)),
        false => None,
    };
    let connected = tokio::select! {
        connected = welcomed(&client, &mut events, &args, screen.as_deref_mut()) => connected?,
        // A person sees that nothing happens; a script would wait for ever.
        () = tokio::time::sleep(args.timeout.0), if !at_a_terminal => {
            client.close().await;
            // With stderr gone there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "dunlin: talking: no gateway could be reached: gave up after {} s", args.timeout.0.as_secs());
            return Ok(ExitCode::from(GAVE_UP));
        }
        () = &mut shutdown => None,
    };
    let Some(connected) = connected else {
        client.close().await;
        return Ok(ExitCode::SUCCESS);
    };
    let peer = args.with.clone().seen_from(&connected.region);
    let conversation = Conversation::new(connected.user.clone(), peer);
    let face = match screen {
        Some(screen) => Face::Screen(screen),
        None => Face::Lines(Lines::new(&connected, &conversation)?),
    };
    let past = past(client.clone(), args.with.clone());
    let to = args.with.to_string();
    let members = of_peer(&client, &args.with).await;
    let mut chat = Chat {
        client,
        to,
        conversation,
        members,
        face,
        sends: JoinSet::new(),
        unsent: BTreeMap::new(),
        refused: false,
        typing: Vec::new(),
        told_typing: Millis(0),
        trouble: None,
    };
    let outcome = chat.talk(events, past, args.timeout.0, shutdown).await;
    let Chat { client, face, unsent, refused, .. } = chat;
    // Gives the terminal back.
    drop(face);
    client.close().await;
    for words in unsent.values() {
        // With stderr gone there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "dunlin: not known to be stored: {}", plain::text(words));
    }
    outcome?;
    Ok(match (unsent.is_empty(), refused && !at_a_terminal) {
        (false, _) => ExitCode::from(GAVE_UP),
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::SUCCESS,
    })
}

/// Has it told who is there, or finds out what the group is called.
async fn of_peer(client: &Client, with: &Address) -> Members {
    match &with.peer {
        Peer::User(_) => {
            let (watching, watched) = (client.clone(), vec![with.to_string()]);
            tokio::spawn(async move {
                if let Err(error) = watching.watch(watched).await {
                    tracing::debug!(%error, "who is there is not known");
                }
            });
            Members::default()
        }
        Peer::Group(group) => {
            let group = GroupAddress { group: group.clone(), region: with.region.clone() };
            let title = client.group(group).await.ok().and_then(|item| item.title);
            Members::called(title.map(|title| title.to_string()))
        }
    }
}

/// The first welcome; `None` where somebody leaves before it. Errors: there will be none.
async fn welcomed(
    client: &Client,
    events: &mut Events,
    args: &ChatArgs,
    mut screen: Option<&mut Screen>,
) -> anyhow::Result<Option<Connected>> {
    let talk = match args.who.user() {
        Some(user) => format!("{user} with {}", args.with),
        None => format!("with {}", args.with),
    };
    let mut troubles = Troubles::default();
    loop {
        if let Some(screen) = &mut screen {
            screen.draw_waiting(&talk)?;
        }
        let input = async {
            match &mut screen {
                Some(screen) => screen.input().await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = events.next() => event.context("the client is over before a gateway answered")?,
            input = input => match input {
                Input::Quit | Input::End => return Ok(None),
                Input::Line(_) | Input::Typed | Input::Cleared | Input::Redraw => continue,
            },
        };
        troubles.note(&event, client.clock_skew());
        match event {
            Event::Connected(connected) => {
                screen.into_iter().for_each(|screen| screen.show(&News::Link(None)));
                return Ok(Some(connected));
            }
            Event::Ended(why) => return Err(ended(client, why)),
            Event::Disconnected(lost) => {
                let why = lost.why.to_string();
                screen.iter_mut().for_each(|screen| screen.show(&News::Link(Some(&why))));
            }
            Event::Entry(_)
            | Event::Gap(_)
            | Event::CaughtUp(_)
            | Event::Refused { .. }
            | Event::Signal { .. }
            | Event::Presence { .. }
            | Event::Receipt(_)
            | Event::Marked { .. } => {}
        }
    }
}

/// The last messages, the latest first. Errors: nobody can say, also after a while; what this device has not seen comes all the same.
async fn past(client: Client, with: Address) -> Result<Vec<HistoryEntry>, AskError> {
    for _ in 0..PAST_TRIES {
        match client.history(with.clone(), None, PAST).await {
            Err(AskError::Refused { retry_after: Some(pause), .. }) => {
                tokio::time::sleep(Duration::from_millis(pause.0)).await;
            }
            answer => return answer.map(|page| page.entries),
        }
    }
    client.history(with, None, PAST).await.map(|page| page.entries)
}

fn ended(client: &Client, why: dunlin_client::Ended) -> anyhow::Error {
    anyhow::Error::new(why).context(format!("talking{}", about_the_clock(client.clock_skew())))
}

impl Chat {
    async fn talk(
        &mut self,
        mut events: Events,
        past: impl Future<Output = Result<Vec<HistoryEntry>, AskError>>,
        timeout: Duration,
        mut shutdown: impl Future<Output = ()> + Unpin,
    ) -> anyhow::Result<()> {
        let mut closing: Option<Instant> = None;
        tokio::pin!(past);
        let mut is_past_due = true;
        while closing.is_none() || !self.sends.is_empty() {
            self.face.draw(&self.conversation, &self.members)?;
            self.mark_read().await;
            let stops_typing = self.stops_typing();
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { break };
                    self.happened(event).await?;
                    for _ in 0..AT_ONCE {
                        let Some(Some(event)) = events.next().now_or_never() else { break };
                        self.happened(event).await?;
                    }
                }
                input = self.face.input(), if self.face.listens(closing.is_some(), self.sends.len()) => {
                    match self.took(input).await? {
                        Next::GoOn => {}
                        Next::Close => {
                            closing.get_or_insert(Instant::now() + timeout);
                            self.face.show(&self.conversation, &News::Closing)?;
                        }
                        Next::Leave => break,
                    }
                }
                Some(sent) = self.sends.join_next() => {
                    let (key, outcome) = sent.context("sending")?;
                    self.settled(key, outcome)?;
                }
                page = &mut past, if is_past_due => {
                    is_past_due = false;
                    self.past(page)?;
                }
                () = at(stops_typing) => self.show_typing()?,
                () = at(closing) => break,
                () = &mut shutdown => break,
            }
        }
        // Half a line may be left.
        self.tell_stopped().await;
        Ok(())
    }

    async fn took(&mut self, input: Input) -> anyhow::Result<Next> {
        match input {
            Input::Line(line) => match words::said(&line, &self.conversation) {
                Said::Send(content) => self.send(line, content).await?,
                Said::Notice(words) => self.face.show(&self.conversation, &News::Notice(&words))?,
                Said::Untaken(words) => {
                    self.refused = true;
                    self.face.show(&self.conversation, &News::Notice(&words))?;
                }
                Said::Quit => return Ok(Next::Close),
                Said::Nothing => {}
            },
            Input::Typed => self.tell_typing().await,
            Input::Cleared => self.tell_stopped().await,
            Input::Redraw => {}
            Input::End => return Ok(Next::Close),
            Input::Quit => return Ok(Next::Leave),
        }
        Ok(Next::GoOn)
    }

    fn past(&mut self, page: Result<Vec<HistoryEntry>, AskError>) -> anyhow::Result<()> {
        match page {
            Ok(entries) => {
                let changes: Vec<_> = entries.iter().rev().flat_map(|entry| self.conversation.past(entry)).collect();
                self.face.show(&self.conversation, &News::Changes(&changes))
            }
            Err(error) => {
                let words = format!("what was said before is not known now: {error}");
                self.face.show(&self.conversation, &News::Notice(&words))
            }
        }
    }

    async fn happened(&mut self, event: Event) -> anyhow::Result<()> {
        let changes = self.conversation.event(now(), &event);
        self.face.show(&self.conversation, &News::Changes(&changes))?;
        self.show_typing()?;
        self.show_members(&event)?;
        match &event {
            Event::Ended(why) => return Err(ended(&self.client, why.clone())),
            Event::Connected(_) => self.show_link(None)?,
            Event::Disconnected(lost) => self.show_link(Some(lost.why.to_string()))?,
            Event::Refused { message, .. } => self.face.show(&self.conversation, &News::Notice(message))?,
            Event::Entry(_)
            | Event::Gap(_)
            | Event::CaughtUp(_)
            | Event::Signal { .. }
            | Event::Presence { .. }
            | Event::Receipt(_)
            | Event::Marked { .. } => {}
        }
        event.done().await.context("keeping the cursor")
    }

    /// Says what becomes of the group.
    fn show_members(&mut self, event: &Event) -> anyhow::Result<()> {
        let Event::Entry(entry) = event else { return Ok(()) };
        if entry.log == LogName::Mailbox || entry.to != *self.conversation.peer() {
            return Ok(());
        }
        match self.members.take(entry) {
            Some(words) => self.face.show(&self.conversation, &News::Members(words)),
            None => Ok(()),
        }
    }

    /// Says once how the connection is.
    fn show_link(&mut self, trouble: Option<String>) -> anyhow::Result<()> {
        if self.trouble != trouble {
            self.trouble = trouble;
            self.face.show(&self.conversation, &News::Link(self.trouble.as_deref()))?;
        }
        Ok(())
    }

    async fn send(&mut self, line: String, content: Content) -> anyhow::Result<()> {
        let sending = match self.client.try_submit(&self.to, content.clone()).await {
            Ok(sending) => sending,
            Err(SendError::Ended(why)) => return Err(ended(&self.client, why)),
            Err(error) => {
                self.refused = true;
                self.face.show(&self.conversation, &News::Untaken(&line))?;
                let words = format!("not sent: {error}");
                return self.face.show(&self.conversation, &News::Notice(&words));
            }
        };
        let key = self.conversation.sending(now(), content, sending.id());
        self.unsent.insert(key, line);
        self.told_typing = Millis(0);
        self.sends.spawn(async move { (key, sending.await) });
        self.face.show(&self.conversation, &News::Changes(&[Change::Message(key)]))
    }

    fn settled(&mut self, key: Key, outcome: Result<Accepted, SendError>) -> anyhow::Result<()> {
        let changes = self.conversation.settled(key, &outcome);
        self.face.show(&self.conversation, &News::Changes(&changes))?;
        match outcome {
            Ok(_) => drop(self.unsent.remove(&key)),
            Err(error) => {
                // Of these alone nobody knows whether they are stored.
                let is_unknown = match &error {
                    SendError::Rejected { code, .. } => code.known() == Some(&Code::TooOld),
                    SendError::Ended(_) => true,
                    SendError::Address(_) | SendError::Content(_) | SendError::TooLarge(_) | SendError::Full => false,
                };
                if !is_unknown {
                    self.unsent.remove(&key);
                    self.refused = true;
                }
                self.face.show(&self.conversation, &News::Notice(&format!("not sent: {error}")))?;
            }
        }
        Ok(())
    }

    /// What is shown is read: nothing that came while somebody looks at what was before.
    async fn mark_read(&mut self) {
        if !self.face.is_at_the_end() {
            return;
        }
        if let Some(upto) = self.conversation.mark_read() {
            // An error means that the client is over, which its events say.
            let _ = self.client.read(&self.to, upto).await;
        }
    }

    async fn tell_typing(&mut self) {
        let now = now();
        if now.since(self.told_typing) >= TYPING_EVERY {
            self.told_typing = now;
            // An error means that the client is over, which its events say.
            let _ = self.client.signal(&self.to, TYPING).await;
        }
    }

    async fn tell_stopped(&mut self) {
        let told = std::mem::replace(&mut self.told_typing, Millis(0));
        if now().since(told) < TYPING_FOR {
            // As above.
            let _ = self.client.signal(&self.to, TYPING_STOPPED).await;
        }
    }

    fn show_typing(&mut self) -> anyhow::Result<()> {
        let typing: Vec<String> = self.conversation.typing(now()).map(ToString::to_string).collect();
        let before = std::mem::replace(&mut self.typing, typing);
        if before != self.typing {
            self.face.show(&self.conversation, &News::Typing { before: &before, now: &self.typing })?;
        }
        Ok(())
    }

    /// When it has to be shown that somebody no longer types.
    fn stops_typing(&self) -> Option<Instant> {
        let now = now();
        let until = self.conversation.typing_until(now);
        // Of those who are shown, some may have stopped by now.
        let is_late = self.conversation.typing(now).count() < self.typing.len();
        let wait = if is_late { Millis(0) } else { until?.since(now) };
        Some(Instant::now() + Duration::from_millis(wait.0))
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
