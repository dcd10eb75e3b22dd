//! A worker that is killed with -9 in the midst of a mailbox, again and again: what the next one answers is what one answers that read all
//! of it at once.

use dunlin_schema::Log;
use dunlin_tests::process::Processes;

use super::*;
use nix::sys::signal::Signal;

const ENTRIES: u64 = 9_900;
/// After how many entries, at least, a worker is killed.
const KILLED_AFTER: [u64; 4] = [1, 500, 1_000, 2_000];

/// Messages, and what changed some of them.
fn content(number: u64) -> Content {
    let target = MessageId::from_parts(Millis(number / 7 * 7), u128::from(number / 7 * 7));
    match number % 7 {
        1 => Content::Edit { target, text: Some(format!("{number} edited")), data: None },
        2 => Content::React { target, emoji: "👍".to_owned(), on: true },
        3 if number.is_multiple_of(3) => Content::React { target, emoji: "👍".to_owned(), on: false },
        3 if number % 3 == 1 => Content::Delete { target },
        _ => message(number.to_string()),
    }
}

/// How many entries the worker has taken since it was started; `None` where it does not say.
async fn taken(region: &Processes) -> Option<u64> {
    let page = region.worker_page(0, "/metrics").await?;
    let counts = page.lines().filter(|line| line.starts_with("dunlin_index_entries_total{"));
    Some(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

/// Everything that bob is told of his messages, from one page to the next.
async fn everything(bob: &mut Device) -> (Vec<Value>, Vec<Value>) {
    let listed = answered(bob, &json!({ "conversations": { "limit": 50 } })).await;
    let (mut entries, mut before) = (vec![], None);
    loop {
        let (page, next) = history(bob, "alice", before, 100).await;
        entries.extend(page);
        before = next.as_u64();
        if before.is_none() {
            return (vec![listed], entries);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_while_it_makes_its_projection_leaves_none_that_answers_otherwise() {
    let mut region = Processes::start(1).await;
    let (of, client) = ("local".parse().expect("a region"), async_nats::connect(region.nats.url()).await);
    let jetstream = async_nats::jetstream::with_domain(client.expect("a server"), "local");
    // It hangs while the log fills, so that the next one has all of it before it.
    region.signal_worker(0, Signal::SIGSTOP);
    let mailbox = Log::mailbox(&of, 2, &name("bob")).subject();
    store_all(&jetstream, &mailbox, (0..ENTRIES).map(|number| entry(&of, number, content(number)))).await;
    let mut bob = Device::hello(region.gateways()[0], &region.token("bob"), "phone", Some("live")).await;
    let mut seen = vec![];
    for least in KILLED_AFTER {
        region.replace_worker(0);
        let enough = async || taken(&region).await.filter(|taken| *taken >= least);
        seen.push(until("the worker to take some entries", enough).await);
    }
    println!("killed after {seen:?}");
    assert!(seen[0] < ENTRIES, "the first one was not killed halfway");
    region.replace_worker(0);
    let interrupted = everything(&mut bob).await;
    // One with a folder of its own makes its projection in one go.
    region.add_worker().await;
    assert_eq!(region.terminate_worker(0).0, Some(0));
    let at_once = everything(&mut bob).await;
    assert!(interrupted.1.len() > 5_000, "{}", interrupted.1.len());
    assert_eq!(interrupted, at_once);
}
