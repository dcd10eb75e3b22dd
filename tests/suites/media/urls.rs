//! The URLs of the embedded store: what each lets its bearer do, and when it ends.

use dunlin_client::{AskError, Client};
use dunlin_schema::{
    Attachment, Code, Content, MediaId, Open,
    frame::{Answer, Question, UploadPart},
    limits,
    media::Sha256,
};
use dunlin_store::Store;
use dunlin_tests::{region::Region, wait::until};
use jsonwebtoken::{EncodingKey, Header};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::revocation::revoke;

use super::{PICTURE, connect, connect_as, download, kept::all, upload, url, with};

/// What stands in a URL's ticket.
fn claims(url: &str) -> Value {
    let ticket = url.rsplit('/').next().expect("a ticket");
    jsonwebtoken::dangerous::insecure_decode::<Value>(ticket).expect("a JWT").claims
}

/// The same URL with something changed in its ticket, signed as the store's gateways sign.
fn signed(region: &Region, url: &str, change: impl FnOnce(&mut Value)) -> String {
    let secret = std::fs::read(region.media().join("secret")).expect("the store's secret");
    let mut claims = claims(url);
    change(&mut claims);
    let ticket = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(&secret));
    format!("{}/{}", url.rsplit_once('/').expect("a path").0, ticket.expect("a JWT"))
}

/// The same by somebody who does not have that: the signature stays as it was.
fn altered(url: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims(url);
    change(&mut claims);
    let ticket = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(b"guessed"));
    let ticket = ticket.expect("a JWT");
    let (unsigned, _) = ticket.rsplit_once('.').expect("a signature");
    let (rest, signature) = url.rsplit_once('.').expect("a signature");
    format!("{}/{unsigned}.{signature}", rest.rsplit_once('/').expect("a path").0)
}

async fn status(url: &str) -> StatusCode {
    reqwest::get(url).await.expect("an answer").status()
}

async fn put(url: &str, bytes: &[u8]) -> StatusCode {
    reqwest::Client::new().put(url).body(bytes.to_vec()).send().await.expect("an answer").status()
}

/// Begins an upload of one part, and says where it is put.
async fn begun(region: &Region, client: &Client, bytes: &[u8]) -> (MediaId, String) {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let sha256 = Sha256(hash.as_ref().try_into().expect("32 bytes"));
    let kind = "text/plain".parse().expect("a type");
    let question = Question::Upload { size: bytes.len() as u64, kind, sha256, media: None };
    let answer = client.ask(question).await.expect("an answer");
    let Answer::Upload { media, parts, .. } = answer else { panic!("{answer:?}") };
    let [UploadPart { url, .. }] = &parts[..] else { panic!("{parts:?}") };
    (media, format!("http://{}{url}", region.gateway(0)))
}

async fn done(client: &Client, media: MediaId) -> Result<Answer, Code> {
    until("it to be looked at", async || match client.ask(Question::UploadDone { media, proof: None }).await {
        Ok(answer) => Some(Ok(answer)),
        Err(AskError::Refused { code: Open::Known(Code::Unavailable), .. }) => None,
        Err(AskError::Refused { code: Open::Known(code), .. }) => Some(Err(code)),
        Err(error) => panic!("{error}"),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_url_holds_for_minutes_for_whoever_has_it_and_only_as_it_was_given() {
    let region = Region::start(1).await;
    let (alice, _) = connect(&region, 0, "alice").await;
    let (one, other) = (upload(&alice, PICTURE).await, upload(&alice, [PICTURE, b"2"].concat()).await);
    let asked = dunlin_tests::tokens::now() * 1_000;
    let given = url(&region, &alice, one.media, None).await;
    assert_eq!(status(&given).await, StatusCode::OK);
    let end = claims(&given)["until"].as_u64().expect("a time");
    assert!((asked..asked + 60_000).contains(&(end - limits::DOWNLOAD_HOLDS.0)), "{end} after {asked}");
    for (what, value) in [
        ("user", json!("mallory")),
        ("until", json!(end + 1)),
        ("device", json!("tablet")),
        ("what", json!({ "get": { "object": other.media, "size": null, "type": "image/png", "name": null } })),
    ] {
        let altered = altered(&given, |claims| claims[what] = value);
        assert_eq!(status(&altered).await, StatusCode::FORBIDDEN, "{what}");
    }
    let later = signed(&region, &given, |claims| claims["until"] = json!(end + 1));
    assert_eq!(status(&later).await, StatusCode::OK, "who has the secret may");
    let over = signed(&region, &given, |claims| claims["until"] = json!(asked));
    assert_eq!(status(&over).await, StatusCode::FORBIDDEN);
    // Nothing is put to it.
    assert_eq!(put(&given.replace("/v1/media/", "/v1/media/uploads/"), PICTURE).await, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_url_ends_with_its_device_and_with_its_askers_tokens() {
    let region = Region::start(2).await;
    let (phone, _) = connect(&region, 0, "alice").await;
    let (tablet, _) = connect_as(&region, 1, "alice", "tablet").await;
    let picture = upload(&phone, PICTURE).await;
    let (phones, tablets) =
        (url(&region, &phone, picture.media, None).await, url(&region, &tablet, picture.media, None).await);
    assert_eq!((status(&phones).await, status(&tablets).await), (StatusCode::OK, StatusCode::OK));
    phone.remove_device("tablet".parse().expect("a name")).await.expect("removed");
    until("the tablet's to end", async || (status(&tablets).await == StatusCode::FORBIDDEN).then_some(())).await;
    assert_eq!(status(&phones).await, StatusCode::OK);
    // Another one's does not, though it is the same file's.
    let (bob, _) = connect(&region, 0, "bob").await;
    let bobs = upload(&bob, PICTURE).await;
    let bobs = url(&region, &bob, bobs.media, None).await;
    revoke(&region, json!({ "user": "alice" })).await;
    until("the phone's to end", async || (status(&phones).await == StatusCode::FORBIDDEN).then_some(())).await;
    assert_eq!(status(&bobs).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_the_right_to_a_file_is_given_no_other_url() {
    let region = Region::start(1).await;
    let ((alice, _), (bob, _)) = (connect(&region, 0, "alice").await, connect(&region, 0, "bob").await);
    let picture = upload(&alice, PICTURE).await;
    let message = alice.send("bob", with(vec![Attachment::named(picture.media, None)])).await.expect("accepted");
    until("bob to have it", async || download(&bob, picture.media, false).await.ok()).await;
    let given = url(&region, &bob, picture.media, None).await;
    alice.send("bob", Content::Delete { target: message.id }).await.expect("accepted");
    let refused = async || (download(&bob, picture.media, false).await == Err(Code::NotFound)).then_some(());
    until("bob to have it no more", refused).await;
    // The one that he has ends by its time alone, as one of a bucket does.
    assert_eq!(status(&given).await, StatusCode::OK);
    let over = signed(&region, &given, |claims| claims["until"] = json!(0));
    assert_eq!(status(&over).await, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_file_is_not_given_for_the_whole() {
    let region = Region::start(1).await;
    let (alice, _) = connect(&region, 0, "alice").await;
    let picture = upload(&alice, PICTURE).await;
    let given = url(&region, &alice, picture.media, None).await;
    let part = region.media().join("objects").join(picture.media.to_string()).join("1");
    std::fs::write(&part, &PICTURE[..50]).expect("writing a part");
    assert_eq!(status(&given).await, StatusCode::NOT_FOUND);
    std::fs::write(&part, PICTURE).expect("writing a part");
    assert_eq!(status(&given).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_url_takes_its_part_for_as_long_as_that_is_missing() {
    let region = Region::start(1).await;
    let ((alice, _), (mallory, _)) = (connect(&region, 0, "alice").await, connect(&region, 0, "mallory").await);
    let (bytes, wrong) = (b"what alice has".as_slice(), b"what she has not");
    let (media, given) = begun(&region, &alice, bytes).await;
    // Whoever knows the upload has nothing of it, and goes on with none.
    assert_eq!(done(&mallory, media).await, Err(Code::NotFound));
    for (what, value) in [("user", json!("mallory")), ("until", json!(u64::MAX))] {
        let altered = altered(&given, |claims| claims[what] = value);
        assert_eq!(put(&altered, bytes).await, StatusCode::FORBIDDEN, "{what}");
    }
    let mallorys = signed(&region, &given, |claims| claims["user"] = json!("mallory"));
    assert_eq!(put(&mallorys, bytes).await, StatusCode::NOT_FOUND, "it is not mallory who uploads it");
    let over = signed(&region, &given, |claims| claims["until"] = json!(0));
    assert_eq!(put(&over, bytes).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&given.replace("uploads/", "")).await, StatusCode::FORBIDDEN, "nothing is had by it");
    // What somebody else puts there is not taken for alice's file, and the upload is over.
    assert_eq!(put(&given, &wrong[..bytes.len()]).await, StatusCode::NO_CONTENT);
    assert_eq!(done(&alice, media).await, Err(Code::NotUploaded));
    assert_eq!(put(&given, bytes).await, StatusCode::NOT_FOUND);
    // So it is once there is a file.
    let (media, given) = begun(&region, &alice, bytes).await;
    assert_eq!(put(&given, bytes).await, StatusCode::NO_CONTENT);
    assert!(done(&alice, media).await.is_ok());
    assert_eq!(put(&given, bytes).await, StatusCode::NOT_FOUND);
    let store = Store::directory(&region.media()).expect("a folder");
    assert_eq!(all(store.uploads()).await, Some(vec![]), "nothing takes room that counts in nobody's share");
    assert_eq!(download(&alice, media, false).await.as_deref(), Ok(bytes));
}
