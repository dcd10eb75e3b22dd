//! The members of `#team`: each has a device that says things, reconnects, keeps its cursor, repeats what has no answer, and acknowledges
//! what it is given. What they were given is held against the group's log: each entry inside their windows once, in the log's order, and
//! nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dunlin_schema::{Entry, RegionName, Sender, Seq, Turn, Windows, entry::Body};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    device::{Device, message, new_id},
    wait::within,
};

const TEAM: &str = "#team";
/// How long a device listens before it looks what else there is to do.
const LISTENS: Duration = Duration::from_millis(50);

/// The same of one that has nothing to say.
const LISTENS_LONG: Duration = Duration::from_secs(1);

/// A device acknowledges one of so many entries, until it has all.
const ACKNOWLEDGES_EACH: u32 = 8;

/// How a member's device behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It stays, and says things.
    Talks,
    /// It stays, and takes a while over each frame.
    Slow,
    /// It comes and goes.
    ComesAndGoes,
    /// It stays, and says nothing.
    Listens,
}

/// The members, and what is known of them.
pub struct Team {
    members: JoinSet<Member>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    gateways: Mutex<Vec<SocketAddr>>,
    accepted: Mutex<BTreeSet<String>>,
    unanswered: Mutex<BTreeMap<String, usize>>,
    stop: AtomicBool,
    /// Up to where each is to have come at the end.
    goals: Mutex<Option<BTreeMap<String, u64>>>,
}

/// One of them, and what it was given: sequences and ids.
struct Member {
    name: String,
    token: String,
    manner: Manner,
    shared: Arc<Shared>,
    random: StdRng,
    cursor: Option<Value>,
    given: Vec<(u64, String)>,
    /// Up to where a gateway has taken what it acknowledged.
    acknowledged: u64,
    unanswered: BTreeMap<String, String>,
}

impl Team {
    /// Nobody yet, at these gateways.
    pub fn at(gateways: Vec<SocketAddr>) -> Team {
        let shared = Shared { gateways: Mutex::new(gateways), ..Shared::default() };
        Team { members: JoinSet::new(), shared: Arc::new(shared) }
    }

    /// Somebody's device begins.
    pub fn begin(&mut self, name: &str, token: String, manner: Manner) {
        let random = StdRng::seed_from_u64(name.bytes().map(u64::from).sum());
        let (name, shared) = (name.to_owned(), self.shared.clone());
        let (cursor, given, acknowledged, unanswered) = Default::default();
        let member = Member { name, token, manner, shared, random, cursor, given, acknowledged, unanswered };
        self.members.spawn(member.live());
    }

    /// How much of what they said was accepted.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.lock().len()
    }

    /// Lets them say no more, and holds what they were given against the log, which is read once all they said is answered.
    pub async fn finish(mut self, region: &RegionName, log: impl AsyncFnOnce() -> Vec<(u64, Entry)>) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // A debug build gives ten thousand members what they may read in minutes.
        let patience = Duration::from_secs(90) + Duration::from_millis(30) * self.members.len() as u32;
        within(patience, "what was said to be answered", async || {
            self.shared.unanswered.lock().values().all(|count| *count == 0).then_some(())
        })
        .await;
        let log = log().await;
        let mut ids: Vec<String> = log.iter().map(|(_, entry)| entry.id.to_string()).collect();
        ids.sort_unstable();
        let stored = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), stored, "each is stored once");
        for id in &*self.shared.accepted.lock() {
            assert!(ids.binary_search(id).is_ok(), "{id} was accepted and is not stored");
        }
        // Of members who begin later nobody knows: none does from here on.
        let names: Vec<String> = self.shared.unanswered.lock().keys().cloned().collect();
        let goals = names.into_iter().map(|name| {
            let goal = readable(region, &name, &log).last().map_or(0, |(seq, _)| *seq);
            (name, goal)
        });
        *self.shared.goals.lock() = Some(goals.collect());
        let (mut members, count) = (Vec::new(), self.members.len());
        let all = async {
            while let Some(member) = self.members.join_next().await {
                members.push(member.expect("a member is given each entry once and in order"));
            }
        };
        let is_over = tokio::time::timeout(patience, all).await.is_err();
        assert!(!is_over, "{} of {count} members have all {stored} entries that they may read", members.len());
        for member in members {
            let name = &member.name;
            assert_eq!(member.given, readable(region, name, &log), "what {name} was given, and what {name} may read");
        }
    }
}

fn acknowledgement(upto: u64) -> Value {
    json!({ "ack": { "log": TEAM, "delivered": upto } })
}

/// What of a log somebody may read.
fn readable(region: &RegionName, name: &str, log: &[(u64, Entry)]) -> Vec<(u64, String)> {
    let user = Sender { user: name.parse().expect("a user's name"), region: region.clone() };
    let mut windows = Windows::default();
    for (seq, entry) in log {
        if let Body::Content(content) = &entry.body
            && let Some(turn) = Turn::of(content, &user)
        {
            windows.turn(Seq(*seq), turn, false);
        }
    }
    let inside = log.iter().filter(|(seq, _)| windows.contain(Seq(*seq)));
    inside.map(|(seq, entry)| (*seq, entry.id.to_string())).collect()
}

impl Member {
    async fn live(mut self) -> Member {
        self.tell_unanswered();
        while !self.is_done() {
            let gateways = self.shared.gateways.lock().clone();
            let gateway = gateways[self.random.random_range(0..gateways.len())];
            let cursors = self.cursor.as_ref().map_or(json!({}), |cursor| json!({ TEAM: cursor }));
            match Device::try_hello_with(gateway, &self.token, "phone", cursors).await {
                Ok(device) => self.converse(device).await,
                Err(_) => tokio::time::sleep(Duration::from_millis(self.random.random_range(20..200))).await,
            }
            if self.manner == Manner::ComesAndGoes && !self.is_stopped() {
                tokio::time::sleep(Duration::from_millis(self.random.random_range(0..500))).await;
            }
        }
        self
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn last(&self) -> u64 {
        self.given.last().map_or(0, |(seq, _)| *seq)
    }

    fn has_all(&self) -> bool {
        self.shared.goals.lock().as_ref().is_some_and(|goals| goals[&self.name] <= self.last())
    }

    fn is_done(&self) -> bool {
        self.has_all() && self.acknowledged >= self.last()
    }

    /// Until the socket ends, the device goes, or all is done.
    async fn converse(&mut self, mut device: Device) {
        for (id, text) in &self.unanswered {
            if !device.try_say(message(id, TEAM, text)).await {
                return;
            }
        }
        while !self.has_all() {
            let goes = self.manner == Manner::ComesAndGoes && self.random.random_range(0..30) == 0;
            if goes && !self.is_stopped() {
                return;
            }
            if self.manner == Manner::Talks && self.unanswered.is_empty() && !self.is_stopped() {
                let (id, text) = (new_id(), format!("from {}", self.name));
                self.unanswered.insert(id.clone(), text.clone());
                self.tell_unanswered();
                if !device.try_say(message(&id, TEAM, &text)).await {
                    return;
                }
            }
            let patience = if self.manner == Manner::Listens { LISTENS_LONG } else { LISTENS };
            let Some(frame) = device.next_within(patience).await else { continue };
            let Ok(frame) = frame else { return };
            if self.manner == Manner::Slow {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if !self.take(&frame, &mut device).await {
                return;
            }
        }
        self.acknowledge_all(&mut device).await;
    }

    /// The gateway takes frames in order: once it answers what is asked behind the acknowledgement it has taken that.
    async fn acknowledge_all(&mut self, device: &mut Device) {
        let last = self.last();
        if !device.try_say(acknowledgement(last)).await
            || !device.try_say(json!({ "ask": { "ref": 1, "what": { "blocks": {} } } })).await
        {
            return;
        }
        while let Some(Ok(frame)) = device.next_within(LISTENS_LONG).await {
            if frame["answer"]["ref"] == 1 {
                self.acknowledged = last;
                return;
            }
        }
    }

    async fn take(&mut self, frame: &Value, device: &mut Device) -> bool {
        for kind in ["entry", "caught_up", "gap"] {
            if frame[kind]["log"] == TEAM {
                assert_ne!(kind, "gap", "{} is told of a gap where nothing was lost: {frame}", self.name);
                self.cursor = Some(frame[kind]["cursor"].clone());
            }
        }
        if frame["entry"]["log"] == TEAM {
            let seq = frame["entry"]["seq"].as_u64().expect("a sequence");
            let last = self.last();
            assert!(seq > last, "{} is given {seq} behind {last}", self.name);
            self.given.push((seq, frame["entry"]["id"].as_str().expect("an id").to_owned()));
            if self.random.random_range(0..ACKNOWLEDGES_EACH) == 0 && !device.try_say(acknowledgement(seq)).await {
                return false;
            }
        }
        if let Some(id) = frame["accepted"]["id"].as_str()
            && self.unanswered.remove(id).is_some()
        {
            self.shared.accepted.lock().insert(id.to_owned());
        }
        let rejected = &frame["rejected"];
        if let Some(id) = rejected["id"].as_str()
            && let Some(text) = self.unanswered.get(id)
        {
            if rejected["retry_after"].is_u64() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return device.try_say(message(id, TEAM, text)).await;
            }
            assert_eq!(rejected["code"], "not_a_member", "{} is refused for good", self.name);
            self.unanswered.remove(id);
        }
        self.tell_unanswered();
        true
    }

    fn tell_unanswered(&self) {
        self.shared.unanswered.lock().insert(self.name.clone(), self.unanswered.len());
    }
}
