//! Configurations, good and bad: each bad one names its key and its file.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn file(text: &str) -> (TempDir, ConfigArgs) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dunlin.toml");
    std::fs::write(&path, text).unwrap();
    (folder, ConfigArgs { config: Some(path), listen: None })
}

#[test]
fn a_gateway_needs_no_more_than_its_key_set() {
    let (_folder, args) = file("[tokens]\nkeys = \"jwks.json\"\n");
    let config = gateway(&args).unwrap();
    assert_eq!(config.listen.port(), 8_080);
    let listen = Some("127.0.0.1:0".parse().unwrap());
    assert_eq!(gateway(&ConfigArgs { listen, ..args }).unwrap().listen.port(), 0, "an option goes before the file");
}

#[test]
fn a_workers_file_may_say_how_the_streams_are_made() {
    let (_folder, args) =
        file("region = \"eu\"\nroles = [\"deliver\"]\n[streams]\nshards = 4\n[nats]\nservers = [\"nats://a:4222\"]\n");
    let read = worker(&args, None).unwrap();
    assert_eq!(read.worker.region.as_str(), "eu");
    assert_eq!(read.streams, Some(Streams { shards: 4, ..Streams::default() }));
    let roles = [dunlin_workers::Role::Receipts];
    assert_eq!(worker(&args, Some(&roles)).unwrap().worker.roles, roles);
    assert_eq!(worker(&ConfigArgs::default(), None).unwrap().streams, None);
}

#[test]
fn what_is_wrong_is_said_with_key_and_file() {
    let cases = [
        ("[tokens]\nkeys = \"k\"\n[nats]\nserver = [\"nats://a\"]\n", &["unknown field", "server", "nats"][..]),
        ("lissen = \"127.0.0.1:1\"\n[tokens]\nkeys = \"k\"\n", &["unknown field", "lissen"]),
        ("listen = \"here\"\n[tokens]\nkeys = \"k\"\n", &["listen", "invalid socket address"]),
        ("listen = 1\n[tokens]\nkeys = \"k\"\n", &["listen", "invalid type"]),
        ("drain = 10000000\n[tokens]\nkeys = \"k\"\n", &["`drain`", "at most"]),
        ("[tokens]\nkeys = \"ftp://a/b\"\n", &["tokens.keys", "is neither"]),
        ("[tokens]\n", &["missing field `keys`", "tokens"]),
        ("", &["missing field `tokens`"]),
        ("[tokens\n", &["dunlin.toml"]),
        ("region = \"a b\"\n[tokens]\nkeys = \"k\"\n", &["region", "a name is made of"]),
    ];
    for (text, words) in cases {
        let (_folder, args) = file(text);
        let error = format!("{:#}", gateway(&args).unwrap_err());
        for word in words.iter().chain(&["dunlin.toml"]) {
            assert!(error.contains(word), "{text:?} says {error:?}, without {word:?}");
        }
    }
    let (_folder, args) = file("roles = [\"deliver\", \"dance\"]\n[streams]\nshard = 4\n");
    let error = format!("{:#}", worker(&args, None).unwrap_err());
    assert!(error.contains("roles") && error.contains("dance"), "{error}");
    let (_folder, args) = file("[streams]\nshard = 4\n");
    let error = format!("{:#}", worker(&args, None).unwrap_err());
    assert!(error.contains("shard") && error.contains("streams"), "{error}");
    let (_folder, args) = file("roles = []\n");
    assert!(format!("{:#}", worker(&args, None).unwrap_err()).contains("`roles` names no role"));
}

#[test]
fn a_file_that_is_not_there_is_no_empty_one() {
    let args = ConfigArgs { config: Some(PathBuf::from("/nowhere/dunlin.toml")), listen: None };
    let error = format!("{:#}", gateway(&args).unwrap_err());
    assert!(error.contains("opening the configuration /nowhere/dunlin.toml"), "{error}");
}
