//! What the client sends with files: they are kept for it first, and what is known of them is written into it.

use dunlin_schema::{
    MediaId,
    frame::Send,
    group::{GroupAnswer, GroupCommand},
    media::{Attachment, MediaFacts, service::MediaRefusal},
};

use super::*;
use crate::sending::{AppendFailure, Input as Sent, Key, Stored};

fn id(number: u64) -> MessageId {
    MessageId::from_parts(Millis(number), 0)
}

fn file(number: u64) -> MediaId {
    MediaId(id(number))
}

fn facts(size: u64) -> MediaFacts {
    MediaFacts { size, kind: "image/png".parse().unwrap(), ..MediaFacts::default() }
}

/// A picture as its sender has it: of what they say of it only the name counts.
fn picture(number: u64) -> Attachment {
    Attachment { size: 1, blur: Some("lies".into()), ..Attachment::named(file(number), "me.png".parse().ok()) }
}

fn content(files: &[u64]) -> Content {
    let attachments = files.iter().map(|number| picture(*number)).collect();
    Content::Message { text: None, data: None, attachments, reply_to: None, mentions: vec![] }
}

fn send(number: u64, to: &str, files: &[u64]) -> Input {
    Input::Sending(Sent::Send(Send { id: id(number), to: to.into(), content: content(files) }))
}

fn key(number: u64, to: &str, step: Step) -> Key {
    Key { to: format!("{to}@local").parse().unwrap(), id: id(number), step }
}

fn kept(number: u64, to: &str, files: &[(u64, u64)]) -> Input {
    let known = files.iter().map(|(number, size)| (file(*number), facts(*size))).collect();
    Input::Sending(Sent::Referred { key: key(number, to, Step::Refer), outcome: Ok(known) })
}

fn not_kept(number: u64, to: &str, refusal: MediaRefusal) -> Input {
    Input::Sending(Sent::Referred { key: key(number, to, Step::Refer), outcome: Err(refusal) })
}

fn found(number: u64, to: &str, outcome: Result<Option<u64>, AppendFailure>) -> Input {
    let from = Sender { user: user("bob"), region: region() };
    let to_whom = key(number, to, Step::FindItself).to;
    let entry = Entry { id: id(number), from, to: to_whom, ..message(number) };
    let stored = |seq| Stored { seq: Seq(seq), entry, repeat: true };
    let outcome = outcome.map(|seq| seq.map(stored));
    Input::Sending(Sent::LookedUp { key: key(number, to, Step::FindItself), outcome })
}

#[test]
fn files_are_kept_before_a_message_is_stored() {
    let stored = Input::Sending(Sent::DoneInGroup {
        key: key(2, "#team", Step::Store),
        answer: GroupAnswer::Stored { order: Seq(40), time: Millis(7_000) },
    });
    Rig::live_at(5, 9).runs([
        (send(1, "alice", &[11, 12]), "keep 11 12 for 1"),
        // What comes behind it waits.
        (send(3, "alice", &[11]), ""),
        (kept(3, "alice", &[]), ""),
        (kept(1, "alice", &[(11, 7), (12, 8)]), "append 1 to alice"),
        (kept(1, "alice", &[(11, 7), (12, 8)]), ""),
        (send(2, "#team", &[11]), "keep 11 for 2"),
        (kept(2, "#team", &[(11, 7)]), "say 2 in team"),
        (stored, "accepted 2 order 40 at 7"),
        (send(4, "carol", &[11, 11]), "rejected 4 BadContent None"),
    ]);
}

#[test]
fn what_is_known_of_files_is_written_whatever_their_sender_says() {
    let mut rig = Rig::live_at(5, 9);
    let mut out = Vec::new();
    rig.session.handle(rig.now, send(1, "#team", &[11, 12, 13]), &mut out);
    let Some(Output::Sending(Do::Refer(wanted))) = out.pop() else { panic!("{out:?}") };
    assert_eq!(wanted.until, rig.now.plus(limits::RETENTION).plus(limits::MEDIA_SLACK));
    // The second was stored before as another file, and the third as the same one.
    rig.session.handle(rig.now, kept(1, "#team", &[(11, 7), (20, 8), (20, 8)]), &mut out);
    let Some(Output::Sending(Do::InGroup(told))) = out.pop() else { panic!("{out:?}") };
    let GroupCommand::Say(Content::Message { attachments, .. }) = told.wanted.what else { panic!() };
    let named = |number, size| Attachment::of(file(number), "me.png".parse().ok(), facts(size));
    assert_eq!(attachments, [named(11, 7), named(20, 8)]);
}

#[test]
fn a_file_that_is_not_there_refuses_the_message_but_not_its_repeat() {
    use MediaRefusal::*;
    for (refusal, expected) in [
        (NotFound, "rejected 1 NotFound None"),
        (Lost, "rejected 1 MediaLost None"),
        (Missing(2), "rejected 1 NotUploaded None"),
        (Busy, "rejected 1 Unavailable Some(500)"),
        (Unavailable, "rejected 1 Unavailable Some(5000)"),
    ] {
        Rig::live_at(5, 9).runs([
            (send(1, "alice", &[11]), "keep 11 for 1"),
            (not_kept(1, "alice", refusal), "find itself 1 of bob in alice"),
            (found(1, "alice", Ok(None)), expected),
        ]);
    }
    Rig::live_at(5, 9).runs([
        (send(1, "#team", &[11]), "keep 11 for 1"),
        (not_kept(1, "#team", NotFound), "find itself 1 of bob in #team"),
        (found(1, "#team", Ok(Some(40))), "accepted 1 order 40 at 1"),
        (send(2, "alice", &[11]), "keep 11 for 2"),
        (not_kept(2, "alice", NotFound), "find itself 2 of bob in alice"),
        (found(2, "alice", Ok(Some(41))), "append 2 to bob order 41 of an old one"),
        (send(3, "carol", &[11]), "keep 11 for 3"),
        (not_kept(3, "carol", NotFound), "find itself 3 of bob in carol"),
        (found(3, "carol", Err(AppendFailure::TooOld)), "rejected 3 TooOld None"),
        (send(3, "carol", &[11]), "keep 11 for 3"),
        (not_kept(3, "carol", NotFound), "find itself 3 of bob in carol"),
        (found(3, "carol", Err(AppendFailure::Unknown)), "rejected 3 UnknownOutcome Some(1000)"),
    ]);
}
