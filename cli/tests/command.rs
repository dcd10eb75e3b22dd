//! The command as people run it: what it prints, how it ends, and what it says when something is wrong.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "command/bench.rs"]
mod bench;
#[path = "command/chat.rs"]
mod chat;
#[path = "command/console.rs"]
mod console;
#[path = "command/conversations.rs"]
mod conversations;
#[path = "command/dev.rs"]
mod dev;
#[path = "command/devices.rs"]
mod devices;
#[path = "command/erase.rs"]
mod erase;
#[path = "command/groups.rs"]
mod groups;
#[path = "command/media.rs"]
mod media;
#[path = "command/parts.rs"]
mod parts;
#[path = "command/presence.rs"]
mod presence;
#[path = "command/processes.rs"]
mod processes;
#[path = "command/receipts.rs"]
mod receipts;
#[path = "command/talk.rs"]
mod talk;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use self::dev::Dev;

const DEADLINE: Duration = Duration::from_secs(60);

fn dunlin(args: &[&str]) -> Command {
    run_by(Command::new(env!("CARGO_BIN_EXE_dunlin")), args)
}

/// As from a terminal: where this test runs under `nohup`, what it starts would ignore a hangup, too.
fn dunlin_at_a_terminal(args: &[&str]) -> Command {
    let mut env = Command::new("env");
    env.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_dunlin")]);
    run_by(env, args)
}

fn run_by(mut command: Command, args: &[&str]) -> Command {
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy().starts_with("DUNLIN_");
        if ours && name != "DUNLIN_NATS_SERVER" {
            command.env_remove(name);
        }
    }
    command
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Waits for a condition. Panics when it does not come true.
fn until(what: &str, holds: impl FnMut() -> bool) {
    until_or(holds, || format!("{what} did not happen"));
}

/// Waits until something holds, and fails with what `complain` says where it never does.
fn until_or(mut holds: impl FnMut() -> bool, complain: impl Fn() -> String) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < DEADLINE, "{}", complain());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a command, and gives the first line that it prints.
fn first_line(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

/// How a process ends.
fn end(process: &mut Child) -> ExitStatus {
    until("an end", || process.try_wait().unwrap().is_some());
    process.wait().unwrap()
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn beside(folder: &Path, args: &[&str]) -> Output {
    output(dunlin(args).arg("--data").arg(data(folder)))
}

/// Sends as alice to bob, and gives what is told of it. Panics when it is not accepted.
fn send(folder: &Path, text: &str) -> serde_json::Value {
    let sent = beside(folder, &["send", "--as", "alice", "bob", text]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    let accepted: serde_json::Value = serde_json::from_str(&stdout(&sent)).unwrap();
    assert!(accepted["accepted"]["id"].is_string(), "{accepted}");
    accepted["accepted"].clone()
}

/// What bob's device has not seen.
fn listen(folder: &Path, device: &str) -> Vec<String> {
    let heard = beside(folder, &["listen", "--as", "bob", "--device", device, "--until-caught-up"]);
    assert!(heard.status.success(), "{}", stderr(&heard));
    let text = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["entry"]["content"]["message"]["text"].as_str().map(str::to_owned)
    };
    stdout(&heard).lines().map(|line| text(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

fn is_alive(pid: Pid) -> bool {
    kill(pid, None).is_ok()
}

#[test]
fn a_region_for_development_from_its_first_start_to_its_end() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let dev = Dev::start(folder);
    let server = dev.pid("nats");
    send(folder, "one");
    send(folder, "two");
    assert_eq!(listen(folder, "phone"), ["one", "two"]);
    assert_eq!(listen(folder, "phone"), [""; 0], "each once, also over restarts");
    assert_eq!(listen(folder, "laptop"), ["one", "two"], "another device has its own place");
    devices::are_listed_named_and_removed(folder, &["one", "two"]);
    conversations::are_listed(folder, &["one", "two"]);
    presence::is_told(folder);
    receipts::are_told(folder);
    groups::are_made_changed_and_deleted(folder);
    media::go_with_messages_and_are_listed_mended_and_verified(folder);

    let doctor = beside(folder, &["doctor"]);
    assert!(doctor.status.success(), "{}", stdout(&doctor));
    assert!(stdout(&doctor).contains("shard 7 is read by"), "{}", stdout(&doctor));

    what_is_wrong_is_found_with_what_to_do(folder);
    erase::takes_the_name_to_confirm_it(folder);

    let second = beside(folder, &["dev", "--listen", "127.0.0.1:0"]);
    assert!(!second.status.success());
    assert!(stderr(&second).contains("another `dunlin dev` runs in"), "{}", stderr(&second));
    assert!(second.stdout.is_empty());

    // A nats-server that dies is started again, on the same port and store.
    kill(server, Signal::SIGKILL).unwrap();
    until("another nats-server", || dev.part("nats").pid.is_some_and(|pid| pid != server));
    send(folder, "three");
    // Live: what the reader has not come to yet is no part of what a device catches up with.
    let (mut listening, line) =
        first_line(dunlin(&["listen", "--as", "bob", "--device", "phone", "--data"]).arg(data(folder)));
    assert!(line.contains(r#""text":"three""#), "{line}");
    kill(Pid::from_raw(listening.id() as i32), Signal::SIGINT).unwrap();
    assert!(listening.wait().unwrap().success());

    let pids = ["nats", "worker", "gateway/1"].map(|part| dev.pid(part));
    dev.signal(Signal::SIGTERM);
    let mut dev = dev;
    let status = dev.child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(!pids.into_iter().any(is_alive), "its parts ended with it");
    let sent = beside(folder, &["send", "--as", "alice", "bob", "hi"]);
    assert!(stderr(&sent).contains("does `dunlin dev` run there?"), "{}", stderr(&sent));
    let doctor = beside(folder, &["doctor"]);
    assert!(!doctor.status.success());
    assert!(stderr(&doctor).contains("does `dunlin dev` run there?"), "{}", stderr(&doctor));
}

/// Looks at the running region as one whose configurations say otherwise.
fn what_is_wrong_is_found_with_what_to_do(folder: &Path) {
    let nats = fs::read_to_string(data(folder).join("nats-address")).unwrap();
    let nats = format!("[nats]\nservers = [\"{}\"]\ncredentials = {{ token = \"s3cr3t\" }}\n", nats.trim());
    let (keys, config) = (folder.join("no-keys.json"), folder.join("other.toml"));
    fs::write(&keys, r#"{ "keys": [] }"#).unwrap();
    let gateway = |keys: &Path| format!("listen = \"127.0.0.1:1\"\n[tokens]\nkeys = \"{}\"\n{nats}", keys.display());
    for (role, text, wrong) in [
        ("--worker", format!("{nats}[streams]\nsync_always = true\n"), &["WRONG  a stream: ", "sync"][..]),
        ("--worker", format!("region = \"elsewhere\"\n{nats}"), &["WRONG  ", "elsewhere"]),
        ("--gateway", gateway(&keys), &["no-keys.json can't be used: it has no key", "127.0.0.1:1 does not answer"]),
        ("--gateway", gateway(&folder.join("none.json")), &["none.json can't be used", "or set `tokens.keys`"]),
        (
            "--gateway",
            gateway(Path::new("http://dunlin:s3cr3t@127.0.0.1:1/jwks?key=s3cr3t")),
            &["the key set http://127.0.0.1:1/jwks can't be used"],
        ),
    ] {
        fs::write(&config, text).unwrap();
        let doctor = beside(folder, &["doctor", role, config.to_str().unwrap()]);
        assert_eq!(doctor.status.code(), Some(1), "{role}: {}{}", stdout(&doctor), stderr(&doctor));
        for word in wrong {
            assert!(stdout(&doctor).contains(word), "{word:?} is not in {}", stdout(&doctor));
        }
        let said = stdout(&doctor) + &stderr(&doctor);
        assert!(!said.contains("s3cr3t"), "a secret is told: {said}");
    }
}

#[test]
fn kill_9_takes_all_parts_along_and_nothing_that_was_accepted() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let mut dev = Dev::start(folder);
    let pids = ["nats", "worker", "gateway/1"].map(|part| dev.pid(part));
    assert!(pids.into_iter().all(is_alive));
    send(folder, "kept");
    dev.signal(Signal::SIGKILL);
    dev.child.wait().unwrap();
    until("the end of its parts", || !pids.into_iter().any(is_alive));

    let _dev = Dev::start(folder);
    assert_eq!(listen(folder, "phone"), ["kept"]);
}

#[test]
fn a_token_is_all_that_is_printed() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let missing = beside(folder, &["token", "alice"]);
    assert!(!missing.status.success() && missing.stdout.is_empty());
    assert!(stderr(&missing).contains("`dunlin dev` makes one at its first start"), "{}", stderr(&missing));

    let dev = Dev::start(folder);
    let token = beside(folder, &["token", "alice", "--ttl", "5m", "--scope", "service", "--device", "phone"]);
    let text = stdout(&token);
    assert_eq!((text.lines().count(), text.trim().split('.').count()), (1, 3), "{text:?}");
    assert!(stderr(&token).is_empty());
    let heard = output(dunlin(&["send", "--token", &text, "--url", &dev.url, "bob", "hi"]).arg("--data").arg(folder));
    assert!(!heard.status.success(), "a token for the device phone is none for the device send");
    assert_eq!(stderr(&heard).matches("(forbidden)").count(), 1, "{}", stderr(&heard));
    let stranger = beside(folder, &["send", "--as", "alice", "#team", "hi"]);
    assert!(stderr(&stranger).contains("(not_a_member)"), "{}", stderr(&stranger));
    for wrong in [&["token", "a b"][..], &["token", "alice", "--ttl", "soon"], &["token"]] {
        assert_eq!(beside(folder, wrong).status.code(), Some(2), "{wrong:?}");
    }
    for (option, value, why) in [
        ("--ttl", "401d", "longer than 400 days"),
        ("--scope", "services", "\"services\" is no scope"),
        ("--scope", "admin,service", "is no scope"),
    ] {
        let wrong = beside(folder, &["token", "alice", option, value]);
        assert_eq!(wrong.status.code(), Some(2), "{value}");
        assert!(stderr(&wrong).contains(why), "{value}: {}", stderr(&wrong));
    }
    assert!(beside(folder, &["token", "alice", "--ttl", "400d", "--scope", "admin service"]).status.success());
    let over = beside(folder, &["token", "alice", "--ttl", "0s"]);
    assert!(!over.status.success() && over.stdout.is_empty(), "a token that is over is none");
    assert!(stderr(&over).contains("a whole number above 0"), "{}", stderr(&over));
}

#[test]
fn a_nats_server_that_is_none_or_not_there_is_said_with_what_to_do() {
    let temporary = TempDir::new().unwrap();
    for program in ["/nowhere/nats-server", "/bin/false"] {
        let dev = beside(temporary.path(), &["dev", "--listen", "127.0.0.1:0", "--no-page", "--nats-server", program]);
        assert!(!dev.status.success() && dev.stdout.is_empty());
        assert!(stderr(&dev).contains(program) && stderr(&dev).contains("scripts/setup"), "{}", stderr(&dev));
    }
    // One that says its version and ends when it should serve.
    let script = temporary.path().join("nats-server");
    fs::write(&script, "#!/bin/sh\n[ \"$1\" = --version ] && echo nats-server: v2.15.2 && exit 0\nexit 3\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let args = ["dev", "--listen", "127.0.0.1:0", "--no-page", "--nats-server", script.to_str().unwrap()];
    let dev = beside(temporary.path(), &args);
    assert!(!dev.status.success());
    assert!(stderr(&dev).contains("starting nats: it ended before it worked (exit status: 3)"), "{}", stderr(&dev));
}

/// A key set with the public key of RFC 8037, appendix A.2.
const KEY_SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

#[test]
fn a_configuration_is_checked_without_running_anything() {
    let temporary = TempDir::new().unwrap();
    let path = temporary.path().join("gateway.toml");
    let keys = temporary.path().join("jwks.json");
    fs::write(&keys, KEY_SET).unwrap();
    fs::write(&path, format!("[tokens]\nkeys = \"{}\"\n", keys.display())).unwrap();
    let check = || {
        let mut command = dunlin(&["gateway", "--check", "--config"]);
        command.arg(&path);
        command
    };
    let good = output(&mut check());
    assert!(good.status.success(), "{}", stderr(&good));
    let wrong = output(check().env("DUNLIN_LISSEN", "127.0.0.1:1"));
    assert!(!wrong.status.success());
    assert!(stderr(&wrong).contains("lissen") && stderr(&wrong).contains("DUNLIN_"), "{}", stderr(&wrong));
    let orchestrated =
        output(check().env("DUNLIN_PORT", "tcp://10.0.0.1:8080").env("DUNLIN_GATEWAY_SERVICE_HOST", "10.0.0.1"));
    assert!(orchestrated.status.success(), "{}", stderr(&orchestrated));
    let secret = output(check().env("DUNLIN_NATS__SERVERS", "nats://dunlin:s3cr3t@host"));
    assert!(!secret.status.success() && !stderr(&secret).contains("s3cr3t"), "{}", stderr(&secret));
    let wrong = output(check().env("DUNLIN_LIMITS__SENDS_PER_SECOND", "0"));
    assert!(stderr(&wrong).contains("limits.sends_per_second"), "{}", stderr(&wrong));
    let other = temporary.path().join("other.json");
    for (set, said) in [
        (None, "No such file"),
        (Some(""), "this is no JWKS"),
        (Some(r#"{"keys":[]}"#), "it has no key for EdDSA, ES256 or RS256"),
    ] {
        set.into_iter().for_each(|set| fs::write(&other, set).unwrap());
        let wrong = output(check().env("DUNLIN_TOKENS__KEYS", &other));
        assert!(!wrong.status.success(), "{set:?}");
        for word in ["`tokens.keys`", "other.json", said] {
            assert!(stderr(&wrong).contains(word), "{set:?}, without {word:?}: {}", stderr(&wrong));
        }
    }
    let url = output(check().env("DUNLIN_TOKENS__KEYS", "http://127.0.0.1:1/jwks.json"));
    assert!(url.status.success(), "nobody is asked: {}", stderr(&url));
    let certificate = r#"{ ca = "nowhere.pem" }"#;
    for (key, value, said) in [
        ("TLS", certificate, "`tls.ca`: nowhere.pem"),
        ("CREDENTIALS", r#"{ nkey_seed_file = "nowhere.seed" }"#, "`credentials`: nowhere.seed"),
        ("SERVERS", "[]", "`nats.servers`"),
        ("SERVERS", r#"["a b"]"#, "`nats.servers`"),
    ] {
        let wrong = output(check().env(format!("DUNLIN_NATS__{key}"), value));
        assert!(!wrong.status.success(), "{key}");
        assert!(stderr(&wrong).contains(said), "{}", stderr(&wrong));
    }
    let folder = ("DUNLIN_FOLDER", temporary.path());
    let wrong = output(dunlin(&["worker", "--check"]).env("DUNLIN_NATS__TLS", certificate).env(folder.0, folder.1));
    assert!(stderr(&wrong).contains("`tls.ca`: nowhere.pem"), "{}", stderr(&wrong));
    fs::write(&path, "[token]\nkeys = \"jwks.json\"\n").unwrap();
    let wrong = output(&mut check());
    assert!(stderr(&wrong).contains("gateway.toml") && stderr(&wrong).contains("token"), "{}", stderr(&wrong));
    let mut worker = dunlin(&["worker", "--check", "--roles", "deliver,index,receipts"]);
    let wrong = output(&mut worker);
    assert!(!wrong.status.success() && stderr(&wrong).contains("the role index keeps a projection: set `folder`"));
    let good = output(worker.env(folder.0, folder.1));
    assert!(good.status.success(), "{}", stderr(&good));
    let worker = output(&mut dunlin(&["worker", "--check", "--roles", "dance"]));
    assert!(stderr(&worker).contains("deliver, eraser, groups, index, receipts"), "{}", stderr(&worker));
}

/// A command's child whose stdout has been closed by its reader after the first line.
fn head(command: &mut Command) -> (String, Output) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (line, child.wait_with_output().unwrap())
}

#[test]
fn what_a_person_types_is_sent_and_a_reader_that_has_seen_enough_ends_a_command_quietly() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let dev = Dev::start(folder);
    for text in ["-1", "--no such option", "- a list"] {
        send(folder, text);
    }
    let sent = beside(folder, &["send", "--as", "alice", "bob", "-2", "--timeout", "60s"]);
    assert!(sent.status.success(), "an option after it is one: {}", stderr(&sent));
    assert_eq!(listen(folder, "phone"), ["-1", "--no such option", "- a list", "-2"]);

    let mut endless = dunlin(&["listen", "--as", "bob", "--device", "laptop", "--data"]);
    let (line, ended) = head(endless.arg(data(folder)));
    assert!(line.contains("\"-1\""), "{line}");
    assert!(ended.status.success() && stderr(&ended).is_empty(), "{:?}: {}", ended.status, stderr(&ended));
    drop(dev);
}

#[test]
fn no_command_complains_when_nobody_reads_what_it_prints() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    // Far more than a pipe holds.
    let (_, ended) = head(&mut dunlin(&["completions", "zsh"]));
    assert!(ended.status.success() && stderr(&ended).is_empty(), "{:?}: {}", ended.status, stderr(&ended));
    let closed = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        dunlin(args).arg("--data").arg(data(folder)).stdout(writer).stderr(Stdio::piped()).output().unwrap()
    };
    let _dev = Dev::start(folder);
    for args in [&["token", "alice"][..], &["doctor"], &["send", "--as", "alice", "bob", "hi"]] {
        let ended = closed(args);
        assert!(ended.status.success() && stderr(&ended).is_empty(), "{args:?}: {}", stderr(&ended));
    }
}

#[test]
fn a_send_while_the_gateway_is_down_gives_up_with_one_line_and_an_exit_code_of_its_own() {
    let temporary = TempDir::new().unwrap();
    let token = "a.token.of.no.matter";
    for (listener, said) in
        [(None, "Connection refused"), (Some(TcpListener::bind("127.0.0.1:0").unwrap()), "no gateway answered")]
    {
        let port = listener.as_ref().map_or(1, |listener| listener.local_addr().unwrap().port());
        let url = format!("ws://127.0.0.1:{port}");
        let sent = beside(temporary.path(), &["send", "--token", token, "--url", &url, "--timeout", "1s", "bob", "hi"]);
        assert_eq!(sent.status.code(), Some(75), "{}", stderr(&sent));
        assert!(sent.stdout.is_empty());
        let line = stderr(&sent);
        assert_eq!(line.lines().count(), 1, "{line}");
        for word in ["sending to bob: gave up after 1 s", said, "nothing was sent"] {
            assert!(line.contains(word), "{word:?} is not in {line}");
        }
    }
}

/// What a command says that should end by itself; one that does not is killed.
fn ended(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && began.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

/// A nats-server of Debian's release, as far as a client sees it while connecting.
fn old_nats_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let info = r#"INFO {"server_id":"OLD","server_name":"old-one","version":"2.9.10","host":"127.0.0.1","port":4222,"max_payload":1048576,"proto":1,"headers":true}"#;
        write!(stream, "{info}\r\n").unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.any(|line| line.is_ok_and(|line| line.starts_with("PING"))) {
            stream.write_all(b"PONG\r\n").unwrap();
        }
    });
    port
}

#[test]
fn what_waiting_for_nats_cannot_mend_is_an_error_at_once() {
    let temporary = TempDir::new().unwrap();
    let path = temporary.path().join("config.toml");
    for command in ["gateway", "worker"] {
        let gateway = "listen = \"127.0.0.1:0\"\n[tokens]\nkeys = \"jwks.json\"\n";
        let settings = if command == "gateway" { gateway } else { "folder = \"kept\"\n" };
        for (nats, said) in [
            (format!("servers = [\"nats://127.0.0.1:{}\"]", old_nats_server()), "2.9.10"),
            ("credentials = { creds_file = \"nowhere.creds\" }".to_owned(), "nowhere.creds"),
        ] {
            fs::write(&path, format!("{settings}[nats]\n{nats}\n")).unwrap();
            let ended = ended(dunlin(&[command, "--config"]).arg(&path));
            assert_eq!(ended.status.code(), Some(1), "{command}: {}", stderr(&ended));
            assert!(stderr(&ended).contains(said), "{command}: {}", stderr(&ended));
        }
    }
}

#[test]
fn nobody_is_promised_what_a_scope_allows() {
    let help = stdout(&output(&mut dunlin(&["token", "--help"])));
    assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains("send as a back end"), "{help}");
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&output(&mut dunlin(&["completions", shell])));
        for command in ["dev", "gateway", "worker", "provision", "token", "send", "listen", "doctor", "bench"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}
