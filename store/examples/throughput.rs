//! Prints how fast a file of 64 MiB goes into a directory and comes out of it, beside a copy of it with its hash:
//! `cargo run --release -p dunlin-store --example throughput`.

use std::{process::Command, time::Instant};

use bytes::Bytes;
use dunlin_store::{PART, Store, Upload};
use futures_util::{StreamExt as _, stream};

const SIZE: u64 = 64 << 20;

#[expect(clippy::print_stdout, reason = "it is what it is for")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(".")?;
    let (file, copy) = (folder.path().join("file"), folder.path().join("copy"));
    let bytes: Vec<u8> = (0..SIZE).map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    std::fs::write(&file, &bytes)?;
    let speed = |begun: Instant| (SIZE as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64()).round();

    let begun = Instant::now();
    for (program, args) in [("cp", vec![&file, &copy]), ("sync", vec![&copy]), ("sha256sum", vec![&copy])] {
        let output = Command::new(program).args(args).output()?;
        assert!(output.status.success(), "{program}: {output:?}");
    }
    println!("cp, sync and sha256sum: {} MiB/s", speed(begun));

    let store = Store::directory(&folder.path().join("store"))?;
    let upload = Upload { key: "01KBA3W2Z8Q4N6V5M7X9Y0T1RS".parse()?, size: SIZE };
    let begun = Instant::now();
    for (part, bytes) in upload.parts().zip(bytes.chunks(usize::try_from(PART)?)) {
        let body = bytes.chunks(64 << 10).map(|chunk| Ok::<_, String>(Bytes::copy_from_slice(chunk)));
        store.write_part(upload, part.number, stream::iter(body)).await?;
    }
    store.finish(upload, upload.key).await?;
    println!("an upload: {} MiB/s", speed(begun));

    let begun = Instant::now();
    let mut reading = store.read(upload.key, 0, SIZE).await?;
    let mut read = 0;
    while let Some(chunk) = reading.next().await {
        read += chunk?.len() as u64;
    }
    assert_eq!(read, SIZE, "all of it");
    println!("a download: {} MiB/s", speed(begun));
    Ok(())
}
