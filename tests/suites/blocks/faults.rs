//! Blocks while workers, gateways and storage fail.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_outlive_everything_and_the_limit_is_said() {
    let mut region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    done(&mut bob, block("alice")).await;
    // As many as may be, past Dunlin: nobody waits here for a thousand questions.
    let (log, jetstream) = (region.mailbox("bob"), region.jetstream().await);
    let name = |number: usize| format!("u{number}").parse().expect("a name");
    let sender = |user| dunlin_schema::Sender { user, region: log.region.clone() };
    let blocked = (0..limits::BLOCKED - 1).map(|number| sender(name(number)));
    let blocked = blocked.chain([sender("alice".parse().expect("a name"))]).collect();
    let settings = dunlin_schema::record::Settings { blocked, ..Default::default() };
    let record = subject::settings(&log.region, log.shard, &"bob".parse().expect("a name"));
    jetstream.publish(record, settings.encode().into()).await.expect("a publish").await.expect("stored");
    let refusal = bob.ask(7, block("one-more")).await.expect_err("a refusal");
    assert_eq!((&refusal["code"], &refusal["retry_after"]), (&json!("too_large"), &Value::Null), "{refusal}");
    done(&mut bob, block("alice")).await;
    let listed = bob.ask(7, json!({ "blocks": {} })).await.expect("an answer");
    assert_eq!(listed["blocks"]["users"].as_array().map(Vec::len), Some(limits::BLOCKED));
    done(&mut bob, unblock("u0")).await;
    done(&mut bob, block("one-more")).await;
    region.restart_all().await;
    let mut alice = region.caught_up_when_ready(0, "alice", "phone").await;
    assert_eq!(refused(&mut alice, "bob").await["code"], "refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_worker_it_is_said_and_two_workers_do_no_harm() {
    let mut region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut tablet = region.caught_up(0, "bob", "tablet").await;
    region.workers.pop().expect("a worker").kill();
    let refusal = until("nobody to write it down", async || bob.ask(7, block("alice")).await.err()).await;
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    assert!(refusal["retry_after"].is_u64(), "{refusal}");
    let _workers = (region.new_worker("first").await, region.new_worker("first").await);
    until("somebody to write it down", async || bob.ask(7, block("alice")).await.ok()).await;
    let each = |device: &'static str| (0..20).map(move |number| format!("{device}-{number}"));
    let blocks = async |device: &mut Device, names: Vec<String>| {
        for name in names {
            done(device, block(&name)).await;
        }
    };
    tokio::join!(blocks(&mut bob, each("phone").collect()), blocks(&mut tablet, each("tablet").collect()));
    let listed = bob.ask(7, json!({ "blocks": {} })).await.expect("an answer");
    assert_eq!(listed["blocks"]["users"].as_array().map(Vec::len), Some(41), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_look_up_is_not_stored() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let log = region.mailbox("bob");
    let jetstream = region.jetstream().await;
    let record = subject::settings(&log.region, log.shard, &"bob".parse().expect("a name"));
    // Damaged: nobody knows whom bob has blocked.
    jetstream.publish(record.clone(), "damaged".into()).await.expect("a publish").await.expect("stored");
    let id = alice.send("bob", "hello").await;
    let rejected = alice.answer(&id).await.expect_err("a refusal");
    assert_eq!(rejected["code"], "unavailable", "{rejected}");
    assert!(rejected["retry_after"].is_u64() && region.stored("bob").await.is_empty(), "{rejected}");
    let state = jetstream.get_stream(state_stream(&log.region, log.shard)).await.expect("the shard's state");
    state.purge().filter(record).await.expect("a purge");
    alice.send_as(&id, "bob", "hello").await;
    alice.answer(&id).await.expect("accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_was_cut_off_does_not_go_by_what_it_knew_before() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up_at(apart, "bob", "phone").await;
    alice.send_accepted("bob", "before").await;
    region.link().cut().await;
    done(&mut bob, block("alice")).await;
    region.link().heal();
    let id = new_id();
    let rejected = loop {
        alice.send_as(&id, "bob", "after").await;
        let rejected = alice.answer(&id).await.expect_err("a refusal");
        if rejected["retry_after"].is_null() {
            break rejected;
        }
    };
    assert_eq!(rejected["code"], "refused", "{rejected}");
    assert_eq!(region.stored("bob").await.iter().filter_map(said).collect::<Vec<_>>(), ["before"]);
}
