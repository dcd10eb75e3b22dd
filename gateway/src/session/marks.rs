//! How far what the user sent has come, and what the user has read, as one device is told: the newest of each pair waits for the socket.
//!
//! Marks are state: what finds no room, or is lost on its way, is read again from STATE, from the revision up to which it was read before.

use std::collections::VecDeque;

use dunlin_schema::{
    Address, Millis, RegionName, Sender, Seq, Spans,
    counts::{GroupCount, GroupSentMarks},
    frame::ServerFrame,
    limits,
    live::{Mark, Receipt},
    record::{ReadMark, SentMarks},
    subject::MarkOf,
};

use super::{ReadFailed, queue::pop};

/// When a read that failed is repeated.
const READ_AGAIN: Millis = Millis(2_000);
/// Revisions of which is remembered that they were told.
const REMEMBERED: usize = 64;

/// What a device is told of one pair. Addresses and senders name their regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    says: Says,
    revision: Seq,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    Receipt {
        by: Option<Sender>,
        to: Address,
        order: Option<Seq>,
        delivered: Option<u64>,
        read: Option<u64>,
        of: Option<u32>,
        time: Millis,
        since: Option<Millis>,
        missing: Spans,
    },
    Marked {
        with: Address,
        read: Seq,
    },
}

impl News {
    /// Of what a worker tells.
    pub(crate) fn of_receipt(receipt: Receipt) -> News {
        match receipt {
            Receipt::Person { by, to, delivered, read, time, revision, epoch, missing } => {
                let (delivered, read) = (delivered.map(|order| order.0), read.map(|order| order.0));
                let (by, since) = (Some(by), Some(epoch.began()));
                let says = Says::Receipt { by, to, order: None, delivered, read, of: None, time, since, missing };
                News { says, revision }
            }
            Receipt::Group { to, order, delivered, read, of, time, revision } => {
                let (delivered, read) = (Some(u64::from(delivered)), Some(u64::from(read)));
                let (order, of) = (Some(order), Some(of));
                let (since, missing) = (None, Spans::default());
                let says = Says::Receipt { by: None, to, order, delivered, read, of, time, since, missing };
                News { says, revision }
            }
        }
    }

    /// Of what a worker tells.
    pub(crate) fn of_mark(Mark { with, read, revision }: Mark) -> News {
        News { says: Says::Marked { with, read }, revision }
    }

    /// Of the record about a group: of each message.
    pub(crate) fn of_sent_to_group(of: MarkOf, marks: GroupSentMarks, revision: Seq) -> impl Iterator<Item = News> {
        let to = address(of);
        marks.messages.into_iter().map(move |GroupCount { order, delivered, read, of, time }| {
            News::of_receipt(Receipt::Group { to: to.clone(), order, delivered, read, of, time, revision })
        })
    }

    /// Of the record about somebody; `None` where it says nothing yet.
    pub(crate) fn of_sent(of: MarkOf, marks: SentMarks, revision: Seq) -> Option<News> {
        let SentMarks { epoch, delivered, read, changes, missing } = marks;
        let time = changes.last().map_or(Millis(0), |change| change.time);
        let dunlin_schema::Peer::User(user) = of.peer.clone() else { return None };
        let (by, to) = (Sender { user, region: of.region.clone() }, address(of));
        delivered.or(read)?;
        Some(News::of_receipt(Receipt::Person { by, to, delivered, read, time, revision, epoch, missing }))
    }

    /// Of the record about a conversation.
    pub(crate) fn of_read(of: MarkOf, mark: ReadMark, revision: Seq) -> News {
        News::of_mark(Mark { with: address(of), read: mark.order, revision })
    }

    /// Whether the other one is about the same and takes this one's place.
    fn is_about_the_same(&self, other: &News) -> bool {
        match (&self.says, &other.says) {
            (
                Says::Receipt { by, to, order, .. },
                Says::Receipt { by: by_other, to: to_other, order: order_other, .. },
            ) => (by, to, order) == (by_other, to_other, order_other),
            (Says::Marked { with, .. }, Says::Marked { with: with_other, .. }) => with == with_other,
            (Says::Receipt { .. }, Says::Marked { .. }) | (Says::Marked { .. }, Says::Receipt { .. }) => false,
        }
    }

    fn frame(self, region: &RegionName) -> ServerFrame {
        match self.says {
            Says::Receipt { by, to, order, delivered, read, of, time, since, missing } => {
                let (by, to) = (by.map(|by| by.seen_from(region).into()), to.seen_from(region).into());
                ServerFrame::Receipt { by, to, order, delivered, read, of, time, since, missing }
            }
            Says::Marked { with, read } => ServerFrame::Marked { with: with.seen_from(region).into(), read },
        }
    }
}

fn address(MarkOf { peer, region, .. }: MarkOf) -> Address {
    Address { peer, region: Some(region) }
}

/// A page of the user's marks, as STATE has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarksRead {
    /// In the order of their revisions.
    pub news: Vec<News>,
    /// Up to this revision nothing is left out.
    pub upto: Seq,
    /// Whether more may follow.
    pub more: bool,
}

/// The marks of one session. Idle, it is a revision.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Up to this revision they were read from STATE, and told.
    upto: Seq,
    busy: Option<Box<Busy>>,
}

#[derive(Debug, Default)]
struct Busy {
    waiting: VecDeque<News>,
    reading: Reading,
    /// Told as they came, above `upto`.
    told: VecDeque<News>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Done,
    UnderWay,
    /// Something was written since the read that is under way began.
    UnderWayAndAgain,
    /// What it brings is not told, and is read again from `upto` on.
    UnderWayInVain,
    /// Once what waits is written.
    WhenDrained,
    At(Millis),
}

impl Marks {
    fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// Reads from STATE now, unless a read is under way. Returns the revision to read from.
    pub(super) fn read(&mut self) -> Option<Seq> {
        let reading = &mut self.busy().reading;
        match reading {
            Reading::UnderWay | Reading::UnderWayAndAgain => {
                *reading = Reading::UnderWayAndAgain;
                None
            }
            // Until then more may come.
            Reading::WhenDrained | Reading::UnderWayInVain => None,
            Reading::Done | Reading::At(_) => {
                *reading = Reading::UnderWay;
                Some(self.upto)
            }
        }
    }

    /// Something is told as it comes.
    pub(super) fn tell(&mut self, news: News) {
        // What was read says as much.
        if news.revision > Seq(0) && news.revision <= self.upto {
            return;
        }
        let busy = self.busy();
        // A worker that is behind, or one of two, tells what it remembers.
        if busy.told.iter().any(|told| told.is_about_the_same(&news) && told.revision > news.revision) {
            return;
        }
        if !busy.put(news.clone()) {
            return;
        }
        if busy.told.len() == REMEMBERED {
            busy.told.pop_front();
            busy.doubt_the_read();
        }
        busy.told.push_back(news);
    }

    /// A record was written under this revision. Returns where to read from if that was not told.
    pub(super) fn changed(&mut self, revision: Seq) -> Option<Seq> {
        let told = revision <= self.upto || self.busy.as_ref().is_some_and(|busy| busy.has_told(revision));
        if told { None } else { self.read() }
    }

    /// What is known may be out of date: everything is read, and told again. Returns the revision to read from.
    pub(super) fn read_all(&mut self) -> Option<Seq> {
        self.upto = Seq(0);
        let busy = self.busy();
        (busy.waiting, busy.told) = (VecDeque::new(), VecDeque::new());
        match busy.reading {
            Reading::UnderWay | Reading::UnderWayAndAgain | Reading::UnderWayInVain => {
                busy.reading = Reading::UnderWayInVain;
                None
            }
            Reading::Done | Reading::WhenDrained | Reading::At(_) => {
                busy.reading = Reading::UnderWay;
                Some(Seq(0))
            }
        }
    }

    /// The read is over.
    pub(super) fn were_read(&mut self, now: Millis, read: Result<MarksRead, ReadFailed>) {
        let Some(busy) = &mut self.busy else { return };
        let again = busy.reading == Reading::UnderWayAndAgain;
        match read {
            Ok(_) if busy.reading == Reading::UnderWayInVain => busy.reading = Reading::WhenDrained,
            Ok(MarksRead { news, upto, more }) => {
                for news in news {
                    // A page is bounded, and the next one waits until this one is written. What was told since it was read is newer.
                    let is_told = |told: &News| told.is_about_the_same(&news) && told.revision >= news.revision;
                    if !busy.told.iter().any(is_told) {
                        busy.replace_or_push(news);
                    }
                }
                self.upto = self.upto.max(upto);
                busy.told.retain(|told| told.revision > upto);
                busy.reading = if more || again { Reading::WhenDrained } else { Reading::Done };
            }
            Err(ReadFailed) => busy.reading = Reading::At(now.plus(READ_AGAIN)),
        }
        self.forget();
    }

    /// All that was taken is written. Returns where to read from, if more is wanted.
    pub(super) fn drained(&mut self) -> Option<Seq> {
        if !self.wait_for_drain() {
            return None;
        }
        self.busy().reading = Reading::UnderWay;
        Some(self.upto)
    }

    /// Time has passed. Returns where to read from, if it is time.
    pub(super) fn tick(&mut self, now: Millis) -> Option<Seq> {
        if self.deadline().is_some_and(|at| now >= at) { self.read() } else { None }
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        match self.busy.as_ref()?.reading {
            Reading::At(at) => Some(at),
            Reading::Done
            | Reading::UnderWay
            | Reading::UnderWayAndAgain
            | Reading::UnderWayInVain
            | Reading::WhenDrained => None,
        }
    }

    pub(super) fn wait_for_drain(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.reading == Reading::WhenDrained && busy.waiting.is_empty())
    }

    pub(super) fn has_frames(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| !busy.waiting.is_empty())
    }

    /// The next frame.
    pub(super) fn take(&mut self, region: &RegionName) -> Option<ServerFrame> {
        let frame = pop(&mut self.busy.as_mut()?.waiting)?.frame(region);
        self.forget();
        Some(frame)
    }

    fn forget(&mut self) {
        self.busy.take_if(|busy| busy.waiting.is_empty() && busy.told.is_empty() && busy.reading == Reading::Done);
    }
}

impl Busy {
    fn has_told(&self, revision: Seq) -> bool {
        self.told.iter().any(|told| told.revision == revision)
    }

    /// A read that is under way may bring what is older than something that was told and is forgotten: what it brings is not told.
    fn doubt_the_read(&mut self) {
        self.reading = match self.reading {
            Reading::UnderWay | Reading::UnderWayAndAgain | Reading::UnderWayInVain => Reading::UnderWayInVain,
            reading @ (Reading::Done | Reading::WhenDrained | Reading::At(_)) => reading,
        };
    }

    /// Returns whether there was room; where there was none, everything that waits is read again once the socket has drained.
    fn put(&mut self, news: News) -> bool {
        if self.waiting.len() < limits::MARKS_WAITING || self.waiting.iter().any(|waits| waits.is_about_the_same(&news))
        {
            self.replace_or_push(news);
            return true;
        }
        self.waiting = VecDeque::new();
        self.told = VecDeque::new();
        self.doubt_the_read();
        if self.reading != Reading::UnderWayInVain {
            self.reading = Reading::WhenDrained;
        }
        false
    }

    fn replace_or_push(&mut self, news: News) {
        match self.waiting.iter_mut().find(|waits| waits.is_about_the_same(&news)) {
            Some(waits) if waits.revision <= news.revision => *waits = news,
            Some(_) => {}
            None => self.waiting.push_back(news),
        }
    }
}
