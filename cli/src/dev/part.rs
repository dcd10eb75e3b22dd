//! A part of `dunlin dev`: a child process that is kept running, and started again at the same address when it ends by itself.
//!
//! The kernel ends a child when the thread that started it ends (`PR_SET_PDEATHSIG`), so that not even `kill -9` of this process leaves one
//! behind that writes to the folder. So parts are kept in the one thread of the process; see `runtime` in `lib.rs`.

use std::{
    net::SocketAddr,
    pin::pin,
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use dunlin_schema::Millis;
use nix::{
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::{Pid, getpid, getppid},
};
use tokio::{
    process::{Child, ChildStdout, Command},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// How long a part may take until it works.
const WORKS_WITHIN: Duration = Duration::from_secs(60);
/// How long a part may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(6);
/// A part that lived shorter waits before it is started again: [`PAUSE_FIRST`] at the second time, twice as long at each further one, up to
/// [`PAUSE_MOST`].
const LIVED: Duration = Duration::from_secs(1);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// What runs in a part.
pub(super) trait Program: Send + Sync + 'static {
    /// What the part is called.
    fn name(&self) -> String;
    /// What starts it, where it was before.
    fn command(&self, at: Option<SocketAddr>) -> anyhow::Result<Command>;
    /// Waits until it works, and says where. `stdout` is there if `command` asked for it. Errors: it will not.
    fn works(
        &self,
        pid: u32,
        stdout: Option<ChildStdout>,
    ) -> impl Future<Output = anyhow::Result<Option<SocketAddr>>> + Send;
    /// Where it says why it ended.
    fn last_words(&self) -> String;
}

/// How a part is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// Where it listens, and will again.
    pub(super) address: Option<SocketAddr>,
    /// Its process, if there is one.
    pub(super) pid: Option<u32>,
    /// Since when that works.
    pub(super) since: Option<Millis>,
    pub(super) restarts: u32,
}

enum Order {
    /// Kill it as `kill -9` does, and say which process that was.
    Kill(oneshot::Sender<u32>),
    End,
}

/// A part as others see it.
#[derive(Clone)]
pub(super) struct Handle {
    name: String,
    state: watch::Receiver<State>,
    orders: mpsc::Sender<Order>,
}

impl Handle {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Kills the part; the process that it was. `None`: it is between two.
    pub(super) async fn kill(&self) -> Option<u32> {
        let (tell, told) = oneshot::channel();
        self.orders.send(Order::Kill(tell)).await.ok()?;
        told.await.ok()
    }
}

/// A part that is kept running.
pub(super) struct Part {
    handle: Handle,
    keeper: JoinHandle<anyhow::Result<()>>,
}

impl Part {
    pub(super) fn start(program: impl Program) -> Part {
        let (told, state) = watch::channel(State::default());
        let (orders, given) = mpsc::channel(1);
        let handle = Handle { name: program.name(), state, orders };
        Part { handle, keeper: tokio::spawn(Keeper { program, told, orders: given }.keep()) }
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the part works for the first time. Errors: it ended before, or does not in time.
    pub(super) async fn works(&mut self) -> anyhow::Result<Handle> {
        let name = &self.handle.name;
        let mut state = self.handle.state.clone();
        let first = timeout(WORKS_WITHIN, state.wait_for(|state| state.since.is_some()));
        tokio::select! {
            biased;
            ended = &mut self.keeper => {
                ended.with_context(|| format!("keeping {name}"))??;
                bail!("{name} was ended")
            }
            works = first => works
                .with_context(|| format!("starting {name}: it does not work within {} s; the log says why", WORKS_WITHIN.as_secs()))?
                .with_context(|| format!("keeping {name}"))?,
        };
        Ok(self.handle())
    }

    /// Ends the part as an operator does; one that takes too long, as `kill -9` does.
    pub(super) async fn end(self) {
        // Who is not there to take it has ended.
        let _ = self.handle.orders.send(Order::End).await;
        if !self.keeper.is_finished() {
            // Its errors were for whoever waited until it works.
            let _ = self.keeper.await;
        }
    }
}

struct Keeper<P> {
    program: P,
    told: watch::Sender<State>,
    orders: mpsc::Receiver<Order>,
}

/// How a life of a part ended.
enum Ended {
    /// As it was wanted, for good.
    Wanted,
    Killed,
    /// In words.
    ByItself(String),
}

impl<P: Program> Keeper<P> {
    /// Keeps the part until its end is wanted. Errors: it ended before it worked for the first time.
    async fn keep(mut self) -> anyhow::Result<()> {
        let name = self.program.name();
        let mut pause = Duration::ZERO;
        let mut worked = false;
        loop {
            let began = Instant::now();
            let ended = self.live().await;
            worked |= self.told.borrow().since.is_some();
            self.told
                .send_modify(|state| *state = State { pid: None, since: None, restarts: state.restarts + 1, ..*state });
            let (why, at_once) = match ended {
                Ok(Ended::Wanted) => return Ok(()),
                Ok(Ended::Killed) => ("it was killed from the page".to_owned(), true),
                Ok(Ended::ByItself(status)) if worked => (format!("it ended by itself ({status})"), false),
                Ok(Ended::ByItself(status)) => {
                    bail!("starting {name}: it ended before it worked ({status}); {}", self.program.last_words())
                }
                Err(error) if worked => (format!("{error:#}"), false),
                Err(error) => return Err(error),
            };
            if at_once || began.elapsed() >= LIVED {
                pause = Duration::ZERO;
            }
            tracing::error!(again_in = ?pause, "{name} is started again: {why}; {}", self.program.last_words());
            if self.is_ended_within(pause).await {
                return Ok(());
            }
            pause = (pause * 2).clamp(PAUSE_FIRST, PAUSE_MOST);
        }
    }

    /// Waits, and kills nothing meanwhile; whether the end is wanted.
    async fn is_ended_within(&mut self, pause: Duration) -> bool {
        let mut passed = pin!(sleep(pause));
        loop {
            tokio::select! {
                () = &mut passed => return false,
                order = self.orders.recv() => match order {
                    Some(Order::Kill(_)) => {}
                    Some(Order::End) | None => return true,
                },
            }
        }
    }

    /// One process, from its start to its end.
    async fn live(&mut self) -> anyhow::Result<Ended> {
        let Keeper { program, told, orders } = self;
        let mut child = spawn(program, told.borrow().address)?;
        let pid = child.id().context("a child that was just started has no number")?;
        told.send_modify(|state| state.pid = Some(pid));
        let mut works = pin!(program.works(pid, child.stdout.take()));
        let (mut waits, mut killed) = (true, false);
        loop {
            tokio::select! {
                status = child.wait() => {
                    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    return Ok(if killed { Ended::Killed } else { Ended::ByItself(status) });
                }
                order = orders.recv() => match order {
                    Some(Order::Kill(tell)) => {
                        child.start_kill().with_context(|| format!("killing {}", program.name()))?;
                        killed = true;
                        // Whoever asked may be gone.
                        let _ = tell.send(pid);
                    }
                    Some(Order::End) | None => {
                        end(&program.name(), child).await;
                        return Ok(Ended::Wanted);
                    }
                },
                worked = &mut works, if waits => {
                    waits = false;
                    match worked {
                        Ok(address) => told.send_modify(|state| *state = State { address, since: Some(now()), ..*state }),
                        Err(error) => tracing::debug!("{}: {error:#}", program.name()),
                    }
                }
            }
        }
    }
}

fn spawn(program: &impl Program, at: Option<SocketAddr>) -> anyhow::Result<Child> {
    let mut command = program.command(at)?;
    // A Ctrl-C is for this process, which ends its parts one after the other.
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    end_with_parent(&mut command);
    command.spawn().with_context(|| format!("starting {}: {:?}", program.name(), command.as_std().get_program()))
}

/// Ends a child that was not reaped, so that its number is its own.
async fn end(name: &str, mut child: Child) {
    let pid = child.id().and_then(|pid| pid.try_into().ok()).map(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| kill(pid, Signal::SIGTERM)) {
        tracing::warn!(%error, "{name} can't be signalled");
    }
    match timeout(ENDS_WITHIN, child.wait()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => tracing::warn!(%status, "{name} did not end in order"),
        Ok(Err(error)) => tracing::warn!(%error, "{name} can't be waited for"),
        Err(_) => {
            tracing::warn!("{name} did not end within {} s and is killed", ENDS_WITHIN.as_secs());
            if let Err(error) = child.kill().await {
                tracing::warn!(%error, "{name} can't be killed");
            }
        }
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis().try_into().unwrap_or(u64::MAX))
}

/// Has the kernel kill the child when the thread that starts it ends, however that happens.
#[expect(unsafe_code, reason = "the only way to run something in the child before it becomes the program")]
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell's script, which works at once, or never.
    struct Script {
        text: &'static str,
        works: bool,
    }

    impl Program for Script {
        fn name(&self) -> String {
            "script".to_owned()
        }

        fn command(&self, _: Option<SocketAddr>) -> anyhow::Result<Command> {
            let mut command = Command::new("sh");
            command.args(["-c", self.text]);
            Ok(command)
        }

        async fn works(&self, _: u32, _: Option<ChildStdout>) -> anyhow::Result<Option<SocketAddr>> {
            if self.works { Ok(None) } else { std::future::pending().await }
        }

        fn last_words(&self) -> String {
            "its last words".to_owned()
        }
    }

    #[tokio::test]
    async fn what_ends_before_it_works_is_said_and_not_started_again() {
        let mut part = Part::start(Script { text: "exit 3", works: false });
        let error = part.works().await.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error, "starting script: it ended before it worked (exit status: 3); its last words");
        part.end().await;
    }

    #[tokio::test]
    async fn what_ends_again_and_again_is_started_at_once_and_then_with_growing_pauses() {
        let began = Instant::now();
        let mut part = Part::start(Script { text: "sleep 0.02", works: true });
        let mut state = part.works().await.unwrap().state;
        let fourth = timeout(WORKS_WITHIN, state.wait_for(|state| state.restarts == 4)).await;
        assert!(fourth.is_ok_and(|state| state.is_ok()));
        assert!(began.elapsed() >= PAUSE_FIRST + PAUSE_FIRST * 2, "{:?}", began.elapsed());
        // It is in a pause, or in a life that is as short.
        timeout(ENDS_WITHIN, part.end()).await.expect("an end in time");
    }
}
