//! The memory that many uploads at once take. It is measured, so that nothing else may happen in this process.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fs;

use bytes::Bytes;
use dunlin_store::{PART, Store, Upload};
use futures_util::{future::join_all, stream};

/// The memory of this process that is no file's, in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_uploads_at_once_take_little_memory() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let store = Store::directory(root.path()).unwrap();
    let piece = Bytes::from(vec![7; 64 << 10]);
    let before = memory();
    let uploads = (0..100).map(|number| {
        let (upload, piece, store) =
            (Upload { key: format!("{number:026}").parse().unwrap(), size: PART }, piece.clone(), &store);
        async move {
            // Each piece is a copy, as what comes from a socket is.
            let pieces = (0..PART / piece.len() as u64).map(move |_| Ok::<_, String>(Bytes::copy_from_slice(&piece)));
            store.write_part(upload, 1, stream::iter(pieces)).await
        }
    });
    let mut most = 0;
    let all = join_all(uploads);
    let watch = async {
        loop {
            most = most.max(memory());
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = all => assert!(done.iter().all(Result::is_ok), "{done:?}"),
        () = watch => {}
    }
    let grown = most.saturating_sub(before) >> 20;
    println!("100 uploads at once: {grown} MiB above what was there before");
    assert!(grown <= 64, "{grown} MiB");
}
