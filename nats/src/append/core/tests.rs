//! Each decision of `append_once`, step by step.

mod looking;
mod remembered;

use dunlin_schema::{Address, Content, Log, MessageId, RegionName, Sender, UserName, entry::Body};

use super::*;

/// Forty days after the beginning of time, so that everything has a past.
const NOW: Millis = Millis(40 * 24 * 3_600_000);

fn name(text: &str) -> UserName {
    UserName::new(text).unwrap()
}

fn entry(age: u64) -> Entry {
    let region = RegionName::new("eu").unwrap();
    Entry {
        id: MessageId::from_parts(NOW.minus(Millis(age)), 7),
        from: Sender { user: name("alice"), region },
        to: Address::local(name("bob")),
        order: None,
        time: NOW,
        body: Body::Content(Content::Delete { target: MessageId::from_parts(NOW, 1) }),
    }
}

fn item(age: u64, first_try: bool) -> Item {
    let region = RegionName::new("eu").unwrap();
    let log = Log::mailbox(&region, 1, &name("bob"));
    Item { log, entry: entry(age), origin: Origin::Client, first_try, copy_of_new: false }
}

fn begun(item: Item) -> (AppendOnce, Step) {
    let mut once = AppendOnce::new(item, true, Bounds::STANDARD, NOW);
    let step = once.begin(NOW);
    let step = in_turn(&mut once, NOW, step);
    (once, step)
}

/// The step after a turn that comes at once, with nothing remembered.
fn in_turn(once: &mut AppendOnce, now: Millis, step: Step) -> Step {
    if matches!(step, Step::TakeTurn(_)) { once.handle(now, Event::Turn(Ok(None))) } else { step }
}

fn at(seq: u64, entry: &Entry) -> StoredEntry {
    StoredEntry { seq: Seq(seq), time: StreamTime::from(NOW), payload: entry.encode() }
}

fn other_entry(seq: u64) -> Entry {
    Entry { id: MessageId::from_parts(NOW, u128::from(seq) << 8), ..entry(0) }
}

fn other(seq: u64) -> StoredEntry {
    at(seq, &other_entry(seq))
}

fn answer(entries: Vec<StoredEntry>, more: bool) -> Event {
    Event::Read(Ok(ReadAnswer { entries, more, evidence: None }))
}

fn last(seq: u64) -> Event {
    Event::Last(Ok(Some(Place { seq: Seq(seq), time: NOW.into() })))
}

fn read_since(span: u64, source: Source) -> Step {
    let from = ReadFrom::Time(NOW.minus(Millis(span)).into());
    Step::Read(ReadRequest { from, source })
}

fn read_at(seq: u64, source: Source) -> Step {
    Step::Read(ReadRequest { from: ReadFrom::Seq(Seq(seq)), source })
}

fn acked(seq: u64, duplicate: bool) -> Event {
    Event::Published(Ok(PubAck { seq: Seq(seq), duplicate }))
}

fn failed(failure: PublishFailure) -> Event {
    Event::Published(Err(failure))
}

fn done(seq: u64, entry: &Entry, repeat: bool) -> Step {
    Step::Done(Ok(Stored { seq: Seq(seq), entry: entry.clone(), repeat }))
}

const LATE: Step = Step::AskLast;
const FRESH: Step = Step::Publish { expect: None };

fn expecting(seq: u64) -> Step {
    Step::Publish { expect: Some(Seq(seq)) }
}

/// Gives the events in turn, and checks each step.
fn run(once: &mut AppendOnce, turns: Vec<(Event, Step)>) {
    for (turn, (event, expected)) in turns.into_iter().enumerate() {
        let step = once.handle(NOW, event);
        assert_eq!(in_turn(once, NOW, step), expected, "turn {turn}");
    }
}

#[test]
fn the_path_depends_on_age_first_try_and_window() {
    for (name, item, window_whole, expected) in [
        ("young and new", item(0, true), true, FRESH),
        ("29.9 s", item(29_999, true), true, FRESH),
        ("30 s", item(30_000, true), true, LATE),
        ("a repeat", item(0, false), true, LATE),
        ("a young window", item(0, true), false, LATE),
        ("29 days", item(29 * 24 * 3_600_000, true), true, LATE),
        ("30 days", item(30 * 24 * 3_600_000, true), true, Step::Done(Err(AppendError::TooOld))),
    ] {
        let mut once = AppendOnce::new(item, window_whole, Bounds::STANDARD, NOW);
        let step = once.begin(NOW);
        assert_eq!(in_turn(&mut once, NOW, step), expected, "{name}");
    }
    for (ahead, expected) in [(30_000, FRESH), (30_001, Step::Done(Err(AppendError::FromTheFuture)))] {
        let mut early = item(0, true);
        early.entry.id = MessageId::from_parts(NOW.plus(Millis(ahead)), 7);
        assert_eq!(begun(early).1, expected, "{ahead} ms ahead");
    }
}

#[test]
fn a_reader_s_item_is_never_too_old_nor_too_early() {
    let saved = StreamTime::from(NOW.minus(Millis(5_000)));
    for age in [0, 40 * 24 * 3_600_000] {
        let (mut once, step) = begun(Item { origin: Origin::Reader { saved }, ..item(age, false) });
        assert_eq!(step, LATE);
        assert_eq!(once.handle(NOW, last(4)), read_since(65_000, Source::Any), "from its own position − 60 s");
        let full = (1..=4).map(other).collect();
        once.bounds.mailbox_entries = 2;
        assert_eq!(once.handle(NOW, answer(full, false)), expecting(4), "a full log is no reason to refuse it");
    }
}

#[test]
fn fresh() {
    let stored = entry(0);
    let (mut once, _) = begun(item(0, true));
    assert_eq!(once.handle(NOW, acked(5, false)), done(5, &stored, false));
    for (failure, error) in
        [(PublishFailure::Full, AppendError::Full), (PublishFailure::TooLarge, AppendError::TooLarge)]
    {
        let (mut once, _) = begun(item(0, true));
        assert_eq!(once.handle(NOW, failed(failure)), Step::Done(Err(error)));
    }
}

#[test]
fn a_duplicate_is_answered_with_what_is_stored() {
    let mut earlier = entry(0);
    earlier.time = NOW.minus(Millis(3));
    for (found, expected) in [
        (Some(at(5, &earlier)), done(5, &earlier, true)),
        // Evicted or erased since: the sequence is all that is known.
        (None, done(5, &entry(0), true)),
        // The sequence was given again after the log went back.
        (Some(other(5)), LATE),
    ] {
        let (mut once, _) = begun(item(0, true));
        run(&mut once, vec![(acked(5, true), Step::ReadBack(Seq(5))), (Event::ReadBack(Ok(found)), expected)]);
    }
}

#[test]
fn an_unknown_outcome_goes_the_late_way_and_is_never_called_full() {
    let (mut once, _) = begun(item(0, true));
    run(
        &mut once,
        vec![
            (failed(PublishFailure::Unknown), Step::Wait(Millis(20))),
            (Event::Waited, LATE),
            (Event::Last(Err(NoAnswer)), Step::Wait(Millis(40))),
            (Event::Waited, LATE),
            (Event::Last(Ok(None)), expecting(0)),
            (failed(PublishFailure::Full), Step::Done(Err(AppendError::Unknown))),
        ],
    );
}

#[test]
fn after_five_seconds_it_is_unknown() {
    let (mut once, mut step) = begun(item(0, false));
    let mut now = NOW;
    let mut tries = 0;
    loop {
        let event = match step {
            Step::AskLast => {
                tries += 1;
                Event::Last(Err(NoAnswer))
            }
            Step::Wait(pause) => {
                now = now.plus(pause);
                Event::Waited
            }
            Step::Done(result) => {
                assert_eq!(result, Err(AppendError::Unknown));
                break;
            }
            Step::TakeTurn(_)
            | Step::Publish { .. }
            | Step::Read(_)
            | Step::AskFirst
            | Step::ReadBack(_)
            | Step::Absent => {
                panic!("{step:?}")
            }
        };
        step = once.handle(now, event);
        step = in_turn(&mut once, now, step);
    }
    assert!(now.since(NOW) <= Millis(5_000) && now.since(NOW) >= Millis(4_000) && tries > 10, "{tries} in {now:?}");
    let (mut once, _) = begun(item(0, false));
    assert_eq!(once.handle(NOW.plus(Millis(5_000)), Event::Last(Ok(None))), Step::Done(Err(AppendError::Unknown)));
}

#[test]
fn late_and_not_there_is_published_on_what_was_read() {
    let (mut once, _) = begun(item(100_000, false));
    run(
        &mut once,
        vec![
            (last(9), read_since(101_000, Source::Any)),
            (answer(vec![other(9)], false), read_since(160_000, Source::Any)),
            (answer(vec![other(3), other(5)], true), read_at(5, Source::Any)),
            (answer(vec![other(5), other(9)], false), expecting(9)),
            (acked(12, false), done(12, &entry(100_000), false)),
        ],
    );
}

#[test]
fn late_and_there_is_the_answer() {
    let mine = entry(100_000);
    let mut grave = entry(0);
    grave.id = MessageId::from_parts(NOW, 99);
    grave.body = Body::Tombstone { sender: mine.from.clone(), id: mine.id };
    for stored in [&mine, &grave] {
        let (mut once, _) = begun(item(100_000, false));
        let probe = (last(9), read_since(101_000, Source::Any));
        run(&mut once, vec![probe.clone(), (answer(vec![other(3), at(5, stored)], true), done(5, stored, true))]);
        let (mut once, _) = begun(item(100_000, false));
        let scan = (Event::Read(Err(NoAnswer)), read_since(160_000, Source::Any));
        run(&mut once, vec![probe, scan, (answer(vec![other(3), at(5, stored)], true), done(5, stored, true))]);
    }
}

#[test]
fn an_item_of_another_sender_or_id_is_not_this_one() {
    let (mut hers, mut newer) = (entry(100_000), entry(100_000));
    hers.from.user = name("carol");
    newer.id = MessageId::from_parts(newer.id.time(), 8);
    let (mut once, _) = begun(item(100_000, false));
    let both = vec![at(5, &hers), at(9, &newer)];
    run(
        &mut once,
        vec![
            (last(9), read_since(101_000, Source::Any)),
            (answer(both.clone(), false), read_since(160_000, Source::Any)),
            (answer(both, false), expecting(9)),
        ],
    );
}

#[test]
fn a_log_that_ends_before_s_needs_no_reading() {
    let (mut once, _) = begun(item(0, false));
    let old = Place { seq: Seq(4), time: NOW.minus(Millis(60_001)).into() };
    assert_eq!(once.handle(NOW, Event::Last(Ok(Some(old)))), expecting(4));
    let (mut once, _) = begun(item(0, false));
    assert_eq!(once.handle(NOW, Event::Last(Ok(None))), expecting(0));
}

/// A late call of an item that was read for up to 9, with a lagging or a complete answer.
fn scanning(events: Vec<(Event, Step)>) -> AppendOnce {
    let (mut once, _) = begun(item(100_000, false));
    let probe = (last(9), read_since(101_000, Source::Any));
    let scan = (answer(vec![], false), read_since(160_000, Source::Any));
    run(&mut once, vec![probe, scan]);
    run(&mut once, events);
    once
}

#[test]
fn a_replica_that_does_not_reach_the_end_is_not_believed() {
    scanning(vec![
        (answer(vec![other(3)], false), read_at(3, Source::Leader)),
        (answer(vec![other(3), at(9, &entry(100_000))], false), done(9, &entry(100_000), true)),
    ]);
    scanning(vec![
        (answer(vec![], false), read_since(160_000, Source::Leader)),
        (answer(vec![other(9)], false), expecting(9)),
    ]);
}

#[test]
fn when_the_last_entry_goes_meanwhile_it_is_asked_for_again() {
    scanning(vec![
        (answer(vec![other(3)], false), read_at(3, Source::Leader)),
        (answer(vec![other(3)], false), LATE),
        (last(3), read_since(101_000, Source::Any)),
    ]);
}

/// One that read 3 and 9, and stored its item behind them.
fn left_to_the_next() -> AppendOnce {
    let stored = (acked(10, false), done(10, &entry(100_000), false));
    scanning(vec![(answer(vec![other(3), other(9)], false), expecting(9)), stored])
}

/// A late call of an item of this age to which an earlier one left what it knew: 3 and 9, read since 160 s ago.
fn remembering(age: u64, events: Vec<(Event, Step)>) -> AppendOnce {
    let mut before = left_to_the_next();
    let known = before.take_known();
    let mut once = AppendOnce::new(item(age, false), true, Bounds::STANDARD, NOW);
    assert_eq!(once.begin(NOW), Step::TakeTurn(Millis(5_000)));
    assert_eq!(once.handle(NOW, Event::Turn(Ok(known))), LATE);
    run(&mut once, events);
    once
}

#[test]
fn a_conflict_reads_on_and_a_log_that_went_back_is_read_anew() {
    let to_conflict = || vec![(answer(vec![other(9)], false), expecting(9)), (failed(PublishFailure::Conflict), LATE)];
    let mut events = to_conflict();
    events.extend([(last(11), read_at(9, Source::Any)), (answer(vec![other(9), other(11)], false), expecting(11))]);
    scanning(events);
    let mut events = to_conflict();
    events.push((last(9), read_since(101_000, Source::Any)));
    scanning(events);
    let conflict = || (failed(PublishFailure::Conflict), LATE);
    remembering(99_000, vec![(last(9), expecting(9)), conflict(), (last(9), expecting(9)), conflict()]);
    let mut events = to_conflict();
    events.push((last(8), read_since(101_000, Source::Any)));
    scanning(events);
    // What is read beyond L raises what is expected.
    scanning(vec![(answer(vec![other(9), other(12)], true), expecting(12))]);
}

#[test]
fn conflicts_without_end_are_paced_and_end() {
    let mut once = remembering(99_000, vec![(last(9), expecting(9))]);
    for _ in 0..EAGER_CONFLICTS {
        run(&mut once, vec![(failed(PublishFailure::Conflict), LATE), (last(9), expecting(9))]);
    }
    run(&mut once, vec![(failed(PublishFailure::Conflict), Step::Wait(Millis(20))), (Event::Waited, LATE)]);
    let end = NOW.plus(Millis(5_000));
    assert_eq!(once.handle(end, last(9)), Step::Done(Err(AppendError::Unknown)));
}

#[test]
fn in_a_full_log_what_may_be_evicted_is_too_old() {
    let grave = |seq: u64| {
        let mut grave = entry(0);
        grave.body = Body::Tombstone { sender: grave.from.clone(), id: MessageId::from_parts(NOW, seq.into()) };
        at(seq, &grave)
    };
    let first = |age: u64| Event::First(Ok(Some(Place { seq: Seq(1), time: NOW.minus(Millis(age)).into() })));
    // Tombstones count twice: two of them and an entry are five.
    for (entries, too_old) in [
        (vec![other(7), other(8), other(9)], false),
        (vec![grave(7), other(8), other(9)], false),
        (vec![grave(7), grave(8), other(9)], true),
        (vec![other(1), other(2), other(3), other(4), other(9)], true),
    ] {
        let mut once = scanning(vec![]);
        once.bounds.mailbox_entries = 5;
        let step = if too_old { Step::AskFirst } else { expecting(9) };
        assert_eq!(once.handle(NOW, answer(entries, false)), step);
        if too_old {
            assert_eq!(once.handle(NOW, first(159_999)), Step::Done(Err(AppendError::TooOld)));
        }
    }
    for (event, step) in [
        (first(160_000), Step::Done(Err(AppendError::TooOld))),
        (first(160_001), expecting(9)),
        (Event::First(Ok(None)), expecting(9)),
        (Event::First(Err(NoAnswer)), Step::Wait(Millis(20))),
    ] {
        let mut once = scanning(vec![]);
        once.bounds.mailbox_entries = 1;
        run(&mut once, vec![(answer(vec![other(9)], false), Step::AskFirst), (event, step)]);
    }
}

#[test]
fn an_entry_that_can_t_be_read_is_not_this_one() {
    let unreadable = StoredEntry { payload: bytes::Bytes::from_static(b"?"), ..other(9) };
    scanning(vec![(answer(vec![unreadable], false), expecting(9))]);
}

#[test]
fn the_copy_of_what_is_new_is_not_too_old_while_all_that_came_since_is_there() {
    let up_to_a_first = |age: u64, then: Step| {
        let first = Place { seq: Seq(3), time: NOW.minus(Millis(age)).into() };
        let oldest = StoredEntry { time: first.time, ..other(3) };
        vec![
            (last(9), read_since(101_000, Source::Any)),
            (answer(vec![], false), read_since(160_000, Source::Any)),
            (answer(vec![oldest, other(9)], false), Step::AskFirst),
            (Event::First(Ok(Some(first))), then),
        ]
    };
    let up_to_the_first = |then| up_to_a_first(10_000, then);
    let in_a_full_log = |copy_of_new| {
        let (mut once, step) = begun(Item { copy_of_new, ..item(100_000, false) });
        assert_eq!(step, LATE);
        once.bounds.mailbox_entries = 2;
        once
    };
    let too_old = || Step::Done(Err(AppendError::TooOld));
    run(&mut in_a_full_log(false), up_to_the_first(too_old()));
    let mut once = in_a_full_log(true);
    run(&mut once, up_to_the_first(expecting(9)));
    // Its own publish may be stored, and dropped since.
    run(&mut once, vec![(failed(PublishFailure::Unknown), Step::Wait(Millis(20))), (Event::Waited, LATE)]);
    run(&mut once, up_to_the_first(too_old()));
    // Another gateway's try of it, of a moment ago, may have been dropped since.
    run(&mut in_a_full_log(true), up_to_a_first(4_999, too_old()));
    run(&mut in_a_full_log(true), up_to_a_first(5_000, expecting(9)));
    // While this call waited for its turn as well.
    let waited = NOW.plus(Millis(2_000));
    for (age, then) in [(4_999 + 2_000, too_old()), (5_000 + 2_000, expecting(9))] {
        let mut once = in_a_full_log(true);
        let mut steps = up_to_a_first(age, then);
        let (event, step) = steps.pop().unwrap();
        run(&mut once, steps);
        assert_eq!(once.handle(waited, event), step);
    }
}

#[test]
fn the_copy_of_what_went_to_somebody_else_under_the_same_id_is_another_item() {
    let log = Log::mailbox(&RegionName::new("eu").unwrap(), 1, &name("alice"));
    let copy_to = |to: &str| Entry { to: Address::local(name(to)), ..entry(99_000) };
    let item = |to| Item { log: log.clone(), entry: copy_to(to), ..item(99_000, false) };
    let stored = || answer(vec![at(9, &copy_to("bob"))], false);
    let (mut carols, _) = begun(item("carol"));
    let from_s = read_since(159_000, Source::Any);
    run(&mut carols, vec![(last(9), read_since(100_000, Source::Any)), (stored(), from_s), (stored(), expecting(9))]);
    let (mut bobs, _) = begun(item("bob"));
    run(&mut bobs, vec![(last(9), read_since(100_000, Source::Any)), (stored(), done(9, &copy_to("bob"), true))]);
    assert_ne!(carols.message_id(), bobs.message_id());
}
