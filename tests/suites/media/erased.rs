//! Files of who is erased: those whom they were sent to have them as long as they have the messages, and nobody else has.

use std::time::Duration;

use dunlin_nats::{ConnectOptions, Connection, Records};
use dunlin_schema::{
    Attachment, Code, MediaId, Millis, Shard, UserName, limits,
    media::record::{MediaRecord, UploadedRecord},
    subject,
};
use dunlin_tests::{
    region::{Region, RegionOptions},
    tokens::now,
    wait::{until, within},
};
use dunlin_workers::erase::{Erase, Sent};

use super::{PICTURE, connect, download, files, upload, with};

/// Until when a file is kept, and whether it is written down that somebody has uploaded it.
async fn kept(region: &Region, media: MediaId, user: &UserName) -> (Millis, bool) {
    let (name, shards) = (&region.settings().region, region.settings().shards);
    let options = ConnectOptions { servers: vec![region.nats.url()], ..ConnectOptions::default() };
    let records = Records::new(&Connection::open(&options, name).await.expect("a connection"));
    let shard = subject::media_shard(shards, media);
    let record = records.load(shard, &subject::media_record(name, shard, media)).await.expect("an answer");
    let record = MediaRecord::decode(&record.expect("a record").bytes).expect("a record");
    let shard = Shard::of(user.as_str(), shards);
    let uploaded = records.load(shard, &subject::uploaded(name, shard, user, media)).await.expect("an answer");
    (record.until, uploaded.is_some_and(|uploaded| UploadedRecord::decode(&uploaded.bytes).is_ok()))
}

/// Alice has sent a picture to bob, and is erased.
async fn after_an_erasure(sent: Sent) {
    let region = Region::start_with(RegionOptions { erase: Erase { sent }, ..RegionOptions::default() }).await;
    let ((alice, _), (bob, mut news)) = (connect(&region, 0, "alice").await, connect(&region, 0, "bob").await);
    let (user, picture) = ("alice".parse().expect("a name"), upload(&alice, PICTURE).await);
    alice.send("bob", with(vec![Attachment::named(picture.media, None)])).await.expect("accepted");
    assert_eq!(files(&mut news).await[0].media, picture.media);
    let a_message = Millis(now() * 1_000).plus(limits::RETENTION);
    let (before, is_hers) = kept(&region, picture.media, &user).await;
    assert!(before > a_message && is_hers);
    alice.erase("alice").await.expect("it is stored that she is to be erased");
    let gone = async || (!kept(&region, picture.media, &user).await.1).then_some(());
    within(Duration::from_secs(60), "nothing to be written down of her", gone).await;
    match sent {
        Sent::Keep => {
            assert_eq!(kept(&region, picture.media, &user).await.0, before);
            assert_eq!(download(&bob, picture.media, false).await.as_deref(), Ok(PICTURE));
        }
        Sent::Remove => {
            let refused = async || (download(&bob, picture.media, false).await == Err(Code::NotFound)).then_some(());
            until("bob to have it no more", refused).await;
            let goes = async || (kept(&region, picture.media, &user).await.0 < a_message).then_some(());
            until("it to go sooner", goes).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_erased_person_has_sent_stays_with_those_who_keep_the_message() {
    after_an_erasure(Sent::Keep).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_erased_person_has_sent_goes_with_the_messages() {
    after_an_erasure(Sent::Remove).await;
}
