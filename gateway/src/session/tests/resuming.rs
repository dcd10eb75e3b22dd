//! Coming back: the proof, gaps, epochs, forged cursors.

use super::*;

#[test]
fn a_new_device_gets_everything_without_proof() {
    let mut rig = Rig::new(Start::Beginning);
    rig.opens(head(1, 9, 7), "read any 1");
    rig.runs([(any(&[3, 5, 7]), "entry 3; entry 5; entry 7; caught up 7 1/7@9")]);
}

#[test]
fn a_mailbox_that_never_had_an_entry_is_at_0() {
    let mut rig = Rig::new(Start::Beginning);
    rig.opens(floor(1, 9, 0), "read any 1");
    rig.runs([(any(&[]), "caught up 0 1/0@9"), (live(1, 12, 0), "entry 12")]);
}

#[test]
fn in_an_empty_shard_the_leader_says_that_there_is_nothing() {
    let mut rig = Rig::new(Start::Beginning);
    rig.now = Millis(300_000);
    let nowhere = HeadOf { position: Position { epoch: Epoch(1), ..Position::default() }, head: None, floor: Seq(0) };
    rig.opens(Input::Heads(MAILBOX, nowhere), "read leader 1");
    rig.runs([(leader(&[], None, 0), "caught up 0 1/0@300"), (live(1, 1, 0), "entry 1")]);
}

#[test]
fn above_a_floor_only_the_leader_knows_the_end() {
    let mut rig = Rig::new(Start::Beginning);
    rig.opens(floor(1, 90, 80), "read any 1");
    rig.runs([
        (any(&[3]), "read leader 3; entry 3"),
        (leader(&[3, 40], Some(3), 95), "entry 40; caught up 40 1/40@100"),
        (live(1, 97, 90), "entry 97"),
    ]);
}

#[test]
fn the_head_is_the_cursors_own_entry_so_nothing_is_read() {
    let mut rig = Rig::new(at(1, 7));
    rig.opens(head(1, 9, 7), "caught up 7 1/7@9");
    rig.runs([(live(1, 12, 9), "entry 12")]);
}

#[test]
fn the_head_has_the_cursors_sequence_and_another_time() {
    let mut rig = Rig::new(at(1, 7));
    let other = Head { seq: Seq(7), time: seconds(8) };
    rig.opens(
        Input::Heads(MAILBOX, HeadOf { position: position(1, 9), head: Some(other), floor: Seq(0) }),
        "read any 7",
    );
    rig.runs([
        (answer(vec![stored(7, 8, &message(7))], false, None), "read leader 7"),
        (leader_of(vec![stored(7, 8, &message(7))], Some(7), 9), "verify 1/7"),
        (Input::Verified(SHARD, Err(NoAnswer)), ""),
        (live(1, 10, 9), ""),
    ]);
    rig.now = Millis(101_000);
    rig.runs([
        (Input::Tick, "verify 1/7"),
        (Input::Verified(SHARD, Ok(position(5, 9))), "read leader 7"),
        (leader_of(vec![stored(7, 8, &message(7))], Some(7), 9), "read leader after 7"),
        (leader_of(vec![stored(7, 8, &message(7))], Some(7), 9), "gap 7..8 5/6@8; entry 7; caught up 7 5/7@101"),
    ]);
}

#[test]
fn a_quiet_shard_is_no_news_so_the_leader_is_asked_for_a_fresh_cursor() {
    let mut rig = Rig::new(at(1, 7));
    rig.now = Millis(300_000);
    rig.opens(head(1, 9, 7), "read leader 7");
    rig.runs([(leader(&[7], Some(7), 9), "caught up 7 1/7@300")]);
}

#[test]
fn what_came_meanwhile_is_given_behind_the_cursors_own_entry() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(head(1, 9, 7), "read any 5");
    rig.runs([(any(&[5, 6, 7]), "entry 6; entry 7; caught up 7 1/7@9")]);
}

#[test]
fn a_follower_that_lags_makes_no_gap_and_no_end() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(head(1, 9, 7), "read any 5");
    rig.runs([(any(&[]), "read leader 5"), (leader(&[5, 6, 7], Some(5), 9), "entry 6; entry 7; caught up 7 1/7@100")]);
    let mut rig = Rig::new(at(1, 5));
    rig.opens(head(1, 9, 7), "read any 5");
    rig.runs([(any(&[5, 6]), "read leader 6; entry 6"), (leader(&[6, 7], Some(5), 9), "entry 7; caught up 7 1/7@100")]);
}

#[test]
fn an_idle_mailbox_whose_old_entries_expired_lost_nothing() {
    let fresh = Cursor { position: position(1, 5), at: Millis(90_000), began: Seq(0) };
    let mut rig = Rig::new(Start::Cursor(fresh));
    rig.opens(floor(1, 95, 60), "read any 5");
    rig.runs([
        (any(&[]), "read leader 5"),
        (leader(&[], None, 99), "caught up 5 1/5@100"),
        (live(1, 101, 95), "entry 101"),
    ]);
}

#[test]
fn an_erased_entry_is_no_gap() {
    // Entry 5 is erased: tombstone 8 stands for it. An older entry is still there, or none is.
    for (first, now) in [(2, 100), (8, 100), (2, 2_000)] {
        let mut rig = Rig::new(at(1, 5));
        rig.now = Millis(now * 1_000);
        rig.opens(head(1, 9, 8), "read any 5");
        let left = || vec![stored(8, 8, &tombstone(5))];
        rig.runs([(answer(left(), false, None), "read leader 5")]);
        let caught_up = format!("caught up 8 1/8@{now}");
        if first < 5 {
            // The same is seen after a power loss: only the reader can tell.
            rig.runs([
                (leader_of(left(), Some(first), 9), "verify 1/5"),
                (Input::Verified(SHARD, Ok(position(1, 9))), &caught_up),
            ]);
        } else {
            rig.runs([(leader_of(left(), Some(first), 9), caught_up.as_str())]);
        }
        rig.runs([(live(1, 12, 9), "entry 12")]);
    }
}

#[test]
fn a_mailbox_that_rolled_over_is_a_gap() {
    let weight_10 = |seqs: &[u64], more| {
        answer(entries(seqs), more, Some(Evidence { first: Some(Seq(20)), stream_last: Seq(40), weight: 10 }))
    };
    let mut rig = Rig::new(at(1, 5));
    rig.opens(head(1, 40, 21), "read any 5");
    rig.runs([
        (any(&[20, 21]), "read leader 5"),
        (weight_10(&[20, 21], false), "gap 5..20 1/19@20; entry 20; entry 21; caught up 21 1/21@100"),
    ]);
}

#[test]
fn away_longer_than_the_retention_is_a_gap_also_at_0_and_also_with_nothing_left() {
    for (seq, gap, caught) in [(0, "gap 50..2000 1/90@2000", 90), (5, "gap 50..2000 1/90@2000", 90)] {
        let mut rig = Rig::new(Start::Cursor(Cursor { position: position(1, seq), at: Millis(50_000), began: Seq(0) }));
        rig.now = Millis(2_000_000);
        if seq == 0 {
            // No replica's entry could show that nothing is missing.
            rig.opens(floor(1, 90, 90), "read leader 1");
        } else {
            rig.opens(floor(1, 90, 90), "read any 5");
            rig.runs([(any(&[]), "read leader 5")]);
        }
        rig.runs([
            (leader(&[], None, 95), &*format!("{gap}; caught up {caught} 1/{caught}@2000")),
            (live(1, 96, 90), "entry 96"),
        ]);
    }
}

#[test]
fn coming_back_with_a_gaps_cursor_is_proven_by_the_entry_behind_it() {
    let gap = Cursor {
        position: Position { epoch: Epoch(1), seq: Seq(19), time: StreamTime(seconds(20).0 - 1) },
        at: Millis(20_000),
        began: Seq(19),
    };
    let mut rig = Rig::new(Start::Cursor(gap));
    rig.now = Millis(1_010_000);
    rig.opens(head(1, 40, 21), "read any 19");
    rig.runs([(any(&[20, 21]), "read leader 21; entry 20; entry 21")]);
    // In a further epoch, the entry behind it is not passed over.
    let mut rig = Rig::new(Start::Cursor(gap));
    rig.opens(head(2, 40, 21), "read leader 19");
    let mut out = Vec::new();
    rig.session.handle(rig.now, leader(&[21], Some(2), 40), &mut out);
    let from = ReadFrom::Time(seconds(20));
    assert_eq!(out, [Output::Read(MAILBOX, ReadRequest { from, source: Source::Leader })]);
}

#[test]
fn a_higher_epoch_is_a_gap_and_goes_on_behind_the_cursors_time() {
    let mut rig = Rig::new(at(1, 30));
    // 31 to 34 were kept, 35 is another one now.
    let kept = || vec![stored(31, 31, &message(31)), stored(35, 60, &message(35))];
    let said = "gap 30..31 2/30@31; entry 31; entry 35; caught up 35 2/35@100";
    rig.opens(head(2, 36, 35), "read leader 30");
    let own = || std::iter::once(stored(30, 30, &message(30)));
    rig.runs([(leader_of(own().chain(kept()).collect(), Some(2), 36), said)]);

    let mut rig = Rig::new(at(1, 30));
    rig.opens(head(2, 36, 35), "read leader 30");
    rig.runs([(leader_of(kept(), Some(2), 36), "read leader after 30"), (leader_of(kept(), Some(2), 36), said)]);
}

#[test]
fn behind_a_clock_that_went_back_the_cursors_own_entry_shows_where_to_go_on() {
    let mut rig = Rig::new(at(1, 30));
    rig.opens(head(2, 36, 35), "read leader 30");
    let behind = vec![stored(30, 30, &message(30)), stored(35, 28, &message(35))];
    rig.runs([(leader_of(behind, Some(2), 36), "gap 30..30 2/34@28; entry 35; caught up 35 2/35@100")]);
}

#[test]
fn a_gap_reaches_to_the_beginning_of_its_epoch() {
    let mut rig = Rig::new(at(1, 30));
    let epoch = seconds(70).0;
    rig.opens(head(epoch, 36, 31), "read leader 30");
    let said = rig.step(leader(&[30, 31], Some(2), 36));
    assert!(said.starts_with("gap 30..70 "), "{said}");
}

#[test]
fn a_gaps_cursor_stands_when_the_entry_behind_it_is_erased() {
    // A gap ended just before entry 9, which is erased since; 8 is an entry of this mailbox, stored earlier.
    let before_9 = Cursor {
        position: Position { time: StreamTime(seconds(9).0 - 1), ..position(1, 8) },
        at: Millis(9_000),
        began: Seq(0),
    };
    let mut rig = Rig::new(Start::Cursor(before_9));
    rig.opens(head(1, 12, 12), "read any 8");
    rig.runs([(any(&[8, 12]), "entry 12; caught up 12 1/12@12")]);
}

#[test]
fn what_rolls_over_while_the_leader_is_asked_for_one_after_the_other_proves_nothing() {
    let full = |entries, first| {
        let evidence = Evidence { first: Some(Seq(first)), stream_last: Seq(30), weight: 10_000 };
        answer(entries, true, Some(evidence))
    };
    // 5 was there, 6 to 11 were dropped before they could be asked for: 12 is still there, 5 is not.
    let mut rig = Rig::new(at(1, 5));
    rig.opens(floor(1, 30, 30), "read any 5");
    rig.runs([
        (any(&[]), "read leader 5"),
        (full(entries(&[5, 12, 13]), 12), "gap 5..12 1/11@12; entry 12; entry 13; read any 13"),
    ]);
    // Nothing of it is there any more.
    let mut rig = Rig::new(at(1, 5));
    rig.opens(floor(1, 30, 30), "read any 5");
    rig.runs([(any(&[]), "read leader 5"), (full(entries(&[5, 12, 13]), 14), "")]);
    // What was read of 12 may hide a hole: on with what is there.
    let mut rig = Rig::new(at(1, 5));
    rig.opens(floor(1, 30, 30), "read any 5");
    rig.runs([
        (any(&[]), "read leader 5"),
        (full(entries(&[5, 12, 13]), 13), "read any 13; gap 5..13 1/12@13; entry 13"),
    ]);
}

#[test]
fn an_own_entry_that_is_gone_below_a_log_that_went_back_proves_nothing() {
    // Power took 23 to 30; 24 and 26 are new, and 25 is another mailbox's. The reader has not noticed.
    let mut rig = Rig::new(at(1, 25));
    rig.opens(floor(1, 30, 26), "read any 25");
    let after = |seq: u64| stored(seq, 30 + seq, &message(seq));
    rig.runs([
        (answer(vec![after(26)], false, None), "read leader 25"),
        (leader_of(vec![after(26)], Some(22), 30), "verify 1/25"),
        (Input::Verified(SHARD, Ok(position(2, 26))), "read leader 25"),
        (leader_of(vec![after(26)], Some(22), 30), "read leader after 25"),
        (
            leader_of(vec![after(24), after(26)], Some(22), 30),
            "gap 25..54 2/23@54; entry 24; entry 26; caught up 26 2/26@100",
        ),
    ]);
}

#[test]
fn without_an_entry_behind_it_a_new_epoch_goes_on_behind_the_cursors_time() {
    let mut rig = Rig::new(at(1, 30));
    rig.opens(floor(2, 28, 10), "read leader 30");
    rig.runs([
        (leader(&[], Some(2), 28), "read leader after 30"),
        (leader(&[], Some(2), 28), "gap 30..100 2/0@100; caught up 0 2/0@100"),
        // What survived was given: its number is not known, its time is.
        (live(2, 28, 20), ""),
        (live(2, 31, 28), "entry 31"),
    ]);
}

#[test]
fn a_gap_does_not_go_back_behind_what_was_given_to_where_the_reader_was() {
    let mut rig = Rig::new(at(1, 30));
    rig.opens(floor(2, 10, 10), "read leader 30");
    rig.runs([
        (leader(&[], Some(2), 28), "read leader after 30"),
        (leader(&[], Some(2), 28), "gap 30..100 2/0@100; caught up 0 2/0@100"),
    ]);
    // The reader has read no further, and the cursor proves nothing any more.
    rig.now = Millis(1_000_000_000);
    rig.runs([
        (Input::Tick, "read leader after 30"),
        (leader(&[], Some(2), 28), "gap 100..1000000 2/0@1000000; caught up 0 2/0@1000000"),
        (live(2, 28, 20), ""),
        (live(2, 31, 28), "read any after 30"),
        (any(&[31]), "read leader after 30"),
        (leader(&[31], Some(2), 31), "entry 31"),
    ]);
}

#[test]
fn behind_a_time_a_head_that_was_given_is_no_news() {
    let mut rig = Rig::new(at(1, 30));
    rig.opens(floor(2, 10, 10), "read leader 30");
    rig.runs([
        (leader(&[], Some(2), 28), "read leader after 30"),
        (leader(&[], Some(2), 28), "gap 30..100 2/0@100; caught up 0 2/0@100"),
        (head(2, 28, 28), ""),
        (head(2, 40, 28), ""),
        (live(2, 41, 40), "entry 41"),
        (head(2, 60, 55), "read any 41"),
    ]);
}

#[test]
fn what_comes_while_the_gap_is_read_is_not_passed_over() {
    let mut rig = Rig::new(at(1, 30));
    rig.opens(floor(2, 28, 10), "read leader 30");
    rig.runs([
        (leader(&[], Some(2), 28), "read leader after 30"),
        (live(2, 31, 28), ""),
        (leader(&[], Some(2), 31), "read any after 30; gap 30..100 2/0@100"),
        (any(&[31]), "read leader after 30"),
        (leader(&[31], Some(2), 31), "entry 31; caught up 31 2/31@100"),
    ]);
}

#[test]
fn an_end_below_the_cursor_is_verified_and_nothing_given() {
    let mut rig = Rig::new(at(1, 60));
    rig.opens(head(1, 50, 50), "read leader 60");
    rig.runs([
        (leader(&[], Some(2), 55), "verify 1/60"),
        // The epoch stands: the cursor is forged, and costs nobody else a gap.
        (Input::Verified(SHARD, Ok(position(1, 55))), "read leader after 60"),
        (leader(&[], Some(2), 55), "gap 60..100 1/55@100; caught up 55 1/55@100"),
        (live(1, 56, 55), "entry 56"),
    ]);
}

#[test]
fn a_forged_future_is_not_believed() {
    let far = Position { epoch: Epoch(1), seq: Seq::MAX, time: StreamTime(u64::MAX) };
    let mut rig = Rig::new(Start::Cursor(Cursor { position: far, at: Millis(u64::MAX), began: Seq(0) }));
    rig.opens(head(1, 50, 50), "read leader 9007199254740991");
    rig.runs([
        (leader(&[], Some(2), 55), "verify 1/9007199254740991"),
        (Input::Verified(SHARD, Ok(position(1, 55))), "read leader after 130"),
        (leader(&[], Some(2), 55), "gap 100..100 1/55@100; caught up 55 1/55@100"),
        (live(1, 56, 55), "entry 56"),
    ]);
}

#[test]
fn a_gap_before_a_reader_that_stands_at_nothing_ends_behind_what_is_there() {
    let far = Position { epoch: Epoch(9), seq: Seq::MAX, time: StreamTime(u64::MAX) };
    let mut rig = Rig::new(Start::Cursor(Cursor { position: far, at: Millis(u64::MAX), began: Seq(0) }));
    let nothing = Position { epoch: Epoch(1), ..Position::default() };
    rig.opens(
        Input::Heads(MAILBOX, HeadOf { position: nothing, head: None, floor: Seq(0) }),
        "verify 9/9007199254740991",
    );
    rig.runs([
        (Input::Verified(SHARD, Ok(nothing)), "read leader 9007199254740991"),
        (leader(&[], Some(50), 55), "read leader after 130"),
        (leader(&[], Some(50), 55), "gap 100..100 1/0@100; caught up 0 1/0@100"),
        // What the gap tells of is not given; what comes after it is.
        (live(1, 56, 54), ""),
        (live(1, 101, 56), "read any after 100"),
    ]);
}

#[test]
fn a_forged_future_without_a_sequence_hides_nothing() {
    let far = Position { epoch: Epoch(1), seq: Seq(0), time: StreamTime(u64::MAX) };
    let mut rig = Rig::new(Start::Cursor(Cursor { position: far, at: Millis(u64::MAX), began: Seq(0) }));
    rig.opens(head(1, 50, 50), "read leader after 130");
    rig.runs([
        (leader(&[], Some(2), 50), "caught up 0 1/0@100"),
        (live(1, 130, 50), ""),
        (live(1, 131, 50), "entry 131"),
    ]);
}

#[test]
fn a_cursor_with_a_time_alone_is_not_one_of_a_device_that_never_had_anything() {
    let forged = Position { epoch: Epoch(1), seq: Seq(0), time: seconds(50) };
    let mut rig = Rig::new(Start::Cursor(Cursor { position: forged, at: Millis(0), began: Seq(0) }));
    rig.now = Millis(2_000_000);
    rig.opens(head(1, 90, 80), "read any after 50");
    rig.runs([
        (any(&[80]), "read leader after 50"),
        (leader(&[80], Some(2), 90), "gap 0..80 1/79@80; entry 80; caught up 80 1/80@2000"),
    ]);
}

#[test]
fn an_end_that_the_reader_confirms_is_the_end() {
    let mut rig = Rig::new(at(1, 30));
    rig.opens(head(1, 90, 40), "read any 30");
    rig.runs([
        (any(&[30]), "read leader 30"),
        (leader(&[30], Some(2), 45), "verify 1/30"),
        (Input::Verified(SHARD, Ok(position(1, 45))), ""),
    ]);
    rig.now = Millis(100_100);
    rig.runs([
        (Input::Tick, "read any 30"),
        (any(&[30]), "read leader 30"),
        (leader(&[30], Some(2), 45), "caught up 30 1/30@100"),
        (live(1, 46, 45), "entry 46"),
    ]);
}

#[test]
fn an_epoch_above_the_readers_is_verified() {
    let mut rig = Rig::new(at(9, 30));
    rig.opens(head(1, 50, 50), "verify 9/30");
    rig.runs([
        (live(1, 51, 50), ""),
        (Input::Verified(SHARD, Ok(position(1, 51))), "read leader 30"),
        (leader(&[50, 51], Some(50), 51), "read leader after 30"),
        (leader(&[50, 51], Some(50), 51), "gap 30..50 1/49@50; entry 50; entry 51; caught up 51 1/51@100"),
    ]);
    // Or it was the reader that was behind.
    let mut rig = Rig::new(at(9, 30));
    rig.opens(head(1, 50, 50), "verify 9/30");
    rig.runs([
        (Input::Verified(SHARD, Ok(position(9, 31))), "read any 30"),
        (any(&[30]), "read leader 30"),
        (leader(&[30], Some(2), 31), "caught up 30 9/30@100"),
    ]);
}

#[test]
fn a_leader_that_ends_below_the_reader_is_doubted() {
    let mut rig = Rig::new(at(1, 30));
    rig.opens(head(1, 50, 40), "read any 30");
    rig.runs([
        (any(&[30]), "read leader 30"),
        (leader(&[30], Some(2), 45), "verify 1/30"),
        (Input::Verified(SHARD, Ok(position(1, 50))), ""),
    ]);
    rig.now = Millis(100_100);
    rig.runs([
        (Input::Tick, "read any 30"),
        (any(&[30, 40]), "read leader 40; entry 40"),
        (leader(&[40], Some(2), 50), "caught up 40 1/40@100"),
    ]);
}

#[test]
fn a_loss_that_the_reader_notices_late_is_still_told() {
    // The session reads on after the loss, before the reader has noticed: the cursor keeps the old epoch.
    let mut rig = Rig::live_at(30, 30);
    rig.runs([
        (Input::HeadsUnanswered(MAILBOX), ""),
        (Input::HeadsUnanswered(MAILBOX), "read any 30"),
        (answer(vec![stored(30, 30, &message(30)), stored(31, 90, &message(31))], false, None), "entry 31"),
        (head(2, 31, 31), "read leader 31"),
    ]);
}

#[test]
fn a_failed_read_is_repeated_later_and_later() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(head(1, 9, 7), "read any 5");
    for wait in [100, 200, 400, 800, 1_600, 3_200, 6_400, 6_400] {
        rig.runs([(Input::Read(MAILBOX, Err(ReadFailed)), "")]);
        assert_eq!(rig.session.next_deadline(), Some(rig.now.plus(Millis(wait))));
        rig.now = rig.now.plus(Millis(wait - 1));
        rig.runs([(Input::Tick, "")]);
        rig.now = rig.now.plus(Millis(1));
        rig.runs([(Input::Tick, "read any 5")]);
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_told_and_passed_over() {
    let mut rig = Rig::new(at(1, 5));
    rig.opens(head(1, 9, 7), "read any 5");
    let mut read = entries(&[5, 6, 7]);
    read[1].payload = Bytes::from_static(b"rotten");
    let said = "corrupt 6; gap 5..6 1/6@6; entry 7; caught up 7 1/7@9";
    rig.runs([(answer(read, false, None), said)]);
}
