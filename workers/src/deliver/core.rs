//! What `deliver` does with the entries of a shard, decided without I/O.
//!
//! Drive it with what a reader says for its role, in that order: [`Deliver::begin`], [`Deliver::entry`], and [`Deliver::lost`] when the
//! shard is not the reader's any more. What is promised: a published `after` and every answered floor are true of the log as this reader
//! read it; an answer's position covers only entries that were handed out before it.

use bytes::Bytes;
use dunlin_schema::{
    Peer, Position, Seq,
    heads::{Head, HeadsAnswer},
    limits,
    live::LiveEntry,
};

use super::heads::Heads;

/// The heads of the logs of one shard.
#[derive(Clone, Debug)]
pub struct Deliver {
    heads: Heads,
}

impl Deliver {
    /// Knows nothing yet, and remembers at most so many logs: see [`limits::Bounds::heads_map`].
    pub fn new(heads_map: usize) -> Deliver {
        Deliver { heads: Heads::new(Seq(0), heads_map) }
    }

    /// Logs in the map of heads.
    pub fn mailboxes(&self) -> usize {
        self.heads.len()
    }

    /// What comes next follows this position.
    pub fn begin(&mut self, position: Position) {
        self.heads.clear(position.seq);
    }

    /// The shard is somebody else's.
    pub fn lost(&mut self) {
        self.heads.clear(Seq(0));
    }

    /// The next entry, and whose log holds it: what is published of that log; nothing for what is in no log. Before one that comes after a
    /// hole there may be entries of anybody.
    pub fn entry(
        &mut self,
        position: Position,
        after_hole: bool,
        owner: Option<&Peer>,
        payload: Bytes,
    ) -> Option<LiveEntry> {
        if after_hole {
            self.heads.clear(position.seq);
        }
        let after = self.heads.rise(owner?.clone(), Head { seq: position.seq, time: position.time });
        Some(LiveEntry { position, after, entry: payload })
    }

    /// How far these logs have come, by a reader that is live at this position; `None` for one that is not, and for too many at once.
    pub fn heads(&self, live_at: Option<Position>, logs: &[Peer]) -> Option<HeadsAnswer> {
        let position = live_at.filter(|_| logs.len() <= limits::HEADS_PAGE)?;
        let heads = logs.iter().map(|owner| self.heads.get(owner)).collect();
        Some(HeadsAnswer { position, floor: self.heads.floor(), heads })
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Epoch, StreamTime};

    use super::*;

    fn at(seq: u64) -> Position {
        Position { epoch: Epoch(7), seq: Seq(seq), time: StreamTime(1_000 + seq) }
    }

    fn name(user: &str) -> Peer {
        Peer::User(user.parse().unwrap())
    }

    #[test]
    fn a_hole_empties_the_map_and_raises_the_floor() {
        let mut core = Deliver::new(1_000);
        core.begin(at(40));
        let steps = [
            // whose entry, where, whether others were gone before it; what nothing of this log stands between
            ("bob", 41, false, Some(40)),
            ("#team", 42, false, None),
            ("carol", 45, true, Some(45)),
            ("bob", 46, false, Some(45)),
            ("carol", 47, false, Some(45)),
            ("#team", 50, true, None),
            ("carol", 51, false, Some(50)),
        ];
        for (user, seq, after_hole, after) in steps {
            let payload = Bytes::from_static(b"?");
            let expected =
                after.map(|after| LiveEntry { position: at(seq), after: Seq(after), entry: payload.clone() });
            let owner = user.parse().ok().map(Peer::User);
            assert_eq!(core.entry(at(seq), after_hole, owner.as_ref(), payload), expected, "{user} {seq}");
        }
        let answer = core.heads(Some(at(51)), &[name("carol"), name("bob")]).unwrap();
        let carol = Head { seq: Seq(51), time: StreamTime(1_051) };
        assert_eq!(answer, HeadsAnswer { position: at(51), floor: Seq(50), heads: vec![Some(carol), None] });
    }

    #[test]
    fn only_a_live_reader_answers_and_only_a_page_at_once() {
        let mut core = Deliver::new(1_000);
        core.begin(at(40));
        assert_eq!(core.heads(None, &[name("bob")]), None);
        assert_eq!(core.heads(Some(at(40)), &vec![name("bob"); limits::HEADS_PAGE + 1]), None);
        let answer = core.heads(Some(at(40)), &vec![name("bob"); limits::HEADS_PAGE]).unwrap();
        assert_eq!((answer.floor, answer.heads.len()), (Seq(40), limits::HEADS_PAGE));
        core.lost();
        assert_eq!(core.mailboxes(), 0);
    }
}
