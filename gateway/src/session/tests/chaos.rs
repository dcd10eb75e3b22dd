//! Any inputs in any order: nothing panics, nothing grows, and what is given rises.

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::session::acks::Acks;

fn position_of_any() -> impl Strategy<Value = Position> {
    let seq = prop_oneof![9 => 0..12_u64, 1 => Just(u64::MAX)];
    let time = prop_oneof![9 => (0..12_u64).prop_map(seconds), 1 => Just(StreamTime(u64::MAX))];
    let epoch = prop_oneof![9 => 0..3_u64, 1 => Just(u64::MAX)];
    (epoch, seq, time).prop_map(|(epoch, seq, time)| Position { epoch: Epoch(epoch), seq: Seq(seq), time })
}

fn cursor() -> impl Strategy<Value = Cursor> {
    let at = prop_oneof![9 => 0..120_000_u64, 1 => Just(u64::MAX)];
    (position_of_any(), at).prop_map(|(position, at)| Cursor { position, at: Millis(at), began: Seq(at) })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => (0..12_u64).prop_map(|number| message(number).encode()),
        2 => (0..12_u64).prop_map(|number| tombstone(number).encode()),
        1 => Just(Bytes::from_static(b"rotten")),
    ]
}

/// An answer in order, as `nats` promises it.
fn read_answer() -> impl Strategy<Value = ReadAnswer> {
    let entries = prop::collection::btree_map(0..14_u64, (0..3_u64, bytes()), 0..8);
    let evidence = (prop::option::of(0..14_u64), 0..16_u64, 0..12_u64).prop_map(|(first, stream_last, weight)| {
        Evidence { first: first.map(Seq), stream_last: Seq(stream_last), weight }
    });
    (entries, proptest::bool::ANY, prop::option::of(evidence)).prop_map(|(entries, more, evidence)| {
        let entries = entries
            .into_iter()
            .map(|(seq, (late, payload))| StoredEntry { seq: Seq(seq), time: seconds(seq + late), payload })
            .collect();
        ReadAnswer { entries, more, evidence }
    })
}

fn input() -> impl Strategy<Value = Input> {
    let head = (0..14_u64, 0..14_u64).prop_map(|(seq, time)| Head { seq: Seq(seq), time: seconds(time) });
    let heads = (position_of_any(), prop::option::of(head), 0..14_u64)
        .prop_map(|(position, head, floor)| Input::Heads(MAILBOX, HeadOf { position, head, floor: Seq(floor) }));
    let live = (position_of_any(), 0..14_u64, bytes()).prop_map(|(position, after, entry)| {
        Input::Live(MAILBOX, ready(LiveEntry { position, after: Seq(after), entry }))
    });
    prop_oneof![
        1 => Just(Input::Subscribed(MAILBOX)),
        8 => live,
        3 => heads,
        1 => Just(Input::HeadsUnanswered(MAILBOX)),
        2 => prop::option::of(position_of_any()).prop_map(|position| Input::Verified(SHARD, position.ok_or(NoAnswer))),
        8 => read_answer().prop_map(|answer| Input::Read(MAILBOX, Ok(answer))),
        1 => Just(Input::Read(MAILBOX, Err(ReadFailed))),
        1 => prop_oneof![0..14_u64, Just(u64::MAX)].prop_map(|seq| Input::Ack { log: MAILBOX, delivered: Seq(seq) }),
        2 => Just(Input::Drained),
        2 => Just(Input::Tick),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![Just(Start::Beginning), Just(Start::Live), cursor().prop_map(Start::Cursor)]
}

proptest! {
    #[test]
    fn nothing_panics_and_what_is_given_rises(
        start in start(),
        steps in prop::collection::vec((input(), 0..3_000_u64, 0..6_usize), 1..60),
    ) {
        let mut rig = Rig::new(start);
        let mut out = Vec::new();
        let mut last = Seq(0);
        let mut acknowledged = Position::default();
        let log = Log::mailbox(&region(), 8, &user("bob"));
        rig.session.handle(rig.now, Input::Subscribed(MAILBOX), &mut out);
        for (input, later, takes) in steps {
            rig.now = rig.now.plus(Millis(later));
            rig.session.handle(rig.now, input, &mut out);
            prop_assert!(rig.session.logs.waits(&MAILBOX) <= BOUNDS.outbound_frames + 3);
            for _ in 0..takes {
                match rig.take() {
                    Some(ServerFrame::Entry(entry)) => {
                        prop_assert!(entry.seq > last, "{} after {}", entry.seq.0, last.0);
                        last = entry.seq;
                    }
                    // A gap may lead to an epoch whose numbers begin lower.
                    Some(ServerFrame::Gap { cursor, from, to, .. }) => {
                        prop_assert!(from <= to);
                        // One beyond every stream's sequences is told, and can't be opened again.
                        last = cursor.open(&log).map_or(Seq(0), |cursor| cursor.position.seq);
                    }
                    Some(ServerFrame::CaughtUp { seq, .. }) => prop_assert!(seq >= last),
                    Some(frame) => panic!("{frame:?}"),
                    None => break,
                }
            }
            for output in out.drain(..) {
                if let Output::Acknowledge(_, Acknowledged { cursor, .. }) = output {
                    prop_assert!(cursor.position.above(&acknowledged) || cursor.position.seq == acknowledged.seq);
                    acknowledged = cursor.position;
                }
            }
        }
    }
}

/// The same of another log.
fn of_log(log: &LogName, input: Input) -> Input {
    let log = log.clone();
    match input {
        Input::Subscribed(_) => Input::Subscribed(log),
        Input::Live(_, live) => Input::Live(log, live),
        Input::Heads(_, head) => Input::Heads(log, head),
        Input::HeadsUnanswered(_) => Input::HeadsUnanswered(log),
        Input::Read(_, answer) => Input::Read(log, answer),
        Input::Ack { delivered, .. } => Input::Ack { log, delivered },
        other @ (Input::Sending(_)
        | Input::Follow { .. }
        | Input::Unfollow(_)
        | Input::Groups(_)
        | Input::Looked(..)
        | Input::Verified(..)
        | Input::Signal(_)
        | Input::SeveralDevices
        | Input::MarkRead { .. }
        | Input::News(_)
        | Input::Marks(_)
        | Input::MarksChanged(_)
        | Input::MarksUnknown
        | Input::Drained
        | Input::Tick) => other,
    }
}

/// What happens to one of a few logs, which are followed and left again.
fn input_of_some_log() -> impl Strategy<Value = Input> {
    let log = prop_oneof![Just(MAILBOX), Just("#a".parse().unwrap()), Just("#b".parse().unwrap())];
    let follow = (log.clone(), start()).prop_map(|(log, start)| Input::Follow { log, start });
    prop_oneof![
        2 => follow,
        1 => log.clone().prop_map(Input::Unfollow),
        2 => log.clone().prop_map(Input::Subscribed),
        12 => (log, input()).prop_map(|(log, input)| of_log(&log, input)),
    ]
}

proptest! {
    /// What is counted over all logs would drift for ever if one change of one log were missed.
    #[test]
    fn what_is_counted_over_logs_that_come_and_go_is_what_they_say(
        steps in prop::collection::vec((input_of_some_log(), 0..3_000_u64, 0..4_usize), 1..80),
    ) {
        let mut rig = Rig::new(Start::Beginning);
        let mut out = Vec::new();
        for (input, later, takes) in steps {
            rig.now = rig.now.plus(Millis(later));
            rig.session.handle(rig.now, input, &mut out);
            prop_assert!(rig.session.logs.adds_up());
            for _ in 0..takes {
                rig.take();
                prop_assert!(rig.session.logs.adds_up());
            }
        }
        for log in [MAILBOX, "#b".parse().unwrap(), "#a".parse().unwrap()] {
            rig.session.handle(rig.now, Input::Unfollow(log), &mut out);
            prop_assert!(rig.session.logs.adds_up());
        }
        while rig.take().is_some() {}
        prop_assert!(!rig.session.has_outgoing() && !rig.session.waits_for_drain());
    }
}

/// What happens to acknowledgements.
#[derive(Clone, Debug)]
enum Told {
    Taken(Cursor),
    Acknowledged(u64),
    Time,
}

proptest! {
    /// What a quiet log keeps of its acknowledgements is all that counts of them.
    #[test]
    fn acknowledgements_that_rest_in_between_are_the_same(
        start in start(),
        steps in prop::collection::vec(
            (
                prop_oneof![
                    4 => cursor().prop_map(Told::Taken),
                    3 => (0..14_u64).prop_map(Told::Acknowledged),
                    2 => Just(Told::Time),
                ],
                0..300_u64,
            ),
            1..60,
        ),
    ) {
        let mut now = Millis(100_000);
        let (mut always, mut resting) = (Acks::new(&start, now), Acks::new(&start, now));
        let mut sent = Cursor::default();
        for (told, later) in steps {
            now = now.plus(Millis(later));
            let mut said = [Vec::new(), Vec::new()];
            for (acks, said) in [&mut always, &mut resting].into_iter().zip(&mut said) {
                match told {
                    Told::Taken(cursor) => {
                        sent = cursor;
                        acks.taken(cursor, None);
                    }
                    Told::Acknowledged(seq) => said.extend(acks.acknowledge(now, Seq(seq))),
                    Told::Time => said.extend(acks.tick(now)),
                }
            }
            prop_assert_eq!(&said[0], &said[1]);
            prop_assert_eq!(always.deadline(), resting.deadline());
            if let Some(rests) = resting.resting(&sent, now) {
                resting = Acks::of(rests, &sent);
            }
        }
        prop_assert_eq!(always.finish(), resting.finish());
    }
}
