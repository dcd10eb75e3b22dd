//! Files whose messages are erased: the media workers are told, and nothing waits for them where there are none.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails where it stands, with what it found"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use dunlin_nats::{MediaService, Reads, raw};
use dunlin_schema::{
    Attachment, Content, Entry, Log, MediaId, MessageId, Millis, Sender, Seq,
    entry::Body,
    media::service::{MediaAnswer, MediaRefusal, MediaRequest},
    read::{ReadFrom, ReadRequest, Source},
};
use dunlin_tests::{server::ServerOptions, wait::until};
use dunlin_workers::{Boot, Config, deliver, eraser};

use super::bench::{Bench, Node, SHARD, name};

fn fresh_id() -> MessageId {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    MessageId::from_parts(Millis(now), rand::random())
}

fn alice() -> Sender {
    Sender { user: name("alice"), region: "local".parse().unwrap() }
}

/// What alice says to bob.
fn entry(id: MessageId, content: Content) -> Entry {
    let to = "bob@local".parse().unwrap();
    Entry { id, from: alice(), to, order: Some(Seq(1)), time: id.time(), body: Body::Content(content) }
}

fn bobs(bench: &Bench) -> Log {
    Log::mailbox(&bench.settings.region, 1, &name("bob"))
}

/// Stores a message with two files in bob's mailbox, and that it is taken back. Gives its id and the files.
async fn taken_back(bench: &Bench) -> (MessageId, Vec<MediaId>) {
    let (message, files) = (fresh_id(), vec![MediaId(fresh_id()), MediaId(fresh_id())]);
    let attachments = files.iter().map(|file| Attachment::named(*file, None)).collect();
    let said = Content::Message { text: None, data: None, attachments, reply_to: None, mentions: vec![] };
    for (id, content) in [(message, said), (fresh_id(), Content::Delete { target: message })] {
        let bytes: Bytes = entry(id, content).encode();
        raw::publish(&bench.connection, bobs(bench).subject(), bytes).await.unwrap();
    }
    bench.connection.flush().await.unwrap();
    (message, files)
}

async fn eraser(bench: &Bench) -> Node {
    let roles = vec![deliver::ROLE, eraser::ROLE];
    bench.worker_with(Config { roles, boot: Boot::Given("boot".to_owned()), ..Config::default() }).await
}

/// Resolves when a tombstone is all that is left of a message.
async fn erased(bench: &Bench, message: MessageId) {
    let reads = Reads::open(&bench.options(), &bench.settings).await.unwrap();
    let request = ReadRequest { from: ReadFrom::Seq(Seq(1)), source: Source::Leader };
    until("a tombstone in place of the message", async || {
        let answer = reads.read(&bobs(bench), request).await.ok()?;
        let entries: Vec<_> = answer.entries.iter().filter_map(|found| Entry::decode(&found.payload).ok()).collect();
        let is_left = entries.iter().any(|entry| entry.id == message);
        (!is_left && entries.iter().any(Entry::is_tombstone)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_of_an_erased_message_are_released_before_it_is_gone() {
    let bench = Bench::new(ServerOptions::default()).await;
    let (message, mut files) = taken_back(&bench).await;
    let mut service = MediaService::start(&bench.connection, SHARD).await.unwrap();
    let _node = eraser(&bench).await;
    // Whoever is not heard the first time says it again.
    let mut released = Vec::new();
    for answer in [MediaAnswer::Refused(MediaRefusal::Unavailable), MediaAnswer::Done, MediaAnswer::Done] {
        let question = until_asked(&mut service).await;
        let MediaRequest::Release { from, id, to, media } = question.wanted else { panic!("{:?}", question.wanted) };
        assert_eq!((from, id, to), (alice(), message, "bob@local".parse().unwrap()));
        if answer == MediaAnswer::Done {
            released.push(media);
        }
        question.reply.answer(&answer).await;
    }
    released.sort_unstable();
    files.sort_unstable();
    assert_eq!(released, files);
    erased(&bench, message).await;
}

async fn until_asked(service: &mut MediaService) -> dunlin_nats::MediaQuestion {
    let asked = tokio::time::timeout(std::time::Duration::from_secs(20), service.next()).await;
    asked.expect("a question").expect("a connection")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_with_files_is_erased_also_where_no_media_worker_is() {
    let bench = Bench::new(ServerOptions::default()).await;
    let (message, _) = taken_back(&bench).await;
    let node = eraser(&bench).await;
    erased(&bench, message).await;
    let metrics = node.get("/metrics").await;
    assert!(metrics.contains("dunlin_eraser_released_late_total{shard=\"0\"} 2"), "{metrics}");
}
