//! Who reads a shard for a role: one record, compared and set; decided without I/O.
//!
//! A standby looks at the record from time to time and takes it over when it was given back, or has not changed for [`limits::LEASE`] of
//! the standby's own clock. The owner writes it every [`limits::LEASE_RENEWED_EVERY`]; one write that fails, or that takes longer than the
//! lease, and it is a standby again. Two owners at once do no harm to what they read: this only keeps them from lasting.

use dunlin_schema::{Millis, Position, Seq, StreamTime, limits, record::ReaderRecord};

/// How often a standby looks at the record.
pub const LOOK_EVERY: Millis = Millis(500);

/// The owner named by a record that its reader has given back: anyone may take it at once.
pub const NOBODY: &str = "";

/// What a look at the record found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// There is none yet.
    Absent,
    /// This one.
    Record {
        /// What it says.
        record: ReaderRecord,
        /// Its sequence in STATE: what the next write expects.
        revision: Seq,
        /// When STATE stored it.
        stamp: StreamTime,
    },
    /// Bytes that are no record any more.
    Damaged {
        /// Their sequence in STATE.
        revision: Seq,
    },
    /// The record could not be read, or a newer release wrote it.
    Failed,
}

/// What a record that may be taken over says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where its reader was, in the epoch that holds since it.
    pub position: Position,
    /// The boot that it names.
    pub boot: String,
}

/// Whether a standby may take the record over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Somebody has it, or it could not be seen.
    Wait,
    /// It may be tried; `None` where no record tells how far anybody came.
    Take(Option<Found>),
}

/// One reader's hold on the record.
#[derive(Clone, Debug)]
pub struct Ownership {
    owner: String,
    /// The revision that the next write expects.
    revision: Seq,
    hold: Hold,
}

#[derive(Clone, Debug)]
enum Hold {
    /// `unchanged`: the revision last seen and since when.
    Standby { unchanged: Option<(Seq, Millis)>, look_at: Millis },
    /// `renewed`: when the last write that succeeded was begun.
    Owner { renewed: Millis, renew_at: Millis },
}

impl Ownership {
    /// A standby that looks at once. `owner` is unique for each run of a reader.
    pub fn new(owner: String) -> Ownership {
        Ownership { owner, revision: Seq(0), hold: Hold::Standby { unchanged: None, look_at: Millis(0) } }
    }

    /// Whether the record is held, as far as this reader's clock tells.
    pub fn is_owner(&self) -> bool {
        matches!(self.hold, Hold::Owner { .. })
    }

    /// Whether a standby has seen somebody's record.
    pub fn sees_an_owner(&self) -> bool {
        matches!(self.hold, Hold::Standby { unchanged: Some(_), .. })
    }

    /// What the next write expects.
    pub fn revision(&self) -> Seq {
        self.revision
    }

    /// When [`Ownership::look_due`], [`Ownership::renewal_due`] or [`Ownership::lapsed`] may next be true.
    pub fn deadline(&self) -> Millis {
        match self.hold {
            Hold::Standby { look_at, .. } => look_at,
            Hold::Owner { renewed, renew_at } => renew_at.min(lapse(renewed)),
        }
    }

    /// When [`Ownership::lapsed`] may next be true; `None` for a standby.
    pub fn lapses_at(&self) -> Option<Millis> {
        match self.hold {
            Hold::Standby { .. } => None,
            Hold::Owner { renewed, .. } => Some(lapse(renewed)),
        }
    }

    /// Whether a standby should look again; says so once for each span of [`LOOK_EVERY`].
    pub fn look_due(&mut self, now: Millis) -> bool {
        match &mut self.hold {
            Hold::Standby { look_at, .. } if *look_at <= now => {
                *look_at = now.plus(LOOK_EVERY);
                true
            }
            Hold::Standby { .. } | Hold::Owner { .. } => false,
        }
    }

    /// Whether the owner should write again; says so once for each span of [`limits::LEASE_RENEWED_EVERY`]. The spans begin at multiples of
    /// it, so that a process renews all its leases at once: one wake-up of it and of its server.
    pub fn renewal_due(&mut self, now: Millis) -> bool {
        match &mut self.hold {
            Hold::Owner { renew_at, .. } if *renew_at <= now => {
                let every = limits::LEASE_RENEWED_EVERY;
                *renew_at = Millis(now.0 - now.0 % every.0).plus(every);
                true
            }
            Hold::Owner { .. } | Hold::Standby { .. } => false,
        }
    }

    /// Whether an owner's last write is so old that a standby may have taken over.
    pub fn lapsed(&self, now: Millis) -> bool {
        self.lapses_at().is_some_and(|at| at <= now)
    }

    /// What a standby's look means.
    pub fn looked(&mut self, now: Millis, looked: &Looked) -> Turn {
        let Hold::Standby { unchanged, .. } = &mut self.hold else { return Turn::Wait };
        let (revision, found, free) = match looked {
            // An owner that could not write while nothing could be read gets its chance first.
            Looked::Failed => {
                *unchanged = None;
                return Turn::Wait;
            }
            Looked::Absent => (Seq(0), None, true),
            Looked::Damaged { revision } => (*revision, None, false),
            Looked::Record { record, revision, stamp } => {
                let position = Position { epoch: record.epoch(*stamp), ..record.position };
                let free = record.owner == NOBODY || record.owner == self.owner;
                (*revision, Some(Found { position, boot: record.boot.clone() }), free)
            }
        };
        let since = match *unchanged {
            Some((seen, since)) if seen == revision => since,
            Some(_) | None => now,
        };
        *unchanged = Some((revision, since));
        if free || now.since(since) >= limits::LEASE {
            self.revision = revision;
            Turn::Take(found)
        } else {
            Turn::Wait
        }
    }

    /// The record that this reader writes to say where it is.
    pub fn record(&self, position: Position, boot: &str) -> ReaderRecord {
        ReaderRecord { owner: self.owner.clone(), position, boot: boot.to_owned(), begins_after: None }
    }

    /// A write begun at `begun` was stored as `revision`: the record is held.
    pub fn stored(&mut self, begun: Millis, revision: Seq) {
        let renew_at = match self.hold {
            Hold::Owner { renew_at, .. } => renew_at,
            Hold::Standby { .. } => begun.plus(limits::LEASE_RENEWED_EVERY),
        };
        self.revision = revision;
        self.hold = Hold::Owner { renewed: begun, renew_at };
    }

    /// A write failed, or the lease lapsed: a standby, that looks again in a while.
    pub fn lost(&mut self, now: Millis) {
        self.hold = Hold::Standby { unchanged: None, look_at: now.plus(LOOK_EVERY) };
    }
}

/// When a lease that was renewed at `renewed` ends.
fn lapse(renewed: Millis) -> Millis {
    renewed.plus(limits::LEASE)
}
