//! What a gateway does beside its sockets: named tasks, watched together. One that ends or panics is told to whoever waits in
//! [`Services::ended`]; one that does not move any more is seen by its pulse.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use dunlin_schema::Millis;
use parking_lot::Mutex;
use tokio::{
    task::{AbortHandle, JoinError, JoinSet},
    time::interval,
};

use crate::clock::Uptime;

/// How often a service that waits for work shows that it moves.
pub(crate) const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How old the last sign of a service may be. Longer than any of them takes over one piece of its work.
const MOVES_WITHIN: Millis = Millis(15_000);

/// When a service last showed that it moves.
#[derive(Debug)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    pub(crate) fn new() -> Arc<Pulse> {
        Arc::new(Pulse(AtomicU64::new(Uptime::now().0)))
    }

    /// The service moves.
    pub(crate) fn beat(&self) {
        self.0.store(Uptime::now().0, Relaxed);
    }

    /// Beats for as long as it is polled: for a service that waits for things which may not come for long.
    pub(crate) async fn beats(&self) {
        let mut beats = interval(BEAT_EVERY);
        loop {
            beats.tick().await;
            self.beat();
        }
    }

    fn age(&self, now: Uptime) -> Millis {
        Millis(now.0.saturating_sub(self.0.load(Relaxed)))
    }
}

/// A service that ended before its gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service `{service}` {how}")]
pub struct ServiceEnded {
    /// Which.
    pub service: String,
    /// What became of it.
    pub how: String,
}

/// Services that run until they are dropped.
#[derive(Default)]
pub(crate) struct Services {
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    tasks: JoinSet<()>,
    named: Vec<Service>,
}

struct Service {
    name: String,
    task: AbortHandle,
    pulse: Arc<Pulse>,
}

impl Services {
    /// Begins one. It is to beat its pulse whenever it moves, and every [`BEAT_EVERY`] while it waits.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: impl Into<String>,
        service: impl FnOnce(Arc<Pulse>) -> F,
    ) {
        let pulse = Pulse::new();
        let mut running = self.running.lock();
        let task = running.tasks.spawn(service(pulse.clone()));
        running.named.push(Service { name: name.into(), task, pulse });
    }

    /// Resolves when one has ended; never, where there is none.
    pub(crate) async fn ended(&self) -> ServiceEnded {
        let ended = poll_fn(|cx| match self.running.lock().tasks.poll_join_next_with_id(cx) {
            Poll::Ready(Some(ended)) => Poll::Ready(ended),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        });
        let (task, how) = match ended.await {
            Ok((task, ())) => (task, "ended by itself".to_owned()),
            Err(error) => (error.id(), how(&error)),
        };
        let running = self.running.lock();
        let service = running.named.iter().find(|service| service.task.id() == task);
        ServiceEnded { service: service.map_or_else(String::new, |service| service.name.clone()), how }
    }

    /// What each is called, and what ends it.
    pub(crate) fn handles(&self) -> Vec<(String, AbortHandle)> {
        self.running.lock().named.iter().map(|service| (service.name.clone(), service.task.clone())).collect()
    }

    /// Ends all of them.
    pub(crate) fn abort(&self) {
        self.running.lock().tasks.abort_all();
    }

    /// How long ago each last showed that it moves.
    pub(crate) fn ages(&self, now: Uptime) -> Vec<(String, Millis)> {
        self.running.lock().named.iter().map(|service| (service.name.clone(), service.pulse.age(now))).collect()
    }

    /// A service that has not moved for long.
    pub(crate) fn stalled(&self, now: Uptime) -> Option<String> {
        self.ages(now).into_iter().find(|(_, age)| *age > MOVES_WITHIN).map(|(name, _)| name)
    }
}

fn how(error: &JoinError) -> String {
    if error.is_panic() { "panicked: the log says where".to_owned() } else { "was ended".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_service_that_ends_or_panics_is_named() {
        for (what, how) in
            [("ends", "ended by itself"), ("panics", "panicked: the log says where"), ("killed", "was ended")]
        {
            let services = Services::default();
            services.spawn("other", |_| pending());
            match what {
                "ends" => services.spawn(what, |_| ready(())),
                "panics" => services.spawn(what, |_| async { panic!("as the test wants it") }),
                _ => services.spawn(what, |_| pending()),
            }
            if let Some((_, task)) = services.handles().iter().find(|(name, _)| name == "killed") {
                task.abort();
            }
            assert_eq!(services.ended().await, ServiceEnded { service: what.to_owned(), how: how.to_owned() });
        }
    }

    #[tokio::test]
    async fn a_service_that_does_not_move_is_named_until_it_does() {
        let services = Services::default();
        let mut pulses = Vec::new();
        for name in ["one", "two"] {
            services.spawn(name, |pulse| {
                pulses.push(pulse);
                pending()
            });
        }
        let later = Uptime::now().plus(MOVES_WITHIN).plus(Millis(1_000));
        assert_eq!(services.stalled(Uptime::now()), None);
        assert_eq!(services.stalled(later).as_deref(), Some("one"));
        pulses[0].0.store(later.0, Relaxed);
        assert_eq!(services.stalled(later).as_deref(), Some("two"));
        pulses[1].0.store(later.0, Relaxed);
        assert_eq!(services.stalled(later), None);
    }
}
