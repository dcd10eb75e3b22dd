//! Reads of a log, with and without evidence.

use dunlin_schema::{
    Millis, Seq, Shard, StreamTime,
    entry::Body,
    limits,
    read::{Evidence, ReadFrom, ReadRequest, Source},
    subject,
};

use crate::support::{Server, entry, first, id, mailbox, now, region, user};

fn request(from: u64, source: Source) -> ReadRequest {
    ReadRequest { from: ReadFrom::Seq(Seq(from)), source }
}

#[tokio::test]
async fn a_log_is_read_in_order_from_anywhere_in_it() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads) = (server.appender().await, server.reads().await);
    let (bob, carol) = (mailbox("bob"), mailbox("carol"));
    for n in 0..10 {
        let mut item = first(id(now()), &n.to_string());
        item.log = if n % 3 == 0 { carol.clone() } else { bob.clone() };
        appender.append(item).await.unwrap();
    }
    // Bob has 2, 3, 5, 6, 8, 9; carol 1, 4, 7, 10.
    for source in [Source::Any, Source::Leader] {
        for (from, expected) in
            [(0, vec![2, 3, 5, 6, 8, 9]), (4, vec![5, 6, 8, 9]), (9, vec![9]), (10, vec![]), (99, vec![])]
        {
            let answer = reads.read(&bob, request(from, source)).await.unwrap();
            let seqs: Vec<u64> = answer.entries.iter().map(|entry| entry.seq.0).collect();
            assert_eq!((seqs, answer.more), (expected, false), "from {from} by {source:?}");
            assert_eq!(answer.evidence.is_some(), source == Source::Leader);
        }
        let all = reads.read(&carol, request(1, source)).await.unwrap().entries;
        for (at, expected) in [(StreamTime(0), 4), (all[2].time, 2), (all[2].time.next(), 1), (all[3].time.next(), 0)] {
            let from = ReadFrom::Time(at);
            let answer = reads.read(&carol, ReadRequest { from, source }).await.unwrap();
            assert_eq!(answer.entries, all[4 - expected..], "from {at:?} by {source:?}");
        }
        let nobody = reads.read(&mailbox("nobody"), request(1, source)).await.unwrap();
        assert_eq!((nobody.entries, nobody.more), (vec![], false));
    }
}

#[tokio::test]
async fn the_leader_s_evidence_tells_first_end_and_weight() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads) = (server.appender().await, server.reads().await);
    let bob = mailbox("bob");
    let empty = reads.read(&bob, request(1, Source::Leader)).await.unwrap();
    assert_eq!(empty.evidence, Some(Evidence { first: None, stream_last: Seq(0), weight: 0 }));
    let mut other = first(id(now()), "to carol");
    other.log = mailbox("carol");
    appender.append(other.clone()).await.unwrap();
    for n in 0..4 {
        appender.append(first(id(now()), &n.to_string())).await.unwrap();
    }
    let mut tombstone = entry(id(now()), "");
    tombstone.body = Body::Tombstone { sender: tombstone.from.clone(), id: id(now()) };
    appender.append(dunlin_nats::Item { entry: tombstone, ..first(id(now()), "") }).await.unwrap();
    other.entry.id = id(now());
    appender.append(other).await.unwrap();
    // Bob has 2 to 5 and a tombstone at 6; the stream ends at 7.
    for (from, weight) in [(1, 6), (4, 4), (6, 2), (7, 0)] {
        let answer = reads.read(&bob, request(from, Source::Leader)).await.unwrap();
        let expected = Evidence { first: Some(Seq(2)), stream_last: Seq(7), weight };
        assert_eq!(answer.evidence, Some(expected), "from {from}");
    }
    server.stranger().await.get_stream("LOG_test_0").await.unwrap().delete_message(2).await.unwrap();
    let answer = reads.read(&bob, request(1, Source::Leader)).await.unwrap();
    assert_eq!(answer.evidence.unwrap().first, Some(Seq(3)));
}

#[tokio::test]
async fn a_long_log_comes_in_pages_and_is_weighed_when_it_matters() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads) = (server.appender().await, server.reads().await);
    let bob = mailbox("bob");
    let half = limits::MAILBOX_ENTRIES / 2;
    let items: Vec<_> = (0..half - 1).map(|n| first(id(now()), &n.to_string())).collect();
    for some in items.chunks(250) {
        for stored in futures_util::future::join_all(some.iter().map(|item| appender.append(item.clone()))).await {
            stored.unwrap();
        }
    }
    let page = reads.read(&bob, request(1, Source::Leader)).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (limits::READ_ENTRIES, true));
    assert_eq!(page.evidence.unwrap().weight, 2 * (half - 1), "below half a mailbox a bound is enough");
    let mut tombstone = entry(id(now()), "");
    tombstone.body = Body::Tombstone { sender: tombstone.from.clone(), id: id(now()) };
    appender.append(dunlin_nats::Item { entry: tombstone, ..first(id(now()), "") }).await.unwrap();
    let page = reads.read(&bob, request(1, Source::Leader)).await.unwrap();
    assert_eq!(page.evidence.unwrap().weight, half + 1, "from half a mailbox on it is exact");
    let page = reads.read(&bob, request(1_001, Source::Leader)).await.unwrap();
    assert_eq!(page.evidence.unwrap().weight, half - 1_000 + 1, "and counts what follows the asked place");
}

/// To subscribe costs the server and this process more than the question.
#[tokio::test]
async fn reads_one_after_the_other_share_a_subscription() {
    let server = Server::monitored();
    server.provisioned().await;
    let reads = server.reads().await;
    let subscribed = async || {
        let answer = server.monitor("/subsz").await;
        let answer: serde_json::Value = serde_json::from_str(&answer[answer.find('{').unwrap()..]).unwrap();
        answer["num_inserts"].as_u64().unwrap()
    };
    let read = async |name: String| reads.read(&mailbox(&name), request(1, Source::Any)).await.unwrap();
    read("first".to_owned()).await;
    let before = subscribed().await;
    for number in 0..20 {
        read(number.to_string()).await;
    }
    assert_eq!(subscribed().await, before);
}

#[tokio::test]
async fn pages_are_bounded_by_bytes_too() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads) = (server.appender().await, server.reads().await);
    for n in 0..20 {
        appender.append(first(id(now()), &format!("{n}{}", "x".repeat(30_000)))).await.unwrap();
    }
    let mut from = 1;
    let mut seqs = Vec::new();
    loop {
        let page = reads.read(&mailbox("bob"), request(from, Source::Any)).await.unwrap();
        let bytes: usize = page.entries.iter().map(|entry| entry.payload.len()).sum();
        assert!(bytes <= limits::READ_BYTES + 32 * 1024, "{bytes}");
        seqs.extend(page.entries.iter().map(|entry| entry.seq.0));
        if !page.more {
            break;
        }
        from = seqs.last().unwrap() + 1;
    }
    assert_eq!(seqs, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn many_reads_at_once_all_get_their_own_answer() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads) = (server.appender().await, server.reads().await);
    let items = (0..300).map(|n| appender.append(first(id(now()), &n.to_string())));
    futures_util::future::try_join_all(items).await.unwrap();
    let bob = mailbox("bob");
    let all = (1..=300).map(|from| reads.read(&bob, request(from, Source::Any)));
    for (from, answer) in futures_util::future::try_join_all(all).await.unwrap().into_iter().enumerate() {
        assert_eq!(answer.entries[0].seq, Seq(from as u64 + 1));
        assert_eq!(answer.entries.len(), limits::READ_ENTRIES.min(300 - from));
    }
}

#[tokio::test]
async fn a_dead_server_is_no_answer() {
    let mut server = Server::start();
    server.provisioned().await;
    let reads = server.reads().await;
    server.kill();
    for source in [Source::Any, Source::Leader] {
        let answer = reads.read(&mailbox("bob"), request(1, source)).await;
        assert_eq!(answer, Err(dunlin_nats::ReadError::Unanswered));
    }
}

#[tokio::test]
async fn the_last_value_of_a_record_is_read_with_its_stamp() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let reads = server.reads().await;
    let device = dunlin_schema::DeviceName::new("phone").unwrap();
    let subject = subject::device_record(&region(), Shard(0), &user("bob"), &device, &mailbox("bob").owner);
    for source in [Source::Any, Source::Leader] {
        assert_eq!(reads.state(&subject, Shard(0), source).await.unwrap(), None);
    }
    let records = dunlin_nats::Records::new(&connection);
    let one = records.save(&subject, &b"one"[..], Seq(0)).await.unwrap();
    let two = records.save(&subject, &b"two"[..], one).await.unwrap();
    for source in [Source::Any, Source::Leader] {
        let (bytes, seq, stamp) = reads.state(&subject, Shard(0), source).await.unwrap().unwrap();
        assert_eq!((&bytes[..], seq), (&b"two"[..], two));
        assert!(now().since(stamp.millis()) < Millis(60_000), "{stamp:?}");
    }
}
