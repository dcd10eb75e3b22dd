//! Files that people upload and download. All are pieces of one buffer, and no two are equal: a region stores equal ones once.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use dunlin_client::{Client, ClientOptions, Events, File};
use dunlin_schema::{
    DeviceName, MediaId,
    frame::{Answer, Question, StartAt, UploadPart},
    media::{MediaType, Sha256},
};
use rand::{RngCore, SeedableRng, rngs::SmallRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

/// By how many bytes one file begins behind the other.
const APART: usize = 64;
/// How long a file may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// What is sent at a time of a file that comes slowly.
const SIP: usize = 32 << 10;

/// The files 0, 1, …
pub(super) struct Files {
    buffer: Bytes,
    size: usize,
}

impl Files {
    /// `count` files of `size` bytes.
    pub(super) fn new(size: usize, count: usize) -> Files {
        let mut buffer = vec![0; size + APART * count];
        SmallRng::seed_from_u64(3).fill_bytes(&mut buffer);
        Files { buffer: buffer.into(), size }
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, number: usize) -> Bytes {
        self.buffer.slice(APART * number..APART * number + self.size)
    }
}

/// Somebody who moves files.
pub(super) struct Mover {
    gateway: SocketAddr,
    client: Client,
    _events: Events,
}

impl Mover {
    /// Connects with this token.
    pub(super) async fn start(gateway: SocketAddr, token: &str) -> anyhow::Result<Mover> {
        let options = ClientOptions::new(format!("ws://{gateway}"), token.to_owned()).start(StartAt::Live);
        let (client, events) = Client::start(options.device(DeviceName::new("moves")?)).await?;
        Ok(Mover { gateway, client, _events: events })
    }

    /// Uploads a file with the library: it is hashed, its parts are put, and it is looked at.
    pub(super) async fn upload(&self, bytes: Bytes) -> anyhow::Result<MediaId> {
        let file = File::in_memory(bytes);
        let uploaded = self.client.upload(&file, MediaType::BYTES, None, |_| ());
        let uploaded = timeout(PATIENCE, uploaded).await.context("an upload takes too long")?;
        Ok(uploaded.context("uploading")?.media)
    }

    /// Uploads a file over a line that carries so many bytes a second.
    pub(super) async fn upload_slowly(&self, bytes: &[u8], rate: u32) -> anyhow::Result<()> {
        let sha256 = Sha256(digest(&SHA256, bytes).as_ref().try_into()?);
        let (size, kind) = (bytes.len() as u64, MediaType::BYTES);
        let begun = self.client.ask(Question::Upload { size, kind, sha256, media: None }).await?;
        let Answer::Upload { media, parts, .. } = begun else { bail!("no upload was begun: {begun:?}") };
        for part in parts {
            self.put_slowly(&part, &bytes[part.from as usize..(part.from + part.size) as usize], rate).await?;
        }
        self.client.ask(Question::UploadDone { media, proof: None }).await.context("an upload was done")?;
        Ok(())
    }

    async fn put_slowly(&self, part: &UploadPart, bytes: &[u8], rate: u32) -> anyhow::Result<()> {
        let UploadPart { url, size, .. } = part;
        let mut stream = TcpStream::connect(self.gateway).await?;
        let head = format!("PUT {url} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let began = Instant::now();
        for (number, sip) in bytes.chunks(SIP).enumerate() {
            sleep_until(began + Duration::from_secs(1) * (SIP * number) as u32 / rate).await;
            stream.write_all(sip).await?;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 204"), "a part was not taken: {answer}");
        Ok(())
    }

    /// Downloads a file with the library, and lets it go.
    pub(super) async fn download(&self, media: MediaId) -> anyhow::Result<u64> {
        let mut nowhere = tokio::io::sink();
        let downloaded = self.client.download(media, false, &mut nowhere, |_| ());
        let downloaded = timeout(PATIENCE, downloaded).await.context("a download takes too long")?;
        Ok(downloaded.context("downloading")?.size)
    }
}
