//! How a session begins: the interest, and the first word of a reader.

use super::*;

#[test]
fn nothing_is_done_before_the_interest_is_in_place() {
    let mut rig = Rig::new(at(1, 5));
    rig.runs([(live(1, 6, 5), ""), (head(1, 9, 7), ""), (Input::HeadsUnanswered(MAILBOX), ""), (Input::Tick, "")]);
    rig.opens(live(1, 6, 5), "read leader 5");
}

#[test]
fn live_begins_where_the_reader_stands() {
    for (first, caught, next) in [
        (head(1, 90, 7), "caught up 7 1/7@100", live(1, 97, 7)),
        (floor(1, 90, 60), "caught up 90 1/90@100", live(1, 97, 90)),
        (floor(1, 90, 0), "caught up 0 1/0@100", live(1, 97, 0)),
    ] {
        let mut rig = Rig::new(Start::Live);
        rig.runs([
            (Input::Subscribed(MAILBOX), "ask heads"),
            (live(1, 80, 7), ""),
            (first, caught),
            (next, "entry 97"),
        ]);
    }
}

#[test]
fn only_what_is_new_begins_behind_a_reader_that_has_read_nothing_of_its_epoch() {
    let time = StreamTime(90_000_000_000);
    let mut rig = Rig::new(Start::Live);
    let unread = Position { time, ..position(1, 0) };
    rig.opens(Input::Heads(MAILBOX, HeadOf { position: unread, head: None, floor: Seq(0) }), "caught up 0 1/0@100");
    // The log goes back: what was there before the device came is not read.
    let began = Position { epoch: Epoch(200), ..unread };
    let mut out = Vec::new();
    rig.session.handle(rig.now, Input::Heads(MAILBOX, HeadOf { position: began, head: None, floor: Seq(0) }), &mut out);
    let request = ReadRequest { from: ReadFrom::Time(time.next()), source: Source::Leader };
    assert_eq!(out, [Output::Read(MAILBOX, request)]);
}

#[test]
fn an_entry_that_was_long_on_its_way_is_not_the_end() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(live(1, 12, 9), "read leader 5");
    rig.runs([
        (answer(entries(&[5, 9, 12]), true, Some(evidence(Some(5), 90, 5))), "read any 12; entry 9; entry 12"),
        // A replica that lags, and ends where the entry was published.
        (any(&[12]), "read leader 12"),
        (leader(&[12, 13, 14], Some(5), 90), "entry 13; entry 14; caught up 14 1/14@100"),
        (head(1, 90, 14), ""),
        (live(1, 97, 90), "entry 97"),
    ]);
}

#[test]
fn an_entry_of_a_new_epoch_that_was_long_on_its_way_is_not_the_end() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(live(2, 12, 9), "read leader 5");
    rig.runs([
        (
            answer(entries(&[5, 9, 12]), true, Some(evidence(Some(5), 90, 5))),
            "gap 5..9 2/8@9; entry 9; entry 12; read any 12",
        ),
        (any(&[12]), "read leader 12"),
        (leader(&[12, 13, 14], Some(5), 90), "entry 13; entry 14; caught up 14 2/14@100"),
    ]);
}

#[test]
fn an_entry_that_names_a_new_epoch_during_the_first_read_is_not_the_end_either() {
    for (first, read) in [(live(1, 12, 9), "read leader 5"), (head(1, 9, 9), "read any 5")] {
        let mut rig = Rig::new(at(1, 5));
        rig.opens(first, read);
        rig.runs([
            (live(2, 13, 12), ""),
            (any(&[5, 9]), "read leader 5"),
            (
                answer(entries(&[5, 9, 12]), true, Some(evidence(Some(5), 90, 5))),
                "gap 5..9 2/8@9; entry 9; entry 12; read any 12",
            ),
            (any(&[12, 13]), "read leader 13; entry 13"),
            (leader(&[13, 14], Some(5), 90), "entry 14; caught up 14 2/14@100"),
        ]);
    }
}

#[test]
fn without_a_reader_a_cursor_is_enough_and_a_new_device_waits() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(Input::HeadsUnanswered(MAILBOX), "");
    rig.now = Millis(101_000);
    rig.runs([
        (Input::Tick, "ask heads"),
        (Input::HeadsUnanswered(MAILBOX), "read leader 5"),
        (leader(&[5, 6], Some(2), 9), "entry 6; caught up 6 1/6@101"),
        (Input::HeadsUnanswered(MAILBOX), "read any 6"),
        (any(&[6, 7]), "entry 7"),
    ]);
    for start in [Start::Beginning, Start::Live] {
        let mut rig = Rig::new(start);
        rig.opens(Input::HeadsUnanswered(MAILBOX), "");
        for _ in 0..3 {
            rig.now = rig.now.plus(Millis(1_000));
            rig.runs([(Input::Tick, "ask heads"), (Input::HeadsUnanswered(MAILBOX), "")]);
        }
    }
}

#[test]
fn a_reader_that_is_behind_the_cursor_does_not_know_the_end() {
    let unread = HeadOf { position: Position { seq: Seq(0), ..position(1, 20) }, head: None, floor: Seq(0) };
    for first in [head(1, 20, 15), floor(1, 20, 20), Input::Heads(MAILBOX, unread)] {
        let mut rig = Rig::new(at(1, 30));
        rig.opens(first, "read leader 30");
        rig.runs([(leader(&[30, 31], Some(2), 90), "entry 31; caught up 31 1/31@100")]);
    }
}

#[test]
fn heads_of_a_reader_that_is_replaced_are_no_answer() {
    let mut rig = Rig::new(at(2, 30));
    rig.opens(live(2, 28, 20), "");
    rig.runs([(head(1, 50, 50), "")]);
    rig.now = Millis(101_000);
    rig.runs([(Input::Tick, "ask heads"), (head(2, 40, 30), "caught up 30 2/30@40")]);
}

#[test]
fn an_end_below_a_live_entry_is_verified_and_then_read_to_the_leaders() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(live(1, 12, 9), "read leader 5");
    rig.runs([(leader(&[5], Some(5), 11), "verify 1/5"), (Input::Verified(SHARD, Ok(position(1, 90))), "")]);
    rig.now = Millis(100_100);
    rig.runs([
        (Input::Tick, "read any 5"),
        (any(&[5, 9, 12]), "read leader 12; entry 9; entry 12"),
        (leader(&[12, 13], Some(5), 90), "entry 13; caught up 13 1/13@100"),
    ]);
}
