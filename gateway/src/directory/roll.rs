//! Which of a user's devices are connected, here and at other gateways; and the end of those that their user removed.
//!
//! A roll call goes to every gateway that holds devices of the user, and nobody knows how many these are: what is answered within a short
//! while counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use dunlin_nats::{FanIn, FanInError, PublishError};
use dunlin_schema::{
    DeviceName, LogName, Millis, Peer, limits,
    live::{DeviceNews, Present, Removed, RollCall, UserMessage},
};
use parking_lot::Mutex;

use super::{Directory, Followers};
use crate::{connection::Connection, timer::Order};

/// Devices that the answers to one call may name: twice as many as can be connected, for those that move.
const NAMED: usize = 2 * limits::DEVICES;

/// What is asked about a user's devices from here, and was told of them. Seldom there is any, and then it holds nothing.
pub(super) type Roll = Mutex<Option<Box<Asked>>>;

#[derive(Default)]
pub(super) struct Asked {
    /// The calls that are under way, and what was answered to each.
    calls: BTreeMap<u64, BTreeSet<DeviceName>>,
    /// Devices of the user that were removed from here.
    removals: Vec<Removed>,
}

/// Why other gateways can't be asked, or told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unheard {
    /// There is no connection to NATS just now.
    #[error("no connection to NATS")]
    Disconnected,
    /// Answers would not come here.
    #[error(transparent)]
    Interest(#[from] FanInError),
    /// Nothing can be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// A call that is under way, until it is dropped.
struct Call {
    followers: Arc<Followers>,
    number: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut roll = self.followers.roll.lock();
        if let Some(asked) = &mut *roll {
            asked.calls.remove(&self.number);
            if asked.calls.is_empty() && asked.removals.is_empty() {
                *roll = None;
            }
        }
    }
}

impl Call {
    fn begin(followers: &Arc<Followers>) -> Call {
        let number = rand::random();
        followers.roll.lock().get_or_insert_default().calls.insert(number, BTreeSet::new());
        Call { followers: followers.clone(), number }
    }

    fn answers(&self) -> BTreeSet<DeviceName> {
        let roll = self.followers.roll.lock();
        roll.as_ref().and_then(|asked| asked.calls.get(&self.number)).cloned().unwrap_or_default()
    }
}

impl Directory {
    /// The devices of a connection's user that are connected, here and as other gateways say within [`limits::ROLL_CALL`]. Errors: see
    /// [`Unheard`].
    pub(crate) async fn connected(
        &self,
        fan_in: &FanIn,
        connection: &Connection,
    ) -> Result<BTreeSet<DeviceName>, Unheard> {
        if !fan_in.is_connected() {
            return Err(Unheard::Disconnected);
        }
        // Only a connection that was replaced in the meantime is not there, and it is told to end.
        let mailbox = self.place(connection, &LogName::Mailbox);
        let Some(followed) = self.found(&mailbox) else { return Ok(BTreeSet::new()) };
        followed.joined(fan_in, mailbox.owner).await?;
        let call = Call::begin(&followed.followers);
        let question = DeviceNews::RollCall(RollCall { call: call.number });
        fan_in.tell_others(&Peer::User(connection.user().clone()), &UserMessage::Devices(question)).await?;
        tokio::time::sleep(Duration::from_millis(limits::ROLL_CALL.0)).await;
        let mut devices = call.answers();
        devices.extend(followed.followers.here());
        Ok(devices)
    }

    /// Ends the connections of a device of a connection's user, here and at other gateways. Errors: the others were not told.
    pub(crate) async fn end(&self, fan_in: &FanIn, asker: &Connection, removed: Removed) -> Result<(), Unheard> {
        if !fan_in.is_connected() {
            return Err(Unheard::Disconnected);
        }
        if let Some(followed) = self.found(&self.place(asker, &LogName::Mailbox)) {
            followed.followers.remember(removed.clone());
            followed.followers.end(&removed);
        }
        fan_in
            .tell_others(&Peer::User(asker.user().clone()), &UserMessage::Devices(DeviceNews::Removed(removed)))
            .await?;
        Ok(())
    }
}

impl Followers {
    fn here(&self) -> Vec<DeviceName> {
        self.list.lock().iter().map(|device| device.connection.device().clone()).collect()
    }

    /// Answers a call of another gateway.
    pub(super) fn answer(&self, RollCall { call }: RollCall) {
        if self.roll.lock().as_ref().is_some_and(|asked| asked.calls.contains_key(&call)) {
            return;
        }
        self.tell(DeviceNews::Present(Present { call, devices: self.here() }));
    }

    /// Counts an answer, where it is to a call from here.
    pub(super) fn count(&self, Present { call, devices }: Present) {
        if let Some(answers) = self.roll.lock().as_mut().and_then(|asked| asked.calls.get_mut(&call)) {
            let room = NAMED.saturating_sub(answers.len());
            answers.extend(devices.into_iter().take(room));
        }
    }

    /// A removal was told from here. Of many the newest are remembered.
    fn remember(&self, removed: Removed) {
        let mut roll = self.roll.lock();
        let removals = &mut roll.get_or_insert_default().removals;
        if removals.len() == limits::DEVICES {
            removals.remove(0);
        }
        removals.push(removed);
    }

    /// The removal that was told from here when a device was connecting, and may not have reached its gateway.
    pub(super) fn removal_of(&self, device: &DeviceName, opened: Millis) -> Option<Removed> {
        let roll = self.roll.lock();
        let removals = &roll.as_ref()?.removals;
        removals.iter().rev().find(|removed| removed.device == *device && opened <= removed.at).cloned()
    }

    /// The user removed a device.
    pub(super) fn end(&self, Removed { device, at }: &Removed) {
        let devices = self.list.lock();
        let connections = devices.iter().map(|device| &device.connection);
        connections
            .filter(|connection| connection.device() == device && connection.opened().wall <= *at)
            .for_each(|connection| connection.alarm().tell(Order::Revoked));
    }
}

#[cfg(test)]
mod tests;
