//! A store that is slow and nothing worse: files go through it and come right, text does not wait for it, and nobody takes it for one that
//! is down.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dunlin_client::{Client, File};
use dunlin_schema::{Attachment, Content, limits};
use dunlin_tests::{
    bucket::Bucket,
    process::{Files, Processes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{PICTURE, connected, down::counted, download, files, with};

/// How much a connection carries at once each way, and how long that takes.
const CARRIED: usize = 256 << 10;
const TAKES: Duration = Duration::from_millis(100);

/// A slow way to a service.
async fn slow_link(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(far) = TcpStream::connect(to).await else { return };
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::join!(carry(near_read, far_write), carry(far_read, near_write));
            });
        }
    });
    address
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; CARRIED];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(TAKES.mul_f64(0.1 + 0.9 * count as f64 / CARRIED as f64)).await;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// A picture that tells much of itself, and shows little.
fn picture(size: usize) -> Vec<u8> {
    let (head, rest) = PICTURE.split_at(33);
    let text = [&(size as u32).to_be_bytes()[..], b"tEXt", &vec![b'x'; size], &[0; 4]].concat();
    [head, &text, rest].concat()
}

/// Sends one text after the other until it is told to end, and gives the longest time that one took.
async fn texts(client: Client, over: Arc<AtomicBool>) -> Duration {
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let text = Some("hi".into());
        let content = Content::Message { text, data: None, attachments: vec![], reply_to: None, mentions: vec![] };
        client.send("dave", content).await.expect("accepted");
        longest = longest.max(begun.elapsed());
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_slow_store_files_come_right_and_text_does_not_wait_for_it() {
    let Some(bucket) = Bucket::start() else { return };
    let address = slow_link(bucket.address()).await;
    let region = Processes::start_with(Files::Bucket(bucket, address), 1).await;
    let ((alice, _alice), (bob, mut news), (carol, _carol)) = (
        connected(&region, 0, "alice").await,
        connected(&region, 0, "bob").await,
        connected(&region, 0, "carol").await,
    );
    let over = Arc::<AtomicBool>::default();
    let writing = tokio::spawn(texts(carol, over.clone()));
    let (bytes, told) = (picture(limits::MEDIA_PART_BYTES as usize + 4_000_000), Arc::<AtomicUsize>::default());
    let (kind, counts) = ("image/png".parse().expect("a type"), told.clone());
    let progress = move |_| _ = counts.fetch_add(1, Ordering::Relaxed);
    let begun = Instant::now();
    let file = alice.upload(&File::in_memory(bytes.clone()), kind, None, progress).await.expect("an upload");
    let uploaded = begun.elapsed();
    assert_eq!((file.size, file.width, file.thumbnail), (bytes.len() as u64, Some(4), true));
    assert!(told.load(Ordering::Relaxed) > 10, "she sees it move");
    // It took longer to look at it than a question may be left without an answer: she was told so, by one that says when to ask again.
    let page = reqwest::get(format!("http://{}/metrics", region.gateways()[0])).await.expect("a page");
    let page = page.text().await.expect("text");
    assert!(page.contains("dunlin_gateway_media_requests_total{outcome=\"busy\"}"), "{page}");
    alice.send("bob", with(vec![Attachment::named(file.media, None)])).await.expect("accepted");
    assert_eq!(files(&mut news).await[0].media, file.media);
    let begun = Instant::now();
    assert!(download(&bob, file.media, false).await.is_ok_and(|had| had == bytes));
    let downloaded = begun.elapsed();
    assert!(download(&bob, file.media, true).await.is_ok_and(|small| !small.is_empty()));
    over.store(true, Ordering::Relaxed);
    let longest = writing.await.expect("no panic");
    println!("{} bytes: up in {uploaded:?}, down in {downloaded:?}; the longest text took {longest:?}", bytes.len());
    assert!(uploaded > 2 * Duration::from_millis(limits::MEDIA_WITHIN.0) && longest < uploaded / 8, "{longest:?}");
    for wrong in ["dunlin_media_circuit_open", "dunlin_media_unavailable_total", "dunlin_media_lost_total"] {
        assert_eq!(counted(&region, wrong).await, 0, "{wrong}");
    }
}
