//! Files, with a media worker and a real store, without a gateway: what comes of an upload, who may send and have it, and what is mended.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails where it stands, with what it found"
)]

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use dunlin_nats::{Media, Reads, Records};
use dunlin_schema::{
    Address, Code, Content, Entry, Log, MediaId, MessageId, Millis, Sender,
    entry::Body,
    limits,
    media::{
        MediaFacts, Sha256,
        record::{MediaRecord, MediaState, Promise, Reference, Usable},
        service::{MediaAnswer, MediaRefusal, MediaRequest},
    },
    read::{ReadFrom, ReadRequest, Source},
    subject,
};
use dunlin_store::{Key, Store, Upload};
use dunlin_tests::{server::ServerOptions, wait::until};
use dunlin_workers::{Boot, Config, Readiness, deliver, media, media_settings::MediaSettings};
use futures_util::{StreamExt, stream};
use tempfile::TempDir;

use super::bench::{Bench, Node, SHARD, name};

const WITHIN: Millis = Millis(4_500);

fn now() -> Millis {
    Millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
}

fn hash(bytes: &[u8]) -> Sha256 {
    Sha256(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

fn sender(name: &str) -> Sender {
    Sender { user: name.parse().unwrap(), region: "local".parse().unwrap() }
}

fn key(media: MediaId) -> Key {
    media.to_string().parse().unwrap()
}

fn promise(kind: &str, bytes: &[u8]) -> Promise {
    Promise { size: bytes.len() as u64, kind: kind.parse().unwrap(), sha256: hash(bytes) }
}

/// A region with a folder for files.
struct Files {
    bench: Bench,
    media: Media,
    folder: TempDir,
    store: Store,
}

impl Files {
    async fn new() -> Files {
        let bench = Bench::new(ServerOptions::default()).await;
        let (media, folder) = (Media::new(&bench.connection), TempDir::new().unwrap());
        let store = Store::directory(folder.path()).unwrap();
        Files { bench, media, folder, store }
    }

    async fn working(&self) -> Node {
        self.working_with(MediaSettings::default()).await
    }

    async fn working_with(&self, media: MediaSettings) -> Node {
        let media = MediaSettings { directory: Some(self.folder.path().to_owned()), ..media };
        let (roles, boot) = (vec![deliver::ROLE, media::ROLE], Boot::Given("boot".to_owned()));
        let mut node = self.bench.worker_with(Config { roles, boot, media, ..Config::default() }).await;
        node.wait("a worker that works or stands by", Readiness::is_ready).await;
        node
    }

    /// The answer, once it is one: who is told that a file is looked at asks again.
    async fn ask(&self, wanted: MediaRequest) -> MediaAnswer {
        until("an answer about a file", async || {
            let answer = self.media.ask(SHARD, &wanted, WITHIN).await.ok()?;
            (answer != MediaAnswer::Refused(MediaRefusal::Busy)).then_some(answer)
        })
        .await
    }

    async fn begin(&self, by: &str, file: Promise) -> (MediaId, usize, Option<[u8; 16]>) {
        match self.ask(MediaRequest::Begin { by: name(by), file }).await {
            MediaAnswer::Begun { media, parts, challenge, .. } => (media, parts.len(), challenge),
            other => panic!("{other:?}"),
        }
    }

    /// Puts what a gateway would.
    async fn put(&self, media: MediaId, size: u64, part: u32, bytes: &[u8]) {
        let body = stream::iter([Ok::<_, String>(Bytes::copy_from_slice(bytes))]);
        self.store.write_part(Upload { key: key(media), size }, part, body).await.unwrap();
    }

    async fn complete(&self, by: &str, media: MediaId, proof: Option<Sha256>) -> MediaAnswer {
        self.ask(MediaRequest::Complete { by: name(by), media, proof }).await
    }

    /// Uploads something whole.
    async fn upload(&self, by: &str, kind: &str, bytes: &[u8]) -> MediaAnswer {
        let (media, parts, challenge) = self.begin(by, promise(kind, bytes)).await;
        assert_eq!((parts, challenge), (1, None));
        self.put(media, bytes.len() as u64, 1, bytes).await;
        self.complete(by, media, None).await
    }

    async fn uploaded(&self, by: &str, kind: &str, bytes: &[u8]) -> (MediaId, MediaFacts) {
        match self.upload(by, kind, bytes).await {
            MediaAnswer::Usable { media, facts, url: None } => (media, facts),
            other => panic!("{other:?}"),
        }
    }

    async fn refer(&self, by: &str, media: MediaId, id: MessageId) -> MediaAnswer {
        let to: Address = "bob@local".parse().unwrap();
        let until = now().plus(limits::RETENTION).plus(limits::MEDIA_SLACK);
        self.ask(MediaRequest::Refer { message: (sender(by), id, to), media, until, seen: false }).await
    }

    async fn record(&self, media: MediaId) -> Option<MediaRecord> {
        let subject = subject::media_record(&self.bench.settings.region, SHARD, media);
        let record = Records::new(&self.bench.connection).load(SHARD, &subject).await.unwrap()?;
        Some(MediaRecord::decode(&record.bytes).unwrap())
    }

    async fn read(&self, media: MediaId, size: u64) -> Vec<u8> {
        let chunks: Vec<Bytes> =
            self.store.read(key(media), 0, size).await.unwrap().map(Result::unwrap).collect().await;
        chunks.concat()
    }

    fn objects(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("objects")).unwrap().count()
    }
}

/// A picture of so many pixels each way.
fn picture(side: u32) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/workers/picture.png");
    let bytes = std::fs::read(path).unwrap();
    // Behind its end a PNG holds nothing: so each is a file of its own.
    [&bytes[..], &side.to_be_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_uploaded_is_looked_at_and_may_be_sent_and_had_by_whoever_uploaded_it() {
    let files = Files::new().await;
    let _worker = files.working().await;
    let bytes = picture(1);
    let (media, facts) = files.uploaded("alice", "application/octet-stream", &bytes).await;
    assert_eq!((facts.size, facts.kind.as_str()), (bytes.len() as u64, "image/png"), "by its bytes");
    assert_eq!((facts.width, facts.height, facts.thumbnail), (Some(4), Some(3), true));
    assert!(facts.blur.is_some());
    assert!(files.store.size(key(media.preview())).await.unwrap() > 0);
    // Asked again it is what it was.
    assert!(
        matches!(files.complete("alice", media, None).await, MediaAnswer::Usable { media: same, .. } if same == media)
    );
    let sent = files.refer("alice", media, MessageId::from_parts(now(), 1)).await;
    assert!(matches!(sent, MediaAnswer::Usable { .. }), "{sent:?}");
    let record = files.record(media).await.unwrap();
    assert!(record.until > now().plus(limits::RETENTION), "longer than the message can be there");
    let open = |by, seen| MediaRequest::Open { by: name(by), media, thumbnail: true, name: None, seen };
    assert!(matches!(files.ask(open("alice", false)).await, MediaAnswer::Usable { .. }));
    assert_eq!(files.ask(open("mallory", false)).await, MediaAnswer::Refused(MediaRefusal::NotFound));
    assert!(matches!(files.ask(open("bob", true)).await, MediaAnswer::Usable { .. }));
    let stolen = files.refer("mallory", media, MessageId::from_parts(now(), 2)).await;
    assert_eq!(stolen, MediaAnswer::Refused(MediaRefusal::NotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_with_the_parts_that_are_missing() {
    let files = Files::new().await;
    let worker = files.working().await;
    let bytes = vec![7; limits::MEDIA_PART_BYTES as usize + 10];
    let (media, parts, _) = files.begin("alice", promise("application/x-thing", &bytes)).await;
    assert_eq!(parts, 2);
    let (first, second) = bytes.split_at(limits::MEDIA_PART_BYTES as usize);
    files.put(media, bytes.len() as u64, 2, second).await;
    assert_eq!(files.complete("alice", media, None).await, MediaAnswer::Refused(MediaRefusal::Missing(1)));
    let early = files.refer("alice", media, MessageId::from_parts(now(), 1)).await;
    assert_eq!(early, MediaAnswer::Refused(MediaRefusal::Missing(1)), "a message with it is refused");
    // Another worker goes on.
    worker.kill();
    let _worker = files.working().await;
    let go_on = |by| MediaRequest::GoOn { by: name(by), media };
    let MediaAnswer::Begun { parts, .. } = files.ask(go_on("alice")).await else { panic!() };
    assert_eq!(
        parts.iter().map(|part| (part.number, part.from, part.size)).collect::<Vec<_>>(),
        [(1, 0, first.len() as u64)]
    );
    assert_eq!(files.ask(go_on("mallory")).await, MediaAnswer::Refused(MediaRefusal::NotFound));
    files.put(media, bytes.len() as u64, 1, first).await;
    assert!(matches!(files.complete("alice", media, None).await, MediaAnswer::Usable { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_what_was_announced_is_refused_and_gone() {
    let files = Files::new().await;
    let _worker = files.working().await;
    let text = b"no picture at all".as_slice();
    let truncated = &picture(1)[..40];
    for (kind, announced, put, why) in [
        ("text/plain", b"something else!!!".as_slice(), text, "SHA-256"),
        ("image/png", text, text, "image/png"),
        ("image/png", truncated, truncated, "can be read"),
    ] {
        let (media, ..) = files.begin("alice", promise(kind, announced)).await;
        files.put(media, announced.len() as u64, 1, put).await;
        let answer = files.complete("alice", media, None).await;
        let MediaAnswer::Refused(MediaRefusal::Differs(said)) = answer else { panic!("{kind}: {answer:?}") };
        assert!(said.contains(why), "{said}");
        assert_eq!(files.record(media).await, None);
        assert_eq!(files.complete("alice", media, None).await, MediaAnswer::Refused(MediaRefusal::NotFound));
    }
    assert_eq!(files.objects(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_files_are_stored_once_and_a_hash_alone_gets_nobody_one() {
    let files = Files::new().await;
    let (_one, _other) = (files.working().await, files.working().await);
    let bytes = b"the same".as_slice();
    // Two who upload it at the same moment.
    let (alices, ..) = files.begin("alice", promise("text/plain", bytes)).await;
    let (bobs, ..) = files.begin("bob", promise("text/plain", bytes)).await;
    files.put(alices, 8, 1, bytes).await;
    files.put(bobs, 8, 1, bytes).await;
    let (alices, bobs) = tokio::join!(files.complete("alice", alices, None), files.complete("bob", bobs, None));
    let (MediaAnswer::Usable { media, .. }, MediaAnswer::Usable { media: same, .. }) = (&alices, &bobs) else {
        panic!("{alices:?} {bobs:?}");
    };
    assert_eq!(media, same);
    until("one of them to be gone", async || (files.objects() == 1).then_some(())).await;
    // One who says that it is smaller, so that less of a share is taken, has to upload that.
    let smaller = Promise { size: 7, ..promise("text/plain", bytes) };
    assert!(matches!(files.begin("dave", smaller).await, (_, 1, None)));
    // One who knows the hash.
    let (carols, parts, challenge) = files.begin("carol", promise("text/plain", bytes)).await;
    assert_eq!(parts, 0);
    let refused = MediaAnswer::Refused(MediaRefusal::NoProof);
    assert_eq!(files.complete("carol", carols, Some(hash(bytes))).await, refused);
    let proof = hash(&[&challenge.unwrap()[..], bytes].concat());
    let shown = files.complete("carol", carols, Some(proof)).await;
    assert!(matches!(shown, MediaAnswer::Usable { media: same, .. } if same == *media), "{shown:?}");
    assert!(matches!(files.record(carols).await.unwrap().state, MediaState::Became(same) if same == *media));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_workers_one_looks_at_an_upload() {
    let files = Files::new().await;
    let workers = [files.working().await, files.working().await, files.working().await];
    for number in 0..5 {
        files.uploaded("alice", "image/png", &picture(number)).await;
    }
    let mut looked = 0;
    for worker in &workers {
        let page = worker.get("/metrics").await;
        let line = page.lines().find_map(|line| line.strip_prefix("dunlin_media_looked_total{shard=\"0\"} "));
        looked += line.unwrap().parse::<u32>().unwrap();
    }
    assert_eq!(looked, 5);
    // What somebody left who is gone does not hold up the others.
    let bytes = picture(9);
    let (media, ..) = files.begin("alice", promise("image/png", &bytes)).await;
    files.put(media, bytes.len() as u64, 1, &bytes).await;
    let subject = subject::media_looks(&files.bench.settings.region, SHARD, media);
    Records::new(&files.bench.connection).save_for(Millis(2_000), &subject, "", dunlin_schema::Seq(0)).await.unwrap();
    assert!(matches!(files.complete("alice", media, None).await, MediaAnswer::Usable { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_of_the_store_is_a_bound() {
    let files = Files::new().await;
    let (used, most) = (limits::MEDIA_COUNTED, limits::MEDIA_COUNTED + 10);
    let _worker = files.working_with(MediaSettings { quota: most, ..MediaSettings::default() }).await;
    files.uploaded("alice", "text/plain", b"seven b").await;
    let begin = MediaRequest::Begin { by: name("alice"), file: promise("text/plain", b"four") };
    assert_eq!(files.ask(begin).await, MediaAnswer::Refused(MediaRefusal::Quota { used, most }));
    files.uploaded("bob", "text/plain", b"four").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_takes_out_strays_and_tells_of_what_is_lost() {
    let files = Files::new().await;
    let (swept_every, stray_after) = (Millis(100), Millis(0));
    let id = MessageId::from_parts(now(), 9);
    let (kept, lost) = {
        let _worker = files.working().await;
        let kept = files.uploaded("alice", "text/plain", b"kept").await;
        let lost = files.uploaded("alice", "text/plain", b"lost").await;
        assert!(matches!(files.refer("alice", lost.0, id).await, MediaAnswer::Usable { .. }));
        files.store.remove(key(lost.0)).await.unwrap();
        let stray = MediaId::from_parts(now(), 6);
        files.put(stray, 4, 1, b"none").await;
        files.store.finish(Upload { key: key(stray), size: 4 }, key(stray)).await.unwrap();
        files.put(MediaId::from_parts(now(), 8), 4, 1, b"none").await;
        assert_eq!(files.objects(), 2);
        (kept, lost)
    };
    let _worker = files.working_with(MediaSettings { swept_every, stray_after, ..MediaSettings::default() }).await;
    let uploads = || std::fs::read_dir(files.folder.path().join("uploads")).unwrap().count();
    until("the strays to be gone", async || (files.objects() == 1 && uploads() == 0).then_some(())).await;
    assert_eq!(files.store.size(key(kept.0)).await.unwrap(), 4);
    // Whoever sent the lost one is told.
    let reads = Arc::new(Reads::open(&files.bench.options(), &files.bench.settings).await.unwrap());
    let log = Log::mailbox(&files.bench.settings.region, 1, &name("alice"));
    let told = until("the news", async || {
        let request = ReadRequest { from: ReadFrom::Seq(dunlin_schema::Seq(1)), source: Source::Leader };
        let entry = reads.read(&log, request).await.ok()?.entries.pop()?;
        Entry::decode(&entry.payload).ok()
    })
    .await;
    let Body::Content(Content::Failed(failed)) = told.body else { panic!("{told:?}") };
    assert_eq!((failed.code, failed.to), (Code::MediaLost.into(), "bob@local".parse().unwrap()));
    assert_eq!(failed.id.to_bytes()[15], 9);
    // Another one who has found it missing, and did not see that it was told.
    let is_lost = async || {
        until("it to be written down", async || {
            let record = files.record(lost.0).await.unwrap();
            (record.state == MediaState::Lost).then_some(record.until)
        })
        .await
    };
    let until_then = is_lost().await;
    let (region, records) = (&files.bench.settings.region, Records::new(&files.bench.connection));
    let subject = subject::media_record(region, SHARD, lost.0);
    let reference = Reference { from: sender("alice"), id, to: "bob@local".parse().unwrap() };
    let usable = Usable { sha256: hash(b"lost"), facts: lost.1, references: vec![reference], more: false };
    let record = MediaRecord { state: MediaState::Usable(usable), until: until_then };
    let revision = records.load(SHARD, &subject).await.unwrap().unwrap().revision;
    records.save(&subject, record.encode(), revision).await.unwrap();
    is_lost().await;
    let request = ReadRequest { from: ReadFrom::Seq(dunlin_schema::Seq(1)), source: Source::Leader };
    assert_eq!(reads.read(&log, request).await.unwrap().entries.len(), 1, "it is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_which_the_store_has_lost_a_part_is_lost() {
    let files = Files::new().await;
    let settings = MediaSettings { swept_every: Millis(100), ..MediaSettings::default() };
    let _worker = files.working_with(settings).await;
    let (whole, _) = files.uploaded("alice", "text/plain", b"whole").await;
    let (cut, _) = files.uploaded("alice", "text/plain", b"to be cut").await;
    std::fs::write(files.folder.path().join("objects").join(cut.to_string()).join("1"), b"to be").unwrap();
    let is_lost = async || (files.record(cut).await.unwrap().state == MediaState::Lost).then_some(());
    until("it to be missed", is_lost).await;
    assert!(matches!(files.record(whole).await.unwrap().state, MediaState::Usable(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_picture_that_the_store_has_lost_is_made_anew() {
    let files = Files::new().await;
    let (media, before) = {
        let _worker = files.working().await;
        let (media, _) = files.uploaded("alice", "image/png", &picture(1)).await;
        let size = files.store.size(key(media.preview())).await.unwrap();
        (media, files.read(media.preview(), size).await)
    };
    files.store.remove(key(media.preview())).await.unwrap();
    let _worker = files.working_with(MediaSettings { swept_every: Millis(100), ..MediaSettings::default() }).await;
    let size = until("it to be there again", async || files.store.size(key(media.preview())).await.ok()).await;
    assert_eq!(files.read(media.preview(), size).await, before);
    assert!(matches!(files.record(media).await.unwrap().state, MediaState::Usable(found) if found.facts.thumbnail));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_kept_without_what_they_tell_beside_their_pixels_where_an_operator_wants_it() {
    let files = Files::new().await;
    let _worker = files.working_with(MediaSettings { strip_metadata: true, ..MediaSettings::default() }).await;
    // What stands behind its end is no picture.
    let (talkative, other) = (picture(1), picture(2));
    let plain = &talkative[..talkative.len() - 4];
    let (media, facts) = files.uploaded("alice", "image/png", &talkative).await;
    assert_eq!((facts.size, facts.width, facts.thumbnail), (plain.len() as u64, Some(4), true));
    assert_eq!(files.read(media, plain.len() as u64).await, plain);
    let MediaState::Usable(found) = files.record(media).await.unwrap().state else { panic!("{media}") };
    assert_eq!(found.sha256, hash(plain), "the hash of what is kept");
    assert!(matches!(
        files.refer("alice", media, MessageId::from_parts(now(), 1)).await,
        MediaAnswer::Usable { media: same, .. } if same == media
    ));
    // Another one with the same pixels is the same file; nothing is left of what was uploaded.
    let (same, _) = files.uploaded("bob", "image/png", &other).await;
    assert_eq!(same, media);
    until("what was uploaded to be gone", async || (files.objects() == 2).then_some(())).await;
    // Whoever has the plain one shows so, as of any file.
    let (carols, parts, challenge) = files.begin("carol", promise("image/png", plain)).await;
    let proof = hash(&[&challenge.unwrap()[..], plain].concat());
    assert_eq!(parts, 0);
    let shown = files.complete("carol", carols, Some(proof)).await;
    assert!(matches!(shown, MediaAnswer::Usable { media: same, .. } if same == media), "{shown:?}");
    // What can't be taken apart is not kept, since nobody knows what it tells.
    let broken = &picture(1)[..40];
    let (media, ..) = files.begin("alice", promise("image/png", broken)).await;
    files.put(media, 40, 1, broken).await;
    assert!(matches!(
        files.complete("alice", media, None).await,
        MediaAnswer::Refused(MediaRefusal::Differs(why)) if why.contains("can be read")
    ));
    assert_eq!(files.objects(), 2, "a picture, and the small one of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_of_several_parts_is_kept_without_what_it_tells_as_well() {
    let files = Files::new().await;
    let _worker = files.working_with(MediaSettings { strip_metadata: true, ..MediaSettings::default() }).await;
    let talkative = picture(1);
    let (head, rest) = talkative.split_at(33);
    // How often each colour is used is shown, in a way: so it stays.
    let part = limits::MEDIA_PART_BYTES as u32;
    let colours = [&part.to_be_bytes()[..], b"hIST", &vec![0; part as usize], &[0; 4]].concat();
    let large = [head, &colours, rest].concat();
    let (media, parts, _) = files.begin("alice", promise("image/png", &large)).await;
    assert_eq!(parts, 2);
    let (first, second) = large.split_at(part as usize);
    files.put(media, large.len() as u64, 1, first).await;
    files.put(media, large.len() as u64, 2, second).await;
    let answer = files.complete("alice", media, None).await;
    let MediaAnswer::Usable { media, facts, .. } = answer else { panic!("{answer:?}") };
    let plain = &large[..large.len() - 4];
    assert_eq!((facts.size, facts.width, facts.thumbnail), (plain.len() as u64, Some(4), true));
    assert!(files.read(media, facts.size).await == plain);
    // What is larger than is taken apart is refused.
    let larger = [head, &[&colours[..]; 4].concat(), rest].concat();
    let (media, parts, _) = files.begin("alice", promise("image/png", &larger)).await;
    assert_eq!(parts, 5);
    for (number, bytes) in (1..).zip(larger.chunks(part as usize)) {
        files.put(media, larger.len() as u64, number, bytes).await;
    }
    let answer = files.complete("alice", media, None).await;
    assert!(
        matches!(&answer, MediaAnswer::Refused(MediaRefusal::Differs(why)) if why.contains("more than 33554432 bytes")),
        "{answer:?}"
    );
}
