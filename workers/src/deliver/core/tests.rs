//! Schedules with their exact outputs.

use dunlin_schema::Epoch;

use super::*;

const T: u64 = 1_000;

fn setup(replicas: u8, sync_always: bool) -> Setup {
    Setup { owner: "me".into(), replicas, sync_always, heads_map: 1_000 }
}

fn at(epoch: u64, seq: u64) -> Position {
    Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(if seq == 0 { 0 } else { T + seq }) }
}

fn record(owner: &str, position: Position, boot: &str) -> ReaderRecord {
    ReaderRecord { owner: owner.into(), position, boot: boot.into(), begins_after: None }
}

fn looked(record: ReaderRecord, revision: u64) -> Input {
    Input::Looked(Looked::Record { record, revision: Seq(revision), stamp: StreamTime(5) })
}

fn compared(last: u64, time: Option<u64>, boot: &str) -> Input {
    Input::Compared(Some(Compared { last: Seq(last), time: time.map(StreamTime), boot: boot.into() }))
}

fn stored(revision: u64, stamp: u64) -> Input {
    Input::Stored(Some(Stored { revision: Seq(revision), stamp: StreamTime(stamp) }))
}

fn entry(user: &str, seq: u64) -> Input {
    let mailbox = UserName::new(user).ok();
    Input::Entry { mailbox, seq: Seq(seq), time: StreamTime(T + seq), payload: Bytes::from_static(b"?") }
}

fn publish(user: &str, position: Position, after: u64) -> Output {
    let live = LiveEntry { position, after: Seq(after), entry: Bytes::from_static(b"?") };
    Output::Publish { user: UserName::new(user).unwrap(), live }
}

fn save(record: ReaderRecord, expected: u64) -> Output {
    Output::Save { record, expected: Seq(expected) }
}

/// Gives the inputs at their times, and holds the outputs of each against what is expected.
fn play(core: &mut Deliver, steps: Vec<(u64, Input, Vec<Output>)>) {
    for (step, (now, input, expected)) in steps.into_iter().enumerate() {
        let mut out = Vec::new();
        core.handle(Millis(now), input.clone(), &mut out);
        assert_eq!(out, expected, "step {step}, at {now}: {input:?}");
    }
}

/// A reader that took over at 40 of epoch 7 and reads; the record's revision is 12. At 100 ms.
fn reading(setup: Setup) -> Deliver {
    let mut core = Deliver::new(setup);
    let claim = record("me", at(7, 40), "boot");
    play(
        &mut core,
        vec![
            (0, Input::Tick, vec![Output::Look]),
            (1, looked(record(NOBODY, at(7, 40), "boot"), 11), vec![Output::Compare(Seq(40))]),
            (2, compared(40, Some(T + 40), "boot"), vec![save(claim, 11)]),
            (
                3,
                stored(12, 0),
                vec![Output::Event(Event::TookOver { position: at(7, 40) }), Output::Open(ReadFrom::Seq(Seq(41)))],
            ),
            (4, Input::Opened, vec![Output::Compare(Seq(40))]),
            (100, compared(40, Some(T + 40), "boot"), vec![]),
        ],
    );
    assert!(core.is_live());
    core
}

#[test]
fn the_first_start_ever_begins_an_epoch_before_the_first_entry() {
    let mut core = Deliver::new(setup(1, true));
    let begin = ReaderRecord { begins_after: Some(Epoch(0)), ..record("me", Position::default(), "boot") };
    let nothing = at(9_000, 0);
    play(
        &mut core,
        vec![
            (0, Input::Tick, vec![Output::Look]),
            (1, Input::Looked(Looked::Absent), vec![Output::Compare(Seq(0))]),
            (2, compared(0, None, "boot"), vec![save(begin, 0)]),
            (
                3,
                stored(1, 9_000),
                vec![
                    Output::Event(Event::TookOver { position: nothing }),
                    Output::Event(Event::EpochBegun { epoch: Epoch(9_000), because: Because::NoRecord }),
                    Output::Open(ReadFrom::Seq(Seq(1))),
                ],
            ),
            (4, Input::Opened, vec![Output::Compare(Seq(0))]),
            (5, compared(0, None, "boot"), vec![]),
            (
                6,
                Input::HeadsAsked { asked: Asked(1), users: vec![UserName::new("bob").unwrap()] },
                vec![Output::Heads {
                    asked: Asked(1),
                    answer: HeadsAnswer { position: nothing, floor: Seq(0), heads: vec![None] },
                }],
            ),
            (7, entry("bob", 1), vec![publish("bob", at(9_000, 1), 0)]),
            (8, entry("bob", 2), vec![publish("bob", at(9_000, 2), 1)]),
            (1_003, Input::Tick, vec![save(record("me", at(9_000, 2), "boot"), 1)]),
        ],
    );
}

#[test]
fn a_standby_waits_for_three_seconds_without_a_change() {
    let other = |position| record("other", position, "boot");
    let mut core = Deliver::new(setup(1, false));
    play(
        &mut core,
        vec![
            (0, Input::Tick, vec![Output::Look]),
            (1, looked(other(at(7, 40)), 11), vec![]),
            (501, Input::Tick, vec![Output::Look]),
            (502, looked(other(at(7, 41)), 12), vec![]),
            (3_400, Input::Tick, vec![Output::Look]),
            (3_401, looked(other(at(7, 41)), 12), vec![]),
            // A record that could not be read says nothing of its owner, who could not write it either.
            (3_901, Input::Tick, vec![Output::Look]),
            (3_902, Input::Looked(Looked::Failed), vec![]),
            (4_402, Input::Tick, vec![Output::Look]),
            (4_403, looked(other(at(7, 41)), 12), vec![]),
            (7_402, Input::Tick, vec![Output::Look]),
            (7_403, looked(other(at(7, 41)), 12), vec![Output::Compare(Seq(41))]),
            (7_404, compared(44, Some(T + 41), "boot"), vec![save(record("me", at(7, 41), "boot"), 12)]),
            // Somebody was quicker.
            (7_405, Input::Stored(None), vec![]),
            (7_906, Input::Tick, vec![Output::Look]),
        ],
    );
    assert!(!core.is_owner());
}

#[test]
fn what_a_takeover_compares_decides_about_the_epoch() {
    use Because::{EndBelow, OtherBoot, OtherEntry};
    let same = Some(T + 40);
    let cases = [
        // replicas, sync always, last, the time of its own entry, boot; why an epoch begins, and whether the number stays
        (1, false, 40, same, "boot", None, true),
        (1, false, 90, same, "boot", None, true),
        (1, false, 90, None, "boot", None, true), // expired, evicted or erased
        (1, false, 40, same, "other", Some(OtherBoot), true),
        (1, false, 40, None, "other", Some(OtherBoot), false),
        (1, false, 40, Some(T + 99), "other", Some(OtherBoot), false),
        (1, true, 40, same, "other", None, true),
        (3, false, 40, same, "other", None, true),
        (1, true, 39, None, "boot", Some(EndBelow), false),
        (1, true, 0, None, "boot", Some(EndBelow), false), // deleted and made again
        (1, true, 40, Some(T + 99), "boot", Some(OtherEntry), false),
        (1, true, 90, Some(T + 39), "boot", Some(OtherEntry), false),
    ];
    for case in cases {
        let (replicas, sync_always, last, time, boot, because, keeps) = case;
        let mut core = Deliver::new(setup(replicas, sync_always));
        let position = Position { seq: if keeps { Seq(40) } else { Seq(0) }, ..at(7, 40) };
        let claim = ReaderRecord { begins_after: because.map(|_| Epoch(7)), ..record("me", position, boot) };
        let epoch = if because.is_some() { Epoch(9_000) } else { Epoch(7) };
        let from = if keeps { ReadFrom::Seq(Seq(41)) } else { ReadFrom::Time(StreamTime(T + 41)) };
        let mut told = vec![Output::Event(Event::TookOver { position: Position { epoch, ..position } })];
        told.extend(because.map(|because| Output::Event(Event::EpochBegun { epoch, because })));
        told.push(Output::Open(from));
        let looked = looked(record(NOBODY, at(7, 40), "boot"), 11);
        let steps = vec![
            (0, Input::Tick, vec![Output::Look]),
            (1, looked, vec![Output::Compare(Seq(40))]),
            (2, compared(last, time, boot), vec![save(claim, 11)]),
            (3, stored(12, 9_000), told),
        ];
        play(&mut core, steps);
    }
}

#[test]
fn an_epoch_is_named_above_the_old_one_whatever_the_clock_says() {
    let mut core = reading(setup(1, true));
    let begin =
        ReaderRecord { begins_after: Some(Epoch(7)), ..record("me", Position { seq: Seq(0), ..at(7, 40) }, "boot") };
    let mut out = Vec::new();
    play(
        &mut core,
        vec![
            (101, Input::Opened, vec![Output::Compare(Seq(40))]),
            (102, compared(39, None, "boot"), vec![Output::Close, save(begin, 12)]),
        ],
    );
    core.handle(Millis(103), stored(13, 3), &mut out);
    assert_eq!(core.position(), Position { epoch: Epoch(8), seq: Seq(0), time: StreamTime(T + 40) });
}

#[test]
fn a_replicated_log_is_looked_at_twice_before_it_counts_as_gone_back() {
    let mut core = reading(setup(3, false));
    play(
        &mut core,
        vec![
            (101, Input::Opened, vec![Output::Compare(Seq(40))]),
            (102, compared(39, None, "boot"), vec![]),
            (1_003, Input::Tick, vec![save(record("me", at(7, 40), "boot"), 12)]),
            (1_004, stored(13, 0), vec![]),
            (2_003, Input::Tick, vec![save(record("me", at(7, 40), "boot"), 13)]),
            (2_004, stored(14, 0), vec![]),
            (2_102, Input::Tick, vec![Output::Compare(Seq(40))]),
            (2_103, compared(40, Some(T + 40), "boot"), vec![]),
            (2_104, entry("bob", 41), vec![publish("bob", at(7, 41), 40)]),
        ],
    );
}

#[test]
fn a_hole_empties_the_map_and_raises_the_floor() {
    let mut core = reading(setup(1, true));
    let hole = Output::Event(Event::Hole { after: Seq(42), until: Seq(45) });
    play(
        &mut core,
        vec![
            (101, entry("bob", 41), vec![publish("bob", at(7, 41), 40)]),
            (102, entry("#team", 42), vec![]),
            (103, entry("carol", 45), vec![hole, publish("carol", at(7, 45), 45)]),
            (104, entry("bob", 46), vec![publish("bob", at(7, 46), 45)]),
            (105, entry("carol", 47), vec![publish("carol", at(7, 47), 45)]),
            // Read already: this consumer is not to be trusted.
            (106, entry("bob", 47), vec![Output::Open(ReadFrom::Seq(Seq(48)))]),
            (107, entry("bob", 48), vec![]),
        ],
    );
}

#[test]
fn whoever_fails_to_write_or_writes_late_is_no_owner() {
    let stepped_down = |lost| vec![Output::Event(Event::SteppedDown(lost)), Output::Close];
    let renewal = || save(record("me", at(7, 40), "boot"), 12);
    let ask = || Input::HeadsAsked { asked: Asked(1), users: vec![] };

    let mut core = reading(setup(1, true));
    play(
        &mut core,
        vec![
            (1_003, Input::Tick, vec![renewal()]),
            (1_500, Input::Stored(None), stepped_down(Lost::NotStored)),
            (1_501, entry("bob", 41), vec![]),
            (1_502, ask(), vec![Output::Decline(Asked(1))]),
            (2_000, Input::Tick, vec![Output::Look]),
            // Its own record: nobody took it meanwhile.
            (2_001, looked(record("me", at(7, 40), "boot"), 12), vec![Output::Compare(Seq(40))]),
        ],
    );

    // Stopped for a minute: the first thing it hears finds it no owner, before anything is published.
    let mut core = reading(setup(1, true));
    play(
        &mut core,
        vec![
            (1_003, Input::Tick, vec![renewal()]),
            (61_000, entry("bob", 41), stepped_down(Lost::Lapsed)),
            (61_001, stored(13, 0), vec![]),
        ],
    );
    assert!(!core.is_owner());
}

#[test]
fn a_doubt_is_answered_by_a_comparison_that_began_after_it() {
    let verified = |asked| Output::Verified { asked: Asked(asked), verified: Verified { position: at(7, 40) } };
    let mut core = reading(setup(1, true));
    play(
        &mut core,
        vec![
            (101, Input::VerifyAsked { asked: Asked(1) }, vec![Output::Compare(Seq(40))]),
            (102, Input::VerifyAsked { asked: Asked(2) }, vec![]),
            (103, compared(40, Some(T + 40), "boot"), vec![verified(1), Output::Compare(Seq(40))]),
            (104, compared(40, Some(T + 40), "boot"), vec![verified(2)]),
            (105, Input::VerifyAsked { asked: Asked(3) }, vec![Output::Compare(Seq(40))]),
            (106, Input::Compared(None), vec![Output::Decline(Asked(3))]),
        ],
    );
}

#[test]
fn an_end_gives_the_shard_back_after_what_is_being_written() {
    let given_back = |expected| save(record(NOBODY, at(7, 41), "boot"), expected);
    let mut core = reading(setup(1, true));
    play(
        &mut core,
        vec![
            (1_003, Input::Tick, vec![save(record("me", at(7, 40), "boot"), 12)]),
            (1_004, entry("bob", 41), vec![publish("bob", at(7, 41), 40)]),
            (1_005, Input::Stop, vec![Output::Close]),
            (1_006, stored(13, 0), vec![given_back(13)]),
            (1_007, stored(14, 0), vec![Output::Stopped]),
        ],
    );
    let mut standby = Deliver::new(setup(1, true));
    play(&mut standby, vec![(0, Input::Stop, vec![Output::Stopped])]);
}

#[test]
fn a_record_that_went_back_begins_an_epoch_above_all_that_were_seen() {
    let mut core = Deliver::new(setup(1, true));
    let other = |position| record("other", position, "boot");
    let begin =
        ReaderRecord { begins_after: Some(Epoch(9)), ..record("me", Position { seq: Seq(0), ..at(7, 40) }, "boot") };
    play(
        &mut core,
        vec![
            (0, Input::Tick, vec![Output::Look]),
            (1, looked(other(at(9, 50)), 30), vec![]),
            (501, Input::Tick, vec![Output::Look]),
            (502, looked(record(NOBODY, at(7, 40), "boot"), 20), vec![Output::Compare(Seq(50))]),
            (503, compared(60, Some(T + 50), "boot"), vec![save(begin, 20)]),
        ],
    );
}
