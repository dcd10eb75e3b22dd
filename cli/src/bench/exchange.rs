//! Messages between random people of a crowd: sent on schedule or as fast as they are answered, each one's arrival checked.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    crowd::{Crowd, News},
    generator::Meter,
    tokens,
};

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// So many a second, whether or not earlier ones arrived.
    Open {
        /// Messages a second.
        rate: u32,
    },
    /// A new one for each that is done, so many at once.
    Closed {
        /// Messages under way.
        window: u32,
    },
}

/// Who is written to.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// By each message somebody else.
    Anybody,
    /// By everybody the same one.
    One(usize),
    /// By each of two people the other one.
    Partner,
    /// By each message another group: the first so many people are the members of the first one, and so on.
    Groups {
        /// Members of each.
        size: usize,
    },
}

impl To {
    /// How many hear each message.
    fn width(self) -> usize {
        match self {
            To::Anybody | To::One(_) | To::Partner => 1,
            To::Groups { size } => size,
        }
    }
}

/// What is sent, by whom, for how long.
pub(super) struct Exchange {
    pub(super) load: Load,
    pub(super) to: To,
    /// Before this, nothing is measured.
    pub(super) warm: Duration,
    pub(super) measured: Duration,
    /// Whether `accepted` is waited for: a relay says nothing.
    pub(super) answers: bool,
}

/// What came of it.
pub(super) struct Outcome {
    /// Messages that were done within the measured time.
    pub(super) messages: u64,
    pub(super) time: Duration,
    /// CPU time of the servers within the measured time.
    pub(super) cpu: Duration,
    /// From the scheduled time of sending to the recipient's socket, the last of them, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// From the scheduled time of sending to the sender's `accepted`, in nanoseconds.
    pub(super) accepted: Histogram<u64>,
    /// From the scheduled time of sending to the receipt that tells the sender of its delivery, in nanoseconds; of those that had one.
    pub(super) delivered: Histogram<u64>,
    /// Share of its core that the generator used.
    pub(super) generator: f64,
    pub(super) faults: Faults,
}

/// What makes a figure invalid.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) told: Vec<String>,
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) astray: u64,
}

impl Faults {
    /// Why the figure is invalid, if it is.
    pub(super) fn why(&self) -> Option<String> {
        if self.told.is_empty() && self.lost + self.repeated + self.astray == 0 {
            return None;
        }
        let told: Vec<String> = self.told.iter().take(3).map(|told| told.chars().take(160).collect()).collect();
        let (lost, repeated, astray, faults) = (self.lost, self.repeated, self.astray, self.told.len());
        Some(format!("{lost} lost, {repeated} repeated, {astray} astray, {faults} faults {}", told.join("; ")))
    }
}

/// An item under way.
#[derive(Clone, Copy)]
struct Item {
    from: u32,
    /// A person, or a group.
    to: u32,
    due: Instant,
    /// Where it has not arrived.
    missing: u32,
    accepted: bool,
}

/// How long items may still be under way after the last was sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after the last arrival a repeat is still looked for.
const AFTERMATH: Duration = Duration::from_millis(300);
/// Late sendings made up for at once, before the sockets are looked at again.
const BURST: u32 = 16;

/// A histogram of nanoseconds up to a minute, exact to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("these bounds are valid")
}

/// What one has sent to another.
#[derive(Default)]
struct Pair {
    /// Up to this order it was delivered: a receipt may come before `accepted`.
    upto: u64,
    /// What was accepted and has no receipt, with the orders.
    unconfirmed: VecDeque<(u64, u32)>,
}

/// What became of the items so far.
struct Tally {
    items: Vec<Item>,
    /// Items that have not both arrived and been accepted.
    open: u32,
    faults: Faults,
    latency: Histogram<u64>,
    accepted: Histogram<u64>,
    delivered: Histogram<u64>,
    /// Every so-manieth entry is acknowledged; none is where it is 0.
    acknowledge_each: u32,
    /// How many people in a row hear the same.
    width: usize,
    /// Of each sender and recipient.
    pairs: HashMap<(u32, u32), Pair>,
    /// Items for which a receipt is to come.
    awaited: u32,
}

impl Tally {
    fn new(acknowledge_each: u32, width: usize) -> Tally {
        let (latency, accepted, delivered) = (histogram(), histogram(), histogram());
        let (items, pairs, faults) = (Vec::new(), HashMap::new(), Faults::default());
        Tally { items, open: 0, faults, latency, accepted, delivered, acknowledge_each, width, pairs, awaited: 0 }
    }

    /// Takes what a person's socket brought; `counted` says of an item's time whether it is one of those that are measured. Gives whether
    /// an item is done with it.
    fn take(&mut self, person: usize, now: Instant, news: News, counted: impl Fn(Instant) -> bool) -> bool {
        let (number, arrival) = match news {
            News::Entry(number) => (number, true),
            News::Accepted(number, order) => {
                if let Some(item) = self.items.get(number as usize).filter(|_| self.acknowledge_each > 0) {
                    let pair = (item.from, item.to);
                    self.pairs.entry(pair).or_default().unconfirmed.push_back((order, number));
                    self.awaited += u32::from(self.acknowledge_each == 1);
                    self.confirm(pair, 0, now, &counted);
                }
                (number, false)
            }
            News::Delivered { by, upto } => {
                self.confirm((person as u32, by), upto, now, &counted);
                return false;
            }
            News::Fault(why) | News::Ended(why) => {
                self.faults.told.push(why);
                return false;
            }
            News::Live | News::Counted(_) => return false,
        };
        let hears = (person / self.width) as u32;
        let Some(item) = self.items.get_mut(number as usize).filter(|item| !arrival || item.to == hears) else {
            self.faults.astray += 1;
            return false;
        };
        if if arrival { item.missing == 0 } else { item.accepted } {
            self.faults.repeated += 1;
            return false;
        }
        let times = if arrival {
            item.missing -= 1;
            &mut self.latency
        } else {
            item.accepted = true;
            &mut self.accepted
        };
        if arrival && item.missing > 0 {
            return false;
        }
        if counted(item.due) {
            times.saturating_record((now - item.due).as_nanos() as u64);
        }
        let done = item.missing == 0 && item.accepted;
        self.open -= u32::from(done);
        done
    }

    /// What one has sent to the other was delivered, up to an order.
    fn confirm(&mut self, pair: (u32, u32), upto: u64, now: Instant, counted: &impl Fn(Instant) -> bool) {
        let Pair { upto: known, unconfirmed } = self.pairs.entry(pair).or_default();
        *known = upto.max(*known);
        while let Some((_, number)) = unconfirmed.pop_front_if(|(order, _)| *order <= *known) {
            self.awaited -= u32::from(self.acknowledge_each == 1);
            let due = self.items[number as usize].due;
            if counted(due) {
                self.delivered.saturating_record((now - due).as_nanos() as u64);
            }
        }
    }
}

impl Exchange {
    /// Runs it. `cpu` tells the servers' CPU time so far.
    pub(super) fn run(
        &self,
        crowd: &mut Crowd,
        mut cpu: impl FnMut() -> anyhow::Result<Duration>,
    ) -> anyhow::Result<Outcome> {
        let mut random = SmallRng::seed_from_u64(1);
        let mut tally = Tally::new(crowd.acknowledge_each, self.to.width());
        let mut messages = 0;

        let began = Instant::now();
        let from = began + self.warm;
        let to = from + self.measured;
        let mut start: Option<(Meter, Duration)> = None;
        let mut measured: Option<(f64, Duration, Duration)> = None;
        let mut last_change = began;
        loop {
            let now = Instant::now();
            if start.is_none() && now >= from {
                start = Some((Meter::begin()?, cpu()?));
            }
            if let Some((meter, before)) = start.as_ref().filter(|_| measured.is_none() && now >= to) {
                measured = Some((meter.share()?, cpu()? - *before, from.elapsed()));
            }
            if now >= to && measured.is_some() {
                let patience = if tally.open + tally.awaited == 0 { AFTERMATH } else { PATIENCE };
                if now >= last_change + patience {
                    break;
                }
            }
            let mut due = self.due(tally.items.len(), began, tally.open, now);
            for _ in 0..BURST {
                if due > now || due >= to {
                    break;
                }
                self.send(crowd, &mut tally, &mut random, due);
                due = self.due(tally.items.len(), began, tally.open, now);
            }
            let wake = if now < from {
                due.min(from)
            } else if now < to {
                due.min(to)
            } else {
                now + AFTERMATH
            };
            crowd.turn(wake, |person, now, news| {
                let counted = |due: Instant| (from..to).contains(&due);
                last_change = now;
                if tally.take(person, now, news, counted) && measured.is_none() && now >= from {
                    messages += 1;
                }
            })?;
        }
        let Tally { open, awaited, mut faults, latency, accepted, delivered, .. } = tally;
        faults.lost = u64::from(open + awaited);
        let (generator, cpu, time) = measured.expect("the loop ends after the measured time");
        Ok(Outcome { messages, time, cpu, latency, accepted, delivered, generator, faults })
    }

    /// Sends the next item.
    fn send(&self, crowd: &mut Crowd, tally: &mut Tally, random: &mut SmallRng, due: Instant) {
        let (item, people, width) = (tally.items.len() as u32, crowd.people.len(), tally.width);
        let hears = match self.to {
            To::One(recipient) => recipient,
            To::Anybody | To::Partner | To::Groups { .. } => random.random_range(0..people),
        };
        let sender = match self.to {
            To::Groups { .. } => hears,
            To::Partner => hears ^ 1,
            To::Anybody | To::One(_) => (hears + random.random_range(1..people)) % people,
        };
        match self.to {
            To::Groups { .. } => crowd.send_to(item, sender, &tokens::group(hears / width)),
            To::Anybody | To::One(_) | To::Partner => crowd.send(item, sender, hears),
        }
        let (from, to, missing) = (sender as u32, (hears / width) as u32, width as u32);
        tally.items.push(Item { from, to, due, missing, accepted: !self.answers });
        tally.open += 1;
    }

    /// When the next item is to be sent; far away if it waits for another one.
    fn due(&self, sent: usize, began: Instant, open: u32, now: Instant) -> Instant {
        match self.load {
            Load::Open { rate } => began + Duration::from_secs(1) * sent as u32 / rate,
            Load::Closed { window } if open < window => now,
            Load::Closed { .. } => now + PATIENCE,
        }
    }
}
