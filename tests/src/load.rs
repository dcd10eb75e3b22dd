//! Users who send and receive whatever happens around them: the load under which things are killed.

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
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    device::{Device, message, new_id},
    history::{Accepted, Application},
};

/// How long a user listens before it looks whether all is done.
const QUIET: Duration = Duration::from_millis(200);

/// The users of a load, each with one device that reconnects, keeps its cursor, and repeats with the same id what has no answer.
pub struct Load {
    users: JoinSet<(String, Application)>,
    shared: Arc<Shared>,
}

struct Shared {
    names: Vec<String>,
    tokens: Vec<String>,
    pace: Duration,
    gateways: Mutex<Vec<SocketAddr>>,
    accepted: Mutex<Accepted>,
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

    /// Lets the users finish: no new messages, and every accepted one must arrive. Gives how many were accepted, and the gaps that were
    /// told.
    pub async fn finish(mut self, patience: Duration) -> (usize, Vec<Value>) {
        self.shared.stop_sending.store(true, Ordering::Relaxed);
        let mut gaps = vec![];
        let all = async {
            while let Some(user) = self.users.join_next().await {
                gaps.extend(user.expect("a user sees each message once and in order").1.gaps);
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            let unanswered = self.shared.unanswered.lock().clone();
            panic!(
                "{} of the users did not get all that was accepted within {patience:?}; unanswered sends: {unanswered:?}",
                self.users.len()
            );
        }
        (self.shared.accepted.lock().count(), gaps)
    }
}

struct User {
    number: usize,
    shared: Arc<Shared>,
    random: StdRng,
    application: Application,
    unanswered: BTreeMap<String, (String, String)>,
    sends_again: Instant,
}

impl User {
    fn new(number: usize, shared: Arc<Shared>) -> User {
        let random = StdRng::seed_from_u64(number as u64);
        let (application, unanswered) = Default::default();
        User { number, shared, random, application, unanswered, sends_again: Instant::now() }
    }

    fn name(&self) -> &str {
        &self.shared.names[self.number]
    }

    async fn live(mut self) -> (String, Application) {
        while !self.is_done() {
            let gateways = self.shared.gateways.lock().clone();
            let gateway = gateways[self.random.random_range(0..gateways.len())];
            match connect(gateway, &self.shared.tokens[self.number], self.application.cursor.as_deref()).await {
                Some(device) => self.converse(device).await,
                None => tokio::time::sleep(Duration::from_millis(self.random.random_range(20..200))).await,
            }
        }
        (self.name().to_owned(), self.application)
    }

    fn is_done(&self) -> bool {
        let all_stopped = self.shared.stop_sending.load(Ordering::Relaxed)
            && self.unanswered.is_empty()
            && self.shared.unanswered.lock().values().all(|count| *count == 0);
        all_stopped && self.shared.accepted.lock().missing(self.name(), &self.application).is_empty()
    }

    /// Sends and receives until the socket ends or all is done.
    async fn converse(&mut self, mut device: Device) {
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
        if let Some(id) = frame["accepted"]["id"].as_str()
            && let Some((to, _)) = self.unanswered.remove(id)
        {
            self.shared.accepted.lock().add(&to, id);
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

    fn tell_unanswered(&self) {
        self.shared.unanswered.lock().insert(self.name().to_owned(), self.unanswered.len());
    }
}

/// A device that has said hello, or `None` where the gateway does not serve now.
async fn connect(gateway: SocketAddr, token: &str, cursor: Option<&str>) -> Option<Device> {
    let hello = Device::try_hello(gateway, token, "phone", cursor);
    tokio::time::timeout(Duration::from_secs(5), hello).await.ok()?.ok()
}
