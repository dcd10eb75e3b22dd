//! What following costs, measured in the session's core alone: `cargo bench -p dunlin-gateway`.
//!
//! Each figure is of one live entry: made ready once, given to every follower, taken, and written into a buffer as its socket would. `max
//! alloc` of the last two is what so many followers hold.

use std::{cell::RefCell, hint::black_box, sync::Arc};

use divan::{AllocProfiler, Bencher, counter::ItemsCount};
use dunlin_gateway::session::{HeadOf, Input, Output, SentCopies, Session, Setup, Sight, Start, Tail};
use dunlin_schema::{
    Address, Content, Cursor, Entry, Epoch, Log, LogName, MessageId, Millis, Position, RegionName, Sender, Seq,
    StreamTime, UserName, Windows, entry::Body, frame::Encoding, heads::Head, index::Place, limits::Bounds,
    live::LiveEntry,
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const NOW: Millis = Millis(1_763_683_200_000);
const SHARDS: u16 = 8;

fn main() {
    divan::main();
}

fn region() -> RegionName {
    RegionName::new("local").expect("a name")
}

fn user() -> UserName {
    UserName::new("bob").expect("a name")
}

fn group(number: usize) -> LogName {
    format!("#group-{number}").parse().expect("a group's address")
}

fn position(seq: u64) -> Position {
    Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime::from(NOW.plus(Millis(seq))) }
}

fn entry(seq: u64) -> LiveEntry {
    let text = Some("a message of an ordinary length, as people write them to each other".to_owned());
    let entry = Entry {
        id: MessageId::from_parts(NOW, u128::from(seq)),
        from: Sender { user: UserName::new("alice").expect("a name"), region: region() },
        to: Address::local(user()).said_in(&region()),
        order: None,
        time: NOW,
        body: Body::Content(Content::Message {
            text,
            data: None,
            attachments: vec![],
            reply_to: None,
            mentions: vec![],
        }),
    };
    LiveEntry { position: position(seq), after: Seq(seq - 1), entry: entry.encode() }
}

/// A session that lacks nothing of its mailbox and of so many groups, up to entry 1 of each.
fn session(groups: usize) -> Session {
    let start = Start::Cursor(Cursor::of_entry(position(1)));
    let mut session = Session::new(Setup {
        region: region(),
        shards: SHARDS,
        user: user(),
        sent_copies: SentCopies::Always,
        several_devices: true,
        bounds: &Bounds::STANDARD,
    });
    let mut out = Vec::new();
    let head = Some(Head { seq: Seq(1), time: position(1).time });
    for log in std::iter::once(LogName::Mailbox).chain((0..groups).map(group)) {
        session.handle(NOW, Input::Follow { log: log.clone(), start }, &mut out);
        session.handle(NOW, Input::Subscribed(log.clone()), &mut out);
        let share = HeadOf { position: position(1), head, floor: Seq(0) };
        session.handle(NOW, Input::Heads(log, share), &mut out);
    }
    // All of each group's log may be read.
    let upto = Place { seq: Seq(1), time: position(1).time };
    for wanted in std::mem::take(&mut out) {
        if let Output::Look(log, number) = wanted {
            let sight = Sight { windows: Windows::open_from(Seq(0)), upto };
            session.handle(NOW, Input::Looked(log, number, Ok(sight)), &mut out);
        }
    }
    while session.take().is_some() {}
    session
}

fn tail(log: &LogName) -> Tail {
    Tail::of(&Log::named(&region(), SHARDS, &user(), log), log.clone())
}

/// Gives one entry to a session, which writes what comes of it.
fn given(session: &mut Session, input: Input, encoding: Encoding, out: &mut Vec<Output>, bytes: &mut Vec<u8>) {
    session.handle(NOW, input, out);
    bytes.clear();
    while let Some(frame) = session.take() {
        frame.write(encoding, bytes);
    }
    assert!(!bytes.is_empty() && out.is_empty(), "an entry that fits is given, and nothing else is wanted");
    black_box(bytes);
}

/// One log with many followers, half of them with each encoding.
#[divan::bench(args = [1, 2, 5_000])]
fn an_entry_for_the_followers_of_one_log(bencher: Bencher<'_, '_>, followers: usize) {
    let tail = tail(&LogName::Mailbox);
    let sessions: RefCell<Vec<Session>> = RefCell::new((0..followers).map(|_| session(0)).collect());
    let (mut out, mut bytes, mut seq) = (Vec::new(), Vec::with_capacity(4_096), 1);
    // Devices acknowledge, which is not measured: who never does has a long list of what was given.
    let acknowledged = || {
        for session in sessions.borrow_mut().iter_mut() {
            let ack = Input::Ack { log: LogName::Mailbox, delivered: Seq::MAX };
            session.handle(NOW, ack, &mut Vec::new());
        }
    };
    bencher.counter(ItemsCount::new(followers)).with_inputs(acknowledged).bench_local_values(|()| {
        seq += 1;
        let entry = Arc::new(tail.entry(entry(seq), followers));
        for (number, session) in sessions.borrow_mut().iter_mut().enumerate() {
            let encoding = if number % 2 == 0 { Encoding::Json } else { Encoding::Postcard };
            given(session, Input::Live(LogName::Mailbox, entry.clone()), encoding, &mut out, &mut bytes);
        }
    });
}

/// One follower of many logs, one entry in each of them.
#[divan::bench(args = [1, 100, 1_000])]
fn an_entry_in_each_log_of_one_follower(bencher: Bencher<'_, '_>, logs: usize) {
    let mut session = session(logs);
    let tails: Vec<(LogName, Tail)> = (0..logs).map(|number| (group(number), tail(&group(number)))).collect();
    let (mut out, mut bytes, mut seq) = (Vec::new(), Vec::with_capacity(4_096), 1);
    bencher.counter(ItemsCount::new(logs)).bench_local(|| {
        seq += 1;
        for (log, tail) in &tails {
            let entry = Arc::new(tail.entry(entry(seq), 2));
            given(&mut session, Input::Live(log.clone(), entry), Encoding::Json, &mut out, &mut bytes);
        }
    });
}

/// Sessions that follow their mailbox alone.
#[divan::bench(args = [5_000], sample_count = 5)]
fn what_sessions_hold(count: usize) -> Vec<Session> {
    (0..count).map(|_| session(0)).collect()
}

/// One session that follows many logs.
#[divan::bench(args = [100], sample_count = 5)]
fn what_a_follower_of_many_logs_holds(logs: usize) -> Session {
    session(logs)
}
