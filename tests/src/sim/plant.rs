//! The simpler rules of COUNTEREXAMPLES.md, each planted at the boundary of the real cores: the world misreports what a core is told, or
//! changes what it says, so that the whole behaves as the simpler rule would. Each must be caught.

use dunlin_gateway::session::AppendKey;
use dunlin_nats::append::core::{Item, Step};
use dunlin_schema::{
    Entry, Millis, Position, Seq,
    heads::HeadsAnswer,
    live::LiveEntry,
    read::{Evidence, ReadAnswer, ReadRequest},
    record::ReaderRecord,
};
use dunlin_workers::deliver::core::Compared;

use super::shape::Shape;

/// A simpler rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plant {
    /// After a gap the sender repeats only what it sent since the gap's beginning.
    RepeatsSinceTheGap,
    /// What was unanswered at a gap is not repeated once more after its answer.
    UnansweredAtTheGapIsFine,
}

impl Plant {
    /// Every rule.
    pub const ALL: &[Plant] = &[Plant::RepeatsSinceTheGap, Plant::UnansweredAtTheGapIsFine];

    pub(crate) fn shape(self, _shape: &mut Shape) {}
    pub(crate) fn item(self, _item: &mut Item, _window_whole: &mut bool, _now: Millis) {}
    pub(crate) fn expect(self, expect: Option<Seq>) -> Option<Seq> {
        expect
    }
    pub(crate) fn ask(self, step: Step) -> Step {
        step
    }
    pub(crate) fn message_id(self, _id: &mut String, _item: &Item) {}
    pub(crate) fn publishes_wait_for_the_link(self) -> bool {
        false
    }
    pub(crate) fn asks_a_follower_for_the_last(self) -> bool {
        false
    }
    pub(crate) fn append(self, _key: &AppendKey, _entry: &mut Entry) {}
    pub(crate) fn read(self, _answer: &mut ReadAnswer, _request: &ReadRequest) {}
    pub(crate) fn evidence(self, _evidence: &mut Evidence, _count: u64) {}
    pub(crate) fn record(self, _record: &mut ReaderRecord, _now: u64) {}
    pub(crate) fn live(self, _live: &mut LiveEntry) {}
    pub(crate) fn heads(self, _answer: &mut HeadsAnswer) {}
    pub(crate) fn compared(self, _compared: &mut Compared, _position: Option<Position>) {}
    pub(crate) fn leaves_tombstones(self) -> bool {
        true
    }
}
