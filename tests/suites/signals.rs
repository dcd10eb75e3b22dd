//! Signals: what a user does just now, told to whoever is there to see it.

use dunlin_schema::{
    Millis, Sender, limits,
    live::{Signal, UserMessage},
};
use dunlin_tests::{
    device::Device,
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

async fn signal(from: &mut Device, to: &str, kind: &str) {
    from.say(json!({ "signal": { "to": to, "kind": kind } })).await;
}

/// The next frame is that signal.
async fn sees(device: &mut Device, from: &str, kind: &str) {
    assert_eq!(device.next().await.expect("a frame"), json!({ "signal": { "from": from, "kind": kind } }));
}

/// What this device is refused next.
async fn refused(device: &mut Device) -> Value {
    device.expect("refused").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_devices_at_all_gateways_see_a_signal_once_and_nobody_else_does() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut here = region.caught_up(0, "bob", "phone").await;
    let mut there = region.caught_up(1, "bob", "laptop").await;
    for to in ["bob", "bob@local"] {
        signal(&mut alice, to, "typing").await;
        sees(&mut here, "alice", "typing").await;
        sees(&mut there, "alice", "typing").await;
    }
    // To oneself: a device tells the others, and sees it too.
    signal(&mut here, "bob", "reading_17").await;
    sees(&mut here, "bob", "reading_17").await;
    sees(&mut there, "bob", "reading_17").await;
    for to in ["alice", "carol"] {
        there.send_accepted(to, "the first thing they see").await;
    }
    for other in [&mut alice, &mut carol] {
        assert!(other.next().await.expect("a frame")["entry"].is_object());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_is_never_stored() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    signal(&mut alice, "bob", "typing").await;
    alice.send_accepted("bob", "hello").await;
    assert_eq!(region.stored("bob").await.len(), 1);
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let (entries, _) = bob.catch_up().await;
    assert_eq!(entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_signal_is_refused_in_words_and_the_socket_goes_on() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let long = "x".repeat(65);
    for (to, kind, code, names) in [
        ("bob", "", "bad_content", "`kind`"),
        ("bob", "is typing", "bad_content", "`kind`"),
        ("bob", long.as_str(), "bad_content", "`kind`"),
        ("", "typing", "bad_address", "`to`"),
        ("b.b", "typing", "bad_address", "`to`"),
        ("bob@eu", "typing", "unsupported", "region"),
        ("#team@eu", "typing", "unsupported", "region"),
    ] {
        signal(&mut alice, to, kind).await;
        let refused = refused(&mut alice).await;
        assert_eq!((&refused["code"], &refused["ref"]), (&json!(code), &Value::Null), "{to} {kind}");
        assert!(refused["message"].as_str().expect("words").contains(names), "{refused}");
    }
    alice.send_accepted("bob", "hello").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signals_without_end_is_told_so_and_can_still_send() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    for _ in 0..200 {
        signal(&mut alice, "bob", "typing").await;
    }
    let refused = refused(&mut alice).await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retry_after"].as_u64().expect("a time") >= 1_000);
    alice.send_accepted("bob", "hello").await;
    let mut signals = 0;
    loop {
        let frame = bob.next().await.expect("a frame");
        if frame["entry"].is_object() {
            break;
        }
        signals += usize::from(frame["signal"].is_object());
    }
    assert!((30..100).contains(&signals), "{signals} came through");
}

/// A signal that would be published when the link is whole again would tell of a moment that is long gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signalled_at_a_gateway_that_was_cut_off_does_not_come_later() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut here = region.caught_up(0, "bob", "phone").await;
    let mut there = region.caught_up_at(apart, "bob", "laptop").await;
    region.link().cut().await;
    until("the gateway to know", async || {
        let ready = reqwest::get(format!("http://{}/readyz", region.gateway(0))).await.ok()?;
        (ready.status() == 503).then_some(())
    })
    .await;
    // Nobody can say now whether bob lets alice signal.
    signal(&mut alice, "bob", "cut_off").await;
    region.link().heal();
    until("a signal to come through", async || {
        signal(&mut alice, "bob", "back").await;
        let frame = there.next_within(std::time::Duration::from_millis(1_200)).await?.expect("a frame");
        assert_ne!(frame["signal"]["kind"], "cut_off", "it comes late");
        (frame["signal"]["kind"] == "back").then_some(())
    })
    .await;
    assert_eq!(here.expect("signal").await["kind"], "back");
}

/// NATS may stand still for longer than a signal holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_that_was_on_its_way_for_too_long_is_not_given() {
    let region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let nats = async_nats::connect(region.url()).await.expect("NATS");
    let alice = Sender { user: "alice".parse().expect("a name"), region: region.settings().region.clone() };
    let to = "bob@local".parse().expect("an address");
    let old = Signal { from: alice, to, kind: "old".parse().expect("a kind"), at: Millis(0) };
    for (kind, age) in [("old", limits::SIGNAL_HOLDS.0 + 1_000), ("young", 0)] {
        let at = Millis(dunlin_tests::tokens::now() * 1_000).minus(Millis(age));
        let signal = UserMessage::Signal(Signal { kind: kind.parse().expect("a kind"), at, ..old.clone() });
        nats.publish("user.bob", signal.encode()).await.expect("a publish");
    }
    sees(&mut bob, "alice", "young").await;
}
