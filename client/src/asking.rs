//! Asking: questions of an application, and what is answered.

use std::{collections::BTreeMap, time::Duration};

use dunlin_schema::{
    Address, DeviceName, Millis, Open, Retry, Seq, Title,
    frame::{Answer, ConversationItem, DeviceItem, HistoryEntry, Question},
    presence::Presence,
    settings::Audience,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{client::Client, error::AskError, run::Command};

/// The pause before a question is repeated where the gateway names none.
const PAUSE: Duration = Duration::from_secs(1);

/// A page of conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversations {
    /// Each once, the one with the latest message first.
    pub items: Vec<ConversationItem>,
    /// What the next page is asked with; `None` where there is none.
    pub next: Option<Seq>,
}

/// A page of a conversation's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The messages as they are now, the latest first.
    pub entries: Vec<HistoryEntry>,
    /// What the next page is asked with; `None` where there is none.
    pub next: Option<Seq>,
}

/// When something that the user sent was stored, delivered and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipts {
    /// When it was accepted.
    pub stored: Millis,
    /// When it had come to a device of the recipient's, at the latest; `None` where nothing is known of that.
    pub delivered: Option<Millis>,
    /// When the recipient had read it, at the latest; `None` where nothing is known of that.
    pub read: Option<Millis>,
}

/// The user's settings, or changes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsOf<T> {
    /// Who may write to the user.
    pub who_may_write: T,
    /// Who sees whether the user is there, and when they were last.
    pub who_sees_presence: T,
}

impl Client {
    /// Asks, and waits for the answer: for [`crate::ClientOptions::ask_within`] at most, also for a connection where there is none. A
    /// question is asked once: where the connection is lost before its answer came, nobody knows whether it was heard, and asking again is
    /// the application's to decide.
    /// Errors: see [`AskError`].
    pub async fn ask(&self, what: Question) -> Result<Answer, AskError> {
        self.ask_for(what, self.ask_within).await
    }

    pub(crate) async fn ask_for(&self, what: Question, within: Duration) -> Result<Answer, AskError> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            let permit = self.asks.clone().acquire_owned().await.map_err(|_| self.over())?;
            let command = Command::Ask { what, within, reply, permit };
            self.commands.send(command).await.map_err(|_| self.over())
        };
        // The task keeps the time of what it was handed.
        tokio::time::timeout(within, asked).await.map_err(|_| AskError::TimedOut)??;
        answer.await.unwrap_or_else(|_| Err(self.over()))
    }

    /// Asks until there is an answer, or a refusal that asking again can't help: what may be done twice, or bears an id.
    pub(crate) async fn ask_until(&self, what: Question, until: Instant) -> Result<Answer, AskError> {
        let left = || until.saturating_duration_since(Instant::now());
        loop {
            match self.ask_for(what.clone(), left()).await {
                Err(AskError::Disconnected) => {}
                Err(AskError::Refused { code, message, retry_after }) => {
                    let pause = retry_after.map_or(PAUSE, |after| Duration::from_millis(after.0));
                    if code.retry(retry_after) != Retry::Later || pause >= left() {
                        return Err(AskError::Refused { code, message, retry_after });
                    }
                    sleep(pause).await;
                }
                answer => return answer,
            }
        }
    }

    /// The user's devices. Errors: see [`AskError`].
    pub async fn devices(&self) -> Result<Vec<DeviceItem>, AskError> {
        let answer = self.ask(Question::Devices {}).await?;
        let Answer::Devices { items } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(items)
    }

    /// Removes a device of the user's, also this one: its connections end, and it begins anew if it comes back. Does no harm where there is
    /// no such device. Errors: see [`AskError`]; asking again does no harm.
    pub async fn remove_device(&self, device: DeviceName) -> Result<(), AskError> {
        self.done(Question::DeviceRemove { device }).await
    }

    /// Calls a device of the user's something, also this one; nothing, where there is no title. Errors: see [`AskError`], with the code
    /// `not_found` where there is no such device; asking again does no harm.
    pub async fn name_device(&self, device: DeviceName, title: Option<Title>) -> Result<(), AskError> {
        self.done(Question::DeviceName { device, title }).await
    }

    /// Has everything of the user erased, for good; `confirm` is the user's own name. It is done soon after, and the client ends with
    /// `token_revoked`. Errors: see [`AskError`]; asking again does no harm.
    pub async fn erase(&self, confirm: &str) -> Result<(), AskError> {
        self.done(Question::Erase { confirm: confirm.to_owned() }).await
    }

    /// Whether people are connected, and when those who are not last were: each under the address that is asked for, of which there may
    /// be 200. Errors: see [`AskError`].
    pub async fn presence(&self, users: Vec<String>) -> Result<BTreeMap<Open<Address>, Presence>, AskError> {
        let answer = self.ask(Question::Presence { users }).await?;
        let Answer::Presence { users } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(users)
    }

    /// A page of the user's conversations, the one with the latest message first: from the first one on, or `after` what the page before
    /// says. One that gets a message between two pages is not on the second, where it would have been: that message comes as an entry. One
    /// whose last message is taken back between them may come again. Errors: see [`AskError`]; asking again does no harm.
    pub async fn conversations(&self, after: Option<Seq>, limit: u16) -> Result<Conversations, AskError> {
        let answer = self.ask(Question::Conversations { after, limit: limit.into() }).await?;
        let Answer::Conversations { items, next } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(Conversations { items, next })
    }

    /// A page of a conversation's messages as they are now, the latest first: from the latest one on, or `before` what the page before
    /// says. Errors: see [`AskError`]; asking again does no harm.
    pub async fn history(&self, with: Address, before: Option<Seq>, limit: u16) -> Result<History, AskError> {
        let answer = self.ask(Question::History { with, before, limit: limit.into() }).await?;
        let Answer::History { entries, next } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(History { entries, next })
    }

    /// When what the user sent to this address was stored, delivered and read; `order` is what [`crate::Accepted`] says. What is no longer
    /// stored, or was not sent, is refused with `not_found`. Errors: see [`AskError`]; asking again does no harm.
    pub async fn receipts(&self, to: Address, order: Seq) -> Result<Receipts, AskError> {
        let answer = self.ask(Question::Receipts { to, order }).await?;
        let Answer::Receipts { stored, delivered, read } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(Receipts { stored, delivered, read })
    }

    /// Blocks somebody: what they send is refused, and they see nothing of the user. Errors: see [`AskError`]; asking again does no harm.
    pub async fn block(&self, whom: &str) -> Result<(), AskError> {
        self.done(Question::Block { user: whom.parse()? }).await
    }

    /// Lets somebody write again. Errors: see [`AskError`]; asking again does no harm.
    pub async fn unblock(&self, whom: &str) -> Result<(), AskError> {
        self.done(Question::Unblock { user: whom.parse()? }).await
    }

    /// Whom the user has blocked. Errors: see [`AskError`].
    pub async fn blocks(&self) -> Result<Vec<Address>, AskError> {
        let answer = self.ask(Question::Blocks {}).await?;
        let Answer::Blocks { users } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(users)
    }

    /// Changes the user's settings: what is `None` stays as it is. Errors: see [`AskError`]; asking again does no harm.
    pub async fn set(&self, changes: SettingsOf<Option<Audience>>) -> Result<(), AskError> {
        let SettingsOf { who_may_write, who_sees_presence } = changes;
        self.done(Question::Set { who_may_write, who_sees_presence }).await
    }

    /// The user's settings. Errors: see [`AskError`].
    pub async fn settings(&self) -> Result<SettingsOf<Open<Audience>>, AskError> {
        let answer = self.ask(Question::Settings {}).await?;
        let Answer::Settings { who_may_write, who_sees_presence } = answer else {
            return Err(AskError::unexpected(&answer));
        };
        Ok(SettingsOf { who_may_write, who_sees_presence })
    }

    async fn done(&self, question: Question) -> Result<(), AskError> {
        let answer = self.ask(question).await?;
        let Answer::Done {} = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(())
    }

    /// Has [`crate::Event::Presence`] say how these people are, once at first and then whenever that changes: 200 of them at most, instead
    /// of those before, and nobody where there are none. It is set again over each new connection. Errors: see [`AskError`]; then those
    /// before are watched.
    pub async fn watch(&self, users: Vec<String>) -> Result<(), AskError> {
        self.done(Question::Watch { users }).await
    }

    fn over(&self) -> AskError {
        AskError::Ended(self.why_ended())
    }
}
