//! A line that is kept: another one is made whenever it is lost. What is listened to is so on one line, and ends with it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{sync::watch, task::AbortHandle};

use super::{Line, Outbound, Purpose, dial, outbound::NotSent, redial};
use crate::{ConnectError, ConnectOptions, connect::Files, wire::Message};

/// Takes what comes for a subscription, in the task that runs the line: it must not block.
pub(crate) type Listener = Box<dyn FnMut(Message<'_>) + Send>;

/// One line after another. Clones share it; it closes with the last one.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    current: watch::Receiver<Option<Current>>,
    task: AbortHandle,
}

/// The line that stands.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    outbound: Outbound,
    listeners: Arc<Listeners>,
}

#[derive(Default)]
struct Listeners {
    given: AtomicU64,
    by_number: Mutex<HashMap<u64, Listener>>,
}

/// A subscription: it is taken back when this is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    current: Current,
    number: u64,
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let listener = self.current.listeners.by_number.lock().remove(&self.number);
        if listener.is_some() {
            self.current.outbound.unsubscribe(self.number);
        }
    }
}

impl Kept {
    /// With its first line. Errors: see [`ConnectError`].
    pub(crate) async fn open(options: &ConnectOptions, purpose: Purpose) -> Result<Kept, ConnectError> {
        let files = Files::of(options).await;
        let first = dial(options, &purpose).await?;
        let (stands, current) = watch::channel(Some(Current::of(&first)));
        let task = tokio::spawn(keep(options.clone(), purpose, files, first, stands)).abort_handle();
        Ok(Kept { shared: Arc::new(Shared { current, task }) })
    }

    /// The line, or the next one. Waits as long as it takes. Errors: the process ends.
    pub(crate) async fn line(&self) -> Result<Current, NotSent> {
        if let Some(current) = &*self.shared.current.borrow() {
            return Ok(current.clone());
        }
        let mut current = self.shared.current.clone();
        let stands = current.wait_for(Option::is_some).await.map_err(|_| NotSent::Lost)?;
        stands.clone().ok_or(NotSent::Lost)
    }
}

impl Current {
    fn of(line: &Line) -> Current {
        Current { outbound: line.outbound().clone(), listeners: Arc::default() }
    }

    pub(crate) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Listens to a subject of its own, which is given, below the line's inbox. `listener` is dropped when the line is lost.
    pub(crate) fn listen(&self, listener: Listener) -> (String, Listening) {
        let number = self.listeners.given.fetch_add(1, Ordering::Relaxed) + 1;
        let subject = self.outbound.inbox_of(number);
        self.listeners.by_number.lock().insert(number, listener);
        self.outbound.subscribe(&subject, number);
        (subject, Listening { current: self.clone(), number })
    }

    fn take(&self, message: Message<'_>) {
        // One that was taken back, and the server does not know yet, has none.
        if let Some(listener) = self.listeners.by_number.lock().get_mut(&message.sid) {
            listener(message);
        }
    }
}

async fn keep(
    options: ConnectOptions,
    purpose: Purpose,
    mut files: Files,
    first: Line,
    stands: watch::Sender<Option<Current>>,
) {
    let (mut line, mut reach) = (first, options.clone());
    let mut current = Current::of(&line);
    loop {
        stands.send_replace(Some(current.clone()));
        tokio::select! {
            biased;
            (lost, server) = line.run(|message| current.take(message)) => {
                tracing::warn!(purpose = purpose.suffix, %lost, "lost a connection to NATS; making another");
                // The one server that is named may be the one that is gone next time.
                reach = options.with_cluster(&server.connect_urls);
            }
            () = files.replaced() => {
                tracing::info!(purpose = purpose.suffix, "a file of the NATS settings was replaced: connecting with the new one");
            }
        }
        stands.send_replace(None);
        let listeners = std::mem::take(&mut *current.listeners.by_number.lock());
        drop(listeners);
        line = redial(&reach, &purpose).await;
        current = Current::of(&line);
    }
}
