//! What is done at each step of a schedule, what goes wrong, and how all of it ends.

use dunlin_schema::{Entry, MessageId, Millis, Position, Seq, StreamTime};

use super::{
    World,
    event::Event,
    plant::Plant,
    stream::{Publish, Published, nanos},
    units::{MS, SECOND},
};

#[derive(Clone, Copy)]
enum Act {
    Send,
    Burst,
    Connect,
    Disconnect,
    Slow,
    Unslow,
    CrashGateway,
    CutGateway,
    CrashReader,
    PauseReader,
    StopReader,
    RestartServer,
    LosePower,
    Elect,
    Fill,
    Erase,
    Wait,
    RepeatElsewhere,
}

impl World {
    /// One step: somebody does something, or something breaks.
    pub(crate) fn act(&mut self) {
        let f = self.faults;
        let act = self.dice.weighted(&[
            (300, Act::Send),
            (f.burst, Act::Burst),
            (200, Act::Connect),
            (60, Act::Disconnect),
            (f.slow, Act::Slow),
            (f.slow, Act::Unslow),
            (f.gateway_crash, Act::CrashGateway),
            (f.gateway_cut, Act::CutGateway),
            (f.reader_crash, Act::CrashReader),
            (f.reader_pause, Act::PauseReader),
            (f.reader_stop, Act::StopReader),
            (f.server_restart, Act::RestartServer),
            (f.power_loss, Act::LosePower),
            (f.election, Act::Elect),
            (f.full, Act::Fill),
            (f.erase, Act::Erase),
            (f.long_wait, Act::Wait),
            (f.repeat_elsewhere, Act::RepeatElsewhere),
        ]);
        let device = self.dice.index(self.devices.count());
        let gateway = self.dice.index(self.shape.gateways);
        match act {
            Act::Send => self.send_something(device),
            Act::Burst => {
                for _ in 0..self.dice.between(3, 12) {
                    self.send_something(device);
                    let pause = self.dice.between(0, 20 * MS);
                    self.run_until(self.now + pause);
                }
            }
            Act::Connect => self.connect(device),
            Act::Disconnect => self.disconnect(device),
            Act::Slow => self.set_slow(device, true),
            Act::Unslow => self.set_slow(device, false),
            Act::CrashGateway => self.crash_gateway(gateway),
            Act::CutGateway => {
                let span = self.dice.between(10 * MS, 20 * SECOND);
                self.cut_gateway(gateway, span);
            }
            Act::CrashReader => self.crash_reader(),
            Act::PauseReader => {
                let span = self.dice.between(10 * MS, 30 * SECOND);
                self.pause_reader(span);
            }
            Act::StopReader => self.stop_reader(),
            Act::RestartServer => self.restart_server(),
            // A mark of a clean stop is there only while nobody reads.
            Act::LosePower if self.plant == Some(Plant::CleanStopSparesTheEpoch) && self.somebody_reads() => {}
            Act::LosePower => self.lose_power(),
            Act::Elect => self.elect(),
            Act::Fill => {
                self.stream.full = true;
                let span = self.dice.between(10 * MS, 10 * SECOND);
                self.after(span, Event::Room);
            }
            Act::Erase => self.erase(),
            Act::Wait => self.wait_long(),
            Act::RepeatElsewhere => self.repeat_elsewhere(),
        }
    }

    fn send_something(&mut self, device: usize) {
        // Mostly to one user, so that one mailbox fills up.
        let to = if self.dice.chance(600) { 0 } else { self.dice.index(self.shape.users) };
        self.send(device, to);
    }

    /// The server's process is killed and started again: what it stored is there.
    fn restart_server(&mut self) {
        self.note(|_| "the server restarts".to_owned());
        self.server.start += 1;
        self.stream.restart(self.now);
        self.come_back();
    }

    fn come_back(&mut self) {
        let away = self.dice.between(10 * MS, 4 * SECOND);
        self.server.away_until = self.now + away;
        self.server.up_since = self.now + away;
        self.interrupt_consumers();
    }

    /// The machine loses power: what was not synced is gone, of the log and of STATE, and not the same part of both.
    fn lose_power(&mut self) {
        let (log, state) = if self.shape.sync_always {
            (0, 0)
        } else {
            let log = self.dice.weighted(&[(2, 0), (4, 3), (3, 12), (1, 60)]);
            let state = self.dice.weighted(&[(2, 0), (4, 3), (3, 30), (1, 1_000)]);
            let (log, state) = (self.dice.between(0, log) as usize, self.dice.between(0, state) as usize);
            // STATE goes back to the mark, and not behind it.
            (log, if self.plant == Some(Plant::CleanStopSparesTheEpoch) { 0 } else { state })
        };
        self.notice_gone();
        let (log, state) = (log.min(self.stream.changes()), state.min(self.state.writes()));
        self.note(|_| format!("power is lost: {log} changes of the log and {state} records"));
        self.server.start += 1;
        // With a mark of a clean stop, nobody asks which boot it is.
        self.server.boot += u64::from(self.plant != Some(Plant::CleanStopSparesTheEpoch) || self.somebody_reads());
        self.stream.lose(self.now, log);
        self.state.lose(state);
        let kept = self.stream.kept_births();
        let present: Vec<_> = self.stream.truth(self.now).all().map(|entry| entry.birth).collect();
        self.history.lost(kept, present.into_iter());
        self.notice_gone();
        self.come_back();
    }

    /// The leader dies, and another server leads after some time.
    fn elect(&mut self) {
        let leader = self.dice.index(self.shape.replicas);
        self.note(|_| format!("server {leader} leads"));
        self.notice_gone();
        self.stream.elect(self.now, leader);
        let away = self.dice.between(100 * MS, 5 * SECOND);
        self.server.away_until = self.now + away;
        self.interrupt_consumers();
    }

    /// An entry is erased: the tombstone first, then the entry. An erasure with unknown outcome begins again with the tombstone.
    fn erase(&mut self) {
        if !self.server_answers() || self.stream.full {
            return;
        }
        self.notice_gone();
        let now = self.now;
        let present: Vec<_> = self.stream.truth(now).all().cloned().collect();
        if present.is_empty() {
            return;
        }
        let erased = &present[self.dice.index(present.len())];
        let entry = Entry::decode(&erased.payload).expect("the world stores entries alone");
        if entry.is_tombstone() {
            return;
        }
        let id = MessageId::from_parts(Millis(now / MS), self.dice.bits());
        let payload = entry.header().tombstone(erased.seq, id).encode();
        let publish =
            Publish { log: erased.log, payload: payload.clone(), message_id: format!("erase {id}"), expect: None };
        if self.plant != Some(Plant::ErasedWithoutTombstone)
            && let Published::Stored(seq, time, _) = self.stream.publish(now, publish)
        {
            self.note(|_| format!("a tombstone at {seq:?}"));
            self.born(erased.log, seq, time, &payload);
        }
        let position = Position { time: erased.time, ..Position::default() };
        let span = self.dice.between(0, 3 * SECOND);
        self.after(span, Event::Erase { seq: erased.seq, position });
    }

    /// The second half: only if the number still is that entry's, and the tombstone is still there.
    pub(crate) fn erase_reaches(&mut self, seq: Seq, time: StreamTime) {
        self.notice_gone();
        let now = self.now;
        let Some(found) = self.stream.truth(now).at(seq).filter(|entry| entry.time == time).cloned() else { return };
        let entry = Entry::decode(&found.payload).expect("the world stores entries alone");
        let log = &self.users[found.log].log;
        let names = |stored: &super::stream::Stored| {
            Entry::decode(&stored.payload).is_ok_and(|other| other.is_tombstone() && other.accounts_for(log, &entry))
        };
        let remembered = self.stream.truth(now).of(found.log).any(names);
        if self.server_answers() && (remembered || self.plant == Some(Plant::ErasedWithoutTombstone)) {
            self.note(|_| format!("{seq:?} is erased"));
            self.stream.delete(now, seq);
            self.notice_gone();
        }
    }

    /// Minutes pass: in short leaps, in which everybody is a little late, or in one.
    fn wait_long(&mut self) {
        let retention = nanos(self.shape.bounds.retention);
        let span = self.dice.between(SECOND, retention + retention / 4);
        let leap = self.dice.weighted(&[(2, 20 * SECOND), (1, retention)]);
        self.note(|_| format!("{} s pass", span / SECOND));
        // What is under way ends before a long leap: no publish outlives its connection.
        self.run_until(self.now + 35 * SECOND);
        let end = self.now + span;
        while self.now < end {
            let leap = leap.min(end - self.now);
            self.stall(leap);
            self.run_until(self.now + SECOND);
        }
    }

    /// Nothing fails any more, everybody comes back; then all must be well.
    pub(crate) fn calm_down(&mut self) {
        self.note(|_| "from here on nothing fails".to_owned());
        self.calm = true;
        self.server.away_until = self.server.away_until.min(self.now);
        self.stream.full = false;
        self.heal_gateways();
        self.heal_readers();
        for device in 0..self.devices.count() {
            self.set_slow(device, false);
        }
        let mut open = None;
        for span in [8, 12, 20, 40, 60] {
            self.run_until(self.now + span * SECOND);
            for device in 0..self.devices.count() {
                self.connect(device);
            }
            if self.history.violation.is_some() {
                return;
            }
            open = self.unsettled();
            if open.is_none() {
                return;
            }
        }
        if let Some((rule, text)) = open {
            self.history.blame(rule, || text);
        }
    }
}
