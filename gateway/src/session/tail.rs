//! A log's live entries as all its followers in this gateway get them: decoded once, sealed once, and encoded once for each encoding.
//!
//! Make one [`Tail`] of each log, turn each live entry into a [`TailEntry`] once, and give that to every session that follows the log.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dunlin_schema::{
    Address, Content, Cursor, CursorText, Entry, Log, LogName, MessageId, Position, RegionName, Seal, Sender, Seq,
    entry::Body,
    frame::{Encoding, EntryFrame, Extensible, ServerFrame},
    live::LiveEntry,
};

use super::{Author, named::Named};

/// A log, as its followers name it.
#[derive(Debug)]
pub struct Tail {
    named: Named,
    region: RegionName,
}

impl Tail {
    /// The tail of `log`, which its followers call `name`.
    pub fn of(log: &Log, name: LogName) -> Tail {
        Tail { named: Named { log: name, shard: log.shard, seal: Seal::of(log) }, region: log.region.clone() }
    }

    /// Readies a live entry for so many followers.
    pub fn entry(&self, live: LiveEntry, followers: usize) -> TailEntry {
        let LiveEntry { position, after, entry } = live;
        let shared = followers > 1;
        let told = Entry::decode(&entry).ok().map(|entry| Told::of(entry, position, shared, &self.named, &self.region));
        TailEntry { position, after, bytes: entry.len(), told }
    }
}

/// A live entry that is shared by those who follow its log.
#[derive(Debug)]
pub struct TailEntry {
    /// Where it stands.
    pub(super) position: Position,
    /// The log has nothing between this sequence and the entry.
    pub(super) after: Seq,
    /// How long it is as it is stored.
    pub(super) bytes: usize,
    /// What it says; `None` where it can't be read.
    pub(super) told: Option<Told>,
}

/// What a device is told of an entry.
#[derive(Debug)]
pub(super) enum Told {
    /// What was sent.
    Content(Arc<SharedFrame>),
    /// Nothing: it stands for what was erased.
    Nothing,
}

/// What was sent, by whom, and the frame that says so.
#[derive(Debug)]
pub struct SharedFrame {
    pub(super) id: MessageId,
    pub(super) from: Sender,
    pub(super) to: Address,
    /// With the cursor of a device that was given everything from the log's beginning.
    frame: ServerFrame,
    /// Its encodings, where several followers write it.
    shared: Option<Box<Encodings>>,
}

#[derive(Debug, Default)]
struct Encodings {
    json: OnceLock<Bytes>,
    postcard: OnceLock<Bytes>,
}

impl Told {
    /// What the followers of a log in `region` are told of an entry.
    pub(super) fn of(entry: Entry, position: Position, shared: bool, named: &Named, region: &RegionName) -> Told {
        let Entry { id, from, to, order, time, body } = entry;
        let content = match body {
            Body::Content(content) => content,
            Body::Tombstone { .. } => return Told::Nothing,
        };
        let frame = EntryFrame {
            log: named.log.clone().into(),
            seq: position.seq,
            cursor: named.cursor(Cursor::of_entry(position)),
            time,
            id,
            from: from.seen_from(region).into(),
            to: to.clone().seen_from(region).into(),
            order: order.or(Some(position.seq)),
            content: content.seen_from(region).into(),
        };
        let (frame, shared) = (ServerFrame::Entry(Box::new(frame)), shared.then(Box::default));
        Told::Content(Arc::new(SharedFrame { id, from, to, frame, shared }))
    }
}

impl SharedFrame {
    /// What was sent, where this release knows it.
    pub(super) fn content(&self) -> Option<&Content> {
        let ServerFrame::Entry(entry) = &self.frame else { return None };
        entry.content.known()
    }

    /// Where another person than this one sent it: who, and its order.
    pub(super) fn sent_by_others(&self, me: &Author) -> Option<(&Sender, Seq)> {
        let ServerFrame::Entry(entry) = &self.frame else { return None };
        let is_own = self.from.user == me.user && self.from.region == me.region;
        match &entry.content {
            Extensible::Known(
                Content::Message { .. } | Content::Edit { .. } | Content::Delete { .. } | Content::React { .. },
            ) if !is_own => Some((&self.from, entry.order?)),
            Extensible::Known(
                Content::Message { .. }
                | Content::Edit { .. }
                | Content::Delete { .. }
                | Content::React { .. }
                | Content::Membership(_)
                | Content::Settings(_)
                | Content::Failed(_),
            )
            | Extensible::Unknown(_) => None,
        }
    }

    /// The same frame for a device that began behind the log's beginning, which its own cursor says.
    pub(super) fn with_cursor(self: Arc<Self>, cursor: CursorText) -> ServerFrame {
        let mut frame = Arc::try_unwrap(self).map_or_else(|sent| sent.frame.clone(), |sent| sent.frame);
        if let ServerFrame::Entry(entry) = &mut frame {
            entry.cursor = cursor;
        }
        frame
    }

    /// What several followers write, encoded by the first of them; `None` where one writes it alone.
    pub(super) fn encoded(&self, encoding: Encoding) -> Option<&Bytes> {
        let Encodings { json, postcard } = self.shared.as_deref()?;
        let place = match encoding {
            Encoding::Json => json,
            Encoding::Postcard => postcard,
        };
        Some(place.get_or_init(|| encoding.write(&self.frame).into()))
    }
}

/// A frame that was taken to be written.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// One for this socket alone.
    Own(Box<ServerFrame>),
    /// An entry, which other followers of its log may write as well.
    Entry(Arc<SharedFrame>),
}

impl Outgoing {
    /// One for this socket alone.
    pub fn own(frame: ServerFrame) -> Outgoing {
        Outgoing::Own(Box::new(frame))
    }

    /// The frame.
    pub fn frame(&self) -> &ServerFrame {
        match self {
            Outgoing::Own(frame) => frame,
            Outgoing::Entry(sent) => &sent.frame,
        }
    }

    /// Appends the frame's bytes to `out`.
    pub fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        let shared = match self {
            Outgoing::Own(_) => None,
            Outgoing::Entry(sent) => sent.encoded(encoding),
        };
        match shared {
            Some(bytes) => out.extend_from_slice(bytes),
            None => encoding.append(self.frame(), out),
        }
    }
}
