//! Live entries, their promises, and the comparison of heads.

use super::*;

#[test]
fn a_promise_that_fits_is_given_and_a_repeat_is_not() {
    Rig::live_at(5, 9).runs([
        (live(1, 12, 9), "entry 12"),
        (live(1, 12, 9), ""),
        (live(1, 5, 0), ""),
        (live(1, 14, 12), "entry 14"),
        (live(1, 13, 12), ""),
    ]);
}

#[test]
fn a_promise_that_does_not_reach_down_is_read() {
    Rig::live_at(5, 9).runs([
        (live(1, 14, 12), "read any 5"),
        (live(1, 15, 14), ""),
        (any(&[5, 12, 14]), "read leader 14; entry 12; entry 14"),
        (leader(&[14, 15], Some(5), 15), "entry 15"),
        (live(1, 16, 15), "entry 16"),
    ]);
}

#[test]
fn what_was_heard_of_and_is_gone_is_not_waited_for() {
    Rig::live_at(5, 9).runs([
        (live(1, 14, 12), "read any 5"),
        (any(&[5]), "read leader 5"),
        (leader(&[5], Some(5), 14), ""),
        (live(1, 16, 14), "entry 16"),
    ]);
}

#[test]
fn what_comes_during_the_last_read_is_read_too() {
    Rig::live_at(5, 9).runs([
        (live(1, 14, 12), "read any 5"),
        (any(&[5]), "read leader 5"),
        (live(1, 15, 14), ""),
        (leader(&[5], Some(5), 14), "read any 5"),
        (any(&[5, 15]), "entry 15"),
    ]);
}

#[test]
fn an_older_epoch_is_dropped_and_a_newer_one_is_a_gap() {
    let mut rig = Rig::live_at(30, 30);
    rig.runs([
        (live(0, 40, 30), ""),
        (head(0, 40, 40), ""),
        (live(2, 33, 31), "read leader 30"),
        (leader(&[30, 32, 33], Some(30), 33), "gap 30..32 2/31@32; entry 32; entry 33"),
        (live(1, 34, 33), ""),
        (live(2, 34, 33), "entry 34"),
    ]);
}

#[test]
fn an_epoch_that_begins_during_a_read_makes_its_answer_worthless() {
    Rig::live_at(30, 30).runs([
        (live(1, 33, 32), "read any 30"),
        (live(2, 31, 30), ""),
        (any(&[30, 32, 33]), "read leader 30"),
        (leader(&[30, 31], Some(2), 31), "gap 30..31 2/30@31; entry 31"),
    ]);
}

#[test]
fn the_comparison_finds_what_was_lost() {
    Rig::live_at(5, 9).runs([
        (head(1, 20, 5), ""),
        (head(1, 30, 25), "read any 5"),
        (any(&[5, 25]), "entry 25"),
        (live(1, 40, 30), "entry 40"),
    ]);
}

#[test]
fn the_comparison_makes_sure_so_the_next_promise_fits() {
    for compared in [head(1, 50, 5), floor(1, 50, 9), floor(1, 50, 4)] {
        Rig::live_at(5, 9).runs([(compared, ""), (live(1, 51, 50), "entry 51")]);
    }
}

#[test]
fn a_head_below_what_was_given_says_nothing() {
    // An answer made just before the entry arrived, a second reader that is behind, an erased entry.
    Rig::live_at(5, 9).runs([
        (live(1, 12, 9), "entry 12"),
        (head(1, 10, 5), ""),
        (head(1, 10, 3), ""),
        (live(1, 13, 12), "entry 13"),
    ]);
}

#[test]
fn a_floor_above_what_is_sure_is_read_until_the_leader_says_that_there_is_no_more() {
    Rig::live_at(5, 9).runs([
        (floor(1, 50, 40), "read any 5"),
        (any(&[5]), "read leader 5"),
        (leader(&[5], Some(5), 60), ""),
        (live(1, 61, 50), "entry 61"),
    ]);
}

#[test]
fn after_two_rounds_without_an_answer_the_log_is_read() {
    Rig::live_at(5, 9).runs([
        (Input::HeadsUnanswered(MAILBOX), ""),
        (head(1, 20, 5), ""),
        (Input::HeadsUnanswered(MAILBOX), ""),
        (Input::HeadsUnanswered(MAILBOX), "read any 5"),
        (any(&[5, 25]), "entry 25"),
        (Input::HeadsUnanswered(MAILBOX), "read any 25"),
    ]);
}

#[test]
fn a_tombstone_moves_the_cursor_in_silence() {
    let mut rig = Rig::live_at(5, 9);
    rig.runs([
        (live_entry(1, 12, 9, &tombstone(3)), ""),
        (live(1, 20, 15), "read any 12"),
        (any(&[12, 20]), "entry 20"),
    ]);
}

#[test]
fn a_live_entry_that_cannot_be_read_is_left_to_the_log() {
    let rotten = LiveEntry { position: position(1, 12), after: Seq(9), entry: Bytes::from_static(b"rotten") };
    Rig::live_at(5, 9).runs([(Input::Live(MAILBOX, ready(rotten)), "read any 5"), (any(&[5, 12]), "entry 12")]);
}

#[test]
fn a_quiet_socket_is_told_a_fresh_cursor_once_a_day() {
    let mut rig = Rig::live_at(5, 90);
    // The cursor with which it came says what it has: told once, long after it came.
    assert_eq!(rig.session.next_deadline(), Some(Millis(180_000)));
    rig.now = Millis(180_000);
    rig.runs([(Input::Tick, "acknowledge 1/5@5"), (Input::Tick, "")]);
    assert_eq!(rig.session.next_deadline(), Some(Millis(290_000)));
    rig.now = Millis(290_000);
    rig.runs([(Input::Tick, "read leader 5"), (leader(&[5], Some(5), 200), "caught up 5 1/5@290"), (Input::Tick, "")]);
    assert_eq!(rig.session.next_deadline(), Some(Millis(490_000)));
}

#[test]
fn a_live_entry_older_than_what_was_given_is_read_for() {
    // Of a log that went back since, or of a leader whose clock is behind.
    let old = LiveEntry {
        position: Position { time: seconds(3), ..position(1, 12) },
        after: Seq(9),
        entry: message(12).encode(),
    };
    let new = || stored(12, 3, &message(12));
    Rig::live_at(5, 9).runs([
        (Input::Live(MAILBOX, ready(old.clone())), "read any 5"),
        (any(&[5]), "read leader 5"),
        (leader(&[5], Some(5), 12), ""),
    ]);
    Rig::live_at(5, 9).runs([
        (Input::Live(MAILBOX, ready(old)), "read any 5"),
        (answer(vec![stored(5, 5, &message(5)), new()], false, None), "entry 12"),
    ]);
}
