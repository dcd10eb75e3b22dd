//! The simpler rules of groups of COUNTEREXAMPLES.md, each planted where the world stands between the real cores. Each must be caught.
//!
//! Not planted: that what was known of the log is known over the next connection. The numbers of a log that went back have to fit again,
//! which chance hardly brings about; `tests/suites/workers/groups/killed.rs` does it on a real server.

use dunlin_schema::{Seq, Windows};

use super::{rule::Rule, shape::Shape};

listed! {
    /// A simpler rule.
    Plant {
    // Storing.
    /// The first to append behind anything is right: nothing is expected of the log's end.
    AppendWithoutExpectation,
    /// Whether somebody may is checked before the id is looked for.
    MembershipBeforeId,
    /// Whoever has the shard refuses by what it knows.
    RefusesUnread,
    /// JetStream drops every repeat.
    WindowIsForEver,
    /// The log is the truth about membership.
    LogIsTheTruth,
    /// Nothing was appended by others: STATE is all that there is.
    StateIsTheTruth,
    /// The last owner leaves, then somebody is promoted.
    LeavesBeforePromoting,
    // Records.
    /// The group's record first, then the members'.
    GroupRecordFirst,
    /// Records are written over, whatever stands there.
    NoCompareAndSet,
    /// What is read of a log is applied, whatever was before.
    AppliesAnything,
    /// It is saved how far the log was read before its records are written.
    SavedBeforeApplied,
    /// In a new epoch a worker goes on behind what it has read, though STATE went back.
    GoesOnFromMemory,
    /// The deletion of a group concerns who is in it.
    EndsWhoIsInIt,
    /// What says that a group is to be ended goes with a group that is no more alone.
    EndingOfDeletedAlone,
    /// What says so is of no use where the group's record does not.
    EndingIsNotAwaited,
    // Following.
    /// The log's entries end a follower, so no look is needed after a gap.
    NoLookAfterGap,
    /// The member's record decides where a read begins and ends.
    MemberRecordDecides,
    /// A member has joined and left, once each.
    JoinedAndLeftOnce,
    /// A hint is believed instead of STATE.
    HintIsBelieved,
    /// What is looked up counts for what is stored meanwhile.
    LookedUpForLater,
    /// A cursor is a permission.
    CursorPermits,
    }
}

impl Plant {
    /// What it breaks.
    pub fn breaks(self) -> &'static [Rule] {
        use Plant::*;
        match self {
            AppendWithoutExpectation => &[Rule::Admitted, Rule::NoOwner],
            MembershipBeforeId => &[Rule::RefusedAndStored],
            RefusesUnread => &[Rule::Unjustified, Rule::RefusedAndStored],
            WindowIsForEver => &[Rule::StoredTwice],
            LogIsTheTruth | StateIsTheTruth => &[Rule::Unjustified, Rule::Admitted],
            LeavesBeforePromoting => &[Rule::NoOwner],
            GroupRecordFirst | SavedBeforeApplied | GoesOnFromMemory => &[Rule::StateDiffers],
            EndsWhoIsInIt | EndingOfDeletedAlone | EndingIsNotAwaited => &[Rule::StateDiffers],
            NoCompareAndSet | AppliesAnything => &[Rule::Backwards, Rule::StateDiffers],
            NoLookAfterGap | MemberRecordDecides | HintIsBelieved | LookedUpForLater | CursorPermits => {
                &[Rule::Outside]
            }
            JoinedAndLeftOnce => &[Rule::Lost],
        }
    }

    /// Makes a schedule such that the rule can matter.
    pub(super) fn shape(self, shape: &mut Shape) {
        use Plant::*;
        match self {
            AppendWithoutExpectation | NoCompareAndSet => shape.faults.stops_between = 100,
            GoesOnFromMemory => shape.faults.power_loss = 60,
            EndsWhoIsInIt | EndingIsNotAwaited => (shape.deletes, shape.faults.worker_crash) = (500, 200),
            EndingOfDeletedAlone => (shape.deletes, shape.faults.power_loss) = (500, 60),
            NoLookAfterGap => (shape.faults.live_lost, shape.faults.burst) = (500, 200),
            JoinedAndLeftOnce => shape.history = false,
            MembershipBeforeId
            | RefusesUnread
            | WindowIsForEver
            | LogIsTheTruth
            | StateIsTheTruth
            | LeavesBeforePromoting
            | GroupRecordFirst
            | AppliesAnything
            | SavedBeforeApplied
            | MemberRecordDecides
            | HintIsBelieved
            | LookedUpForLater
            | CursorPermits => {}
        }
    }

    /// Whether what was written is not looked at again.
    pub(super) fn is_blind(self) -> bool {
        matches!(self, Plant::NoCompareAndSet | Plant::AppliesAnything)
    }

    /// [`Plant::JoinedAndLeftOnce`]: a pair in the place of the windows.
    pub(super) fn pair(windows: &Windows) -> Windows {
        let Some(last) = windows.iter().last() else { return Windows::default() };
        let mut pair = Windows::open_from(last.from);
        last.until.into_iter().for_each(|until| pair.close(until));
        pair
    }

    /// [`Plant::CursorPermits`]: everything from somewhere on.
    pub(super) fn everything() -> Windows {
        Windows::open_from(Seq(0))
    }
}
