//! What one late append leaves to the next.

use super::*;

#[test]
fn what_was_read_is_not_read_again() {
    remembering(100_000, vec![(last(9), expecting(9)), (acked(10, false), done(10, &entry(100_000), false))]);
    remembering(99_000, vec![(last(9), expecting(9))]);
    let more = answer(vec![other(9), other(12)], false);
    remembering(99_000, vec![(last(12), read_at(9, Source::Any)), (more, expecting(12))]);
    let mine = answer(vec![other(9), at(12, &entry(99_000))], false);
    remembering(99_000, vec![(last(12), read_at(9, Source::Any)), (mine, done(12, &entry(99_000), true))]);
}

#[test]
fn what_lies_before_is_read_from_its_beginning() {
    remembering(100_001, vec![(last(9), read_since(101_001, Source::Any))]);
}

#[test]
fn another_entry_where_the_reading_ended_leaves_nothing_known() {
    let afresh = || read_since(101_000, Source::Any);
    let other_time = Event::Last(Ok(Some(Place { seq: Seq(9), time: StreamTime::from(NOW).next() })));
    for event in [other_time, last(8)] {
        remembering(100_000, vec![(event, afresh())]);
    }
    let not_nine = || answer(vec![other(10), other(12)], false);
    let mut not_then = other(9);
    not_then.time = not_then.time.next();
    for answered in [not_nine(), answer(vec![not_then, other(12)], false), answer(vec![], false)] {
        remembering(
            100_000,
            vec![
                (last(12), read_at(9, Source::Any)),
                // It may be a replica's fault: the leader knows.
                (answered.clone(), read_at(9, Source::Leader)),
                (answered, LATE),
                (last(12), afresh()),
            ],
        );
    }
}

#[test]
fn an_id_that_is_remembered_is_read_before_it_is_an_answer() {
    let mut mine = entry(0);
    mine.id = MessageId::from_parts(NOW, 9 << 8);
    for (found, expected) in [
        (Ok(Some(at(9, &mine))), done(9, &mine, true)),
        (Ok(None), LATE),
        (Ok(Some(other(3))), LATE),
        (Err(NoAnswer), Step::Wait(Millis(20))),
    ] {
        let mut before = left_to_the_next();
        let mut again = item(0, false);
        again.entry = mine.clone();
        let mut once = AppendOnce::new(again, true, Bounds::STANDARD, NOW);
        once.begin(NOW);
        assert_eq!(once.handle(NOW, Event::Turn(Ok(before.take_known()))), Step::ReadBack(Seq(9)));
        let failed = found.is_err();
        run(&mut once, vec![(Event::ReadBack(found), expected.clone())]);
        if failed {
            run(&mut once, vec![(Event::Waited, Step::ReadBack(Seq(9)))]);
        } else if expected == LATE {
            run(&mut once, vec![(last(9), read_since(1_000, Source::Any))]);
        }
    }
}

#[test]
fn a_turn_that_does_not_come_leaves_the_outcome_unknown() {
    let mut once = AppendOnce::new(item(0, false), true, Bounds::STANDARD, NOW);
    once.begin(NOW);
    assert_eq!(once.handle(NOW, Event::Turn(Err(NoAnswer))), Step::Done(Err(AppendError::Unknown)));
}

#[test]
fn what_was_read_before_a_full_log_s_first_entry_is_not_asked_for_again() {
    let first = |age: u64| Event::First(Ok(Some(Place { seq: Seq(1), time: NOW.minus(Millis(age)).into() })));
    let mut before = scanning(vec![]);
    before.bounds.mailbox_entries = 2;
    run(&mut before, vec![(answer(vec![other(3), other(9)], false), Step::AskFirst)]);
    run(&mut before, vec![(first(160_001), expecting(9)), (acked(10, false), done(10, &entry(100_000), false))]);
    let mut known = before.take_known();
    // The next one is told nothing of it, one that lies before asks the first entry, and is too old or reads from its own beginning.
    for (age, then) in [(99_000, None), (100_001, Some((0, true))), (100_001, Some((170_000, false)))] {
        let mut once = AppendOnce::new(item(age, false), true, Bounds::STANDARD, NOW);
        once.bounds.mailbox_entries = 2;
        once.begin(NOW);
        run(&mut once, vec![(Event::Turn(Ok(known.clone())), LATE)]);
        match then {
            None => run(&mut once, vec![(last(9), expecting(9))]),
            Some((first_age, too_old)) => {
                let lowest = Place { seq: Seq(3), time: NOW.minus(Millis(first_age)).into() };
                let step =
                    if too_old { Step::Done(Err(AppendError::TooOld)) } else { read_since(101_001, Source::Any) };
                run(&mut once, vec![(last(9), Step::AskFirst), (Event::First(Ok(Some(lowest))), step)]);
            }
        }
        known = known.or_else(|| once.take_known());
    }
}

#[test]
fn what_was_not_read_to_its_end_is_left_to_nobody() {
    let mut once = scanning(vec![(answer(vec![other(3)], true), read_at(3, Source::Any))]);
    run(&mut once, vec![(Event::Read(Err(NoAnswer)), Step::Wait(Millis(20))), (Event::Waited, LATE)]);
    run(&mut once, vec![(last(9), read_since(101_000, Source::Any))]);
    let mut once = scanning(vec![(answer(vec![other(3), other(9)], false), expecting(9))]);
    assert_eq!(once.take_known(), None, "nobody said that nothing stands behind it");
}

#[test]
fn what_was_read_behind_the_last_known_end_is_left_to_nobody() {
    let second = other_entry(9);
    // The second entry is erased, and its tombstone is behind the end that was known. What else was erased may have its tombstone behind
    // 13.
    let erased = Entry { body: Body::Tombstone { sender: second.from.clone(), id: second.id }, ..other_entry(12) };
    let mine = || at(13, &entry(99_000));
    let more = answer(vec![other(9), at(12, &erased), mine()], false);
    let mut once =
        remembering(99_000, vec![(last(13), read_at(9, Source::Any)), (more, done(13, &entry(99_000), true))]);
    let known = once.take_known().expect("what was known before");
    assert_eq!((known.head().seq, known.ids()), (Seq(9), 2));
    assert_eq!(
        (known.find(&once.item().log, &second), known.find(&once.item().log, &entry(99_000))),
        (Some(Seq(9)), None)
    );
    // A tombstone behind it was seen, and lost: what it took is back.
    let mut erased_and_back = vec![(last(12), read_at(9, Source::Any))];
    erased_and_back.push((answer(vec![other(9), other(12)], false), expecting(12)));
    erased_and_back.push((failed(PublishFailure::Conflict), LATE));
    erased_and_back.push((last(12), read_at(9, Source::Any)));
    remembering(99_000, erased_and_back);
}
