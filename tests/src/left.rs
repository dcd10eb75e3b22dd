//! What a load leaves: whoever comes then is told the marks that were said, the conversations that the log has, and who is there.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use dunlin_schema::limits;
use serde_json::{Value, json};

use crate::{
    device::Device,
    history::{
        Application,
        marks::{Said, Told},
    },
    wait::within,
};

/// How long it may take until everything is told: the index may have a log to read, a gateway that was killed to be forgotten.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the users of a load leave.
pub struct Left {
    /// How many messages were accepted.
    pub accepted: usize,
    pub(crate) users: Vec<User>,
    pub(crate) said: Said,
}

/// A user of the load whose device is gone.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) application: Application,
    pub(crate) told: Told,
}

impl Left {
    /// The gaps that were told.
    pub fn gaps(&self) -> impl Iterator<Item = &Value> {
        self.users.iter().flat_map(|user| &user.application.gaps)
    }

    /// Sees that everybody is told what is so, by these gateways: devices that acknowledge all they were given, and new ones that read
    /// everything. Nobody else may be connected under the users' names.
    pub async fn is_told(mut self, token: impl Fn(&str) -> String, gateways: &[SocketAddr]) {
        assert_eq!(self.gaps().collect::<Vec<_>>(), Vec::<&Value>::new(), "nothing was lost, so no gap is told");
        let mut here = vec![];
        for (number, user) in self.users.iter_mut().enumerate() {
            let at = gateways[number % gateways.len()];
            here.push(user.comes_back(&mut self.said, at, &token(&user.name)).await);
        }
        let mut news = vec![];
        for (number, user) in self.users.iter().enumerate() {
            let at = gateways[(number + 1) % gateways.len()];
            let mut new = New::comes(user, &self.said, at, &token(&user.name)).await;
            new.is_told_all_marks(&self.said).await;
            new.sees_its_conversations().await;
            news.push(new);
        }
        let names: Vec<_> = self.users.iter().map(|user| user.name.clone()).collect();
        are(&mut here[0], &names, |_| "online").await;
        // Every other one goes.
        let mut number = 0;
        here.retain(|_| (number += 1, number % 2 == 1).1);
        news.clear();
        are(&mut here[0], &names, |number| if number % 2 == 0 { "online" } else { "offline" }).await;
    }
}

impl User {
    /// Its device goes on where it was, has everything then, and acknowledges that.
    async fn comes_back(&mut self, said: &mut Said, gateway: SocketAddr, token: &str) -> Device {
        let mut device = Device::hello(gateway, token, "phone", self.application.cursor.as_deref()).await;
        loop {
            let frame = device.next().await.expect("an open socket");
            self.application.take(&frame);
            self.told.told(said, &frame).unwrap_or_else(|broken| panic!("{} is told {frame}: {broken:?}", self.name));
            let sent = frame.get("entry").and_then(|entry| self.told.given(entry));
            assert_eq!(sent, None, "{} has had all that others sent", self.name);
            if let Some(caught_up) = frame.get("caught_up") {
                // Behind the last entry that it was given there may be what it sent itself.
                let last = caught_up["seq"].as_u64().expect("a sequence");
                self.told.acknowledges(said, last);
                device.say(json!({ "ack": { "log": "mailbox", "delivered": last } })).await;
                return device;
            }
        }
    }
}

/// A new device.
struct New {
    name: String,
    device: Device,
    told: Told,
    /// What the mailbox holds.
    entries: Vec<Value>,
}

impl New {
    /// Reads the whole mailbox, in which everything is that the user's other device was given.
    async fn comes(user: &User, said: &Said, gateway: SocketAddr, token: &str) -> New {
        let device = Device::hello(gateway, token, "new", None).await;
        let mut new = New { name: user.name.clone(), device, told: Told::new(&user.name), entries: vec![] };
        while !new.next(said).await["caught_up"].is_object() {}
        let theirs = |id: &&String| !new.entries.iter().any(|entry| entry["id"] == **id);
        let missing: Vec<_> = user.application.ids.iter().filter(theirs).collect();
        // The oldest make room in one that is full.
        let is_full = new.entries.len() >= limits::MAILBOX_ENTRIES as usize;
        assert!(missing.is_empty() || is_full, "{} was given what the mailbox has not: {missing:?}", user.name);
        new
    }

    async fn next(&mut self, said: &Said) -> Value {
        let frame = self.device.next_within(2 * PATIENCE).await.expect("a frame in time").expect("an open socket");
        self.told.told(said, &frame).unwrap_or_else(|broken| panic!("{} is told {frame}: {broken:?}", self.name));
        self.entries.extend(frame.get("entry").cloned());
        frame
    }

    /// Until it is told exactly what was said.
    async fn is_told_all_marks(&mut self, said: &Said) {
        let all = async {
            while !self.told.missing(said).is_empty() {
                self.next(said).await;
            }
        };
        let all = tokio::time::timeout(PATIENCE, all).await;
        assert!(all.is_ok(), "{} is not told: {:#?}", self.name, self.told.missing(said));
    }

    /// The index knows what the log holds and the marks say.
    async fn sees_its_conversations(&mut self) {
        let mut by_person: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for entry in &self.entries {
            let (from, to) = (entry["from"].as_str().expect("a name"), entry["to"].as_str().expect("a name"));
            by_person.entry(if from == self.name { to } else { from }.to_owned()).or_default().push(entry);
        }
        let seq = |entry: &Value| entry["seq"].as_u64();
        let mut expected: Vec<_> = by_person
            .into_iter()
            .map(|(with, entries)| {
                let read = self.told.marked(&with);
                let is_unread = |entry: &&&Value| entry["from"] != *self.name && entry["order"].as_u64() > read;
                let unread = entries.iter().filter(is_unread).count();
                let ids: Vec<_> = entries.iter().rev().map(|entry| entry["id"].clone()).take(100).collect();
                (seq(entries[entries.len() - 1]), with, unread, read, ids)
            })
            .collect();
        expected.sort_by_key(|conversation| std::cmp::Reverse(conversation.0));
        let listed = answered(&mut self.device, json!({ "conversations": { "limit": 50 } })).await;
        let items: Vec<_> = listed["conversations"]["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| json!([item["with"], item["last"]["id"], item["unread"], item["read"]]))
            .collect();
        let of_log: Vec<_> =
            expected.iter().map(|(_, with, unread, read, ids)| json!([with, ids[0], unread, read])).collect();
        assert_eq!(items, of_log, "the conversations of {}", self.name);
        for (_, with, _, _, ids) in expected {
            let page = answered(&mut self.device, json!({ "history": { "with": with, "limit": 100 } })).await;
            let entries = page["history"]["entries"].as_array().expect("a list").iter();
            assert_eq!(entries.map(|entry| entry["id"].clone()).collect::<Vec<_>>(), ids, "{} with {with}", self.name);
        }
    }
}

/// The answer to a question that may be refused for a while.
async fn answered(device: &mut Device, what: Value) -> Value {
    within(PATIENCE, "an answer", async || match device.ask(7, what.clone()).await {
        Ok(answer) => Some(answer),
        Err(refused) => {
            assert!(refused["retry_after"].is_u64(), "refused for good: {refused}");
            None
        }
    })
    .await
}

/// Waits until each of these people is said to be as expected.
async fn are(device: &mut Device, names: &[String], expected: impl Fn(usize) -> &'static str) {
    let expected: Vec<_> = (0..names.len()).map(&expected).collect();
    let mut told = vec![];
    let all = async {
        while told != expected {
            let answer = answered(device, json!({ "presence": { "users": names } })).await;
            let state =
                |name: &String| answer["presence"]["users"][name]["state"].as_str().expect("a state").to_owned();
            told = names.iter().map(state).collect::<Vec<_>>();
        }
    };
    let all = tokio::time::timeout(PATIENCE, all).await;
    assert!(all.is_ok(), "{names:?} are {expected:?}, and said to be {told:?}");
}
