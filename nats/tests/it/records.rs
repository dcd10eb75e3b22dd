//! Records listed in pages, and watched.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_nats::{Connection, Record, RecordError, Records, Status, Watch, WatchEvent, records::PAGE};
use dunlin_schema::{DeviceName, Millis, Seq, Shard, limits, subject};

use crate::support::{Link, Server, mailbox, region, soon, user};

const SHARD: Shard = Shard(0);

fn of(name: &str, device: usize) -> String {
    let device = DeviceName::new(&format!("d{device}")).unwrap();
    subject::device_record(&region(), SHARD, &user(name), &device, &mailbox("bob").owner)
}

fn all_of(name: &str) -> String {
    of(name, 0).replace("d0", "*")
}

async fn write(records: &Records, subject: &str, text: &str) {
    let expect = records.load(SHARD, subject).await.unwrap().map_or(Seq(0), |record| record.revision);
    records.save(subject, text.to_owned(), expect).await.unwrap();
}

#[tokio::test]
async fn pages_bring_every_record_of_a_pattern_and_no_other() {
    let server = Server::start();
    let records = Records::new(&server.provisioned().await);
    let none = records.page(SHARD, &all_of("bob"), Seq(0)).await.unwrap();
    assert_eq!((none.records.len(), none.next), (0, None));
    for device in 0..2 * PAGE + 1 {
        write(&records, &of("bob", device), "one").await;
        write(&records, &of("bobby", device), "other").await;
    }
    let (mut found, mut sizes, mut from) = (BTreeSet::new(), Vec::new(), Seq(0));
    loop {
        let page = records.page(SHARD, &all_of("bob"), from).await.unwrap();
        sizes.push(page.records.len());
        assert!(page.records.iter().all(|(_, record)| record.bytes == "one"));
        found.extend(page.records.into_iter().map(|(subject, _)| subject));
        match page.next {
            Some(next) => from = next,
            None => break,
        }
        if sizes.len() == 1 {
            // Written meanwhile: one that was given, and one that was not.
            write(&records, &of("bob", 0), "one").await;
            write(&records, &of("bob", 2 * PAGE), "one").await;
        }
    }
    assert_eq!(sizes, [PAGE, PAGE, 2], "the one that was given comes once more");
    assert_eq!(found, (0..2 * PAGE + 1).map(|device| of("bob", device)).collect());
}

#[tokio::test]
async fn the_few_records_of_a_pattern_come_in_the_order_of_their_revisions_however_many_they_are() {
    // More than one answer holds, and more than nats-server looks for at once.
    const COUNTS: [usize; 4] = [0, 3, limits::READ_ENTRIES + 10, 1_030];
    let server = Server::start();
    let (records, reads) = (Records::new(&server.provisioned().await), server.reads().await);
    let mut written: Vec<(String, Seq)> = Vec::new();
    for count in COUNTS {
        while written.len() < count {
            let subject = of("bob", written.len());
            records.save(&of("bobby", written.len()), "other", Seq(0)).await.unwrap();
            let revision = records.save(&subject, "one", Seq(0)).await.unwrap();
            written.push((subject, revision));
        }
        if let Some((subject, revision)) = written.first().cloned() {
            written.remove(0);
            let revision = records.save(&subject, "one", revision).await.unwrap();
            written.push((subject, revision));
        }
        let mut found = Vec::new();
        let keep = |subject, record: Record| {
            assert_eq!(record.bytes, "one");
            found.push((subject, record.revision));
            Ok::<_, RecordError>(())
        };
        records.each_of_few(&reads, SHARD, &all_of("bob"), keep).await.unwrap();
        assert_eq!(found, written, "of {count}");
    }
}

async fn next(watch: &mut Watch) -> WatchEvent {
    soon("the watch", watch.next()).await
}

/// What a snapshot that is about to begin holds.
async fn snapshot(watch: &mut Watch) -> BTreeMap<String, String> {
    assert_eq!(next(watch).await, WatchEvent::Began);
    let mut found = BTreeMap::new();
    loop {
        match next(watch).await {
            WatchEvent::Began => found.clear(),
            WatchEvent::Record(subject, record) => {
                found.insert(subject, String::from_utf8(record.bytes.to_vec()).unwrap());
            }
            WatchEvent::Complete => return found,
        }
    }
}

fn expected(of_bob: &[(usize, &str)]) -> BTreeMap<String, String> {
    of_bob.iter().map(|&(device, text)| (of("bob", device), text.to_owned())).collect()
}

#[tokio::test]
async fn a_watch_gives_a_snapshot_then_changes_and_another_snapshot_after_a_cut() {
    let server = Server::start();
    let near = Records::new(&server.provisioned().await);
    let link = Link::to(server.port()).await;
    let connection = Connection::open(&link.options(), &region()).await.unwrap();
    let mut watch = Records::new(&connection).watch(SHARD, all_of("bob"));
    assert_eq!(snapshot(&mut watch).await, expected(&[]), "complete, though there is nothing");
    for (name, device, text) in [("bob", 1, "one"), ("carol", 1, "hers"), ("bob", 2, "two"), ("bob", 1, "newer")] {
        write(&near, &of(name, device), text).await;
    }
    for (device, text) in [(1, "one"), (2, "two"), (1, "newer")] {
        let WatchEvent::Record(subject, record) = next(&mut watch).await else { panic!("a change") };
        assert_eq!((subject, &record.bytes[..]), (of("bob", device), text.as_bytes()));
    }
    let mut another = near.watch(SHARD, all_of("bob"));
    assert_eq!(snapshot(&mut another).await, expected(&[(1, "newer"), (2, "two")]));
    link.cut();
    soon("the cut", connection.status().wait_for(|status| *status == Status::Disconnected)).await.unwrap();
    write(&near, &of("bob", 2), "while it was cut").await;
    link.mend();
    assert_eq!(snapshot(&mut watch).await, expected(&[(1, "newer"), (2, "while it was cut")]));
}

#[tokio::test]
async fn a_watch_of_changes_tells_at_once_when_it_may_miss_some() {
    let server = Server::start();
    let near = Records::new(&server.provisioned().await);
    let link = Link::to(server.port()).await;
    let connection = Connection::open(&link.options(), &region()).await.unwrap();
    write(&near, &of("bob", 1), "before").await;
    let mut watch = Records::new(&connection).watch_changes(SHARD, all_of("bob"));
    assert_eq!(snapshot(&mut watch).await, expected(&[]), "only what is new");
    write(&near, &of("bob", 1), "one").await;
    assert!(matches!(next(&mut watch).await, WatchEvent::Record(subject, _) if subject == of("bob", 1)));
    link.cut();
    assert_eq!(next(&mut watch).await, WatchEvent::Began, "though nothing can be asked yet");
    write(&near, &of("bob", 1), "while it was cut").await;
    link.mend();
    while next(&mut watch).await != WatchEvent::Complete {}
    write(&near, &of("bob", 2), "two").await;
    assert!(matches!(next(&mut watch).await, WatchEvent::Record(subject, _) if subject == of("bob", 2)));
}

#[tokio::test]
async fn a_snapshot_whose_last_record_is_taken_away_completes_all_the_same() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let records = Records::new(&connection);
    // More than waits anywhere, so that the end of the snapshot is taken away before it is sent.
    for device in 0..1_500 {
        records.save(&of("bob", device), "one", Seq(0)).await.unwrap();
    }
    let mut watch = records.watch(SHARD, all_of("bob"));
    assert_eq!(next(&mut watch).await, WatchEvent::Began);
    assert!(matches!(next(&mut watch).await, WatchEvent::Record(..)));
    let stream = server.stranger().await.get_stream("STATE_test_0").await.unwrap();
    for device in 1_400..1_500 {
        stream.purge().filter(of("bob", device)).await.unwrap();
    }
    let mut given = 1;
    while next(&mut watch).await != WatchEvent::Complete {
        given += 1;
    }
    assert!((1_400..1_500).contains(&given), "{given}");
}

#[tokio::test]
async fn a_record_that_nobody_writes_again_goes_when_its_time_is_over() {
    let server = Server::start();
    let records = Records::new(&server.provisioned().await);
    let (short, long) = (Millis(1_000), Millis(3_600_000));
    let kept = records.save_for(short, &of("bob", 1), "short", Seq(0)).await.unwrap();
    records.save_for(short, &of("bob", 2), "short", Seq(0)).await.unwrap();
    records.save(&of("bob", 3), "for ever", Seq(0)).await.unwrap();
    records.save_for(long, &of("bob", 1), "written again", kept).await.unwrap();
    let gone = async { while records.load(SHARD, &of("bob", 2)).await.unwrap().is_some() {} };
    soon("the end of its time", gone).await;
    assert_eq!(records.count(SHARD, &all_of("bob")).await, Ok(2));
    assert_eq!(records.load(SHARD, &of("bob", 1)).await.unwrap().unwrap().bytes, "written again");
    records.save_for(long, &of("bob", 2), "anew", Seq(0)).await.unwrap();
}

#[tokio::test]
async fn the_record_that_was_written_longest_ago_is_taken_and_no_other() {
    let server = Server::start();
    let records = Records::new(&server.provisioned().await);
    assert_eq!(records.take_oldest(SHARD, &all_of("bob")).await, Ok(false));
    assert_eq!(records.count(SHARD, &all_of("bob")).await, Ok(0));
    write(&records, &of("carol", 1), "hers").await;
    for device in [1, 2, 3, 1] {
        write(&records, &of("bob", device), "one").await;
    }
    assert_eq!(records.take_oldest(SHARD, &all_of("bob")).await, Ok(true));
    let left = records.page(SHARD, &all_of("bob"), Seq(0)).await.unwrap();
    let left: Vec<_> = left.records.into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(left, [of("bob", 3), of("bob", 1)]);
    assert_eq!(records.count(SHARD, &all_of("carol")).await, Ok(1));
}
