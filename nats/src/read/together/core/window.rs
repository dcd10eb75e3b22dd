//! A stretch of a shard's stream as its only server gave it, page by page, and the answers to reads of single logs out of it.
//!
//! Such an answer is what one batch at the time of the last page would have brought, because
//! - each page is one batch: nats-server stores nothing while it gives one, and its chain is checked;
//! - each page but the first begins with the last entry of the page before it, at the same time: the stream did not go back meanwhile;
//! - JetStream takes a log's entries away oldest first, by count as by age. So where the log's first entry, asked for **after** the last
//!   page, is not above the answer's first one, none behind it had gone when a page came to its place. [`Page::stands_on`] judges that;
//!   without it nothing of an answer may be used. What an erasure takes from between two entries may still be in it: a window lives for
//!   seconds only.
//!
//! None of this holds where several replicas answer: one of them may have taken away what another one still gives.

use std::collections::HashMap;

use bytes::BytesMut;
use dunlin_schema::{Seq, StreamTime, limits, read::StoredEntry};

/// What an entry takes in memory besides its payload, roughly.
const OVERHEAD: usize = 64;

/// An entry, and the subject under which it is stored.
#[derive(Clone, Debug)]
pub(in crate::read::together) struct Message {
    pub(in crate::read::together) subject: String,
    pub(in crate::read::together) entry: StoredEntry,
}

/// A page does not go on where the window ends: the stream is another one now. Nothing may be answered out of either.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::read::together) struct Discontinuity;

/// Everything that the stream held from `from` up to the last entry that was given.
#[derive(Debug)]
pub(in crate::read::together) struct Window {
    from: Seq,
    last: Option<(Seq, StreamTime)>,
    logs: HashMap<String, Vec<StoredEntry>>,
    bytes: usize,
}

/// The part of an answer that a window holds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::read::together) struct Page {
    pub(in crate::read::together) entries: Vec<StoredEntry>,
    /// Whether the window has more behind them.
    pub(in crate::read::together) more: bool,
}

impl Page {
    /// Whether the log's first entry, asked for after the window's last page, shows that the entries are all there were.
    pub(in crate::read::together) fn stands_on(&self, first: Option<Seq>) -> bool {
        // Nobody misses what was gone before anything of the log was found: as with a batch, only evidence can tell of it.
        self.entries.first().is_none_or(|own| first.is_some_and(|first| first <= own.seq))
    }
}

impl Window {
    /// One that holds nothing yet.
    pub(in crate::read::together) fn new(from: Seq) -> Window {
        Window { from, last: None, logs: HashMap::new(), bytes: 0 }
    }

    /// Where it begins.
    pub(in crate::read::together) fn from(&self) -> Seq {
        self.from
    }

    /// Where the next page begins: with the entry that is the last one here.
    pub(in crate::read::together) fn next(&self) -> Seq {
        self.last.map_or(self.from, |(seq, _)| seq)
    }

    /// The last entry's sequence.
    pub(in crate::read::together) fn last(&self) -> Seq {
        self.last.map_or(Seq(0), |(seq, _)| seq)
    }

    /// How much memory it takes.
    pub(in crate::read::together) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the page that begins at [`Window::next`]. Errors: see [`Discontinuity`].
    pub(in crate::read::together) fn take(&mut self, page: Vec<Message>) -> Result<(), Discontinuity> {
        let mut page = page.into_iter();
        if let Some((seq, time)) = self.last {
            let joint = page.next().ok_or(Discontinuity)?.entry;
            if (joint.seq, joint.time) != (seq, time) {
                return Err(Discontinuity);
            }
        }
        // One buffer for all of them: what came are slices of the connection's read buffers, which must not be kept.
        let page = page.as_slice();
        let mut joined = BytesMut::with_capacity(page.iter().map(|message| message.entry.payload.len()).sum());
        page.iter().for_each(|message| joined.extend_from_slice(&message.entry.payload));
        let (joined, mut begin) = (joined.freeze(), 0);
        for Message { subject, entry } in page {
            let end = begin + entry.payload.len();
            let entry = StoredEntry { payload: joined.slice(begin..end), ..*entry };
            begin = end;
            self.bytes += entry.payload.len() + OVERHEAD;
            self.last = Some((entry.seq, entry.time));
            match self.logs.get_mut(subject) {
                Some(log) => log.push(entry),
                None => {
                    self.bytes += subject.len() + OVERHEAD;
                    self.logs.insert(subject.clone(), vec![entry]);
                }
            }
        }
        Ok(())
    }

    /// A page of a log's entries from `from` on, which is not below [`Window::from`].
    pub(in crate::read::together) fn page(&self, subject: &str, from: Seq) -> Page {
        let log = self.logs.get(subject).map_or(&[][..], Vec::as_slice);
        let rest = &log[log.partition_point(|entry| entry.seq < from)..];
        let mut bytes = 0;
        let within = |entry: &&StoredEntry| {
            let room = bytes < limits::READ_BYTES;
            bytes += entry.payload.len();
            room
        };
        let entries: Vec<StoredEntry> = rest.iter().take(limits::READ_ENTRIES).take_while(within).cloned().collect();
        Page { more: entries.len() < rest.len(), entries }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn message(seq: u64, subject: &str, size: usize) -> Message {
        let payload = Bytes::from(vec![seq as u8; size]);
        let entry = StoredEntry { seq: Seq(seq), time: StreamTime(seq * 10), payload };
        Message { subject: subject.to_owned(), entry }
    }

    fn seqs(page: &Page) -> Vec<u64> {
        page.entries.iter().map(|entry| entry.seq.0).collect()
    }

    #[test]
    fn pages_join_at_the_entry_that_both_hold() {
        let mut window = Window::new(Seq(3));
        assert_eq!(window.next(), Seq(3));
        window.take(vec![message(4, "a", 1), message(6, "b", 1)]).unwrap();
        assert_eq!(window.next(), Seq(6));
        window.take(vec![message(6, "b", 1), message(7, "a", 1)]).unwrap();
        assert_eq!(seqs(&window.page("a", Seq(3))), [4, 7]);
        assert_eq!(seqs(&window.page("a", Seq(5))), [7]);
        assert_eq!(seqs(&window.page("b", Seq(3))), [6]);
        assert_eq!(seqs(&window.page("c", Seq(3))), [0; 0]);
        window.take(vec![message(7, "a", 1)]).unwrap();
        assert_eq!(seqs(&window.page("a", Seq(7))), [7]);
    }

    #[test]
    fn a_page_that_does_not_join_is_torn() {
        let mut later = message(6, "b", 1);
        later.entry.time = StreamTime(61);
        for page in [vec![], vec![message(7, "a", 1)], vec![later, message(7, "a", 1)]] {
            let mut window = Window::new(Seq(3));
            window.take(vec![message(4, "a", 1), message(6, "b", 1)]).unwrap();
            assert_eq!(window.take(page), Err(Discontinuity));
        }
    }

    #[test]
    fn an_answer_stands_on_a_first_entry_that_is_not_above_its_own() {
        let mut window = Window::new(Seq(1));
        window.take(vec![message(4, "a", 1), message(6, "a", 1)]).unwrap();
        let page = window.page("a", Seq(2));
        for (first, stands) in [(Some(2), true), (Some(4), true), (Some(5), false), (Some(6), false), (None, false)] {
            assert_eq!(page.stands_on(first.map(Seq)), stands, "{first:?}");
        }
        assert!(window.page("b", Seq(2)).stands_on(None));
    }

    #[test]
    fn pages_are_bounded_like_those_of_a_batch() {
        let mut window = Window::new(Seq(1));
        window.take((1..=300).map(|seq| message(seq, "a", 1)).collect()).unwrap();
        let page = window.page("a", Seq(1));
        assert_eq!((page.entries.len(), page.more), (limits::READ_ENTRIES, true));
        let page = window.page("a", Seq(45));
        assert_eq!((page.entries.len(), page.more), (256, false));
        let mut window = Window::new(Seq(1));
        window.take((1..=10).map(|seq| message(seq, "a", 100 * 1024)).collect()).unwrap();
        let page = window.page("a", Seq(1));
        assert_eq!((seqs(&page), page.more), (vec![1, 2, 3], true), "the one that passes the bound is the last");
    }

    /// Whatever is stored and taken away while a window is read: an answer that stands is what the log held at the last page.
    #[test]
    fn an_answer_that_stands_is_what_one_batch_would_have_brought() {
        let (mut stood, mut fell) = (0, 0);
        for seed in 0..2_000 {
            let mut random = StdRng::seed_from_u64(seed);
            let subjects = ["a", "b", "c"];
            let keeps = random.random_range(2..12);
            let mut stream: Vec<Message> = Vec::new();
            let mut seq = 0;
            let store = |stream: &mut Vec<Message>, seq: &mut u64, random: &mut StdRng| {
                *seq += 1;
                let subject = subjects[random.random_range(0..3)];
                stream.push(message(*seq, subject, 3));
                let of_log = stream.iter().filter(|message| message.subject == subject).count();
                if of_log > keeps {
                    let oldest = stream.iter().position(|message| message.subject == subject).unwrap();
                    stream.remove(oldest);
                }
            };
            for _ in 0..random.random_range(0..40) {
                store(&mut stream, &mut seq, &mut random);
            }
            let mut window = Window::new(Seq(random.random_range(1..10)));
            let mut last_page = stream.clone();
            let mut torn = false;
            for _ in 0..50 {
                last_page = stream.clone();
                let size = random.random_range(2..6);
                let page: Vec<Message> =
                    stream.iter().filter(|message| message.entry.seq >= window.next()).take(size).cloned().collect();
                let end =
                    page.last().map(|message| message.entry.seq) == stream.last().map(|message| message.entry.seq);
                torn = window.take(page).is_err();
                if torn || end {
                    break;
                }
                for _ in 0..random.random_range(0..3) {
                    store(&mut stream, &mut seq, &mut random);
                }
            }
            for subject in subjects {
                let of_log = |stream: &[Message]| -> Vec<StoredEntry> {
                    stream
                        .iter()
                        .filter(|message| message.subject == subject)
                        .map(|message| message.entry.clone())
                        .collect()
                };
                let from = Seq(window.from().0 + random.random_range(0..20));
                let page = window.page(subject, from);
                let first = of_log(&stream).first().map(|entry| entry.seq);
                if torn || !page.stands_on(first) {
                    fell += 1;
                    continue;
                }
                stood += 1;
                let mut expected = of_log(&last_page);
                expected.retain(|entry| entry.seq >= from);
                // What was there when the pass began and is gone at its end was taken away from below the answer's first entry.
                let began = page.entries.first().map_or(Seq(0), |entry| entry.seq);
                expected.retain(|entry| entry.seq <= window.last());
                assert!(page.entries.ends_with(&expected), "seed {seed}: {subject} from {from:?}");
                assert!(expected.first().is_none_or(|entry| entry.seq == began), "seed {seed}: {subject}");
            }
        }
        assert!(stood > 1_000 && fell > 100, "{stood} stood, {fell} fell");
    }
}
