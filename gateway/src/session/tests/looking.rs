//! What is sent about an earlier message: what is looked for, in which order, and what follows from each answer.

use dunlin_schema::frame::Send;

use super::*;
use crate::sending::{AppendFailure, Input as Sent, Key, Stored};

fn id(number: u64) -> MessageId {
    MessageId::from_parts(Millis(number), 0)
}

/// Item 9, about message 1.
fn about(to: &str, content: Content) -> Input {
    Input::Sending(Sent::Send(Send { id: id(9), to: to.into(), content }))
}

fn edit() -> Content {
    Content::Edit { target: id(1), text: Some("ho".into()), data: None }
}

fn delete() -> Content {
    Content::Delete { target: id(1) }
}

fn react() -> Content {
    Content::React { target: id(1), emoji: "👍".into(), on: true }
}

fn key(to: &str, step: Step) -> Key {
    Key { to: Address::local(user(to)).said_in(&region()), id: id(9), step }
}

fn looked_up(to: &str, step: Step, outcome: Result<Option<Entry>, AppendFailure>) -> Input {
    let stored = |entry: Entry| Stored { seq: Seq(40), entry, repeat: true };
    Input::Sending(Sent::LookedUp { key: key(to, step), outcome: outcome.map(|found| found.map(stored)) })
}

fn stored_at(to: &str, content: Content) -> Input {
    let stored = Stored { seq: Seq(41), entry: of(9, content), repeat: false };
    Input::Sending(Sent::Appended { key: key(to, Step::Store), outcome: Ok(stored) })
}

/// Something that bob sent to alice.
fn of(number: u64, content: Content) -> Entry {
    let (id, from) = (id(number), Sender { user: user("bob"), region: region() });
    let to = Address::local(user("alice")).said_in(&region());
    Entry { id, from, to, body: Body::Content(content), ..message(1) }
}

fn text() -> Entry {
    of(
        1,
        Content::Message { text: Some("hi".into()), data: None, attachments: vec![], reply_to: None, mentions: vec![] },
    )
}

#[test]
fn an_edit_and_a_delete_are_stored_where_the_authors_own_message_is() {
    use Step::*;
    for content in [edit, delete] {
        Rig::live_at(5, 9).runs([
            (about("alice", content()), "find target 1 of bob in alice"),
            (looked_up("alice", FindSent, Ok(Some(text()))), "append 9 to alice"),
            (stored_at("alice", content()), "append 9 to bob order 41"),
        ]);
        Rig::live_at(5, 9).runs([
            (about("bob", content()), "find target 1 of bob in bob"),
            (looked_up("bob", FindSent, Ok(Some(text()))), "append 9 to bob"),
        ]);
    }
}

#[test]
fn a_reaction_is_stored_where_either_sent_the_message_to_the_other() {
    use Step::*;
    Rig::live_at(5, 9).runs([
        (about("alice", react()), "find target 1 of alice in bob"),
        (looked_up("alice", FindReceived, Ok(Some(text()))), "append 9 to alice"),
    ]);
    Rig::live_at(5, 9).runs([
        (about("alice", react()), "find target 1 of alice in bob"),
        (looked_up("alice", FindReceived, Ok(None)), "find target 1 of bob in alice"),
        (looked_up("alice", FindSent, Ok(Some(text()))), "append 9 to alice"),
    ]);
    Rig::live_at(5, 9).runs([(about("bob", react()), "find target 1 of bob in bob")]);
}

#[test]
fn what_is_no_message_or_not_there_is_refused_after_a_look_for_the_item_itself() {
    use AppendFailure::*;
    use Step::*;
    let no_messages = [
        Ok(None),
        Ok(Some(tombstone(1))),
        Ok(Some(of(9, edit()))),
        Ok(Some(of(9, delete()))),
        Ok(Some(of(9, react()))),
        Err(TooOld),
        Err(FromTheFuture),
    ];
    for found in no_messages {
        for (content, refused) in [(edit(), "NotYours"), (delete(), "NotYours")] {
            Rig::live_at(5, 9).runs([
                (about("alice", content), "find target 1 of bob in alice".to_owned()),
                (looked_up("alice", FindSent, found.clone()), "find itself 9 of bob in alice".to_owned()),
                (looked_up("alice", FindItself, Ok(None)), format!("rejected 9 {refused} None")),
            ]);
        }
        Rig::live_at(5, 9).runs([
            (about("alice", react()), "find target 1 of alice in bob"),
            (looked_up("alice", FindReceived, found.clone()), "find target 1 of bob in alice"),
            (looked_up("alice", FindSent, found), "find itself 9 of bob in alice"),
            (looked_up("alice", FindItself, Ok(None)), "rejected 9 NotFound None"),
        ]);
    }
}

#[test]
fn a_repeat_of_what_is_stored_gets_its_first_answer_though_the_message_has_gone() {
    use Step::*;
    let until_itself = || {
        [
            (about("alice", edit()), "find target 1 of bob in alice"),
            (looked_up("alice", FindSent, Ok(None)), "find itself 9 of bob in alice"),
        ]
    };
    let mut rig = Rig::live_at(5, 9);
    rig.runs(until_itself());
    rig.runs([(looked_up("alice", FindItself, Ok(Some(of(9, edit())))), "append 9 to bob order 40 of an old one")]);
    let mut rig = Rig::live_at(5, 9);
    rig.runs(until_itself());
    rig.runs([(looked_up("alice", FindItself, Ok(Some(tombstone(1)))), "accepted 9 order 40 at 1")]);
    // It may be stored, and evicted since.
    let mut rig = Rig::live_at(5, 9);
    rig.runs(until_itself());
    rig.runs([(looked_up("alice", FindItself, Err(AppendFailure::TooOld)), "rejected 9 TooOld None")]);
}

#[test]
fn a_look_up_without_an_answer_is_to_be_tried_again_and_no_unknown_outcome() {
    use Step::*;
    let unavailable = "rejected 9 Unavailable Some(1000)";
    let fails = |step| looked_up("alice", step, Err(AppendFailure::Unknown));
    Rig::live_at(5, 9)
        .runs([(about("alice", edit()), "find target 1 of bob in alice"), (fails(FindSent), unavailable)]);
    Rig::live_at(5, 9).runs([
        (about("alice", react()), "find target 1 of alice in bob"),
        (looked_up("alice", FindReceived, Ok(None)), "find target 1 of bob in alice"),
        (looked_up("alice", FindSent, Ok(None)), "find itself 9 of bob in alice"),
        (fails(FindItself), unavailable),
        // It is a first try still.
        (about("alice", edit()), "find target 1 of bob in alice"),
        (looked_up("alice", FindSent, Ok(Some(text()))), "append 9 to alice"),
    ]);
}

#[test]
fn an_edit_waits_behind_its_message_and_what_follows_waits_behind_the_look_up() {
    use Step::*;
    let message = |number| {
        let content = Content::Message {
            text: Some("hi".into()),
            data: None,
            attachments: vec![],
            reply_to: None,
            mentions: vec![],
        };
        Input::Sending(Sent::Send(Send { id: id(number), to: "alice".into(), content }))
    };
    let appended = |number, step| {
        let outcome = Ok(Stored { seq: Seq(40), entry: text(), repeat: false });
        Input::Sending(Sent::Appended { key: Key { id: id(number), ..key("alice", step) }, outcome })
    };
    Rig::live_at(5, 9).runs([
        (message(1), "append 1 to alice"),
        (about("alice", edit()), ""),
        (message(10), ""),
        (appended(1, Store), "append 1 to bob order 40"),
        (appended(1, Copy), "find target 1 of bob in alice; accepted 1 order 40 at 1"),
        (looked_up("alice", FindSent, Ok(None)), "find itself 9 of bob in alice"),
        (looked_up("alice", FindItself, Ok(None)), "append 10 to alice; rejected 9 NotYours None"),
    ]);
}

#[test]
fn what_is_about_a_message_that_was_refused_for_now_waits_for_it() {
    use Step::*;
    let message = || {
        let content = Content::Message {
            text: Some("hi".into()),
            data: None,
            attachments: vec![],
            reply_to: None,
            mentions: vec![],
        };
        Input::Sending(Sent::Send(Send { id: id(1), to: "alice".into(), content }))
    };
    let appended = |step, outcome: Result<Entry, AppendFailure>| {
        let outcome = outcome.map(|entry| Stored { seq: Seq(40), entry, repeat: false });
        Input::Sending(Sent::Appended { key: Key { id: id(1), ..key("alice", step) }, outcome })
    };
    let over = || Input::Sending(Sent::OverTheShare(id(1), Millis(7)));
    let not_there = |rig: &mut Rig, refused: &str| {
        rig.runs([
            (about("alice", edit()), "find target 1 of bob in alice"),
            (looked_up("alice", FindSent, Ok(None)), "find itself 9 of bob in alice"),
            (looked_up("alice", FindItself, Ok(None)), refused),
        ]);
    };
    let (waits, refused) = ("rejected 9 Unavailable Some(1000)", "rejected 9 NotYours None");
    for (failure, code) in [(AppendFailure::Full, "Unavailable"), (AppendFailure::Unknown, "UnknownOutcome")] {
        let mut rig = Rig::live_at(5, 9);
        rig.runs([
            (message(), "append 1 to alice".to_owned()),
            (appended(Store, Err(failure)), format!("rejected 1 {code} Some(1000)")),
        ]);
        not_there(&mut rig, waits);
        not_there(&mut rig, waits);
        // Refused for good at last: what is about it is refused, too.
        let again = if failure == AppendFailure::Unknown { " again" } else { "" };
        rig.runs([
            (message(), format!("append 1 to alice{again}")),
            (appended(Store, Err(AppendFailure::TooLarge)), "rejected 1 TooLarge None".to_owned()),
        ]);
        not_there(&mut rig, refused);
    }
    let mut rig = Rig::live_at(5, 9);
    rig.runs([(over(), "rejected 1 RateLimited Some(7)")]);
    not_there(&mut rig, waits);
    // Stored at last, and gone since.
    rig.runs([
        (message(), "append 1 to alice"),
        (appended(Store, Ok(text())), "append 1 to bob order 40"),
        (appended(Copy, Ok(text())), "accepted 1 order 40 at 1"),
    ]);
    not_there(&mut rig, refused);
}

#[test]
fn an_answer_to_another_step_is_nothing() {
    use Step::*;
    Rig::live_at(5, 9).runs([
        (looked_up("alice", FindSent, Ok(Some(text()))), ""),
        (about("alice", edit()), "find target 1 of bob in alice"),
        (looked_up("alice", FindItself, Ok(Some(text()))), ""),
        (stored_at("alice", edit()), ""),
        (looked_up("alice", FindSent, Ok(Some(text()))), "append 9 to alice"),
        (looked_up("alice", FindSent, Ok(Some(text()))), ""),
    ]);
}
