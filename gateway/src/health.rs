//! Whether this gateway should be given clients, and if not, why.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use dunlin_nats::Status;
use dunlin_schema::{Millis, Shard, limits};
use tokio::sync::watch;

use crate::clock::Uptime;

/// For how long a failed append keeps the gateway from being ready, when no other append has succeeded since.
const APPEND_DOUBT: Millis = limits::HEADS_EVERY;

/// What is known of the gateway's state.
pub(crate) struct Health {
    draining: AtomicBool,
    /// Until then appends are in doubt.
    append_doubt: AtomicU64,
    nats: watch::Receiver<Status>,
}

impl Health {
    pub(crate) fn new(nats: watch::Receiver<Status>) -> Health {
        Health { draining: AtomicBool::new(false), append_doubt: AtomicU64::new(0), nats }
    }

    /// From now on the gateway is going away.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// An append was stored.
    pub(crate) fn append_stored(&self) {
        if self.append_doubt.load(Relaxed) != 0 {
            self.append_doubt.store(0, Relaxed);
        }
    }

    /// An append was refused for want of room, or had no answer.
    pub(crate) fn append_failed(&self) {
        self.append_doubt.store(Uptime::now().plus(APPEND_DOUBT).0, Relaxed);
    }

    /// Why the gateway should be given no clients; `None` when it should. `silent` is a shard whose deliver reader does not answer.
    pub(crate) fn unready(&self, silent: Option<Shard>) -> Option<String> {
        if self.is_draining() {
            return Some("draining: this gateway is going away".to_owned());
        }
        if *self.nats.borrow() == Status::Disconnected {
            return Some("no connection to NATS".to_owned());
        }
        if let Some(shard) = silent {
            return Some(format!(
                "no deliver reader answers for shard {shard}: is a worker with the role `deliver` running, and does nats-server store \
                 (a full disk stops it until it is started again)?"
            ));
        }
        if Uptime::now().0 < self.append_doubt.load(Relaxed) {
            return Some("appends fail: a stream is full, or has no quorum".to_owned());
        }
        None
    }
}
