//! What of a log its device may be given: of the mailbox everything, of a group's log what lies inside its person's windows.
//!
//! Windows are looked up with the leaders of STATE and of the log, as of a place of the shard; behind it the log's own entries open and
//! close them, each at its place. Whoever may have missed one of those looks again, and is given nothing until then.

use dunlin_schema::{Content, LogName, Seq, StreamTime, Turn, Windows, index::Place};

use super::{Author, tail::Told};

/// What somebody may read of a group's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// These entries.
    pub windows: Windows,
    /// As of this place of the shard: whatever the log held up to there is taken account of.
    pub upto: Place,
}

/// What of a log its device may be given.
#[derive(Debug)]
pub(super) enum Reach {
    /// All of it: it is the person's own.
    Everything,
    /// Nothing, until the windows were looked up.
    Unknown,
    /// What comes, until an entry says otherwise. All that most followers hold.
    Onwards,
    /// What lies in windows.
    Within(Box<Sight>),
}

impl Reach {
    /// Of a log of which nothing else is known.
    pub(super) fn of(log: &LogName) -> Reach {
        match log {
            LogName::Mailbox => Reach::Everything,
            LogName::Group(_) => Reach::Unknown,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Reach::Unknown)
    }

    /// An entry about the membership may have been missed.
    pub(super) fn doubt(&mut self) {
        match self {
            Reach::Everything => {}
            Reach::Unknown | Reach::Onwards | Reach::Within(_) => *self = Reach::Unknown,
        }
    }

    /// The windows were looked up.
    pub(super) fn looked(&mut self, sight: Sight) {
        *self = Reach::Within(Box::new(sight));
    }

    /// Whether the entry of this sequence, which comes next, may be given; what it says of windows counts from here on.
    pub(super) fn takes(&mut self, seq: Seq, told: &Told, me: &Author) -> bool {
        match self {
            Reach::Everything => true,
            Reach::Unknown => false,
            Reach::Onwards => {
                if told.turn(me) == Some(Turn::Goes) {
                    let mut windows = Windows::open_from(Seq(0));
                    windows.close(seq);
                    let upto = Place { seq, time: StreamTime::default() };
                    *self = Reach::Within(Box::new(Sight { windows, upto }));
                }
                true
            }
            Reach::Within(sight) => {
                let goes = seq > sight.upto.seq && told.turn(me) == Some(Turn::Goes);
                if goes {
                    sight.windows.close(seq);
                }
                sight.windows.contain(seq)
            }
        }
    }

    /// Whether everything that comes next is given, whatever it is that does not speak of members.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Reach::Everything | Reach::Onwards)
    }

    /// Whether nothing behind this sequence may be given, nor ever will be before the windows are looked up again.
    pub(super) fn ends_at(&self, seq: Seq) -> bool {
        match self {
            Reach::Everything | Reach::Unknown | Reach::Onwards => false,
            Reach::Within(sight) => !sight.windows.are_open() && sight.windows.last().is_none_or(|last| last <= seq),
        }
    }

    /// Whether no more may be given than is there by now.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Reach::Everything | Reach::Unknown | Reach::Onwards => false,
            Reach::Within(sight) => !sight.windows.are_open(),
        }
    }

    /// Whether what was looked up takes account of all that stood below this sequence, which is the first one that is still there.
    pub(super) fn meets(&self, first: Seq) -> bool {
        match self {
            Reach::Everything | Reach::Onwards => true,
            Reach::Unknown => false,
            Reach::Within(sight) => first <= sight.upto.seq,
        }
    }

    /// Below this sequence there is nothing to give.
    pub(super) fn begins(&self) -> Seq {
        match self {
            Reach::Everything | Reach::Unknown | Reach::Onwards => Seq(0),
            Reach::Within(sight) => sight.windows.first().unwrap_or_default(),
        }
    }

    /// The writer has taken everything up to this sequence: the windows below it are needed no more.
    pub(super) fn forget_below(&mut self, seq: Seq) {
        if let Reach::Within(sight) = self
            && seq > Seq(0)
            && sight.windows.are_open()
            && sight.windows.iter().last().is_some_and(|last| last.from <= seq.next())
        {
            *self = Reach::Onwards;
        }
    }
}

impl Told {
    /// What an entry does to the windows of this session's user.
    fn turn(&self, me: &Author) -> Option<Turn> {
        let content = self.of_members()?;
        Turn::of(content, &me.sender())
    }

    /// What an entry says of a group's members, or of the group itself.
    pub(super) fn of_members(&self) -> Option<&Content> {
        let Told::Content(sent) = self else { return None };
        sent.content().filter(|content| matches!(content, Content::Membership(_) | Content::Settings(_)))
    }
}
