//! A group's log: given inside its person's windows, and nothing of it outside them, whatever the device says and whatever is lost.

use dunlin_schema::content::{Change, Membership};
use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_oneof, proptest};

use super::*;

fn team() -> LogName {
    "#team".parse().unwrap()
}

/// An entry that says what becomes of bob.
fn turn(seq: u64, change: Change) -> Entry {
    let of = |name: &str| Address::local(user(name)).said_in(&region());
    let group = "#team@local".parse().unwrap();
    let membership = Membership { group, users: vec![of("carol"), of("bob")], change: change.into(), by: of("alice") };
    Entry { body: Body::Content(Content::Membership(Box::new(membership))), ..message(seq) }
}

/// The log of these tests: bob is added at 2, removed at 4 and added at 6; the rest are messages.
fn logged(seq: u64) -> Entry {
    match seq {
        2 | 6 => turn(seq, Change::Added),
        4 => turn(seq, Change::Removed),
        _ => message(seq),
    }
}

fn stored_in_it(seqs: &[u64]) -> Vec<StoredEntry> {
    seqs.iter().map(|seq| stored(*seq, *seq, &logged(*seq))).collect()
}

fn found(seqs: &[u64]) -> Input {
    Input::Read(team(), Ok(ReadAnswer { entries: stored_in_it(seqs), more: false, evidence: None }))
}

fn found_by_leader(seqs: &[u64], first: u64, end: u64) -> Input {
    let evidence = Some(evidence(Some(first), end, seqs.len()));
    Input::Read(team(), Ok(ReadAnswer { entries: stored_in_it(seqs), more: false, evidence }))
}

fn comes(epoch: u64, seq: u64, after: u64) -> Input {
    let live = LiveEntry { position: position(epoch, seq), after: Seq(after), entry: logged(seq).encode() };
    Input::Live(team(), Arc::new(Tail::of(&log_of(&team()), team()).entry(live, 2)))
}

fn stands(epoch: u64, at: u64, head: u64) -> Input {
    let head = Some(Head { seq: Seq(head), time: seconds(head) });
    Input::Heads(team(), HeadOf { position: position(epoch, at), head, floor: Seq(0) })
}

fn looked(number: u32, windows: &[(u64, Option<u64>)], upto: u64) -> Input {
    Input::Looked(team(), number, Ok(sight(windows, upto)))
}

/// What follows, each of it named after the group.
fn of_team(said: &str) -> String {
    said.replace("; ", " of #team; ").replace(", ", " of #team; entry ") + " of #team"
}

/// What bob may read once all of the log is stored.
const TWICE: &[(u64, Option<u64>)] = &[(2, Some(4)), (6, None)];

/// A device that follows the group, whose log has the head `head`, up to where its windows are looked up.
fn opening(start: Start, head: u64) -> Rig {
    let mut rig = Rig::live_at(5, 5);
    rig.sight = None;
    rig.runs([
        (Input::Follow { log: team(), start }, ""),
        (Input::Subscribed(team()), "ask heads of #team"),
        (stands(1, head, head), "look 1 of #team"),
    ]);
    rig
}

#[test]
fn of_one_who_was_away_exactly_what_was_written_meanwhile_is_missing() {
    let mut rig = opening(Start::Beginning, 7);
    rig.runs(
        [
            (looked(1, TWICE, 7), "read any 2"),
            // The socket has room for four.
            (found(&[2, 3, 4, 5, 6, 7]), "entry 2, 3, 4, 6; read any 6"),
            (found(&[6, 7]), "entry 7; caught up 7 1/7@7"),
            (comes(1, 8, 7), "entry 8"),
        ]
        .map(|(input, said)| (input, of_team(said))),
    );
    // From its cursor on, wherever that is; and the same where STATE does not say yet what the log does.
    for (cursor, given) in [(3, "entry 4, 6, 7"), (4, "entry 6, 7"), (5, "entry 6, 7")] {
        let given = of_team(&format!("{given}; caught up 7 1/7@7"));
        let mut rig = opening(at(1, cursor), 7);
        let all: Vec<u64> = (cursor..8).collect();
        rig.runs([(looked(1, TWICE, 7), format!("read any {cursor} of #team")), (found(&all), given)]);
    }
}

#[test]
fn what_comes_while_the_windows_are_looked_up_is_read_behind_it() {
    for upto in [7, 8] {
        let mut rig = opening(at(1, 7), 7);
        rig.runs([
            (comes(1, 8, 7), ""),
            (looked(1, TWICE, upto), "read any 7 of #team"),
            (found(&[7, 8]), "entry 8 of #team; caught up 8 1/8@8 of #team"),
        ]);
    }
}

#[test]
fn whoever_is_added_again_before_they_have_what_they_may_reads_on() {
    let mut rig = opening(at(1, 2), 5);
    rig.runs([
        // What is heard while the windows are looked up may not be in them.
        (Input::Groups(Some(team())), "look 2 of #team"),
        (looked(1, TWICE, 7), ""),
        (looked(2, &[(2, Some(4))], 5), "read any 2 of #team"),
        (Input::Follow { log: team(), start: Start::Beginning }, ""),
        (found(&[2, 3, 4, 5]), "look 3 of #team"),
        (looked(3, TWICE, 7), "read any 2 of #team"),
        (
            found(&[2, 3, 4, 5, 6, 7]),
            "entry 3 of #team; entry 4 of #team; entry 6 of #team; entry 7 of #team; caught up 7 1/7@7 of #team",
        ),
        (Input::Groups(Some(team())), ""),
    ]);
}

#[test]
fn the_removal_is_the_last_that_somebody_gets() {
    let mut rig = opening(at(1, 2), 2);
    rig.runs([
        (looked(1, &[(2, None)], 2), "caught up 2 1/2@2 of #team"),
        (comes(1, 3, 2), "entry 3 of #team"),
        (comes(1, 4, 3), "ended at 1/4 of #team; entry 4 of #team"),
        (comes(1, 5, 4), ""),
        (stands(1, 5, 5), ""),
        (Input::HeadsUnanswered(team()), ""),
        (Input::Ack { log: team(), delivered: Seq(4) }, "acknowledge 1/4@4 of #team"),
        // Somebody who is added again goes on from there.
        (Input::Groups(Some(team())), "open of #team"),
        (Input::Follow { log: team(), start: Start::Beginning }, ""),
        (Input::Groups(Some(team())), ""),
        (comes(1, 6, 5), ""),
        (Input::Subscribed(team()), "ask heads of #team"),
        (stands(1, 7, 7), "look 2 of #team"),
        (looked(2, TWICE, 7), "read any 4 of #team"),
        (found(&[4, 5, 6, 7]), "entry 6 of #team; entry 7 of #team; caught up 7 1/7@7 of #team"),
    ]);
}

#[test]
fn what_was_queued_before_a_removal_is_still_written() {
    let mut rig = opening(at(1, 2), 2);
    rig.step(looked(1, &[(2, None)], 2));
    rig.writes = false;
    rig.runs([(comes(1, 3, 2), ""), (comes(1, 4, 3), "ended at 1/4 of #team"), (comes(1, 5, 4), "")]);
    rig.writes = true;
    rig.runs([(Input::Tick, "entry 3 of #team; entry 4 of #team")]);
}

#[test]
fn whoever_is_no_member_gets_what_is_left_of_their_windows_and_no_more() {
    let removed: &[(u64, Option<u64>)] = &[(2, Some(4))];
    let cases = [
        (at(1, 2), "read any 2 of #team"),
        (at(1, 4), "ended at 1/4 of #team"),
        // Another member's cursor, and what comes from now on.
        (at(1, 7), "ended at 1/7 of #team"),
        (Start::Live, "ended at 1/7 of #team"),
        (Start::Beginning, "read any 2 of #team"),
    ];
    for (start, then) in cases {
        let mut rig = opening(start, 7);
        rig.runs([(looked(1, removed, 7), then)]);
        if then.starts_with("read") {
            let given = rig.step(found(&[2, 3, 4, 5, 6, 7]));
            assert!(
                given.starts_with("ended at 1/4 of #team; entry") && given.ends_with("entry 4 of #team"),
                "{given}"
            );
        }
        rig.runs([(comes(1, 8, 7), "")]);
    }
    // A cursor from beyond the log's end hides nothing that is stored by then.
    let mut rig = opening(at(1, 900), 7);
    rig.runs([
        (looked(1, &[(2, None)], 7), "verify 1/900".to_owned()),
        (Input::Verified(log_of(&team()).shard, Ok(position(1, 7))), "read leader after 130 of #team".to_owned()),
        (found_by_leader(&[], 2, 8), "look 2 of #team; gap 100..100 1/7@100 of #team".to_owned()),
        (looked(2, removed, 8), "ended at 1/7 of #team".to_owned()),
    ]);
}

/// An entry that is stored after the lookup must not be taken for one that was given.
#[test]
fn a_cursor_that_stands_at_a_time_to_come_hides_no_removal() {
    let time = position(1, 120).time;
    let cursor = Cursor { position: Position { seq: Seq(0), time, epoch: Epoch(1) }, at: Millis(0), began: Seq(0) };
    let mut rig = opening(Start::Cursor(cursor), 3);
    rig.runs([
        (looked(1, &[(2, None)], 3), "read leader after 3 of #team"),
        (found_by_leader(&[4], 2, 4), "ended at 1/4 of #team; entry 4 of #team"),
    ]);
}

#[test]
fn behind_a_gap_nothing_is_given_before_the_windows_are_looked_up_again() {
    let mut rig = opening(at(1, 2), 2);
    rig.runs([
        (looked(1, &[(2, None)], 2), "caught up 2 1/2@2 of #team"),
        (comes(1, 20, 19), "read any 2 of #team"),
        (found(&[]), "read leader 2 of #team"),
        (
            Input::Read(
                team(),
                Ok(ReadAnswer {
                    entries: stored_in_it(&[15, 20]),
                    more: false,
                    evidence: Some(Evidence { first: Some(Seq(15)), stream_last: Seq(20), weight: 12 }),
                }),
            ),
            "look 2 of #team; gap 2..15 1/14@15 of #team",
        ),
        (comes(1, 21, 20), ""),
        (Input::Looked(team(), 1, Ok(sight(&[(2, None)], 21))), ""),
        (Input::Looked(team(), 2, Err(ReadFailed)), ""),
    ]);
    rig.now = rig.now.plus(Millis(1_000));
    rig.runs([
        (Input::Tick, "look 3 of #team"),
        (looked(3, &[(2, Some(4))], 21), "ended at 1/14 of #team"),
        (comes(1, 22, 21), ""),
    ]);
}

#[test]
fn an_entry_that_cant_be_read_may_have_been_a_removal() {
    let mut rig = opening(at(1, 2), 2);
    rig.runs([(looked(1, &[(2, None)], 2), "caught up 2 1/2@2 of #team"), (comes(1, 9, 8), "read any 2 of #team")]);
    let mut entries = stored_in_it(&[2, 3, 5]);
    entries[1].payload = Bytes::from_static(b"rotten");
    rig.runs([
        (
            Input::Read(team(), Ok(ReadAnswer { entries, more: false, evidence: None })),
            "corrupt 3 of #team; gap 2..3 1/3@3 of #team; look 2 of #team",
        ),
        (looked(2, &[(2, Some(3))], 9), "ended at 1/3 of #team"),
    ]);
}

#[test]
fn in_a_new_epoch_the_windows_are_looked_up_again() {
    let mut rig = opening(at(1, 7), 7);
    rig.runs([
        (looked(1, TWICE, 7), "caught up 7 1/7@7 of #team"),
        (comes(2, 9, 8), "read leader 7 of #team"),
        (found_by_leader(&[7, 9], 2, 9), "look 2 of #team; gap 7..9 2/8@9 of #team"),
        (looked(2, TWICE, 9), "read leader 8 of #team"),
        (found_by_leader(&[9], 2, 9), "entry 9 of #team"),
    ]);
}

/// One's own windows, as the log's entries up to a sequence make them.
fn truth(upto: u64) -> Windows {
    let mut windows = Windows::default();
    for seq in 1..=upto {
        let Body::Content(content) = logged_long(seq).body else { continue };
        if let Some(turn) = dunlin_schema::Turn::of(&content, &Sender { user: user("bob"), region: region() }) {
            windows.turn(Seq(seq), turn, false);
        }
    }
    windows
}

/// A log in which bob comes and goes.
fn logged_long(seq: u64) -> Entry {
    match seq {
        2 | 6 | 11 | 15 => turn(seq, Change::Added),
        4 | 8 | 13 | 17 => turn(seq, Change::Removed),
        _ => message(seq),
    }
}

/// What happens to a follower of the log, as long as that is: entries come or are lost, answers bring some of the log, what is looked up
/// is looked up now or was a while ago.
#[derive(Clone, Debug)]
enum Happens {
    Stored,
    Comes { after: u64 },
    Reads { first: u64, fails: bool },
    Looks { fails: bool },
    Heads { behind: u64 },
    Other(Box<Input>),
}

fn other(input: Input) -> Happens {
    Happens::Other(Box::new(input))
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Stored),
        4 => (0..18_u64).prop_map(|after| Happens::Comes { after }),
        4 => (prop_oneof![2 => Just(1), 1 => 1..18_u64], proptest::bool::weighted(0.2))
            .prop_map(|(first, fails)| Happens::Reads { first, fails }),
        4 => proptest::bool::weighted(0.2).prop_map(|fails| Happens::Looks { fails }),
        3 => (0..3_u64).prop_map(|behind| Happens::Heads { behind }),
        1 => Just(other(Input::Subscribed(team()))),
        1 => Just(other(Input::HeadsUnanswered(team()))),
        1 => Just(other(Input::Follow { log: team(), start: Start::Live })),
        1 => Just(other(Input::Verified(log_of(&team()).shard, Err(NoAnswer)))),
        1 => Just(other(Input::Verified(log_of(&team()).shard, Ok(position(1, 1))))),
        2 => Just(other(Input::Drained)),
        2 => Just(other(Input::Tick)),
    ]
}

fn any_start() -> impl Strategy<Value = Start> {
    let cursor = (0..24_u64, 0..140_u64, 0..24_u64, 0..120_000_u64).prop_map(|(seq, time, began, at)| {
        let time = if time < 24 { seconds(seq) } else { seconds(time) };
        let position = Position { epoch: Epoch(1), seq: Seq(seq), time };
        Start::Cursor(Cursor { position, at: Millis(at), began: Seq(began) })
    });
    prop_oneof![1 => Just(Start::Beginning), 1 => Just(Start::Live), 3 => cursor]
}

proptest! {
    /// Whatever a device says of itself, and whatever is lost, late or unanswered: nothing outside its person's windows is given.
    #[test]
    fn nothing_outside_the_windows_is_ever_given(
        start in any_start(),
        first in 1..18_u64,
        steps in prop::collection::vec((happens(), 0..3_000_u64, 0..4_usize), 1..80),
    ) {
        let mut rig = Rig::live_at(5, 5);
        rig.sight = None;
        let (mut end, mut looks, mut reading, mut out) = (first, Vec::new(), None, Vec::new());
        rig.session.handle(rig.now, Input::Follow { log: team(), start }, &mut out);
        rig.session.handle(rig.now, Input::Subscribed(team()), &mut out);
        for (happens, later, takes) in steps {
            rig.now = rig.now.plus(Millis(later));
            let input = match happens {
                Happens::Stored => {
                    end = (end + 1).min(18);
                    continue;
                }
                Happens::Comes { after } => {
                    // Nothing that was stored lies between the two.
                    let live = LiveEntry {
                        position: position(1, end),
                        after: Seq(after.max(end - 1)),
                        entry: logged_long(end).encode(),
                    };
                    Input::Live(team(), Arc::new(Tail::of(&log_of(&team()), team()).entry(live, 1)))
                }
                Happens::Reads { first, fails } => match reading.take() {
                    None => continue,
                    Some(_) if fails => Input::Read(team(), Err(ReadFailed)),
                    Some(ReadRequest { from, source }) => {
                        let first = first.min(end);
                        let is_wanted = |seq: &u64| match from {
                            ReadFrom::Seq(from) => Seq(*seq) >= from,
                            ReadFrom::Time(from) => seconds(*seq) >= from,
                        };
                        let entries = (first..=end).filter(is_wanted);
                        let entries: Vec<_> = entries.map(|seq| stored(seq, seq, &logged_long(seq))).collect();
                        let evidence = (source == Source::Leader).then(|| {
                            // So many came that the first ones are gone.
                            let weight = if first > 1 { BOUNDS.mailbox_entries as usize } else { entries.len() };
                            evidence(Some(first), end, weight)
                        });
                        Input::Read(team(), Ok(ReadAnswer { entries, more: false, evidence }))
                    }
                },
                Happens::Looks { fails } => match looks.pop() {
                    None => continue,
                    Some(number) if fails => Input::Looked(team(), number, Err(ReadFailed)),
                    Some(number) => {
                        let upto = Place { seq: Seq(end), time: seconds(end) };
                        Input::Looked(team(), number, Ok(Sight { windows: truth(end), upto }))
                    }
                },
                Happens::Heads { behind } => {
                    let head = end.saturating_sub(behind).max(1);
                    stands(1, head, head)
                }
                Happens::Other(input) => *input,
            };
            rig.session.handle(rig.now, input, &mut out);
            for output in out.drain(..) {
                if let Output::Look(_, number) = output {
                    looks.push(number);
                } else if let Output::Read(_, request) = output {
                    reading = Some(request);
                }
            }
            prop_assert!(rig.session.logs.adds_up());
            for _ in 0..takes {
                let Some(frame) = rig.take() else { break };
                if let ServerFrame::Entry(entry) = frame {
                    prop_assert!(truth(18).contain(entry.seq), "{} was given", entry.seq.0);
                }
            }
        }
    }
}
