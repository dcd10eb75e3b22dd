//! A user's devices at all gateways: a device that joins is told to the others that hold devices of its user. The older connection of the
//! same device ends, and so does the newcomer where it is one too many.
//!
//! Nobody waits for an answer: a device is let in at once and ends afterwards, so that no gateway that is cut off refuses anybody. One that
//! may have missed something tells of all its devices once more.

use std::sync::Arc;

use dunlin_nats::FanIn;
use dunlin_schema::{
    LogName, Millis, Peer, Shard, UserName, limits,
    live::{ConnectionId, DeviceNews, Joined, Met, UserMessage},
    presence::GatewayRun,
};
use tokio::sync::mpsc;

use super::{Directory, Follower, Followers, TooMany};
use crate::{
    clock::Uptime,
    connection::Connection,
    metrics::Metrics,
    services::{BEAT_EVERY, Pulse},
    timer::Order,
};

/// News that wait to be published; further ones are counted and let go.
const WAITING: usize = 4_096;
/// A connection that has been here for so long was here before whoever joins now, even where the other gateway's clock is behind.
const SETTLED: Millis = Millis(2_000);

/// Tells the other gateways.
#[derive(Clone)]
pub(super) struct Teller {
    /// This run of the gateway.
    nonce: u64,
    news: mpsc::Sender<(UserName, DeviceNews)>,
    metrics: Arc<Metrics>,
}

/// What is to be told the other gateways.
pub(crate) struct News(mpsc::Receiver<(UserName, DeviceNews)>);

pub(super) fn channel(metrics: &Arc<Metrics>) -> (Teller, News) {
    let (news, told) = mpsc::channel(WAITING);
    (Teller { nonce: rand::random(), news, metrics: metrics.clone() }, News(told))
}

impl Teller {
    /// This run of the gateway.
    pub(super) fn run(&self) -> GatewayRun {
        GatewayRun(self.nonce)
    }

    fn id(&self, connection: &Connection) -> ConnectionId {
        ConnectionId { time: connection.opened().wall, nonce: self.nonce }
    }

    fn joined(&self, connection: &Connection) -> Joined {
        Joined { device: connection.device().clone(), connection: self.id(connection) }
    }

    /// Tells of a device that joined here.
    pub(super) fn announce(&self, connection: &Connection) {
        self.tell(connection.user(), DeviceNews::Joined(self.joined(connection)));
    }

    pub(super) fn tell(&self, user: &UserName, news: DeviceNews) {
        if self.news.try_send((user.clone(), news)).is_err() {
            self.metrics.devices_untold.inc();
        }
    }

    /// Whether a connection here was there before one that joins elsewhere.
    fn is_earlier(&self, connection: &Connection, joined: &Joined, now: Uptime) -> bool {
        let opened = connection.opened();
        let is_settled = opened.uptime.plus(SETTLED) <= now;
        let is_old_news = opened.wall.since(joined.connection.time) > limits::CLOCK_SKEW;
        self.id(connection) < joined.connection || is_settled && !is_old_news
    }
}

/// Adds a device to those of its user. The same device's older connection is told to end. Errors: there are too many.
pub(super) fn add(devices: &mut Vec<Follower>, newcomer: Follower) -> Result<(), TooMany> {
    let device = newcomer.connection.device();
    match devices.iter().position(|other| other.connection.device() == device) {
        Some(older) => {
            let older = std::mem::replace(&mut devices[older], newcomer);
            older.connection.alarm().tell(Order::Replaced);
        }
        None if devices.len() >= limits::DEVICES => return Err(TooMany),
        None => devices.push(newcomer),
    }
    if devices.len() > 1 {
        devices.iter().for_each(|device| device.connection.has_siblings());
    }
    Ok(())
}

impl Followers {
    /// Tells the other gateways, for as long as there is somebody here.
    pub(super) fn tell(&self, news: DeviceNews) {
        let user = self.list.lock().first().map(|device| device.connection.user().clone());
        if let Some(user) = user {
            self.teller.tell(&user, news);
        }
    }

    /// A device joined somewhere. Where that was not here, its older connection here ends, and it is told of what was here before.
    pub(super) fn meet(&self, joined: Joined, now: Uptime) {
        self.compare(joined, |teller, device, joined| teller.is_earlier(device, joined, now), |_, _| {});
    }

    /// A device is still connected somewhere. What joined here since may not know of it.
    pub(super) fn meet_again(&self, joined: Joined) {
        let is_earlier = |teller: &Teller, device: &Connection, joined: &Joined| teller.id(device) < joined.connection;
        let stays = joined.device.clone();
        self.compare(joined, is_earlier, |devices, later| {
            later.earlier().lock().insert(stays.clone());
            end_one_too_many(devices, later);
        });
    }

    /// Holds a connection elsewhere against those here.
    fn compare(
        &self,
        joined: Joined,
        is_earlier: impl Fn(&Teller, &Connection, &Joined) -> bool,
        tell_later: impl Fn(&[Follower], &Connection),
    ) {
        if joined.connection.nonce == self.teller.nonce {
            return;
        }
        if let Some(removed) = self.removal_of(&joined.device, joined.connection.time) {
            self.tell(DeviceNews::Removed(removed));
        }
        let devices = self.list.lock();
        let (mut earlier, mut replaced) = (Vec::new(), false);
        for device in devices.iter().map(|device| &device.connection) {
            match (is_earlier(&self.teller, device, &joined), *device.device() == joined.device) {
                (true, true) => device.alarm().tell(Order::Replaced),
                (false, true) => replaced = true,
                (true, false) => earlier.push(device.device().clone()),
                (false, false) => tell_later(&devices, device),
            }
        }
        drop(devices);
        if replaced || !earlier.is_empty() {
            self.tell(DeviceNews::Met(Met { joined, earlier, replaced }));
        }
    }

    /// Takes in an answer. Where it is to a device here, that one ends if it was replaced or is one too many.
    pub(super) fn take_in(&self, Met { joined, earlier, replaced }: Met) {
        let list = self.list.lock();
        let mut devices = list.iter().map(|device| &device.connection);
        let newcomer =
            devices.find(|device| *device.device() == joined.device && self.teller.id(device) == joined.connection);
        let Some(newcomer) = newcomer else { return };
        if replaced {
            newcomer.alarm().tell(Order::Replaced);
        }
        let others = earlier.into_iter().filter(|device| *device != joined.device).take(limits::DEVICES);
        newcomer.earlier().lock().extend(others);
        end_one_too_many(&list, newcomer);
    }
}

/// Ends a device here before which there were as many as are allowed, here and elsewhere.
fn end_one_too_many(list: &[Follower], newcomer: &Connection) {
    let order = |device: &Connection| (device.opened().uptime, device.device().clone());
    let elsewhere = newcomer.earlier().lock();
    let before = list.iter().map(|device| &device.connection).filter(|device| order(device) < order(newcomer));
    let here = before.filter(|device| !elsewhere.contains(device.device())).count();
    if elsewhere.len() + here >= limits::DEVICES {
        newcomer.alarm().tell(Order::TooMany);
    }
}

impl Directory {
    /// News of a device in this shard may have been missed, here or by the others.
    pub(crate) fn missed(&self, shard: Shard) {
        self.missed.lock().insert(shard);
        self.more_missed.notify_one();
    }

    /// Resolves when something may have been missed, and gives the devices here that it may concern. Cancel-safe.
    pub(crate) async fn concerned(&self) -> Vec<Arc<Connection>> {
        self.more_missed.notified().await;
        let shards = std::mem::take(&mut *self.missed.lock());
        shards.into_iter().flat_map(|shard| self.devices(shard)).collect()
    }

    /// What the other gateways are told again of a device.
    pub(crate) fn again(&self, device: &Connection) -> DeviceNews {
        DeviceNews::Stays(self.teller.joined(device))
    }

    /// The people of a shard who have a device here.
    pub(crate) fn people(&self, shard: Shard) -> Vec<UserName> {
        let logs = self.logs(shard).lock();
        let people = logs.keys().filter_map(|owner| match owner {
            Peer::User(user) => Some(user.clone()),
            Peer::Group(_) => None,
        });
        people.collect()
    }

    /// All devices here.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = Arc<Connection>> {
        self.shards().flat_map(|shard| self.devices(shard))
    }

    /// The devices here whose users' mailboxes are of a shard.
    pub(crate) fn devices(&self, shard: Shard) -> Vec<Arc<Connection>> {
        let logs = self.logs(shard).lock();
        let mailboxes = logs.values().filter(|followed| followed.followers.log == LogName::Mailbox);
        let mut devices = Vec::new();
        for followed in mailboxes {
            devices.extend(followed.followers.list.lock().iter().map(|device| device.connection.clone()));
        }
        devices
    }
}

impl News {
    /// Publishes them until the directory is gone.
    pub(crate) async fn run(mut self, fan_in: &FanIn, metrics: &Metrics, pulse: &Pulse) {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            tokio::select! {
                _ = beats.tick() => pulse.beat(),
                news = self.0.recv() => {
                    let Some((user, news)) = news else { return };
                    publish(fan_in, &user, news, metrics).await;
                    pulse.beat();
                }
            }
        }
    }
}

/// Tells the other gateways, where they can be told now.
pub(crate) async fn publish(fan_in: &FanIn, user: &UserName, news: DeviceNews, metrics: &Metrics) {
    if let Err(error) = fan_in.tell_others(&Peer::User(user.clone()), &UserMessage::Devices(news)).await {
        metrics.devices_untold.inc();
        tracing::debug!(%error, %user, "the other gateways are not told of a device");
    }
}

#[cfg(test)]
pub(super) mod tests;
