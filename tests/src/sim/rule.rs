//! What a schedule must never show, and how it is told where one does.

use std::fmt;

listed! {
    /// What a schedule must never show.
    Rule {
    /// A device lacks an entry, and no gap tells of it.
    Lost,
    /// An application that keeps its cursor was given an entry twice.
    Repeated,
    /// Within an epoch a device was given a lower sequence after a higher one.
    Disorder,
    /// A device was told that it is caught up, and lacks what every reader had published before it asked.
    Early,
    /// A gap where nothing was lost and everything could be proved.
    FalseGap,
    /// A cursor that can't be true was taken without a gap or a refusal.
    SilentForgery,
    /// An item is stored twice in a log.
    StoredTwice,
    /// An erased item was stored again.
    Risen,
    /// An append was said to be done, and the item is not in the stream.
    NotStored,
    /// A sent copy's or an answer's order is not the one that the recipient's log gave.
    WrongOrder,
    /// An item was refused as too old though it could have been looked up.
    NotTooOld,
    /// An item was looked for and said not to be there, and it was all along.
    Overlooked,
    /// A promise of a reader is not true of the stream.
    FalsePromise,
    /// An epoch began though nothing can have gone back, or with a name that does not rise.
    FalseEpoch,
    /// After all faults ended a session never became live, or a sender never got its answer.
    Stalled,
    /// A reader that was told the time asks for a time that has passed: its process would spin.
    Restless,
    /// A core panicked.
    Panicked,
    /// A power loss took an accepted item, and its sender, that was told, did not bring it back.
    NotRepeated,
    }
}

/// The first thing in a schedule that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation<R = Rule> {
    /// What was broken.
    pub rule: R,
    /// By what.
    pub text: String,
}

impl<R: fmt::Debug> fmt::Display for Violation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)
    }
}
