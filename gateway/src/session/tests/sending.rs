//! What the client sends.

use dunlin_schema::frame::Send;

use crate::sending::{Append, AppendFailure, Do, Input as Sent, Key, Step, Stored};

use super::*;

fn id(number: u64) -> MessageId {
    MessageId::from_parts(Millis(number), 0)
}

fn send(number: u64, to: &str) -> Input {
    let content =
        Content::Message { text: Some("hi".into()), data: None, attachments: vec![], reply_to: None, mentions: vec![] };
    send_content(number, to, content)
}

fn send_content(number: u64, to: &str, content: Content) -> Input {
    Input::Sending(Sent::Send(Send { id: id(number), to: to.into(), content }))
}

fn entry(number: u64, to: &str, order: Option<u64>) -> Entry {
    let from = Sender { user: user("bob"), region: region() };
    let to = Address::local(user(to)).said_in(&region());
    Entry { id: id(number), from, to, order: order.map(Seq), ..message(number) }
}

fn key(number: u64, to: &str, copy: bool) -> Key {
    let step = if copy { Step::Copy } else { Step::Store };
    Key { to: Address::local(user(to)).said_in(&region()), id: id(number), step }
}

/// The recipient's log has the item at `seq`.
fn stored_at(number: u64, to: &str, seq: u64) -> Input {
    let outcome = Ok(Stored { seq: Seq(seq), entry: entry(number, to, None), repeat: false });
    Input::Sending(Sent::Appended { key: key(number, to, false), outcome })
}

/// The recipient's log had the item at `seq` already.
fn stored_before(number: u64, to: &str, seq: u64) -> Input {
    let outcome = Ok(Stored { seq: Seq(seq), entry: entry(number, to, None), repeat: true });
    Input::Sending(Sent::Appended { key: key(number, to, false), outcome })
}

/// The sender's own log has the copy at `seq`.
fn copied_at(number: u64, to: &str, seq: u64) -> Input {
    let outcome = Ok(Stored { seq: Seq(seq), entry: entry(number, to, Some(1)), repeat: false });
    Input::Sending(Sent::Appended { key: key(number, to, true), outcome })
}

fn fails(number: u64, to: &str, copy: bool, failure: AppendFailure) -> Input {
    Input::Sending(Sent::Appended { key: key(number, to, copy), outcome: Err(failure) })
}

#[test]
fn the_recipient_first_then_the_copy_with_its_order_then_accepted() {
    Rig::live_at(5, 9).runs([
        (send(1, "alice"), "append 1 to alice"),
        (stored_at(1, "alice", 40), "append 1 to bob order 40"),
        (copied_at(1, "alice", 41), "accepted 1 order 40 at 1"),
    ]);
}

#[test]
fn what_is_stored_names_sender_recipient_and_the_gateways_time() {
    let mut rig = Rig::live_at(5, 9);
    let mut out = Vec::new();
    rig.session.handle(rig.now, send(1, "alice@local"), &mut out);
    let Some(Output::Sending(Do::Append(append))) = out.pop() else { panic!("{out:?}") };
    let Append { log, entry, .. } = *append;
    assert_eq!(log, Log::mailbox(&region(), 8, &user("alice")));
    assert_eq!(
        (entry.from.to_string(), entry.to.to_string(), entry.order, entry.time),
        ("bob@local".into(), "alice@local".into(), None, rig.now)
    );
}

#[test]
fn a_note_to_oneself_is_one_entry_and_comes_back() {
    Rig::live_at(5, 9).runs([
        (send(1, "bob"), "append 1 to bob"),
        (stored_at(1, "bob", 12), "accepted 1 order 12 at 1"),
        (live_entry(1, 12, 9, &entry(1, "bob", None)), "entry 12"),
    ]);
}

#[test]
fn one_item_at_a_time_for_each_recipient() {
    Rig::live_at(5, 9).runs([
        (send(1, "alice"), "append 1 to alice"),
        (send(2, "alice"), ""),
        (send(3, "carol"), "append 3 to carol"),
        (stored_at(3, "carol", 50), "append 3 to bob order 50"),
        (stored_at(1, "alice", 40), "append 1 to bob order 40"),
        (copied_at(1, "alice", 41), "append 2 to alice; accepted 1 order 40 at 1"),
        (fails(2, "alice", false, AppendFailure::Full), "rejected 2 Unavailable Some(1000)"),
        (copied_at(3, "carol", 51), "accepted 3 order 50 at 3"),
    ]);
}

#[test]
fn the_same_id_twice_at_once_waits_and_gets_the_same_answer() {
    Rig::live_at(5, 9).runs([
        (send(1, "alice"), "append 1 to alice"),
        (send(1, "alice"), ""),
        (stored_at(1, "alice", 40), "append 1 to bob order 40"),
        (copied_at(1, "alice", 41), "append 1 to alice again; accepted 1 order 40 at 1"),
        (stored_at(1, "alice", 40), "append 1 to bob order 40 again"),
        (copied_at(1, "alice", 41), "accepted 1 order 40 at 1"),
    ]);
}

#[test]
fn a_repeat_after_an_unknown_outcome_may_have_been_tried() {
    Rig::live_at(5, 9).runs([
        (send(1, "alice"), "append 1 to alice"),
        (fails(1, "alice", false, AppendFailure::Unknown), "rejected 1 UnknownOutcome Some(1000)"),
        (send(1, "alice"), "append 1 to alice again"),
    ]);
}

#[test]
fn every_failure_has_its_code_and_one_stored_without_the_other_is_never_no() {
    use AppendFailure::*;
    for (failure, recipient) in [
        (TooOld, "rejected 1 TooOld None"),
        (FromTheFuture, "rejected 1 FromTheFuture None"),
        (Full, "rejected 1 Unavailable Some(1000)"),
        (TooLarge, "rejected 1 TooLarge None"),
        (Unknown, "rejected 1 UnknownOutcome Some(1000)"),
    ] {
        Rig::live_at(5, 9)
            .runs([(send(1, "alice"), "append 1 to alice"), (fails(1, "alice", false, failure), recipient)]);
        Rig::live_at(5, 9).runs([
            (send(1, "alice"), "append 1 to alice"),
            (stored_before(1, "alice", 40), "append 1 to bob order 40 of an old one"),
            // What the copy's mailbox held in the item's time is gone: a repeat can't help.
            (
                fails(1, "alice", true, failure),
                if failure == TooOld { "accepted 1 order 40 at 1" } else { "rejected 1 UnknownOutcome Some(1000)" },
            ),
        ]);
    }
}

#[test]
fn what_may_not_be_sent_is_refused_at_once() {
    let text = |length| Content::Message {
        text: Some("x".repeat(length)),
        data: None,
        attachments: vec![],
        reply_to: None,
        mentions: vec![],
    };
    let attached = |count| Content::Message {
        text: Some("x".into()),
        data: None,
        attachments: vec![Attachment::named(MediaId(id(1)), None); count],
        reply_to: None,
        mentions: vec![],
    };
    Rig::live_at(5, 9).runs([
        (send(1, "a.b"), "rejected 1 BadAddress None"),
        (send(1, ""), "rejected 1 BadAddress None"),
        (send(1, "alice@eu"), "rejected 1 Unsupported None"),
        (send_content(1, "alice", text(0)), "rejected 1 BadContent None"),
        (send_content(1, "alice", text(limits::BODY_BYTES + 1)), "rejected 1 TooLarge None"),
        (send_content(1, "alice", attached(2)), "rejected 1 BadContent None"),
        (send_content(1, "alice", attached(limits::ATTACHMENTS + 1)), "rejected 1 BadContent None"),
    ]);
}

#[test]
fn copies_for_several_devices_only_where_that_is_chosen() {
    let mut rig = Rig::live_at(5, 9);
    rig.session.me.copies = false;
    rig.runs([
        (send(1, "alice"), "append 1 to alice"),
        (stored_at(1, "alice", 40), "accepted 1 order 40 at 1"),
        (Input::SeveralDevices, ""),
        (send(2, "alice"), "append 2 to alice"),
        (stored_at(2, "alice", 42), "append 2 to bob order 42"),
    ]);
}

#[test]
fn what_was_erased_since_is_accepted_and_not_copied() {
    let mut rig = Rig::live_at(5, 9);
    let outcome = Ok(Stored { seq: Seq(40), entry: tombstone(1), repeat: true });
    rig.runs([
        (send(1, "alice"), "append 1 to alice"),
        (Input::Sending(Sent::Appended { key: key(1, "alice", false), outcome }), "accepted 1 order 40 at 1"),
    ]);
}

#[test]
fn of_one_id_sent_to_two_people_neither_copy_comes_back_to_the_sending_socket() {
    let copy = |seq: u64, after, to: &str| live_entry(1, seq, after, &entry(1, to, Some(40)));
    Rig::live_at(5, 9).runs([
        (send(1, "alice"), "append 1 to alice"),
        (send(1, "carol"), "append 1 to carol"),
        (stored_at(1, "alice", 40), "append 1 to bob order 40"),
        (stored_at(1, "carol", 40), "append 1 to bob order 40"),
        (copy(12, 9, "alice"), ""),
        (copied_at(1, "alice", 12), "accepted 1 order 40 at 1"),
        (copy(13, 12, "carol"), ""),
        (copied_at(1, "carol", 13), "accepted 1 order 40 at 1"),
        (copy(14, 13, "dave"), "entry 14"),
    ]);
}

#[test]
fn the_sending_socket_gets_no_copy_of_its_own_and_another_device_does() {
    let copy = || live_entry(1, 12, 9, &entry(1, "alice", Some(40)));
    let mut rig = Rig::live_at(5, 9);
    rig.runs([
        (send(1, "alice"), "append 1 to alice"),
        (stored_at(1, "alice", 40), "append 1 to bob order 40"),
        (copy(), ""),
        (copied_at(1, "alice", 12), "accepted 1 order 40 at 1"),
        // The cursor has moved: what follows fits.
        (live(1, 13, 12), "entry 13"),
        (head(1, 20, 13), ""),
    ]);
    Rig::live_at(5, 9).runs([(copy(), "entry 12")]);
}

#[test]
fn an_answer_to_nothing_is_nothing() {
    Rig::live_at(5, 9).runs([
        (stored_at(1, "alice", 40), ""),
        (send(1, "alice"), "append 1 to alice"),
        (copied_at(1, "alice", 40), ""),
        (stored_at(2, "alice", 40), ""),
    ]);
}

#[test]
fn sends_are_bounded_in_number_and_in_bytes() {
    let mut rig = Rig::live_at(5, 9);
    rig.step(send(0, "alice"));
    for number in 1..limits::SENDS_IN_FLIGHT as u64 {
        assert!(rig.session.wants_input());
        assert_eq!(rig.step(send(number, "alice")), "");
    }
    assert!(!rig.session.wants_input());
    assert_eq!(rig.step(send(9_999, "carol")), "rejected 9999 Unavailable Some(1000)");
    rig.step(stored_at(0, "alice", 40));
    assert_eq!(rig.step(copied_at(0, "alice", 41)), "append 1 to alice; accepted 0 order 40 at 0");
    assert!(rig.session.wants_input());

    let mut rig = Rig::live_at(5, 9);
    let large = || Content::Message {
        text: Some("x".repeat(limits::BODY_BYTES)),
        data: None,
        attachments: vec![],
        reply_to: None,
        mentions: vec![],
    };
    for number in 0..(limits::OUTBOUND_BYTES / limits::BODY_BYTES) as u64 {
        assert!(rig.session.wants_input());
        rig.step(send_content(number, "alice", large()));
    }
    assert!(!rig.session.wants_input());
}

#[test]
fn what_waits_for_long_is_given_up_where_the_one_before_it_had_no_answer() {
    let mut rig = Rig::live_at(5, 9);
    rig.runs([
        (send(1, "alice"), "append 1 to alice"),
        (send(2, "alice"), ""),
        (send(3, "alice"), ""),
        (send(1, "alice"), ""),
    ]);
    rig.now = rig.now.plus(Millis(limits::SEND_WAITS.0 - 1));
    rig.runs([(send(4, "alice"), "")]);
    rig.now = rig.now.plus(Millis(1));
    rig.runs([
        // A lane that goes on, however slowly, gives nothing up.
        (fails(1, "alice", false, AppendFailure::Full), "append 2 to alice; rejected 1 Unavailable Some(1000)"),
        (
            fails(2, "alice", false, AppendFailure::Unknown),
            // Of an id that was tried "nothing was stored" would be a lie.
            "append 4 to alice; rejected 2 UnknownOutcome Some(1000); rejected 3 Unavailable Some(1000); \
             rejected 1 UnknownOutcome Some(1000)",
        ),
        (send(3, "alice"), ""),
    ]);
    assert_eq!(rig.session.sends.as_ref().map(|sends| sends.sending.waiting().0), Some(2));
}
