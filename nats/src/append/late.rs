//! What late appends of a process share: their turns, what they have read of each log, and how many may read much at once; the last of
//! these also for those who only look.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dunlin_schema::{Log, Millis, limits};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedMutexGuard, OwnedSemaphorePermit},
    time::timeout,
};

use super::{
    core::{Known, Memory, Room},
    span,
    turns::Turns,
};

/// What is remembered, at most: some 30 MB.
const ROOM: Room = Room { logs: 4_096, ids: 500_000, unused: Millis(10_000) };
/// Reads of a call that need no leave: a look at the id's own time, and the page that most logs are.
const READS_WITHOUT_LEAVE: u32 = 2;

/// Shared by the late appends of one process.
#[derive(Debug)]
pub(super) struct Late {
    lanes: Mutex<HashMap<Log, Arc<tokio::sync::Mutex<()>>>>,
    memory: Mutex<Swept>,
    /// Whose turn in its log's lane did not come in time.
    behind: AtomicU64,
    scans: Arc<Turns>,
    looks: Arc<Turns>,
    began: Instant,
    pub(super) appends: AtomicU64,
    pub(super) entries: AtomicU64,
}

#[derive(Debug)]
struct Swept {
    memory: Memory,
    /// Whether somebody comes to forget what is unused.
    sweeping: bool,
}

impl Late {
    pub(super) fn new() -> Arc<Late> {
        Arc::new(Late {
            lanes: Mutex::default(),
            memory: Mutex::new(Swept { memory: Memory::new(ROOM), sweeping: false }),
            behind: AtomicU64::new(0),
            scans: Arc::new(Turns::new(limits::LATE_SCANS)),
            looks: Arc::new(Turns::new(limits::LOOK_SCANS)),
            began: Instant::now(),
            appends: AtomicU64::new(0),
            entries: AtomicU64::new(0),
        })
    }

    fn now(&self) -> Millis {
        Millis(self.began.elapsed().as_millis() as u64)
    }

    /// Waits for the turn of an append over the connection of this number, and gives what is known of the log. `None`: it did not come in
    /// time.
    pub(super) async fn turn(
        self: &Arc<Late>,
        log: &Log,
        connection: u64,
        within: Millis,
    ) -> Option<(Turn, Option<Known>)> {
        self.appends.fetch_add(1, Ordering::Relaxed);
        let lane = self.lanes.lock().entry(log.clone()).or_default().clone();
        let member = LaneMember { late: self.clone(), log: log.clone(), lane: Some(lane.clone()) };
        let Ok(guard) = timeout(span(within), lane.lock_owned()).await else {
            self.behind.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let known = self.memory.lock().memory.take(self.now(), connection, log);
        Some((Turn { _guard: guard, member, connection }, known))
    }

    /// How many appends had no turn in their log's lane, and how many calls no leave to read much, in time.
    pub(super) fn refused(&self) -> [u64; 2] {
        [self.behind.load(Ordering::Relaxed), self.scans.refused() + self.looks.refused()]
    }

    /// The reads of an append.
    pub(super) fn scan(&self) -> Scan {
        Scan { reads: 0, most: self.scans.clone(), leave: None }
    }

    /// The reads of a call that only looks: however many look, those who append wait for none of them.
    pub(super) fn look(&self) -> Scan {
        Scan { reads: 0, most: self.looks.clone(), leave: None }
    }

    fn put(self: &Arc<Late>, connection: u64, log: Log, known: Known) {
        let mut swept = self.memory.lock();
        swept.memory.put(self.now(), connection, log, known);
        if !swept.sweeping
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            swept.sweeping = true;
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }
}

/// Forgets what is unused, until nothing is left.
async fn sweep(late: Weak<Late>) {
    loop {
        tokio::time::sleep(span(ROOM.unused)).await;
        let Some(late) = late.upgrade() else { return };
        let mut swept = late.memory.lock();
        swept.sweeping = swept.memory.sweep(late.now());
        if !swept.sweeping {
            return;
        }
    }
}

/// A place in a log's lane. The last one to leave takes the lane with it.
#[derive(Debug)]
struct LaneMember {
    late: Arc<Late>,
    log: Log,
    /// `None` when it has left.
    lane: Option<Arc<tokio::sync::Mutex<()>>>,
}

impl Drop for LaneMember {
    fn drop(&mut self) {
        let mut lanes = self.late.lanes.lock();
        self.lane = None;
        if lanes.get(&self.log).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.log);
        }
    }
}

/// The reads of one call: of those that read much there are few at once.
#[derive(Debug)]
pub(super) struct Scan {
    reads: u32,
    most: Arc<Turns>,
    leave: Option<OwnedSemaphorePermit>,
}

impl Scan {
    /// Waits until one more read may begin. `false`: not in time.
    pub(super) async fn may_read(&mut self, within: Duration) -> bool {
        self.reads += 1;
        if self.reads > READS_WITHOUT_LEAVE && self.leave.is_none() {
            self.leave = self.most.take(within).await;
            return self.leave.is_some();
        }
        true
    }
}

/// The turn of one late append. Others to the same log wait until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    // Before the member, so that the member's own is the last.
    _guard: OwnedMutexGuard<()>,
    member: LaneMember,
    connection: u64,
}

impl Turn {
    /// Leaves what is known of the log to the next one.
    pub(super) fn end(self, known: Option<Known>) {
        if let Some(known) = known {
            self.member.late.put(self.connection, self.member.log.clone(), known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_look_through_much_at_once_and_those_who_append_wait_for_none_of_them() {
        let late = Late::new();
        let within = Duration::from_secs(1);
        let mut looks: Vec<Scan> = (0..=limits::LOOK_SCANS).map(|_| late.look()).collect();
        for look in &mut looks {
            for _ in 0..READS_WITHOUT_LEAVE {
                assert!(look.may_read(within).await, "a look at one page needs no leave");
            }
        }
        let mut last = looks.pop().expect("one more than may");
        for look in &mut looks {
            assert!(look.may_read(within).await && look.may_read(within).await);
        }
        assert_eq!(late.refused(), [0, 0]);
        assert!(!last.may_read(within).await, "one more waits, and not for ever");
        assert_eq!(late.refused(), [0, 1]);
        let mut append = late.scan();
        for _ in 0..=READS_WITHOUT_LEAVE {
            assert!(append.may_read(within).await);
        }
        looks.pop();
        assert!(last.may_read(within).await);
    }
}
