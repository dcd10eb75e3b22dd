//! Asking: questions of an application, and what is answered.

use std::{collections::BTreeMap, time::Duration};

use dunlin_schema::{
    Address, DeviceName, Open, Seq,
    frame::{Answer, ConversationItem, DeviceItem, HistoryEntry, Question},
    presence::Presence,
};
use tokio::sync::oneshot;

use crate::{client::Client, error::AskError, run::Command};

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

impl Client {
    /// Asks, and waits for the answer: for [`crate::ClientOptions::ask_within`] at most, also for a connection where there is none. A
    /// question is asked once: where the connection is lost before its answer came, nobody knows whether it was heard, and asking again is
    /// the application's to decide.
    /// Errors: see [`AskError`].
    pub async fn ask(&self, what: Question) -> Result<Answer, AskError> {
        self.ask_within(what, self.ask_within).await
    }

    async fn ask_within(&self, what: Question, within: Duration) -> Result<Answer, AskError> {
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

    /// The user's devices. Errors: see [`AskError`].
    pub async fn devices(&self) -> Result<Vec<DeviceItem>, AskError> {
        let answer = self.ask(Question::Devices {}).await?;
        let Answer::Devices { items } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(items)
    }

    /// Removes a device of the user's, also this one: its connections end, and it begins anew if it comes back. Does no harm where there is
    /// no such device. Errors: see [`AskError`]; asking again does no harm.
    pub async fn remove_device(&self, device: DeviceName) -> Result<(), AskError> {
        let answer = self.ask(Question::DeviceRemove { device }).await?;
        let Answer::Done {} = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(())
    }

    /// Has everything of the user erased, for good; `confirm` is the user's own name. It is done soon after, and the client ends with
    /// `device_removed`. Errors: see [`AskError`]; asking again does no harm.
    pub async fn erase(&self, confirm: &str) -> Result<(), AskError> {
        let answer = self.ask(Question::Erase { confirm: confirm.to_owned() }).await?;
        let Answer::Done {} = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(())
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

    /// Has [`crate::Event::Presence`] say how these people are, once at first and then whenever that changes: 200 of them at most, instead
    /// of those before, and nobody where there are none. It is set again over each new connection. Errors: see [`AskError`]; then those
    /// before are watched.
    pub async fn watch(&self, users: Vec<String>) -> Result<(), AskError> {
        let answer = self.ask(Question::Watch { users }).await?;
        let Answer::Done {} = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(())
    }

    fn over(&self) -> AskError {
        AskError::Ended(self.why_ended())
    }
}
