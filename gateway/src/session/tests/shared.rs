//! Many followers of one log: an entry is made ready once, and a follower in step holds little.

use dunlin_schema::frame::Encoding;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::session::{
    around::{Around, Wants},
    asking::{Reads, Verifying},
    follow::InStep,
    queue::{LogQueue, Share},
    reach::Reach,
};

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

/// A follower in step that stands at `given`, with `waiting` frames on their way there, and one look at an entry for it.
struct Step {
    step: InStep,
    queue: LogQueue,
    waiting: usize,
    copies: Copies,
    reach: Reach,
}

const SHARE: Share = Share::beside(0, &BOUNDS);

impl Step {
    fn new(given: Position, covers: Position, waiting: usize) -> Step {
        let step = InStep { sent: Cursor::of_entry(given), covers, unanswered: 1 };
        let mut queue = LogQueue::default();
        for _ in 0..waiting {
            queue.push(Outgoing::own(not_followed(&MAILBOX.into())), 100, Cursor::of_entry(given));
        }
        Step { step, queue, waiting, copies: Copies::default(), reach: Reach::Onwards }
    }

    fn quick(&mut self, entry: &TailEntry) -> bool {
        let me = author();
        let mut sent = SentHere { me: &me, copies: Some(&mut self.copies) };
        self.step.live(entry, &mut self.queue, SHARE, &mut sent, &self.reach)
    }

    /// As any follower takes it. Gives what is left of it in step, and what it wants done.
    fn whole(&mut self, entry: &TailEntry) -> (Option<InStep>, Vec<Output>) {
        let (me, named, mut out) = (author(), named(&author(), MAILBOX), Vec::new());
        let (mut reads, mut verifying, mut looks) = (Reads::default(), Verifying::default(), 0);
        let mut follow = self.step.follow(&self.queue);
        let wants =
            Wants { named: &named, reads: &mut reads, verifying: &mut verifying, looks: &mut looks, out: &mut out };
        let sent = SentHere { me: &me, copies: Some(&mut self.copies) };
        let (now, bounds) = (Millis(100_000), &BOUNDS);
        let mut around = Around {
            now,
            bounds,
            named: &named,
            queue: &mut self.queue,
            reach: &mut self.reach,
            share: SHARE,
            wants,
            sent,
        };
        follow.live(entry, &mut around);
        (follow.in_step(&self.queue), out)
    }
}

fn author() -> Author {
    Author { user: user("bob"), region: region(), shards: 8, copies: true }
}

fn any_position() -> impl Strategy<Value = Position> {
    (0..3_u64, 0..9_u64, 0..9_u64).prop_map(|(epoch, seq, time)| Position {
        epoch: Epoch(epoch),
        seq: Seq(seq),
        time: seconds(time),
    })
}

proptest! {
    /// What most followers do with most entries is done without all that following can need: it must be the same.
    #[test]
    fn one_look_decides_as_following_does(
        given in any_position(),
        covers in any_position(),
        position in any_position(),
        after in 0..9_u64,
        payload in 0..3_u64,
        waiting in 0..5_usize,
    ) {
        let entry = [message(3).encode(), tombstone(3).encode(), Bytes::from_static(b"rotten")][payload as usize].clone();
        let entry = ready(LiveEntry { position, after: Seq(after), entry });
        let covers = Position { epoch: given.epoch, ..covers };
        let (mut quick, mut whole) = (Step::new(given, covers, waiting), Step::new(given, covers, waiting));
        if quick.quick(&entry) {
            let (step, out) = whole.whole(&entry);
            prop_assert!(out.is_empty());
            prop_assert_eq!(format!("{:?}", Some(quick.step)), format!("{step:?}"));
            prop_assert_eq!(format!("{:?}", quick.queue), format!("{:?}", whole.queue));
        } else {
            prop_assert_eq!((quick.queue.len(), quick.queue.end()), (quick.waiting, whole.queue.end()));
        }
    }
}

#[test]
fn the_next_entry_of_a_follower_in_step_is_decided_by_one_look() {
    let mut step = Step::new(position(1, 5), position(1, 7), 0);
    let next = |seq, after| {
        let live = LiveEntry { position: position(1, seq), after: Seq(after), entry: message(seq).encode() };
        ready(live)
    };
    assert!(step.quick(&next(9, 7)) && step.quick(&next(10, 9)), "the first is promised by what the reader said");
    assert!(!step.quick(&next(12, 11)), "one may be missing");
    assert_eq!(step.queue.len(), 2);
}
