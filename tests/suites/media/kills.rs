//! `kill -9` of gateways, the worker, nats-server and the store, while people upload files, send them and have them: at each step of one,
//! and at random moments of many. `DUNLIN_KILLS` says how many of the latter there are, and `DUNLIN_KILLS_SEED` which.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dunlin_client::{AskError, Client, File, MediaError};
use dunlin_schema::{
    Attachment, MediaId, Retry,
    frame::{Answer, Question, UploadPart},
    limits,
    media::Sha256,
};
use dunlin_tests::{
    bucket::Bucket,
    process::{Files, Processes},
    wait::within,
};
use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    connected,
    kept::{Sent, is_kept},
    with,
};

const PATIENCE: Duration = Duration::from_secs(90);
/// Kills in one run of each store.
const KILLS: u32 = 5;
/// People who upload.
const PEOPLE: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Gateway(usize),
    Worker,
    Nats,
    Store,
    Everything,
}

impl Victim {
    /// `kill -9`, and it again.
    fn falls(self, region: &mut Processes) {
        match self {
            Victim::Gateway(index) => region.replace_gateway(index),
            Victim::Worker => region.replace_worker(0),
            Victim::Nats => region.nats.restart(),
            Victim::Everything => region.replace_everything(),
            Victim::Store => match &mut region.files {
                Files::Bucket(bucket, _) => bucket.restart(),
                Files::Folder | Files::Nowhere => panic!("a folder is no process"),
            },
        }
    }
}

fn bucket() -> Option<Files> {
    let bucket = Bucket::start()?;
    let address = bucket.address();
    Some(Files::Bucket(bucket, address))
}

/// Something that nobody takes for text. Each number is a file of its own, and the same for all who ask for it.
pub(super) fn bytes(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().repeat(size.div_ceil(8));
    bytes.truncate(size);
    bytes[0] = 0;
    bytes
}

fn two_parts() -> usize {
    limits::MEDIA_PART_BYTES as usize + 1_000
}

/// The answer to what may be asked again, whatever is killed meanwhile. It fails where it is refused for good.
async fn asked(client: &Client, question: Question) -> Answer {
    within(PATIENCE, "an answer", async || match client.ask(question.clone()).await {
        Ok(answer) => Some(answer),
        Err(AskError::Disconnected | AskError::TimedOut) => None,
        Err(AskError::Refused { code, message, retry_after }) => {
            assert_eq!(code.retry(retry_after), Retry::Later, "{question:?} is refused: {message}");
            None
        }
        Err(error) => panic!("{question:?}: {error}"),
    })
    .await
}

/// Asks what is missing of an upload, or begins it.
async fn missing(client: &Client, bytes: &[u8], begun: Option<MediaId>) -> (MediaId, Vec<UploadPart>) {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let sha256 = Sha256(hash.as_ref().try_into().expect("32 bytes"));
    let question =
        Question::Upload { size: bytes.len() as u64, kind: "a/b".parse().expect("a type"), sha256, media: begun };
    match asked(client, question).await {
        Answer::Upload { media, parts, .. } => (media, parts),
        other => panic!("{other:?}"),
    }
}

/// Puts a part, in two halves, between which something happens. Whether it was taken is seen by what is missing then.
async fn put(region: &mut Processes, part: &UploadPart, bytes: &[u8], between: Option<Victim>) {
    let (from, size) = (part.from as usize, part.size as usize);
    let (first, second) = bytes[from..from + size].split_at(size / 2);
    let whole = if part.url.starts_with('/') {
        format!("http://{}{}", region.gateways()[0], part.url)
    } else {
        part.url.clone()
    };
    let url = reqwest::Url::parse(&whole).expect("an address");
    let (host, path) = whole.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a path");
    let Ok(mut stream) = TcpStream::connect((url.host_str().expect("a host"), url.port().expect("a port"))).await
    else {
        return;
    };
    let head = format!("PUT /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n");
    if stream.write_all(&[head.as_bytes(), first].concat()).await.is_err() {
        return;
    }
    if let Some(victim) = between {
        victim.falls(region);
    }
    if stream.write_all(second).await.is_ok() {
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
    }
}

/// One file goes all the way, and at each step the victim falls.
async fn steps(region: &mut Processes, victim: Victim, number: u64) -> Sent {
    let (from, to) = (format!("a-{number}"), format!("b-{number}"));
    let (client, _events) = connected(region, 0, &from).await;
    let bytes = bytes(number, two_parts());
    let (media, parts) = missing(&client, &bytes, None).await;
    assert_eq!(parts.len(), 2);
    victim.falls(region);
    put(region, &parts[0], &bytes, Some(victim)).await;
    loop {
        let (same, left) = missing(&client, &bytes, Some(media)).await;
        assert_eq!(same, media);
        let Some(part) = left.first() else { break };
        put(region, part, &bytes, None).await;
    }
    victim.falls(region);
    let looking = asked(&client, Question::UploadDone { media, proof: None });
    let soon = async |region: &mut Processes| {
        tokio::time::sleep(Duration::from_millis(number % 4 * 10)).await;
        victim.falls(region);
    };
    let (done, ()) = tokio::join!(looking, soon(region));
    let Answer::Media(file) = done else { panic!("{done:?}") };
    let sending = client.send(&to, with(vec![Attachment::named(file.media, None)]));
    let (sent, ()) = tokio::join!(sending, soon(region));
    sent.expect("accepted");
    let (reader, _events) = connected(region, 1, &to).await;
    let (mut into, begun) = (Vec::new(), tokio::sync::Notify::new());
    let reading = within(PATIENCE, "a download", async || {
        into.clear();
        let downloaded = reader.download(file.media, false, &mut into, |_| begun.notify_one()).await;
        passing(downloaded).map(|_| into.clone())
    });
    let falling = async {
        begun.notified().await;
        victim.falls(region);
    };
    let (read, ()) = tokio::join!(reading, falling);
    assert!(read == bytes, "{victim:?}: it is whole");
    Sent { from, to, media: file.media, number, size: bytes.len() }
}

/// What a client was given; `None` where trying again may help. It fails where it was refused for good.
fn passing<T>(done: Result<T, MediaError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(MediaError::Ask(AskError::Refused { code, message, retry_after })) => {
            assert_eq!(code.retry(retry_after), Retry::Later, "refused: {message} ({code})");
            None
        }
        Err(MediaError::Ask(AskError::Disconnected | AskError::TimedOut) | MediaError::Transfer(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

async fn at_each_step(files: Files, victims: &[Victim]) {
    let mut region = Processes::start_with(files, 2).await;
    let mut sent = vec![];
    for (number, victim) in victims.iter().enumerate() {
        sent.push(steps(&mut region, *victim, number as u64).await);
    }
    is_kept(&region, &sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_a_folder_comes_whole_whatever_falls_at_each_of_its_steps() {
    at_each_step(Files::Folder, &[Victim::Gateway(0), Victim::Worker, Victim::Nats, Victim::Everything]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_a_bucket_comes_whole_whatever_falls_at_each_of_its_steps() {
    let Some(files) = bucket() else { return };
    at_each_step(files, &[Victim::Store, Victim::Worker, Victim::Gateway(0)]).await;
}

/// What people have sent so far.
#[derive(Default)]
struct Told {
    over: AtomicBool,
    sent: Mutex<Vec<Sent>>,
    /// Uploads that were given up, which passes.
    given_up: Mutex<u32>,
}

impl Told {
    fn so_far(&self) -> usize {
        self.sent.lock().len()
    }
}

/// Uploads what others upload as well, and what nobody else does, and sends it.
async fn uploads(client: Client, own: usize, told: Arc<Told>, mut random: StdRng) {
    let mut count = 0;
    while !told.over.load(Ordering::Relaxed) {
        count += 1;
        let (number, size) = match random.random_range(0..8) {
            0 => (random.random_range(0..3), two_parts()),
            1 => (1_000_000 * own as u64 + count, two_parts()),
            2..5 => (random.random_range(10..20), 5_000),
            _ => (1_000_000 * own as u64 + count, 100),
        };
        let bytes = bytes(number, size);
        let upload = client.upload(&File::in_memory(bytes.clone()), "a/b".parse().expect("a type"), None, |_| {}).await;
        let Some(Attachment { media, .. }) = passing(upload) else {
            *told.given_up.lock() += 1;
            continue;
        };
        let to = format!("user-{}", random.random_range(0..PEOPLE));
        client.send(&to, with(vec![Attachment::named(media, None)])).await.expect("accepted");
        told.sent.lock().push(Sent { from: format!("user-{own}"), to, media, number, size });
        let mut into = Vec::new();
        if random.random_range(0..4) == 0 && passing(client.download(media, false, &mut into, |_| {}).await).is_some() {
            assert!(into == bytes, "what is downloaded is whole");
        }
    }
}

#[expect(clippy::print_stdout, reason = "a test that fails tells how to have it again")]
async fn at_random(files: Files) {
    let is_bucket = matches!(files, Files::Bucket(..));
    let seed =
        std::env::var("DUNLIN_KILLS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("DUNLIN_KILLS_SEED={seed} replays the choice of what is killed when");
    let kills = std::env::var("DUNLIN_KILLS").map_or(KILLS, |count| count.parse().expect("DUNLIN_KILLS is a number"));
    let mut random = StdRng::seed_from_u64(seed);
    let mut region = Processes::start_with(files, 2).await;
    region.add_worker().await;
    let (told, mut tasks, mut kept) = (Arc::<Told>::default(), vec![], vec![]);
    for own in 0..PEOPLE {
        let (client, events) = connected(&region, own % 2, &format!("user-{own}")).await;
        kept.push(events);
        tasks.push(tokio::spawn(uploads(client, own, told.clone(), StdRng::seed_from_u64(seed ^ own as u64))));
    }
    for kill in 0..kills {
        let before = told.so_far();
        within(PATIENCE, "files to be sent", async || {
            assert!(tasks.iter().all(|task| !task.is_finished()), "somebody was refused for good");
            (told.so_far() >= before + 8).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        let victims = [
            Victim::Gateway(random.random_range(0..2)),
            Victim::Worker,
            Victim::Nats,
            Victim::Store,
            Victim::Everything,
        ];
        let victim = match victims[kill as usize % victims.len()] {
            Victim::Store if !is_bucket => Victim::Worker,
            victim => victim,
        };
        println!("kill {kill}: {victim:?}, {} files sent so far", told.so_far());
        victim.falls(&mut region);
    }
    told.over.store(true, Ordering::Relaxed);
    let ended = tokio::time::timeout(PATIENCE, join_all(tasks)).await.expect("an end in time");
    assert!(ended.iter().all(Result::is_ok), "nobody was refused for good");
    let sent = std::mem::take(&mut *told.sent.lock());
    println!("{} files sent, {} uploads given up, through {kills} kills", sent.len(), told.given_up.lock());
    is_kept(&region, &sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_that_was_sent_is_there_once_and_whole_in_a_folder_whatever_is_killed() {
    at_random(Files::Folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_that_was_sent_is_there_once_and_whole_in_a_bucket_whatever_is_killed() {
    let Some(files) = bucket() else { return };
    at_random(files).await;
}
