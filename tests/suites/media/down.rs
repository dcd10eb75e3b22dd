//! A store that is down: text flows, gateways and workers stay ready, and uploads are told to come later; once it is back what waited goes
//! on.

use std::time::{Duration, Instant};

use dunlin_client::{AskError, Client, File};
use dunlin_schema::{Attachment, Code, Content, Millis, Open, frame::Question, media::Sha256};
use dunlin_tests::{
    bucket::Bucket,
    process::{Files, Processes},
    wait::until,
};

use super::{connected, download, files, kept::Known, kills::bytes, with};

/// How an upload is refused that is to begin.
async fn refused(client: &Client) -> (Open<Code>, Option<Millis>) {
    let question =
        Question::Upload { size: 1, kind: "a/b".parse().expect("a type"), sha256: Sha256([7; 32]), media: None };
    match client.ask(question).await {
        Err(AskError::Refused { code, retry_after, .. }) => (code, retry_after),
        other => panic!("{other:?}"),
    }
}

/// What the worker counts under this name, of all shards.
pub(super) async fn counted(region: &Processes, name: &str) -> u64 {
    let page = region.worker_page(0, "/metrics").await.expect("a page");
    let of = |line: &str| line.strip_prefix(name).and_then(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok());
    page.lines().filter_map(of).sum()
}

async fn is_open(region: &Processes) -> bool {
    counted(region, "dunlin_media_circuit_open").await == 1
}

async fn unavailable(region: &Processes) -> u64 {
    counted(region, "dunlin_media_unavailable_total").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_down_text_flows_and_once_it_is_back_what_waited_goes_on() {
    let Some(bucket) = Bucket::start() else { return };
    let address = bucket.address();
    let mut region = Processes::start_with(Files::Bucket(bucket, address), 1).await;
    let ((alice, _alice), (bob, mut news)) = (connected(&region, 0, "alice").await, connected(&region, 0, "bob").await);
    let upload = |number: u64| {
        let alice = alice.clone();
        async move {
            alice.upload(&File::in_memory(bytes(number, 1_000)), "a/b".parse().expect("a type"), None, |_| {}).await
        }
    };
    let before = upload(1).await.expect("an upload");
    assert!(!is_open(&region).await);
    let Files::Bucket(bucket, _) = &mut region.files else { panic!("it has a bucket") };
    bucket.kill();
    until("the circuit to open", async || {
        assert_eq!(refused(&alice).await, (Code::Unavailable.into(), Some(Millis(5_000))));
        is_open(&region).await.then_some(())
    })
    .await;
    let begun = Instant::now();
    refused(&alice).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "the store is not even asked: {:?}", begun.elapsed());
    assert_eq!(Known::of(&region).await.uploaded("alice").await, 1, "what was refused takes nothing of her share");
    assert_eq!(region.pages("/readyz").await, [Some(200), Some(200)]);
    // A file that is there can be sent, though nobody can have it now.
    let text =
        Content::Message { text: Some("hi".into()), data: None, attachments: vec![], reply_to: None, mentions: vec![] };
    alice.send("bob", text).await.expect("accepted");
    assert_eq!(files(&mut news).await, []);
    alice.send("bob", with(vec![Attachment::named(before.media, None)])).await.expect("accepted");
    assert_eq!(files(&mut news).await, std::slice::from_ref(&before));
    let asked = unavailable(&region).await;
    let waiting = tokio::spawn(upload(2));
    until("it to wait", async || (unavailable(&region).await > asked).then_some(())).await;
    let Files::Bucket(bucket, _) = &mut region.files else { panic!("it has a bucket") };
    bucket.restart();
    let after = waiting.await.expect("no panic").expect("it goes on");
    alice.send("bob", with(vec![Attachment::named(after.media, None)])).await.expect("accepted");
    assert_eq!(files(&mut news).await[0].media, after.media);
    for (file, number) in [(before, 1), (after, 2)] {
        assert_eq!(download(&bob, file.media, false).await, Ok(bytes(number, 1_000)));
    }
    assert!(!is_open(&region).await);
}
