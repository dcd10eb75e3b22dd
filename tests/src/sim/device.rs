//! Devices: each keeps its cursor with what it stored, comes back with it (or without it, or with one that is not its own), sends, and
//! repeats what it has no answer for. After a gap it repeats what it sent, as the client library does.

mod settled;

use dunlin_gateway::session::Start;
use dunlin_schema::{
    Content, Cursor, CursorText, DeviceName, Epoch, MessageId, Millis, Position, Seq, StreamTime,
    frame::{Send, ServerFrame},
    record::DeviceRecord,
    subject,
};

use super::{
    Rule, World,
    event::{Event, Said},
    history::Fate,
    plant::Plant,
    units::{MS, SECOND},
};

/// How a device came, as far as what it may be told depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// With its own cursor, or one that STATE kept for it.
    Own,
    /// Without any.
    New,
    /// With a cursor that is not true, and no gap was told since. `plain`: the stream shows it.
    Forged { plain: bool },
}

/// Something a device sends.
#[derive(Clone, Debug)]
struct Sending {
    id: MessageId,
    to: usize,
    /// The message that it is an edit of.
    edits: Option<MessageId>,
    answered: bool,
    refused: bool,
    /// The order it was told.
    order: Option<Seq>,
    /// A gap came while it was unanswered: once more after its answer.
    once_more: bool,
    /// Whether this device began it.
    own: bool,
    /// Whether it was accepted while the device had a cursor: a device without one is told of no loss.
    known: bool,
}

/// One device.
#[derive(Debug)]
struct Device {
    user: usize,
    name: DeviceName,
    history: usize,
    cursor: Option<CursorText>,
    /// The session at the other end, if it still is.
    session: Option<usize>,
    connected: bool,
    connection: u32,
    slow: bool,
    clock_ahead: i64,
    sendings: Vec<Sending>,
    /// Whether it came as one that wants everything.
    from_beginning: bool,
    /// Whether gaps have been told to it without a break: it never gave up what it had.
    faithful: bool,
}

/// All devices.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    list: Vec<Device>,
}

impl Devices {
    pub(crate) fn user(&self, device: usize) -> usize {
        self.list[device].user
    }

    pub(crate) fn is_slow(&self, device: usize) -> bool {
        self.list[device].slow
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }
}

impl World {
    pub(crate) fn add_device(&mut self, user: usize) {
        let number = self.devices.list.len();
        let history = self.history.follow(user);
        // Most clocks are right; the others are as far off as is let in.
        let clock_ahead = match self.plant {
            Some(Plant::FreshForAMinute) => 29_000,
            Some(_) | None => self.dice.weighted(&[(6, 0), (1, 23_000), (1, -15_000)]),
        };
        self.devices.list.push(Device {
            user,
            name: DeviceName::new(&format!("d{number}")).expect("a name of letters"),
            history,
            cursor: None,
            session: None,
            connected: false,
            connection: 0,
            slow: false,
            clock_ahead,
            sendings: Vec::new(),
            from_beginning: false,
            faithful: true,
        });
    }

    // Coming and going.

    /// A device connects somewhere, in one of the ways in which devices do.
    pub(crate) fn connect(&mut self, device: usize) {
        if self.devices.list[device].connected {
            return;
        }
        let faults = self.faults;
        let (forged, lost) = (self.fault(faults.forged), self.fault(faults.cursor_lost));
        let log = self.users[self.devices.list[device].user].log.clone();
        let own = self.devices.list[device]
            .cursor
            .as_ref()
            .map(|text| text.open(&log).expect("a device's cursors are of its own log"));
        let (start, arrival) = if forged {
            let (cursor, plain) = self.forge(device, own);
            self.unfollow(device, true);
            (Start::Cursor(cursor), Arrival::Forged { plain })
        } else if lost && self.dice.chance(300) {
            self.unfollow(device, false);
            (if self.dice.chance(500) { Start::Live } else { Start::Beginning }, Arrival::New)
        } else if let Some(cursor) = own.filter(|_| !lost) {
            (Start::Cursor(cursor), Arrival::Own)
        } else {
            match self.acknowledged(device) {
                Some(cursor) => {
                    let history = self.devices.list[device].history;
                    self.history.forgot(history);
                    (Start::Cursor(cursor), Arrival::Own)
                }
                None => {
                    self.unfollow(device, false);
                    (Start::Beginning, Arrival::New)
                }
            }
        };
        let gateway = self.dice.index(self.shape.gateways);
        let found = &mut self.devices.list[device];
        found.connected = true;
        found.connection += 1;
        found.slow = false;
        found.from_beginning = start == Start::Beginning;
        if matches!(arrival, Arrival::New | Arrival::Forged { .. }) {
            found.cursor = None;
        }
        let connection = found.connection;
        let session = self.open_session(gateway, device, connection, start, arrival);
        self.devices.list[device].session = Some(session);
        for id in self.unanswered(device) {
            self.say_send(device, id);
        }
    }

    /// [`Plant::FromTheBeginningAfterAGap`]: a device comes again as if it had nothing, and has it.
    fn begin_again(&mut self, device: usize) {
        let gateway = self.dice.index(self.shape.gateways);
        let found = &mut self.devices.list[device];
        found.connected = true;
        found.connection += 1;
        let connection = found.connection;
        let session = self.open_session(gateway, device, connection, Start::Beginning, Arrival::New);
        self.devices.list[device].session = Some(session);
        for id in self.unanswered(device) {
            self.say_send(device, id);
        }
    }

    fn unfollow(&mut self, device: usize, forged: bool) {
        let history = self.devices.list[device].history;
        self.history.unfollow(history, forged);
        let found = &mut self.devices.list[device];
        found.faithful &= found.connection == 0 && !forged;
    }

    fn acknowledged(&self, device: usize) -> Option<Cursor> {
        let value = self.state.get(&self.device_record(device))?;
        DeviceRecord::decode(&value.bytes).expect("only the receipts role writes it").cursor
    }

    fn device_record(&self, device: usize) -> String {
        let found = &self.devices.list[device];
        let user = &self.users[found.user];
        subject::device_record(&self.region, user.log.shard, &user.name, &found.name, &user.log.owner)
    }

    /// A cursor that was never given, and whether the stream shows that at once.
    fn forge(&mut self, device: usize, own: Option<Cursor>) -> (Cursor, bool) {
        let end = self.stream_end();
        let now = Millis(self.now / MS);
        let own = own.unwrap_or_default();
        let far = self.dice.between(1_000, 1_000_000);
        let other_time = StreamTime(self.now - self.dice.between(1, 100 * SECOND));
        let epoch = end.epoch;
        let user = self.devices.list[device].user;
        let truth = self.stream.truth(self.now);
        let existing = truth.of(user).next_back().map(|entry| (entry.seq, entry.time));
        let at = |position: Position| Cursor { position, at: now, began: Seq(0) };
        match self.dice.between(0, 5) {
            // Above the stream's end.
            0 => (at(Position { epoch, seq: Seq(end.seq.0 + far), time: other_time }), true),
            1 => (at(Position { epoch, seq: Seq(end.seq.0 + far), time: StreamTime(self.now + 1_000 * SECOND) }), true),
            // An entry that is there, with another time.
            2 if existing.is_some() => {
                // Once it is gone, nothing shows that it had another time.
                let stays = self.faults.erase == 0 && self.faults.power_loss == 0;
                let (seq, stored) = existing.unwrap_or_default();
                // A later time is that of a cursor before the next entry: it hides nothing.
                (at(Position { epoch, seq, time: other_time }), stays && other_time < stored)
            }
            // An epoch that has not begun, or never was.
            3 => (at(Position { epoch: Epoch(self.now + 1_000 * SECOND), ..own.position }), true),
            4 => (at(Position { epoch: Epoch(epoch.0.saturating_sub(1)), ..own.position }), false),
            // The far end of every number.
            _ => {
                let position = Position { epoch: Epoch(u64::MAX), seq: Seq(u64::MAX), time: StreamTime(u64::MAX) };
                (Cursor { position, at: Millis(u64::MAX), began: Seq(u64::MAX) }, true)
            }
        }
    }

    /// A device's connection breaks; the gateway knows at once, or much later.
    pub(crate) fn disconnect(&mut self, device: usize) {
        let found = &mut self.devices.list[device];
        if !std::mem::replace(&mut found.connected, false) {
            return;
        }
        found.connection += 1;
        found.slow = false;
        let Some(session) = found.session.take() else { return };
        self.note(|_| format!("device {device} breaks its connection"));
        if self.calm || self.dice.chance(600) {
            self.close_session(session);
        }
    }

    /// The gateway at the other end is gone.
    pub(crate) fn broken(&mut self, device: usize, connection: u32) {
        let found = &mut self.devices.list[device];
        if found.connection != connection {
            return;
        }
        found.connected = false;
        found.connection += 1;
        found.session = None;
        self.connect(device);
    }

    /// A device stops reading its socket, or begins again.
    pub(crate) fn set_slow(&mut self, device: usize, slow: bool) {
        let found = &mut self.devices.list[device];
        found.slow = slow && found.connected;
        let session = found.session;
        self.note(|_| format!("device {device} reads its socket: {}", !slow));
        if let Some(session) = session.filter(|_| !slow) {
            self.wake_writer(session);
        }
    }

    // What it is told.

    pub(crate) fn frame(&mut self, device: usize, connection: u32, frame: ServerFrame) {
        let found = &self.devices.list[device];
        if found.connection != connection {
            return;
        }
        let (history, user, session) = (found.history, found.user, found.session);
        let (cursor, from_beginning) = (found.cursor.clone(), found.from_beginning);
        let log = self.users[user].log.clone();
        let open = |text: &CursorText| text.open(&log).expect("a session seals its cursors for its own log");
        let before = cursor.as_ref().map(|text| open(text).position.epoch);
        self.notice_gone();
        match frame {
            ServerFrame::Entry(entry) => {
                let all = cursor.is_none() && from_beginning;
                let mut cursor = open(&entry.cursor);
                self.history.given(history, &cursor, entry.id, all);
                if self.plant == Some(Plant::AtIsNow) {
                    cursor.at = Millis(self.now / MS);
                }
                self.devices.list[device].cursor = Some(cursor.seal(&log));
                if let Some(session) = session
                    && self.dice.chance(300)
                {
                    let latency = self.latency();
                    self.after(latency, Event::Said { session, said: Said::Ack(entry.seq) });
                }
            }
            ServerFrame::CaughtUp { cursor, .. } => {
                self.history.caught_up(history, &open(&cursor), false);
                self.devices.list[device].cursor = Some(cursor);
            }
            ServerFrame::Gap { from, to, cursor, .. } => {
                self.history.told(history, from, to, before, &open(&cursor));
                self.devices.list[device].cursor = Some(cursor);
                self.repeat_after_gap(device, from);
                if self.plant == Some(Plant::FromTheBeginningAfterAGap) {
                    self.disconnect(device);
                    self.begin_again(device);
                }
            }
            ServerFrame::Accepted { id, order, .. } => self.accepted(device, id, order),
            ServerFrame::Rejected { id, retry_after, code, .. } => {
                self.note(|_| format!("device {device}: {id} rejected, {code:?}"));
                let id = id.parse().expect("devices make ids that are some");
                match retry_after {
                    Some(span) => self.after(span.0.max(100) * MS, Event::Again { device, id }),
                    None => self.answer(device, id, true),
                }
            }
            ServerFrame::Welcome { .. }
            | ServerFrame::Refused { .. }
            | ServerFrame::Goodbye(_)
            | ServerFrame::Answer(_)
            | ServerFrame::Signal { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Receipt { .. }
            | ServerFrame::Marked { .. }
            | ServerFrame::GroupSignal { .. } => {
                self.history.blame(Rule::Stalled, || format!("device {device} was told {frame:?}"));
            }
        }
    }

    fn accepted(&mut self, device: usize, id: MessageId, order: Option<Seq>) {
        let (user, has_cursor) = (self.devices.list[device].user, self.devices.list[device].cursor.is_some());
        let Some(sending) = self.devices.list[device].sendings.iter_mut().find(|sending| sending.id == id) else {
            return;
        };
        let to = sending.to;
        sending.known |= has_cursor;
        let first = order.and_then(|order| sending.order.replace(order));
        // One that was lost may have come to the same sequence again.
        let stays = |first: Seq| {
            let mut there = self.history.of_item(to, (user, id)).filter(|fact| fact.seq == first).peekable();
            there.peek().is_some() && there.all(|fact| !matches!(fact.fate, Fate::Lost(_)))
        };
        if first.is_some_and(|first| Some(first) != order && stays(first)) {
            self.history.blame(Rule::WrongOrder, || format!("{id} was accepted as {first:?} and then as {order:?}"));
        }
        self.history.accepted((user, id), to, order);
        self.answer(device, id, false);
    }

    fn answer(&mut self, device: usize, id: MessageId, refused: bool) {
        let Some(sending) = self.devices.list[device].sendings.iter_mut().find(|sending| sending.id == id) else {
            return;
        };
        sending.answered = true;
        sending.refused = refused;
        if std::mem::take(&mut sending.once_more) && !refused {
            sending.answered = false;
            self.say_send(device, id);
        }
    }

    // What it says.

    /// A device sends something new.
    pub(crate) fn send(&mut self, device: usize, to: usize) {
        let time = Millis((self.now / MS).saturating_add_signed(self.devices.list[device].clock_ahead));
        let id = MessageId::from_parts(time, self.dice.bits());
        // The lot that the id was draws again: one of eight edits the last message to the same person.
        let before = self.devices.list[device].sendings.iter().rev().find(|before| before.to == to && before.own);
        let edits = before
            .filter(|before| id.to_bytes()[15].is_multiple_of(8) && before.edits.is_none())
            .map(|before| before.id);
        let sending = Sending {
            id,
            to,
            edits,
            answered: false,
            refused: false,
            order: None,
            once_more: false,
            own: true,
            known: false,
        };
        if self.plant == Some(Plant::FreshForAMinute) {
            self.repeat_at_the_end(device, sending.clone());
        }
        self.devices.list[device].sendings.push(sending);
        self.say_send(device, id);
    }

    /// [`Plant::FreshForAMinute`]: another device repeats the item when it is about to be a minute old.
    fn repeat_at_the_end(&mut self, device: usize, sending: Sending) {
        let user = self.devices.list[device].user;
        let Some(other) =
            (0..self.devices.count()).find(|other| *other != device && self.devices.list[*other].user == user)
        else {
            return;
        };
        let id = sending.id;
        self.devices.list[other].sendings.push(Sending { own: false, answered: true, ..sending });
        let span = self.devices.list[device].clock_ahead as u64 * MS + self.dice.between(61 * SECOND, 65 * SECOND);
        self.after(span, Event::Again { device: other, id });
    }

    /// Another device of the same user sends what one of them sent, under the same id.
    pub(crate) fn repeat_elsewhere(&mut self) {
        let device = self.dice.index(self.devices.count());
        let user = self.devices.list[device].user;
        let others: Vec<usize> =
            (0..self.devices.count()).filter(|other| self.devices.list[*other].user == user).collect();
        let other = others[self.dice.index(others.len())];
        let sendings = &self.devices.list[device].sendings;
        if sendings.is_empty() {
            return;
        }
        let sending = Sending {
            answered: false,
            once_more: false,
            own: false,
            ..sendings[self.dice.index(sendings.len())].clone()
        };
        let id = sending.id;
        let known = self.devices.list[other].sendings.iter_mut().find(|known| known.id == id);
        match known {
            Some(known) => known.answered = false,
            None => self.devices.list[other].sendings.push(sending),
        }
        self.say_send(other, id);
    }

    pub(crate) fn say_again(&mut self, device: usize, id: MessageId) {
        if self.plant == Some(Plant::FreshForAMinute) || self.unanswered(device).contains(&id) {
            self.say_send(device, id);
        }
    }

    fn unanswered(&self, device: usize) -> Vec<MessageId> {
        self.devices.list[device]
            .sendings
            .iter()
            .filter(|sending| !sending.answered)
            .map(|sending| sending.id)
            .collect()
    }

    fn say_send(&mut self, device: usize, id: MessageId) {
        let found = &self.devices.list[device];
        let (Some(session), Some(sending)) = (found.session, found.sendings.iter().find(|sending| sending.id == id))
        else {
            return;
        };
        let text = Some("hi".to_owned());
        let content = match sending.edits {
            Some(target) => Content::Edit { target, text, data: None },
            None => Content::Message { text, data: None, attachments: Vec::new(), reply_to: None, mentions: vec![] },
        };
        let send = Send { id, to: self.users[sending.to].name.to_string(), content };
        let latency = self.latency();
        self.after(latency, Event::Said { session, said: Said::Send(send) });
    }

    /// After a gap everything that was sent is sent again, and what is unanswered once more after its answer.
    fn repeat_after_gap(&mut self, device: usize, from: Millis) {
        let mut again = Vec::new();
        for sending in &mut self.devices.list[device].sendings {
            if sending.refused || (self.plant == Some(Plant::RepeatsSinceTheGap) && sending.id.time() < from) {
                continue;
            }
            if sending.answered {
                sending.answered = false;
                again.push(sending.id);
            } else {
                sending.once_more = self.plant != Some(Plant::UnansweredAtTheGapIsFine);
            }
        }
        for id in again {
            self.say_send(device, id);
        }
    }

    /// The receipts role writes what a device acknowledged: marks only rise.
    pub(crate) fn acknowledged_reaches(&mut self, device: usize, cursor: Cursor) {
        let rises = self.acknowledged(device).is_none_or(|known| cursor.position.above(&known.position));
        if rises && self.server_answers() {
            let subject = self.device_record(device);
            let record = DeviceRecord { cursor: Some(cursor), ..DeviceRecord::default() };
            self.state.put(self.now, &subject, record.encode().into(), None);
        }
    }
}
