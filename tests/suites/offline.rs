//! A message waits while a device is away, and the device goes on where it was.

use dunlin_tests::{history::texts, region::Region, wait::until};
use serde_json::{Value, json};

async fn fifty_waiting(region: &Region) -> Vec<String> {
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let wanted: Vec<String> = (0..50).map(|number| format!("number {number}")).collect();
    for text in &wanted {
        alice.send_accepted("bob", text).await;
    }
    wanted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_messages_wait_and_come_in_order() {
    let region = Region::start(2).await;
    let wanted = fifty_waiting(&region).await;
    for gateway in [0, 1] {
        let mut bob = region.connect(gateway, "bob", "phone", None).await;
        let (entries, caught_up) = bob.catch_up().await;
        assert_eq!(texts(&entries), wanted, "without a cursor and without an acknowledgement: from the beginning");
        assert_eq!(caught_up["seq"], entries[49]["seq"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_cursor_only_what_is_newer_comes_on_either_gateway() {
    let region = Region::start(2).await;
    let wanted = fifty_waiting(&region).await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let (entries, caught_up) = bob.catch_up().await;
    for gateway in [0, 1] {
        let cursor = entries[29]["cursor"].as_str();
        let (rest, end) = region.connect(gateway, "bob", "phone", cursor).await.catch_up().await;
        assert_eq!(texts(&rest), wanted[30..]);
        assert_eq!(end["seq"], caught_up["seq"]);
        let last = end["cursor"].as_str();
        let (nothing, _) = region.connect(gateway, "bob", "phone", last).await.catch_up().await;
        assert_eq!(nothing, Vec::<Value>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cursor_a_device_goes_on_from_what_it_acknowledged() {
    let region = Region::start(2).await;
    let wanted = fifty_waiting(&region).await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let (entries, _) = bob.catch_up().await;
    bob.say(json!({ "ack": { "log": "mailbox", "delivered": entries[19]["seq"] } })).await;
    drop(bob);
    until("the acknowledgement to be stored", async || {
        let (rest, _) = region.connect(1, "bob", "phone", None).await.catch_up().await;
        (texts(&rest) == wanted[20..]).then_some(())
    })
    .await;
    let (all, _) = region.connect(1, "bob", "laptop", None).await.catch_up().await;
    assert_eq!(texts(&all), wanted, "another device has acknowledged nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_words_beginning_and_live_stand_for_a_cursor() {
    let region = Region::start(1).await;
    let wanted = fifty_waiting(&region).await;
    let (all, _) = region.connect(0, "bob", "phone", Some("beginning")).await.catch_up().await;
    assert_eq!(texts(&all), wanted);
    let mut bob = region.connect(0, "bob", "phone", Some("live")).await;
    let (none, caught_up) = bob.catch_up().await;
    assert_eq!(none, Vec::<Value>::new());
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("bob", "now").await;
    let entry = bob.expect("entry").await;
    assert_eq!(texts(&[entry]), ["now"]);
    let (later, _) = region.connect(0, "bob", "phone", caught_up["cursor"].as_str()).await.catch_up().await;
    assert_eq!(texts(&later), ["now"], "the cursor of caught_up stands behind what was skipped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_never_had_an_entry_is_caught_up_at_zero() {
    let region = Region::start(1).await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let (entries, caught_up) = bob.catch_up().await;
    assert_eq!((entries.len(), &caught_up["seq"]), (0, &0.into()));
    let cursor = caught_up["cursor"].as_str();
    region.caught_up(0, "alice", "phone").await.send_accepted("bob", "first").await;
    let (entries, _) = region.connect(0, "bob", "tablet", cursor).await.catch_up().await;
    assert_eq!(texts(&entries), ["first"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_waits_through_a_restart_of_everything() {
    let mut region = Region::start(1).await;
    let wanted = fifty_waiting(&region).await;
    region.restart_all().await;
    let (entries, _) = region.connect(0, "bob", "phone", None).await.catch_up().await;
    assert_eq!(texts(&entries), wanted);
}
