//! Messages to people who are not there: what waits for them.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use super::{
    crowd::{Crowd, News},
    exchange::Faults,
};

/// Items 0, 1, 2, … on schedule, each to the next of `names`, from the next of the people `senders`.
pub(super) struct Fill<'a> {
    pub(super) senders: Range<usize>,
    pub(super) names: &'a [String],
    pub(super) items: u32,
    /// Items a second.
    pub(super) rate: u32,
    /// Whether the names are of groups, whose senders are given what they say.
    pub(super) heard: bool,
}

/// How long the last `accepted` may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Fill<'_> {
    /// Sends them all and waits until all are accepted.
    pub(super) fn run(&self, crowd: &mut Crowd) -> anyhow::Result<Faults> {
        let (began, mut sent, mut accepted) = (Instant::now(), 0, vec![false; self.items as usize]);
        let (mut faults, mut left, mut last) = (Faults::default(), self.items, began);
        while left > 0 && Instant::now() < last + PATIENCE {
            let now = Instant::now();
            let due = began + Duration::from_secs(1) * sent / self.rate;
            if sent < self.items && due <= now {
                let from = self.senders.start + sent as usize % self.senders.len();
                crowd.send_to(sent, from, &self.names[sent as usize % self.names.len()]);
                sent += 1;
            }
            let wake = if sent < self.items { due } else { now + PATIENCE };
            crowd.turn(wake, |_, now, news| match news {
                News::Accepted(item, _) => match accepted.get_mut(item as usize) {
                    Some(true) => faults.repeated += 1,
                    Some(known) => (*known, left, last) = (true, left - 1, now),
                    None => faults.astray += 1,
                },
                News::Entry(_) if self.heard => {}
                News::Live | News::Entry(_) | News::Delivered { .. } | News::Counted(_) => faults.astray += 1,
                News::Fault(why) | News::Ended(why) => faults.told.push(why),
            })?;
        }
        faults.lost = u64::from(left);
        Ok(faults)
    }
}
