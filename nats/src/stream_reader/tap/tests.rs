//! What a tap gives to whom, without a server.

use dunlin_schema::StreamTime;

use super::*;

fn message(seq: u64, sent: u64) -> Vec<u8> {
    format!("$JS.ACK.LOG.reader.1.{seq}.{sent}.{}.0", 1_000 * seq).into_bytes()
}

impl Shared {
    fn gets(&self, seq: u64, sent: u64) {
        let reply = message(seq, sent);
        self.take(Message { sid: 1, subject: b"log.a", reply: Some(&reply), headers: b"", payload: b"x" });
    }

    fn hears(&self, headers: &[u8]) {
        self.take(Message { sid: 1, subject: b"to", reply: None, headers, payload: b"" });
    }
}

fn tap() -> Tap {
    Tap { shared: Arc::default(), task: tokio::spawn(std::future::pending::<()>()).abort_handle() }
}

fn place(seq: u64) -> Place {
    (Seq(seq), Some(StreamTime(1_000 * seq)))
}

fn seqs(events: &mut mpsc::Receiver<ReaderEvent>) -> Vec<u64> {
    let mut seqs = Vec::new();
    while let Ok(ReaderEvent::Entry { seq, .. }) = events.try_recv() {
        seqs.push(seq.0);
    }
    seqs
}

#[tokio::test]
async fn one_joins_at_what_is_remembered_or_right_before_it() {
    let tap = tap();
    let (events, mut given) = mpsc::channel(200);
    assert!(tap.join(place(4), &events).unwrap().is_none(), "nobody knows yet where it begins");
    tap.shared.gets(7, 1);
    tap.shared.state.lock().begins_behind(place(4));
    tap.shared.gets(9, 2);
    for (at, expected) in [(place(4), &[7, 9][..]), (place(7), &[9]), (place(9), &[])] {
        assert!(tap.join(at, &events).unwrap().is_some(), "{at:?}");
        assert_eq!(seqs(&mut given), expected, "{at:?}");
    }
    for stranger in [place(3), place(5), place(10), (Seq(7), None), (Seq(7), Some(StreamTime(1))), (Seq(4), None)] {
        assert!(tap.join(stranger, &events).unwrap().is_none(), "{stranger:?}");
    }
    for n in 0..100 {
        tap.shared.gets(10 + n, 3 + n);
    }
    let (events, _given) = mpsc::channel(200);
    assert!(tap.join(place(4), &events).unwrap().is_none(), "too long ago");
    let first = 10 + 100 - REMEMBERED as u64;
    assert!(tap.join(place(first - 1), &events).unwrap().is_some());
    assert!(tap.join(place(first - 2), &events).unwrap().is_none());
}

#[tokio::test]
async fn a_stream_that_never_held_anything_has_one_beginning() {
    let tap = tap();
    tap.shared.state.lock().begins_behind((Seq(0), None));
    let (events, mut given) = mpsc::channel(4);
    assert!(tap.join((Seq(0), None), &events).unwrap().is_some());
    tap.shared.gets(1, 1);
    assert_eq!(seqs(&mut given), [1]);
}

#[tokio::test]
async fn who_has_no_room_leaves_with_its_place_and_the_others_stay() {
    let tap = tap();
    tap.shared.state.lock().begins_behind(place(1));
    let ((narrow, mut slow), (wide, mut quick)) = (mpsc::channel(2), mpsc::channel(9));
    let mut leaves = tap.join(place(1), &narrow).unwrap().unwrap();
    let mut stays = tap.join(place(1), &wide).unwrap().unwrap();
    for n in 0..4 {
        tap.shared.gets(2 + n, 1 + n);
    }
    assert_eq!(leaves.try_recv(), Ok(place(3)), "the last one that it was given");
    assert_eq!((seqs(&mut slow), seqs(&mut quick)), (vec![2, 3], vec![2, 3, 4, 5]));
    assert!(stays.try_recv().is_err());
    // There is room for what is remembered, or it does not join.
    let (one, _given) = mpsc::channel(1);
    assert!(tap.join(place(3), &one).unwrap().is_none());
    assert!(tap.join(place(4), &one).unwrap().is_some());
}

#[tokio::test]
async fn whatever_may_be_missing_ends_it_for_all() {
    for (name, doubt) in [
        ("a hole", (|shared: &Shared| shared.gets(9, 3)) as fn(&Shared)),
        ("a repeat", |shared| shared.gets(2, 1)),
        ("no place", |shared| shared.hears(b"")),
        ("more was sent", |shared| shared.hears(b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\n\r\n")),
        ("the line is lost", |shared| shared.end()),
    ] {
        let tap = tap();
        tap.shared.state.lock().begins_behind(place(1));
        let (events, mut given) = mpsc::channel(9);
        let mut leaves = tap.join(place(1), &events).unwrap().unwrap();
        tap.shared.gets(2, 1);
        tap.shared.hears(b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n\r\n");
        assert!(leaves.try_recv().is_err(), "{name}: all is well before");
        doubt(&tap.shared);
        assert_eq!(leaves.try_recv(), Ok(place(2)), "{name}");
        tap.shared.gets(3, 2);
        assert_eq!(seqs(&mut given), [2], "{name}: nothing more is given");
        assert_eq!(tap.join(place(2), &events).err(), Some(Over), "{name}");
    }
}
