//! What must be so once all is quiet: what was sent is there for those who may have it, each file once; and nothing else is in the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dunlin_client::AskError;
use dunlin_nats::{ConnectOptions, Connection, Records};
use dunlin_schema::{
    Code, MediaId, Millis, Open, RegionName, Shard, UserName,
    frame::Question,
    limits,
    media::record::{MediaRecord, MediaState},
    subject,
};
use dunlin_store::{Key, Listing, Store};
use dunlin_tests::{
    process::{Files, Processes},
    wait::within,
};

use super::{connected, download, kills::bytes};

const PATIENCE: Duration = Duration::from_secs(60);

/// A file that was sent: the message was accepted.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) media: MediaId,
    /// Which one it is, and how long.
    pub(super) number: u64,
    pub(super) size: usize,
}

pub(super) fn store(region: &Processes) -> Store {
    match &region.files {
        Files::Nowhere => panic!("a region without files"),
        Files::Folder => Store::directory(&region.media()).expect("a folder"),
        Files::Bucket(bucket, _) => bucket.store(),
    }
}

/// All keys, or `None` where the store can't say now.
pub(super) async fn all(mut listing: Listing) -> Option<Vec<Key>> {
    let mut keys = vec![];
    loop {
        let page = listing.page().await.ok()?;
        if page.is_empty() {
            return Some(keys);
        }
        keys.extend(page.into_iter().map(|stored| stored.key));
    }
}

/// The records of a region's files, past everybody else.
pub(super) struct Known {
    records: Records,
    region: RegionName,
}

impl Known {
    pub(super) async fn of(region: &Processes) -> Known {
        let options = ConnectOptions { servers: vec![region.nats.url()], ..ConnectOptions::default() };
        let region = RegionName::new("local").expect("a name");
        let connection = Connection::open(&options, &region).await.expect("a connection");
        Known { records: Records::new(&connection), region }
    }

    /// How many files somebody is said to have uploaded, or to be about to.
    pub(super) async fn uploaded(&self, user: &str) -> usize {
        let user: UserName = user.parse().expect("a name");
        let shard = Shard::of(user.as_str(), 2);
        self.records.count(shard, &subject::all_uploaded(&self.region, shard, &user)).await.expect("a count")
    }

    /// What is recorded of a file; `Err` where nobody can say now.
    async fn record(&self, media: MediaId) -> Result<Option<MediaRecord>, ()> {
        let shard = subject::media_shard(2, media);
        let record =
            self.records.load(shard, &subject::media_record(&self.region, shard, media)).await.map_err(drop)?;
        Ok(record.map(|record| MediaRecord::decode(&record.bytes).expect("a record")))
    }
}

/// See the module's head.
pub(super) async fn is_kept(region: &Processes, sent: &[Sent]) {
    region.ready().await;
    let (store, known) = (store(region), Known::of(region).await);
    // Equal bytes are one file.
    let mut files = BTreeMap::new();
    for Sent { media, number, size, .. } in sent {
        let same = files.entry((*number, *size)).or_insert(*media);
        assert_eq!(same, media, "the file {number} of {size} bytes is there twice");
    }
    // Whoever has the message has the file; those who have neither do not.
    let had: BTreeSet<_> =
        sent.iter().flat_map(|file| [(file.from.clone(), file.media), (file.to.clone(), file.media)]).collect();
    let (mut clients, mallory) = (BTreeMap::new(), connected(region, 0, "mallory").await);
    let of = |media| sent.iter().find(|file| file.media == media).expect("it was sent");
    for (user, media) in had {
        if !clients.contains_key(&user) {
            clients.insert(user.clone(), connected(region, 1, &user).await);
        }
        let there = within(PATIENCE, "a download", async || match download(&clients[&user].0, media, false).await {
            Err(Code::Unavailable) => None,
            there => Some(there),
        });
        let file = of(media);
        assert!(there.await.is_ok_and(|there| there == bytes(file.number, file.size)), "{user} has {file:?}");
    }
    for media in files.values() {
        let stranger = within(PATIENCE, "a refusal", async || {
            match mallory.0.ask(Question::Download { media: *media, thumbnail: false, name: None }).await {
                Err(AskError::Refused { code: Open::Known(Code::Unavailable | Code::RateLimited), .. }) => None,
                answer => Some(answer),
            }
        });
        let stranger = stranger.await;
        assert!(matches!(stranger, Err(AskError::Refused { code: Open::Known(Code::NotFound), .. })), "{stranger:?}");
        // It stays for longer than its messages can.
        let record = known.record(*media).await.expect("the record").expect("a file that was sent has one");
        let MediaState::Usable(usable) = &record.state else { panic!("{record:?}") };
        assert!(!usable.references.is_empty() && record.until > now().plus(limits::RETENTION), "{record:?}");
    }
    // Whatever else is there is somebody's still, and goes with their lease.
    within(PATIENCE, "the store to hold nothing but files", async || {
        let mut strays = vec![];
        for key in all(store.objects()).await? {
            let media: MediaId = key.as_str().parse().expect("an id");
            match known.record(media.file()).await.ok()?.map(|record| record.state) {
                Some(MediaState::Usable(_) | MediaState::Promised { .. }) => {}
                Some(MediaState::Lost) => panic!("{media} is said to be lost"),
                Some(MediaState::Became(_)) | None => strays.push(media),
            }
        }
        for key in all(store.uploads()).await? {
            let media: MediaId = key.as_str().parse().expect("an id");
            match known.record(media).await.ok()?.map(|record| record.state) {
                Some(MediaState::Promised { .. }) => {}
                Some(_) | None => strays.push(media),
            }
        }
        strays.is_empty().then_some(())
    })
    .await;
}

fn now() -> Millis {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    Millis(now.as_millis() as u64)
}
