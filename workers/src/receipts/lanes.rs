//! Carries out paced work of one kind: what arrives is brought together by key, and each piece is done beside others, up to a bound.

use std::{hash::Hash, sync::atomic::AtomicI64, time::Duration};

use dunlin_schema::Millis;
use futures_util::{StreamExt, stream::FuturesUnordered};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::core::pace::{Merge, Paced};

/// What arrives and was not taken up yet; when it is full, whoever sends waits.
const ARRIVING: usize = 256;
/// Keys that are kept in mind; when there are as many, what arrives waits.
const LANES: usize = 8_192;

/// Where work is brought.
pub(super) type Bring<K, W> = mpsc::Sender<(K, W)>;
/// Where it arrives.
pub(super) type Arriving<K, W> = mpsc::Receiver<(K, W)>;

/// A way to a lane's work.
pub(super) fn channel<K, W>() -> (Bring<K, W>, Arriving<K, W>) {
    mpsc::channel(ARRIVING)
}

/// Does what arrives, `at_once` pieces beside each other, until nothing can arrive any more and all is done. `began` is any time
/// before; `lanes` shows how many keys are kept in mind. With its future, `work` says how long it is until the next work of its key may
/// begin.
pub(super) async fn run<K, W, F>(
    began: Instant,
    mut arriving: Arriving<K, W>,
    at_once: usize,
    lanes: &Gauge<i64, AtomicI64>,
    work: impl Fn(K, W) -> (Millis, F),
) where
    K: Clone + Ord + Hash,
    W: Merge,
    F: Future<Output = ()>,
{
    let now = || Millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut paced: Paced<K, W> = Paced::default();
    let mut working = FuturesUnordered::new();
    let mut is_open = true;
    loop {
        while working.len() < at_once
            && let Some((key, what)) = paced.take(now())
        {
            let begun = now();
            let (every, done) = work(key.clone(), what);
            working.push(async move {
                done.await;
                (key, begun.plus(every))
            });
        }
        lanes.set(paced.len() as i64);
        if !is_open && working.is_empty() && paced.waiting() == 0 {
            return;
        }
        let due = paced.next_due().filter(|_| working.len() < at_once);
        let due = due.map(|due| began + Duration::from_millis(due.0));
        tokio::select! {
            Some((key, not_before)) = working.next() => paced.done(&key, not_before),
            arrived = arriving.recv(), if is_open && paced.len() < LANES => match arrived {
                Some((key, what)) => paced.add(now(), key, what),
                None => is_open = false,
            },
            () = sleep_until(due.unwrap_or(began)), if due.is_some() => {}
        }
    }
}
