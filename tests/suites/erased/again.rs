//! What a killed nats-server brings back of somebody who was erased is erased again, and nothing of the next holder of the name.
//!
//! The server is killed with -9, and `index.db` of each stream taken away, as a crash before it was written leaves it: it makes its state
//! from the blocks of its files, where what a limit had dropped has no tombstone.

use dunlin_schema::{Content, erasure::Stage};
use dunlin_tests::region::RegionOptions;

use super::{
    person::{acknowledge, ask, gone, records_of, stage},
    *,
};

/// How many messages a mailbox keeps here.
const KEPT: usize = 10;

async fn crash(region: &mut Region) {
    region.nats.kill();
    region.nats.forget_indexes();
    region.nats.restart();
}

/// What bob's mailbox holds.
async fn texts(region: &Region) -> Vec<String> {
    let text = |entry: Entry| match entry.body {
        Body::Content(Content::Message { text, .. }) => text.expect("a text"),
        other @ (Body::Content(_) | Body::Tombstone { .. }) => panic!("{other:?}"),
    };
    region.stored("bob").await.into_iter().map(text).collect()
}

/// What somebody has of a conversation, as the index tells it.
async fn history(device: &mut Device, with: &str) -> Vec<String> {
    let question = json!({ "history": { "with": with, "limit": 100 } });
    let answer = async || device.ask(9, question.clone()).await.ok();
    let answer = within(Duration::from_secs(60), "an answer of the index", answer).await;
    let entries = answer["history"]["entries"].as_array().expect("a list").iter();
    entries.map(|entry| text(entry).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_with_a_killed_server_is_erased_again() {
    // A block of which nothing is left is gone; alice's message keeps this one.
    let mut region = Region::start_with(RegionOptions { shards: 1, ..RegionOptions::default() }).await;
    let (log, jetstream) = (region.mailbox("bob"), region.jetstream().await);
    let mut stream = jetstream.get_stream(log_stream(&log.region, log.shard)).await.expect("the shard");
    let mut config = stream.info().await.expect("the shard's settings").config.clone();
    config.max_messages_per_subject = KEPT as i64;
    jetstream.update_stream(config).await.expect("a smaller mailbox");

    // What bob says and sets last takes the place of more than two times as much.
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("alice", "stays").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut laptop = region.caught_up(0, "bob", "laptop").await;
    for number in 0..3 * KEPT {
        let from = if number % 2 == 0 { &mut bob } else { &mut alice };
        from.send_accepted("bob", &format!("of before {number}")).await;
    }
    let first = next_message(&mut laptop).await;
    acknowledge(&region, &mut laptop, "bob", &first["seq"]).await;
    for number in 0..4 {
        let title = format!("title {number}");
        bob.ask(2, json!({ "device_name": { "device": "laptop", "title": title } })).await.expect("a name");
        bob.ask(3, json!({ "block": { "user": format!("blocked-{number}") } })).await.expect("a block");
    }
    ask(&mut bob, "bob").await;
    bob.expect("answer").await;
    gone(&region, "bob").await;
    assert!(region.stored("bob").await.is_empty());
    alice.send_accepted("bob", "welcome").await;

    // Nobody is there to see it come back: the next worker finds it.
    region.workers.pop().expect("a worker").kill();
    crash(&mut region).await;
    let back = region.stored("bob").await.len();
    assert_eq!(back, KEPT, "messages that had made room are back");
    let records = records_of(&region, "bob").await;
    for kind in [".device.bob.laptop.", ".settings.bob"] {
        assert!(records.iter().any(|subject| subject.contains(kind)), "{kind} is back: {records:?}");
    }
    region.workers.push(region.new_worker("first").await);
    gone(&region, "bob").await;
    assert_eq!(texts(&region).await, ["welcome"]);

    // Where nothing came back, nothing is written.
    let (_, revision) = stage(&region, "bob").await.expect("bob's erasure");
    region.workers.pop().expect("a worker").kill();
    region.workers.push(region.new_worker("first").await);
    let mut dave = region.caught_up_when_ready(0, "dave", "phone").await;
    until("dave's erasure to be stored", async || dave.ask(1, json!({ "erase": { "confirm": "dave" } })).await.ok())
        .await;
    gone(&region, "dave").await;
    assert_eq!(stage(&region, "bob").await.expect("bob's erasure").1, revision);

    // It comes back a second time, older things now, to the next holder of the name, who has the worker as it runs.
    let mut tablet = region.connect(0, "bob", "tablet", None).await;
    let (entries, _) = tablet.catch_up().await;
    tablet.ask(3, json!({ "block": { "user": "erin" } })).await.expect("a block");
    acknowledge(&region, &mut tablet, "bob", &entries[0]["seq"]).await;
    let before = records_of(&region, "bob").await;
    crash(&mut region).await;
    let again = async || match stage(&region, "bob").await? {
        (Stage::Done(_), now) if now > revision => Some(()),
        (Stage::Asked | Stage::Done(_) | Stage::CameBack(_), _) => None,
    };
    within(Duration::from_secs(60), "bob to be erased again", again).await;
    assert_eq!(texts(&region).await, ["welcome"]);
    let after = records_of(&region, "bob").await;
    assert!(before.iter().all(|subject| after.contains(subject)), "{before:?} {after:?}");
    assert!(!after.iter().any(|subject| subject.contains(".laptop.")), "{after:?}");
    let mut tablet = region.caught_up_when_ready(0, "bob", "tablet").await;
    assert_eq!(
        (history(&mut tablet, "alice").await, history(&mut tablet, "bob").await),
        (vec!["welcome".to_owned()], vec![])
    );
    assert_eq!(tablet.ask(4, json!({ "blocks": {} })).await, Ok(json!({ "blocks": { "users": ["erin"] } })));

    // Whoever has the name now can be erased as well.
    let (_, revision) = stage(&region, "bob").await.expect("bob's erasure");
    ask(&mut tablet, "bob").await;
    tablet.expect("answer").await;
    let asked = async || (stage(&region, "bob").await?.1 > revision).then_some(());
    until("the erasure to be stored", asked).await;
    gone(&region, "bob").await;
    assert_eq!(texts(&region).await, Vec::<String>::new());
}
