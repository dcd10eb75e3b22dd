//! What a panic of one session costs: its own socket, and nobody else anything. And what a question about heads waits for.

use bytes::Bytes;
use dunlin_schema::{
    Millis, RegionName, Seq, StreamTime,
    limits::Bounds,
    read::{ReadAnswer, StoredEntry},
};

use super::{core::HEADS_WITHIN, *};
use crate::session::{SentCopies, Setup, Start};

/// Bytes that panic where they are let go.
pub(crate) struct Bomb;

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        b"no entry"
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
}

fn connection(user: &str) -> Connection {
    let (region, user) = (RegionName::new("local").unwrap(), UserName::new(user).unwrap());
    let setup = Setup {
        region,
        shards: 1,
        user: user.clone(),
        sent_copies: SentCopies::Always,
        several_devices: false,
        bounds: &Bounds::STANDARD,
    };
    let mut session = Session::new(setup);
    let follow = Input::Follow { log: LogName::Mailbox, start: Start::Beginning };
    session.handle(Moment::now().wall, follow, &mut Vec::new());
    let device = DeviceName::new("phone").unwrap();
    Connection::new(
        Arc::new(Timer::new()),
        Arc::new(Metrics::new()),
        Alarm::new(),
        Shard(0),
        (user, device, Token::default()),
        session,
        Moment::now(),
    )
}

/// An answer to a read, with these bytes as an entry.
pub(crate) fn read(payload: Bytes) -> Input {
    let entries = vec![StoredEntry { seq: Seq(1), time: StreamTime(1), payload }];
    Input::Read(LogName::Mailbox, Ok(ReadAnswer { entries, more: false, evidence: None }))
}

#[test]
fn a_panic_of_a_session_stays_with_it_whichever_task_it_ran_on() {
    let [alice, bob] = ["alice", "bob"].map(connection);
    // As another task tells it: that goes on.
    alice.tell(read(Bytes::from_owner(Bomb)));
    assert_eq!((alice.alarm.order(), alice.metrics.panics.get()), (Order::Broken, 1));
    alice.tell(read(Bytes::from_static(b"more")));
    alice.answer(ServerFrame::Refused {
        reference: None,
        code: dunlin_schema::Code::UnknownFrame.into(),
        message: String::new(),
        retry_after: None,
    });
    assert!(
        alice.take_frame().is_none() && alice.take_outputs().is_empty(),
        "a broken session is given nothing, and has nothing"
    );
    assert_eq!(alice.metrics.panics.get(), 1, "which is no further panic");
    bob.tell(read(Bytes::from_static(b"an entry")));
    assert_eq!((bob.alarm.order(), bob.metrics.panics.get()), (Order::Stay, 0));
}

#[test]
fn a_question_about_heads_that_nobody_answers_is_asked_again() {
    let connection = connection("alice");
    let began = Moment::now();
    let asks =
        |connection: &Connection| connection.take_outputs().iter().any(|output| matches!(output, Output::AskHeads(_)));
    connection.handle(began, Input::Subscribed(LogName::Mailbox));
    assert!(asks(&connection));
    // Whoever compares has taken the question, and is never heard of again.
    connection.waits_for_heads(&LogName::Mailbox);
    let after = |millis| {
        let span = Millis(millis);
        Moment { wall: began.wall.plus(span), uptime: began.uptime.plus(span) }
    };
    connection.keep_time(after(HEADS_WITHIN.0 - 1));
    assert!(connection.take_outputs().is_empty(), "it has its time");
    connection.keep_time(after(HEADS_WITHIN.0 + 1_000));
    connection.keep_time(after(HEADS_WITHIN.0 + 3_000));
    assert!(asks(&connection));
    assert_eq!(connection.metrics.heads_unanswered.get(), 1);
}

#[test]
fn an_idle_connection_is_small() {
    // As an allocator gives it: with the counts of its `Arc`.
    let size = size_of::<Connection>() + 2 * size_of::<usize>();
    assert!(size <= 640, "{size} bytes");
}
