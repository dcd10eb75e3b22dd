//! The programs that the guide shows for back ends which sign their own tokens, run as they stand.

use std::{path::Path, process::Command};

use dunlin_gateway::config::KeySource;
use dunlin_tests::{device::Device, region::Region};

/// The program that the guide shows in this language.
fn shown(language: &str) -> &'static str {
    let guide = include_str!("../../docs/how-to/own-tokens.md");
    let (_, rest) = guide.split_once(&format!("\n```{language}\n")).expect("a program");
    rest.split_once("\n```").expect("its end").0
}

async fn lets_people_in(language: &str, file: &str, command: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(file), shown(language)).expect("written");
    let token = |user: &str| {
        let mut program = Command::new(command[0]);
        program.args(&command[1..]).args([file, user]).current_dir(folder.path());
        let output = tokio::task::block_in_place(|| program.output());
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", command[0]));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    };
    let first = token("alice");
    let region = Region::start(0).await;
    let keys = KeySource::File(folder.path().join("jwks.json"));
    let (_node, gateway) =
        region.new_gateway_of(region.nats.url(), |config| config.tokens.issuers[0].keys = keys).await;
    // The second run signs with the key that the first one has made.
    for (token, user) in [(first, "alice"), (token("bob"), "bob")] {
        let device = Device::hello(gateway, &token, "phone", None).await;
        assert_eq!(device.welcome["user"], user);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_in_node() {
    lets_people_in("js", "sign.mjs", &["node"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_in_python() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/schemathesis/bin/python");
    assert!(python.exists(), "there is no Python with what the guide needs: run scripts/setup --test");
    lets_people_in("python", "sign.py", &[python.to_str().expect("a path in UTF-8")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_in_go() {
    lets_people_in("go", "sign.go", &["go", "run"]).await;
}
