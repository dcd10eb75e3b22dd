//! Workers against a real nats-server, without a gateway: what they publish, what they answer, and what becomes of a shard when a worker
//! dies, hangs, ends, or the log goes back.

mod bench;
mod counter;
mod counts;
mod devices;
mod groups;
mod index;
mod marks;
mod media;
mod released;

use std::time::{Duration, Instant};

use bytes::Bytes;
use dunlin_nats::{Heads, Receipts, raw};
use dunlin_schema::{
    Cursor, Epoch, Millis, Peer, Position, Seq, StreamTime,
    heads::Verify,
    limits,
    live::LiveEntry,
    record::Receipt,
    stream::{log_stream, receipts_stream},
    subject,
};
use dunlin_tests::{server::ServerOptions, wait::until};
use dunlin_workers::Readiness;

use self::bench::{Bench, SHARD, device_name, name};

fn places(entries: &[LiveEntry]) -> Vec<(u64, u64)> {
    entries.iter().map(|live| (live.after.0, live.position.seq.0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_published_as_they_are_stored_each_with_what_it_follows() {
    let bench = Bench::new(ServerOptions::default()).await;
    let (bob, carol) = (bench.join("bob").await, bench.join("carol").await);
    bench.store_all("bob", 1..3).await;
    let worker = bench.working("boot").await;
    bench.store_all("carol", 3..4).await;
    bench.store_all("bob", 4..5).await;
    assert_eq!(places(&bob.until("4").await), [(0, 1), (1, 2), (2, 4)]);
    assert_eq!(bob.texts(), ["1", "2", "4"]);
    assert_eq!(places(&carol.until("3").await), [(0, 3)]);
    let answer = bench.ask_at(4, &["carol", "nobody", "bob"]).await;
    assert_eq!(answer.floor, Seq(0));
    let heads: Vec<_> = answer.heads.iter().map(|head| head.map(|head| head.seq.0)).collect();
    assert_eq!(heads, [Some(3), None, Some(4)]);
    assert_eq!(answer.heads[2].unwrap().time, answer.position.time);
    drop(worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_read_to_its_end_in_order() {
    let bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    bench.store_all("bob", 1..301).await;
    let _worker = bench.worker("boot").await;
    assert_eq!(places(&bob.until("300").await), (1..301).map(|seq| (seq - 1, seq)).collect::<Vec<_>>());
}

/// Far more than one wake-up takes, in turns for several users: each entry once, in the order of the shard, behind what was there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_several_users_is_published_without_a_hole() {
    const EACH: u64 = 200;
    let users = ["bob", "carol", "dave"];
    let bench = Bench::new(ServerOptions::default()).await;
    let mut sockets = vec![];
    for user in users {
        sockets.push(bench.join(user).await);
    }
    for turn in 0..EACH {
        for (user, number) in users.into_iter().zip(3 * turn + 1..) {
            bench.store(user, &number.to_string()).await;
        }
    }
    let worker = bench.worker("boot").await;
    bench.ask_at(3 * EACH, &[]).await;
    for (socket, first) in sockets.iter().zip(1..) {
        let expected = (0..EACH).map(|turn| (if turn == 0 { 0 } else { first + 3 * (turn - 1) }, first + 3 * turn));
        let last = (first + 3 * (EACH - 1)).to_string();
        assert_eq!(places(&socket.until(&last).await), expected.collect::<Vec<_>>());
    }
    let metrics = worker.get("/metrics").await;
    for line in [r#"dunlin_deliver_published_total{shard="0"} 600"#, r#"dunlin_deliver_holes_total{shard="0"} 0"#] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_from_a_killed_worker_and_passes_nothing_over() {
    let bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    let first = bench.working("boot").await;
    let mut second = bench.worker("boot").await;
    second.wait("a standby", |readiness| readiness.is_ready() && readiness.standing_by == 1).await;
    bench.store_all("bob", 1..6).await;
    bob.until("5").await;
    let epoch = bench.epoch().await;
    first.kill();
    bench.store_all("bob", 6..8).await;
    let entries = bob.until("7").await;
    // What came after the last save may come twice, in order; nothing is passed over.
    let last = &entries[entries.len() - 2..];
    assert_eq!(last.iter().map(|live| live.position.seq.0).collect::<Vec<_>>(), [6, 7]);
    assert!(last[0].after <= Seq(5) && last[1].after == Seq(6), "{last:?}");
    assert_eq!(bench.epoch().await, epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_ends_hands_over_at_once_and_repeats_nothing() {
    let bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    let first = bench.working("boot").await;
    let mut second = bench.worker("boot").await;
    second.wait("a standby", |readiness| readiness.standing_by == 1).await;
    bench.store_all("bob", 1..6).await;
    bob.until("5").await;
    let epoch = bench.epoch().await;
    let begun = Instant::now();
    first.stop().await;
    second.wait("its successor", Readiness::is_all_working).await;
    assert!(begun.elapsed() < Duration::from_millis(limits::LEASE.0), "it took {:?}", begun.elapsed());
    bench.store_all("bob", 6..7).await;
    assert_eq!(places(&bob.until("6").await), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]);
    assert_eq!(bench.epoch().await, epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_hung_and_goes_on_finds_itself_a_standby() {
    let bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    let mut first = bench.working("boot").await;
    let mut second = bench.worker("boot").await;
    bench.store_all("bob", 1..4).await;
    bob.until("3").await;
    let thaw = first.freeze();
    second.wait("a takeover", Readiness::is_all_working).await;
    bench.store_all("bob", 4..8).await;
    bob.until("7").await;
    drop(thaw);
    // For a moment there are two. Whatever both publish says the same.
    bench.store_all("bob", 8..20).await;
    first.wait("its own standing by", |readiness| readiness.standing_by == 1).await;
    bench.store_all("bob", 20..24).await;
    let entries = bob.until("23").await;
    for live in &entries {
        assert!(live.after <= live.position.seq, "{live:?}");
    }
    let mut seqs: Vec<_> = entries.iter().map(|live| live.position.seq.0).collect();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs, (1..24).collect::<Vec<_>>());
    let epochs: Vec<_> = entries.iter().map(|live| live.position.epoch).collect();
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_boot_begins_an_epoch_only_where_a_tail_may_be_lost() {
    for (sync_always, boots, begins) in
        [(false, ["one", "one"], false), (false, ["one", "other"], true), (true, ["one", "other"], false)]
    {
        let bench = Bench::new(ServerOptions { sync_always, ..ServerOptions::default() }).await;
        let bob = bench.join("bob").await;
        let worker = bench.working(boots[0]).await;
        bench.store_all("bob", 1..4).await;
        bob.until("3").await;
        let before = bench.ask_at(3, &["bob"]).await.position;
        worker.stop().await;
        let worker = bench.working(boots[1]).await;
        let after = bench.ask(&["bob"]).await.position;
        assert_eq!(after.epoch > before.epoch, begins, "{boots:?}, sync always: {sync_always}");
        assert_eq!(
            (after.seq, after.time),
            (before.seq, before.time),
            "its own entry is still there: it goes on behind it"
        );
        bench.store_all("bob", 4..5).await;
        assert_eq!(places(&bob.until("4").await), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_back_under_a_working_reader_begins_an_epoch() {
    let mut bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    let worker = bench.working("boot").await;
    bench.store_all("bob", 1..6).await;
    bob.until("5").await;
    let saved = bench.saved(5).await;
    bench.nats.stop();
    let snapshot = bench.nats.snapshot();
    bench.restart().await;
    bench.ask_at(5, &[]).await;
    bench.store_all("bob", 6..11).await;
    bob.until("10").await;
    let before = bench.ask_at(10, &[]).await.position;
    bench.nats.stop();
    bench.nats.put_back(&snapshot);
    bench.restart().await;
    let after = until("a new epoch", async || {
        let position = bench.ask(&[]).await.position;
        (position.epoch > before.epoch).then_some(position)
    })
    .await;
    assert_eq!(after.seq, Seq(0), "nothing of the new life is read yet");
    // A reader that kept the shard goes on behind what it read itself, one that took it anew behind what the record says.
    assert!([saved.time, before.time].contains(&after.time), "{after:?} is neither {saved:?} nor {before:?}");
    // The numbers 6 to 8 are used again.
    for text in ["6 again", "7 again", "8 again"] {
        bench.store("bob", text).await;
    }
    let entries = bob.until("8 again").await;
    let again = &entries[entries.len() - 3..];
    assert_eq!(places(again), [(6, 6), (6, 7), (7, 8)]);
    assert!(again.iter().all(|live| live.position.epoch == after.epoch), "{again:?}");
    assert_eq!(bench.ask_at(8, &["bob"]).await.floor, Seq(6));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_were_used_again_before_anybody_looked_begin_an_epoch() {
    let mut bench = Bench::new(ServerOptions { sync_always: true, ..ServerOptions::default() }).await;
    let bob = bench.join("bob").await;
    let worker = bench.working("boot").await;
    bench.store_all("bob", 1..4).await;
    bench.saved(3).await;
    worker.stop().await;
    bench.nats.stop();
    let snapshot = bench.nats.snapshot();
    bench.restart().await;
    let worker = bench.working("boot").await;
    bench.store_all("bob", 4..7).await;
    bob.until("6").await;
    let before = bench.ask_at(6, &[]).await.position;
    let thaw = worker.freeze();
    bench.nats.stop();
    bench.nats.put_back(&snapshot);
    bench.restart().await;
    until("the server to serve again", async || {
        let ends = bench.ends().await?;
        (ends.last == Seq(3)).then_some(())
    })
    .await;
    bench.store_all("bob", 14..17).await;
    drop(thaw);
    let entries = bob.until("16").await;
    let again: Vec<_> = entries.iter().filter(|live| live.position.epoch > before.epoch).collect();
    assert_eq!(again.iter().map(|live| live.position.seq.0).collect::<Vec<_>>(), [4, 5, 6]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_are_gone_before_they_are_read_are_never_passed_over() {
    let bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    let worker = bench.working("boot").await;
    bench.store_all("bob", 1..4).await;
    bob.until("3").await;
    bench.ask_at(3, &[]).await;
    worker.stop().await;
    bench.store_all("bob", 4..7).await;
    let jetstream = async_nats::jetstream::with_domain(async_nats::connect(bench.nats.url()).await.unwrap(), "local");
    let stream = jetstream.get_stream(log_stream(&bench.settings.region, SHARD)).await.unwrap();
    for gone in [4, 5] {
        assert!(stream.delete_message(gone).await.unwrap());
    }
    let worker = bench.working("boot").await;
    let entries = bob.until("6").await;
    assert_eq!(places(&entries[3..]), [(6, 6)], "whoever was at 3 must read");
    assert_eq!(bench.ask_at(6, &["bob"]).await.floor, Seq(6));
    worker.stop().await;
    // All of it: nothing was lost, so no epoch begins.
    let before = bench.ends().await.unwrap();
    stream.purge().await.unwrap();
    let worker = bench.working("boot").await;
    assert_eq!(bench.ask_at(before.last.0, &[]).await.position.epoch, entries[0].position.epoch);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_doubt_begins_nothing() {
    let bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    let _worker = bench.working("boot").await;
    bench.store_all("bob", 1..4).await;
    bob.until("3").await;
    let position = bench.ask_at(3, &[]).await.position;
    let heads = Heads::new(&bench.connection);
    for doubted in [
        Position { seq: Seq(900), ..position },
        Position { time: StreamTime(7), ..position },
        Position { epoch: Epoch(u64::MAX), ..position },
        Position::default(),
    ] {
        assert_eq!(heads.verify(SHARD, Verify { doubted }).await.unwrap().position, position, "{doubted:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_devices_only_rise_and_poison_leaves_the_queue() {
    let bench = Bench::new(ServerOptions::default()).await;
    let _workers = (bench.worker("boot").await, bench.worker("boot").await);
    let receipts = Receipts::new(&bench.connection);
    let cursor = |epoch, seq| Cursor {
        position: Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(seq) },
        at: Millis(seq),
        began: Seq(0),
    };
    let delivered = |device, cursor| {
        let (device, log, opened) = (device_name(device), Peer::User(name("bob")), Millis(1));
        Receipt::Delivered { device, log, cursor, opened, senders: None }
    };
    let poison = subject::receipt(&bench.settings.region, SHARD, &name("bob"));
    raw::publish(&bench.connection, poison, Bytes::from_static(b"not a receipt")).await.unwrap();
    for cursor in [cursor(1, 3), cursor(1, 900), cursor(2, 5), cursor(1, 901), cursor(2, 4)] {
        receipts.publish(SHARD, &name("bob"), &delivered("phone", cursor)).await.unwrap();
    }
    receipts.publish(SHARD, &name("bob"), &delivered("web", cursor(2, 1))).await.unwrap();
    until("both marks", async || {
        (bench.mark("bob", "phone").await? == cursor(2, 5) && bench.mark("bob", "web").await? == cursor(2, 1))
            .then_some(())
    })
    .await;
    let jetstream = async_nats::jetstream::with_domain(async_nats::connect(bench.nats.url()).await.unwrap(), "local");
    until("an empty queue", async || {
        let stream = jetstream.get_stream(receipts_stream(&bench.settings.region, SHARD)).await.ok()?;
        (stream.cached_info().state.messages == 0).then_some(())
    })
    .await;
    assert_eq!(bench.mark("bob", "phone").await, Some(cursor(2, 5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_who_has_the_shard_and_what_is_done() {
    let mut bench = Bench::new(ServerOptions::default()).await;
    let bob = bench.join("bob").await;
    let first = bench.working("boot").await;
    let mut second = bench.worker("boot").await;
    second.wait("a standby", |readiness| readiness.standing_by == 1).await;
    bench.store_all("bob", 1..4).await;
    bob.until("3").await;
    bench.saved(3).await;
    let metrics = first.get("/metrics").await;
    for line in [
        r#"dunlin_deliver_owner{shard="0"} 1"#,
        r#"dunlin_deliver_published_total{shard="0"} 3"#,
        r#"dunlin_deliver_takeovers_total{shard="0"} 1"#,
        r#"dunlin_deliver_epochs_total{shard="0"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
    assert!(second.get("/metrics").await.contains(r#"dunlin_deliver_owner{shard="0"} 0"#));
    for worker in [&first, &second] {
        assert!(worker.get("/readyz").await.starts_with("HTTP/1.1 200"));
    }
    bench.nats.kill();
    for worker in [&first, &second] {
        until("readiness to fail without NATS", async || {
            worker.get("/readyz").await.starts_with("HTTP/1.1 503").then_some(())
        })
        .await;
        assert!(worker.get("/livez").await.starts_with("HTTP/1.1 200"));
    }
    assert!(first.get("/metrics").await.contains(r#"dunlin_deliver_refused_saves_total{shard="0"} 1"#));
    bench.restart().await;
    until("both to be ready again", async || {
        let ready = [&first, &second].map(|worker| *worker.readiness.borrow());
        ready.iter().all(Readiness::is_ready).then_some(())
    })
    .await;
    bench.store_all("bob", 4..5).await;
    bob.until("4").await;
    // Each connection was made again: what was asked meanwhile may be lost.
    for worker in [&first, &second] {
        assert!(worker.get("/metrics").await.contains("dunlin_worker_core_losses_total 1"));
    }
}
