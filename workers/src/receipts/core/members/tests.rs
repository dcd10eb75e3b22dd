//! Members: how their marks rise, and those of who sends.

use dunlin_schema::{Position, Spans, StreamTime};

use super::*;

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn cursor(epoch: u64, began: u64, seq: u64) -> Cursor {
    let position = Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(seq) };
    Cursor { began: Seq(began), ..Cursor::of_entry(position) }
}

/// One device's acknowledgement, over a connection opened then.
fn ack(device: &str, opened: u64, cursor: Cursor) -> Said {
    let ack = GroupAck { user: user("bob"), device: device.parse().unwrap(), cursor, opened: Millis(opened) };
    Said { acks: vec![ack], reads: Vec::new() }
}

fn read(epoch: u64, upto: u64) -> Said {
    Said { acks: Vec::new(), reads: vec![GroupRead { user: user("bob"), epoch: Epoch(epoch), upto: Seq(upto) }] }
}

/// What bob has and has read, where his devices stand, and whether the last thing said changed anything.
type Is = (Vec<(u64, u64)>, u64, Vec<(String, u64)>, bool);

/// Says these one after the other.
fn after(steps: &[Said]) -> Is {
    let (mut stored, mut changed) = (GroupMarks::default(), false);
    for said in steps {
        let now = risen(&stored, said, |_| false);
        changed = now.is_some();
        stored = now.unwrap_or(stored);
    }
    let MemberMarks { given, read, devices, .. } = &stored.members[&user("bob")];
    let given = given.iter().map(|span| (span.above.0, span.upto.0)).collect();
    let devices = devices.iter().map(|known| (known.device.to_string(), known.cursor.position.seq.0));
    (given, read.0, devices.collect(), changed)
}

fn at(device: &str, seq: u64) -> Vec<(String, u64)> {
    vec![(device.to_owned(), seq)]
}

#[test]
fn what_is_said_twice_late_or_of_an_older_epoch_changes_nothing() {
    let first = ack("phone", 1, cursor(1, 0, 9));
    for (then, rises) in [
        (first.clone(), false),
        (ack("phone", 1, cursor(1, 0, 5)), false),
        (ack("phone", 1, cursor(1, 0, 10)), true),
        (ack("phone", 0, cursor(1, 0, 9)), false),
        (read(1, 9), true),
        (read(1, 0), false),
    ] {
        assert_eq!(after(&[first.clone(), then.clone()]).3, rises, "{then:?}");
        assert!(!after(&[first.clone(), then.clone(), then]).3);
    }
    let older = [ack("phone", 1, cursor(2, 0, 4)), read(2, 3), ack("phone", 1, cursor(1, 0, 900)), read(1, 900)];
    assert_eq!(after(&older), (vec![(0, 4)], 3, at("phone", 4), false));
}

#[test]
fn an_acknowledgement_covers_what_its_device_was_given_and_no_more() {
    // A tablet that began live behind 100; what the phone has does not go with a laptop that knows less.
    let steps = [ack("phone", 1, cursor(1, 0, 50)), ack("tablet", 2, cursor(1, 100, 120))];
    assert_eq!(after(&steps).0, [(0, 50), (100, 120)]);
    let steps = [ack("phone", 1, cursor(1, 0, 50)), ack("phone", 2, cursor(1, 40, 120))];
    assert_eq!(after(&steps).0, [(0, 120)]);
    let apart = (0..9).map(|n| ack("phone", 1, cursor(1, 10 * n, 10 * n + 5))).collect::<Vec<_>>();
    assert_eq!(after(&apart).0, [(50, 55), (60, 65), (70, 75), (80, 85)], "the highest are remembered");
}

#[test]
fn in_a_newer_epoch_all_begins_anew_but_where_devices_stand() {
    let steps = [ack("phone", 1, cursor(1, 0, 50)), read(1, 40), ack("tablet", 1, cursor(2, 5, 9))];
    let devices = vec![("phone".to_owned(), 50), ("tablet".to_owned(), 9)];
    assert_eq!(after(&steps), (vec![(5, 9)], 0, devices, true));
}

#[test]
fn a_device_goes_on_where_its_newest_connection_says() {
    // It was removed and begins anew; what an older connection said comes later.
    let steps =
        [ack("phone", 1, cursor(1, 0, 50)), ack("phone", 2, cursor(1, 0, 10)), ack("phone", 1, cursor(1, 0, 60))];
    let (given, _, devices, _) = after(&steps);
    assert_eq!((given, devices), (vec![(0, 60)], at("phone", 10)));
    let many: Vec<_> = (0..20).map(|n| ack(&format!("d{n}"), 100 - n, cursor(1, 0, 5))).collect();
    let devices = after(&many).2;
    assert_eq!(devices.len(), limits::DEVICES);
    assert!(devices.iter().all(|(device, _)| device != "d19"), "the one heard of longest ago makes room");
}

#[test]
fn of_who_is_no_member_nothing_is_kept() {
    let is_unknown = |who: &UserName| *who == user("bob");
    assert_eq!(risen(&GroupMarks::default(), &read(1, 5), is_unknown), None);
    let stored = risen(&GroupMarks::default(), &read(1, 5), |_| false).unwrap();
    assert_eq!(risen(&stored, &read(1, 5), is_unknown), None, "nothing new is no reason to write");
    assert_eq!(risen(&stored, &read(1, 6), is_unknown), Some(GroupMarks::default()));
}

fn sent(epoch: u64, messages: &[(u64, u32, u32, u32, u64)]) -> GroupSentMarks {
    let messages = messages.iter().map(|&(order, delivered, read, of, time)| GroupCount {
        order: Seq(order),
        delivered,
        read,
        of,
        time: Millis(time),
    });
    GroupSentMarks { epoch: Epoch(epoch), messages: messages.collect() }
}

fn count(order: u64, delivered: u32, read: u32, of: u32) -> (Seq, Count) {
    (Seq(order), Count { delivered, read, of })
}

#[test]
fn counts_only_rise_within_an_epoch() {
    let stored = sent(1, &[(5, 3, 1, 9, 50)]);
    for (epoch, said, expected) in [
        (1, count(5, 3, 1, 9), None),
        (1, count(5, 2, 0, 9), None), // a worker that is behind
        (1, count(5, 2, 2, 9), Some(sent(1, &[(5, 3, 2, 9, 60)]))),
        (1, count(5, 4, 1, 10), Some(sent(1, &[(5, 4, 1, 10, 60)]))),
        (1, count(7, 0, 0, 9), None), // nobody has it
        (1, count(7, 1, 0, 9), Some(sent(1, &[(5, 3, 1, 9, 50), (7, 1, 0, 9, 60)]))),
        (1, count(3, 1, 0, 9), Some(sent(1, &[(3, 1, 0, 9, 60), (5, 3, 1, 9, 50)]))),
        (2, count(5, 1, 0, 9), Some(sent(2, &[(5, 1, 0, 9, 60)]))),
        (2, count(5, 0, 0, 9), None), // what was told stays until there is something to tell
        (0, count(5, 9, 9, 9), None),
    ] {
        let risen = counted(&stored, Epoch(epoch), &[said], Millis(60));
        assert_eq!(risen, expected, "{epoch} {said:?}");
        if let Some(risen) = risen {
            let told: Vec<_> = news(&stored, &risen).map(|count| count.order).collect();
            assert_eq!(told, [said.0], "what rose is told, and nothing else");
        }
    }
}

#[test]
fn the_last_messages_of_a_sender_are_kept() {
    let counts: Vec<_> = (1..=20).map(|order| count(order, 1, 0, 3)).collect();
    let stored = counted(&GroupSentMarks::default(), Epoch(1), &counts, Millis(1)).unwrap();
    let orders: Vec<u64> = stored.messages.iter().map(|count| count.order.0).collect();
    assert_eq!(orders, (5..=20).collect::<Vec<_>>());
    assert_eq!(counted(&stored, Epoch(1), &counts, Millis(2)), None, "one that made room does not come back");
}

#[test]
fn spans_of_nothing_are_no_news() {
    assert_eq!(risen(&GroupMarks::default(), &Said::default(), |_| false), None);
    assert!(Spans::default().is_empty());
}
