//! What no device was given below a mark: it is told as missing, and comes out when somebody has it.

use dunlin_schema::{Seq, Spans};
use dunlin_tests::{device::Device, region::Region};
use serde_json::json;

use super::{acknowledge, asked::times, read, sent, takes};
use crate::gaps::fill;

/// Waits until alice is told that bob has read, or has, everything up to an order apart from what is missing; gives that.
async fn until_marks(
    alice: &mut Device,
    delivered: u64,
    read: Option<u64>,
    is_missing: impl Fn(&Spans) -> bool,
) -> Spans {
    loop {
        let receipt = alice.expect("receipt").await;
        let missing = serde_json::from_value(receipt["missing"].clone()).expect("spans");
        if (receipt["delivered"].as_u64(), receipt["read"].as_u64()) == (Some(delivered), read) && is_missing(&missing)
        {
            return missing;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_before_a_live_device_is_missing_until_another_has_it_or_it_is_read() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let before = [sent(&mut alice, "bob").await, sent(&mut alice, "bob").await];
    let mut bob = region.connect(0, "bob", "phone", Some("live")).await;
    bob.catch_up().await;
    let order = sent(&mut alice, "bob").await;
    takes(&mut bob, order).await;
    acknowledge(&mut bob, order).await;
    let missing = until_marks(&mut alice, order, None, |missing| !missing.is_empty()).await;
    assert!(before.iter().all(|order| missing.holds(Seq(*order))) && !missing.holds(Seq(order)), "{missing:?}");
    assert_eq!(times(&mut alice, "bob", before[1]).await.1, None);
    assert!(times(&mut alice, "bob", order).await.1.is_some());
    // After an absence, too.
    let mut alice = region.connect(0, "alice", "tablet", None).await;
    assert_eq!(until_marks(&mut alice, order, None, |_| true).await, missing);

    // Another device has the first of them.
    let mut laptop = region.connect(0, "bob", "laptop", None).await;
    takes(&mut laptop, before[0]).await;
    acknowledge(&mut laptop, before[0]).await;
    let less = until_marks(&mut alice, order, None, |missing| !missing.holds(Seq(before[0]))).await;
    assert!(less.holds(Seq(before[1])), "{less:?}");
    // Bob pages back, and reads: all of it is there.
    read(&mut bob, "alice", order).await;
    until_marks(&mut alice, order, Some(order), Spans::is_empty).await;
    let (_, delivered, read) = times(&mut alice, "bob", before[1]).await;
    assert!(delivered.is_some() && read.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_made_room_before_anybody_had_it_is_never_delivered_nor_read() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let evicted = sent(&mut alice, "bob").await;
    fill(&region, "bob", 10_050).await;
    let order = sent(&mut alice, "bob").await;
    // It is bob's first device: nothing of its own is missing, but something of alice's is.
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let (entries, _) = bob.catch_up().await;
    assert_eq!(entries.last().map(|last| &last["order"]), Some(&json!(order)));
    for (said, read_upto) in [("has it", None), ("has read it", Some(order))] {
        match read_upto {
            None => acknowledge(&mut bob, order).await,
            Some(_) => read(&mut bob, "alice", order).await,
        }
        let missing = until_marks(&mut alice, order, read_upto, |_| true).await;
        assert!(missing.holds(Seq(evicted)) && !missing.holds(Seq(order)), "{said}: {missing:?}");
    }
}
