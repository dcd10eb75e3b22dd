//! What a follower waits for, and what it holds while it does.

use std::sync::Arc;

use dunlin_schema::{
    Millis, Position, Seq,
    read::{ReadAnswer, Source},
};

/// Each variant holds what it alone needs.
#[derive(Debug)]
pub(super) enum Mode {
    /// Waiting for the interest, then for a reader's first word.
    Opening { live_only: bool, word: FirstWord },
    /// Entries are given as they come.
    Live,
    /// Entries that come are only heard of.
    Reading { plan: Plan, waits_for: WaitsFor },
    /// Nothing is given before the windows were looked up.
    Looking { then: Then, look: Look },
    /// Nothing more is given: the person is no member any more, and has what they may have.
    Ended,
    /// The log does not hold what the cursor says. Nothing is given until the reader has compared.
    Doubting { why: Doubt, verdict: Verdict, carried: Carried },
}

/// How far the opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstWord {
    /// The interest is not in place yet.
    NoInterest,
    /// The reader has been asked.
    Asked,
    /// It did not answer, and is asked again.
    AskAt(Millis),
}

/// What goes along from mode to mode until the follower is live.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    /// Whether `caught_up` is still to be said.
    pub(super) owes_caught_up: bool,
    /// Reads that failed, one after the other.
    pub(super) failures: u32,
}

impl Carried {
    /// Of a follower that has something to say once it is caught up.
    pub(super) const OWING: Carried = Carried { owes_caught_up: true, failures: 0 };
}

/// How the log is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) source: Source,
    pub(super) footing: Footing,
    /// Whether only the leader's word ends it.
    pub(super) to_the_end: bool,
    pub(super) carried: Carried,
}

/// What follows once the windows were looked up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// The log is read.
    Read(Plan),
    /// Everything is given, unless more was heard of meanwhile.
    Settle(Carried),
}

/// How far the looking up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is asked, under this number.
    Asked(u32),
    /// It was not answered, and is asked again.
    AskAt(Millis),
}

/// Where a read begins, and what its answer must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// At `given`: the answer must prove that nothing is missing behind it.
    Given,
    /// At `given`, which is of another epoch: a gap is owed, and the log goes on behind `given` if that is still there.
    OtherEpoch,
    /// With the first entry stored after `given`'s time, since `given` is not there: a gap is owed.
    Time,
}

/// What a read waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum WaitsFor {
    /// The socket must take what is queued.
    Drain,
    /// The session's other logs are being read, as many as may be at once.
    Line,
    /// The former read failed.
    Time(Millis),
    /// A read that began before something changed: its answer says nothing.
    FormerAnswer,
    /// The answer.
    Answer(AsOf),
}

/// What was known when a read began.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsOf {
    pub(super) began: Millis,
    pub(super) heard: Seq,
    pub(super) covers: Position,
}

/// Why the reader is to compare itself with the stream.
#[derive(Clone, Debug)]
pub(super) enum Doubt {
    /// The cursor's epoch is above the reader's.
    Epoch,
    /// The entry at the cursor is another one, or the log ends below it.
    Entry,
    /// The log ends below what the reader had read: it went back, or whoever answered does not lead any more.
    End,
    /// The entry at the cursor is gone, and older ones are there: it was erased, or the log went back. What was read is given once the
    /// reader has verified that the log did not go back.
    Erased(Arc<Held>),
}

/// How far a doubt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The reader has been asked since the doubt arose.
    Asked,
    /// The reader was asked before the doubt arose: its answer says nothing, and it is asked again then.
    AskedBefore,
    /// It did not answer, and is asked again.
    AskAt(Millis),
}

/// An answer, and the read that it answers.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) answer: ReadAnswer,
    pub(super) plan: Plan,
    pub(super) as_of: AsOf,
}
