//! How far back an acknowledgement reaches: to where the device began, or to the last gap, and never over it.

use super::*;

/// What the next frames' cursors say of where the device began, as `sequence from beginning`.
fn begins(rig: &mut Rig, input: Input) -> Vec<(u64, u64)> {
    let mut out = Vec::new();
    rig.session.handle(rig.now, input, &mut out);
    let frames = std::iter::from_fn(|| rig.take());
    let cursors = frames.filter_map(|frame| match frame {
        ServerFrame::Entry(entry) => Some(entry.cursor),
        ServerFrame::Gap { cursor, .. } | ServerFrame::CaughtUp { cursor, .. } => Some(cursor),
        ServerFrame::Welcome { .. }
        | ServerFrame::Accepted { .. }
        | ServerFrame::Rejected { .. }
        | ServerFrame::Answer(_)
        | ServerFrame::Refused { .. }
        | ServerFrame::Goodbye(_)
        | ServerFrame::Signal { .. }
        | ServerFrame::Presence { .. }
        | ServerFrame::Receipt { .. }
        | ServerFrame::Marked { .. }
        | ServerFrame::GroupSignal { .. } => None,
    });
    cursors.map(|text| text.open(&log_of(&MAILBOX)).unwrap()).map(|at| (at.position.seq.0, at.began.0)).collect()
}

/// Where what is passed on begins, when the device has everything up to `delivered`.
fn covers_from(rig: &mut Rig, delivered: u64) -> Vec<(u64, u64)> {
    rig.now = rig.now.plus(Millis(2_000));
    let mut out = Vec::new();
    rig.session.handle(rig.now, Input::Ack { log: MAILBOX, delivered: Seq(delivered) }, &mut out);
    let acknowledged = out.iter().filter_map(|output| match output {
        Output::Acknowledge(_, Acknowledged { cursor, .. }) => Some((cursor.position.seq.0, cursor.began.0)),
        Output::Look(..)
        | Output::Open(_)
        | Output::Ended(..)
        | Output::Sending(_)
        | Output::Read(..)
        | Output::AskHeads(_)
        | Output::Verify(..)
        | Output::MarkRead(..)
        | Output::ReadMarks(_)
        | Output::Corrupt(..)
        | Output::Overflowed(_)
        | Output::SignalLost => None,
    });
    acknowledged.collect()
}

fn opened(start: Start) -> Rig {
    let mut rig = Rig::new(start);
    rig.step(Input::Subscribed(MAILBOX));
    rig
}

#[test]
fn from_the_beginning_it_covers_all() {
    let mut rig = opened(Start::Beginning);
    begins(&mut rig, head(1, 9, 5));
    assert_eq!(begins(&mut rig, any(&[3, 5])), [(3, 0), (5, 0), (5, 0)]);
    assert_eq!(begins(&mut rig, live(1, 12, 9)), [(12, 0)]);
    assert_eq!(covers_from(&mut rig, 3), [(3, 0)]);
    assert_eq!(covers_from(&mut rig, 12), [(12, 0)]);
}

#[test]
fn who_wants_only_what_comes_covers_nothing_of_before() {
    let mut rig = opened(Start::Live);
    assert_eq!(begins(&mut rig, head(1, 50, 30)), [(30, 30)]);
    assert_eq!(begins(&mut rig, live(1, 60, 30)), [(60, 30)]);
    assert_eq!(begins(&mut rig, live(1, 61, 60)), [(61, 30)]);
    assert_eq!(covers_from(&mut rig, 60), [(60, 30)]);
    // Its cursor carries that on, whichever gateway it is shown to.
    let place = Cursor { began: Seq(30), ..Cursor::of_entry(position(1, 61)) };
    let mut rig = opened(Start::Cursor(place));
    assert_eq!(begins(&mut rig, head(1, 70, 61)), [(61, 30)]);
    assert_eq!(begins(&mut rig, live(1, 72, 70)), [(72, 30)]);
}

#[test]
fn who_stands_at_a_time_alone_begins_with_the_first_entry_behind_it() {
    let mut rig = opened(Start::Live);
    let nothing_read = HeadOf { position: Position { time: seconds(40), ..position(2, 0) }, head: None, floor: Seq(0) };
    assert_eq!(begins(&mut rig, Input::Heads(MAILBOX, nothing_read)), [(0, 0)]);
    assert_eq!(begins(&mut rig, live(2, 60, 0)), [(60, 59)]);
}

#[test]
fn what_a_gap_hides_is_not_covered() {
    let mut rig = opened(at(1, 5));
    begins(&mut rig, floor(1, 40, 40));
    begins(&mut rig, any(&[]));
    let full = Some(Evidence { first: Some(Seq(30)), stream_last: Seq(40), weight: 10 });
    assert_eq!(begins(&mut rig, answer(entries(&[30, 31]), false, full)), [(29, 29), (30, 29), (31, 29), (31, 29)]);
    assert_eq!(covers_from(&mut rig, 31), [(31, 29)]);
    // Nor what a log lost that went back.
    let mut rig = opened(at(1, 30));
    begins(&mut rig, head(2, 36, 35));
    let kept = leader_of(vec![stored(30, 30, &message(30)), stored(35, 60, &message(35))], Some(2), 36);
    assert_eq!(begins(&mut rig, kept), [(34, 34), (35, 34), (35, 34)]);
}

#[test]
fn an_entry_that_cant_be_read_is_not_covered() {
    let mut rig = opened(at(1, 5));
    begins(&mut rig, head(1, 9, 7));
    let rotten = StoredEntry { seq: Seq(6), time: seconds(6), payload: Bytes::from_static(b"rotten") };
    let all = vec![stored(5, 5, &message(5)), rotten, stored(7, 7, &message(7))];
    assert_eq!(begins(&mut rig, answer(all, false, None)), [(6, 6), (7, 6), (7, 6)]);
}

#[test]
fn what_was_given_before_a_gap_covers_what_it_did() {
    let mut rig = opened(at(1, 5));
    begins(&mut rig, head(1, 9, 5));
    assert_eq!(begins(&mut rig, live(1, 10, 9)), [(10, 0)]);
    let rotten = Input::Live(
        MAILBOX,
        ready(LiveEntry { position: position(1, 12), after: Seq(10), entry: Bytes::from_static(b"rotten") }),
    );
    begins(&mut rig, rotten);
    let rotten = StoredEntry { seq: Seq(12), time: seconds(12), payload: Bytes::from_static(b"rotten") };
    begins(&mut rig, answer(vec![stored(10, 10, &message(10)), rotten, stored(13, 13, &message(13))], false, None));
    assert_eq!(covers_from(&mut rig, 10), [(10, 0)]);
    assert_eq!(covers_from(&mut rig, 13), [(13, 12)]);
}

/// A gateway may have died with the acknowledgement of it: the sender's receipt is not to wait until the cursor itself counts.
#[test]
fn what_the_device_came_with_is_passed_on_once_it_acknowledges_no_more_than_that() {
    let mut rig = opened(at(1, 5));
    begins(&mut rig, head(1, 9, 7));
    assert_eq!(begins(&mut rig, answer(entries(&[5, 7]), false, None)), [(7, 0), (7, 0)]);
    assert_eq!(covers_from(&mut rig, 4), []);
    assert_eq!(covers_from(&mut rig, 5), [(5, 0)]);
    assert_eq!(covers_from(&mut rig, 5), [], "once");
    assert_eq!(covers_from(&mut rig, 7), [(7, 0)]);
    // Also where it says so before it is given anything.
    for (early, told) in [(4, vec![]), (5, vec![(5, 0)]), (6, vec![(5, 0)])] {
        let mut rig = opened(at(1, 5));
        assert_eq!(covers_from(&mut rig, early), []);
        assert_eq!(begins(&mut rig, head(1, 9, 5)), [(5, 0)]);
        assert_eq!(covers_from(&mut rig, 0), told, "{early}");
    }
}

#[test]
fn a_forged_beginning_is_not_above_its_place() {
    let place = Cursor { began: Seq(900), ..Cursor::of_entry(position(1, 5)) };
    let mut rig = opened(Start::Cursor(place));
    assert_eq!(begins(&mut rig, head(1, 9, 5)), [(5, 5)]);
}
