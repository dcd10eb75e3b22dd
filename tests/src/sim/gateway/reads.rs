//! A session's reads of its log: by any replica, torn, lagging, with the leader's evidence.

use dunlin_gateway::session::{Input, ReadFailed};
use dunlin_schema::{
    LogName, Seq,
    read::{Evidence, ReadAnswer, ReadFrom, ReadRequest, Source, StoredEntry},
};

use super::{Event, MS, SECOND, World};

impl World {
    pub(super) fn read(&mut self, session: usize, request: ReadRequest) {
        let Some((gateway, _)) = self.gateway_of(session) else { return };
        let read_fails = self.faults.read_fails;
        if self.gateway_is_cut(gateway) || self.fault(read_fails) {
            return self.after(
                300 * MS,
                Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Err(ReadFailed))) },
            );
        }
        let slow = self.fault(read_fails);
        let latency = if slow { self.dice.between(MS, SECOND) } else { self.latency() };
        self.after(latency, Event::Read { session, request, before: Vec::new() });
    }

    pub(crate) fn read_reaches(&mut self, session: usize, mut request: ReadRequest, mut before: Vec<StoredEntry>) {
        let Some(user) = self.gateways.sessions[session].as_ref().map(|held| held.user) else { return };
        let latency = self.latency();
        if !self.server_answers() {
            return self.after(
                latency,
                Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Err(ReadFailed))) },
            );
        }
        let read_fails = self.faults.read_fails;
        if request.source == Source::Any && self.fault(read_fails) {
            request.source = Source::Leader;
        }
        self.notice_gone();
        let from = before.last().map_or(request.from, |last| ReadFrom::Seq(last.seq.next()));
        let mut answer = self.read_log(user, &ReadRequest { from, ..request });
        let torn = self.faults.read_torn;
        if request.source == Source::Leader && answer.entries.len() > 1 && self.fault(torn) {
            // The leader is asked for one entry after the other, and much may happen in between.
            let span = self.dice.between(0, 100 * MS);
            before.extend(answer.entries.into_iter().take(1));
            return self.after(span, Event::Read { session, request, before });
        }
        answer.entries.splice(0..0, before);
        if let Some(plant) = self.plant {
            plant.read(&mut answer, &request, self.sent(session));
        }
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.proven |=
                answer.entries.iter().any(|entry| held.sent.is_some_and(|sent| entry.seq == sent.position.seq));
        }
        if request.source == Source::Leader {
            self.after(latency, Event::Evidence { session, request, answer });
        } else {
            self.after(latency, Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Ok(answer))) });
        }
    }

    pub(crate) fn evidence_reaches(&mut self, session: usize, request: &ReadRequest, mut answer: ReadAnswer) {
        let Some(user) = self.gateways.sessions[session].as_ref().map(|held| held.user) else { return };
        let latency = self.latency();
        if !self.server_answers() {
            return self.after(
                latency,
                Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Err(ReadFailed))) },
            );
        }
        self.notice_gone();
        let now = self.now;
        let half = self.shape.bounds.mailbox_entries / 2;
        let estimate = self.dice.between(0, half / 2);
        let truth = self.stream.truth(now);
        let asked = |seq: Seq, time| match request.from {
            ReadFrom::Seq(from) => seq >= from,
            ReadFrom::Time(from) => time >= from,
        };
        let tombstone = |payload: &[u8]| dunlin_schema::Entry::decode(payload).is_ok_and(|entry| entry.is_tombstone());
        let weight = truth.of(user).filter(|entry| asked(entry.seq, entry.time));
        let weight: u64 = weight.map(|entry| 1 + u64::from(tombstone(&entry.payload))).sum();
        let weight = if weight < half { (weight + estimate).min(half) } else { weight };
        let mut evidence =
            Evidence { first: truth.of(user).next().map(|entry| entry.seq), stream_last: truth.last(), weight };
        if let Some(plant) = self.plant {
            let count = truth.of(user).filter(|entry| asked(entry.seq, entry.time)).count() as u64;
            let held = self.gateways.sessions[session].as_ref();
            let (sent, proven) = held.map_or((None, false), |held| (held.sent.as_ref(), held.proven));
            plant.evidence(&mut evidence, count, sent, proven);
        }
        answer.evidence = Some(evidence);
        self.after(latency, Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Ok(answer))) });
    }
}
