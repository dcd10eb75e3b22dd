//! Sockets: what a session has for its device, taken as fast as the device reads, and judged as it goes out.

use dunlin_schema::{Cursor, Position, Seq, frame::ServerFrame};

use super::{Arrival, Event, Held, MS, Plant, Rule, World};

impl World {
    /// The writer takes what the socket takes.
    pub(crate) fn write(&mut self, session: usize) {
        loop {
            let Some(held) = &mut self.gateways.sessions[session] else { return };
            let (device, slow) = (held.device, self.devices.is_slow(held.device));
            if slow && self.plant == Some(Plant::SentIsWhatWasQueued) {
                let room = self.shape.bounds.outbound_frames - held.pocket.len().min(self.shape.bounds.outbound_frames);
                let queued: Vec<_> =
                    std::iter::from_fn(|| held.core.take()).map(|frame| frame.frame().clone()).collect();
                // Answers are kept; of the log's frames as many as there is room for.
                let of_log =
                    |frame: &ServerFrame| matches!(frame, ServerFrame::Entry(_) | ServerFrame::CaughtUp { .. });
                let (frames, answers): (Vec<_>, Vec<_>) = queued.into_iter().partition(of_log);
                held.pocket.extend(answers.into_iter().chain(frames.into_iter().take(room)));
                held.writing = false;
                return;
            }
            if slow {
                // Woken when the device reads again.
                return;
            }
            for frame in std::mem::take(&mut held.pocket) {
                self.taken(session, frame);
            }
            let Some(held) = &mut self.gateways.sessions[session] else { return };
            if let Some(frame) = held.core.take() {
                self.taken(session, frame.frame().clone());
                let slow = self.faults.slow / 4;
                if self.fault(slow) {
                    self.set_slow(device, true);
                }
                continue;
            }
            let gateway = held.gateway;
            let moment = self.moment(gateway);
            if self.gateways.sessions[session].as_mut().is_some_and(|held| held.core.drained(moment)) {
                self.note(|_| format!("session {session} is drained"));
                self.work(session);
                let more = self.gateways.sessions[session].as_ref();
                if more.is_some_and(|held| held.core.has_outgoing()) {
                    continue;
                }
            }
            break;
        }
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.writing = false;
        }
        self.settle_session(session);
    }

    /// A device reads its socket again.
    pub(crate) fn wake_writer(&mut self, session: usize) {
        let woken = |held: &Held| held.writing || !held.pocket.is_empty();
        if self.gateways.sessions[session].as_ref().is_some_and(woken) {
            self.after(MS / 20, Event::Write { session });
        }
    }

    fn taken(&mut self, session: usize, frame: ServerFrame) {
        let at = self.now;
        let latency = self.latency();
        let Some(held) = &mut self.gateways.sessions[session] else { return };
        held.pipe = held.pipe.max(at + latency);
        let (pipe, device, connection, user) = (held.pipe, held.device, held.connection, held.user);
        self.note(|_| format!("session {session} writes {frame:?}"));
        let log = &self.users[user].log;
        let told = match &frame {
            ServerFrame::Gap { cursor, .. } | ServerFrame::CaughtUp { cursor, .. } => Some(cursor.open(log)),
            ServerFrame::Entry(entry) => Some(entry.cursor.open(log)),
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
            | ServerFrame::GroupSignal { .. } => None,
        };
        if let Some(cursor) = told {
            let cursor = cursor.expect("a session seals its cursors for its own log");
            self.notice_gone();
            let first = self.gateways.sessions[session].as_mut().map(|held| {
                let arrival = held.arrival;
                if matches!(frame, ServerFrame::Gap { .. }) {
                    held.arrival = Arrival::Own;
                }
                (arrival, held.sent.replace(cursor), held.losses)
            });
            if let (ServerFrame::CaughtUp { .. }, Some((Arrival::Own | Arrival::New, ..))) = (&frame, &first) {
                self.judge_caught_up(session, &cursor);
            }
            if let Some((arrival, sent, losses)) = first {
                let is_gap = matches!(frame, ServerFrame::Gap { .. });
                let forged = matches!(arrival, Arrival::Forged { .. });
                if is_gap && !forged && !self.history.gap_is_true(at, user, sent.as_ref(), &cursor, losses) {
                    self.history.blame(Rule::FalseGap, || format!("session {session} after {sent:?}: {frame:?}"));
                }
            }
        }
        self.agenda.enter(pipe, Event::Frame { device, connection, frame });
    }

    /// A device is told that it has everything up to `cursor`.
    fn judge_caught_up(&mut self, session: usize, cursor: &Cursor) {
        let Some(held) = &self.gateways.sessions[session] else { return };
        let Some(published) = held.published.filter(|published| self.still_published(published)) else { return };
        let (user, Position { epoch, seq, time }, last) = (held.user, cursor.position, published.last);
        let behind = epoch == last.epoch && seq < last.seq && (seq > Seq(0) || time < last.time);
        let truth = self.stream.truth(self.now);
        if behind && truth.at(last.seq).is_some_and(|entry| entry.log == user && entry.time == last.time) {
            self.history.blame(Rule::Early, || format!("session {session} is caught up at {cursor:?}, below {last:?}"));
        }
    }
}
