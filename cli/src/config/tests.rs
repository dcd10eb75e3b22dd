//! Configurations, good and bad: each bad one names its key and its file.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn file(text: &str) -> (TempDir, ConfigArgs) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dunlin.toml");
    std::fs::write(&path, text).unwrap();
    (folder, FileArgs { config: Some(path) }.into())
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
    let roles = [dunlin_workers::receipts::ROLE];
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
        assert!(!error.contains("default."), "{text:?} says {error:?}");
    }
    let (_folder, args) = file("roles = [\"deliver\", \"dance\"]\n[streams]\nshard = 4\n");
    let error = format!("{:#}", worker(&args, None).unwrap_err());
    assert!(error.contains("roles") && error.contains("dance"), "{error}");
    let (_folder, args) = file("[streams]\nshard = 4\n");
    let error = format!("{:#}", worker(&args, None).unwrap_err());
    assert!(error.contains("`shard`") && error.contains("streams.shard"), "{error}");
    for (text, key, sections) in [
        ("[stream]\nshards = 4\n", "stream", &["`nats`", "`stop_within`", "`streams`"][..]),
        ("[nats]\nstream = 4\n", "nats.stream", &["`servers`"]),
    ] {
        let (_folder, args) = file(text);
        let error = format!("{:#}", worker(&args, None).unwrap_err());
        for word in sections.iter().chain(&["found `stream`", "dunlin.toml", key]) {
            assert!(error.contains(word), "{text:?} says {error:?}, without {word:?}");
        }
        assert_eq!(error.contains("`streams`"), sections.contains(&"`streams`"), "{error}");
    }
    for (streams, said) in [
        ("shards = 0", "`streams`: a region has 1 to 1024 shards, not 0"),
        ("shards = 1025", "1 to 1024 shards, not 1025"),
        ("replicas = 2", "`streams`: a stream has 1, 3 or 5 replicas, not 2"),
        ("log_bytes = 1", "`streams`: a log needs at least 1048576 bytes, not 1"),
    ] {
        let (_folder, args) = file(&format!("[streams]\n{streams}\n"));
        let error = format!("{:#}", worker(&args, None).unwrap_err());
        assert!(error.contains(said) && error.contains("dunlin.toml"), "{streams} says {error:?}");
    }
    let (_folder, args) = file("roles = []\n");
    assert!(format!("{:#}", worker(&args, None).unwrap_err()).contains("`roles` names no role"));
}

#[test]
fn a_file_that_is_not_there_is_no_empty_one() {
    let args = FileArgs { config: Some(PathBuf::from("/nowhere/dunlin.toml")) }.into();
    let error = format!("{:#}", gateway(&args).unwrap_err());
    assert!(error.contains("opening the configuration /nowhere/dunlin.toml"), "{error}");
}

/// The blocks of the documentation that begin with this comment.
fn documented(which: &str) -> String {
    let text = include_str!("../../../docs/CONFIGURATION.md");
    let block = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    block.into_iter().find(|block| block.starts_with(which)).unwrap().to_owned()
}

#[test]
fn the_documentation_names_every_key_with_its_default() {
    let (_folder, args) = file(&documented("# gateway"));
    let keys = "/etc/dunlin/jwks.json".parse().unwrap();
    assert_eq!(format!("{:#?}", gateway(&args).unwrap()), format!("{:#?}", dunlin_gateway::Config::new(keys)));

    let (_folder, args) = file(&documented("# worker"));
    let meant = WorkerFile { worker: dunlin_workers::Config::default(), streams: Some(Streams::default()) };
    assert_eq!(worker(&args, None).unwrap(), meant);
}

#[test]
fn what_is_commented_out_in_the_documentation_is_understood() {
    let uncommented = |text: String| -> String {
        let is_key = |line: &&str| line.contains(" = ") && !line.contains("# credentials = ");
        let strip = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned();
        text.lines().map(|line| if is_key(&line) { strip(line) } else { line.to_owned() } + "\n").collect()
    };
    let (_folder, args) = file(&uncommented(documented("# gateway")));
    let config = gateway(&args).unwrap();
    assert_eq!(config.tokens.issuer.as_deref(), Some("https://id.example"));
    assert!(config.nats.tls.ca.is_some() && config.nats.tls.cert.is_some() && config.nats.tls.key.is_some());
    let (_folder, args) = file(&uncommented(documented("# worker")));
    let worker = worker(&args, None).unwrap().worker;
    assert_eq!((worker.shards, worker.listen.map(|listen| listen.port())), (Some(vec![0, 1]), Some(8_081)));

    for credentials in [
        "creds_file = \"a\"",
        "nkey_seed_file = \"a\"",
        "user_password = { user = \"a\", password = \"b\" }",
        "token = \"a\"",
    ] {
        let (_folder, args) = file(&format!("[nats]\ncredentials = {{ {credentials} }}\n[tokens]\nkeys = \"k\"\n"));
        assert!(gateway(&args).unwrap().nats.credentials.is_some(), "{credentials}");
    }
}
