//! A slow socket, and what is acknowledged.

use super::*;

/// Lets the socket take everything, and says what it took.
fn written(rig: &mut Rig) -> String {
    rig.writes = true;
    let said = rig.step(Input::Drained);
    rig.writes = false;
    said
}

fn slow_at(seq: u64) -> Rig {
    let mut rig = Rig::live_at(seq, seq);
    rig.writes = false;
    rig
}

#[test]
fn what_is_queued_is_dropped_when_it_is_too_much_and_read_when_the_socket_drains() {
    let mut rig = slow_at(5);
    rig.runs([(live(1, 6, 5), ""), (live(1, 7, 6), ""), (live(1, 8, 7), "")]);
    assert_eq!(rig.take().map(|frame| frame_in_words(&frame)).as_deref(), Some("entry 6"));
    rig.runs([
        (live(1, 9, 8), ""),
        (live(1, 10, 9), ""),
        (live(1, 11, 10), "overflowed"),
        // What would fit what was given before the drop does not fit now.
        (live(1, 12, 11), ""),
        (head(1, 12, 12), ""),
    ]);
    assert!(!rig.session.has_outgoing() && rig.session.waits_for_drain());
    rig.runs([(Input::Drained, "read any 6"), (any(&[6, 7, 8, 9, 10, 11, 12]), ""), (Input::Drained, "")]);
    assert!(!rig.session.waits_for_drain());
    assert_eq!(written(&mut rig), "entry 7; entry 8; entry 9; entry 10; read any 10");
    rig.runs([(any(&[10, 11, 12]), ""), (live(1, 13, 12), "")]);
    assert_eq!(written(&mut rig), "entry 11; entry 12; entry 13");
}

#[test]
fn bytes_are_bounded_too() {
    let mut rig = slow_at(5);
    let Entry { body, .. } = message(6);
    let mut large = Entry { body, ..message(6) };
    large.body = Body::Content(Content::Message {
        text: Some("x".repeat(32 * 1024)),
        data: None,
        attachments: vec![],
        reply_to: None,
        mentions: vec![],
    });
    rig.runs([(live_entry(1, 6, 5, &large), ""), (live_entry(1, 7, 6, &large), "overflowed")]);
}

#[test]
fn a_gap_that_was_dropped_is_owed_again() {
    let mut rig = slow_at(30);
    rig.runs([
        (live(2, 33, 31), "read leader 30"),
        (leader(&[30, 32, 33], Some(30), 33), ""),
        (live(2, 34, 33), ""),
        (live(2, 35, 34), "overflowed"),
        (Input::Drained, "read leader 30"),
        (leader(&[30, 32, 33, 34], Some(30), 35), ""),
    ]);
    assert_eq!(written(&mut rig), "gap 30..32 2/31@32; entry 32; entry 33; entry 34");
}

#[test]
fn a_socket_that_drains_after_its_mailbox_rolled_over_is_told_a_gap() {
    let mut rig = slow_at(5);
    for seq in 6..10 {
        rig.runs([(live(1, seq, seq - 1), "")]);
    }
    let rolled = |seqs: &[u64]| {
        answer(entries(seqs), true, Some(Evidence { first: Some(Seq(20)), stream_last: Seq(40), weight: 10 }))
    };
    rig.runs([
        (live(1, 10, 9), "overflowed"),
        (Input::Drained, "read any 5"),
        (any(&[20, 21]), "read leader 5"),
        (rolled(&[20, 21]), ""),
    ]);
    assert_eq!(written(&mut rig), "gap 5..20 1/19@20; entry 20; entry 21; read any 21");
}

#[test]
fn a_caught_up_that_was_dropped_is_said_again() {
    let mut rig = Rig::new(at(1, 5));
    rig.writes = false;
    rig.opens(head(1, 9, 5), "");
    for seq in 10..13 {
        rig.runs([(live(1, seq, seq - 1), "")]);
    }
    rig.runs([(live(1, 13, 12), "overflowed"), (Input::Drained, "read any 5"), (any(&[5, 10, 13]), "")]);
    assert_eq!(written(&mut rig), "entry 10; entry 13; caught up 13 1/13@13");
}

#[test]
fn answers_are_never_dropped() {
    let mut rig = slow_at(5);
    let refused = || ServerFrame::Refused {
        reference: None,
        code: dunlin_schema::Code::UnknownFrame.into(),
        message: String::new(),
        retry_after: None,
    };
    rig.session.answer(refused());
    for seq in 6..10 {
        rig.runs([(live(1, seq, seq - 1), "")]);
    }
    rig.runs([(live(1, 10, 9), "overflowed")]);
    for _ in 0..limits::SENDS_IN_FLIGHT {
        assert!(rig.session.wants_input());
        rig.session.answer(refused());
        if !rig.session.wants_input() {
            break;
        }
    }
    assert!(!rig.session.wants_input(), "too many answers wait");
    assert_eq!(rig.take(), Some(refused()));
    assert!(rig.session.wants_input());
}

fn ack(seq: u64) -> Input {
    Input::Ack { log: MAILBOX, delivered: Seq(seq) }
}

#[test]
fn an_acknowledgement_counts_for_what_was_taken_once_in_a_while_and_never_backwards() {
    let mut rig = Rig::live_at(5, 9);
    rig.runs([
        (live(1, 12, 9), "entry 12"),
        (live(1, 14, 12), "entry 14"),
        (live(1, 16, 14), "entry 16"),
        (ack(11), "acknowledge 1/5@5"),
        (ack(12), ""),
        (ack(15), ""),
    ]);
    assert_eq!(rig.session.next_deadline(), Some(Millis(100_250)));
    rig.now = Millis(100_250);
    rig.runs([(Input::Tick, "acknowledge 1/14@14"), (ack(13), "")]);
    rig.now = Millis(103_000);
    rig.runs([(ack(13), ""), (ack(1 << 50), "acknowledge 1/16@16"), (ack(1 << 50), "")]);
}

#[test]
fn who_is_caught_up_with_an_empty_mailbox_acknowledges_0_and_is_told_of_a_gap_later() {
    let mut rig = Rig::new(Start::Beginning);
    rig.opens(floor(1, 9, 0), "read any 1");
    rig.runs([(any(&[]), "caught up 0 1/0@9"), (ack(0), "acknowledge 1/0@9")]);
    // Of more entries than a mailbox holds the first ones were evicted.
    let acknowledged =
        Cursor { position: Position { epoch: Epoch(1), ..Position::default() }, at: Millis(9_000), began: Seq(0) };
    let mut rig = Rig::new(Start::Cursor(acknowledged));
    rig.opens(head(1, 40, 31), "read leader 1");
    let full = Some(Evidence { first: Some(Seq(30)), stream_last: Seq(40), weight: 10 });
    let told = "gap 9..30 1/29@30; entry 30; entry 31; caught up 31 1/31@100";
    rig.runs([(answer(entries(&[30, 31]), false, full), told)]);
}

#[test]
fn what_waits_is_acknowledged_at_the_end() {
    let mut rig = Rig::live_at(5, 9);
    rig.runs([(ack(5), "acknowledge 1/5@9"), (live(1, 12, 9), "entry 12"), (ack(12), "")]);
    rig.runs([(Input::Unfollow(MAILBOX), "acknowledge 1/12@12"), (Input::Unfollow(MAILBOX), "")]);
}

#[test]
fn an_entry_that_waits_for_the_writer_is_not_acknowledged() {
    let mut rig = slow_at(5);
    rig.runs([(live(1, 6, 5), ""), (ack(6), "acknowledge 1/5@5")]);
}

#[test]
fn a_tombstone_behind_an_entry_does_not_hide_it_from_acknowledgements() {
    let mut rig = slow_at(5);
    rig.runs([(live(1, 6, 5), ""), (live_entry(1, 7, 6, &tombstone(3)), "")]);
    written(&mut rig);
    rig.runs([(ack(6), "acknowledge 1/6@6"), (live(1, 9, 8), "read any 7")]);
}

#[test]
fn a_tombstone_with_nothing_before_it_needs_no_second_read() {
    let mut rig = slow_at(5);
    rig.runs([(live_entry(1, 6, 5, &tombstone(3)), "")]);
    for seq in 7..11 {
        rig.runs([(live(1, seq, seq - 1), "")]);
    }
    rig.runs([(live(1, 11, 10), "overflowed"), (Input::Drained, "read any 6")]);
}

#[test]
fn an_acknowledgement_of_the_old_epoch_counts_for_nothing_in_the_new_one() {
    let mut rig = Rig::live_at(30, 30);
    rig.runs([
        (live(2, 12, 11), "read leader 30"),
        (leader_of(vec![], Some(12), 12), "read leader after 30"),
        (leader_of(vec![stored(12, 40, &message(12))], Some(12), 12), "gap 30..40 2/11@40; entry 12"),
        (ack(30), ""),
        (ack(12), "acknowledge 2/12@40"),
    ]);
}

#[test]
fn a_device_that_never_acknowledges_holds_little() {
    let mut rig = Rig::live_at(5, 5);
    for seq in 6..1_000 {
        rig.runs([(live(1, seq, seq - 1), &*format!("entry {seq}"))]);
    }
    rig.runs([(ack(999), "acknowledge 1/999@999")]);
}
