//! Gateways behind the proxies of the guide, each configured word for word as it says.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use dunlin_tests::{
    backend::{BackEnd, message},
    device::{Device, new_id},
    region::Region,
    tokens::{claims, service_claims},
    wait::until,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// The file that the guide shows under a heading.
fn shown(heading: &str) -> String {
    let guide = include_str!("../../docs/how-to/proxies.md");
    let section = guide.split("\n## ").find(|section| section.starts_with(heading)).expect("a section");
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A proxy that runs as long as the test.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Proxy {
    async fn start(name: &str, gateways: [SocketAddr; 2]) -> Proxy {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let mut text = shown(name);
        for (from, to) in [("8000", address), ("8080", gateways[0]), ("8081", gateways[1])] {
            let from = format!("127.0.0.1:{from}");
            assert!(text.contains(&from), "{name}: {from}");
            text = text.replace(&from, &to.to_string());
        }
        let mut command = match name {
            "nginx" => nginx(folder.path(), &mut text),
            "HAProxy" => of("haproxy", &["-db", "-f"]),
            "Caddy" => of("caddy", &["run", "--adapter", "caddyfile", "--config"]),
            other => panic!("{other} is no proxy"),
        };
        if name == "Caddy" {
            // Its own page for operators has a port that others may use.
            text.insert_str(0, "{\n    admin off\n}\n");
            command.env("HOME", folder.path());
        }
        let path = folder.path().join("configuration");
        std::fs::write(&path, text).expect("written");
        let child = command.arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name}: {error}: run scripts/setup --test"));
        let proxy = Proxy { child, address, _folder: folder };
        until("the proxy", async || TcpStream::connect(address).await.ok()).await;
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that `scripts/setup --test` has found.
fn of(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin").join(program));
    command.args(arguments);
    command
}

/// Everything that it writes goes into the folder, and one process is all of it.
fn nginx(folder: &Path, text: &mut String) -> Command {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = temporary.iter().map(|kind| format!("    {kind}_temp_path {kind};\n")).collect();
    *text = text.replacen("http {\n", &format!("http {{\n    access_log off;\n{paths}"), 1);
    let mut command = of("nginx", &["-g", "daemon off; master_process off; pid nginx.pid; error_log stderr;"]);
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]);
    command
}

async fn passes_everything_on(name: &str) {
    let mut region = Region::start(2).await;
    let proxy = Proxy::start(name, [region.gateway(0), region.gateway(1)]).await;
    let at = proxy.address;

    let mut bob = region.caught_up_at(at, "bob", "phone").await;
    let mut alice = region.caught_up_at(at, "alice", "phone").await;
    // 32 KiB that take six times as many bytes in JSON.
    let long = "\u{1}".repeat(32 * 1024);
    for words in ["hi", &long] {
        alice.send_accepted("bob", words).await;
        assert_eq!(bob.expect("entry").await["content"]["message"]["text"], words);
    }
    // The longest token, in a header.
    let mut long = service_claims("shop");
    long["padding"] = json!("x".repeat(5_900));
    let token = region.key.sign(&long);
    assert!((7_500..=8_192).contains(&token.len()), "{}", token.len());
    let shop = BackEnd::new(at, token);
    let posted = shop.post(&message(&new_id(), Some("carol"), "bob", "posted")).await.expect("an answer");
    assert_eq!(posted.status, 200, "{posted:?}");
    assert_eq!(bob.expect("entry").await["from"], "carol");
    // A refusal comes through as it is.
    let person = BackEnd::new(at, region.key.sign(&claims("carol")));
    let refused = person.post(&message(&new_id(), None, "bob", "no")).await.expect("an answer");
    assert_eq!((refused.status, refused.code()), (403, Some("forbidden")), "{refused:?}");
    let operators = reqwest::get(format!("http://{at}/metrics")).await.expect("an answer");
    assert_eq!(operators.status(), 404);

    // Who comes back is led to a gateway that is there, and what a gateway says at its end comes through.
    region.take_gateway(0).stop().await;
    let dora = region.token("dora");
    let mut dora = until("a gateway", async || Device::try_hello(at, &dora, "phone", None).await.ok()).await;
    dora.send_accepted("erin", "still here").await;
    region.take_gateway(0).stop().await;
    for mut device in [alice, bob, dora] {
        let ended = device.end().await;
        assert_eq!((ended.code(), ended.close), (Some("draining"), Some(1012)), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_passes_everything_on() {
    passes_everything_on("nginx").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_passes_everything_on() {
    passes_everything_on("HAProxy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_passes_everything_on() {
    passes_everything_on("Caddy").await;
}
