//! What a schedule of a group must never show.

listed! {
    /// What a schedule must never show.
    Rule {
    /// A device was given an entry that its person may not read.
    Outside,
    /// A device lacks an entry that its person may read, and no gap tells of it.
    Lost,
    /// A device that keeps its cursor was given an entry twice, or a lower one behind a higher.
    Disorder,
    /// A gap where nothing was ever lost.
    FalseGap,
    /// Something is stored of somebody whom the group did not let at that place of its log.
    Admitted,
    /// A request is stored twice.
    StoredTwice,
    /// Two answers to one request differ, or one names a place where it does not stand.
    WrongAnswer,
    /// What is stored was refused, or what was refused is stored.
    RefusedAndStored,
    /// It was refused, and at no moment since it was asked the group was such that it had to be.
    Unjustified,
    /// A group that is there has no owner.
    NoOwner,
    /// A record was written over by one of an earlier entry.
    Backwards,
    /// At the end the records are not what the log makes of the group.
    StateDiffers,
    /// After all faults ended somebody had no answer, or the records stood still.
    Stalled,
    /// A core panicked.
    Panicked,
    }
}
