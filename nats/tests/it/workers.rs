//! What workers use: records, the heads service, the queue of receipts.

use std::time::Duration;

use dunlin_nats::{
    Connection, Heads, HeadsError, HeadsService, Question, ReceiptItem, Receipts, Records, SaveError, WorkQueue,
};
use dunlin_schema::{
    Cursor, DeviceName, Epoch, Millis, Peer, Position, Seq, Shard, StreamTime,
    heads::{Head, HeadsAnswer, Verified, Verify},
    record::Receipt,
    subject,
};

use crate::support::{Server, region, soon, user};

const SHARD: Shard = Shard(0);

fn position(seq: u64) -> Position {
    Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) }
}

#[tokio::test]
async fn a_record_is_written_only_over_the_revision_that_was_read() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let (one, other) = (Records::new(&connection), Records::new(&connection));
    let subject = subject::reader_record(&region(), SHARD, "deliver");
    assert_eq!(one.load(SHARD, &subject).await.unwrap(), None);
    let first = one.save(&subject, &b"one"[..], Seq(0)).await.unwrap();
    assert_eq!(other.save(&subject, &b"other"[..], Seq(0)).await, Err(SaveError::Conflict));
    let record = other.load(SHARD, &subject).await.unwrap().unwrap();
    assert_eq!((&record.bytes[..], record.revision), (&b"one"[..], first));
    let second = other.save(&subject, &b"other"[..], record.revision).await.unwrap();
    assert!(second > first);
    assert_eq!(one.save(&subject, &b"one again"[..], first).await, Err(SaveError::Conflict));
    let newer = one.load(SHARD, &subject).await.unwrap().unwrap();
    assert_eq!((&newer.bytes[..], newer.revision), (&b"other"[..], second));
    assert!(newer.stamp > record.stamp);
}

#[tokio::test]
async fn one_of_many_racing_writers_of_a_record_wins() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let records = Records::new(&connection);
    let subject = subject::reader_record(&region(), SHARD, "deliver");
    let mut revision = Seq(0);
    for _ in 0..20 {
        let tries = (0..8_u8).map(|owner| records.save(&subject, vec![owner], revision));
        let results = futures_util::future::join_all(tries).await;
        let winners: Vec<Seq> = results.iter().filter_map(|result| result.clone().ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        revision = winners[0];
    }
}

#[tokio::test]
async fn a_write_without_a_server_is_unknown() {
    let mut server = Server::start();
    let connection = server.provisioned().await;
    server.kill();
    let subject = subject::reader_record(&region(), SHARD, "deliver");
    let saved = Records::new(&connection).save(&subject, &b"one"[..], Seq(0)).await;
    assert_eq!(saved, Err(SaveError::Unknown));
}

#[tokio::test]
async fn questions_about_heads_find_the_reader_and_their_answers_the_gateway() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let gateway = Connection::open(&server.options(), &region()).await.unwrap();
    let heads = Heads::new(&gateway);
    let nobody = heads.ask(SHARD, vec![Peer::User(user("bob"))]).await;
    assert_eq!(nobody, Err(HeadsError::NobodyListens), "nobody offers the service yet");

    let mut service = HeadsService::start(&connection, SHARD).await.unwrap();
    let worker = tokio::spawn(async move {
        while let Some(question) = service.next().await {
            match question {
                Question::Heads(question, reply) => {
                    let head = |name: &str| Head { seq: Seq(name.len() as u64), time: StreamTime(1) };
                    let known = question.logs.iter().map(|log| Some(head(log.as_str())).filter(|h| h.seq > Seq(3)));
                    let answer = HeadsAnswer { position: position(9), floor: Seq(2), heads: known.collect() };
                    reply.answer(&answer).await;
                }
                // A doubt that nobody answers.
                Question::Verify(doubt, reply) if doubt.doubted.seq == Seq(0) => drop(reply),
                Question::Verify(doubt, reply) => {
                    reply.answer(&Verified { position: position(doubt.doubted.seq.0 + 1) }).await;
                }
            }
        }
    });
    let answer = heads.ask(SHARD, vec![Peer::User(user("bob")), Peer::User(user("carol"))]).await.unwrap();
    assert_eq!((answer.position, answer.floor), (position(9), Seq(2)));
    assert_eq!(answer.heads, [None, Some(Head { seq: Seq(5), time: StreamTime(1) })]);
    let page = (0..dunlin_schema::limits::HEADS_PAGE).map(|n| Peer::User(user(&format!("user-{n:059}")))).collect();
    assert!(heads.ask(SHARD, page).await.is_ok(), "a whole page of the longest names fits");
    let verified = heads.verify(SHARD, Verify { doubted: position(4) }).await.unwrap();
    assert_eq!(verified.position, position(5));
    let unanswered = heads.verify(SHARD, Verify { doubted: position(0) }).await;
    assert_eq!(unanswered, Err(HeadsError::Unanswered));

    // Discovery, as any NATS tool does it.
    let stranger = async_nats::connect(format!("127.0.0.1:{}", server.port())).await.unwrap();
    let info = stranger.request("$SRV.INFO.deliver-test-0", "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
    let subjects: Vec<_> =
        info["endpoints"].as_array().unwrap().iter().map(|e| e["subject"].as_str().unwrap()).collect();
    assert!(
        subjects.contains(&"svc.test.deliver-0.heads") && subjects.contains(&"svc.test.deliver-0.verify"),
        "{info}"
    );

    worker.abort();
    worker.await.unwrap_err();
    soon("the service's end", async {
        while heads.ask(SHARD, vec![Peer::User(user("bob"))]).await != Err(HeadsError::NobodyListens) {}
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_hangs_leaves_no_question_unanswered() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let _hanging = HeadsService::start(&connection, SHARD).await.unwrap();
    let mut service = HeadsService::start(&connection, SHARD).await.unwrap();
    let worker = tokio::spawn(async move {
        while let Some(question) = service.next().await {
            if let Question::Verify(doubt, reply) = question {
                reply.answer(&Verified { position: doubt.doubted }).await;
            }
        }
    });
    let heads = Heads::new(&connection);
    for _ in 0..20 {
        heads.verify(SHARD, Verify { doubted: position(1) }).await.unwrap();
    }
    worker.abort();
}

#[tokio::test]
async fn receipts_wait_for_their_worker_and_come_again_until_they_are_acknowledged() {
    let mut server = Server::start();
    let connection = server.provisioned().await;
    let receipts = Receipts::new(&connection);
    let device = DeviceName::new("phone").unwrap();
    let receipt = |seq| Receipt::Delivered {
        device: device.clone(),
        log: Peer::User(user("bob")),
        cursor: Cursor::of_entry(position(seq)),
        opened: Millis(1),
        senders: None,
    };
    // A stranger's item, whose subject names nobody, is taken off the queue and given to nobody.
    let nobodys = dunlin_schema::subject::receipt(&region(), SHARD, &user("bob")).replace(".bob", ".b@b");
    server.stranger().await.publish(nobodys, "?".into()).await.unwrap().await.unwrap();
    for seq in 1..=3 {
        receipts.publish(SHARD, &user("bob"), &receipt(seq)).await.unwrap();
    }
    let mut queue = WorkQueue::receipts(&connection, SHARD);
    for seq in 1..=3 {
        let queued = soon("a receipt", queue.next()).await;
        assert_eq!(queued.item, ReceiptItem { of: Peer::User(user("bob")), receipt: Ok(receipt(seq)) });
        if seq < 3 {
            queued.ack().await;
        }
    }
    connection.flush().await.unwrap();
    let name = dunlin_schema::stream::receipts_stream(&region(), SHARD);
    let stranger = server.stranger().await;
    soon("what is nobody's to go", async {
        // The third alone is left.
        while stranger.get_stream(&name).await.unwrap().cached_info().state.messages > 1 {}
    })
    .await;
    // The worker dies with the third one; the server forgets who had it.
    drop(queue);
    server.restart();
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    Receipts::new(&connection).publish(SHARD, &user("bob"), &receipt(4)).await.unwrap();
    let mut queue = WorkQueue::receipts(&connection, SHARD);
    // The third comes when its time with the first worker is over; the others may come again, if the server died before it wrote their
    // acknowledgement down.
    let mut missing = vec![Ok(receipt(3)), Ok(receipt(4))];
    while !missing.is_empty() {
        let queued = tokio::time::timeout(Duration::from_secs(60), queue.next()).await.unwrap();
        missing.retain(|receipt| *receipt != queued.item.receipt);
        queued.ack().await;
    }
}
