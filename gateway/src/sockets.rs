//! Every socket that is open here, from its acceptance on, so that each can be told to end.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;

use crate::timer::Alarm;

/// Every socket that is open.
#[derive(Default)]
pub(crate) struct Sockets {
    open: Mutex<HashSet<Socket>>,
}

/// A socket, told from others by its alarm.
struct Socket(Arc<Alarm>);

impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Socket {}
impl std::hash::Hash for Socket {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Sockets {
    /// Adds a socket, until [`Sockets::close`].
    pub(crate) fn open(&self, alarm: &Arc<Alarm>) {
        self.open.lock().insert(Socket(alarm.clone()));
    }

    /// Takes a socket out.
    pub(crate) fn close(&self, alarm: &Arc<Alarm>) {
        self.open.lock().remove(&Socket(alarm.clone()));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().len()
    }

    /// Every socket's alarm.
    pub(crate) fn alarms(&self) -> Vec<Arc<Alarm>> {
        self.open.lock().iter().map(|socket| socket.0.clone()).collect()
    }
}
