//! The replies to one batch of Direct Get, put together and checked: a dropped reply is found, never passed over.
//!
//! Source: ADR-31. Each reply names the sequence of the reply before it (0 in the first), and the end of the batch names the last one.

use async_nats::{HeaderMap, Message, header::HeaderName};
use bytes::Bytes;
use dunlin_schema::{Seq, StreamTime, read::StoredEntry};

use crate::api::parse_time;

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// An entry, and the sequence of the reply before it.
    Entry { after: Seq, entry: StoredEntry },
    /// The end of the batch: the sequence of the last reply, and how many follow.
    End { last: Seq, pending: u64 },
    /// There is nothing from the asked place on.
    Empty,
    /// Nobody answers for the stream.
    NoResponders,
    /// Something else.
    Unreadable(String),
}

/// What has come of a batch so far.
#[derive(Debug, Default)]
pub(super) struct Chain {
    entries: Vec<StoredEntry>,
}

/// What a reply makes of the batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More replies are to come.
    Going,
    /// This is all, without a hole; so many follow.
    Complete { entries: Vec<StoredEntry>, pending: u64 },
    /// A reply is missing, or out of turn: nothing of this batch may be used.
    Broken,
    /// The stream has no one to answer.
    NoResponders,
    /// The answer is none.
    Unreadable(String),
}

impl Chain {
    fn last(&self) -> Seq {
        self.entries.last().map_or(Seq(0), |entry| entry.seq)
    }

    pub(super) fn take(&mut self, reply: Reply) -> Progress {
        match reply {
            Reply::Entry { after, entry } if after == self.last() && entry.seq > after => {
                self.entries.push(entry);
                Progress::Going
            }
            Reply::End { last, pending } if last == self.last() => {
                Progress::Complete { entries: std::mem::take(&mut self.entries), pending }
            }
            Reply::Empty if self.entries.is_empty() => Progress::Complete { entries: Vec::new(), pending: 0 },
            Reply::Entry { .. } | Reply::End { .. } | Reply::Empty => Progress::Broken,
            Reply::NoResponders => Progress::NoResponders,
            Reply::Unreadable(what) => Progress::Unreadable(what),
        }
    }
}

const LAST_SEQUENCE: HeaderName = async_nats::header::NATS_LAST_SEQUENCE;
const NUM_PENDING: HeaderName = HeaderName::from_static("Nats-Num-Pending");
const SEQUENCE: HeaderName = async_nats::header::NATS_SEQUENCE;
const TIME_STAMP: HeaderName = async_nats::header::NATS_TIME_STAMP;

impl Reply {
    pub(super) fn of(message: Message) -> Reply {
        let headers = message.headers.unwrap_or_default();
        match message.status.map(|status| status.as_u16()) {
            None => {
                let entry = stored(&headers, message.payload);
                match (sequence(&headers, LAST_SEQUENCE), entry) {
                    (Some(after), Some(entry)) => Reply::Entry { after, entry },
                    _ => Reply::Unreadable("a reply without its sequences or its time".to_owned()),
                }
            }
            Some(204) => match (sequence(&headers, LAST_SEQUENCE), sequence(&headers, NUM_PENDING)) {
                (Some(last), Some(Seq(pending))) => Reply::End { last, pending },
                _ => Reply::Unreadable("the end of a batch without its counts".to_owned()),
            },
            Some(404) => Reply::Empty,
            Some(503) => Reply::NoResponders,
            Some(status) => Reply::Unreadable(format!("status {status}: {}", message.description.unwrap_or_default())),
        }
    }
}

fn sequence(headers: &HeaderMap, name: HeaderName) -> Option<Seq> {
    headers.get(name)?.as_str().parse().ok().map(Seq)
}

/// The subject under which a reply's entry is stored.
pub(super) fn subject(message: &Message) -> Option<String> {
    Some(message.headers.as_ref()?.get(async_nats::header::NATS_SUBJECT)?.as_str().to_owned())
}

/// The stored entry that a reply's headers and payload describe.
pub(super) fn stored(headers: &HeaderMap, payload: Bytes) -> Option<StoredEntry> {
    let time: StreamTime = parse_time(headers.get(TIME_STAMP)?.as_str())?;
    Some(StoredEntry { seq: sequence(headers, SEQUENCE)?, time, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(after: u64, seq: u64) -> Reply {
        let entry = StoredEntry { seq: Seq(seq), time: StreamTime(seq), payload: Bytes::new() };
        Reply::Entry { after: Seq(after), entry }
    }

    fn end(last: u64) -> Reply {
        Reply::End { last: Seq(last), pending: 1 }
    }

    fn all(replies: Vec<Reply>) -> Result<Vec<u64>, &'static str> {
        let mut chain = Chain::default();
        for reply in replies {
            match chain.take(reply) {
                Progress::Going => {}
                Progress::Complete { entries, .. } => return Ok(entries.iter().map(|entry| entry.seq.0).collect()),
                Progress::Broken => return Err("broken"),
                Progress::NoResponders => return Err("no responders"),
                Progress::Unreadable(_) => return Err("unreadable"),
            }
        }
        Err("unfinished")
    }

    #[test]
    fn a_whole_batch_is_complete() {
        assert_eq!(all(vec![entry(0, 3), entry(3, 7), entry(7, 8), end(8)]), Ok(vec![3, 7, 8]));
        assert_eq!(all(vec![Reply::Empty]), Ok(vec![]));
    }

    #[test]
    fn any_dropped_reply_is_found() {
        let whole = [entry(0, 3), entry(3, 7), entry(7, 8), end(8)];
        for dropped in 0..whole.len() {
            let mut rest = whole.to_vec();
            rest.remove(dropped);
            let expected = if dropped == whole.len() - 1 { "unfinished" } else { "broken" };
            assert_eq!(all(rest), Err(expected), "without reply {dropped}");
        }
        for dropped in 0..2 {
            let mut rest = whole.to_vec();
            rest.drain(dropped..dropped + 2);
            assert_eq!(all(rest), Err("broken"), "without replies {dropped} and the next");
        }
    }

    #[test]
    fn replies_out_of_turn_are_found() {
        assert_eq!(all(vec![entry(0, 3), entry(0, 3), end(3)]), Err("broken"));
        assert_eq!(all(vec![entry(3, 7), entry(0, 3), end(7)]), Err("broken"));
        assert_eq!(all(vec![entry(0, 3), Reply::Empty]), Err("broken"));
        assert_eq!(all(vec![entry(0, 3), Reply::NoResponders]), Err("no responders"));
    }
}
