//! What the client sends to a group: one step, which the groups worker does.

use dunlin_schema::{
    frame::Send,
    group::{GroupAnswer, GroupCommand, GroupRefusal},
};

use super::*;
use crate::sending::{Input as Sent, Key};

fn id(number: u64) -> MessageId {
    MessageId::from_parts(Millis(number), 0)
}

fn text() -> Content {
    Content::Message { text: Some("hi".into()), data: None, attachments: vec![], reply_to: None, mentions: vec![] }
}

fn send(number: u64, to: &str) -> Input {
    say(number, to, text())
}

fn say(number: u64, to: &str, content: Content) -> Input {
    Input::Sending(Sent::Send(Send { id: id(number), to: to.into(), content }))
}

fn answered(number: u64, answer: GroupAnswer) -> Input {
    let to = "#team@local".parse().unwrap();
    Input::Sending(Sent::DoneInGroup { key: Key { to, id: id(number), step: Step::Store }, answer })
}

fn stored(number: u64, order: u64) -> Input {
    answered(number, GroupAnswer::Stored { order: Seq(order), time: Millis(7_000) })
}

fn refused(number: u64, refusal: GroupRefusal) -> Input {
    answered(number, GroupAnswer::Refused(refusal))
}

#[test]
fn what_is_sent_to_a_group_is_the_workers_to_store_and_is_copied_nowhere() {
    Rig::live_at(5, 9).runs([
        (send(1, "#team"), "say 1 in team"),
        (stored(1, 40), "accepted 1 order 40 at 7"),
        (send(2, "#team@local"), "say 2 in team"),
        (stored(2, 41), "accepted 2 order 41 at 7"),
        (send(3, "#team@eu"), "rejected 3 Unsupported None"),
        (send(4, "#te.am"), "rejected 4 BadAddress None"),
        (send(5, "#"), "rejected 5 BadAddress None"),
        (send(6, "##team"), "rejected 6 BadAddress None"),
    ]);
}

#[test]
fn what_is_read_of_a_group_is_of_its_log_and_of_one_that_is_followed() {
    let mut rig = Rig::live_at(5, 9);
    let read = |with: &str| Input::MarkRead { with: with.parse().unwrap(), upto: Seq(7) };
    let mut out = Vec::new();
    rig.session.handle(rig.now, read("bob@local"), &mut out);
    assert!(matches!(&out[..], [Output::MarkRead(_, Seq(7), _)]), "{out:?}");
    out.clear();
    rig.session.handle(rig.now, read("#team@local"), &mut out);
    assert_eq!(out, []);
    let refused = rig.session.take().map(|refused| format!("{:?}", refused.frame()));
    assert!(refused.as_deref().is_some_and(|refused| refused.contains("UnknownLog")), "{refused:?}");
    let log: LogName = "#team".parse().unwrap();
    rig.session.handle(rig.now, Input::Follow { log, start: Start::Live }, &mut out);
    out.clear();
    rig.session.handle(rig.now, read("#team@local"), &mut out);
    assert!(matches!(&out[..], [Output::MarkRead(..)]), "{out:?}");
}

#[test]
fn the_worker_is_told_who_says_it_and_when() {
    let mut rig = Rig::live_at(5, 9);
    let mut out = Vec::new();
    rig.session.handle(rig.now, send(1, "#team"), &mut out);
    let Some(Output::Sending(Do::InGroup(told))) = out.pop() else { panic!("{out:?}") };
    assert_eq!(told.shard, Shard::of("team", 8));
    let wanted = &told.wanted;
    assert_eq!((wanted.by.to_string(), wanted.id, wanted.at), ("bob@local".into(), id(1), rig.now));
    assert_eq!(wanted.what, GroupCommand::Say(text()));
}

#[test]
fn one_item_at_a_time_for_each_group_beside_those_of_others() {
    Rig::live_at(5, 9).runs([
        (send(1, "#team"), "say 1 in team"),
        (send(2, "#team"), ""),
        // A person of the same name has nothing to do with it.
        (send(3, "team"), "append 3 to team"),
        (send(4, "#other"), "say 4 in other"),
        (stored(2, 41), ""),
        (stored(1, 40), "say 2 in team; accepted 1 order 40 at 7"),
        (refused(2, GroupRefusal::NotAllowed), "rejected 2 NotAllowed None"),
        (stored(2, 41), ""),
    ]);
}

#[test]
fn every_refusal_has_its_code() {
    use GroupRefusal::*;
    for (refusal, expected) in [
        (NotAMember, "rejected 1 NotAMember None"),
        (NotAllowed, "rejected 1 NotAllowed None"),
        (Exists, "rejected 1 Exists None"),
        (NoSuchMember, "rejected 1 NotFound None"),
        (NobodyLeft, "rejected 1 NotAllowed None"),
        (TooManyMembers, "rejected 1 TooMany None"),
        (NotYours, "rejected 1 NotYours None"),
        (NotFound, "rejected 1 NotFound None"),
        (TooOld, "rejected 1 TooOld None"),
        (FromTheFuture, "rejected 1 FromTheFuture None"),
        (TooLarge, "rejected 1 TooLarge None"),
        (Busy, "rejected 1 Unavailable Some(1000)"),
    ] {
        Rig::live_at(5, 9).runs([(send(1, "#team"), "say 1 in team"), (refused(1, refusal), expected)]);
    }
}

#[test]
fn what_may_be_stored_is_repeated_and_what_waited_behind_it_for_long_is_given_up() {
    let mut rig = Rig::live_at(5, 9);
    rig.runs([(send(1, "#team"), "say 1 in team"), (send(2, "#team"), "")]);
    rig.now = rig.now.plus(limits::SEND_WAITS);
    rig.runs([
        (answered(1, GroupAnswer::Unknown), "rejected 1 UnknownOutcome Some(1000); rejected 2 Unavailable Some(1000)"),
        (send(1, "#team"), "say 1 in team"),
        (stored(1, 40), "accepted 1 order 40 at 7"),
    ]);
}

#[test]
fn what_is_about_a_message_that_was_refused_for_now_waits_for_it() {
    let edit = || say(9, "#team", Content::Edit { target: id(1), text: Some("ho".into()), data: None });
    Rig::live_at(5, 9).runs([
        (edit(), "say 9 in team"),
        (refused(9, GroupRefusal::NotYours), "rejected 9 NotYours None"),
        (send(1, "#team"), "say 1 in team"),
        (refused(1, GroupRefusal::Busy), "rejected 1 Unavailable Some(1000)"),
        (edit(), "say 9 in team"),
        (refused(9, GroupRefusal::NotYours), "rejected 9 Unavailable Some(1000)"),
        (send(1, "#team"), "say 1 in team"),
        (stored(1, 40), "accepted 1 order 40 at 7"),
        (edit(), "say 9 in team"),
        (refused(9, GroupRefusal::NotYours), "rejected 9 NotYours None"),
    ]);
}
