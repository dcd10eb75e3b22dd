//! What acknowledgements say of a mailbox, and what of it is new.
//!
//! An acknowledgement covers what lies above the place where the device's run of entries began, up to its sequence, and no more. Who sent
//! that is known from the hints that came with it; what they do not cover is read from the mailbox.

use std::collections::BTreeMap;

use dunlin_schema::{Cursor, Epoch, RegionName, Seq, Span, StreamTime, UserName, record::Senders};

use super::pace::Merge;

/// Senders, each with their highest order.
pub type Highest = BTreeMap<UserName, Seq>;

/// A higher order of a sender counts.
pub fn raise(highest: &mut Highest, sender: UserName, order: Seq) {
    let known = highest.entry(sender).or_insert(order);
    *known = order.max(*known);
}

/// Who sent the entries of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hint {
    span: Span,
    highest: Highest,
}

/// What acknowledgements say of one run of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    epoch: Epoch,
    span: Span,
    /// The time of the last entry.
    time: StreamTime,
    hints: Vec<Hint>,
}

/// What acknowledgements of one connection say of a mailbox together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(Vec<Claim>);

/// What has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// In which epoch the device was given it.
    pub epoch: Epoch,
    /// What.
    pub span: Span,
    /// An entry that is younger is not one that the device was given: the log has gone back since.
    pub time: StreamTime,
    /// The run of entries of which it is a part: all of that was given.
    pub run: Span,
}

/// Something new of a sender whom a hint names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who sent it.
    pub sender: UserName,
    /// In which epoch the device was given it.
    pub epoch: Epoch,
    /// Its order.
    pub order: Seq,
    /// The run of entries of which it is a part: all of that was given.
    pub run: Span,
}

/// What is new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Who sent it, as far as that is known.
    pub known: Vec<Known>,
    /// Of which nobody has said who sent it.
    pub unread: Vec<Unread>,
}

impl Claims {
    /// What one acknowledgement says, with the hint that came with it, in this region: somebody of another one is told elsewhere.
    pub fn of(cursor: &Cursor, senders: Option<&Senders>, region: &RegionName) -> Claims {
        let Cursor { position, .. } = cursor;
        let span = Span { above: cursor.began, upto: position.seq };
        let hints = senders.map(|Senders { from, highest }| {
            let span = Span { above: *from, upto: position.seq };
            let here = highest.iter().filter(|(sender, order)| sender.region == *region && span.holds(*order));
            let mut by_user = Highest::new();
            here.for_each(|(sender, order)| raise(&mut by_user, sender.user.clone(), *order));
            Hint { span, highest: by_user }
        });
        let hints = hints.into_iter().collect();
        Claims(vec![Claim { epoch: position.epoch, span, time: position.time, hints }])
    }

    /// What of it is above the cursor that is stored of the device.
    pub fn news(&self, stored: Option<&Cursor>) -> News {
        let mut news = News::default();
        for claim in &self.0 {
            let parts = match stored {
                Some(stored) if stored.position.epoch > claim.epoch => continue,
                Some(stored) if stored.position.epoch == claim.epoch => {
                    claim.span.without(Span { above: stored.began, upto: stored.position.seq }).collect()
                }
                Some(_) | None if claim.span.is_empty() => continue,
                Some(_) | None => vec![claim.span],
            };
            claim.told(&parts, &mut news);
        }
        news
    }
}

impl Claim {
    /// Adds what these parts of it tell.
    fn told(&self, parts: &[Span], news: &mut News) {
        let mut unknown = parts.to_vec();
        for hint in &self.hints {
            for (sender, order) in &hint.highest {
                // Below the highest there may be more of theirs: a part that is all below it may have some.
                if parts.iter().any(|part| part.above < *order) {
                    let (sender, epoch, order) = (sender.clone(), self.epoch, *order);
                    news.known.push(Known { sender, epoch, order, run: self.span });
                }
            }
            unknown = unknown.into_iter().flat_map(|part| part.without(hint.span)).collect();
        }
        let (epoch, time, run) = (self.epoch, self.time, self.span);
        news.unread.extend(unknown.into_iter().map(|span| Unread { epoch, span, time, run }));
    }

    fn merge(&mut self, later: Claim) {
        self.span = self.span.with(later.span);
        self.time = self.time.max(later.time);
        for hint in later.hints {
            match self.hints.iter_mut().find(|known| known.span.meets(hint.span)) {
                Some(known) => {
                    known.span = known.span.with(hint.span);
                    hint.highest.into_iter().for_each(|(sender, order)| raise(&mut known.highest, sender, order));
                }
                None => self.hints.push(hint),
            }
        }
    }
}

impl Merge for Claims {
    fn merge(&mut self, later: Claims) {
        for claim in later.0 {
            match self.0.iter_mut().find(|known| known.epoch == claim.epoch && known.span.meets(claim.span)) {
                Some(known) => known.merge(claim),
                None => self.0.push(claim),
            }
        }
    }
}

#[cfg(test)]
mod tests;
