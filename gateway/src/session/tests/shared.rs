//! Many followers of one log: an entry is made ready once, and a follower in step holds little.

use dunlin_schema::frame::Encoding;

use super::*;

fn entry_for(followers: usize) -> Arc<TailEntry> {
    let live = LiveEntry { position: position(1, 6), after: Seq(5), entry: message(6).encode() };
    Arc::new(Tail::of(&log_of(&MAILBOX), MAILBOX).entry(live, followers))
}

fn bytes(outgoing: &Outgoing, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    outgoing.write(encoding, &mut out);
    out
}

fn sent(outgoing: &Outgoing) -> &Arc<SharedFrame> {
    match outgoing {
        Outgoing::Entry(sent) => sent,
        Outgoing::Own(frame) => panic!("not shared: {frame:?}"),
    }
}

/// A socket that lacks nothing up to 5, and takes nothing by itself.
fn in_step() -> Rig {
    let mut rig = Rig::live_at(5, 5);
    rig.writes = false;
    rig
}

#[test]
fn an_entry_is_encoded_once_for_each_encoding_however_many_follow() {
    let entry = entry_for(100);
    let mut made = [None, None];
    for _ in 0..100 {
        let mut rig = in_step();
        rig.step(Input::Live(MAILBOX, entry.clone()));
        let taken = rig.session.take().unwrap();
        for (place, encoding) in made.iter_mut().zip([Encoding::Json, Encoding::Postcard]) {
            assert_eq!(bytes(&taken, encoding), encoding.write(taken.frame()));
            let encoded = sent(&taken).encoded(encoding).unwrap().as_ptr();
            assert_eq!(*place.get_or_insert(encoded), encoded, "{encoding:?} was made again");
        }
    }
}

#[test]
fn what_one_device_follows_alone_is_not_kept_encoded() {
    let mut rig = in_step();
    rig.step(Input::Live(MAILBOX, entry_for(1)));
    let taken = rig.session.take().unwrap();
    assert!(sent(&taken).encoded(Encoding::Json).is_none());
    assert_eq!(bytes(&taken, Encoding::Json), Encoding::Json.write(taken.frame()));
}

#[test]
fn a_follower_that_falls_behind_reads_by_itself_and_is_in_step_again_once_it_has_caught_up() {
    let mut rig = Rig::live_at(5, 5);
    assert!(rig.session.logs.apart().is_empty());
    rig.runs([(live(1, 9, 8), "read any 5"), (live(1, 10, 9), "")]);
    assert_eq!(rig.session.logs.apart(), [&MAILBOX]);
    rig.runs([(any(&[5, 7, 9, 10]), "entry 7; entry 9; entry 10"), (live(1, 11, 10), "entry 11")]);
    assert!(rig.session.logs.apart().is_empty());
    // So does one whose socket does not keep up, and nobody else.
    rig.writes = false;
    let mut other = in_step();
    other.runs([(head(1, 11, 5), "")]);
    for seq in 12..16 {
        rig.runs([(live(1, seq, seq - 1), "")]);
    }
    rig.runs([(live(1, 16, 15), "overflowed")]);
    assert_eq!(rig.session.logs.apart(), [&MAILBOX]);
    rig.writes = true;
    rig.runs([(Input::Drained, "read any 11"), (any(&[11, 12, 16]), "entry 12; entry 16")]);
    assert!(rig.session.logs.apart().is_empty());
}

#[test]
fn a_follower_in_step_stays_so_while_it_lags() {
    let mut rig = in_step();
    for seq in 6..9 {
        rig.runs([(live(1, seq, seq - 1), "")]);
        assert!(rig.session.logs.apart().is_empty());
    }
    rig.runs([(head(1, 40, 8), ""), (live_entry(1, 41, 40, &tombstone(3)), "")]);
    assert!(rig.session.logs.apart().is_empty());
    rig.writes = true;
    rig.runs([(Input::Tick, "entry 6; entry 7; entry 8"), (live(1, 43, 41), "entry 43")]);
}

#[test]
fn what_a_comparison_told_is_known_to_a_follower_in_step() {
    let mut rig = Rig::live_at(5, 9);
    rig.runs([(head(1, 50, 5), ""), (live(1, 51, 50), "entry 51")]);
    // Rounds without an answer are counted from one to the next.
    rig.runs([(Input::HeadsUnanswered(MAILBOX), ""), (Input::HeadsUnanswered(MAILBOX), "read any 51")]);
}
