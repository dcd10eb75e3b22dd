//! People who come, or come back after their socket ended: when each is live.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    ops::Range,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    crowd::{Crowd, News},
    exchange::{Faults, histogram},
    generator::Meter,
};

/// What waits for people: so many of the run's items.
#[derive(Clone, Copy)]
pub(super) enum Waiting {
    /// Each has their own: those whose number, divided by how many they are, leaves their place.
    Own(u32),
    /// All have the same.
    Common(u32),
}

impl Waiting {
    /// Nothing does.
    pub(super) const NOTHING: Waiting = Waiting::Own(0);
}

/// How people come.
pub(super) struct Arrival {
    /// Who comes.
    pub(super) who: Range<usize>,
    /// They connect on schedule, so many a second; without it they are connected and come back when their socket ends.
    pub(super) rate: Option<u32>,
    /// The longest wait before somebody whose socket ended tries again; without it that is a fault.
    pub(super) jitter: Option<Duration>,
    pub(super) waiting: Waiting,
    /// How long all of it may take.
    pub(super) within: Duration,
}

/// When they were live.
pub(super) struct Arrived {
    /// From the beginning until each person was live, in nanoseconds.
    pub(super) since_begin: Histogram<u64>,
    /// From each person's own scheduled time (or last end) until live, in nanoseconds.
    pub(super) since_due: Histogram<u64>,
    /// Until the last one was live.
    pub(super) time: Duration,
    /// Tries that failed.
    pub(super) failed: u64,
    pub(super) generator: f64,
    pub(super) faults: Faults,
}

impl Arrived {
    /// When this share (0 to 1) of `people` was live; nothing if fewer ever were.
    pub(super) fn when(&self, share: f64, people: usize) -> Option<Duration> {
        let (needed, live) = (share * people as f64, self.since_begin.len() as f64);
        (needed <= live).then(|| Duration::from_nanos(self.since_begin.value_at_quantile(needed / live)))
    }
}

impl Arrival {
    /// Lets them come until all of them are live or the time is up. `began` is when time begins to count.
    pub(super) fn run(&self, crowd: &mut Crowd, began: Instant) -> anyhow::Result<Arrived> {
        let people = self.who.len();
        let (waiting, own) = match self.waiting {
            Waiting::Own(count) => (count, true),
            Waiting::Common(count) => (count, false),
        };
        let mut random = SmallRng::seed_from_u64(2);
        let (mut heap, mut due) = (BinaryHeap::new(), vec![None; people]);
        if let Some(rate) = self.rate {
            for (place, due) in due.iter_mut().enumerate() {
                let at = began + Duration::from_secs(1) * place as u32 / rate;
                *due = Some(at);
                heap.push(Reverse((at, place)));
            }
        }
        let meter = Meter::begin()?;
        let (mut entries, mut live) = (vec![0; people], vec![false; people]);
        let (mut failed, mut last, mut faults) = (0, began, Faults::default());
        let (mut since_begin, mut since_due) = (histogram(), histogram());
        let end = began + self.within;
        while (since_begin.len() as usize) < people && Instant::now() < end {
            let now = Instant::now();
            while heap.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                if let Some(Reverse((_, place))) = heap.pop() {
                    crowd.connect(self.who.start + place)?;
                }
            }
            let wake = heap.peek().map_or(end, |Reverse((at, _))| *at).min(end);
            crowd.turn(wake, |person, now, news| {
                let Some(place) = person.checked_sub(self.who.start).filter(|place| *place < people) else {
                    return faults.astray += 1;
                };
                match news {
                    News::Live => {
                        if !std::mem::replace(&mut live[place], true) {
                            faults.lost += u64::from(waiting.saturating_sub(entries[place]));
                            since_begin.saturating_record((now - began).as_nanos() as u64);
                            since_due.saturating_record((now - due[place].unwrap_or(began)).as_nanos() as u64);
                            last = now;
                        }
                    }
                    News::Entry(item) if !own || item as usize % people == place => entries[place] += 1,
                    News::Entry(_) | News::Accepted(..) | News::Delivered { .. } | News::Counted(_) => {
                        faults.astray += 1;
                    }
                    News::Fault(why) => faults.told.push(why),
                    News::Ended(why) if live[place] => faults.told.push(why),
                    News::Ended(why) => match self.jitter {
                        Some(jitter) => {
                            failed += u64::from(due[place].replace(now).is_some());
                            heap.push(Reverse((now + jitter.mul_f64(random.random()), place)));
                        }
                        None => faults.told.push(why),
                    },
                }
            })?;
        }
        let repeated: u32 = entries.iter().map(|entries| entries.saturating_sub(waiting)).sum();
        faults.repeated += u64::from(repeated);
        let away = people - since_begin.len() as usize;
        if away > 0 {
            faults.told.insert(0, format!("{away} of {people} were not live within {:?}", self.within));
        }
        Ok(Arrived { since_begin, since_due, time: last - began, failed, generator: meter.share()?, faults })
    }
}
