//! What only an S3 store does: a service that is down, silent, full or does not know us, and what presigned URLs allow.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dunlin_store::{Error, PART, S3Settings, Store, Upload, content_disposition};
use futures_util::future::join_all;

use crate::trial::{Small, Trial, bytes, key, until};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_service_that_is_down_is_left_alone_and_found_again() {
    let Some(mut trial) = Trial::s3().await else { return };
    trial.store.put(key(1), "image/png", Bytes::from_static(b"here")).await.unwrap();
    trial.service().kill();
    for _ in 0..5 {
        assert!(matches!(trial.store.size(key(1)).await, Err(Error::Unavailable { .. })));
    }
    assert!(trial.store.health().0, "its circuit is open");
    let (begun, failures) = (Instant::now(), trial.store.health().1.failures);
    for _ in 0..100 {
        assert!(matches!(trial.store.size(key(1)).await, Err(Error::Unavailable { after: Some(_), .. })));
    }
    assert!(begun.elapsed() < Duration::from_millis(500), "answered at once: {:?}", begun.elapsed());
    assert_eq!(trial.store.health().1.failures, failures, "and without a try");
    trial.service().restart().await;
    until(async || trial.store.size(key(1)).await.is_ok_and(|size| size == 4)).await;
    assert!(!trial.store.health().0);
}

#[tokio::test]
async fn connections_that_a_restart_has_cut_are_made_again() {
    let Some(mut trial) = Trial::s3().await else { return };
    trial.store.put(key(1), "image/png", Bytes::from_static(b"here")).await.unwrap();
    for _ in 0..3 {
        let asked = join_all((0..16).map(|_| trial.store.size(key(1)))).await;
        assert!(asked.iter().all(|size| matches!(size, Ok(4))), "{asked:?}");
        trial.service().restart().await;
    }
    assert!(!trial.store.health().0);
}

#[tokio::test]
async fn a_silent_service_holds_nobody_up() {
    let Some(mut trial) = Trial::s3().await else { return };
    let silence = Duration::from_millis(200);
    let store = Store::s3(&S3Settings { silence, ..trial.service().settings() }).unwrap();
    trial.service().silence(true);
    let begun = Instant::now();
    assert!(matches!(store.size(key(1)).await, Err(Error::Unavailable { .. })));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    trial.service().silence(false);
    until(async || store.probe().await.is_ok()).await;
}

#[tokio::test]
async fn a_full_service_is_told() {
    let Some(mut trial) = Trial::s3().await else { return };
    let Some(_small) = Small::mount(&trial.service().data().join("media")) else { return };
    trial.store.put(key(1), "image/png", vec![1; 1 << 20].into()).await.unwrap();
    let told = trial.store.put(key(2), "image/png", vec![1; 7 << 20].into()).await.unwrap_err();
    assert!(matches!(told, Error::Full), "{told}");
    assert_eq!(trial.read(key(1), 0, 1 << 20).await.unwrap(), [1; 1 << 20]);
}

#[tokio::test]
async fn who_is_not_known_is_refused() {
    let Some(mut trial) = Trial::s3().await else { return };
    let known = trial.service().settings();
    let (secret, access) = ("another secret".to_owned(), "somebody".to_owned());
    let cases = [
        S3Settings { secret_key: secret, ..known.clone() },
        S3Settings { access_key: access, ..known.clone() },
        S3Settings { bucket: "elsewhere".to_owned(), ..known },
    ];
    for settings in cases {
        let store = Store::s3(&settings).unwrap();
        let told = store.probe().await.unwrap_err();
        assert!(matches!(told, Error::Denied(_)), "{settings:?}: {told}");
        assert!(!store.health().0, "the service works");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_right_are_told() {
    let right = S3Settings {
        endpoint: "https://s3.example.com".to_owned(),
        public_endpoint: None,
        bucket: "media".to_owned(),
        region: "auto".to_owned(),
        virtual_host: true,
        access_key: "a".to_owned(),
        secret_key: "hidden".to_owned(),
        silence: MINUTE,
    };
    assert!(Store::s3(&right).is_ok());
    assert!(!format!("{right:?} {:?}", Store::s3(&right)).contains("hidden"), "secrets are not told");
    for endpoint in ["", "s3.example.com", "ftp://s3.example.com", "https://"] {
        let wrong = S3Settings { endpoint: endpoint.to_owned(), ..right.clone() };
        assert!(Store::s3(&wrong).unwrap_err().to_string().starts_with("endpoint"), "{endpoint}");
        let wrong = S3Settings { public_endpoint: Some(endpoint.to_owned()), ..right.clone() };
        assert!(Store::s3(&wrong).unwrap_err().to_string().starts_with("public_endpoint"), "{endpoint}");
    }
    for bucket in ["", ".", "..", "a/b", "a\nb", "a?b"] {
        assert!(Store::s3(&S3Settings { bucket: bucket.to_owned(), ..right.clone() }).is_err(), "{bucket:?}");
    }
}

#[tokio::test]
async fn a_url_is_for_one_thing() {
    let Some(trial) = Trial::s3().await else { return };
    let upload = Upload { key: key(1), size: 10 };
    let url = trial.store.part_request(upload, 1, MINUTE).unwrap().url;
    let http = reqwest::Client::new();
    // A service that refuses a long body may hang up while it is sent.
    let put = async |url: &str, length: u64| {
        http.put(url).body(bytes(length)).send().await.map_or(403, |answer| answer.status().as_u16())
    };
    // Where 10 bytes were promised, no others are stored.
    for wrong in [0, 9, 11, 20 << 20] {
        assert_eq!(put(&url, wrong).await, 403, "{wrong} bytes");
    }
    assert_eq!(trial.store.uploads().page().await.unwrap(), []);
    assert_eq!(put(&url.replace("/1?", "/2?"), 10).await, 403, "another part");
    assert_eq!(put(&url.replace(key(1).as_str(), key(2).as_str()), 10).await, 403, "another upload");
    assert_eq!(put(&url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"), 10).await, 403, "for longer");
    assert_eq!(http.get(&url).send().await.unwrap().status().as_u16(), 403);
    assert_eq!(http.delete(&url).send().await.unwrap().status().as_u16(), 403);
    assert_eq!(put(&url, 10).await, 200);
    assert!(trial.store.part_request(upload, 2, MINUTE).is_none());
}

#[tokio::test]
async fn a_url_ends_with_its_time() {
    let Some(trial) = Trial::s3().await else { return };
    trial.store.put(key(1), "image/png", Bytes::from_static(b"here")).await.unwrap();
    let valid = Duration::from_secs(1);
    let part = trial.store.part_request(Upload { key: key(2), size: 10 }, 1, valid).unwrap();
    let object = trial.store.object_request(key(1), None, "inline", valid).unwrap();
    let http = reqwest::Client::new();
    until(async || http.put(&part.url).body(bytes(10)).send().await.unwrap().status() == 403).await;
    until(async || http.get(&object.url).send().await.unwrap().status() == 403).await;
}

#[tokio::test]
async fn a_download_says_what_it_was_told_to() {
    let Some(trial) = Trial::s3().await else { return };
    trial.store.put(key(1), "image/png", Bytes::from_static(b"<svg>")).await.unwrap();
    for name in [
        "a b\u{1f929}.svg",
        "-%20.jpg",
        "100%.png",
        "Test&Test.txt",
        "a+b#c?d=e;f.pdf",
        "\"quoted\".pdf",
        "\u{431}1.jpg",
        "no ending",
    ] {
        let disposition = content_disposition(false, Some(name));
        let request = trial.store.object_request(key(1), Some("text/plain"), &disposition, MINUTE).unwrap();
        let answer = reqwest::get(&request.url).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{name}");
        assert_eq!(answer.headers()["content-disposition"], disposition, "{name}");
    }
    let disposition = "attachment; filename=\"a b.svg\"";
    let request = trial.store.object_request(key(1), Some("application/octet-stream"), disposition, MINUTE).unwrap();
    let answer = reqwest::get(&request.url).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.headers()["content-disposition"], disposition);
    assert_eq!(answer.bytes().await.unwrap(), &b"<svg>"[..]);
    let otherwise = request.url.replace("octet-stream", "xhtml");
    assert_eq!(reqwest::get(otherwise).await.unwrap().status().as_u16(), 403);
    let as_it_is = trial.store.object_request(key(1), None, disposition, MINUTE).unwrap();
    assert_eq!(reqwest::get(&as_it_is.url).await.unwrap().headers()["content-type"], "image/png", "as it was put");
}

#[tokio::test]
async fn clients_go_to_the_public_endpoint() {
    let Some(mut trial) = Trial::s3().await else { return };
    let settings = trial.service().settings();
    let public = settings.endpoint.replace("127.0.0.1", "localhost");
    let store = Store::s3(&S3Settings { public_endpoint: Some(public.clone()), ..settings }).unwrap();
    let upload = Upload { key: key(1), size: 10 };
    let url = store.part_request(upload, 1, MINUTE).unwrap().url;
    assert!(url.starts_with(&public), "{url}");
    let put = reqwest::Client::new().put(&url).body(bytes(10)).send().await.unwrap();
    assert!(put.status().is_success());
    store.finish(upload, key(2)).await.unwrap();
    let url = store.object_request(key(2), Some("text/plain"), "attachment", MINUTE).unwrap().url;
    assert!(url.starts_with(&public) && reqwest::get(url).await.unwrap().bytes().await.unwrap() == bytes(10));
}

#[tokio::test]
async fn a_finish_that_was_cut_off_is_done_again() {
    let Some(mut trial) = Trial::s3().await else { return };
    let upload = Upload { key: key(1), size: 2 * PART + 1 };
    let sent = bytes(upload.size);
    trial.send_all(upload, &sent).await;
    for polls in 1..40 {
        let mut finish = Box::pin(trial.store.finish(upload, key(2)));
        for _ in 0..polls {
            let once = tokio::time::timeout(Duration::from_millis(1), &mut finish).await;
            if once.is_ok() {
                break;
            }
        }
    }
    trial.service().restart().await;
    until(async || trial.store.finish(upload, key(2)).await.is_ok()).await;
    assert!(trial.read(key(2), 0, upload.size).await.unwrap() == sent);
    assert_eq!(trial.store.uploads().page().await.unwrap(), []);
}
