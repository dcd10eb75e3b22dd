//! Conversations out of entries: a table of what may come in which order, and any order of anything.

use dunlin_schema::{
    Cursor, Epoch, Log, LogName, Position, RegionName, Span, Spans, StreamTime, content::Failed, limits,
};
use proptest::prelude::*;

use super::*;

fn id(number: u64) -> MessageId {
    MessageId::from_parts(Millis(number), u128::from(number))
}

fn text(text: &str) -> Content {
    Content::Message {
        text: Some(text.to_owned()),
        data: None,
        attachments: Vec::new(),
        reply_to: None,
        mentions: vec![],
    }
}

fn edit(target: u64, text: &str) -> Content {
    Content::Edit { target: id(target), text: Some(text.to_owned()), data: None }
}

fn delete(target: u64) -> Content {
    Content::Delete { target: id(target) }
}

fn react(target: u64, emoji: &str, on: bool) -> Content {
    Content::React { target: id(target), emoji: emoji.to_owned(), on }
}

/// What `from` said to `to`, accepted at a time that is its id, its order and its sequence as well.
fn said(from: &str, to: &str, number: u64, content: Content) -> EntryFrame {
    let log = Log::mailbox(&RegionName::new("eu").unwrap(), 8, &UserName::new("alice").unwrap());
    let position = Position { epoch: Epoch(1), seq: Seq(number), time: StreamTime(0) };
    EntryFrame {
        log: LogName::Mailbox.into(),
        seq: Seq(number),
        cursor: Cursor::of_entry(position).seal(&log),
        time: Millis(number),
        id: id(number),
        from: Open::of_text(from),
        to: Open::of_text(to),
        order: Some(Seq(number)),
        content: content.into(),
    }
}

/// Alice's to bob.
fn mine(number: u64, content: Content) -> EntryFrame {
    said("alice", "bob", number, content)
}

/// Bob's to alice.
fn theirs(number: u64, content: Content) -> EntryFrame {
    said("bob", "alice", number, content)
}

fn conversation() -> Conversation {
    Conversation::new("alice".parse().unwrap(), "bob".parse().unwrap())
}

fn folded<'a>(entries: impl IntoIterator<Item = &'a EntryFrame>) -> Conversation {
    let mut conversation = conversation();
    entries.into_iter().for_each(|entry| drop(conversation.entry(entry)));
    conversation
}

/// The messages in a line: who, what, whether it was edited, reactions, and how far one's own are.
fn shown(conversation: &Conversation) -> String {
    let one = |message: Message<'_>| {
        let words = if message.deleted { "-" } else { message.text.unwrap_or("?") };
        let edited = if message.edited { "*" } else { "" };
        let reactions = message.reactions.iter().map(|given| format!(" {}{}", given.by, given.emoji));
        let state = match &message.state {
            None => String::new(),
            Some(State::Failed(Failure { code, .. })) => format!(" failed({code:?})"),
            Some(state) => format!(" {state:?}"),
        };
        format!("{}: {words}{edited}{}{state}", message.from, reactions.collect::<String>())
    };
    conversation.messages().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_comes_becomes_messages_as_they_are_now() {
    let failed = |from: &str, to: &str| {
        let failed =
            Failed { id: id(1), to: to.parse().unwrap(), code: Code::RegionUnreachable.into(), message: String::new() };
        said(from, "alice", 9, Content::Failed(Box::new(failed)))
    };
    for (case, entries, meant) in [
        ("in order", vec![mine(1, text("a")), theirs(2, text("b"))], "alice: a Sent, bob: b"),
        ("backwards", vec![theirs(2, text("b")), mine(1, text("a"))], "alice: a Sent, bob: b"),
        ("twice", vec![theirs(2, text("b")), theirs(2, text("b"))], "bob: b"),
        ("an edit", vec![theirs(1, text("a")), theirs(2, edit(1, "b"))], "bob: b*"),
        ("an edit before its message", vec![theirs(2, edit(1, "b")), theirs(1, text("a"))], "bob: b*"),
        (
            "edits the other way round",
            vec![theirs(1, text("a")), theirs(3, edit(1, "c")), theirs(2, edit(1, "b"))],
            "bob: c*",
        ),
        ("an edit by the other one", vec![theirs(1, text("a")), mine(2, edit(1, "b"))], "bob: a"),
        ("a deletion", vec![theirs(1, text("a")), theirs(2, delete(1))], "bob: -"),
        ("a deletion by the other one", vec![mine(1, text("a")), theirs(2, delete(1))], "alice: a Sent"),
        (
            "a deletion before its edit",
            vec![theirs(1, text("a")), theirs(3, delete(1)), theirs(2, edit(1, "b"))],
            "bob: -",
        ),
        (
            "an edit after the deletion",
            vec![theirs(1, text("a")), theirs(2, delete(1)), theirs(3, edit(1, "b"))],
            "bob: -",
        ),
        ("a deletion before its message", vec![theirs(2, delete(1)), theirs(1, text("a"))], "bob: -"),
        (
            "reactions",
            vec![theirs(1, text("a")), mine(2, react(1, "👍", true)), theirs(3, react(1, "👍", true))],
            "bob: a alice👍 bob👍",
        ),
        (
            "a reaction twice",
            vec![theirs(1, text("a")), mine(2, react(1, "❤", true)), mine(3, react(1, "❤\u{fe0f}", true))],
            "bob: a alice❤\u{fe0f}",
        ),
        (
            "one taken back",
            vec![theirs(1, text("a")), mine(2, react(1, "❤\u{fe0f}", true)), mine(3, react(1, "❤", false))],
            "bob: a",
        ),
        (
            "one taken back before it came",
            vec![theirs(1, text("a")), mine(3, react(1, "👍", false)), mine(2, react(1, "👍", true))],
            "bob: a",
        ),
        ("a reaction before its message", vec![mine(2, react(1, "👍", true)), theirs(1, text("a"))], "bob: a alice👍"),
        ("a reaction to what is unknown", vec![mine(2, react(1, "👍", true))], ""),
        (
            "a reaction to what was deleted",
            vec![theirs(1, text("a")), theirs(2, delete(1)), mine(3, react(1, "👍", true))],
            "bob: -",
        ),
        (
            "one id of both",
            vec![theirs(1, text("b")), mine(1, text("a")), mine(2, edit(1, "c"))],
            "alice: c* Sent, bob: b",
        ),
        ("another conversation", vec![said("carol", "alice", 1, text("x")), said("alice", "carol", 2, text("y"))], ""),
        (
            "what could not be delivered",
            vec![mine(1, text("a")), failed("alice", "bob")],
            "alice: a failed(Some(RegionUnreachable))",
        ),
        (
            "the same before its message",
            vec![failed("alice", "bob"), mine(1, text("a"))],
            "alice: a failed(Some(RegionUnreachable))",
        ),
        ("the same by the peer", vec![mine(1, text("a")), failed("bob", "bob")], "alice: a Sent"),
        ("the same of another conversation", vec![mine(1, text("a")), failed("alice", "carol")], "alice: a Sent"),
    ] {
        assert_eq!(shown(&folded(&entries)), meant, "{case}");
    }
}

/// A message as a page of history has it.
fn past(entry: &EntryFrame, text_now: &str, edited: Option<u64>, reactions: &[(&str, &str, u64)]) -> HistoryEntry {
    let reaction = |(from, emoji, time): &(&str, &str, u64)| ReactionItem {
        from: Open::of_text(from),
        emoji: (*emoji).to_owned(),
        time: Millis(*time),
    };
    HistoryEntry {
        seq: entry.seq,
        time: entry.time,
        id: entry.id,
        from: entry.from.clone(),
        to: entry.to.clone(),
        order: entry.order,
        content: text(text_now).into(),
        edited: edited.map(Millis),
        reactions: reactions.iter().map(reaction).collect(),
    }
}

#[test]
fn pages_of_history_and_entries_give_the_same_in_any_order() {
    let entries = [theirs(1, text("a")), theirs(2, edit(1, "b")), mine(3, react(1, "👍", true)), mine(4, text("c"))];
    let page = [past(&entries[3], "c", None, &[]), past(&entries[0], "b", Some(2), &[("alice", "👍", 3)])];
    let meant = "bob: b* alice👍, alice: c Sent";
    let mut alone = conversation();
    page.iter().for_each(|entry| drop(alone.past(entry)));
    assert_eq!(shown(&alone), meant);
    entries.iter().for_each(|entry| drop(alone.entry(entry)));
    assert_eq!(shown(&alone), meant, "the same entries come as well");
    let mut after = folded(&entries);
    page.iter().for_each(|entry| drop(after.past(entry)));
    assert_eq!(shown(&after), meant);
    // What came since the page was read goes before it.
    let later = [theirs(5, edit(1, "d")), mine(6, react(1, "👍", false)), mine(7, Content::Delete { target: id(4) })];
    let mut newer = folded(&later);
    page.iter().for_each(|entry| drop(newer.past(entry)));
    assert_eq!(shown(&newer), "bob: d*, alice: - Sent");
    let carol = past(&said("carol", "alice", 1, text("x")), "x", None, &[]);
    assert_eq!(newer.past(&carol), [], "of another conversation");
}

#[test]
fn what_was_stored_again_after_a_power_loss_stands_where_it_is_now() {
    let again = EntryFrame { time: Millis(5), order: Some(Seq(4)), seq: Seq(4), ..theirs(1, text("a")) };
    for entries in
        [[&theirs(1, text("a")), &theirs(2, text("b")), &again], [&again, &theirs(2, text("b")), &theirs(1, text("a"))]]
    {
        assert_eq!(shown(&folded(entries)), "bob: b, bob: a");
    }
}

fn accepted(number: u64) -> Result<Accepted, SendError> {
    Ok(Accepted { id: id(number), order: Some(Seq(number)), time: Millis(number) })
}

fn refused() -> Result<Accepted, SendError> {
    Err(SendError::Rejected { code: Code::TooOld.into(), message: "it may be stored".to_owned() })
}

#[test]
fn what_is_sent_from_here_keeps_its_key_whatever_its_answer() {
    let sent = |outcome: Option<Result<Accepted, SendError>>, entry_first: bool, entry_last: bool| {
        let mut conversation = folded(&[theirs(9, text("b"))]);
        let pending = PendingId::default();
        let key = conversation.sending(Millis(1), text("a"), pending.clone());
        pending.set(id(5));
        let mut changes = Vec::new();
        if entry_first {
            changes.extend(conversation.entry(&mine(5, text("a"))));
        }
        changes.extend(outcome.iter().flat_map(|outcome| conversation.settled(key, outcome)).collect::<Vec<_>>());
        if entry_last {
            changes.extend(conversation.entry(&mine(5, text("a"))));
        }
        assert!(changes.iter().all(|change| *change == Change::Message(key)), "{changes:?}");
        assert!(conversation.message(key).is_some());
        (shown(&conversation), changes.len())
    };
    let (first, last) = ("alice: a Sent, bob: b".to_owned(), "bob: b, alice: a Sending".to_owned());
    assert_eq!(sent(None, false, false), (last, 0));
    assert_eq!(sent(Some(accepted(5)), false, false), (first.clone(), 1));
    assert_eq!(sent(Some(accepted(5)), true, true), (first.clone(), 1), "its copy comes before the answer, and again");
    assert_eq!(sent(Some(refused()), false, false), ("alice: a failed(Some(TooOld)), bob: b".to_owned(), 1));
    assert_eq!(sent(Some(refused()), false, true), (first.clone(), 2), "it was stored all the same");
    assert_eq!(sent(Some(refused()), true, false), (first, 1));
}

#[test]
fn what_failed_is_dismissed_and_a_change_that_failed_changes_nothing() {
    let mut conversation = folded(&[mine(1, text("a"))]);
    let key = conversation.sending(Millis(1), edit(1, "b"), PendingId::default());
    assert_eq!(shown(&conversation), "alice: a Sent", "it counts once it is stored");
    assert_eq!(conversation.settled(key, &refused()), []);
    let key = conversation.sending(Millis(1), edit(1, "c"), PendingId::default());
    assert!(!conversation.settled(key, &accepted(3)).is_empty());
    assert_eq!(shown(&conversation), "alice: c* Sent");
    let key = conversation.sending(Millis(1), text("b"), PendingId::default());
    conversation.settled(key, &Err(crate::error::Ended::Closed.into()));
    assert_eq!(shown(&conversation), "alice: c* Sent, alice: b failed(None)");
    conversation.entry(&theirs(4, text("d")));
    let waits = conversation.sending(Millis(3), text("e"), PendingId::default());
    let row = "alice: c* Sent, alice: b failed(None), bob: d, alice: e Sending";
    assert_eq!(shown(&conversation), row, "what failed stands where it was said");
    conversation.dismiss(waits);
    conversation.dismiss(key);
    assert_eq!(shown(&conversation), "alice: c* Sent, bob: d");
}

/// Bob's marks in the life of his log that began `since`, as they rose at `time`.
fn receipt(delivered: Option<u64>, read: Option<u64>, since: u64, time: u64) -> Receipt {
    let bob = || Open::of_text("bob");
    let (since, time) = (Some(Millis(since)), Millis(time));
    let missing = Spans::default();
    Receipt { by: Some(bob()), to: bob(), order: None, delivered, read, of: None, time, since, missing }
}

#[test]
fn where_orders_begin_anew_a_mark_says_nothing_of_what_was_said_since() {
    let mut conversation = folded(&[mine(1, text("a")), mine(2, text("b"))]);
    assert_eq!(conversation.receipt(&receipt(Some(9), Some(2), 0, 3)).len(), 2);
    // Bob's log went back; what has the order 2 now was said long behind the marks.
    let later = limits::CLOCK_SKEW.0 + 4;
    let accepted = |order| Ok(Accepted { id: id(later + order), order: Some(Seq(order)), time: Millis(later) });
    for (order, what) in [(2, "c"), (3, "d")] {
        let key = conversation.sending(Millis(later), text(what), PendingId::default());
        conversation.settled(key, &accepted(order));
    }
    assert_eq!(shown(&conversation), "alice: a Read, alice: b Read, alice: c Sent, alice: d Sent");
    assert_eq!(conversation.receipt(&receipt(Some(2), None, 3, later)).len(), 1, "a lower mark of another life");
    assert_eq!(shown(&conversation), "alice: a Read, alice: b Read, alice: c Delivered, alice: d Sent");
}

#[test]
fn receipts_only_rise_and_tell_what_changed() {
    let mut conversation = folded(&[mine(1, text("a")), mine(2, text("b")), theirs(3, text("c")), mine(4, text("d"))]);
    let receipts =
        [(Some(2), None, 2), (Some(1), None, 0), (None, Some(1), 1), (Some(2), Some(1), 0), (Some(2), Some(3), 1)];
    for (delivered, read, changed) in receipts {
        assert_eq!(conversation.receipt(&receipt(delivered, read, 0, 4)).len(), changed, "{delivered:?} {read:?}");
    }
    assert_eq!(shown(&conversation), "alice: a Read, alice: b Read, bob: c, alice: d Sent");
    assert_eq!(conversation.receipt(&receipt(None, Some(4), 0, 4)).len(), 1, "what is read is delivered");
    // A receipt may come before the answer.
    let key = conversation.sending(Millis(9), text("e"), PendingId::default());
    conversation.receipt(&receipt(Some(5), None, 0, 5));
    conversation.settled(key, &accepted(5));
    assert!(shown(&conversation).ends_with("alice: d Read, alice: e Delivered"));
}

#[test]
fn what_came_to_no_device_below_a_mark_is_neither_delivered_nor_read_until_it_comes() {
    let mut conversation = folded(&[mine(1, text("a")), mine(2, text("b")), mine(4, text("d"))]);
    let with = |delivered, above, upto| {
        let missing = Spans::from_iter([Span { above: Seq(above), upto: Seq(upto) }]);
        Receipt { missing, ..receipt(Some(delivered), Some(delivered), 0, 4) }
    };
    for (told, expected) in [
        (with(4, 0, 2), "alice: a Sent, alice: b Sent, alice: d Read"),
        (with(4, 1, 2), "alice: a Read, alice: b Sent, alice: d Read"),
        // It comes late.
        (with(3, 0, 2), "alice: a Read, alice: b Sent, alice: d Read"),
        (receipt(Some(4), Some(4), 0, 4), "alice: a Read, alice: b Read, alice: d Read"),
    ] {
        conversation.receipt(&told);
        assert_eq!(shown(&conversation), expected);
    }
}

#[test]
fn unread_is_what_the_peer_said_above_the_mark() {
    let said = [
        theirs(1, text("a")),
        mine(2, text("b")),
        theirs(3, text("c")),
        theirs(4, edit(3, "d")),
        theirs(5, text("e")),
        theirs(6, delete(5)),
    ];
    let mut conversation = folded(&said);
    assert_eq!(conversation.unread(), 2);
    assert_eq!(conversation.marked(Seq(1)), [Change::Unread]);
    assert_eq!(conversation.unread(), 1);
    assert_eq!(conversation.marked(Seq(1)), []);
    assert_eq!((conversation.mark_read(), conversation.unread()), (Some(Seq(3)), 0));
    assert_eq!(conversation.mark_read(), None, "told once");
    assert_eq!((conversation.entry(&theirs(7, text("f"))).len(), conversation.unread()), (2, 1));
    let taken_back = conversation.entry(&theirs(8, delete(7)));
    assert!(taken_back.contains(&Change::Unread) && conversation.unread() == 0, "{taken_back:?}");
    for change in [react(3, "👍", true), edit(3, "g"), react(3, "👍", false)] {
        assert!(!conversation.entry(&theirs(9, change)).contains(&Change::Unread));
    }
    // One's own, on a new device and taken back, are not unread either.
    conversation.entry(&mine(10, text("h")));
    conversation.entry(&mine(11, delete(10)));
    assert_eq!((conversation.unread(), conversation.mark_read()), (0, None));
}

#[test]
fn typing_ends_by_itself_and_with_a_message() {
    let mut conversation = conversation();
    let bob = Open::of_text("bob");
    assert_eq!(conversation.signal(Millis(0), &bob, TYPING), [Change::Typing]);
    assert_eq!(conversation.signal(Millis(5_000), &bob, TYPING), []);
    let types = |conversation: &Conversation, now| conversation.typing(Millis(now)).count() > 0;
    assert_eq!((types(&conversation, 14_999), types(&conversation, 15_000)), (true, false));
    assert_eq!(
        (conversation.typing_until(Millis(14_999)), conversation.typing_until(Millis(15_000))),
        (Some(Millis(15_000)), None)
    );
    for (from, kind) in [("carol", TYPING), ("bob", "dancing")] {
        assert_eq!(conversation.signal(Millis(20_000), &Open::of_text(from), kind), []);
    }
    assert!(!types(&conversation, 20_000));
    conversation.signal(Millis(20_000), &bob, TYPING);
    assert_eq!(conversation.signal(Millis(20_001), &Open::of_text("carol"), TYPING_STOPPED), []);
    assert_eq!(conversation.signal(Millis(20_001), &bob, TYPING_STOPPED), [Change::Typing]);
    assert!(!types(&conversation, 20_001));
    assert_eq!(conversation.signal(Millis(20_002), &bob, TYPING_STOPPED), []);
}

#[test]
fn presence_is_the_peers_and_told_when_it_changes() {
    let mut conversation = conversation();
    let online = Presence::online();
    for (user, presence, meant) in [
        ("carol", &online, vec![]),
        ("bob", &online, vec![Change::Presence]),
        ("bob", &online, vec![]),
        ("bob", &Presence::offline(None), vec![Change::Presence]),
    ] {
        assert_eq!(conversation.present(&Open::of_text(user), presence), meant, "{user} {presence:?}");
    }
    assert_eq!(conversation.presence(), Some(&Presence::offline(None)));
}

#[test]
fn the_oldest_is_forgotten_and_what_is_awaited_is_bounded() {
    let mut conversation = conversation().keep(3);
    for number in 1..=100 {
        conversation.entry(&theirs(number, text(&number.to_string())));
        conversation.entry(&mine(1_000 + number, edit(2_000 + number, "x")));
        conversation.entry(&mine(3_000 + number, react(number, "👍", true)));
        conversation.gap(Gap { from: Millis(number), to: Millis(number) });
    }
    assert_eq!(shown(&conversation), "bob: 98 alice👍, bob: 99 alice👍, bob: 100 alice👍");
    assert_eq!(conversation.entry(&theirs(50, text("old"))), [], "a page of what is too old to keep");
    let Conversation { slots, by_key, awaited, reactions, .. } = &conversation;
    assert_eq!((slots.len(), by_key.len(), awaited.len(), reactions.len()), (6, 6, 3, 3));
    assert_eq!(conversation.gaps().count(), GAPS);
    for number in 0..1_000 {
        let emoji = char::from_u32(0x1f300 + number).unwrap().to_string();
        conversation.entry(&theirs(5_000 + u64::from(number), react(100, &emoji, true)));
    }
    assert_eq!(conversation.find(id(100)).unwrap().reactions.len(), 64);
}

#[test]
fn in_a_group_each_member_has_their_own_words_and_admins_take_back_what_others_said() {
    let mut team = Conversation::new("alice".parse().unwrap(), "#team".parse().unwrap());
    let mut says = |from: &str, number: u64, content: Content| team.entry(&said(from, "#team", number, content)).len();
    // Ids are each author's own: two may have the same.
    for (from, number, content, changes) in [
        ("bob", 1, text("of bob"), 2),
        ("carol", 1, text("of carol"), 2),
        ("alice", 2, text("mine"), 1),
        ("dave", 3, edit(1, "ha"), 0),
        ("bob", 4, edit(1, "ho"), 1),
        ("dave", 5, react(2, "👍", true), 1),
        ("alice", 6, react(2, "👍", true), 1),
        ("carol", 7, delete(1), 2),
        ("dave", 8, delete(2), 1),
        ("dave", 9, delete(77), 0),
    ] {
        assert_eq!(says(from, number, content), changes, "{from} {number}");
    }
    let elsewhere = [said("bob", "alice", 10, text("to alice")), said("alice", "bob", 11, text("to bob"))];
    assert!(elsewhere.iter().all(|entry| team.entry(entry).is_empty()));
    assert_eq!(shown(&team), "bob: ho*, carol: -, alice: - Sent");
    assert_eq!((team.unread(), team.mark_read(), team.unread()), (1, Some(Seq(1)), 0));
}

fn content() -> impl Strategy<Value = Content> {
    let target = 1..9u64;
    let emoji = prop::sample::select(vec!["👍", "❤", "❤\u{fe0f}"]);
    prop_oneof![
        3 => "[a-z]".prop_map(|words| text(&words)),
        2 => (target.clone(), "[a-z]").prop_map(|(target, words)| edit(target, &words)),
        1 => target.clone().prop_map(delete),
        2 => (target, emoji, any::<bool>()).prop_map(|(target, emoji, on)| react(target, emoji, on)),
    ]
}

/// Entries, each once, and the same ones in another order with repeats. Times are few, so that ids have to decide as well.
fn any_order() -> impl Strategy<Value = (Vec<EntryFrame>, Vec<EntryFrame>)> {
    let entries = prop::collection::vec((content(), any::<bool>(), 0..6u64), 1..16);
    entries.prop_flat_map(|entries| {
        let numbered = (1..).zip(entries);
        let entries: Vec<EntryFrame> = numbered
            .map(|(number, (content, own, time))| {
                let entry = if own { mine(number, content) } else { theirs(number, content) };
                EntryFrame { time: Millis(time), ..entry }
            })
            .collect();
        let repeats = prop::collection::vec(prop::sample::select(entries.clone()), 0..8);
        (
            Just(entries.clone()),
            repeats.prop_flat_map(move |repeats| Just([entries.clone(), repeats].concat()).prop_shuffle()),
        )
    })
}

proptest! {
    #[test]
    fn any_order_and_repetition_gives_the_same_conversation((once, shuffled) in any_order(), sent in 0..17usize) {
        let meant = folded(&once);
        prop_assert_eq!(shown(&folded(&shuffled)), shown(&meant));
        prop_assert_eq!(folded(&shuffled).unread(), meant.unread());
        // The device that sent one of them itself sees the same in the end.
        let mut sender = conversation();
        for (at, entry) in shuffled.iter().enumerate() {
            let own = (at == sent && entry.from == *meant.me()).then(|| entry.content.known()).flatten();
            let Some(content) = own else { drop(sender.entry(entry)); continue };
            let key = sender.sending(Millis(0), content.clone(), PendingId::default());
            sender.settled(key, &Ok(Accepted { id: entry.id, order: entry.order, time: entry.time }));
        }
        prop_assert_eq!(shown(&sender), shown(&meant));
    }
}
