//! What a gateway reads for a session: where its log goes on, what of it its person may read, and the log itself. Each thing is read after
//! the one before, and the world goes on meanwhile.

use dunlin_gateway::{
    following::core::Reading,
    session::{Input, ReadFailed, Sight, Start},
};
use dunlin_schema::{
    Seq, StreamTime, Windows,
    index::Place,
    read::{Evidence, ReadAnswer, ReadFrom, ReadRequest, Source},
    record::{Follows, GroupRecord},
};

use super::{
    World,
    event::{Event, Seen, Which},
    plant::Plant,
};
use crate::sim::units::{MS, SECOND};

/// Entries in one read.
const PAGE: usize = 4;

impl World {
    /// It is looked which logs a session follows.
    pub(super) fn find(&mut self, session: usize, which: Which) {
        let Some(held) = &self.sessions[session] else { return };
        let (person, device, gateway) = (held.person, held.device, held.gateway);
        let read_fails = self.faults.read_fails;
        if !self.server_answers() || self.is_cut(gateway) || self.fault(read_fails) {
            return self.after(SECOND, Event::Find { session, which });
        }
        let follows = self.follows_record(&self.people[person].user);
        let said = self.sessions[session].as_ref().and_then(|held| held.said);
        let acknowledged = self.devices[device].acknowledged.map_or(Start::Beginning, Start::Cursor);
        let start = match (which, said) {
            (Which::All, Some(start)) | (Which::One, Some(start @ Start::Cursor(_))) => start,
            (Which::All | Which::One | Which::Again { .. }, _) => acknowledged,
        };
        let has_more = |follows: &Follows| {
            follows.is_member
                || match start {
                    Start::Beginning => true,
                    Start::Live => false,
                    Start::Cursor(cursor) => follows.at.above(&cursor.position),
                }
        };
        let is_followed = match (which, &follows) {
            (_, None) => false,
            (Which::Again { at, again }, Some(follows)) => (follows.is_member || !again) && follows.at.above(&at),
            (Which::All | Which::One, Some(follows)) => has_more(follows),
        };
        if is_followed || (self.plant == Some(Plant::CursorPermits) && matches!(start, Start::Cursor(_))) {
            self.follow(session, start);
        }
    }

    /// The next thing that a look reads.
    pub(super) fn look(&mut self, session: usize, number: u32, mut seen: Box<Seen>) {
        let Some(held) = &self.sessions[session] else { return };
        let (person, gateway) = (held.person, held.gateway);
        let (user, sender) = (self.people[person].user.clone(), self.people[person].sender.clone());
        let read_fails = self.faults.read_fails;
        if !self.server_answers() || self.is_cut(gateway) || self.fault(read_fails) {
            return self.looked(session, number, None);
        }
        let late = self.faults.hint_late / 2;
        let span = if self.fault(late) { self.dice.between(MS, 500 * MS) } else { self.latency() };
        if seen.upto.is_none() {
            let last =
                self.stream.truth(self.now).all().next_back().map(|last| Place { seq: last.seq, time: last.time });
            seen.upto = Some(last.unwrap_or(Place { seq: Seq(0), time: StreamTime(0) }));
            return self.after(span, Event::Look { session, number, seen });
        }
        let Some(group) = &seen.group else {
            seen.group = Some(self.group_record());
            return self.after(span, Event::Look { session, number, seen });
        };
        let Some(member) = &seen.member else {
            seen.member = Some(self.member_record(&user).unwrap_or_default());
            return self.after(span, Event::Look { session, number, seen });
        };
        let mut upto = seen.upto.unwrap_or(Place { seq: Seq(0), time: StreamTime(0) });
        let group = group.as_ref().map(GroupRecord::encode);
        let mut reading = Reading::of(group.as_deref(), Some(&member.encode())).expect("records can be read");
        let decides = self.plant == Some(Plant::MemberRecordDecides);
        let entries = self.entries();
        for entry in entries.iter().filter(|entry| entry.time > reading.since() && !decides).collect::<Vec<_>>() {
            reading.take(entry, &sender).expect("the world stores entries alone");
        }
        let mut windows = reading.windows();
        let held = self.sessions[session].as_mut().expect("it was there");
        match self.plant {
            Some(Plant::JoinedAndLeftOnce) => windows = windows.as_ref().map(Plant::pair),
            Some(Plant::CursorPermits) => windows = Some(Plant::everything()),
            Some(Plant::LookedUpForLater) => upto.seq = Seq(upto.seq.0 + 4),
            Some(Plant::HintIsBelieved) => {
                if let Some(Follows { is_member, at }) = held.hint {
                    let mut hinted = Windows::open_from(at.seq);
                    if !is_member {
                        hinted.close(at.seq);
                    }
                    windows = Some(hinted);
                }
            }
            Some(Plant::NoLookAfterGap) => {
                if let Some(first) = held.first_look.clone().filter(Windows::are_open) {
                    windows = Some(first);
                }
                held.first_look = windows.clone();
            }
            Some(_) | None => {}
        }
        self.looked(session, number, windows.map(|windows| Sight { windows, upto }));
    }

    fn looked(&mut self, session: usize, number: u32, sight: Option<Sight>) {
        let latency = self.latency();
        let input = Box::new(Input::Looked(self.named.clone(), number, sight.ok_or(ReadFailed)));
        self.after(latency, Event::Input { session, input });
    }

    /// A session reads the log.
    pub(super) fn read(&mut self, session: usize, request: ReadRequest) {
        let Some(held) = &self.sessions[session] else { return };
        let (gateway, read_fails) = (held.gateway, self.faults.read_fails);
        let fails = self.is_cut(gateway) || !self.server_answers() || self.fault(read_fails);
        let span = if fails { 300 * MS } else { self.latency() };
        let answer = if fails { Err(ReadFailed) } else { Ok(self.read_log(&request)) };
        let input = Box::new(Input::Read(self.named.clone(), answer));
        self.after(span, Event::Input { session, input });
    }

    fn read_log(&mut self, request: &ReadRequest) -> ReadAnswer {
        let entries = self.entries();
        let stream_last = self.stream.truth(self.now).last();
        let first = entries.first().map(|entry| entry.seq);
        let mut asked: Vec<_> = entries
            .into_iter()
            .filter(|entry| match request.from {
                ReadFrom::Seq(from) => entry.seq >= from,
                ReadFrom::Time(from) => entry.time >= from,
            })
            .collect();
        let weight = asked.len() as u64;
        let more = asked.len() > PAGE;
        asked.truncate(PAGE);
        let evidence = (request.source == Source::Leader).then_some(Evidence { first, stream_last, weight });
        ReadAnswer { entries: asked, more, evidence }
    }
}
