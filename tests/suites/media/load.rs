//! Many who upload at once, and those who mean harm: the gateway's memory is bounded, nobody holds up the others, and what is not as it was
//! promised is not stored, nor read to its end.

use std::{net::SocketAddr, time::Duration};

use dunlin_client::{Client, File};
use dunlin_schema::{
    MediaId,
    frame::{Answer, Question, UploadPart},
    media::Sha256,
};
use dunlin_store::Upload;
use dunlin_tests::{
    process::{Files, Processes},
    wait::within,
};
use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    connected, download,
    kept::{all, store},
    kills::bytes,
};

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: u64 = 1024 * 1024;

/// Begins an upload of one part.
async fn begun(client: &Client, bytes: &[u8]) -> (MediaId, UploadPart) {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let sha256 = Sha256(hash.as_ref().try_into().expect("32 bytes"));
    let question =
        Question::Upload { size: bytes.len() as u64, kind: "a/b".parse().expect("a type"), sha256, media: None };
    match within(PATIENCE, "an upload to begin", async || client.ask(question.clone()).await.ok()).await {
        Answer::Upload { media, mut parts, .. } => (media, parts.remove(0)),
        other => panic!("{other:?}"),
    }
}

/// The most memory that a gateway has above what it had, in MiB, until something is done.
async fn growth<T>(region: &Processes, work: impl Future<Output = T>) -> (u64, T) {
    let before = region.resident_bytes(0);
    let mut most = before;
    let watch = async {
        loop {
            most = most.max(region.resident_bytes(0));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = watch => unreachable!("it has no end"),
    };
    ((most - before) / MIB, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parts_come_at_once_within_bounded_memory() {
    let region = Processes::start_with(Files::Folder, 1).await;
    let mut clients = vec![];
    for number in 0..20 {
        clients.push(connected(&region, 0, &format!("user-{number}")).await);
    }
    let begin = async |number: u64| {
        let (client, _) = &clients[number as usize % clients.len()];
        (number, begun(client, &bytes(number, 500_000)).await.1.url)
    };
    let parts: Vec<_> = stream::iter(0..1_000).map(begin).buffer_unordered(40).collect().await;
    let (http, gateway) = (reqwest::Client::new(), region.gateways()[0]);
    let put = async |(number, url): &(u64, String)| {
        let mut sent_away = 0;
        within(PATIENCE, "a part to be taken", async || {
            let answer = http.put(format!("http://{gateway}{url}")).body(bytes(*number, 500_000)).send().await;
            match answer.expect("an answer").status() {
                StatusCode::NO_CONTENT => Some(sent_away),
                status => {
                    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                    sent_away += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    None
                }
            }
        })
        .await
    };
    let (grown, sent_away) = growth(&region, join_all(parts.iter().map(put))).await;
    let sent_away: u32 = sent_away.iter().sum();
    println!("1,000 parts at once: {grown} MiB more than before; {sent_away} times one was told to come later");
    assert!(sent_away > 0, "not all of them come in at once");
    // A connection has a buffer of 64 KiB, and a part that is taken in one of twice as much; all that was sent is more.
    assert!(grown <= 256, "{grown} MiB");
}

/// A request whose body nobody has begun.
async fn half_open(gateway: SocketAddr, url: &str, length: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).await.expect("a connection");
    let head = format!("PUT {url} HTTP/1.1\r\nhost: {gateway}\r\n{length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("a head that is taken");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parts_that_never_come_hold_up_nobody() {
    let region = Processes::start_with(Files::Folder, 1).await;
    let gateway = region.gateways()[0];
    let ((alice, _alice), (mallory, _mallory)) =
        (connected(&region, 0, "alice").await, connected(&region, 0, "mallory").await);
    let (_, part) = begun(&mallory, &bytes(1, 10)).await;
    let (grown, half_open) = growth(&region, async {
        let half_open = join_all((0..1_000).map(|_| half_open(gateway, &part.url, "content-length: 10"))).await;
        let file = File::in_memory(bytes(2, 500_000));
        let upload = alice.upload(&file, "a/b".parse().expect("a type"), None, |_| {});
        tokio::time::timeout(Duration::from_secs(10), upload).await.expect("it is held up").expect("it is taken");
        half_open
    })
    .await;
    println!("{} parts that never come: {grown} MiB more than before", half_open.len());
    assert!(grown <= 100, "{grown} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_take_nothing_of_a_file_hold_up_nobody() {
    let region = Processes::start_with(Files::Folder, 1).await;
    let gateway = region.gateways()[0];
    let ((alice, _alice), (mallory, _mallory)) =
        (connected(&region, 0, "alice").await, connected(&region, 0, "mallory").await);
    let file = File::in_memory(bytes(1, 7_000_000));
    let upload = async |client: &Client| {
        client.upload(&file, "a/b".parse().expect("a type"), None, |_| {}).await.expect("an upload").media
    };
    let media = (upload(&alice).await, upload(&mallory).await).1;
    let answer = mallory.ask(Question::Download { media, thumbnail: false, name: None }).await.expect("an answer");
    let Answer::Download { url, .. } = answer else { panic!("{answer:?}") };
    let (grown, readers) = growth(&region, async {
        let reader = async || {
            let mut stream = TcpStream::connect(gateway).await.expect("a connection");
            let head = format!("GET {url} HTTP/1.1\r\nhost: {gateway}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.expect("a head that is taken");
            let mut line = [0; 12];
            stream.read_exact(&mut line).await.expect("the beginning of an answer");
            (stream, line)
        };
        let readers = join_all((0..1_000).map(|_| reader())).await;
        let had = download(&alice, media, false);
        let had = tokio::time::timeout(Duration::from_secs(10), had).await.expect("it is held up");
        assert!(had.is_ok_and(|had| had == bytes(1, 7_000_000)));
        readers
    })
    .await;
    let given = readers.iter().filter(|(_, line)| line == b"HTTP/1.1 200").count();
    let later = readers.iter().filter(|(_, line)| line == b"HTTP/1.1 503").count();
    println!(
        "{given} who take nothing of a file, and {later} who are told to come later: {grown} MiB more than before"
    );
    assert!(given + later == 1_000 && (1..=100).contains(&given) && grown <= 100, "{grown} MiB");
}

/// Sends as much as is taken of an endless body, and gives how much that was and what was answered.
async fn endless(gateway: SocketAddr, url: &str, length: &str, chunk: &[u8]) -> (u64, String) {
    let (mut read, mut write) = half_open(gateway, url, length).await.into_split();
    let mut sent = 0;
    let sending = async {
        while write.write_all(chunk).await.is_ok() {
            sent += chunk.len() as u64;
        }
    };
    let reading = async {
        let mut answer = [0; 1_024];
        let length = read.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    // What was sent after the answer is still passed over, up to a bound.
    let ((), answer) = tokio::time::timeout(PATIENCE, async { tokio::join!(sending, reading) }).await.expect("an end");
    (sent, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_longer_than_it_was_promised_is_neither_stored_nor_read_to_its_end() {
    let region = Processes::start_with(Files::Folder, 1).await;
    let gateway = region.gateways()[0];
    let (alice, _events) = connected(&region, 0, "alice").await;
    let (media, part) = begun(&alice, &bytes(1, 10)).await;
    let chunk = vec![7; MIB as usize];
    let chunked = [b"100000\r\n", &chunk[..], b"\r\n"].concat();
    for (length, chunk) in [("content-length: 1073741824", &chunk), ("transfer-encoding: chunked", &chunked)] {
        let (grown, (sent, answer)) = growth(&region, endless(gateway, &part.url, length, chunk)).await;
        println!(
            "of 1 GiB where 10 bytes were promised, with {length}: {} MiB went, {grown} MiB more memory",
            sent / MIB
        );
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(sent < 64 * MIB && grown < 32, "{sent} bytes");
    }
    let store = store(&region);
    assert_eq!(all(store.objects()).await, Some(vec![]));
    assert_eq!(
        store.parts(Upload { key: media.to_string().parse().expect("a key"), size: 10 }).await.ok(),
        Some(vec![])
    );
    // As it was promised it is taken, also where its length is not told beforehand.
    let mut exact = half_open(gateway, &part.url, "transfer-encoding: chunked\r\nconnection: close").await;
    exact.write_all(&[b"a\r\n", &bytes(1, 10)[..], b"\r\n0\r\n\r\n"].concat()).await.expect("a body that is taken");
    let mut answer = String::new();
    exact.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}
