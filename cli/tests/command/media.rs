//! Files with `dunlin send --attach`, `dunlin media` and `dunlin doctor`, in a region that runs.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{beside, data, stderr, stdout, until};

const PICTURE: &[u8] = include_bytes!("../../../tests/suites/workers/picture.png");

fn lines(folder: &Path, arguments: &[&str], code: i32) -> Vec<Value> {
    let done = beside(folder, arguments);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}{}", stdout(&done), stderr(&done));
    stdout(&done).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) fn go_with_messages_and_are_listed_mended_and_verified(folder: &Path) {
    let picture = folder.join("a picture.png");
    fs::write(&picture, PICTURE).unwrap();
    lines(folder, &["send", "--as", "frank", "grace", "look", "--attach", picture.to_str().unwrap()], 0);
    let heard = lines(folder, &["listen", "--as", "grace", "--until-caught-up"], 0);
    let attachment = &heard[0]["entry"]["content"]["message"]["attachments"][0];
    assert_eq!((&attachment["name"], &attachment["type"]), (&json!("a picture.png"), &json!("image/png")), "{heard:?}");
    let media = attachment["media"].as_str().unwrap();

    let copy = folder.join("copy.png");
    lines(folder, &["media", "get", "--as", "grace", media, "-o", copy.to_str().unwrap()], 0);
    assert_eq!(fs::read(&copy).unwrap(), PICTURE);
    let again = beside(folder, &["media", "get", "--as", "grace", media, "-o", copy.to_str().unwrap()]);
    assert!(stderr(&again).contains("opening"), "nothing is written over: {}", stderr(&again));
    let stranger = beside(folder, &["media", "get", "--as", "heidi", media, "-o", "-"]);
    assert!(!stranger.status.success() && stranger.stdout.is_empty(), "{}", stderr(&stranger));

    let listed = lines(folder, &["media", "ls"], 0);
    let told: Vec<_> = listed.iter().map(|file| (&file["media"], &file["state"], &file["messages"])).collect();
    assert_eq!(told, [(&json!(media), &json!("usable"), &json!(1))], "{listed:?}");
    let whole = json!({ "files": 1, "bytes": PICTURE.len(), "wrong": 0 });
    assert_eq!(lines(folder, &["media", "verify"], 0), [whole]);
    assert_eq!(lines(folder, &["media", "gc"], 0), [json!(null); 0], "nothing is to be mended");

    let objects = data(folder).join("media/objects");
    let small = fs::read_dir(&objects).unwrap().map(|entry| entry.unwrap().path());
    let small = small.filter(|path| !path.ends_with(media)).collect::<Vec<_>>();
    let [small] = &small[..] else { panic!("{small:?}") };
    fs::remove_dir_all(small).unwrap();
    lines(folder, &["media", "verify"], 1);
    assert_eq!(lines(folder, &["media", "gc"], 0), [json!({ "thumbnail": media })]);
    lines(folder, &["media", "verify"], 0);

    let object = objects.join(media);
    let part = fs::read_dir(&object).unwrap().next().unwrap().unwrap().path();
    let mut damaged = PICTURE.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&part, &damaged).unwrap();
    let wrong = |why: &str| json!({ "media": media, "wrong": why });
    let found = lines(folder, &["media", "verify"], 1);
    assert_eq!(found[0], wrong("its SHA-256 is another one"), "{found:?}");
    fs::write(&part, &damaged[1..]).unwrap();
    let shorter = format!("it has {} bytes", PICTURE.len() - 1);
    assert_eq!(lines(folder, &["media", "verify"], 1)[0], wrong(&shorter));
    fs::remove_dir_all(&object).unwrap();
    assert_eq!(lines(folder, &["media", "verify"], 1)[0], wrong("it is not in the store"));

    assert_eq!(lines(folder, &["media", "gc"], 0), [json!({ "lost": media })]);
    assert_eq!(lines(folder, &["media", "ls"], 0)[0]["state"], "lost");
    until("frank to be told", || {
        let heard = lines(folder, &["listen", "--as", "frank", "--until-caught-up"], 0);
        heard.iter().any(|event| event["entry"]["content"]["failed"]["code"] == "media_lost")
    });

    let doctor = beside(folder, &["doctor"]);
    assert!(stdout(&doctor).contains("ok     the store of files in"), "{}", stdout(&doctor));
    let elsewhere = folder.join("no-media.toml");
    let nats = fs::read_to_string(data(folder).join("nats-address")).unwrap();
    let missing = folder.join("nowhere");
    let text = format!(
        "region = \"local\"\n[nats]\nservers = [\"{}\"]\n[media]\ndirectory = \"{}\"\n",
        nats.trim(),
        missing.display()
    );
    fs::write(&elsewhere, text).unwrap();
    for arguments in [["doctor", "--worker"], ["media gc", "--worker"]] {
        let mut all: Vec<&str> = arguments[0].split(' ').collect();
        all.extend([arguments[1], elsewhere.to_str().unwrap()]);
        let told = beside(folder, &all);
        let said = stdout(&told) + &stderr(&told);
        assert!(!told.status.success() && said.contains("there is no such folder"), "{arguments:?}: {said}");
        assert!(!missing.exists(), "it changes nothing");
    }
}
