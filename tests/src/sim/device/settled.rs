//! The end of a schedule: what every device must have seen by then.

use dunlin_schema::MessageId;

use super::{Fate, Rule, World};

impl World {
    /// What is still open though nothing fails any more; `None` when all is well.
    pub(crate) fn unsettled(&mut self) -> Option<(Rule, String)> {
        if let Some(unready) = self.unready_gateway() {
            return Some((Rule::Stalled, unready));
        }
        for device in 0..self.devices.count() {
            let found = &self.devices.list[device];
            if let Some(id) = self.unanswered(device).first() {
                return Some((Rule::Stalled, format!("device {device} has no answer for {id}")));
            }
            if let Some(session) = found.session.filter(|session| self.believes_a_forgery(*session)) {
                return Some((
                    Rule::SilentForgery,
                    format!("session {session} of device {device} took a forged cursor for true"),
                ));
            }
            // What a device sent it has: its own copies are not given to it.
            let has = |item: (usize, MessageId)| {
                item.0 == found.user && found.sendings.iter().any(|sending| sending.id == item.1)
            };
            if let Some(lacking) = self.history.lacking(found.history, has) {
                return Some(lacking);
            }
            for sending in found
                .sendings
                .iter()
                .filter(|sending| sending.own && sending.known && !sending.refused && found.faithful)
            {
                let item = (found.user, sending.id);
                for log in [sending.to, found.user] {
                    let mut facts = self.history.of_item(log, item).peekable();
                    let taken =
                        facts.peek().is_some() && facts.all(|fact| matches!(fact.fate, Fate::Lost(_)) && fact.accepted);
                    // Of what was erased no copy is made again; and what is too old to tell may be there.
                    let erased = self.history.tombstone_of(log, item) || self.history.tombstone_of(sending.to, item);
                    if taken && !erased && !self.history.too_old.contains(&(log, item)) {
                        let text = format!("{item:?} is not in log {log} any more");
                        return Some((Rule::NotRepeated, text));
                    }
                }
            }
        }
        None
    }
}
