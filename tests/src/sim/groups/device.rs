//! Devices: each keeps its cursor, loses it, or says what it likes; and what it was given is judged as it comes.

use dunlin_gateway::session::Start;
use dunlin_schema::{Cursor, Millis, Position, Seq, StreamTime, frame::ServerFrame};

use super::{World, event::Event, rule::Rule};
use crate::sim::units::{MS, SECOND};

/// A device of a person.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) person: usize,
    /// Counts its connections.
    pub(super) connection: u32,
    session: Option<usize>,
    pub(super) is_slow: bool,
    /// Frames reach it no more, and it does not know yet.
    is_deaf: bool,
    /// What it keeps.
    cursor: Option<Cursor>,
    /// What is remembered of what it acknowledged.
    pub(super) acknowledged: Option<Cursor>,
    chain: Chain,
}

/// What must come next.
#[derive(Clone, Copy, Debug)]
enum Chain {
    /// All that is there of what its person may read.
    Beginning,
    /// What follows this.
    Behind(Position),
    /// Nobody knows: it said something odd, or wants only what comes.
    Anything,
}

impl World {
    pub(super) fn add_device(&mut self, person: usize) {
        let (connection, session, cursor, acknowledged) = Default::default();
        let chain = Chain::Beginning;
        let device = self.devices.len();
        let (is_slow, is_deaf) = (false, false);
        self.devices.push(Device { person, connection, session, is_slow, is_deaf, cursor, acknowledged, chain });
        self.connect(device);
    }

    /// A device connects, if it is not connected.
    pub(super) fn connect(&mut self, device: usize) {
        if self.devices[device].session.is_some_and(|session| self.sessions[session].is_some()) {
            return;
        }
        let faults = self.faults;
        let (odd, lost) = (self.fault(faults.odd_start), self.fault(faults.cursor_lost));
        let other = self.dice.index(self.devices.len());
        let others = self.devices[other].cursor;
        let kind = self.dice.index(3);
        let Device { cursor, acknowledged, .. } = self.devices[device];
        let (said, chain) = match (odd, lost, cursor) {
            (true, ..) => match (kind, others) {
                (0, _) => (Some(Start::Live), Chain::Anything),
                (1, Some(others)) if other != device => (Some(Start::Cursor(others)), Chain::Anything),
                _ => (Some(Start::Cursor(self.forged())), Chain::Anything),
            },
            (false, false, Some(cursor)) => (Some(Start::Cursor(cursor)), self.devices[device].chain),
            (false, ..) => {
                let chain = acknowledged.map_or(Chain::Beginning, |cursor| Chain::Behind(cursor.position));
                (None, chain)
            }
        };
        let gateway = self.dice.index(self.gateways.len());
        let held = &mut self.devices[device];
        (held.connection, held.is_deaf, held.chain) = (held.connection + 1, false, chain);
        held.cursor = held.cursor.filter(|_| said.is_some());
        let session = self.open_session(gateway, device, said);
        self.devices[device].session = Some(session);
    }

    /// A cursor that nobody was given.
    fn forged(&mut self) -> Cursor {
        let end = self.stream.end();
        let seq = Seq(self.dice.between(0, end.0 + 6));
        let epoch = self.leader_epoch().unwrap_or_default();
        let time = StreamTime(self.now - self.dice.between(0, 20 * SECOND) + self.dice.between(0, 20 * SECOND));
        let time = self.stream.truth(self.now).at(seq).map_or(time, |entry| entry.time);
        Cursor { position: Position { epoch, seq, time }, at: Millis(self.now / MS), began: Seq(0) }
    }

    /// A device's connection breaks: what is written from now on is lost, and it comes again.
    pub(super) fn breaks(&mut self, device: usize) {
        self.devices[device].is_deaf = true;
        let connection = self.devices[device].connection;
        let span = self.dice.between(MS, 20 * SECOND);
        self.after(span, Event::Reconnect { device, connection });
    }

    /// It comes again, if it still has that connection.
    pub(super) fn reconnects(&mut self, device: usize, connection: u32) {
        if self.devices[device].connection != connection {
            return;
        }
        self.disconnect(device);
        self.connect(device);
    }

    pub(super) fn disconnect(&mut self, device: usize) {
        self.devices[device].is_slow = false;
        if let Some(session) = self.devices[device].session.take()
            && self.sessions[session].is_some()
        {
            self.close_session(session);
        }
    }

    pub(super) fn becomes_slow(&mut self, device: usize) {
        self.devices[device].is_slow = true;
        let span = self.dice.between(MS, 10 * SECOND);
        self.after(span, Event::Reads { device });
    }

    pub(super) fn reads_again(&mut self, device: usize) {
        self.devices[device].is_slow = false;
        if let Some(session) = self.devices[device].session {
            self.wake_writer(session);
        }
    }

    /// What a device acknowledged is remembered.
    pub(super) fn acknowledged(&mut self, device: usize, cursor: Cursor) {
        let remembered = &mut self.devices[device].acknowledged;
        if remembered.is_none_or(|remembered| cursor.position.above(&remembered.position)) {
            *remembered = Some(cursor);
        }
    }

    /// A device acknowledges what it has.
    pub(super) fn says_what_it_has(&mut self, device: usize) {
        let Device { session, cursor, is_deaf, .. } = self.devices[device];
        if let (Some(session), Some(cursor), false) = (session, cursor, is_deaf)
            && self.sessions[session].is_some()
        {
            self.acknowledges(session, cursor.position.seq);
        }
    }

    /// A frame was taken to be written to a session's device.
    pub(super) fn taken(&mut self, session: usize, frame: &ServerFrame) {
        let Some(held) = &self.sessions[session] else { return };
        let (device, person, began) = (held.device, held.person, held.began);
        let (text, is_entry, is_gap) = match frame {
            ServerFrame::Entry(entry) => (&entry.cursor, true, false),
            ServerFrame::CaughtUp { cursor, .. } => (cursor, false, false),
            ServerFrame::Gap { cursor, .. } => (cursor, false, true),
            ServerFrame::Welcome { .. }
            | ServerFrame::Accepted { .. }
            | ServerFrame::Rejected { .. }
            | ServerFrame::Refused { .. }
            | ServerFrame::Goodbye(_)
            | ServerFrame::Answer(_)
            | ServerFrame::Signal { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Receipt { .. }
            | ServerFrame::Marked { .. }
            | ServerFrame::GroupSignal { .. } => return,
        };
        let cursor = text.open(&self.log).expect("a session seals its cursors for its own log");
        let to = cursor.position;
        if is_entry {
            self.judge.given(person, to);
        }
        if self.devices[device].is_deaf {
            return;
        }
        self.notice_gone();
        let chain = self.devices[device].chain;
        match chain {
            Chain::Behind(from) if is_gap => {
                self.judge.gap(|| format!("device {device} behind {from:?}"));
            }
            Chain::Behind(from) => self.judge.follows(person, from, to, is_entry, began, || format!("device {device}")),
            Chain::Beginning if !is_gap => {
                self.judge.begins(person, to, is_entry, began, || format!("device {device}"))
            }
            Chain::Beginning | Chain::Anything => {}
        }
        // Whoever said something odd is where the first gap, or the end of the log, says.
        let is_sure = is_gap || !matches!(frame, ServerFrame::Entry(_)) || !matches!(chain, Chain::Anything);
        let held = &mut self.devices[device];
        held.cursor = Some(cursor);
        // Whoever was told that there is nothing stands where it began.
        let nowhere = to.seq == Seq(0) && to.time == StreamTime(0);
        if is_sure {
            held.chain = if nowhere { Chain::Beginning } else { Chain::Behind(to) };
        }
    }

    /// What a device lacks though all is calm.
    pub(super) fn lacks(&mut self, device: usize) -> Option<(Rule, String)> {
        self.notice_gone();
        let Device { person, chain, .. } = self.devices[device];
        let from = match chain {
            Chain::Beginning => Position::default(),
            Chain::Behind(from) => from,
            Chain::Anything => return None,
        };
        let lacks = self.judge.last_lacked(person, from)?;
        Some((Rule::Lost, format!("device {device} of person {person} stands at {from:?} and lacks {lacks}")))
    }
}
