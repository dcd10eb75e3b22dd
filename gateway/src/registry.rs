//! Who of a region is connected here: each user's devices, by shard.

use std::{collections::HashMap, sync::Arc};

use dunlin_schema::{Shard, UserName, limits};
use parking_lot::Mutex;

use crate::{connection::Connection, timer::Order};

/// The devices of each user.
type Users = HashMap<UserName, Vec<Arc<Connection>>>;

/// Everyone of a region who is connected here.
pub(crate) struct Registry {
    shards: Box<[Mutex<Users>]>,
}

/// The user has as many devices connected as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this user has {max} devices connected, which is as many as are allowed", max = limits::DEVICES)]
pub(crate) struct TooMany;

impl Registry {
    pub(crate) fn new(shards: u16) -> Registry {
        Registry { shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    fn users(&self, shard: Shard) -> &Mutex<Users> {
        &self.shards[usize::from(shard.0)]
    }

    /// Adds a device, until [`Registry::leave`]. The same device's older connection is told to end. Errors: the user has too
    /// many; then nothing was added.
    pub(crate) fn join(&self, connection: &Arc<Connection>) -> Result<(), TooMany> {
        let mut users = self.users(connection.shard()).lock();
        let devices = users.entry(connection.user().clone()).or_insert_with(|| Vec::with_capacity(1));
        match devices.iter().position(|other| other.device() == connection.device()) {
            Some(older) => {
                devices[older].alarm().tell(Order::Replaced);
                devices[older] = connection.clone();
            }
            None if devices.len() >= limits::DEVICES => return Err(TooMany),
            None => devices.push(connection.clone()),
        }
        if devices.len() > 1 {
            devices.iter().for_each(|device| device.has_siblings());
        }
        Ok(())
    }

    /// Takes a device out, unless a newer connection of it has taken the place.
    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        let mut users = self.users(connection.shard()).lock();
        let Some(devices) = users.get_mut(connection.user()) else { return };
        devices.retain(|other| !Arc::ptr_eq(other, connection));
        if devices.is_empty() {
            users.remove(connection.user());
        }
    }

    /// The connections of a shard whose interest is in place, a user's next to each other.
    pub(crate) fn subscribed(&self, shard: Shard) -> Vec<Arc<Connection>> {
        let users = self.users(shard).lock();
        users.values().flatten().filter(|connection| connection.is_subscribed()).cloned().collect()
    }
}
