//! The nats-server of `dunlin dev`: a child on a port of loopback, started again on the same port if it dies.
//!
//! One thread keeps it: the kernel ends the child when the thread that started it ends (`PR_SET_PDEATHSIG`), so that not even `kill -9`
//! of this process leaves a server behind that writes to the folder.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::{
        prctl,
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::{Pid, getpid, getppid},
};
use parking_lot::{Condvar, Mutex};
use serde::Deserialize;

/// How long a server may take until it listens: it reads what it has stored first.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The first pause before a server that died is started again; it doubles up to [`PAUSE_MOST`], and begins anew after one that lived
/// that long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// A nats-server that is kept running.
pub(super) struct NatsServer {
    port: u16,
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The child, until it is reaped: a signal can't reach another process that got its number.
    running: Option<Pid>,
    ending: bool,
}

struct Setup {
    binary: PathBuf,
    folder: PathBuf,
    sync_always: bool,
}

impl NatsServer {
    /// Starts the server and waits until it listens. Errors: it does not; its log is named.
    pub(super) async fn start(binary: PathBuf, folder: PathBuf, sync_always: bool) -> anyhow::Result<NatsServer> {
        let setup = Setup { binary, folder, sync_always };
        let shared = Arc::new(Shared::default());
        let (tell, told) = tokio::sync::oneshot::channel();
        let keeper = std::thread::Builder::new()
            .name("nats-server".to_owned())
            .spawn({
                let shared = shared.clone();
                move || match setup.first(&shared) {
                    Ok((child, port)) => {
                        if tell.send(Ok(port)).is_ok() {
                            setup.keep(child, port, &shared);
                        }
                    }
                    // Whoever waited for it is gone with the process.
                    Err(error) => drop(tell.send(Err(error))),
                }
            })
            .context("starting the thread that keeps nats-server")?;
        let port = told.await.context("starting nats-server: its thread ended")??;
        Ok(NatsServer { port, shared, keeper })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends the server as an operator does; after `within`, as `kill -9` does.
    pub(super) async fn stop(self, within: Duration) {
        self.shared.end(Signal::SIGTERM);
        let mut keeper = tokio::task::spawn_blocking(move || self.keeper.join());
        if tokio::time::timeout(within, &mut keeper).await.is_err() {
            tracing::warn!("nats-server did not end within {} s and is killed", within.as_secs());
            self.shared.end(Signal::SIGKILL);
            // A killed child is reaped; a panic of the thread was printed where it happened.
            let _ = keeper.await;
        }
    }
}

impl Shared {
    fn end(&self, signal: Signal) {
        let mut state = self.state.lock();
        state.ending = true;
        self.changed.notify_all();
        if let Some(pid) = state.running
            && let Err(error) = kill(pid, signal)
        {
            tracing::warn!(%error, "nats-server can't be signalled");
        }
    }

    /// Waits for a pause to pass; whether the end began.
    fn pause(&self, span: Duration) -> bool {
        let until = Instant::now() + span;
        let mut state = self.state.lock();
        while !state.ending && !self.changed.wait_until(&mut state, until).timed_out() {}
        state.ending
    }
}

impl Setup {
    /// The first start: on a free port, which the server chooses.
    fn first(&self, shared: &Shared) -> anyhow::Result<(Child, u16)> {
        let mut child = self.spawn(None, shared)?;
        match self.listens(&mut child) {
            Ok(port) => Ok((child, port)),
            Err(error) => {
                shared.end(Signal::SIGKILL);
                self.reap(child, shared);
                Err(error)
            }
        }
    }

    /// Waits for the server's end and starts it again, until the end is wanted.
    fn keep(&self, mut child: Child, port: u16, shared: &Shared) {
        let mut pause = PAUSE_FIRST;
        loop {
            let started = Instant::now();
            let status = self.reap(child, shared);
            if started.elapsed() > PAUSE_MOST {
                pause = PAUSE_FIRST;
            }
            child = loop {
                if shared.state.lock().ending {
                    return;
                }
                tracing::error!(status, again_in = ?pause, log = %self.log().display(), "nats-server ended by itself and is started again");
                if shared.pause(pause) {
                    return;
                }
                pause = (pause * 2).min(PAUSE_MOST);
                match self.spawn(Some(port), shared) {
                    Ok(child) => break child,
                    Err(error) => tracing::error!("nats-server can't be started again: {error:#}"),
                }
            };
        }
    }

    /// Waits for a child's end; how it ended, in words.
    fn reap(&self, mut child: Child, shared: &Shared) -> String {
        let pid = Pid::from_raw(child.id() as i32);
        // Without reaping it, so that its number stays its own while somebody may signal it.
        if let Err(error) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            tracing::warn!(%error, "nats-server can't be waited for");
        }
        shared.state.lock().running = None;
        child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    fn spawn(&self, port: Option<u16>, shared: &Shared) -> anyhow::Result<Child> {
        let doing = || format!("starting {}", self.binary.display());
        if self.ports().exists() {
            fs::remove_dir_all(self.ports()).with_context(|| format!("emptying {}", self.ports().display()))?;
        }
        fs::create_dir_all(self.ports()).with_context(|| format!("making {}", self.ports().display()))?;
        let path = self.folder.join("nats.conf");
        fs::write(&path, self.conf(port)).with_context(|| format!("writing {}", path.display()))?;
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if std::env::var_os("GOMAXPROCS").is_none() {
            command.env("GOMAXPROCS", super::half_of_the_cores().to_string());
        }
        // A Ctrl-C is for this process, which ends the server when it is its turn.
        command.process_group(0);
        end_with_parent(&mut command);
        let mut state = shared.state.lock();
        if state.ending {
            bail!("the end began");
        }
        let child = command.spawn().with_context(doing)?;
        state.running = Some(Pid::from_raw(child.id() as i32));
        Ok(child)
    }

    /// Waits until the child listens; its port.
    fn listens(&self, child: &mut Child) -> anyhow::Result<u16> {
        #[derive(Deserialize)]
        struct Ports {
            nats: Vec<String>,
        }
        let path = self.ports().join(format!("{}_{}.ports", self.program(), child.id()));
        let began = Instant::now();
        let look = || -> Option<u16> {
            let ports: Ports = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            let port = ports.nats.first()?.rsplit(':').next()?.parse().ok()?;
            TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
            Some(port)
        };
        loop {
            if let Some(port) = look() {
                return Ok(port);
            }
            let ended = waitid(
                Id::Pid(Pid::from_raw(child.id() as i32)),
                WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG,
            );
            if !matches!(ended, Ok(nix::sys::wait::WaitStatus::StillAlive)) || began.elapsed() > LISTENS_WITHIN {
                bail!(
                    "starting nats-server: it does not listen; the end of its log {}:\n{}",
                    self.log().display(),
                    self.last_words()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn conf(&self, port: Option<u16>) -> String {
        let quoted = |path: PathBuf| serde_json::Value::from(path.display().to_string()).to_string();
        let port = port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
        let sync = if self.sync_always { ", sync_interval: always" } else { "" };
        format!(
            "# Written by `dunlin dev` at each start.\n\
             server_name: dunlin-dev\n\
             listen: \"127.0.0.1:{port}\"\n\
             ports_file_dir: {ports}\n\
             log_file: {log}\n\
             logfile_size_limit: 16MB\n\
             logfile_max_num: 3\n\
             ping_interval: \"10s\"\n\
             ping_max: 2\n\
             jetstream {{ store_dir: {store}, domain: local{sync} }}\n",
            ports = quoted(self.ports()),
            log = quoted(self.log()),
            store = quoted(self.folder.join("store")),
        )
    }

    fn ports(&self) -> PathBuf {
        self.folder.join("ports")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("nats-server.log")
    }

    fn program(&self) -> String {
        self.binary.file_name().map_or_else(|| "nats-server".into(), |name| name.to_string_lossy().into_owned())
    }

    fn last_words(&self) -> String {
        last_lines(&self.log(), 5)
    }
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Has the kernel kill the child when the thread that starts it ends, however that happens.
#[expect(unsafe_code, reason = "the only way to run something in the child before it becomes the server")]
fn end_with_parent(command: &mut Command) {
    let parent = getpid();
    let in_child = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have ended before that.
        if getppid() == parent { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec the closure only makes the system calls prctl and getppid, which are async-signal-safe, and
    // allocates nothing.
    unsafe { command.pre_exec(in_child) };
}
