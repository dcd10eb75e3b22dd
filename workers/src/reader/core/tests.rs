//! Schedules with their exact outputs.

use dunlin_schema::Epoch;

use super::*;

const T: u64 = 1_000;

fn setup(replicas: u8, sync_always: bool) -> Setup {
    Setup { owner: "me".into(), epochs: Epochs::Begins { replicas, sync_always } }
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
    Input::Compared(Some(Compared { last: Seq(last), time: time.map(StreamTime), boot: boot.into(), epoch: None }))
}

fn stored(revision: u64, stamp: u64) -> Input {
    Input::Stored(Some(Stored { revision: Seq(revision), stamp: StreamTime(stamp) }))
}

fn entry(seq: u64) -> Input {
    Input::Entry { seq: Seq(seq), time: StreamTime(T + seq) }
}

fn given(position: Position) -> Output {
    Output::Entry { position, after_hole: false }
}

fn save(record: ReaderRecord, expected: u64) -> Output {
    Output::Save { record, expected: Seq(expected) }
}

/// Gives the inputs at their times, and holds the outputs of each against what is expected.
fn play(core: &mut Reader, steps: Vec<(u64, Input, Vec<Output>)>) {
    for (step, (now, input, expected)) in steps.into_iter().enumerate() {
        let mut out = Vec::new();
        core.handle(Millis(now), input.clone(), &mut out);
        assert_eq!(out, expected, "step {step}, at {now}: {input:?}");
    }
}

/// A reader that took over at 40 of epoch 7 and reads; the record's revision is 12. At 100 ms.
fn reading(setup: Setup) -> Reader {
    let mut core = Reader::new(setup);
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
                vec![
                    Output::Event(Event::TookOver { position: at(7, 40) }),
                    Output::Begin(at(7, 40)),
                    Output::Open(ReadFrom::Seq(Seq(41))),
                ],
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
    let mut core = Reader::new(setup(1, true));
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
                    Output::Begin(nothing),
                    Output::Open(ReadFrom::Seq(Seq(1))),
                ],
            ),
            (4, Input::Opened, vec![Output::Compare(Seq(0))]),
            (5, compared(0, None, "boot"), vec![]),
            (7, entry(1), vec![given(at(9_000, 1))]),
            (8, entry(2), vec![given(at(9_000, 2))]),
            (1_003, Input::Tick, vec![save(record("me", at(9_000, 2), "boot"), 1)]),
        ],
    );
}

#[test]
fn a_standby_waits_for_three_seconds_without_a_change() {
    let other = |position| record("other", position, "boot");
    let mut core = Reader::new(setup(1, false));
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
        let mut core = Reader::new(setup(replicas, sync_always));
        let position = Position { seq: if keeps { Seq(40) } else { Seq(0) }, ..at(7, 40) };
        let claim = ReaderRecord { begins_after: because.map(|_| Epoch(7)), ..record("me", position, boot) };
        let epoch = if because.is_some() { Epoch(9_000) } else { Epoch(7) };
        let from = if keeps { ReadFrom::Seq(Seq(41)) } else { ReadFrom::Time(StreamTime(T + 41)) };
        let mut told = vec![Output::Event(Event::TookOver { position: Position { epoch, ..position } })];
        told.extend(because.map(|because| Output::Event(Event::EpochBegun { epoch, because })));
        told.push(Output::Begin(Position { epoch, ..position }));
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
            (2_104, entry(41), vec![given(at(7, 41))]),
        ],
    );
}

#[test]
fn a_hole_is_told_with_the_entry_behind_it() {
    let mut core = reading(setup(1, true));
    let hole = Output::Event(Event::Hole { after: Seq(42), until: Seq(45) });
    play(
        &mut core,
        vec![
            (101, entry(41), vec![given(at(7, 41))]),
            (102, entry(42), vec![given(at(7, 42))]),
            (103, entry(45), vec![hole, Output::Entry { position: at(7, 45), after_hole: true }]),
            (104, entry(46), vec![given(at(7, 46))]),
            (105, entry(47), vec![given(at(7, 47))]),
            // Read already: this consumer is not to be trusted.
            (106, entry(47), vec![Output::Open(ReadFrom::Seq(Seq(48)))]),
            (107, entry(48), vec![]),
        ],
    );
}

#[test]
fn whoever_fails_to_write_or_writes_late_is_no_owner() {
    let stepped_down = |lost| vec![Output::Event(Event::SteppedDown(lost)), Output::Close];
    let renewal = || save(record("me", at(7, 40), "boot"), 12);

    let mut core = reading(setup(1, true));
    play(
        &mut core,
        vec![
            (1_003, Input::Tick, vec![renewal()]),
            (1_500, Input::Stored(None), stepped_down(Lost::NotStored)),
            (1_501, entry(41), vec![]),
            (1_502, Input::Doubted(DoubtId(1)), vec![Output::Declined(DoubtId(1))]),
            (2_000, Input::Tick, vec![Output::Look]),
            // Its own record: nobody took it meanwhile.
            (2_001, looked(record("me", at(7, 40), "boot"), 12), vec![Output::Compare(Seq(40))]),
        ],
    );

    // Stopped for a minute: the first thing it hears finds it no owner, before any entry is given, and no answer can be made before.
    let mut core = reading(setup(1, true));
    assert_eq!((core.live_at(Millis(3_001)), core.live_at(Millis(61_000))), (Some(at(7, 40)), None));
    play(
        &mut core,
        vec![
            (1_003, Input::Tick, vec![renewal()]),
            (61_000, entry(41), stepped_down(Lost::Lapsed)),
            (61_001, stored(13, 0), vec![]),
        ],
    );
    assert!(!core.is_owner());
}

#[test]
fn a_doubt_is_answered_by_a_comparison_that_began_after_it() {
    let verified = |doubt| Output::Verified { doubt: DoubtId(doubt), position: at(7, 40) };
    let mut core = reading(setup(1, true));
    play(
        &mut core,
        vec![
            (101, Input::Doubted(DoubtId(1)), vec![Output::Compare(Seq(40))]),
            (102, Input::Doubted(DoubtId(2)), vec![]),
            (103, compared(40, Some(T + 40), "boot"), vec![verified(1), Output::Compare(Seq(40))]),
            (104, compared(40, Some(T + 40), "boot"), vec![verified(2)]),
            (105, Input::Doubted(DoubtId(3)), vec![Output::Compare(Seq(40))]),
            (106, Input::Compared(None), vec![Output::Declined(DoubtId(3))]),
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
            (1_004, entry(41), vec![given(at(7, 41))]),
            (1_005, Input::Stop, vec![Output::Close]),
            (1_006, stored(13, 0), vec![given_back(13)]),
            (1_007, stored(14, 0), vec![Output::Stopped]),
        ],
    );
    let mut standby = Reader::new(setup(1, true));
    play(&mut standby, vec![(0, Input::Stop, vec![Output::Stopped])]);
}

#[test]
fn a_record_that_went_back_begins_an_epoch_above_all_that_were_seen() {
    let mut core = Reader::new(setup(1, true));
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

/// A reader that follows, at 40 of epoch 7, and reads; the record's revision is 12.
fn following(resume: Resume) -> Reader {
    let mut core = Reader::new(Setup { owner: "me".into(), epochs: Epochs::Follows(resume) });
    play(
        &mut core,
        vec![
            (0, Input::Tick, vec![Output::Look]),
            (1, looked(record(NOBODY, at(7, 40), "boot"), 11), vec![Output::Compare(Seq(40))]),
            (2, in_epoch(7, 40, Some(T + 40)), vec![save(record("me", at(7, 40), "boot"), 11)]),
            (
                3,
                stored(12, 0),
                vec![
                    Output::Event(Event::TookOver { position: at(7, 40) }),
                    Output::Begin(at(7, 40)),
                    Output::Open(ReadFrom::Seq(Seq(41))),
                ],
            ),
            (4, Input::Opened, vec![Output::Compare(Seq(40))]),
            (5, in_epoch(7, 40, Some(T + 40)), vec![]),
        ],
    );
    assert!(core.is_live());
    core
}

fn in_epoch(epoch: u64, last: u64, time: Option<u64>) -> Input {
    let (time, epoch) = (time.map(StreamTime), Some(Epoch(epoch)));
    Input::Compared(Some(Compared { last: Seq(last), time, boot: "boot".into(), epoch }))
}

#[test]
fn a_reader_that_follows_begins_where_the_deliver_readers_epoch_lets_it() {
    let same = Some(T + 40);
    let anew = |epoch| Some((at(epoch, 0), ReadFrom::Seq(Seq(1))));
    let behind = |epoch| Some((at(epoch, 40), ReadFrom::Seq(Seq(41))));
    let cases = [
        // the epoch that holds, the stream's end, the time of its own entry; where it begins, or that it waits
        (7, 40, same, behind(7)),
        (7, 90, None, behind(7)), // expired, evicted or erased
        (7, 39, None, None),      // gone back, and the deliver reader has not said so yet
        (7, 90, Some(T + 99), None),
        (9, 40, same, anew(9)), // what it read is there as it was, and what it wrote of it may be lost
        (9, 90, Some(T + 99), anew(9)),
        (9, 39, None, anew(9)),
        (9, 90, None, anew(9)),         // nobody can tell
        (5, 90, Some(T + 99), anew(5)), // a copy was put back, the record with it
    ];
    for (epoch, last, time, begins) in cases {
        let mut core = Reader::new(Setup { owner: "me".into(), epochs: Epochs::Follows(Resume::Saved) });
        let mut out = Vec::new();
        core.handle(Millis(0), looked(record(NOBODY, at(7, 40), "boot"), 11), &mut out);
        out.clear();
        core.handle(Millis(1), in_epoch(epoch, last, time), &mut out);
        let Some((position, from)) = begins else {
            assert!(
                !out.iter().any(|output| matches!(output, Output::Save { .. })),
                "{epoch} {last} {time:?}: {out:?}"
            );
            continue;
        };
        assert_eq!(out.last(), Some(&save(record("me", position, "boot"), 11)), "{epoch} {last} {time:?}");
        out.clear();
        core.handle(Millis(2), stored(12, 0), &mut out);
        assert_eq!(out[1..], [Output::Begin(position), Output::Open(from)], "{epoch} {last} {time:?}");
    }
}

#[test]
fn a_projection_goes_on_where_it_stands_whatever_the_record_says() {
    for (stands, from) in [(at(7, 30), Seq(31)), (Position::default(), Seq(1))] {
        let mut core = Reader::new(Setup { owner: "me".into(), epochs: Epochs::Follows(Resume::Projected(stands)) });
        let position = if stands.seq == Seq(0) { at(7, 0) } else { stands };
        let time = (stands.seq > Seq(0)).then_some(stands.time.0);
        let mut out = Vec::new();
        core.handle(Millis(0), looked(record(NOBODY, at(7, 40), "boot"), 11), &mut out);
        core.handle(Millis(1), in_epoch(7, 50, time), &mut out);
        core.handle(Millis(2), stored(12, 0), &mut out);
        let begun = [Output::Begin(position), Output::Open(ReadFrom::Seq(from))];
        assert_eq!(out[out.len() - 2..], begun, "{stands:?}");
    }
}

#[test]
fn a_projection_goes_on_in_a_new_epoch_where_what_it_has_read_is_there() {
    for (time, begins) in [(Some(T + 30), at(9, 30)), (Some(T + 99), at(9, 0)), (None, at(9, 0))] {
        let resume = Resume::Projected(at(7, 30));
        let mut core = Reader::new(Setup { owner: "me".into(), epochs: Epochs::Follows(resume) });
        let mut out = Vec::new();
        core.handle(Millis(0), looked(record(NOBODY, at(7, 40), "boot"), 11), &mut out);
        core.handle(Millis(1), in_epoch(9, 50, time), &mut out);
        assert_eq!(out.last(), Some(&save(record("me", begins, "boot"), 11)), "{time:?}");
    }
}

#[test]
fn an_epoch_that_begins_while_it_reads_stops_a_reader_that_follows() {
    let mut core = following(Resume::Saved);
    let followed = Output::Event(Event::EpochFollowed { epoch: Epoch(9), anew: true });
    play(
        &mut core,
        vec![
            (1_003, Input::Tick, vec![Output::AskEpoch, save(record("me", at(7, 40), "boot"), 12)]),
            (1_004, stored(13, 0), vec![]),
            (1_005, Input::EpochSeen(Some(Epoch(7))), vec![]),
            (1_006, entry(41), vec![given(at(7, 41))]),
            (2_000, Input::Tick, vec![Output::AskEpoch, save(record("me", at(7, 41), "boot"), 13)]),
            (2_001, stored(14, 0), vec![]),
            (2_002, Input::EpochSeen(Some(Epoch(9))), vec![Output::Compare(Seq(41))]),
            (2_003, entry(42), vec![]),
            (2_004, in_epoch(9, 40, None), vec![followed, Output::Close, save(record("me", at(9, 0), "boot"), 14)]),
            (2_005, stored(15, 0), vec![Output::Begin(at(9, 0)), Output::Open(ReadFrom::Seq(Seq(1)))]),
        ],
    );
}

#[test]
fn a_reader_that_follows_waits_for_the_epoch_of_a_log_that_went_back() {
    let mut core = following(Resume::Saved);
    play(
        &mut core,
        vec![
            (100, Input::Opened, vec![Output::Compare(Seq(40))]),
            (101, in_epoch(7, 39, None), vec![]),
            (102, entry(40), vec![]),
            (1_003, Input::Tick, vec![save(record("me", at(7, 40), "boot"), 12)]),
            (1_004, stored(13, 0), vec![]),
            (2_101, Input::Tick, vec![save(record("me", at(7, 40), "boot"), 13), Output::Compare(Seq(40))]),
            (2_102, stored(14, 0), vec![]),
            (
                2_103,
                in_epoch(9, 41, Some(T + 40)),
                vec![
                    Output::Event(Event::EpochFollowed { epoch: Epoch(9), anew: true }),
                    Output::Close,
                    save(record("me", at(9, 0), "boot"), 14),
                ],
            ),
        ],
    );
}

/// What is gone was read by this reader alone: no epoch will begin for it.
#[test]
fn a_reader_that_was_ahead_of_the_deliver_reader_begins_anew_in_the_same_epoch() {
    let mut core = following(Resume::Saved);
    let anew = Output::Event(Event::EpochFollowed { epoch: Epoch(7), anew: true });
    play(
        &mut core,
        vec![
            (100, Input::Opened, vec![Output::Compare(Seq(40))]),
            (101, in_epoch(7, 39, None), vec![]),
            (2_101, Input::Tick, vec![save(record("me", at(7, 40), "boot"), 12), Output::Compare(Seq(40))]),
            (2_102, stored(13, 0), vec![]),
            (2_103, in_epoch(7, 39, None), vec![anew, Output::Close, save(record("me", at(7, 0), "boot"), 13)]),
            (2_104, stored(14, 0), vec![Output::Begin(at(7, 0)), Output::Open(ReadFrom::Seq(Seq(1)))]),
        ],
    );
}
