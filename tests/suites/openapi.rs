//! Whether a gateway does over HTTP what its OpenAPI document says: schemathesis makes requests of the document, and looks at the answers.

use std::{path::Path, time::Duration};

use dunlin_tests::{region::Region, tokens::service_claims};
use tokio::{process::Command, time::timeout};

/// How many requests are made of each operation, beside those that cover each field and each wrong one.
const EXAMPLES: &str = "40";
const WITHIN: Duration = Duration::from_secs(240);

/// Runs schemathesis on a document; gives whether it is content, and what it said.
async fn schemathesis(document: &str, gateway: &str, token: &str) -> (bool, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let program = folder.join("../../.tools/schemathesis/bin/st");
    assert!(program.exists(), "there is no schemathesis: run scripts/setup --test");
    let place = tempfile::tempdir().expect("a folder for what it remembers");
    let mut command = Command::new(program);
    command.args(["--no-color", "--config-file"]).arg(folder.join("schemathesis.toml")).args([
        "run",
        document,
        "--url",
        gateway,
        "--seed",
        "1",
        "--max-examples",
        EXAMPLES,
        "--header",
        &format!("Authorization: Bearer {token}"),
    ]);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(place.path()).kill_on_drop(true);
    let output = timeout(WITHIN, command.output()).await.expect("an end in time").expect("a program that starts");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_answers_as_its_document_says() {
    let region = Region::start(0).await;
    let wide = |config: &mut dunlin_gateway::Config| {
        (config.limits.sends_per_second, config.limits.sends_burst) = (100_000, 100_000);
    };
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), wide).await;
    let gateway = format!("http://{gateway}");
    let token = region.key.sign(&service_claims("shop"));
    let (content, said) = schemathesis(&format!("{gateway}/openapi.json"), &gateway, &token).await;
    assert!(content, "{said}");
    // Good ones were among them.
    let metrics = reqwest::get(format!("{gateway}/metrics")).await.expect("an answer").text().await.expect("text");
    for line in ["posts_total{code=\"200\"} ", "posts_total{code=\"422\"} "] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// A document that promises something else is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_wrong_is_found_out() {
    let region = Region::start(1).await;
    let gateway = format!("http://{}", region.gateway(0));
    let document = reqwest::get(format!("{gateway}/openapi.json")).await.expect("an answer");
    let mut document: serde_json::Value =
        serde_json::from_str(&document.text().await.expect("text")).expect("a document");
    document["components"]["schemas"]["Problem"]["required"] = serde_json::json!(["reason"]);
    document["paths"].as_object_mut().expect("paths").retain(|path, _| path == "/v1/presence");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document.to_string()).expect("writing the document");
    let token = region.key.sign(&service_claims("shop"));
    let (content, said) = schemathesis(file.to_str().expect("a path in UTF-8"), &gateway, &token).await;
    assert!(!content && said.contains("reason"), "{said}");
}
