//! What sockets hold of messages that are not whole yet, bounded for the gateway as a whole: clients that begin long messages and do not
//! end them take no more than this, however many they are.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use dunlin_schema::limits;

/// What is held. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Gathering(Arc<Bound>);

#[derive(Debug)]
struct Bound {
    held: AtomicUsize,
    most: usize,
}

impl Default for Gathering {
    fn default() -> Gathering {
        Gathering::of(limits::GATHERED_BYTES)
    }
}

impl Gathering {
    /// At most this many bytes.
    pub(crate) fn of(most: usize) -> Gathering {
        Gathering(Arc::new(Bound { held: AtomicUsize::new(0), most }))
    }

    /// A message's share of it.
    pub(crate) fn share(&self) -> Share {
        Share { all: self.clone(), counted: 0 }
    }
}

/// What one message holds. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    all: Gathering,
    counted: usize,
}

impl Share {
    /// Whether the message may grow to this many bytes. The first [`limits::GATHERED_FREE`] of each are its own.
    #[must_use]
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(limits::GATHERED_FREE).saturating_sub(self.counted);
        let room = |held: usize| held.checked_add(more).filter(|held| *held <= self.all.0.most);
        let fits = more == 0 || self.all.0.held.fetch_update(Relaxed, Relaxed, room).is_ok();
        if fits {
            self.counted += more;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.0.held.fetch_sub(self.counted, Relaxed);
    }
}
