//! What only a directory does: what a killed process, a full disk and a sender that stops leave behind.

use std::{
    env, fs,
    os::unix::process::parent_id,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use dunlin_store::{Error, PART, Store, Upload};
use futures_util::{StreamExt as _, stream};

use crate::trial::{Small, Trial, body, bytes, key, read, until};

/// Names the folder in which the child of [`a_kill_leaves_no_half_file`] works, and the first number of its keys.
const CHILD: [&str; 2] = ["DUNLIN_STORE_CHILD", "DUNLIN_STORE_CHILD_FIRST"];

/// How many files and folders are in `temporary`, once there is one.
fn temporary(root: &Path) -> usize {
    fs::read_dir(root.join("temporary")).map_or(0, Iterator::count)
}

/// What the process that is killed does: parts, and objects made of them. It ends by itself where nobody is left to kill it, and before it
/// has filled a disk.
#[tokio::test]
async fn child() {
    let Some(root) = env::var_os(CHILD[0]) else { return };
    let first: u32 = env::var(CHILD[1]).unwrap().parse().unwrap();
    let store = Store::directory(Path::new(&root)).unwrap();
    let sent = bytes(PART + 1_000);
    let part = usize::try_from(PART).unwrap();
    let parent = parent_id();
    for number in (first..first + 100).take_while(|_| parent_id() == parent) {
        let upload = Upload { key: key(number), size: PART + 1_000 };
        store.write_part(upload, 2, body(&sent[part..])).await.unwrap();
        store.write_part(upload, 1, body(&sent[..part])).await.unwrap();
        store.finish(upload, key(1_000_000 + number)).await.unwrap();
        store.put(key(2_000_000 + number), "image/png", Bytes::from_static(b"preview")).await.unwrap();
    }
}

#[tokio::test]
async fn a_kill_leaves_no_half_file() {
    let root = tempfile::tempdir().unwrap();
    let sent = bytes(PART + 1_000);
    let mut seen = 0;
    for round in 0..12 {
        let mut child = Command::new(env::current_exe().unwrap());
        let child = child.args(["--exact", "directory::child"]).env(CHILD[0], root.path());
        let child = child.env(CHILD[1], (round * 1_000).to_string());
        let mut child = child.stdout(Stdio::null()).spawn().unwrap();
        // Killed at a moment that moves through what it does: it has made an object, and then so many looks at its folder later.
        let objects = || fs::read_dir(root.path().join("objects")).map_or(0, Iterator::count);
        let before = objects();
        until(async || objects() > before).await;
        for _ in 0..997 * round {
            temporary(root.path());
        }
        child.kill().unwrap();
        child.wait().unwrap();

        for folder in ["uploads", "objects"] {
            for entry in fs::read_dir(root.path().join(folder)).unwrap() {
                for file in fs::read_dir(entry.unwrap().path()).unwrap() {
                    let bytes = fs::read(file.unwrap().path()).unwrap();
                    let part = usize::try_from(PART).unwrap();
                    assert!(bytes == sent[..part] || bytes == sent[part..] || bytes == b"preview", "{}", bytes.len());
                }
            }
        }
        let store = Store::directory(root.path()).unwrap();
        let objects = store.objects().page().await.unwrap();
        for object in objects.iter().map(|stored| stored.key) {
            let size = store.size(object).await.unwrap();
            assert!(size == PART + 1_000 || size == 7, "{object} is not whole: {size}");
        }
        seen += objects.len();
    }
    assert!(seen > 0, "the child came to make objects");
}

#[tokio::test]
async fn what_a_crash_left_goes() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::directory(root.path()).unwrap();
    let old = SystemTime::now() - Duration::from_secs(7_200);
    for lives_on in [false, true] {
        fs::create_dir(root.path().join("temporary/a")).unwrap();
        fs::write(root.path().join("temporary/a/1"), "x").unwrap();
        for name in ["b", "c"] {
            fs::write(root.path().join("temporary").join(name), "x").unwrap();
        }
        for name in ["a", "b"] {
            fs::File::open(root.path().join("temporary").join(name)).unwrap().set_modified(old).unwrap();
        }
        if lives_on {
            store.tidy().await.unwrap();
        } else {
            drop(Store::directory(root.path()).unwrap());
        }
        assert!(root.path().join("temporary/c").exists() && temporary(root.path()) == 1, "what is young is somebody's");
    }
}

#[tokio::test]
async fn a_sender_that_stops_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::directory(root.path()).unwrap();
    let upload = Upload { key: key(1), size: PART };
    let stops = stream::iter([Ok(Bytes::from(vec![1; 200_000])), Err("gone")]);
    assert!(matches!(store.write_part(upload, 1, stops).await, Err(Error::Sender(why)) if why == "gone"));
    assert_eq!(temporary(root.path()), 0);
    let hangs = stream::iter([Ok::<_, String>(Bytes::from(vec![1; 200_000]))]).chain(stream::pending());
    tokio::select! {
        done = store.write_part(upload, 1, hangs) => panic!("{done:?}"),
        () = until(async || temporary(root.path()) > 0) => {}
    }
    // What its thread was about to write comes to its end first.
    until(async || temporary(root.path()) == 0).await;
    assert!(!store.health().0 && store.health().1.failures == 0, "the store did nothing wrong");
}

#[tokio::test]
async fn names_that_are_no_keys_are_not_listed() {
    let trial = Trial::directory();
    let root = tempfile::tempdir().unwrap();
    let store = Store::directory(root.path()).unwrap();
    fs::create_dir(root.path().join("objects/lost+found")).unwrap();
    assert_eq!(store.objects().page().await.unwrap(), []);
    assert!(matches!(
        trial.store.write_part(Upload { key: key(1), size: 1 }, 2, body(b"x")).await,
        Err(Error::NotFound)
    ));
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let root = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(root.path()) else { return };
    let store = Store::directory(root.path()).unwrap();
    let upload = Upload { key: key(1), size: PART };
    assert!(matches!(store.write_part(upload, 1, body(&bytes(PART))).await, Err(Error::Full)));
    assert_eq!(temporary(root.path()), 0, "what did not fit is no longer there");
    store.put(key(2), "image/png", vec![1; 1 << 20].into()).await.unwrap();
    assert_eq!(read(&store, key(2), 0, 1 << 20).await.unwrap(), [1; 1 << 20]);
    assert!(!store.health().0);
}

#[tokio::test]
async fn a_folder_that_is_no_longer_there_is_told() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::directory(root.path()).unwrap();
    fs::remove_dir_all(root.path()).unwrap();
    let written = store.write_part(Upload { key: key(1), size: 1 }, 1, body(b"x")).await;
    assert!(matches!(written, Err(Error::Unavailable { .. })), "{written:?}");
}

#[tokio::test]
async fn a_disk_that_turned_read_only_is_told() {
    let root = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(root.path()) else { return };
    let store = Store::directory(root.path()).unwrap();
    store.put(key(1), "image/png", vec![1].into()).await.unwrap();
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(root.path()).status().unwrap();
    assert!(remount.success());
    assert!(matches!(store.put(key(2), "image/png", vec![1].into()).await, Err(Error::ReadOnly)));
    assert!(matches!(store.probe().await, Err(Error::ReadOnly)));
    assert_eq!(read(&store, key(1), 0, 1).await.unwrap(), [1], "what is there can be read");
}
