//! Several logs on one socket: each has its own queue, cursor, reads and doubts.

use super::*;

fn group(name: &str) -> LogName {
    name.parse().unwrap()
}

/// The same happens to another log.
fn to(log: &LogName, input: Input) -> Input {
    let log = log.clone();
    match input {
        Input::Subscribed(_) => Input::Subscribed(log),
        Input::Heads(_, head) => Input::Heads(log, head),
        Input::HeadsUnanswered(_) => Input::HeadsUnanswered(log),
        Input::Read(_, answer) => Input::Read(log, answer),
        other @ (Input::Sending(_)
        | Input::Ack { .. }
        | Input::Follow { .. }
        | Input::Unfollow(_)
        | Input::Groups(_)
        | Input::Looked(..)
        | Input::Live(..)
        | Input::Verified(..)
        | Input::Signal(_)
        | Input::SeveralDevices
        | Input::MarkRead { .. }
        | Input::News(_)
        | Input::Marks(_)
        | Input::MarksChanged(_)
        | Input::MarksUnknown
        | Input::Drained
        | Input::Tick) => panic!("not a word about one log: {other:?}"),
    }
}

/// A live entry of another log.
fn live_of(log: &LogName, epoch: u64, seq: u64, after: u64) -> Input {
    let entry = message(seq).encode();
    let live = LiveEntry { position: position(epoch, seq), after: Seq(after), entry };
    Input::Live(log.clone(), Arc::new(Tail::of(&log_of(log), log.clone()).entry(live, 2)))
}

/// A socket that is live at 5 in its mailbox and in each of these groups.
fn live_in(groups: &[&str]) -> Rig {
    let mut rig = Rig::live_at(5, 5);
    for name in groups {
        let log = group(name);
        rig.runs([
            (Input::Follow { log: log.clone(), start: at(1, 5) }, String::new()),
            (to(&log, Input::Subscribed(MAILBOX)), format!("ask heads of {name}")),
            (to(&log, head(1, 5, 5)), format!("caught up 5 1/5@5 of {name}")),
        ]);
    }
    rig
}

fn taken(rig: &mut Rig, count: usize) -> Vec<String> {
    (0..count).filter_map(|_| rig.take()).map(|frame| frame_in_words(&frame)).collect()
}

#[test]
fn the_shard_of_the_tables_is_the_mailboxs() {
    assert_eq!(log_of(&MAILBOX).shard, SHARD);
}

#[test]
fn what_happens_to_a_log_is_told_under_its_name() {
    let mut rig = live_in(&["#team"]);
    let team = group("#team");
    rig.runs([
        (live_of(&team, 1, 9, 5), "entry 9 of #team"),
        (live(1, 7, 5), "entry 7"),
        (Input::Ack { log: team.clone(), delivered: Seq(9) }, "acknowledge 1/9@9 of #team"),
        (Input::Ack { log: MAILBOX, delivered: Seq(7) }, "acknowledge 1/7@7"),
        (live_of(&team, 1, 20, 15), "read any 9 of #team"),
        (live(1, 8, 7), "entry 8"),
        (to(&team, any(&[9, 12, 20])), "entry 12 of #team; entry 20 of #team"),
        (live_of(&team, 2, 4, 1), "read leader 20 of #team"),
        (to(&team, leader(&[20, 21], Some(2), 21)), "read leader 20 of #team; gap 20..21 2/20@21 of #team"),
        (to(&team, leader(&[20, 21], Some(2), 21)), "entry 21 of #team"),
        (live(1, 10, 8), "entry 10"),
    ]);
}

#[test]
fn a_log_that_is_not_followed_is_refused_and_what_is_said_of_it_is_nothing() {
    let mut rig = live_in(&["#team"]);
    let other = group("#other");
    rig.runs([
        (Input::Ack { log: other.clone(), delivered: Seq(9) }, "refused UnknownLog"),
        (live_of(&other, 1, 9, 5), ""),
        (to(&other, any(&[5, 9])), ""),
    ]);
}

#[test]
fn a_log_that_is_followed_already_goes_on_as_it_is() {
    let mut rig = live_in(&["#team"]);
    let team = group("#team");
    rig.runs([
        (Input::Follow { log: team.clone(), start: Start::Beginning }, ""),
        (live_of(&team, 1, 9, 5), "entry 9 of #team"),
    ]);
}

#[test]
fn of_a_log_that_is_followed_no_longer_nothing_is_given() {
    let mut rig = live_in(&["#a", "#b", "#c"]);
    let (a, b, c) = (group("#a"), group("#b"), group("#c"));
    rig.writes = false;
    let waits = [(live_of(&a, 1, 6, 5), ""), (live_of(&b, 1, 6, 5), ""), (live_of(&c, 1, 6, 5), "")];
    rig.runs(waits);
    rig.runs([(Input::Unfollow(b.clone()), ""), (live_of(&b, 1, 7, 6), ""), (live(1, 6, 5), "")]);
    assert_eq!(taken(&mut rig, 9), ["entry 6 of #a", "entry 6 of #c", "entry 6"]);
    rig.runs([(Input::Ack { log: b, delivered: Seq(5) }, ""), (Input::Unfollow(a), "")]);
    assert_eq!(taken(&mut rig, 9), ["refused UnknownLog"]);
    rig.runs([(live_of(&c, 1, 7, 6), ""), (Input::Ack { log: c, delivered: Seq(6) }, "acknowledge 1/6@6 of #c")]);
}

#[test]
fn what_waits_of_a_log_that_is_left_is_waited_for_no_longer() {
    let mut rig = live_in(&["#loud"]);
    let loud = group("#loud");
    rig.writes = false;
    for seq in 6..10 {
        rig.runs([(live_of(&loud, 1, seq, seq - 1), "")]);
    }
    rig.runs([(live_of(&loud, 1, 10, 9), "overflowed of #loud")]);
    assert!(rig.session.waits_for_drain());
    rig.runs([(Input::Unfollow(loud), "")]);
    assert!(!rig.session.waits_for_drain() && !rig.session.has_outgoing());
    // One that stands in line for a read keeps nobody else from theirs.
    let mut rig = live_in(&["#a", "#b", "#c", "#d", "#e", "#f"]);
    let missed = |name: &str| live_of(&group(name), 1, 9, 8);
    for name in ["#a", "#b", "#c", "#d", "#e", "#f"] {
        rig.step(missed(name));
    }
    rig.runs([(Input::Unfollow(group("#e")), ""), (to(&group("#a"), any(&[5, 9])), "read any 5 of #f; entry 9 of #a")]);
}

/// The answer to a read of before would be taken for one that began later.
#[test]
fn a_log_that_is_followed_again_is_read_once_the_former_read_is_answered() {
    let mut rig = live_in(&["#team"]);
    let team = group("#team");
    rig.runs([
        (live_of(&team, 1, 9, 8), "read any 5 of #team"),
        (Input::Unfollow(team.clone()), ""),
        (Input::Follow { log: team.clone(), start: at(1, 9) }, ""),
        (to(&team, Input::Subscribed(MAILBOX)), "ask heads of #team"),
        (to(&team, head(1, 12, 12)), ""),
        (live(1, 9, 8), "read any 5"),
        (any(&[5, 9]), "entry 9"),
        (to(&team, any(&[5, 9])), "read any 9 of #team"),
        (to(&team, any(&[9, 12])), "entry 12 of #team; caught up 12 1/12@12 of #team"),
    ]);
}

#[test]
fn one_logs_overflow_drops_nothing_of_another() {
    let mut rig = live_in(&["#loud"]);
    let loud = group("#loud");
    rig.writes = false;
    rig.runs([(live(1, 6, 5), "")]);
    // Beside a log that has something waiting, half of the four frames are a log's share.
    rig.runs([
        (live_of(&loud, 1, 6, 5), ""),
        (live_of(&loud, 1, 7, 6), ""),
        (live_of(&loud, 1, 8, 7), "overflowed of #loud"),
        (live(1, 7, 6), ""),
    ]);
    assert_eq!(taken(&mut rig, 9), ["entry 6", "entry 7"], "the mailbox has what it had");
    assert!(rig.session.waits_for_drain());
    rig.runs([(Input::Drained, "read any 5 of #loud"), (to(&loud, any(&[5, 6, 7, 8])), "")]);
    assert_eq!(taken(&mut rig, 9), ["entry 6 of #loud", "entry 7 of #loud", "entry 8 of #loud"]);
}

#[test]
fn no_log_starves_behind_another_that_has_much() {
    let mut rig = live_in(&["#a", "#b"]);
    rig.writes = false;
    for seq in 6..10 {
        rig.runs([(live_of(&group("#a"), 1, seq, seq - 1), "")]);
    }
    rig.runs([(live_of(&group("#b"), 1, 6, 5), ""), (live(1, 6, 5), "")]);
    rig.session.answer(not_followed(&group("#c").clone().into()));
    assert_eq!(
        taken(&mut rig, 9),
        [
            "refused UnknownLog",
            "entry 6 of #a",
            "entry 6 of #b",
            "entry 6",
            "entry 7 of #a",
            "entry 8 of #a",
            "entry 9 of #a"
        ]
    );
}

#[test]
fn a_log_that_waits_for_the_socket_reads_on_though_others_never_pause() {
    let mut rig = live_in(&["#loud", "#slow"]);
    let (loud, slow) = (group("#loud"), group("#slow"));
    rig.writes = false;
    rig.runs([(live_of(&loud, 1, 6, 5), ""), (live_of(&slow, 1, 6, 5), ""), (live_of(&slow, 1, 7, 6), "")]);
    rig.runs([(live_of(&slow, 1, 8, 7), "overflowed of #slow")]);
    // There is always something of the other one.
    assert!(rig.session.has_outgoing() && rig.session.waits_for_drain());
    rig.runs([(Input::Drained, "read any 5 of #slow"), (to(&slow, any(&[5, 6, 7, 8])), "")]);
    assert_eq!(taken(&mut rig, 2), ["entry 6 of #loud", "entry 6 of #slow"]);
}

#[test]
fn together_logs_hold_a_few_times_what_one_may() {
    let names: Vec<String> = (0..50).map(|number| format!("#g{number}")).collect();
    let mut rig = live_in(&names.iter().map(String::as_str).collect::<Vec<_>>());
    rig.writes = false;
    let (mut out, mut waiting) = (Vec::new(), 0);
    for seq in 6..12 {
        for name in &names {
            rig.session.handle(rig.now, live_of(&group(name), 1, seq, seq - 1), &mut out);
        }
        waiting = waiting.max(names.iter().map(|name| rig.session.logs.waits(&group(name))).sum());
    }
    assert!(waiting <= names.len() + 5 * BOUNDS.outbound_frames, "{waiting} frames wait");
}

#[test]
fn few_reads_are_under_way_at_once_and_each_log_has_its_turn() {
    let names = ["#a", "#b", "#c", "#d", "#e", "#f"];
    let mut rig = live_in(&names);
    let missed = |name: &str| live_of(&group(name), 1, 9, 8);
    let found = |name: &str| to(&group(name), any(&[5, 9]));
    rig.runs(names.map(|name| {
        let begins = !["#e", "#f"].contains(&name);
        (missed(name), if begins { format!("read any 5 of {name}") } else { String::new() })
    }));
    assert_eq!(limits::READS_AT_ONCE, 4);
    rig.runs([
        (found("#a"), "read any 5 of #e; entry 9 of #a"),
        (live_of(&group("#f"), 1, 10, 9), ""),
        (to(&group("#c"), Input::Read(MAILBOX, Err(ReadFailed))), "read any 5 of #f"),
        (found("#b"), "entry 9 of #b"),
        (found("#e"), "entry 9 of #e"),
        (to(&group("#f"), any(&[5, 9, 10])), "entry 9 of #f; entry 10 of #f"),
    ]);
}

#[test]
fn doubts_of_several_logs_of_one_shard_are_one_question() {
    // Two groups of one shard, one of another.
    let shard = |name: &str| log_of(&group(name)).shard;
    let mut names = (0..).map(|number| format!("#g{number}"));
    let one = names.next().unwrap();
    let same = names.find(|name| shard(name) == shard(&one)).unwrap();
    let other = names.find(|name| shard(name) != shard(&one)).unwrap();
    let mut rig = Rig::live_at(5, 5);
    let (a, b, c) = (shard(&one), group(&same), shard(&other));
    let said = |name: &str| if shard(name) == SHARD { String::new() } else { format!(" in {}", shard(name)) };
    for name in [&one, &same, &other] {
        let log = group(name);
        rig.step(Input::Follow { log: log.clone(), start: at(1, 5) });
        rig.step(to(&log, Input::Subscribed(MAILBOX)));
        rig.step(live_of(&log, 1, 6, 5));
    }
    let other_life = || leader_of(vec![stored(5, 9, &message(5))], Some(5), 9);
    rig.runs([
        (to(&group(&one), other_life()), format!("verify 1/5{}", said(&one))),
        (to(&b, other_life()), String::new()),
        (to(&group(&other), other_life()), format!("verify 1/5{}", said(&other))),
        // Asked before the second doubt arose: it says nothing of that, and the reader is asked once more.
        (Input::Verified(a, Ok(position(2, 9))), format!("read leader 5 of {one}; verify 1/5{}", said(&same))),
        (Input::Verified(a, Ok(position(2, 9))), format!("read leader 5 of {same}")),
        (Input::Verified(c, Ok(position(2, 9))), format!("read leader 5 of {other}")),
    ]);
}

#[test]
fn a_log_holds_little_as_soon_as_what_waited_is_taken() {
    assert_eq!(live_in(&["#a", "#b"]).session.logs.quiet(), 3);
}

#[test]
fn a_log_that_lacks_nothing_holds_little_until_something_happens_to_it() {
    let mut rig = live_in(&["#a", "#b"]);
    let (a, b) = (group("#a"), group("#b"));
    let heard = |rig: &mut Rig| {
        rig.runs([(to(&a, head(1, 9, 5)), ""), (to(&b, head(1, 9, 5)), ""), (head(1, 9, 5), "")]);
    };
    heard(&mut rig);
    assert_eq!(rig.session.logs.quiet(), 3, "what they came with is to be passed on, and is all that is kept of it");
    rig.now = rig.now.plus(limits::CURSOR_ACKNOWLEDGED_AFTER);
    rig.runs([(Input::Tick, "")]);
    rig.now = rig.now.plus(Millis(25_000));
    rig.runs([(Input::Tick, "acknowledge 1/5@5; acknowledge 1/5@5 of #a; acknowledge 1/5@5 of #b")]);
    rig.now = rig.now.plus(limits::ACKNOWLEDGE_EVERY);
    heard(&mut rig);
    assert_eq!(rig.session.logs.quiet(), 3);
    rig.runs([(live_of(&a, 1, 10, 9), "entry 10 of #a"), (live_of(&b, 1, 12, 11), "read any 5 of #b")]);
    assert_eq!(rig.session.logs.quiet(), 1);
    rig.runs([
        (to(&b, any(&[5, 10, 12])), "entry 10 of #b; entry 12 of #b"),
        (Input::Ack { log: a.clone(), delivered: Seq(10) }, "acknowledge 1/10@10 of #a"),
        (to(&a, head(1, 20, 10)), ""),
    ]);
    assert_eq!(rig.session.logs.quiet(), 1, "another acknowledgement would have to wait");
    rig.now = rig.now.plus(limits::ACKNOWLEDGE_EVERY);
    rig.runs([(to(&a, head(1, 20, 10)), ""), (to(&b, head(1, 20, 12)), "")]);
    assert_eq!(rig.session.logs.quiet(), 2, "10 of #b is not acknowledged");
    rig.runs([(Input::Ack { log: b.clone(), delivered: Seq(12) }, "acknowledge 1/12@12 of #b")]);
    rig.now = rig.now.plus(limits::ACKNOWLEDGE_EVERY);
    rig.runs([(to(&b, head(1, 20, 12)), "")]);
    assert_eq!(rig.session.logs.quiet(), 3);
    rig.runs([(live_of(&b, 1, 21, 20), "entry 21 of #b"), (live_of(&a, 1, 21, 20), "entry 21 of #a")]);
}
