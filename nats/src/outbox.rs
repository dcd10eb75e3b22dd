//! What one connection publishes, in order. What can wait a moment goes out together with what can't: every write wakes the server, and at
//! moderate rates most of what a message costs is such waking.

use std::time::Duration;

use async_nats::{Client, Subject};
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

/// Messages that wait for the client; whoever has more waits.
const WAITING: usize = 1_024;
/// Messages that are taken at once.
const AT_ONCE: usize = 256;
/// Messages that are held back at most.
const HELD: usize = 256;
/// How long a message is held back at most. The runtime's timers have a millisecond's grain.
const HOLD: Duration = Duration::from_millis(1);
/// How recent the last prompt message must be for the next one to be worth waiting for.
const RECENTLY: Duration = Duration::from_millis(2);

/// How soon a message is to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Prompt,
    /// With the next prompt one, if there has been one just before; after 2 ms in any case.
    Unhurried,
}

/// A message to publish.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) subject: Subject,
    pub(crate) payload: Bytes,
}

/// The connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

enum Order {
    Publish(Outgoing, Pace),
    Pass(oneshot::Sender<()>),
}

/// The publishes of one connection, in the order in which they are given. The task behind it ends when this is dropped, and what it was
/// given goes out.
#[derive(Debug)]
pub(crate) struct Outbox {
    orders: mpsc::Sender<Order>,
}

impl Outbox {
    pub(crate) fn over(client: Client) -> Outbox {
        let (orders, taken) = mpsc::channel(WAITING);
        let writer = Writer { client, held: Vec::new(), hold_until: Instant::now(), prompt_at: None };
        tokio::spawn(writer.run(taken));
        Outbox { orders }
    }

    /// Waits for room, not for anybody's answer.
    pub(crate) async fn publish(&self, message: Outgoing, pace: Pace) -> Result<(), Closed> {
        self.orders.send(Order::Publish(message, pace)).await.map_err(|_| Closed)
    }

    /// Resolves when everything given before is the client's, which sends in turn.
    pub(crate) async fn passed(&self) -> Result<(), Closed> {
        let (passed, done) = oneshot::channel();
        self.orders.send(Order::Pass(passed)).await.map_err(|_| Closed)?;
        done.await.map_err(|_| Closed)
    }
}

/// The task that hands messages to the client.
struct Writer {
    client: Client,
    held: Vec<Outgoing>,
    hold_until: Instant,
    prompt_at: Option<Instant>,
}

impl Writer {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut taken = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                biased;
                count = orders.recv_many(&mut taken, AT_ONCE) => {
                    if count == 0 {
                        return self.release().await;
                    }
                    for order in taken.drain(..) {
                        self.carry_out(order).await;
                    }
                }
                () = sleep_until(self.hold_until), if !self.held.is_empty() => self.release().await,
            }
        }
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Publish(message, Pace::Prompt) => {
                self.release().await;
                self.prompt_at = Some(Instant::now());
                self.send(message).await;
            }
            Order::Publish(message, Pace::Unhurried) => self.hold(message).await,
            Order::Pass(passed) => {
                self.release().await;
                // Whoever asked may have given up.
                passed.send(()).ok();
            }
        }
    }

    async fn hold(&mut self, message: Outgoing) {
        let now = Instant::now();
        if self.prompt_at.is_none_or(|before| now - before > RECENTLY) {
            // Nothing is held here: it would have gone out by itself.
            self.release().await;
            return self.send(message).await;
        }
        if self.held.is_empty() {
            self.hold_until = now + HOLD;
        }
        self.held.push(message);
        if self.held.len() >= HELD {
            self.release().await;
        }
    }

    async fn release(&mut self) {
        for message in std::mem::take(&mut self.held) {
            self.send(message).await;
        }
    }

    async fn send(&self, message: Outgoing) {
        let sent = self.client.publish(message.subject, message.payload).await;
        // Whoever waits for a live entry finds it missing, and reads it.
        if let Err(error) = sent {
            tracing::debug!(%error, "a message could not be published");
        }
    }
}
