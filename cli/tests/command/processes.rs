//! How what serves begins and ends: on a port that is taken, and when its terminal is closed.

use super::*;

#[test]
fn a_port_that_is_taken_is_said_at_once_and_once() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let folder = TempDir::new().unwrap();
    // As people write it.
    for listen in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), port.to_string()] {
        let output = output(dunlin(&["dev", "--listen", &listen, "--data"]).arg(data(folder.path())));
        let said = stderr(&output);
        assert_eq!((output.status.code(), said.matches("in use").count()), (Some(1), 1), "{listen}: {said}");
        assert!(said.contains(&format!("listening on 127.0.0.1:{port}")) && !said.contains("nats"), "{listen}: {said}");
    }
    let named = output(&mut dunlin(&["dev", "--listen", "gateway.example"]));
    assert!(stderr(&named).contains("`127.0.0.1:8080`"), "{}", stderr(&named));
    // Nobody has to wait for NATS to learn it.
    let config = folder.path().join("config.toml");
    let taken = format!("\"127.0.0.1:{port}\"\n");
    let gateway = "[tokens]\nkeys = \"jwks.json\"\n";
    for (command, text) in [
        ("gateway", format!("listen = {taken}{gateway}")),
        ("gateway", format!("listen = \"127.0.0.1:0\"\ninternal_listen = {taken}{gateway}")),
        ("gateway", format!("internal_listen = \"127.0.0.1:0\"\nlisten = {taken}{gateway}")),
        ("worker", format!("listen = {taken}")),
    ] {
        fs::write(&config, format!("{text}[nats]\nservers = [\"nats://127.0.0.1:1\"]\n")).unwrap();
        let ended = ended(dunlin(&[command, "--config"]).arg(&config));
        let said = stderr(&ended);
        assert_eq!((ended.status.code(), said.matches("in use").count()), (Some(1), 1), "{command} {text}: {said}");
        assert!(said.contains(&format!("listening on 127.0.0.1:{port}")) && !said.contains("NATS"), "{said}");
    }
}

#[test]
fn a_worker_without_the_folder_that_it_needs_says_so_at_once_and_once() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "[nats]\nservers = [\"nats://127.0.0.1:1\"]\n").unwrap();
    let said = stderr(&ended(dunlin(&["worker", "--provision", "--config"]).arg(&config)));
    assert_eq!(said, "dunlin: starting the worker: the role index keeps a projection: set `folder`\n");
}

#[test]
fn a_terminal_that_is_closed_ends_it_in_order_and_with_nohup_nothing_does() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let mut dev = Dev::start_by(dunlin_at_a_terminal(&[]), folder);
    let server = dev.pid("nats");
    send(folder, "kept");
    let mut listen_as_bob = dunlin_at_a_terminal(&["listen", "--as", "bob", "--device", "laptop", "--data"]);
    let (mut listening, line) = first_line(listen_as_bob.arg(data(folder)));
    kill(Pid::from_raw(listening.id() as i32), Signal::SIGHUP).unwrap();
    assert!(line.contains("kept") && end(&mut listening).success(), "{line}");
    // One from the kernel, one from the shell.
    dev.signal(Signal::SIGHUP);
    dev.signal(Signal::SIGHUP);
    let status = end(&mut dev.child);
    assert!(status.success() && !is_alive(server), "{status}");

    let arguments = ["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_dunlin")];
    let mut nohup = Command::new("sh");
    nohup.args(arguments);
    let dev = Dev::start_by(nohup, folder);
    dev.signal(Signal::SIGHUP);
    assert_eq!(listen(folder, "phone"), ["kept"]);
    send(folder, "and more");
}

/// Whoever read the log is gone, or its disk is full: what is served goes on.
#[test]
fn a_log_that_can_not_be_written_ends_nothing() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.toml");
    let nats = format!("[nats]\nservers = [\"nats://{}\"]\n", server.local_addr().unwrap());
    for (command, tokens) in
        [("gateway", "listen = \"127.0.0.1:0\"\n[tokens]\nkeys = \"jwks.json\"\n"), ("worker", "folder = \"kept\"\n")]
    {
        fs::write(&config, format!("{tokens}{nats}")).unwrap();
        let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        for log in [Stdio::piped(), full()] {
            let mut process = dunlin(&[command, "--config"]).arg(&config).stderr(log).spawn().unwrap();
            drop(process.stderr.take());
            // Each is a try that fails, and a line about it.
            for _ in 0..4 {
                until("a try", || {
                    assert_eq!(process.try_wait().unwrap(), None, "{command} ended");
                    server.accept().is_ok()
                });
            }
            kill(Pid::from_raw(process.id() as i32), Signal::SIGTERM).unwrap();
            assert!(end(&mut process).success());
        }
    }
}
