//! Asking: questions of an application, and what is answered.

use std::{collections::BTreeMap, time::Duration};

use dunlin_schema::{
    Address, DeviceName, Open,
    frame::{Answer, DeviceItem, Question},
    presence::Presence,
};
use tokio::sync::oneshot;

use crate::{client::Client, error::AskError, run::Command};

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
        match self.ask(Question::Devices {}).await? {
            Answer::Devices { items } => Ok(items),
            other @ (Answer::Done {} | Answer::Presence { .. }) => Err(AskError::unexpected(&other)),
        }
    }

    /// Removes a device of the user's, also this one: its connections end, and it begins anew if it comes back. Does no harm where there is
    /// no such device. Errors: see [`AskError`]; asking again does no harm.
    pub async fn remove_device(&self, device: DeviceName) -> Result<(), AskError> {
        match self.ask(Question::DeviceRemove { device }).await? {
            Answer::Done {} => Ok(()),
            other @ (Answer::Devices { .. } | Answer::Presence { .. }) => Err(AskError::unexpected(&other)),
        }
    }

    /// Has everything of the user erased, for good; `confirm` is the user's own name. It is done soon after, and the client ends with
    /// `device_removed`. Errors: see [`AskError`]; asking again does no harm.
    pub async fn erase(&self, confirm: &str) -> Result<(), AskError> {
        match self.ask(Question::Erase { confirm: confirm.to_owned() }).await? {
            Answer::Done {} => Ok(()),
            other @ (Answer::Devices { .. } | Answer::Presence { .. }) => Err(AskError::unexpected(&other)),
        }
    }

    /// Whether people are connected, and when those who are not last were: each under the address that is asked for, of which there may
    /// be 200. Errors: see [`AskError`].
    pub async fn presence(&self, users: Vec<String>) -> Result<BTreeMap<Open<Address>, Presence>, AskError> {
        match self.ask(Question::Presence { users }).await? {
            Answer::Presence { users } => Ok(users),
            other @ (Answer::Done {} | Answer::Devices { .. }) => Err(AskError::unexpected(&other)),
        }
    }

    /// Has [`crate::Event::Presence`] say how these people are, once at first and then whenever that changes: 200 of them at most, instead
    /// of those before, and nobody where there are none. It is set again over each new connection. Errors: see [`AskError`]; then those
    /// before are watched.
    pub async fn watch(&self, users: Vec<String>) -> Result<(), AskError> {
        match self.ask(Question::Watch { users }).await? {
            Answer::Done {} => Ok(()),
            other @ (Answer::Devices { .. } | Answer::Presence { .. }) => Err(AskError::unexpected(&other)),
        }
    }

    fn over(&self) -> AskError {
        AskError::Ended(self.why_ended())
    }
}
