//! The load generator's own thread: pinned to one core, its CPU time counted apart.

use std::time::{Duration, Instant};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// Above this share of its core the generator may be what is measured: the figure is void.
pub(super) const MOST: f64 = 0.8;

/// Runs `work` on a thread of its own that is pinned to the machine's last core. What it starts is not pinned: servers use every core.
pub(super) fn pinned<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut core = CpuSet::new();
            core.set(std::thread::available_parallelism()?.get() - 1)?;
            sched_setaffinity(Pid::from_raw(0), &core)?;
            work()
        });
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the load generator panicked")))
    })
}

/// Lets this process and its children open as many files as they are permitted to.
pub(super) fn open_many_files(needed: u64) -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    anyhow::ensure!(most >= needed, "{needed} open files are needed and {most} are permitted: raise `ulimit -Hn`");
    Ok(())
}

/// CPU and wall time of the calling thread, or of the whole process, since it began to count.
pub(super) struct Meter {
    clock: ClockId,
    began: Instant,
    cpu: Duration,
}

impl Meter {
    /// Begins to count what this thread uses.
    pub(super) fn begin() -> anyhow::Result<Meter> {
        Meter::of(ClockId::CLOCK_THREAD_CPUTIME_ID)
    }

    /// Begins to count what all threads use: those that a pinned one starts are pinned as it is.
    pub(super) fn of_all() -> anyhow::Result<Meter> {
        Meter::of(ClockId::CLOCK_PROCESS_CPUTIME_ID)
    }

    fn of(clock: ClockId) -> anyhow::Result<Meter> {
        Ok(Meter { clock, began: Instant::now(), cpu: clock_gettime(clock)?.into() })
    }

    /// The CPU time that was used.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(Duration::from(clock_gettime(self.clock)?) - self.cpu)
    }

    /// The share of one core that was used.
    pub(super) fn share(&self) -> anyhow::Result<f64> {
        Ok(self.cpu()?.as_secs_f64() / self.began.elapsed().as_secs_f64())
    }
}
