//! Simpler rules, each of which breaks something.

/// A simpler rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// The device's own record first, then the marks of pairs.
    OwnFirst,
    /// A hint says who sent everything that is acknowledged.
    HintsWithoutBounds,
    /// What is above the device's own mark is new, whatever the run in which it was given.
    AboveOwnIsNew,
    /// An acknowledgement covers everything below it.
    CoversAllBelow,
    /// What the mailbox holds up to the sequence was acknowledged.
    AnyEntryBelow,
    /// What is remembered is not forgotten with the connection.
    RemembersForEver,
    /// A record is written over whatever is stored by then.
    NoCompareAndSet,
    /// A lost acknowledgement is repeated by the next one: it says nothing of what its own session was not given.
    SaysItsOwnAlone,
    /// A mark says that everything below it was delivered.
    PassesOver,
    /// Who has read up to an order could read everything below it.
    ReadsWhatIsGone,
}
