//! Configurations, good and bad: each bad one names its key and its file.

use std::path::PathBuf;

use tempfile::TempDir;

use super::{read::ReadError, *};
use dunlin_nats::{ConnectOptions, Credentials};

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
    let ConnectOptions { name, inbox_prefix, .. } = &read.worker.nats;
    assert_eq!((&**name, &**inbox_prefix), ("dunlin-worker", "_INBOX.wk"), "what the section leaves out");
    assert_eq!(read.streams, Some(Streams { shards: 4, ..Streams::default() }));
    let roles = [dunlin_workers::receipts::ROLE];
    assert_eq!(worker(&args, Some(&roles)).unwrap().worker.roles, roles);
    assert_eq!(worker(&ConfigArgs::default(), None).unwrap().streams, None);
}

#[test]
fn what_is_wrong_is_said_with_key_and_file() {
    let cases = [
        (
            "[tokens]\nkeys = \"k\"\n[nats]\nserver = [\"nats://a\"]\n",
            &["unknown key", "`nats.server`", "`servers`"][..],
        ),
        ("lissen = \"127.0.0.1:1\"\n[tokens]\nkeys = \"k\"\n", &["unknown key", "`lissen`"]),
        ("listen = \"here\"\n[tokens]\nkeys = \"k\"\n", &["`listen`", "`127.0.0.1:8080`"]),
        ("listen = 80800\n[tokens]\nkeys = \"k\"\n", &["`listen`", "`127.0.0.1:8080`"]),
        (
            "internal_listen = true\n[tokens]\nkeys = \"k\"\n",
            &["`internal_listen`", "127.0.0.1:8080", "found true or false"],
        ),
        ("drain = 10000000\n[tokens]\nkeys = \"k\"\n", &["`drain`", "at most"]),
        ("[tokens]\nkeys = \"ftp://a/b\"\n", &["`tokens.keys`", "this is neither"]),
        ("[tokens]\n", &["`tokens`", "`keys` is missing"]),
        ("", &["`tokens`", "missing"]),
        ("[tokens\n", &["dunlin.toml", "line 1, column 8"]),
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
    assert!(error.contains("`roles[1]`") && error.contains("receipts"), "{error}");
    let (_folder, args) = file("[streams]\nshard = 4\n");
    let error = format!("{:#}", worker(&args, None).unwrap_err());
    assert!(error.contains("`streams.shard`") && error.contains("`shards`"), "{error}");
    for (text, key, sections) in [
        ("[stream]\nshards = 4\n", "stream", &["`nats`", "`stop_within`", "`streams`"][..]),
        ("[nats]\nstream = 4\n", "nats.stream", &["`servers`"]),
    ] {
        let (_folder, args) = file(text);
        let error = format!("{:#}", worker(&args, None).unwrap_err());
        for word in sections.iter().chain(&["unknown key", "dunlin.toml", key]) {
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

/// What the variables say above the file.
fn with_variables(text: &str, variables: &[(&str, &str)]) -> Result<dunlin_gateway::Config, ReadError> {
    let place = Place::File("dunlin.toml".into());
    let mut table = parse(text, &place).unwrap();
    merge(&mut table, variables::table(variables.iter().map(|(name, value)| (name.into(), value.into()))).unwrap());
    read(&table)
}

const KEYS: &str = "[tokens]\nkeys = \"k\"\n";

#[test]
fn an_address_to_listen_on_is_written_as_on_the_command_line() {
    for (file, variable, address) in [
        ("\"localhost:8081\"", "localhost:8081", "127.0.0.1:8081"),
        ("\"8081\"", "8081", "127.0.0.1:8081"),
        ("8081", " 8081", "127.0.0.1:8081"),
        ("\"[::]:8081\"", "[::]:8081", "[::]:8081"),
    ] {
        let address = Some(address.parse().unwrap());
        let (_folder, args) = self::file(&format!("listen = {file}\n"));
        assert_eq!(worker(&args, None).unwrap().worker.listen, address, "{file}");
        let (_folder, args) = self::file(&format!("listen = {file}\ninternal_listen = {file}\n{KEYS}"));
        let gateway = gateway(&args).unwrap();
        assert_eq!((Some(gateway.listen), gateway.internal_listen), (address, address), "{file}");
        let variables = [("DUNLIN_LISTEN", variable), ("DUNLIN_INTERNAL_LISTEN", variable)];
        let gateway = with_variables(KEYS, &variables).unwrap();
        assert_eq!((Some(gateway.listen), gateway.internal_listen), (address, address), "{variable}");
    }
}

#[test]
fn a_secret_in_the_place_of_its_file_is_told_and_not_shown() {
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let creds = "-----BEGIN NATS USER JWT-----\\neyJh";
    for secret in [seed, "eyJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.c2ln", creds] {
        for key in ["creds_file", "nkey_seed_file"] {
            let (_folder, args) = file(&format!("[nats]\ncredentials = {{ {key} = \"{secret}\" }}\n{KEYS}"));
            let error = format!("{:#}", gateway(&args).unwrap_err());
            assert!(
                error.contains(key) && error.contains("a secret itself") && !error.contains(&secret[..12]),
                "{error}"
            );
        }
    }
}

#[test]
fn what_nobody_wrote_is_blamed_on_no_variable() {
    let error = with_variables("", &[("DUNLIN_NATS__CREDENTIALS__TOKEN", "t")]).unwrap_err().to_string();
    assert_eq!(error, "`tokens`: it is missing, and has no default");
}

#[test]
fn a_variable_is_read_as_what_its_key_is() {
    let password = ("DUNLIN_NATS__CREDENTIALS__USER_PASSWORD__PASSWORD", "");
    let user = ("DUNLIN_NATS__CREDENTIALS__USER_PASSWORD__USER", "007");
    for text in
        ["12345678", "0123", "1e3", "true", "[abc", "{x}", "\"quoted\"", "a b ", "", "1979-05-27", "# no comment"]
    {
        let config = with_variables(KEYS, &[(password.0, text), user]).unwrap();
        let meant = Credentials::UserPassword { user: "007".to_owned(), password: text.to_owned() };
        assert_eq!(config.nats.credentials, Some(meant), "{text}");
        let config = with_variables(KEYS, &[("DUNLIN_NATS__CREDENTIALS__TOKEN", text)]).unwrap();
        assert_eq!(config.nats.credentials, Some(Credentials::Token(text.to_owned())), "{text}");
    }
    for line_break in ["\n", "\r\n"] {
        let config = with_variables(KEYS, &[("DUNLIN_NATS__CREDENTIALS__TOKEN", &format!(" a{line_break}"))]).unwrap();
        assert_eq!(config.nats.credentials, Some(Credentials::Token(" a".to_owned())), "{line_break:?}");
    }
    let all = [
        ("DUNLIN_TOKENS__AUDIENCE", "318274612345678901"),
        ("DUNLIN_DRAIN", "20000"),
        ("DUNLIN_NATS__TLS__REQUIRED", "true"),
        ("DUNLIN_NATS__SERVERS", "['nats://a:4222', 'nats://b:4222']"),
        ("DUNLIN_ORIGINS", "https://chat.example"),
        ("DUNLIN_SENT_COPIES", "several_devices"),
    ];
    let config = with_variables(KEYS, &all).unwrap();
    assert_eq!(config.tokens.issuers[0].audience, ["318274612345678901"]);
    assert_eq!((config.drain.0, config.nats.tls.required), (20_000, true));
    assert_eq!(config.nats.servers, ["nats://a:4222", "nats://b:4222"]);
    assert_eq!(config.origins, ["https://chat.example"]);
    assert_eq!(config.sent_copies, dunlin_gateway::config::SentCopies::SeveralDevices);
    let config = with_variables(KEYS, &[("DUNLIN_NATS__CREDENTIALS", "{ token = \"a\" }")]).unwrap();
    assert_eq!(config.nats.credentials, Some(Credentials::Token("a".to_owned())));
}

#[test]
fn later_sources_override_earlier_ones_key_by_key() {
    let text = "drain = 1\nregion = \"eu\"\n[tokens]\nkeys = \"k\"\n[nats]\nname = \"a\"\nservers = [\"nats://a:1\"]\n";
    let config = with_variables(text, &[("DUNLIN_NATS__NAME", "b"), ("DUNLIN_DRAIN", "2")]).unwrap();
    assert_eq!((config.nats.name.as_str(), config.drain.0, config.region.as_str()), ("b", 2, "eu"));
    assert_eq!(config.nats.servers, ["nats://a:1"]);
}

#[test]
fn no_error_and_no_debug_output_holds_a_secret() {
    for text in [
        "[nats]\ncredentials = { token = s3cr3t }\n",
        "[nats]\ncredentials = { token = \"s3cr3t }\n",
        "[nats]\ncredentials = \"s3cr3t\"\n",
        "[nats]\ncredentials = [\"s3cr3t\"]\n",
        "[nats]\ncredentials = { tokn = \"s3cr3t\" }\n",
        "[nats]\ncredentials = { token = \"a\", creds_file = \"s3cr3t\" }\n",
        "[nats]\ncredentials = { user_password = \"s3cr3t\" }\n",
        "[nats]\ncredentials = { user_password = { user = \"a\", pasword = \"s3cr3t\" } }\n",
        "[nats]\nservers = [\"nats://dunlin:s3cr3t@host\"]\n",
        "[nats]\nservers = \"s3cr3t\"\n",
        "drain = \"s3cr3t\"\n",
        "listen = \"s3cr3t\"\n",
        "sent_copies = \"s3cr3t\"\n",
        "[limits]\nconnections = \"s3cr3t\"\n",
        "[tokens]\nkeys = \"ftp://dunlin:s3cr3t@host\"\n",
    ] {
        let tokens = if text.contains("[tokens]") { "" } else { KEYS };
        let (_folder, args) = file(&format!("{text}{tokens}"));
        let error = gateway(&args).unwrap_err();
        let said = format!("{error:#} {error:?}");
        assert!(said.contains("dunlin.toml") && !said.contains("s3cr3t"), "{text:?} says {said}");
    }
    let secret = ("DUNLIN_NATS__CREDENTIALS__TOKEN", "s3cr3t");
    let keys = ("DUNLIN_TOKENS__KEYS", "https://dunlin:s3cr3t@id.example/jwks?key=s3cr3t");
    let shown = format!("{:?}", with_variables(KEYS, &[secret, keys]).unwrap());
    assert!(shown.contains("Token") && !shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn no_error_about_a_variable_holds_its_value() {
    for (key, value) in [
        ("NATS__SERVERS", "nats://dunlin:s3cr3t@host"),
        ("NATS__SERVERS", "[\"nats://dunlin:s3cr3t@host\""),
        ("NATS__CREDENTIALS", "s3cr3t"),
        ("NATS__CREDENTIALS", "{ token = s3cr3t }"),
        ("NATS__CREDENTIALS", "{ tokn = \"s3cr3t\" }"),
        ("NATS__CREDENTIALS__USER_PASSWORD", "s3cr3t"),
        ("NATS__TLS__REQUIRED", "s3cr3t"),
        ("LIMITS__SENDS_PER_SECOND", "s3cr3t"),
        ("TOKENS__KEYS", "ftp://dunlin:s3cr3t@host"),
    ] {
        let name = format!("DUNLIN_{key}");
        let said = with_variables(KEYS, &[(&name, value)]).unwrap_err().to_string();
        assert!(said.contains(&format!("in the variable {name}")) && !said.contains("s3cr3t"), "{key}={value}: {said}");
    }
}

#[test]
fn a_mistake_is_told_with_the_key_and_the_place_where_it_stands() {
    for (name, value, said) in [
        ("DUNLIN_LISSEN", "1", "`lissen` (in the variable DUNLIN_LISSEN): unknown key, expected one of `listen`"),
        ("DUNLIN_DRAIN", "soon", "`drain` (in the variable DUNLIN_DRAIN): expected u64, found text that is none"),
        ("DUNLIN_DRAIN", "-1", "`drain` (in the variable DUNLIN_DRAIN): expected u64, found a number that is none"),
        (
            "DUNLIN_NATS__TLS__REQUIRED",
            "1",
            "`nats.tls.required` (in the variable DUNLIN_NATS__TLS__REQUIRED): expected `true` or `false`",
        ),
        (
            "DUNLIN_NATS__SERVERS",
            "[1]",
            "`nats.servers[0]` (in the variable DUNLIN_NATS__SERVERS): expected a string, found a number",
        ),
        ("DUNLIN_NATS__SERVERS", "ws://a", "`nats.servers` (in the variable DUNLIN_NATS__SERVERS)"),
        ("DUNLIN_NATS__SERVERS", "[", "`nats.servers` (in the variable DUNLIN_NATS__SERVERS): this is no TOML"),
        (
            "DUNLIN_SENT_COPIES",
            "never",
            "`sent_copies` (in the variable DUNLIN_SENT_COPIES): unknown value, expected one of `always`",
        ),
    ] {
        let error = with_variables(KEYS, &[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(said), "{name}={value}: {error}");
    }
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
    assert_eq!(config.tokens.issuers[0].issuer.as_deref(), Some("https://id.example"));
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
