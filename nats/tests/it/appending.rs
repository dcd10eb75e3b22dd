//! `append_once` against a real stream.

use std::time::Instant;

use dunlin_nats::{AppendError, Appender, Item, Origin, ReadError, Stored, provision};
use dunlin_schema::{
    Content, Log, MessageId, Millis, Peer, Seq,
    entry::{Body, Entry},
    limits,
    read::{ReadFrom, ReadRequest, Source},
    stream::RegionSettings,
};

use crate::support::{Link, Server, ago, entry, first, id, mailbox, now, region, repeat, sender, settings, soon, user};

/// The texts in a log, oldest first.
async fn texts(server: &Server, log: &Log) -> Vec<String> {
    let reads = server.reads().await;
    let mut texts = Vec::new();
    let mut from = ReadFrom::Seq(Seq(1));
    loop {
        let answer = reads.read(log, ReadRequest { from, source: Source::Leader }).await.unwrap();
        for stored in &answer.entries {
            texts.push(match Entry::decode(&stored.payload).unwrap().body {
                Body::Content(Content::Message { text, .. }) => text.unwrap(),
                other => format!("{other:?}"),
            });
        }
        match answer.entries.last() {
            Some(last) if answer.more => from = ReadFrom::Seq(last.seq.next()),
            _ => return texts,
        }
    }
}

fn stored(seq: u64, item: &Item, repeat: bool) -> Result<Stored, AppendError> {
    Ok(Stored { seq: Seq(seq), entry: item.entry.clone(), repeat })
}

#[tokio::test]
async fn fresh_then_the_same_at_once_is_stored_once_with_the_same_answer() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let item = first(id(now()), "hello");
    assert_eq!(appender.append(item.clone()).await, stored(1, &item, false));
    // The repeat bears a later time: the answer is the first one's.
    let mut again = item.clone();
    again.entry.time = now().plus(Millis(5_000));
    assert_eq!(appender.append(again.clone()).await, stored(1, &item, true));
    again.first_try = false;
    assert_eq!(appender.append(again).await, stored(1, &item, true));
    assert_eq!(texts(&server, &item.log).await, ["hello"]);
}

#[tokio::test]
async fn the_same_twice_at_the_same_time_is_stored_once() {
    let server = Server::start();
    server.provisioned().await;
    let (one, other) = tokio::join!(server.appender(), server.appender());
    for round in 0..20 {
        let item = first(id(now()), &format!("round {round}"));
        let (one, other) = tokio::join!(one.append(item.clone()), other.append(item.clone()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.seq, &one.entry), (other.seq, &other.entry));
        assert_eq!(u8::from(one.repeat) + u8::from(other.repeat), 1, "one of them is the repeat");
    }
    assert_eq!(texts(&server, &mailbox("bob")).await.len(), 20);
}

#[tokio::test]
async fn one_message_to_two_mailboxes_of_one_stream_is_stored_in_both() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let to_bob = first(id(now()), "hello");
    let copy = Item { log: mailbox("alice"), ..to_bob.clone() };
    assert_eq!(appender.append(to_bob.clone()).await, stored(1, &to_bob, false));
    assert_eq!(appender.append(copy.clone()).await, stored(2, &copy, false));
}

#[tokio::test]
async fn one_id_of_two_senders_is_two_items() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let hers = first(id(now()), "hers");
    let mut his = first(hers.entry.id, "his");
    his.entry.from = sender("carol");
    for (item, seq) in [(&hers, 1), (&his, 2)] {
        assert_eq!(appender.append(item.clone()).await, stored(seq, item, false));
    }
    for (item, seq) in [(hers, 1), (his, 2)] {
        let again = Item { first_try: false, ..item.clone() };
        assert_eq!(appender.append(again).await, stored(seq, &item, true));
    }
}

#[tokio::test]
async fn a_late_repeat_is_found_whatever_the_duplicate_window_remembers() {
    let mut server = Server::start();
    server.provisioned().await;
    let old = first(id(ago(50)), "old");
    let younger = first(id(ago(45)), "younger");
    let appender = server.appender().await;
    appender.append(old.clone()).await.unwrap();
    appender.append(younger.clone()).await.unwrap();
    // Without the publish's own message id, the stream could not know it: only the late path can.
    forget_ids(&mut server).await;
    let appender = server.appender().await;
    let mut again = repeat(old.entry.id, "old");
    again.entry.time = now().plus(Millis(9_000));
    assert_eq!(appender.append(again).await, stored(3, &old, true));
    assert_eq!(texts(&server, &old.log).await, ["old", "younger"]);
}

/// Stores everything again without its `Nats-Msg-Id`, as if the duplicate window had passed.
async fn forget_ids(server: &mut Server) {
    let jetstream = server.stranger().await;
    let mut stream = jetstream.get_stream("LOG_test_0").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    for seq in 1..=last {
        let message = stream.get_raw_message(seq).await.unwrap();
        stream.delete_message(seq).await.unwrap();
        jetstream.publish(message.subject, message.payload).await.unwrap().await.unwrap();
    }
    server.restart();
}

#[tokio::test]
async fn three_racing_late_writers_store_once() {
    let server = Server::start();
    server.provisioned().await;
    let appenders = [server.appender().await, server.appender().await, server.appender().await];
    for round in 0..30 {
        let item = repeat(id(ago(40)), &format!("round {round}"));
        let tries = appenders.iter().map(|appender| appender.append(item.clone()));
        let results: Vec<Stored> = futures_util::future::try_join_all(tries).await.unwrap();
        assert_eq!(results.iter().filter(|stored| !stored.repeat).count(), 1, "round {round}: {results:?}");
        assert!(results.iter().all(|stored| stored.seq == results[0].seq), "round {round}: {results:?}");
    }
    assert_eq!(texts(&server, &mailbox("bob")).await.len(), 30);
}

#[tokio::test]
async fn racing_late_writers_of_different_items_all_store() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let items: Vec<Item> = (0..12).map(|n| repeat(id(ago(40)), &format!("item {n}"))).collect();
    let tries = items.iter().map(|item| appender.append(item.clone()));
    let mut seqs: Vec<u64> =
        futures_util::future::join_all(tries).await.into_iter().map(|stored| stored.unwrap().seq.0).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_tombstone_answers_for_what_was_erased() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let item = repeat(id(ago(40)), "regretted");
    let erased = appender.append(item.clone()).await.unwrap();
    let mut tombstone = entry(id(now()), "");
    tombstone.body = Body::Tombstone { sender: item.entry.from.clone(), id: item.entry.id };
    let grave = Item { entry: tombstone.clone(), ..first(tombstone.id, "") };
    appender.append(grave.clone()).await.unwrap();
    let stream = server.stranger().await.get_stream("LOG_test_0").await.unwrap();
    stream.delete_message(erased.seq.0).await.unwrap();
    assert_eq!(appender.append(item).await, stored(2, &grave, true));
}

#[tokio::test]
async fn an_erasure_takes_what_its_tombstone_stands_for_and_nothing_else() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let (item, other) = (first(id(now()), "regretted"), first(id(now()), "of the same mailbox"));
    let log = item.log.clone();
    for item in [&item, &other] {
        appender.append(item.clone()).await.unwrap();
    }
    // The message itself is not taken for its tombstone where the log is looked at; an earlier tombstone is.
    let entry = item.entry.header().tombstone(Seq(1), id(now()));
    let tombstone = Item { entry, first_try: false, ..item.clone() };
    assert_eq!(appender.append(tombstone.clone()).await, stored(3, &tombstone, false));
    let another = Item { entry: item.entry.header().tombstone(Seq(1), id(now())), ..tombstone.clone() };
    assert_eq!(server.appender().await.append(another).await, stored(3, &tombstone, true));
    for (seq, tombstone) in [(2, 3), (1, 2), (1, 9), (3, 3)] {
        assert_eq!(
            appender.erase(&log, Seq(seq), Seq(tombstone)).await,
            Err(ReadError::Unanswered),
            "{seq} {tombstone}"
        );
    }
    assert_eq!(appender.erase(&log, Seq(1), Seq(3)).await, Ok(true));
    assert_eq!(appender.erase(&log, Seq(1), Seq(3)).await, Ok(false), "it is gone");
    assert_eq!(texts(&server, &log).await.len(), 2);
    assert_eq!(
        appender.append(Item { first_try: false, ..item }).await.unwrap().seq,
        Seq(3),
        "the tombstone answers for it"
    );
}

#[tokio::test]
async fn a_duplicate_whose_entry_is_gone_is_still_a_repeat() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let item = first(id(now()), "gone");
    appender.append(item.clone()).await.unwrap();
    let stream = server.stranger().await.get_stream("LOG_test_0").await.unwrap();
    stream.delete_message(1).await.unwrap();
    assert_eq!(appender.append(item.clone()).await, stored(1, &item, true));
    assert_eq!(texts(&server, &item.log).await, Vec::<String>::new(), "it did not rise from the dead");
}

#[tokio::test]
async fn after_a_restart_nothing_relies_on_the_window() {
    let mut server = Server::start();
    server.provisioned().await;
    let item = first(id(now()), "erased within the window");
    let appender = server.appender().await;
    appender.append(item.clone()).await.unwrap();
    let mut tombstone = entry(id(now()), "");
    tombstone.body = Body::Tombstone { sender: item.entry.from.clone(), id: item.entry.id };
    let grave = Item { entry: tombstone, ..first(id(now()), "") };
    appender.append(grave.clone()).await.unwrap();
    server.stranger().await.get_stream("LOG_test_0").await.unwrap().delete_message(1).await.unwrap();
    server.restart();
    let appender = server.appender().await;
    let again = appender.append(item).await;
    assert_eq!(again, stored(2, &grave, true), "the window was rebuilt without the erased entry's id");
}

#[tokio::test]
async fn ids_from_the_future_are_refused() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let ahead = |seconds: u64| first(id(now().plus(Millis(seconds * 1_000))), "ahead");
    assert_eq!(appender.append(ahead(60)).await, Err(AppendError::FromTheFuture));
    assert!(appender.append(ahead(25)).await.is_ok());
}

#[tokio::test]
async fn an_id_older_than_the_retention_is_too_old() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let ancient = repeat(id(now().minus(limits::RETENTION)), "ancient");
    assert_eq!(appender.append(ancient.clone()).await, Err(AppendError::TooOld));
    // What a reader carries was accepted elsewhere, whenever that was.
    let carried = Item { origin: Origin::Reader { saved: now().into() }, ..ancient };
    assert_eq!(appender.append(carried.clone()).await, stored(1, &carried, false));
    assert_eq!(appender.append(carried.clone()).await, stored(1, &carried, true));
}

/// Fills bob's mailbox with entries of younger ids, as many as it keeps.
async fn fill(server: &Server, count: u64) {
    let jetstream = server.stranger().await;
    let subject = mailbox("bob").subject();
    let mut acks = Vec::new();
    for n in 0..count {
        let entry = entry(MessageId::from_parts(now(), u128::from(n)), &"x".repeat(200));
        acks.push(jetstream.publish(subject.clone(), entry.encode()).await.unwrap());
        if acks.len() == 200 || n + 1 == count {
            for ack in acks.drain(..) {
                ack.await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn in_a_full_mailbox_late_repeats_are_quick_and_what_may_be_evicted_is_too_old() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let evicted = repeat(id(ago(40)), "evicted");
    appender.append(evicted.clone()).await.unwrap();
    let kept = repeat(id(ago(40)), "kept");
    appender.append(kept.clone()).await.unwrap();
    fill(&server, limits::MAILBOX_ENTRIES - 1).await;

    let began = Instant::now();
    assert_eq!(appender.append(kept.clone()).await, stored(2, &kept, true));
    let at_the_beginning = began.elapsed();
    let middle = {
        let reads = server.reads().await;
        let request = ReadRequest { from: ReadFrom::Seq(Seq(limits::MAILBOX_ENTRIES)), source: Source::Leader };
        let answer = reads.read(&mailbox("bob"), request).await.unwrap();
        Entry::decode(&answer.entries[0].payload).unwrap()
    };
    let began = Instant::now();
    let again = appender.append(Item { entry: middle.clone(), ..repeat(middle.id, "") }).await.unwrap();
    let near_the_end = began.elapsed();
    assert_eq!((again.seq, again.repeat), (Seq(limits::MAILBOX_ENTRIES), true));
    println!("late repeats in a full mailbox: {at_the_beginning:?} at its beginning, {near_the_end:?} near its end");
    // The goal is 100 ms in a release build on an idle machine; a debug build beside other suites gets more.
    assert!(near_the_end.as_millis() < 2_000, "{near_the_end:?}");

    assert_eq!(appender.append(evicted).await, Err(AppendError::TooOld), "it may have been stored, and it was");
}

#[tokio::test]
async fn a_full_stream_refuses_and_loses_nothing() {
    let server = Server::start();
    let connection = dunlin_nats::Connection::open(&server.options(), &region()).await.unwrap();
    let small = RegionSettings { log_bytes: 1 << 20, ..settings() };
    provision(&connection, &small).await.unwrap();
    let appender = Appender::open(&server.options(), &small).await.unwrap();
    let mut accepted = Vec::new();
    let refused = loop {
        let text = format!("{:05}{}", accepted.len(), "x".repeat(30_000));
        match appender.append(first(id(now()), &text)).await {
            Ok(_) => accepted.push(text),
            Err(error) => break error,
        }
        assert!(accepted.len() < 100, "a stream of 1 MiB takes 3 MB");
    };
    assert_eq!(refused, AppendError::Full);
    assert_eq!(appender.append(repeat(id(ago(40)), &"y".repeat(30_000))).await, Err(AppendError::Full), "late, too");
    assert_eq!(texts(&server, &mailbox("bob")).await, accepted);
}

#[tokio::test]
async fn what_was_given_up_during_a_cut_is_not_stored_later() {
    let server = Server::start();
    server.provisioned().await;
    let link = Link::to(server.port()).await;
    let appender = Appender::open(&link.options(), &settings()).await.unwrap();
    appender.append(first(id(now()), "before")).await.unwrap();
    link.cut();
    let tries: Vec<_> = (0..5).map(|n| first(id(now()), &format!("cut {n}"))).collect();
    let results = futures_util::future::join_all(tries.iter().map(|item| appender.append(item.clone()))).await;
    assert!(results.iter().all(|result| *result == Err(AppendError::Unknown)), "{results:?}");
    link.mend();
    // The appender comes back by itself.
    let after = soon("an append after the cut", async {
        loop {
            if let Ok(stored) = appender.append(first(id(now()), "after")).await {
                return stored;
            }
        }
    })
    .await;
    assert!(!after.repeat);
    assert_eq!(texts(&server, &mailbox("bob")).await, ["before", "after"]);
    // And its sender's repeat is stored, once.
    let again = repeat(tries[0].entry.id, "cut 0");
    assert!(!appender.append(again.clone()).await.unwrap().repeat);
    assert!(appender.append(again).await.unwrap().repeat);
}

#[tokio::test]
async fn a_server_that_dies_under_load_loses_nothing_that_was_acknowledged() {
    let mut server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let mut accepted = Vec::new();
    for round in 0..3 {
        let items: Vec<_> = (0..50).map(|n| first(id(now()), &format!("{round}/{n}"))).collect();
        let tries = futures_util::future::join_all(items.iter().map(|item| appender.append(item.clone())));
        let (results, ()) = tokio::join!(tries, async { server.restart() });
        for (item, result) in items.iter().zip(results) {
            let outcome = match result {
                Err(AppendError::Unknown) => {
                    let again = Item { first_try: false, ..item.clone() };
                    soon("a repeat's answer", async {
                        loop {
                            if let Ok(stored) = appender.append(again.clone()).await {
                                return stored;
                            }
                        }
                    })
                    .await
                }
                other => other.unwrap(),
            };
            accepted.push((outcome.seq, outcome.entry));
        }
    }
    let mut found = texts(&server, &mailbox("bob")).await;
    found.sort();
    let mut expected: Vec<String> = (0..3).flat_map(|round| (0..50).map(move |n| format!("{round}/{n}"))).collect();
    expected.sort();
    assert_eq!(found, expected, "each once");
    assert_eq!(accepted.len(), expected.len());
}

#[tokio::test]
async fn a_group_s_log_is_a_log_like_any_other() {
    let server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let log = Log::of(&region(), 1, Peer::Group(dunlin_schema::GroupName::new("bob").unwrap()));
    let to_group = Item { log, ..first(id(now()), "to all") };
    let to_user = Item { log: Log::of(&region(), 1, Peer::User(user("bob"))), ..to_group.clone() };
    assert_eq!(appender.append(to_group.clone()).await, stored(1, &to_group, false));
    assert_eq!(appender.append(to_user.clone()).await, stored(2, &to_user, false));
}

/// Stores everything that `items` are, at once, and gives what they were told.
async fn all(appenders: &[Appender], items: &[Item]) -> Vec<Result<Stored, AppendError>> {
    let tries = items.iter().enumerate().map(|(n, item)| appenders[n % appenders.len()].append(item.clone()));
    futures_util::future::join_all(tries).await
}

#[tokio::test]
async fn after_a_restart_many_senders_into_one_mailbox_are_all_stored_and_it_is_read_once() {
    let mut server = Server::start();
    server.provisioned().await;
    const OLD: u64 = 3_000;
    fill(&server, OLD).await;
    server.restart();
    let appender = server.appender().await;
    // Ten senders: each has five on their way.
    const ITEMS: u64 = 50;
    let items: Vec<Item> = (0..ITEMS)
        .map(|n| {
            let mut item = first(id(now()), &format!("after {n}"));
            item.entry.from = sender(&format!("sender{}", n % 10));
            item
        })
        .collect();
    let told = all(std::slice::from_ref(&appender), &items).await;
    assert!(told.iter().all(|told| matches!(told, Ok(Stored { repeat: false, .. }))), "{told:?}");
    assert_eq!(appender.late_appends(), ITEMS);
    // The mailbox once, and of each append the one before it. Each from the beginning would be 150,000.
    let read = appender.late_entries();
    assert!((OLD..OLD + 2_000).contains(&read), "{read} entries read");
    // Repeats find what is stored, each with one question.
    let again: Vec<Item> = items.iter().map(|item| Item { first_try: false, ..item.clone() }).collect();
    let repeated = all(std::slice::from_ref(&appender), &again).await;
    for (told, repeated) in told.into_iter().zip(repeated) {
        assert_eq!(repeated, told.map(|told| Stored { repeat: true, ..told }));
    }
    assert!(appender.late_entries() < read + 1_000, "{} entries read", appender.late_entries());
    assert_eq!(texts(&server, &mailbox("bob")).await.len() as u64, OLD + ITEMS);
}

#[tokio::test]
async fn repeats_across_a_restart_are_stored_once() {
    let mut server = Server::start();
    server.provisioned().await;
    let mut appenders = vec![server.appender().await, server.appender().await];
    let items: Vec<Item> = (0..60).map(|n| repeat(id(ago(40)), &format!("item {n}"))).collect();
    let before = all(&appenders, &items).await;
    for round in 0..2 {
        server.restart();
        // Old ones with what they remember, and new ones.
        appenders.push(server.appender().await);
        for told in all(&appenders, &items).await.iter().zip(&before) {
            match told {
                (Ok(again), Ok(first)) => assert_eq!((again.seq, &again.entry), (first.seq, &first.entry)),
                (Err(AppendError::Unknown), _) => {}
                other => panic!("round {round}: {other:?}"),
            }
        }
    }
    assert_eq!(texts(&server, &mailbox("bob")).await.len(), 60);
}

#[tokio::test]
async fn what_is_remembered_and_was_lost_is_stored_again() {
    let mut server = Server::start();
    server.provisioned().await;
    let appender = server.appender().await;
    let items = ["kept", "lost", "last"].map(|text| repeat(id(ago(40)), text));
    appender.append(items[0].clone()).await.unwrap();
    server.keep_store();
    for (item, seq) in items[1..].iter().zip(2..) {
        assert_eq!(survived(&appender, item).await, Stored { seq: Seq(seq), entry: item.entry.clone(), repeat: false });
    }
    assert_eq!(appender.append(items[1].clone()).await, stored(2, &items[1], true), "it is remembered");
    server.put_store_back();
    for (item, seq) in items[1..].iter().zip(2..) {
        let again = survived(&appender, item).await;
        assert_eq!((again.seq, again.repeat), (Seq(seq), false), "it is stored, not remembered");
    }
    assert_eq!(texts(&server, &mailbox("bob")).await, ["kept", "lost", "last"]);
}

/// Appends, and again while the outcome is unknown.
async fn survived(appender: &Appender, item: &Item) -> Stored {
    soon("an append after the server came back", async {
        loop {
            match appender.append(item.clone()).await {
                Err(AppendError::Unknown) => {}
                outcome => return outcome.unwrap(),
            }
        }
    })
    .await
}
