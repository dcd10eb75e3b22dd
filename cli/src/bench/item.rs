//! What is sent: a message whose id tells which one it is.
//!
//! The id is a ULID: its time, then the number of the run (45 bits) and the number of the item in the run (35 bits).

use dunlin_schema::{MessageId, Millis};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of a message's text.
pub(super) const BODY: usize = 200;
/// Characters of an id.
const ID: usize = 26;
/// Characters of an id that are the item's number.
const NUMBER: usize = 7;
/// Characters of an id that are the run's number.
const RUN: usize = 9;

/// The ids of one run.
#[derive(Clone)]
pub(super) struct Ids {
    run: u64,
    text: String,
}

impl Ids {
    /// The ids of a run that no other run shares.
    pub(super) fn new() -> Ids {
        let run = rand::random::<u64>() >> 19;
        let mut ids = Ids { run, text: String::new() };
        ids.text = ids.id(0)[ID - NUMBER - RUN..ID - NUMBER].to_owned();
        ids
    }

    /// The id of an item that is sent now.
    pub(super) fn id(&self, item: u32) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        MessageId::from_parts(Millis(now), u128::from(self.run) << 35 | u128::from(item)).to_string()
    }

    /// The item that an id names, if the id is one of this run.
    pub(super) fn item(&self, id: &[u8]) -> Option<u32> {
        let number = id.get(ID - NUMBER..ID)?;
        if &id[ID - NUMBER - RUN..ID - NUMBER] != self.text.as_bytes() {
            return None;
        }
        let value = number.iter().try_fold(0u64, |value, letter| Some(value << 5 | u64::from(digit(*letter)?)))?;
        u32::try_from(value).ok()
    }

    /// The text of an item: its id, so that a relay without ids carries it too, and as many dots as make up the size.
    pub(super) fn text(&self, item: u32) -> String {
        let mut text = self.id(item);
        text.extend(std::iter::repeat_n('.', BODY - ID));
        text
    }
}

/// The value of a letter. Source: Crockford's base 32.
fn digit(letter: u8) -> Option<u8> {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    LETTERS.iter().position(|known| *known == letter).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_item_in_its_own_run_only() {
        let (ids, others) = (Ids::new(), Ids::new());
        for item in [0, 1, 31, 32, 1_000_000, u32::MAX] {
            assert_eq!(ids.item(ids.id(item).as_bytes()), Some(item));
            assert_eq!(ids.item(&ids.text(item).as_bytes()[..26]), Some(item));
            assert_eq!(others.item(ids.id(item).as_bytes()), None);
        }
        assert_eq!(ids.text(7).len(), BODY);
        assert_eq!(ids.item(b"short"), None);
    }
}
