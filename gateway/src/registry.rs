//! Who is connected here: each user's devices, by shard, and every socket.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dunlin_schema::{Shard, UserName, limits};
use parking_lot::Mutex;

use crate::{
    connection::Connection,
    timer::{Alarm, Order},
};

/// The devices of each user.
type Users = HashMap<UserName, Vec<Arc<Connection>>>;

/// Everyone who is connected here.
pub(crate) struct Registry {
    shards: Box<[Mutex<Users>]>,
    sockets: Mutex<HashSet<Socket>>,
}

/// A socket, told from others by its alarm.
struct Socket(Arc<Alarm>);

impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Socket {}
impl std::hash::Hash for Socket {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// The user has as many devices connected as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this user has {max} devices connected, which is as many as are allowed", max = limits::DEVICES)]
pub(crate) struct TooMany;

impl Registry {
    pub(crate) fn new(shards: u16) -> Registry {
        Registry { shards: (0..shards).map(|_| Mutex::default()).collect(), sockets: Mutex::default() }
    }

    fn users(&self, shard: Shard) -> &Mutex<Users> {
        &self.shards[usize::from(shard.0)]
    }

    /// Adds a socket, until [`Registry::close`]. Gives how many there are now.
    pub(crate) fn open(&self, alarm: &Arc<Alarm>) -> usize {
        let mut sockets = self.sockets.lock();
        sockets.insert(Socket(alarm.clone()));
        sockets.len()
    }

    /// Takes a socket out.
    pub(crate) fn close(&self, alarm: &Arc<Alarm>) {
        self.sockets.lock().remove(&Socket(alarm.clone()));
    }

    /// How many sockets there are.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.lock().len()
    }

    /// Every socket's alarm.
    pub(crate) fn alarms(&self) -> Vec<Arc<Alarm>> {
        self.sockets.lock().iter().map(|socket| socket.0.clone()).collect()
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
