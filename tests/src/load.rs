//! Users who send, receive, acknowledge and read whatever happens around them: the load under which things are killed.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    device::{Device, message, new_id},
    history::{
        Accepted, Application,
        marks::{Said, Told},
    },
    left::{Left, User as WhoLeft},
};

/// How long a user listens before it looks whether all is done.
const QUIET: Duration = Duration::from_millis(200);
/// When what the user has read is said again: its answer, or the gateway, may be gone.
const READS_AGAIN: Duration = Duration::from_secs(2);

/// The users of a load, each with one device that reconnects, keeps its cursor, and repeats what has no answer.
pub struct Load {
    users: JoinSet<WhoLeft>,
    shared: Arc<Shared>,
}

struct Shared {
    names: Vec<String>,
    tokens: Vec<String>,
    pace: Duration,
    gateways: Mutex<Vec<SocketAddr>>,
    accepted: Mutex<Accepted>,
    said: Mutex<Said>,
    stop_sending: AtomicBool,
    unanswered: Mutex<BTreeMap<String, usize>>,
}

impl Load {
    /// Starts this many users, who send to each other without a pause.
    pub fn start(count: usize, token: impl Fn(&str) -> String, gateways: Vec<SocketAddr>) -> Load {
        Load::paced(count, Duration::ZERO, token, gateways)
    }

    /// The same, each user sending at most once in `pace`: mailboxes then keep what was sent during a long fault.
    pub fn paced(count: usize, pace: Duration, token: impl Fn(&str) -> String, gateways: Vec<SocketAddr>) -> Load {
        let names: Vec<String> = (0..count).map(|user| format!("user-{user}")).collect();
        let shared = Arc::new(Shared {
            tokens: names.iter().map(|name| token(name)).collect(),
            names,
            pace,
            gateways: Mutex::new(gateways),
            accepted: Mutex::default(),
            said: Mutex::default(),
            stop_sending: AtomicBool::new(false),
            unanswered: Mutex::default(),
        });
        let mut users = JoinSet::new();
        for user in 0..count {
            users.spawn(User::new(user, shared.clone()).live());
        }
        Load { users, shared }
    }

    /// Tells the users where the gateways are now.
    pub fn move_to(&self, gateways: Vec<SocketAddr>) {
        *self.shared.gateways.lock() = gateways;
    }

    /// How many messages were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.lock().count()
    }

    /// Lets the users finish: no new messages, and every accepted one must arrive. Gives what they leave.
    pub async fn finish(mut self, patience: Duration) -> Left {
        self.shared.stop_sending.store(true, Ordering::Relaxed);
        let mut users = vec![];
        let all = async {
            while let Some(user) = self.users.join_next().await {
                users.push(user.expect("a user sees each message once and in order, and no mark that is none"));
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            let unanswered = self.shared.unanswered.lock().clone();
            panic!(
                "{} of the users did not get all that was accepted within {patience:?}; unanswered sends: {unanswered:?}",
                self.users.len()
            );
        }
        let said = std::mem::take(&mut *self.shared.said.lock());
        Left { accepted: self.accepted(), users, said }
    }
}

struct User {
    number: usize,
    shared: Arc<Shared>,
    random: StdRng,
    application: Application,
    told: Told,
    unanswered: BTreeMap<String, (String, String)>,
    sends_again: Instant,
    /// Up to where the user has read what somebody sent, while that is not known to be stored.
    reading: BTreeMap<String, u64>,
    reads_again: Instant,
}

impl User {
    fn new(number: usize, shared: Arc<Shared>) -> User {
        let random = StdRng::seed_from_u64(number as u64);
        let (application, unanswered, reading) = Default::default();
        let (told, now) = (Told::new(&shared.names[number]), Instant::now());
        User { number, shared, random, application, told, unanswered, sends_again: now, reading, reads_again: now }
    }

    fn name(&self) -> &str {
        &self.shared.names[self.number]
    }

    async fn live(mut self) -> WhoLeft {
        while !self.is_done() {
            // A cursor says what the device has, as an acknowledgement does.
            self.told.acknowledges(&mut self.shared.said.lock(), self.application.last_seq().unwrap_or_default());
            let gateways = self.shared.gateways.lock().clone();
            let gateway = gateways[self.random.random_range(0..gateways.len())];
            match connect(gateway, &self.shared.tokens[self.number], self.application.cursor.as_deref()).await {
                Some(device) => self.converse(device).await,
                None => tokio::time::sleep(Duration::from_millis(self.random.random_range(20..200))).await,
            }
        }
        WhoLeft { name: self.name().to_owned(), application: self.application, told: self.told }
    }

    fn is_done(&self) -> bool {
        let all_stopped = self.shared.stop_sending.load(Ordering::Relaxed)
            && self.unanswered.is_empty()
            && self.reading.is_empty()
            && self.shared.unanswered.lock().values().all(|count| *count == 0);
        all_stopped && self.shared.accepted.lock().missing(self.name(), &self.application).is_empty()
    }

    /// Sends and receives until the socket ends or all is done.
    async fn converse(&mut self, mut device: Device) {
        self.reads_again = Instant::now();
        for (id, (to, text)) in &self.unanswered {
            if !device.try_say(message(id, to, text)).await {
                return;
            }
        }
        while !self.is_done() {
            if self.unanswered.len() < 4
                && self.sends_again <= Instant::now()
                && !self.shared.stop_sending.load(Ordering::Relaxed)
                && !self.send(&mut device).await
            {
                return;
            }
            if !self.reading.is_empty() && self.reads_again <= Instant::now() && !self.read(&mut device).await {
                return;
            }
            let patience = if self.shared.pace.is_zero() { QUIET } else { self.shared.pace.min(QUIET) };
            let Some(frame) = device.next_within(patience).await else { continue };
            let Ok(frame) = frame else { return };
            if !self.take(&frame, &mut device).await {
                return;
            }
        }
    }

    async fn send(&mut self, device: &mut Device) -> bool {
        let to = self.shared.names[self.random.random_range(0..self.shared.names.len())].clone();
        let (id, text) = (new_id(), format!("from {}", self.name()));
        let frame = message(&id, &to, &text);
        self.unanswered.insert(id, (to, text));
        self.tell_unanswered();
        self.sends_again = Instant::now() + self.shared.pace;
        device.try_say(frame).await
    }

    async fn take(&mut self, frame: &Value, device: &mut Device) -> bool {
        self.application.take(frame);
        if !self.take_marks(frame, device).await {
            return false;
        }
        if let Some(id) = frame["accepted"]["id"].as_str()
            && let Some((to, _)) = self.unanswered.remove(id)
        {
            self.shared.accepted.lock().add(&to, id);
            let order = frame["accepted"]["order"].as_u64().expect("an order");
            self.shared.said.lock().accepted(self.name(), &to, order);
            self.tell_unanswered();
        }
        if let Some(id) = frame["rejected"]["id"].as_str()
            && let Some((to, text)) = self.unanswered.get(id)
        {
            assert!(frame["rejected"]["retry_after"].is_u64(), "refused for good: {frame}");
            return device.try_say(message(id, to, text)).await;
        }
        true
    }

    /// Holds what the device is told of marks against what was said, and now and then acknowledges or reads what it is given.
    async fn take_marks(&mut self, frame: &Value, device: &mut Device) -> bool {
        if frame["gap"].is_object() {
            self.told.began_anew(&mut self.shared.said.lock());
        }
        let told = self.told.told(&self.shared.said.lock(), frame);
        told.unwrap_or_else(|broken| panic!("{} is told {frame}: {broken:?}", self.name()));
        if let Some(with) = frame["marked"]["with"].as_str() {
            let stored = self.told.marked(with);
            self.reading.retain(|waits, upto| waits != with || stored < Some(*upto));
        }
        let Some((from, order)) = frame.get("entry").and_then(|entry| self.told.given(entry)) else { return true };
        if self.random.random_range(0..16) == 0 {
            self.told.reads(&mut self.shared.said.lock(), &from, order);
            self.reading.insert(from, order);
            self.reads_again = Instant::now();
        }
        self.random.random_range(0..8) > 0 || self.acknowledge(device).await
    }

    /// Acknowledges what the device was given, or less: what was acknowledged before, too.
    async fn acknowledge(&mut self, device: &mut Device) -> bool {
        let less = if self.random.random() { 0 } else { self.random.random_range(0..20) };
        let upto = self.application.last_seq().unwrap_or_default().saturating_sub(less);
        self.told.acknowledges(&mut self.shared.said.lock(), upto);
        device.try_say(json!({ "ack": { "log": "mailbox", "delivered": upto } })).await
    }

    /// Says what the user has read and nobody has stored yet.
    async fn read(&mut self, device: &mut Device) -> bool {
        self.reads_again = Instant::now() + READS_AGAIN;
        for (with, upto) in &self.reading {
            if !device.try_say(json!({ "read": { "with": with, "upto": upto } })).await {
                return false;
            }
        }
        true
    }

    fn tell_unanswered(&self) {
        self.shared.unanswered.lock().insert(self.name().to_owned(), self.unanswered.len());
    }
}

/// A device that has said hello, or `None` where the gateway does not serve now.
async fn connect(gateway: SocketAddr, token: &str, cursor: Option<&str>) -> Option<Device> {
    let hello = Device::try_hello(gateway, token, "phone", cursor);
    tokio::time::timeout(Duration::from_secs(5), hello).await.ok()?.ok()
}
