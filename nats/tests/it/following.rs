//! A reader of a stream.

use dunlin_nats::{
    ConnectOptions, Connection, Publisher, ReaderEvent, Start, Status, StreamEnds, StreamName, StreamReader, Taps,
    entry_time, stream_ends,
};
use dunlin_schema::{RegionName, Seq, Shard};
use futures_util::StreamExt;

use crate::support::{Link, Server, first, id, mailbox, now, region, soon};

fn log() -> StreamName {
    StreamName::log(&region(), Shard(0))
}

async fn append(server: &Server, count: u64) {
    let appender = server.appender().await;
    for n in 0..count {
        soon("an append", async { while appender.append(first(id(now()), &n.to_string())).await.is_err() {} }).await;
    }
}

async fn taps(options: &ConnectOptions) -> Taps {
    Taps::over(&Publisher::open(options).await.unwrap())
}

async fn next(reader: &mut StreamReader) -> ReaderEvent {
    soon("the reader", reader.next()).await
}

/// The sequences of the next `count` entries; whatever else comes must not be among them.
async fn entries(reader: &mut StreamReader, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        match next(reader).await {
            ReaderEvent::Entry { seq, .. } => seqs.push(seq.0),
            other => panic!("{other:?} after {seqs:?}"),
        }
    }
    seqs
}

#[tokio::test]
async fn a_reader_says_where_it_begins_and_gives_everything_in_order() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let taps = taps(&server.options()).await;
    append(&server, 5).await;
    let ends = StreamEnds { first: Seq(1), last: Seq(5) };
    assert_eq!(stream_ends(&connection, &log()).await.unwrap(), ends);

    let mut all = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    assert_eq!(next(&mut all).await, ReaderEvent::Opened { from: Start::After(Seq(0)), ends, time: None });
    let ReaderEvent::Entry { subject, seq, time, payload } = next(&mut all).await else { panic!("an entry") };
    assert_eq!((subject, seq), (mailbox("bob").subject(), Seq(1)));
    assert_eq!(entry_time(&connection, &log(), Seq(1)).await.unwrap(), Some(time));
    dunlin_schema::Entry::decode(&payload).unwrap();
    assert_eq!(entries(&mut all, 4).await, [2, 3, 4, 5]);
    append(&server, 2).await;
    assert_eq!(entries(&mut all, 2).await, [6, 7]);

    let third = entry_time(&connection, &log(), Seq(3)).await.unwrap().unwrap();
    let mut some = StreamReader::start(&connection, &taps, log(), Start::After(Seq(3)));
    let ends = StreamEnds { first: Seq(1), last: Seq(7) };
    assert_eq!(next(&mut some).await, ReaderEvent::Opened { from: Start::After(Seq(3)), ends, time: Some(third) });
    assert_eq!(entries(&mut some, 4).await, [4, 5, 6, 7]);
    let mut since = StreamReader::start(&connection, &taps, log(), Start::Time(third.next()));
    let begin = Start::Time(third.next());
    assert_eq!(next(&mut since).await, ReaderEvent::Opened { from: begin, ends, time: None });
    assert_eq!(entries(&mut since, 4).await, [4, 5, 6, 7]);
}

#[tokio::test]
async fn a_position_above_the_end_shows_in_what_opens() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let taps = taps(&server.options()).await;
    append(&server, 2).await;
    let mut reader = StreamReader::start(&connection, &taps, log(), Start::After(Seq(9)));
    let ends = StreamEnds { first: Seq(1), last: Seq(2) };
    assert_eq!(next(&mut reader).await, ReaderEvent::Opened { from: Start::After(Seq(9)), ends, time: None });
    assert_eq!(entry_time(&connection, &log(), Seq(9)).await.unwrap(), None);
}

#[tokio::test]
async fn an_empty_stream_tells_that_it_has_held_entries() {
    let server = Server::start();
    let connection = server.provisioned().await;
    assert_eq!(stream_ends(&connection, &log()).await.unwrap(), StreamEnds { first: Seq(0), last: Seq(0) });
    append(&server, 3).await;
    server.stranger().await.get_stream("LOG_test_0").await.unwrap().purge().await.unwrap();
    assert_eq!(stream_ends(&connection, &log()).await.unwrap(), StreamEnds { first: Seq(4), last: Seq(3) });
}

/// Reads on to `last`, and checks that each entry comes once, in order, with each interruption told and followed by an opening at its
/// place.
async fn through_interruptions(reader: &mut StreamReader, mut seen: u64, last: u64) -> usize {
    let mut interruptions = 0;
    let mut open = true;
    while seen < last {
        match next(reader).await {
            ReaderEvent::Entry { seq, .. } => {
                assert!(open, "an entry of a consumer that did not open");
                assert_eq!(seq, Seq(seen + 1));
                seen += 1;
            }
            ReaderEvent::Interrupted => {
                interruptions += 1;
                open = false;
            }
            ReaderEvent::Opened { from, ends, time } => {
                assert_eq!(from, Start::After(Seq(seen)));
                assert!(ends.last >= Seq(seen) && time.is_some() == (seen > 0), "{ends:?}, {time:?}");
                open = true;
            }
        }
    }
    interruptions
}

#[tokio::test]
async fn a_reader_survives_restarts_and_cuts_without_a_hole_or_a_repeat() {
    let mut server = Server::start();
    server.provisioned().await;
    let link = Link::to(server.port()).await;
    let connection = dunlin_nats::Connection::open(&link.options(), &region()).await.unwrap();
    let taps = taps(&link.options()).await;
    append(&server, 10).await;
    let mut reader = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    assert!(matches!(next(&mut reader).await, ReaderEvent::Opened { .. }));
    assert_eq!(entries(&mut reader, 10).await, (1..=10).collect::<Vec<_>>());
    server.restart();
    append(&server, 10).await;
    assert!(through_interruptions(&mut reader, 10, 20).await > 0, "a restart is told");
    link.cut();
    append(&server, 10).await;
    link.mend();
    through_interruptions(&mut reader, 20, 30).await;
}

#[tokio::test]
async fn a_consumer_that_is_taken_away_is_made_anew() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let taps = taps(&server.options()).await;
    append(&server, 3).await;
    let mut reader = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    assert!(matches!(next(&mut reader).await, ReaderEvent::Opened { .. }));
    assert_eq!(entries(&mut reader, 3).await, [1, 2, 3]);
    let stream = server.stranger().await.get_stream("LOG_test_0").await.unwrap();
    let names: Vec<String> = futures_util::TryStreamExt::try_collect(stream.consumer_names()).await.unwrap();
    for name in names {
        stream.delete_consumer(&name).await.unwrap();
    }
    append(&server, 2).await;
    assert_eq!(through_interruptions(&mut reader, 3, 5).await, 1);
}

#[tokio::test]
async fn evicted_entries_are_a_hole_in_the_stream_and_none_in_the_reading() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let taps = taps(&server.options()).await;
    append(&server, 6).await;
    let stream = server.stranger().await.get_stream("LOG_test_0").await.unwrap();
    for seq in [2, 3] {
        stream.delete_message(seq).await.unwrap();
    }
    let mut reader = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    assert!(matches!(next(&mut reader).await, ReaderEvent::Opened { .. }));
    assert_eq!(entries(&mut reader, 4).await, [1, 4, 5, 6]);
    let mut reader = StreamReader::start(&connection, &taps, log(), Start::After(Seq(2)));
    let ends = StreamEnds { first: Seq(1), last: Seq(6) };
    let opened = ReaderEvent::Opened { from: Start::After(Seq(2)), ends, time: None };
    assert_eq!(next(&mut reader).await, opened, "no entry there, so no time");
}

#[tokio::test]
async fn an_entry_that_was_lost_with_its_connection_comes_without_another_one_behind_it() {
    let server = Server::start();
    server.provisioned().await;
    let link = Link::to(server.port()).await;
    let connection = dunlin_nats::Connection::open(&link.options(), &region()).await.unwrap();
    let taps = taps(&link.options()).await;
    let mut reader = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    append(&server, 2).await;
    assert_eq!(through_interruptions(&mut reader, 0, 2).await, 0);
    soon("one consumer", async { while consumers(&server).await > 1 {} }).await;
    link.deafen();
    append(&server, 1).await;
    let stream = server.stranger().await.get_stream("LOG_test_0").await.unwrap();
    let name = soon("the consumer", Box::pin(stream.consumer_names()).next()).await.unwrap().unwrap();
    soon("the entry to be sent", async {
        while stream.consumer_info(&name).await.unwrap().delivered.stream_sequence < 3 {}
    })
    .await;
    link.cut();
    soon("the loss", connection.status().wait_for(|status| *status == Status::Disconnected)).await.unwrap();
    link.mend();
    assert!(through_interruptions(&mut reader, 2, 3).await > 0);
}

/// How many consumers the log has.
async fn consumers(server: &Server) -> usize {
    let stream = server.stranger().await.get_stream("LOG_test_0").await.unwrap();
    stream.get_info().await.unwrap().state.consumer_count
}

#[tokio::test]
async fn readers_that_have_come_to_the_end_share_one_consumer() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let taps = taps(&server.options()).await;
    let mut early = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    assert!(matches!(next(&mut early).await, ReaderEvent::Opened { .. }));
    append(&server, 100).await;
    let mut late = StreamReader::start(&connection, &taps, log(), Start::After(Seq(50)));
    assert!(matches!(next(&mut late).await, ReaderEvent::Opened { .. }));
    assert_eq!(entries(&mut early, 100).await, (1..=100).collect::<Vec<_>>());
    assert_eq!(entries(&mut late, 50).await, (51..=100).collect::<Vec<_>>());
    // Without an entry: where they stand is where the shared one began. Consumers of their own go after a pause.
    soon("one consumer for both", async { while consumers(&server).await > 1 {} }).await;
    append(&server, 100).await;
    assert_eq!(entries(&mut early, 100).await, (101..=200).collect::<Vec<_>>());
    assert_eq!(entries(&mut late, 100).await, (101..=200).collect::<Vec<_>>());
    assert_eq!(consumers(&server).await, 1, "nobody went on alone");
}

#[tokio::test]
async fn a_reader_that_does_not_keep_up_goes_on_alone_and_holds_nobody_up() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let taps = taps(&server.options()).await;
    let mut quick = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    let mut slow = StreamReader::start(&connection, &taps, log(), Start::After(Seq(0)));
    for reader in [&mut quick, &mut slow] {
        assert!(matches!(next(reader).await, ReaderEvent::Opened { .. }));
    }
    soon("one consumer for both", async { while consumers(&server).await > 1 {} }).await;
    let (seqs, ()) = tokio::join!(entries(&mut quick, 600), append(&server, 600));
    assert_eq!(seqs, (1..=600).collect::<Vec<_>>());
    assert_eq!(through_interruptions(&mut slow, 0, 600).await, 1);
    soon("one consumer for both again", async { while consumers(&server).await > 1 {} }).await;
    append(&server, 1).await;
    assert_eq!(entries(&mut quick, 1).await, [601]);
    assert_eq!(entries(&mut slow, 1).await, [601]);
}

#[tokio::test]
async fn a_log_that_went_back_takes_what_readers_share_with_it() {
    let mut server = Server::start();
    let connection = server.provisioned().await;
    let taps = taps(&server.options()).await;
    append(&server, 2).await;
    server.keep_store();
    append(&server, 2).await;
    let mut readers = [0, 1].map(|_| StreamReader::start(&connection, &taps, log(), Start::After(Seq(0))));
    for reader in &mut readers {
        through_interruptions(reader, 0, 4).await;
    }
    soon("one consumer for both", async { while consumers(&server).await > 1 {} }).await;
    let read = entry_time(&connection, &log(), Seq(4)).await.unwrap();
    server.put_store_back();
    append(&server, 3).await;
    for reader in &mut readers {
        assert_eq!(next(reader).await, ReaderEvent::Interrupted);
        let mut other = None;
        loop {
            match next(reader).await {
                ReaderEvent::Opened { time, .. } => other = Some(time),
                ReaderEvent::Interrupted => other = None,
                ReaderEvent::Entry { seq, .. } => {
                    assert_eq!(seq, Seq(5));
                    break;
                }
            }
        }
        let stored = entry_time(&connection, &log(), Seq(4)).await.unwrap();
        assert_eq!(other, Some(stored), "it was told which entry stands where it was");
        assert_ne!(stored, read);
    }
}

/// As the bridge of a region reads what another region stored for it.
#[tokio::test]
async fn a_stream_of_another_domain_is_read_over_the_link_to_it() {
    let here = Server::start_with("http: \"127.0.0.1:-1\"\nleafnodes { listen: \"127.0.0.1:-1\" }");
    let varz = here.monitor("/varz").await;
    let varz: serde_json::Value = serde_json::from_str(&varz[varz.find('{').unwrap()..]).unwrap();
    let link = format!("leafnodes {{ remotes: [{{ url: \"nats://127.0.0.1:{}\" }}] }}", varz["leaf"]["port"]);
    let other = RegionName::new("other").unwrap();
    let there = Server::start_in(&other, &link);
    let client = async_nats::connect(format!("127.0.0.1:{}", there.port())).await.unwrap();
    let jetstream = async_nats::jetstream::with_domain(client, other.as_str());
    let stream = StreamName { domain: other, name: "OUT_other_test".to_owned() };
    let config = async_nats::jetstream::stream::Config {
        name: stream.name.clone(),
        subjects: vec!["out.other.test.>".to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let store = async |text: &'static str| jetstream.publish("out.other.test.bob", text.into()).await.unwrap().await;
    for text in ["one", "two", "three"] {
        store(text).await.unwrap();
    }

    let connection = Connection::open(&here.options(), &region()).await.unwrap();
    let taps = taps(&here.options()).await;
    let mut reader = StreamReader::start(&connection, &taps, stream.clone(), Start::After(Seq(1)));
    // Until the link stands there is nothing but interruptions.
    soon("the link", async {
        while !matches!(reader.next().await, ReaderEvent::Opened { ends: StreamEnds { last: Seq(3), .. }, .. }) {}
    })
    .await;
    assert_eq!(entries(&mut reader, 2).await, [2, 3]);
    store("four").await.unwrap();
    assert_eq!(entries(&mut reader, 1).await, [4]);
    assert_eq!(stream_ends(&connection, &stream).await.unwrap(), StreamEnds { first: Seq(1), last: Seq(4) });
}
