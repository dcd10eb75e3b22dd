//! The deliver reader of the shard: it tells gateways what the group's log has, and begins an epoch when the log went back. Its core is
//! real; that it is always there, and how it takes over, are other simulations' matter.

use dunlin_schema::{
    Epoch, Position, Seq,
    record::{LEADER, ReaderRecord},
    subject,
};
use dunlin_workers::deliver::core::Deliver;

use super::{World, event::Event};
use crate::sim::{
    stream::Stored,
    units::{MS, SECOND},
};

/// The reader.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) deliver: Deliver,
    pub(super) position: Position,
    /// Whether something of its shard was lost that it does not know of.
    went_back: bool,
    losses: u32,
}

impl Reader {
    pub(super) fn new(heads_map: usize) -> Reader {
        Reader { deliver: Deliver::new(heads_map), position: Position::default(), went_back: false, losses: 0 }
    }
}

impl World {
    /// Whether the log went back, and its next epoch has not begun.
    pub(super) fn log_went_back(&self) -> bool {
        self.reader.went_back
    }

    /// It publishes what the log has that it has not read.
    pub(super) fn delivers(&mut self) {
        if !self.server_answers() || self.reader.went_back {
            return;
        }
        let Position { seq, time, .. } = self.reader.position;
        let is_next = |entry: &&Stored| if seq == Seq(0) { entry.time > time } else { entry.seq > seq };
        let new: Vec<Stored> = self.stream.truth(self.now).all().filter(is_next).cloned().collect();
        for entry in new {
            let after_hole = entry.seq != self.reader.position.seq.next();
            let position = Position { seq: entry.seq, time: entry.time, ..self.reader.position };
            self.reader.position = position;
            let owner = if entry.log == 0 { &self.log.owner } else { &self.other };
            if let Some(live) = self.reader.deliver.entry(position, after_hole, Some(owner), entry.payload)
                && entry.log == 0
            {
                self.fan_out(&live);
            }
        }
    }

    /// Another one takes over, from a little before.
    pub(super) fn reader_is_replaced(&mut self) {
        let back = self.dice.between(0, 4) as usize;
        let seq = self.reader.position.seq;
        let before = self.stream.truth(self.now).all().rev().filter(|entry| entry.seq <= seq).nth(back).cloned();
        let Some(before) = before.filter(|_| !self.reader.went_back) else { return };
        self.note(|_| format!("the reader is another one, from {:?} on", before.seq));
        self.reader.position = Position { seq: before.seq, time: before.time, ..self.reader.position };
        self.reader.deliver.begin(self.reader.position);
        self.after(MS, Event::Delivers);
    }

    /// Something of the log was lost: the reader sees it in a while.
    pub(super) fn reader_is_to_begin(&mut self) {
        self.reader.went_back = true;
        self.reader.losses += 1;
        let (span, losses) = (self.dice.between(MS, 3 * SECOND), self.reader.losses);
        let span = span + self.server_away();
        self.after(span, Event::Begins { losses });
    }

    /// A new epoch begins.
    pub(super) fn begins(&mut self, losses: u32) {
        if self.reader.went_back && losses == self.reader.losses {
            self.begin_epoch();
        }
    }

    pub(super) fn begin_epoch(&mut self) {
        let epoch = Epoch(self.now.max(self.reader.position.epoch.0 + 1));
        self.note(|_| format!("{epoch:?} begins"));
        let position = Position { epoch, seq: Seq(0), time: self.reader.position.time };
        (self.reader.went_back, self.reader.position) = (false, position);
        self.reader.deliver.begin(position);
        let (owner, boot) = ("reader".to_owned(), "boot".to_owned());
        // The record's own time is the epoch's name.
        let record = ReaderRecord { owner, position, boot, begins_after: Some(Epoch(epoch.0 - 1)) };
        let subject = subject::reader_record(&self.region, self.log.shard, LEADER);
        self.state.put(epoch.0, &subject, record.encode().into(), None);
        self.after(MS, Event::Delivers);
    }

    /// The reader compares itself with the stream: its word on a doubt.
    pub(super) fn verifies(&mut self) -> Option<Position> {
        if !self.server_answers() {
            return None;
        }
        if self.reader.went_back {
            self.begin_epoch();
        }
        self.delivers();
        Some(self.reader.position)
    }
}
