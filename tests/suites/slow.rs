//! A receiver that stops reading costs nobody else, and has everything in order once it reads on; so has one that is answered much.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dunlin_tests::{
    device::text,
    process::Processes,
    raw::{Heard, Raw, TEXT, frame},
    region::Region,
    wait::PATIENCE,
};
use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;

const MESSAGES: usize = 4_000;
const BYTES: usize = 4_096;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_stops_reading() {
    let region = Processes::start(1).await;
    let mut slow = region.caught_up(0, "slow", "phone").await;
    let mut other = region.caught_up(0, "other", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let body = "x".repeat(BYTES - 8);
    let mut waited = Duration::ZERO;
    // The first messages warm everything up; what they cost is not what the slow socket costs.
    for number in 0..200 {
        alice.send_accepted("warm", &format!("{number:06} {body}")).await;
    }
    let before = region.resident_bytes(0);
    let mut most = before;
    for number in 0..MESSAGES {
        alice.send_accepted("slow", &format!("{number:06} {body}")).await;
        if number % 40 == 0 {
            // Who reads nothing answers no ping; that it lives it can say unasked.
            slow.socket().send(Message::Pong(Bytes::new())).await.expect("an open socket");
            let begun = Instant::now();
            alice.send_accepted("other", "and you?").await;
            other.expect("entry").await;
            waited = waited.max(begun.elapsed());
            most = most.max(region.resident_bytes(0));
        }
    }
    let grown = most.saturating_sub(before);
    println!("gateway memory grew by {} KiB at most; another receiver waited {waited:?} at most", grown / 1024);
    assert!(grown < (MESSAGES * BYTES / 4) as u64, "{grown} bytes more while {} waited", MESSAGES * BYTES);
    assert!(waited < PATIENCE / 10, "another receiver waited {waited:?}");
    for number in 0..MESSAGES {
        let entry = slow.expect("entry").await;
        assert_eq!(text(&entry)[..6], format!("{number:06}"));
    }
}

/// Its frames wait while its answers do, and are read as soon as it has read those: not at the next ping.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_reads_late_is_answered_at_once_when_it_does() {
    let region = Region::start(1).await;
    let mut raw = Raw::caught_up(region.gateway(0), &region.token("late"), "phone").await;
    let unknown = frame(TEXT, br#"{"what":{}}"#);
    let written = raw.write_until_full(&unknown.repeat(400_000)).await;
    let whole = written / unknown.len();
    assert!(whole < 400_000, "the gateway reads on for who does not read");
    for answered in 0..whole {
        let heard = raw.hear_any(PATIENCE).await;
        let Heard::Json(answer) = heard else { panic!("{heard:?} behind {answered} of {whole} answers") };
        assert_eq!(answer["refused"]["code"], "unknown_frame");
    }
}
