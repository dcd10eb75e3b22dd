//! A call that only looks.

use super::*;

fn looking(age: u64) -> (AppendOnce, Step) {
    let mut once = AppendOnce::looking(item(age, true), Bounds::STANDARD, NOW);
    let step = once.begin(NOW);
    (once, step)
}

#[test]
fn what_is_there_is_found_where_its_id_says_and_with_no_turn() {
    let mine = entry(100_000);
    let mut grave = entry(0);
    grave.body = Body::Tombstone { sender: mine.from.clone(), id: mine.id };
    for stored in [&mine, &grave] {
        let (mut once, step) = looking(100_000);
        assert_eq!(step, LATE);
        run(
            &mut once,
            vec![
                (last(9), read_since(101_000, Source::Any)),
                (answer(vec![other(3), at(5, stored)], true), done(5, stored, true)),
            ],
        );
    }
}

#[test]
fn what_is_not_there_is_absent_when_all_since_its_id_was_read() {
    let read =
        || vec![(last(9), read_since(101_000, Source::Any)), (answer(vec![], false), read_since(160_000, Source::Any))];
    let (mut once, _) = looking(100_000);
    run(&mut once, read());
    run(&mut once, vec![(answer(vec![other(3), other(9)], false), Step::Absent)]);
    assert_eq!(once.take_known(), None, "and nothing is left behind");
    // A replica that lags is not believed.
    let (mut once, _) = looking(100_000);
    run(&mut once, read());
    run(
        &mut once,
        vec![
            (answer(vec![other(3)], false), read_at(3, Source::Leader)),
            (answer(vec![other(3), at(9, &entry(100_000))], false), done(9, &entry(100_000), true)),
        ],
    );
}

#[test]
fn an_empty_log_and_one_that_ends_before_the_id_are_not_read() {
    let old = Place { seq: Seq(4), time: NOW.minus(Millis(60_001)).into() };
    for last in [None, Some(old)] {
        let (mut once, _) = looking(0);
        assert_eq!(once.handle(NOW, Event::Last(Ok(last))), Step::Absent);
    }
}

#[test]
fn what_is_too_old_or_from_the_future_costs_no_read() {
    assert_eq!(looking(30 * 24 * 3_600_000).1, Step::Done(Err(AppendError::TooOld)));
    let mut early = item(0, true);
    early.entry.id = MessageId::from_parts(NOW.plus(Millis(30_001)), 7);
    let mut once = AppendOnce::looking(early, Bounds::STANDARD, NOW);
    assert_eq!(once.begin(NOW), Step::Done(Err(AppendError::FromTheFuture)));
}

#[test]
fn in_a_full_log_what_may_be_evicted_is_too_old() {
    let (mut once, _) = looking(100_000);
    once.bounds.mailbox_entries = 2;
    let first = Place { seq: Seq(3), time: NOW.minus(Millis(10)).into() };
    run(
        &mut once,
        vec![
            (last(9), read_since(101_000, Source::Any)),
            (answer(vec![], false), read_since(160_000, Source::Any)),
            (answer(vec![other(3), other(9)], false), Step::AskFirst),
            (Event::First(Ok(Some(first))), Step::Done(Err(AppendError::TooOld))),
        ],
    );
}

#[test]
fn nobody_who_answers_is_asked_again_and_then_unknown() {
    let (mut once, _) = looking(100_000);
    run(&mut once, vec![(Event::Last(Err(NoAnswer)), Step::Wait(Millis(20))), (Event::Waited, LATE)]);
    let end = NOW.plus(Millis(5_000));
    assert_eq!(once.handle(end, Event::Last(Err(NoAnswer))), Step::Done(Err(AppendError::Unknown)));
}
