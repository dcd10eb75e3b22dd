//! Receipts that are asked for: when one message was stored, delivered and read.

use dunlin_schema::{
    Epoch, Millis, Seq, Spans,
    record::{MarkChange, MarkKind, SentMarks},
};
use dunlin_tests::{device::Device, device::new_id, region::Region, wait::until};
use serde_json::{Value, json};

use super::{acknowledge, hers, is_marked, read, takes, until_receipt};

fn receipts(to: &str, order: impl Into<Value>) -> Value {
    json!({ "receipts": { "to": to, "order": order.into() } })
}

/// When what was sent was stored, delivered and read, as it is asked for.
pub(super) async fn times(device: &mut Device, to: &str, order: u64) -> (Option<u64>, Option<u64>, Option<u64>) {
    let answer = device.ask(7, receipts(to, order)).await.expect("an answer");
    let time = |name: &str| answer["receipts"][name].as_u64();
    (time("stored"), time("delivered"), time("read"))
}

/// Sends, and gives the order and the time that `accepted` tells.
async fn sent(device: &mut Device, to: &str) -> (u64, Option<u64>) {
    let accepted = device.send_accepted(to, "hello").await;
    (accepted["order"].as_u64().expect("an order"), accepted["time"].as_u64())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_time_is_told_as_it_came_about_and_stays_as_it_was() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let (first, stored) = sent(&mut alice, "bob").await;
    let (second, _) = sent(&mut alice, "bob").await;
    assert_eq!(times(&mut alice, "bob", first).await, (stored, None, None));
    takes(&mut bob, second).await;
    acknowledge(&mut bob, first).await;
    until_receipt(&mut alice, Some(first), None).await;
    let (_, delivered, _) = times(&mut alice, "bob", first).await;
    assert!(delivered.is_some() && delivered >= stored, "{delivered:?}");
    assert_eq!(times(&mut alice, "bob", second).await.1, None);
    read(&mut bob, "alice", first).await;
    is_marked(&mut bob, "alice", first).await;
    until_receipt(&mut alice, Some(first), Some(first)).await;
    let told = times(&mut alice, "bob", first).await;
    assert_eq!((told.0, told.1, told.2.is_some()), (stored, delivered, true));
    acknowledge(&mut bob, second).await;
    read(&mut bob, "alice", second).await;
    until_receipt(&mut alice, Some(second), Some(second)).await;
    assert_eq!(times(&mut alice, "bob@local", first).await, told, "what came later changes nothing");
    let (_, delivered, read) = times(&mut alice, "bob", second).await;
    assert!(delivered >= told.1 && read >= told.2 && read.is_some(), "{delivered:?} {read:?}");
    // What one says to oneself has no receipts.
    let (own, stored) = sent(&mut alice, "alice").await;
    assert_eq!(times(&mut alice, "alice", own).await, (stored, None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_what_is_not_theirs_or_is_gone_learns_nothing() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let (of_carol, _) = sent(&mut carol, "bob").await;
    let (of_bob, _) = sent(&mut bob, "alice").await;
    let (to_himself, _) = sent(&mut bob, "bob").await;
    let taken_back = alice.send_accepted("bob", "not meant").await;
    let (order, id) = (taken_back["order"].as_u64().expect("an order"), &taken_back["id"]);
    takes(&mut bob, order).await;
    acknowledge(&mut bob, order).await;
    until_receipt(&mut alice, Some(order), None).await;
    assert!(times(&mut alice, "bob", order).await.1.is_some());
    let (delete, deletes) = (new_id(), json!({ "delete": { "target": id } }));
    alice.say(json!({ "send": { "id": delete, "to": "bob", "content": deletes } })).await;
    let deleted = alice.answer(&delete).await.expect("accepted")["order"].as_u64().expect("an order");
    let refused = until("the message to be erased", async || alice.ask(7, receipts("bob", order)).await.err()).await;
    assert_eq!((&refused["code"], &refused["retry_after"]), (&json!("not_found"), &Value::Null));
    // Her own mailbox has a copy of what she sent, and one of what bob sent; his has carol's, his own, and a tombstone behind the deletion.
    let last = deleted + 1;
    let nothing = [("bob", of_carol), ("bob", of_bob), ("bob", to_himself), ("bob", last), ("bob", 0), ("bob", 1_000)];
    let most = [("bob", (1 << 53) - 1), ("nobody", 1), ("alice", of_bob), ("alice", 1), ("carol", of_carol)];
    for (to, asked) in nothing.into_iter().chain(most).chain((deleted + 2..deleted + 6).map(|beyond| ("bob", beyond))) {
        assert_eq!(alice.ask(7, receipts(to, asked)).await.as_ref(), Err(&refused), "{to} {asked}");
    }
    assert_eq!(alice.ask(7, receipts("#team", 1)).await.as_ref(), Err(&refused), "of a group that is not hers");
    for to in ["#team@eu", "bob@eu"] {
        assert_eq!(alice.ask(7, receipts(to, 1)).await.expect_err("no way there")["code"], "unsupported", "{to}");
    }
    for order in [json!(1_u64 << 53), json!(-1), json!("1"), json!(1.5), Value::Null] {
        assert_eq!(alice.ask(7, receipts("bob", order)).await.expect_err("no order")["code"], "bad_question");
    }
    assert!(times(&mut alice, "bob", deleted).await.0.is_some(), "the deletion is hers, and the connection lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_is_not_told_what_came_to_pass_meanwhile() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let (order, stored) = sent(&mut alice, "bob").await;
    let (of_carol, _) = sent(&mut carol, "bob").await;
    takes(&mut bob, of_carol).await;
    let done = Ok(json!({ "done": {} }));
    assert_eq!(bob.ask(7, json!({ "block": { "user": "alice" } })).await, done);
    read(&mut bob, "alice", order).await;
    is_marked(&mut bob, "alice", order).await;
    acknowledge(&mut bob, of_carol).await;
    until_receipt(&mut carol, Some(of_carol), None).await;
    assert_eq!(times(&mut alice, "bob", order).await, (stored, None, None));
    // Let in again, she is told no more than what comes then tells by itself.
    assert_eq!(bob.ask(7, json!({ "unblock": { "user": "alice" } })).await, done);
    let (since, stored_since) = sent(&mut alice, "bob").await;
    takes(&mut bob, since).await;
    assert_eq!(times(&mut alice, "bob", order).await, (stored, None, None));
    until("a receipt", async || {
        let (next, _) = sent(&mut alice, "bob").await;
        takes(&mut bob, next).await;
        acknowledge(&mut bob, next).await;
        times(&mut alice, "bob", order).await.1
    })
    .await;
    let (_, delivered, read) = times(&mut alice, "bob", order).await;
    assert!(delivered >= stored_since && read.is_none(), "{delivered:?} {read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_another_epoch_say_nothing_of_what_was_stored_since() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let (order, stored) = sent(&mut alice, "bob").await;
    let accepted = stored.expect("a time");
    let (subject, records) = hers(&region).await;
    let mut revision = Seq(0);
    // What had this order before was delivered and read; later the one that has it now, whose entry outlived another epoch.
    let [earlier, later] = [accepted - 1_000, accepted + 60_000];
    for (time, told) in [(earlier, None), (later, Some(later))] {
        let change = |kind| MarkChange { time: Millis(time), kind, order: Seq(order) };
        let changes = vec![change(MarkKind::Delivered), change(MarkKind::Read)];
        let (delivered, read) = (Some(Seq(order)), Some(Seq(order)));
        let marks = SentMarks { epoch: Epoch(1), delivered, read, changes, missing: Spans::default() };
        revision = records.save(&subject, marks.encode(), revision).await.expect("a record");
        assert_eq!(times(&mut alice, "bob", order).await, (stored, told, told));
    }
}
