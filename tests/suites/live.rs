//! A message reaches whoever is there, once and in order.

use std::collections::HashMap;

use dunlin_tests::{
    device::{Device, text},
    history::{Accepted, Application},
    region::Region,
};
use futures_util::future::join_all;
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;
use tokio::task::JoinSet;

const USERS: usize = 200;
const SENDS: usize = 10;
/// Sends of one user that wait for their answers.
const IN_FLIGHT: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_reaches_the_device_of_another_gateway() {
    let region = Region::start(2).await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let accepted = alice.send_accepted("bob", "hi").await;
    let entry = bob.expect("entry").await;
    assert_eq!((text(&entry), &entry["from"], &entry["to"]), ("hi", &"alice".into(), &"bob".into()));
    assert_eq!(
        (&entry["id"], &entry["order"], &entry["time"]),
        (&accepted["id"], &accepted["order"], &accepted["time"])
    );
    assert_eq!(entry["order"], entry["seq"], "in the mailbox that gives the order it is the entry's own sequence");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_senders_other_devices_get_what_it_sends() {
    let region = Region::start(2).await;
    let mut phone = region.caught_up(0, "alice", "phone").await;
    let mut laptop = region.caught_up(1, "alice", "laptop").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let accepted = phone.send_accepted("bob", "hi").await;
    let copy = laptop.expect("entry").await;
    assert_eq!((text(&copy), &copy["from"], &copy["to"]), ("hi", &"alice".into(), &"bob".into()));
    assert_eq!(copy["order"], accepted["order"], "a copy carries the order that the recipient's mailbox gave");
    assert_eq!(bob.expect("entry").await["id"], copy["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_to_oneself_is_one_entry() {
    let region = Region::start(1).await;
    let mut phone = region.caught_up(0, "alice", "phone").await;
    let mut laptop = region.caught_up(0, "alice", "laptop").await;
    let first = phone.send_accepted("alice", "milk").await;
    let second = phone.send_accepted("alice", "bread").await;
    assert!(first["order"].as_u64() < second["order"].as_u64());
    let notes = [laptop.expect("entry").await, laptop.expect("entry").await];
    assert_eq!(notes.each_ref().map(text), ["milk", "bread"], "each note once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_users_on_two_gateways_each_message_once_and_in_order() {
    let region = Region::start(2).await;
    let mut senders = JoinSet::new();
    let connecting = (0..USERS).map(async |user| region.caught_up(user % 2, &name(user), "phone").await);
    let devices = join_all(connecting).await;
    for (user, device) in devices.into_iter().enumerate() {
        senders.spawn(converse(user, device));
    }
    let mut accepted = Accepted::default();
    let mut waiting = vec![];
    while let Some(done) = senders.join_next().await {
        let (user, device, received, sent) = done.expect("a conversation");
        sent.iter().for_each(|(to, id)| accepted.add(to, id));
        waiting.push((user, device, received));
    }
    assert_eq!(accepted.count(), USERS * SENDS);
    for (user, mut device, mut received) in waiting {
        while !accepted.missing(&name(user), &received.application).is_empty() {
            received.take(&device.next().await.expect("an open socket"));
        }
        assert!(received.application.gaps.is_empty(), "{:?}", received.application.gaps);
    }
}

/// What one user has got: each entry once, and each conversation in the order in which it was sent.
#[derive(Default)]
struct Received {
    application: Application,
    last: HashMap<(String, String), (u64, u64)>,
}

impl Received {
    fn take(&mut self, frame: &Value) {
        self.application.take(frame);
        let Some(entry) = frame.get("entry") else { return };
        let conversation = (entry["from"].to_string(), entry["to"].to_string());
        let number = text(entry).parse().expect("a number");
        let order = entry["order"].as_u64().expect("an order");
        if let Some(last) = self.last.insert(conversation, (number, order)) {
            assert!(last.0 < number && last.1 < order, "{entry} came after {last:?}");
        }
    }
}

fn name(user: usize) -> String {
    format!("user-{user}")
}

/// Sends to random users and stores what comes meanwhile, until every send is answered.
async fn converse(user: usize, mut device: Device) -> (usize, Device, Received, Vec<(String, String)>) {
    let mut random = StdRng::seed_from_u64(user as u64);
    let others: Vec<usize> = (0..USERS).filter(|other| *other != user).collect();
    let mut received = Received::default();
    let (mut sent, mut answered) = (vec![], 0);
    while answered < SENDS {
        if sent.len() < SENDS.min(answered + IN_FLIGHT) {
            let to = name(*others.choose(&mut random).expect("others"));
            sent.push((to.clone(), device.send(&to, &sent.len().to_string()).await));
            continue;
        }
        let frame = device.next().await.expect("an open socket");
        assert!(frame["rejected"].is_null(), "{frame}");
        answered += usize::from(frame["accepted"].is_object());
        received.take(&frame);
    }
    (user, device, received, sent)
}
