//! The servers under test: child processes, their CPU and memory from /proc, and their end.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, SysconfVar, sysconf},
};

/// A process that the benchmark started, with the processes that it started. Killed when dropped.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    children: Vec<Pid>,
}

impl Process {
    /// Starts a process; its errors go to `log`.
    pub(super) fn start(name: &'static str, command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}: {:?}", command.get_program()))?;
        Ok(Process { name, child, children: Vec::new() })
    }

    /// Waits for the line `ready`, or `ready http://ADDRESS`, and knows the process's children from then on.
    pub(super) fn ready(&mut self, within: Duration) -> anyhow::Result<Option<SocketAddr>> {
        let stdout = self.child.stdout.take().context("ready is asked for once")?;
        let (told, tells) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads on to the end, so that the process never waits for its reader.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix("ready") {
                    let _ = told.send(rest.trim().trim_start_matches("http://").parse().ok());
                }
            }
        });
        let address = tells
            .recv_timeout(within)
            .with_context(|| format!("{} did not say `ready` within {within:?}", self.name))?;
        self.children = children(self.pid())?;
        Ok(address)
    }

    /// Waits until the process answers what `asked` wants.
    pub(super) fn until<T>(
        &mut self,
        within: Duration,
        mut asked: impl FnMut() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + within;
        loop {
            match asked() {
                Ok(answer) => return Ok(answer),
                Err(why) if Instant::now() > end => return Err(why.context(format!("{} is not ready", self.name))),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended: {status}", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    fn pids(&self) -> impl Iterator<Item = Pid> + '_ {
        std::iter::once(self.pid()).chain(self.children.iter().copied())
    }

    /// CPU time, user and system, of the process and its children since they began.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        self.pids().map(cpu).sum()
    }

    /// Resident bytes of the process, with those of its children that run the same program.
    pub(super) fn own_memory(&self) -> anyhow::Result<u64> {
        self.memory(|same| same)
    }

    /// Resident bytes of the process's children that run another program.
    pub(super) fn others_memory(&self) -> anyhow::Result<u64> {
        self.memory(|same| !same)
    }

    /// The most bytes that were resident of each of these since `forget_peaks`.
    pub(super) fn own_peaks(&self) -> anyhow::Result<u64> {
        self.each(|same| same)?.into_iter().map(|pid| told(pid, "status", "VmHWM:")).sum()
    }

    /// Forgets how many were. Source: proc_pid_clear_refs(5).
    pub(super) fn forget_peaks(&self) -> anyhow::Result<()> {
        self.each(|same| same)?.into_iter().try_for_each(|pid| Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?))
    }

    fn memory(&self, counts: impl Fn(bool) -> bool) -> anyhow::Result<u64> {
        self.each(counts)?.into_iter().map(|pid| told(pid, "smaps_rollup", "Rss:")).sum()
    }

    /// The process and its children, by whether they run the process's program.
    fn each(&self, counts: impl Fn(bool) -> bool) -> anyhow::Result<Vec<Pid>> {
        let program = |pid| fs::read_link(format!("/proc/{pid}/exe"));
        let own = program(self.pid())?;
        let mut each = Vec::new();
        for pid in self.pids() {
            if counts(program(pid)? == own) {
                each.push(pid);
            }
        }
        Ok(each)
    }

    /// Ends the process as a machine that loses it would: kill -9, its children too.
    pub(super) fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for pid in self.pids() {
                let _ = kill(pid, Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }

    /// Asks the process to end, and waits for it.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        kill(self.pid(), Signal::SIGTERM)?;
        let end = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!("{} did not end within 20 s of SIGTERM", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        while self.children.iter().any(|child| cpu(*child).is_ok()) {
            if Instant::now() > end {
                bail!("a child of {} outlived it", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.children.clear();
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The fields of /proc/PID/stat after the command's name: the state is the first. Source: proc_pid_stat(5).
fn stat(pid: Pid) -> anyhow::Result<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').context("no command in stat")?;
    Ok(rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

/// User and system time of a process, all of its threads.
fn cpu(pid: Pid) -> anyhow::Result<Duration> {
    let (fields, ticks) = (stat(pid)?, sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?);
    Ok(Duration::from_secs_f64((fields[11] + fields[12]) as f64 / ticks as f64))
}

/// The bytes that a file of /proc says of a process under a name.
fn told(pid: Pid, file: &str, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in {file}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

fn children(parent: Pid) -> anyhow::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")? {
        let Ok(pid) = process?.file_name().to_string_lossy().parse() else { continue };
        let pid = Pid::from_raw(pid);
        if stat(pid).is_ok_and(|fields| fields[1] == parent.as_raw() as u64) {
            found.push(pid);
        }
    }
    Ok(found)
}
