//! What holds of every store.

use dunlin_store::{Error, PART, Upload};
use futures_util::future::join;

use crate::trial::{Trial, bytes, key, read};

/// Each of these as a test of a directory, and as one of an S3 store.
macro_rules! of_every_store {
    ($($name:ident),+ $(,)?) => {
        mod of_a_directory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::trial::Trial::directory()).await;
            })+
        }

        mod of_an_s3_store {
            $(#[tokio::test]
            async fn $name() {
                let Some(trial) = crate::trial::Trial::s3().await else { return };
                super::$name(trial).await;
            })+
        }
    };
}

of_every_store!(
    what_is_sent_is_read,
    an_upload_goes_on_after_a_break,
    parts_have_their_length,
    a_late_writer_changes_nothing,
    two_finish_one_upload,
    what_is_taken_away_while_it_is_finished_is_whole_or_nothing,
    what_is_removed_is_gone,
    a_preview_stays_as_it_is,
    what_is_put_is_as_long_as_it_is,
    sweeps_see_all,
    a_probe_leaves_nothing,
);

async fn what_is_sent_is_read(trial: Trial) {
    for (number, size) in [0, 1, PART, PART + 1, 2 * PART + 777].into_iter().enumerate() {
        let (upload, object) = (Upload { key: key(1), size }, key(100 + u32::try_from(number).unwrap()));
        let sent = bytes(size);
        trial.send_all(upload, &sent).await;
        trial.store.finish(upload, object).await.unwrap();
        assert_eq!(trial.store.size(object).await.unwrap(), size);
        assert_eq!(trial.store.parts(upload).await.unwrap(), [0; 0], "the upload is gone");
        let whole = [(0, size), (size, size), (0, size.min(1)), (size.saturating_sub(1), size)];
        let border = [(PART - 3, PART + 2), (PART, PART + 1), (5, 2 * PART + 5)];
        for (from, until) in whole.into_iter().chain(border).filter(|(_, until)| *until <= size) {
            let range = usize::try_from(from).unwrap()..usize::try_from(until).unwrap();
            assert!(trial.read(object, from, until).await.unwrap() == sent[range], "{from}..{until} of {size}");
        }
    }
}

async fn an_upload_goes_on_after_a_break(trial: Trial) {
    let upload = Upload { key: key(1), size: 2 * PART + 10 };
    let sent = bytes(upload.size);
    let part = |number: u32| {
        let part = upload.part(number).unwrap();
        let from = usize::try_from(part.from).unwrap();
        &sent[from..from + usize::try_from(part.size).unwrap()]
    };
    assert_eq!(trial.store.parts(upload).await.unwrap(), [0; 0]);
    assert!(trial.send(upload, 3, part(3)).await && trial.send(upload, 1, part(1)).await);
    let other = trial.again();
    assert_eq!(other.parts(upload).await.unwrap(), [1, 3]);
    assert!(matches!(other.finish(upload, key(2)).await, Err(Error::Incomplete { part: 2 })));
    assert!(matches!(other.size(key(2)).await, Err(Error::NotFound)), "nothing was made of it");
    assert!(trial.send(upload, 2, part(2)).await);
    other.finish(upload, key(2)).await.unwrap();
    assert!(read(&other, key(2), 0, upload.size).await.unwrap() == sent);
}

async fn parts_have_their_length(trial: Trial) {
    let upload = Upload { key: key(1), size: 10 };
    for wrong in [0, 9, 11, 300_000] {
        trial.send(upload, 1, &bytes(wrong)).await;
        assert_eq!(trial.store.parts(upload).await.unwrap(), [0; 0], "{wrong} bytes instead of 10");
        assert!(matches!(trial.store.finish(upload, key(2)).await, Err(Error::Incomplete { part: 1 })));
    }
    assert!(trial.send(upload, 1, &bytes(10)).await);
    assert_eq!(trial.store.parts(upload).await.unwrap(), [1]);
}

async fn a_late_writer_changes_nothing(trial: Trial) {
    let upload = Upload { key: key(1), size: 1_000 };
    assert!(trial.send(upload, 1, &[1; 1_000]).await && trial.send(upload, 1, &[2; 1_000]).await);
    trial.store.finish(upload, key(2)).await.unwrap();
    assert!(trial.send(upload, 1, &[3; 1_000]).await, "another upload by its name");
    assert_eq!(trial.read(key(2), 0, 1_000).await.unwrap(), [2; 1_000], "the last one before it was finished");
    trial.store.finish(upload, key(2)).await.unwrap();
    assert_eq!(trial.read(key(2), 0, 1_000).await.unwrap(), [2; 1_000]);
}

async fn two_finish_one_upload(trial: Trial) {
    let other = trial.again();
    for number in 0..20 {
        let upload = Upload { key: key(number), size: 100 };
        assert!(trial.send(upload, 1, &[1; 100]).await);
        let object = key(1_000 + number);
        let (one, two) = join(trial.store.finish(upload, object), other.finish(upload, object)).await;
        assert!(one.is_ok() && two.is_ok(), "{one:?}, {two:?}");
        assert_eq!(trial.read(object, 0, 100).await.unwrap(), [1; 100]);
    }
}

async fn what_is_taken_away_while_it_is_finished_is_whole_or_nothing(trial: Trial) {
    let other = trial.again();
    for number in 0..8 {
        let (upload, object) = (Upload { key: key(number), size: PART + 9 }, key(1_000 + number));
        let sent = bytes(upload.size);
        trial.send_all(upload, &sent).await;
        let abort = async {
            for _ in 0..50 * number {
                tokio::task::yield_now().await;
            }
            other.abort(upload.key).await
        };
        let (finished, aborted) = join(trial.store.finish(upload, object), abort).await;
        aborted.unwrap();
        match trial.store.size(object).await {
            Ok(size) => {
                assert_eq!(size, upload.size);
                assert!(trial.read(object, 0, size).await.unwrap() == sent, "{finished:?}");
            }
            Err(error) => assert!(matches!(error, Error::NotFound) && finished.is_err(), "{error} {finished:?}"),
        }
    }
}

async fn what_is_removed_is_gone(trial: Trial) {
    let upload = Upload { key: key(1), size: PART + 1 };
    trial.send_all(upload, &bytes(upload.size)).await;
    trial.store.abort(upload.key).await.unwrap();
    assert_eq!(trial.store.parts(upload).await.unwrap(), [0; 0]);
    trial.send_all(upload, &bytes(upload.size)).await;
    trial.store.finish(upload, key(2)).await.unwrap();
    for _ in 0..2 {
        trial.store.remove(key(2)).await.unwrap();
        trial.store.abort(upload.key).await.unwrap();
        assert!(matches!(trial.store.size(key(2)).await, Err(Error::NotFound)));
        for (from, until) in [(0, 1), (0, 0), (PART, PART + 1)] {
            assert!(matches!(trial.read(key(2), from, until).await, Err(Error::NotFound)), "{from}..{until}");
        }
    }
}

async fn a_preview_stays_as_it_is(trial: Trial) {
    for sent in [b"first", b"later"] {
        trial.store.put(key(1), "image/png", sent.to_vec().into()).await.unwrap();
    }
    assert_eq!(trial.read(key(1), 0, 5).await.unwrap(), b"first");
}

async fn what_is_put_is_as_long_as_it_is(trial: Trial) {
    for (number, size) in (1..).zip([0, 1, PART, PART + 9]) {
        let put = bytes(size);
        trial.store.put(key(number), "image/png", put.clone().into()).await.unwrap();
        assert_eq!(trial.store.size(key(number)).await.unwrap(), size);
        assert!(trial.read(key(number), 0, size).await.unwrap() == put, "{size}");
    }
    assert_eq!(trial.read(key(4), PART - 1, PART + 1).await.unwrap(), bytes(PART + 9)[PART as usize - 1..][..2]);
}

async fn sweeps_see_all(trial: Trial) {
    let begun = std::time::SystemTime::now();
    for number in 1..=3 {
        trial.store.put(key(number), "image/png", vec![1].into()).await.unwrap();
        trial.send_all(Upload { key: key(10 + number), size: PART + 1 }, &bytes(PART + 1)).await;
    }
    for (mut listing, first, size) in [(trial.store.objects(), 1, 1), (trial.store.uploads(), 11, PART + 1)] {
        let mut found = Vec::new();
        loop {
            let page = listing.page().await.unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        found.sort_by_key(|stored| stored.key);
        let keys: Vec<_> = found.iter().map(|stored| stored.key).collect();
        assert_eq!(keys, [key(first), key(first + 1), key(first + 2)]);
        assert!(found.iter().all(|stored| stored.size == size), "{found:?}");
        // The clocks of files and of servers tick in their own steps.
        let second = std::time::Duration::from_secs(1);
        assert!(found.iter().all(|stored| stored.changed >= begun - second && stored.changed <= begun + 60 * second));
    }
}

async fn a_probe_leaves_nothing(trial: Trial) {
    trial.store.probe().await.unwrap();
    assert_eq!(trial.store.objects().page().await.unwrap(), []);
    assert_eq!(trial.store.uploads().page().await.unwrap(), []);
    assert!(!trial.store.health().0);
}
