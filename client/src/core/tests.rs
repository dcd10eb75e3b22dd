//! The core, driven by tables: a line of inputs, and exactly what must come out.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test that picks some outputs does not care for the others")]

mod asks;
mod receipts;
mod watching;

use std::collections::BTreeMap;

use dunlin_schema::{
    Code, Content, Cursor, CursorText, DeviceName, Epoch, Log, LogName, MessageId, Position, RegionName, Seq,
    StreamTime, UserName,
    frame::{Answer, AnswerFrame, EntryFrame, Goodbye, Limits, Question, Send, ServerFrame, StartAt},
};

use super::*;
use crate::error::{AskError, SendError, TokenError};

const NOW: Millis = Millis(1_000_000);

fn setup() -> Setup {
    Setup {
        gateways: 2,
        device: Some(DeviceName::new("phone").unwrap()),
        kept: BTreeMap::new(),
        start: None,
        backoff_first: Millis(200),
        backoff_most: Millis(30_000),
        connect_within: Millis(10_000),
        in_flight_per_address: 1,
        seed: [7; 32],
    }
}

fn cursor(epoch: u64, seq: u64) -> CursorText {
    let log = Log::mailbox(&RegionName::new("eu").unwrap(), 8, &UserName::new("bob").unwrap());
    Cursor {
        position: Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(0) },
        at: Millis(0),
        began: Seq(0),
    }
    .seal(&log)
}

fn id(number: u64) -> MessageId {
    MessageId::from_parts(NOW, u128::from(number))
}

fn text(text: &str) -> Content {
    Content::Message { text: Some(text.to_owned()), data: None, attachments: Vec::new(), reply_to: None }
}

fn entry(seq: u64, number: u64) -> ServerFrame {
    let address = Open::of_text;
    ServerFrame::Entry(Box::new(EntryFrame {
        log: mailbox(),
        seq: Seq(seq),
        cursor: cursor(1, seq),
        time: NOW,
        id: id(number),
        from: address("alice"),
        to: address("bob"),
        order: Some(Seq(seq)),
        content: text("hi").into(),
    }))
}

fn mailbox() -> Open<LogName> {
    LogName::Mailbox.into()
}

fn gap(seq: u64) -> ServerFrame {
    ServerFrame::Gap { log: mailbox(), from: Millis(1), to: Millis(2), cursor: cursor(2, seq) }
}

fn caught_up(seq: u64) -> ServerFrame {
    ServerFrame::CaughtUp { log: mailbox(), seq: Seq(seq), cursor: cursor(1, seq) }
}

fn welcome() -> ServerFrame {
    ServerFrame::Welcome {
        user: UserName::new("bob").unwrap(),
        device: DeviceName::new("phone").unwrap(),
        region: RegionName::new("eu").unwrap(),
        server_time: NOW,
        limits: Limits { frame: 65_536, body: 32_768 },
    }
}

fn goodbye(code: Code, retry_after: Option<u64>) -> Goodbye {
    Goodbye { code: code.into(), message: "because".to_owned(), retry_after: retry_after.map(Millis) }
}

fn rejected(id: MessageId, code: Code, retry_after: Option<u64>) -> ServerFrame {
    ServerFrame::Rejected {
        id: id.to_string(),
        code: code.into(),
        message: "no".to_owned(),
        retry_after: retry_after.map(Millis),
    }
}

fn accepted(id: MessageId) -> ServerFrame {
    ServerFrame::Accepted { id, order: Some(Seq(1)), time: NOW }
}

struct Bench {
    core: Core,
    now: Millis,
    /// How much longer the machine has been there than its steady clock ran.
    slept: Millis,
    requests: u64,
}

fn awake(now: Millis) -> Now {
    Now { steady: now, wall: now }
}

impl Bench {
    fn new(setup: Setup) -> Bench {
        Bench { core: Core::new(setup, awake(NOW)), now: NOW, slept: Millis(0), requests: 0 }
    }

    /// A client that is welcomed.
    fn up() -> Bench {
        let mut bench = Bench::new(setup());
        bench.connect();
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        let now = Now { steady: self.now, wall: self.now.plus(self.slept) };
        self.core.handle(now, input, &mut outputs);
        outputs
    }

    fn frame(&mut self, frame: ServerFrame) -> Vec<Output> {
        self.give(Input::Frame(Box::new(frame)))
    }

    fn later(&mut self, span: u64) -> Vec<Output> {
        self.now = self.now.plus(Millis(span));
        self.give(Input::Tick)
    }

    /// Waits for the dial and is welcomed; what came out, without the dial.
    fn connect(&mut self) -> Vec<Output> {
        if let Some(at) = self.core.next_deadline() {
            self.now = self.now.plus(at.since(self.now));
        }
        let dial = self.give(Input::Tick);
        assert!(matches!(dial.as_slice(), [Output::Dial { .. }]), "{dial:?}");
        let mut outputs = self.give(Input::Opened { token: "token".to_owned(), date: None });
        outputs.extend(self.frame(welcome()));
        outputs
    }

    fn submit(&mut self, to: &str, what: &str) -> Vec<Output> {
        self.requests += 1;
        self.give(Input::Submit { request: RequestId(self.requests), to: to.parse().unwrap(), content: text(what) })
    }
}

/// The sends among the outputs: address and text, with the id where it matters.
fn sends(outputs: &[Output]) -> Vec<Send> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Write(ClientFrame::Send(send)) => Some(send.clone()),
            _ => None,
        })
        .collect()
}

fn said(outputs: &[Output]) -> Vec<String> {
    let words = |content: Content| match content {
        Content::Message { text, .. } => text.unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    sends(outputs).into_iter().map(|send| format!("{}:{}", send.to, words(send.content))).collect()
}

fn given(outputs: &[Output]) -> Vec<u64> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Notify(Notification::Entry(entry, _)) => Some(entry.seq.0),
            _ => None,
        })
        .collect()
}

fn hello_cursor(outputs: &[Output]) -> Option<StartAt> {
    outputs.iter().find_map(|output| match output {
        Output::Write(ClientFrame::Hello { cursors, .. }) => cursors.get(&mailbox()).cloned(),
        _ => None,
    })
}

#[test]
fn every_end_has_its_answer() {
    let closed = |code| Lost::Closed { code: Some(code), reason: "because".to_owned() };
    let http = |status, retry_after, refusal| Lost::Http { status, retry_after, refusal };
    let again = |lost: Lost, floor, refused: Option<Code>| {
        (lost, Ok((floor, refused.map(|code| Refusal { code, was_open: true }))))
    };
    let over = |lost: Lost, code| (lost, Err(Ended::Goodbye(goodbye(code, None))));
    let cases = [
        again(Lost::Goodbye(goodbye(Code::Draining, Some(3_000))), 3_000, None),
        again(Lost::Goodbye(goodbye(Code::Unavailable, None)), 0, None),
        again(Lost::Goodbye(goodbye(Code::TooManyDevices, Some(60_000))), 60_000, None),
        again(Lost::Goodbye(goodbye(Code::TokenExpired, None)), 0, Some(Code::TokenExpired)),
        again(Lost::Goodbye(goodbye(Code::TokenRevoked, None)), 0, Some(Code::TokenRevoked)),
        over(Lost::Goodbye(goodbye(Code::Unauthorized, None)), Code::Unauthorized),
        over(Lost::Goodbye(goodbye(Code::Forbidden, None)), Code::Forbidden),
        over(Lost::Goodbye(goodbye(Code::Replaced, None)), Code::Replaced),
        over(Lost::Goodbye(goodbye(Code::BadFrame, None)), Code::BadFrame),
        over(Lost::Goodbye(goodbye(Code::Elsewhere, None)), Code::Elsewhere),
        again(closed(1012), 0, None),
        again(closed(1011), 0, None),
        again(closed(4401), 0, Some(Code::TokenExpired)),
        over(closed(4409), Code::Replaced),
        over(closed(4403), Code::Forbidden),
        again(closed(1008), 0, None),
        // A proxy says it as well.
        again(closed(1009), 0, None),
        again(Lost::Closed { code: None, reason: String::new() }, 0, None),
        again(http(503, Some(Millis(5_000)), None), 5_000, None),
        again(http(404, None, None), 0, None),
        again(http(403, None, None), 0, None),
        again(http(401, None, None), 0, None),
        over(http(403, None, Some(goodbye(Code::Forbidden, None))), Code::Forbidden),
        over(http(401, None, Some(goodbye(Code::Unauthorized, None))), Code::Unauthorized),
        again(http(401, None, Some(goodbye(Code::TokenExpired, None))), 0, Some(Code::TokenExpired)),
        again(http(429, Some(Millis(2_000)), Some(goodbye(Code::RateLimited, Some(1_500)))), 1_500, None),
        (Lost::Token(TokenError::NoMore), Err(Ended::NoToken)),
        again(Lost::Token(TokenError::Failed("down".to_owned())), 0, None),
        again(Lost::Socket("reset".to_owned()), 0, None),
        again(Lost::BadFrame("no".to_owned()), 0, None),
    ];
    for (lost, meant) in cases {
        let mut bench = Bench::up();
        bench.submit("carol", "hi");
        let outputs = bench.give(Input::Lost(lost.clone()));
        match meant {
            Err(ended) => {
                let settled = Output::Settle(RequestId(1), Err(ended.clone().into()));
                assert_eq!(outputs, [Output::HangUp, settled, Output::Notify(Notification::Ended(ended))], "{lost:?}");
                assert!(bench.core.is_over());
                assert_eq!(bench.later(1_000_000), [], "{lost:?}: nothing is dialled after the end");
            }
            Ok((floor, refused)) => {
                let [Output::Notify(Notification::Disconnected { why, retry_in })] = outputs.as_slice() else {
                    panic!("{outputs:?}")
                };
                assert_eq!(*why, lost);
                assert!((floor..=floor + 200).contains(&retry_in.0), "{lost:?}: {retry_in:?}");
                let dial = bench.later(retry_in.0);
                let server_time = Some(bench.now);
                assert_eq!(dial, [Output::Dial { gateway: 1, refused, server_time }], "{lost:?}");
            }
        }
    }
}

#[test]
fn a_token_that_is_over_and_has_no_successor_is_told_as_the_gateway_told_it() {
    let mut bench = Bench::up();
    let outputs = bench.give(Input::Lost(Lost::Goodbye(goodbye(Code::TokenRevoked, None))));
    let [Output::Notify(Notification::Disconnected { retry_in, .. })] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    bench.later(retry_in.0);
    let outputs = bench.give(Input::Lost(Lost::Token(TokenError::NoMore)));
    let ended = Notification::Ended(Ended::Goodbye(goodbye(Code::TokenRevoked, None)));
    assert_eq!(outputs, [Output::HangUp, Output::Notify(ended)]);
}

#[test]
fn pauses_grow_to_their_bound_in_turn_over_the_gateways_and_begin_again_after_a_connection_that_lasted() {
    let mut bench = Bench::new(Setup { gateways: 2, backoff_most: Millis(1_000), ..setup() });
    let mut highest = 0;
    for (number, bound) in [200, 200, 400, 400, 800, 800, 1_000, 1_000, 1_000].into_iter().enumerate() {
        let due = bench.core.next_deadline().unwrap().since(bench.now).0;
        let dial = Output::Dial { gateway: number % 2, refused: None, server_time: None };
        assert_eq!(bench.later(due), [dial]);
        let outputs = bench.give(Input::Lost(Lost::Socket("refused".to_owned())));
        let [Output::Notify(Notification::Disconnected { retry_in, .. })] = outputs.as_slice() else {
            panic!("{outputs:?}")
        };
        assert!(retry_in.0 <= bound, "try {number}: {retry_in:?}");
        highest = highest.max(retry_in.0);
    }
    assert!(highest > 400, "the pauses grew: {highest}");

    bench.connect();
    bench.now = bench.now.plus(Millis(50));
    bench.give(Input::Lost(Lost::Silent));
    assert!(bench.core.bound() == Millis(1_000), "one that lasted 50 ms has not paid for its pause");
    bench.connect();
    bench.now = bench.now.plus(Millis(5_000));
    bench.give(Input::Lost(Lost::Silent));
    assert!(bench.core.bound() == Millis(200));
}

#[test]
fn full_jitter_spreads_clients_that_were_lost_together() {
    let pauses: Vec<u64> = (0..200u8)
        .map(|seed| {
            let mut bench = Bench::new(Setup { seed: [seed; 32], ..setup() });
            bench.connect();
            match bench.give(Input::Lost(Lost::Silent)).as_slice() {
                [Output::Notify(Notification::Disconnected { retry_in, .. })] => retry_in.0,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    for quarter in 0..4 {
        let inside = pauses.iter().filter(|pause| (quarter * 50..=quarter * 50 + 50).contains(*pause)).count();
        assert!(inside > 25, "{inside} of 200 in quarter {quarter}");
    }
}

#[test]
fn a_socket_without_welcome_and_one_that_is_silent_are_given_up() {
    let mut bench = Bench::new(setup());
    bench.later(0);
    bench.give(Input::Opened { token: "token".to_owned(), date: None });
    assert_eq!(bench.later(9_999), []);
    assert!(matches!(
        bench.later(1).as_slice(),
        [Output::HangUp, Output::Notify(Notification::Disconnected { why: Lost::Silent, .. })]
    ));

    let mut bench = Bench::up();
    assert_eq!(bench.later(59_000), []);
    bench.give(Input::Heard);
    assert_eq!(bench.later(59_000), [], "a ping came in between");
    assert!(matches!(
        bench.later(1_000).as_slice(),
        [Output::HangUp, Output::Notify(Notification::Disconnected { .. })]
    ));
}

#[test]
fn entries_are_given_once_by_sequence_and_by_id() {
    let mut bench = Bench::up();
    let cases = [
        (entry(3, 30), vec![3]),
        (entry(3, 30), vec![]),
        (entry(2, 20), vec![]),
        (entry(5, 50), vec![5]),
        (entry(6, 30), vec![]),
        (entry(7, 70), vec![7]),
        // After a gap sequences begin again: an entry that a sender repeated is dropped by its id.
        (gap(1), vec![]),
        (entry(2, 50), vec![]),
        (entry(3, 80), vec![3]),
        (entry(3, 80), vec![]),
    ];
    for (number, (frame, meant)) in cases.into_iter().enumerate() {
        assert_eq!(given(&bench.frame(frame)), meant, "case {number}");
    }
}

#[test]
fn a_repeat_by_id_moves_the_cursor_but_not_the_number() {
    let mut bench = Bench::up();
    let place = |ordinal, seq| Progress { log: mailbox(), ordinal, gaps: 0, seq: Seq(seq), cursor: cursor(1, seq) };
    bench.frame(entry(1, 10));
    assert_eq!(bench.frame(entry(2, 10)), [Output::Skip(place(1, 2))]);
    bench.give(Input::Lost(Lost::Silent));
    assert_eq!(hello_cursor(&bench.connect()), Some(StartAt::Cursor(cursor(1, 2))));
}

#[test]
fn only_the_last_ids_are_remembered() {
    let mut bench = Bench::up();
    let many = limits::CLIENT_REMEMBERS as u64;
    for number in 0..=many {
        bench.frame(entry(number + 1, number));
    }
    assert_eq!(given(&bench.frame(entry(many + 2, 1))), [0; 0], "the oldest that is remembered");
    assert_eq!(given(&bench.frame(entry(many + 3, 0))), [many + 3], "one older");
}

#[test]
fn resumes_after_what_was_given() {
    let kept = BTreeMap::from([(mailbox(), cursor(1, 7))]);
    let mut bench = Bench::new(Setup { kept, start: Some(StartAt::Beginning), ..setup() });
    assert_eq!(
        hello_cursor(&bench.connect()),
        Some(StartAt::Cursor(cursor(1, 7))),
        "what was kept goes before where to start"
    );
    for (frame, after) in [(entry(9, 2), cursor(1, 9)), (caught_up(9), cursor(1, 9)), (gap(2), cursor(2, 2))] {
        bench.frame(frame);
        bench.give(Input::Lost(Lost::Silent));
        assert_eq!(hello_cursor(&bench.connect()), Some(StartAt::Cursor(after)));
    }

    let mut bench = Bench::new(Setup { start: Some(StartAt::Live), ..setup() });
    assert_eq!(hello_cursor(&bench.connect()), Some(StartAt::Live));
    assert_eq!(hello_cursor(&Bench::new(setup()).connect()), None, "the gateway knows what the device acknowledged");
}

#[test]
fn what_has_no_answer_is_sent_again_with_its_id_over_the_next_connection() {
    let mut bench = Bench::up();
    let first = sends(&bench.submit("carol", "one"));
    assert_eq!(bench.submit("carol", "two"), [], "one at a time, so that their order is kept");
    assert_eq!(said(&bench.submit("dave", "other")), ["dave:other"], "another address does not wait");
    bench.give(Input::Lost(Lost::Silent));
    let again = bench.connect();
    assert_eq!(said(&again), ["carol:one", "dave:other"]);
    assert_eq!(sends(&again)[0].id, first[0].id);
    let outputs = bench.frame(accepted(first[0].id));
    assert!(matches!(outputs[0], Output::Settle(RequestId(1), Ok(_))), "{outputs:?}");
    assert_eq!(said(&outputs), ["carol:two"]);
    assert!(sends(&outputs)[0].id > first[0].id, "ids rise");
    assert_eq!(bench.frame(accepted(first[0].id)), [], "a second answer to the same");
}

#[test]
fn what_is_sent_before_the_first_welcome_waits_for_it_and_takes_its_id_from_the_gateways_clock() {
    let mut bench = Bench::new(setup());
    bench.now = Millis(9_000_000);
    bench.core = Core::new(setup(), awake(bench.now));
    assert_eq!(bench.submit("carol", "hi"), []);
    let outputs = bench.connect();
    assert_eq!(said(&outputs), ["carol:hi"]);
    assert_eq!(sends(&outputs)[0].id.time(), NOW);
}

#[test]
fn what_is_refused_for_now_is_repeated_and_holds_back_what_follows() {
    for (code, retry_after, pause) in [
        (Code::UnknownOutcome, None, 100),
        (Code::UnknownOutcome, Some(40), 40),
        (Code::RateLimited, Some(800), 800),
        (Code::Unavailable, None, 100),
        (Code::RegionUnreachable, Some(5_000), 5_000),
    ] {
        let mut bench = Bench::up();
        let id = sends(&bench.submit("carol", "one"))[0].id;
        bench.submit("carol", "two");
        assert_eq!(bench.frame(rejected(id, code, retry_after)), [], "{code:?}");
        assert_eq!(bench.submit("carol", "three"), [], "{code:?}");
        assert_eq!(said(&bench.submit("dave", "other")), ["dave:other"]);
        assert_eq!(bench.core.next_deadline(), Some(bench.now.plus(Millis(pause))), "{code:?}");
        assert_eq!(bench.later(pause - 1), []);
        let again = bench.later(1);
        assert_eq!((said(&again), sends(&again)[0].id), (vec!["carol:one".to_owned()], id), "{code:?}");
        assert_eq!(said(&bench.frame(accepted(id))), ["carol:two"]);
    }
}

#[test]
fn pauses_after_refusals_grow() {
    let mut bench = Bench::up();
    let id = sends(&bench.submit("carol", "one"))[0].id;
    for pause in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
        bench.frame(rejected(id, Code::Unavailable, None));
        assert_eq!(bench.core.next_deadline(), Some(bench.now.plus(Millis(pause))));
        assert_eq!(said(&bench.later(pause)), ["carol:one"]);
    }
}

#[test]
fn what_is_refused_for_good_is_told_and_not_repeated() {
    for code in [Code::BadAddress, Code::BadContent, Code::TooOld, Code::Forbidden, Code::FromTheFuture] {
        let mut bench = Bench::up();
        let id = sends(&bench.submit("carol", "one"))[0].id;
        bench.submit("carol", "two");
        let outputs = bench.frame(rejected(id, code, None));
        let error = SendError::Rejected { code: code.into(), message: "no".to_owned() };
        assert_eq!(outputs[0], Output::Settle(RequestId(1), Err(error)));
        assert_eq!(said(&outputs), ["carol:two"]);
        bench.give(Input::Lost(Lost::Silent));
        assert_eq!(said(&bench.connect()), ["carol:two"]);
        assert_eq!(said(&bench.frame(gap(1))), Vec::<String>::new(), "it is no part of what is repeated after a gap");
    }
}

#[test]
fn more_in_flight_keep_their_order_when_they_are_sent_again() {
    let mut bench = Bench::new(Setup { in_flight_per_address: 3, ..setup() });
    bench.connect();
    let first = ["one", "two", "three"].map(|what| sends(&bench.submit("carol", what))[0].id);
    bench.submit("carol", "four");
    bench.frame(rejected(first[1], Code::UnknownOutcome, Some(50)));
    assert_eq!(said(&bench.frame(accepted(first[0]))), Vec::<String>::new(), "nothing overtakes the one that is held");
    bench.give(Input::Lost(Lost::Silent));
    let mut again = bench.connect();
    again.extend(bench.later(50));
    assert_eq!(said(&again), ["carol:two", "carol:three", "carol:four"]);
    assert_eq!(sends(&again)[0].id, first[1]);
}

#[test]
fn after_a_gap_what_was_accepted_is_repeated_with_its_id_and_what_was_unanswered_once_more() {
    let mut bench = Bench::up();
    let mut ids = Vec::new();
    for what in ["one", "two"] {
        ids.push(sends(&bench.submit("carol", what))[0].id);
        bench.frame(accepted(ids[ids.len() - 1]));
    }
    ids.push(sends(&bench.submit("dave", "three"))[0].id);
    bench.submit("dave", "four");

    let outputs = bench.frame(gap(1));
    assert_eq!((said(&outputs), sends(&outputs)[0].id), (vec!["carol:one".to_owned()], ids[0]));
    let outputs = bench.frame(accepted(ids[0]));
    assert_eq!((said(&outputs), sends(&outputs)[0].id), (vec!["carol:two".to_owned()], ids[1]));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Settle(..))), "nobody waits for a repeat");

    let outputs = bench.frame(accepted(ids[2]));
    assert!(matches!(outputs[0], Output::Settle(RequestId(3), Ok(_))));
    assert_eq!(
        (said(&outputs), sends(&outputs)[0].id),
        (vec!["dave:three".to_owned()], ids[2]),
        "once more after its answer"
    );
    assert_eq!(said(&bench.frame(accepted(ids[2]))), ["dave:four"], "and only once");
    assert_eq!(bench.frame(rejected(ids[1], Code::TooOld, None)), [], "a repeat that is refused is no news");

    let outputs = bench.frame(gap(2));
    assert_eq!(said(&outputs), ["carol:one"]);
    assert_eq!(
        said(&bench.frame(accepted(ids[0]))),
        [""; 0],
        "one that was refused is not repeated after the next gap"
    );
}

#[test]
fn repeats_are_bounded_in_number_and_in_time() {
    let mut bench = Bench::up();
    let send = |bench: &mut Bench, what: &str| {
        let id = sends(&bench.submit("carol", what))[0].id;
        bench.frame(accepted(id));
    };
    for number in 0..limits::CLIENT_REPEATS + 10 {
        send(&mut bench, &number.to_string());
    }
    assert_eq!(said(&bench.frame(gap(1))), ["carol:10"], "the ten oldest are forgotten");

    let mut bench = Bench::up();
    send(&mut bench, "yesterday");
    bench.now = bench.now.plus(limits::CLIENT_REPEATS_FOR);
    send(&mut bench, "today");
    bench.now = bench.now.plus(Millis(1));
    assert_eq!(said(&bench.frame(gap(1))), ["carol:today"]);
}

#[test]
fn what_the_application_has_stored_is_acknowledged_once_and_never_of_another_life() {
    let mut bench = Bench::up();
    let ack = |seq| vec![Output::Write(ClientFrame::Ack { log: mailbox(), delivered: Seq(seq) })];
    let done = |gaps, seq| Input::Done(BTreeMap::from([(mailbox(), Acknowledged { gaps, seq: Seq(seq) })]));
    bench.frame(entry(500, 1));
    assert_eq!(bench.give(done(0, 500)), ack(500));
    assert_eq!(bench.give(done(0, 500)), []);

    bench.frame(entry(501, 2));
    bench.give(Input::Lost(Lost::Silent));
    assert_eq!(bench.give(done(0, 501)), [], "there is no connection");
    let outputs = bench.connect();
    assert!(!outputs.contains(&ack(501)[0]), "a gap may come first: {outputs:?}");
    assert_eq!(bench.frame(caught_up(501))[1..], ack(501));

    bench.give(Input::Lost(Lost::Silent));
    bench.connect();
    assert_eq!(bench.frame(caught_up(501))[1..], ack(501), "over each connection, though nothing is new");
    assert_eq!(bench.give(done(0, 501)), []);

    bench.frame(entry(502, 3));
    bench.frame(gap(2));
    assert_eq!(bench.give(done(0, 502)), [], "502 of before the gap would be far ahead behind it");
    bench.frame(entry(3, 4));
    assert_eq!(bench.give(done(1, 3)), ack(3));
}

#[test]
fn without_room_the_socket_is_not_read_unless_somebody_waits_for_an_answer() {
    let mut bench = Bench::up();
    assert!(bench.core.wants_input());
    bench.give(Input::Room(false));
    assert!(!bench.core.wants_input());
    assert_eq!(bench.later(1_000_000), [], "silence means nothing while nobody listens");
    let id = sends(&bench.submit("carol", "hi"))[0].id;
    assert!(bench.core.wants_input());
    assert_eq!(bench.frame(entry(1, 1)), [], "dropped: there is no room");
    assert_eq!(bench.frame(entry(2, 2)), []);
    bench.frame(accepted(id));
    assert!(!bench.core.wants_input(), "it has its answer");

    let outputs = bench.give(Input::Room(true));
    assert!(
        matches!(
            outputs.as_slice(),
            [Output::HangUp, Output::Notify(Notification::Disconnected { why: Lost::FellBehind, retry_in: Millis(0) })]
        ),
        "{outputs:?}"
    );
    assert_eq!(hello_cursor(&bench.connect()), None, "from where it was before what was dropped");
    assert_eq!(given(&bench.frame(entry(1, 1))), [1]);
}

#[test]
fn while_it_is_behind_nothing_newer_is_given() {
    let mut bench = Bench::up();
    bench.submit("carol", "hi");
    bench.give(Input::Room(false));
    bench.frame(entry(1, 1));
    assert!(bench.core.is_behind());
    assert_eq!(bench.frame(gap(9)), []);
    bench.give(Input::Room(true));
    assert_eq!(bench.frame(entry(2, 2)), [], "what was on its way over the connection that was let go of");
}

#[test]
fn closing_answers_what_is_unaccepted() {
    let mut bench = Bench::up();
    bench.submit("carol", "one");
    bench.submit("carol", "two");
    let closed = |number| Output::Settle(RequestId(number), Err(Ended::Closed.into()));
    assert_eq!(
        bench.give(Input::Close),
        [Output::HangUp, closed(1), closed(2), Output::Notify(Notification::Ended(Ended::Closed))]
    );
    assert_eq!(bench.give(Input::Close), [Output::HangUp]);
    assert_eq!(bench.core.next_deadline(), None);
}

#[test]
fn after_a_sleep_it_dials_anew_before_it_gives_ids() {
    const HOURS: Millis = Millis(7 * 3_600_000);
    let dialled_at_once = |outputs: &[Output]| {
        let slept = Output::Notify(Notification::Disconnected { why: Lost::Slept, retry_in: Millis(0) });
        assert_eq!(outputs[..2], [Output::HangUp, slept]);
    };
    let mut bench = Bench::up();
    bench.slept = HOURS;
    // Whatever comes first: here something to send, with an id that would be hours old.
    let outputs = bench.submit("carol", "hi");
    dialled_at_once(&outputs);
    assert_eq!(outputs.len(), 2, "nothing is sent: {outputs:?}");
    let dial = bench.later(0);
    assert_eq!(dial, [Output::Dial { gateway: 0, refused: None, server_time: None }], "its old time is not told");
    bench.give(Input::Opened { token: "token".to_owned(), date: None });
    let ServerFrame::Welcome { user, device, region, limits, .. } = welcome() else { panic!("no welcome") };
    let server_time = NOW.plus(HOURS);
    let outputs = bench.frame(ServerFrame::Welcome { user, device, region, server_time, limits });
    assert_eq!(said(&outputs), ["carol:hi"]);
    assert_eq!(sends(&outputs)[0].id.time(), server_time);

    // Where nothing happens, the clocks are compared all the same.
    let mut bench = Bench::up();
    assert_eq!(bench.core.next_deadline(), Some(bench.now.plus(COMPARE_CLOCKS_EVERY)));
    bench.slept = HOURS;
    let outputs = bench.later(COMPARE_CLOCKS_EVERY.0);
    dialled_at_once(&outputs);
    assert_eq!(outputs[2..], [Output::Dial { gateway: 0, refused: None, server_time: None }]);

    // While it dials, too; and what the old dial brings is nothing.
    let mut bench = Bench::new(setup());
    bench.later(0);
    bench.slept = HOURS;
    dialled_at_once(&bench.give(Input::Opened { token: "token".to_owned(), date: None }));
}

#[test]
fn a_clock_that_is_set_a_little_or_back_is_no_sleep() {
    let mut bench = Bench::up();
    bench.slept = Millis(5_000);
    assert_eq!(bench.later(1_000), []);
    bench.slept = Millis(0);
    assert_eq!(bench.later(1_000), []);
    assert_eq!(said(&bench.submit("carol", "hi")), ["carol:hi"]);
}

#[test]
fn a_clock_that_is_slow_is_known_before_the_next_token_is_asked_for() {
    let mut bench = Bench::new(setup());
    assert_eq!(bench.core.clock_skew(), None);
    bench.later(0);
    let date = bench.now.plus(Millis(3_600_000));
    bench.give(Input::Opened { token: "an hour old".to_owned(), date: Some(date) });
    assert_eq!(bench.core.clock_skew(), Some(ClockSkew::Behind(Millis(3_600_000))));
    let outputs = bench.frame(ServerFrame::Goodbye(goodbye(Code::TokenExpired, None)));
    let [Output::HangUp, Output::Notify(Notification::Disconnected { retry_in, .. })] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    let dial = bench.later(retry_in.0);
    let server_time = Some(date.plus(*retry_in));
    assert_eq!(
        dial,
        [Output::Dial {
            gateway: 1,
            refused: Some(Refusal { code: Code::TokenExpired, was_open: false }),
            server_time
        }]
    );

    let ahead = Bench::up();
    assert_eq!(ahead.core.clock_skew(), Some(ClockSkew::Behind(Millis(0))));
    assert!(!ClockSkew::Ahead(limits::CLOCK_SKEW).is_harmful());
    assert!(ClockSkew::Ahead(limits::CLOCK_SKEW.plus(Millis(1))).is_harmful());
}

#[test]
fn each_log_has_its_own_sequences_ids_cursor_and_acknowledgement() {
    let team: Open<LogName> = Open::of_text("#team");
    let in_team = |frame: ServerFrame| match frame {
        ServerFrame::Entry(entry) => ServerFrame::Entry(Box::new(EntryFrame { log: team.clone(), ..*entry })),
        ServerFrame::Gap { from, to, cursor, .. } => ServerFrame::Gap { log: team.clone(), from, to, cursor },
        other => panic!("{other:?}"),
    };
    let hello = |outputs: &[Output]| match outputs {
        [Output::Write(ClientFrame::Hello { cursors, .. }), ..] => cursors.clone(),
        other => panic!("{other:?}"),
    };
    let kept = BTreeMap::from([(mailbox(), cursor(1, 7)), (team.clone(), cursor(1, 3))]);
    let mut bench = Bench::new(Setup { kept: kept.clone(), ..setup() });
    let cursors = |in_mailbox, team_at| {
        BTreeMap::from([(mailbox(), StartAt::Cursor(in_mailbox)), (team.clone(), StartAt::Cursor(team_at))])
    };
    assert_eq!(hello(&bench.connect()), cursors(cursor(1, 7), cursor(1, 3)));

    assert_eq!(given(&bench.frame(in_team(entry(4, 40)))), [4], "below the mailbox's 7");
    assert_eq!(given(&bench.frame(in_team(entry(4, 40)))), [0; 0]);
    assert_eq!(given(&bench.frame(entry(8, 40))), [8], "the same id in another log");
    assert_eq!(given(&bench.frame(entry(8, 40))), [0; 0]);

    // A gap in one log says nothing of the other.
    bench.frame(in_team(gap(1)));
    assert_eq!(given(&bench.frame(entry(8, 80))), [0; 0]);
    assert_eq!(given(&bench.frame(in_team(entry(2, 50)))), [2]);
    let done = |log: &Open<LogName>, gaps, seq| (log.clone(), Acknowledged { gaps, seq: Seq(seq) });
    let all = BTreeMap::from([done(&mailbox(), 0, 8), done(&team, 1, 2)]);
    let ack = |log: &Open<LogName>, seq| Output::Write(ClientFrame::Ack { log: log.clone(), delivered: Seq(seq) });
    assert_eq!(bench.give(Input::Done(all.clone())), [ack(&mailbox(), 8), ack(&team, 2)]);
    assert_eq!(bench.give(Input::Done(all)), []);

    bench.give(Input::Lost(Lost::Silent));
    assert_eq!(hello(&bench.connect()), cursors(cursor(1, 8), cursor(1, 2)));
}

#[test]
fn a_hello_names_no_more_logs_than_a_gateway_takes() {
    let many = (0..limits::CURSORS + 10).map(|number| (Open::of_text(&format!("#team{number}")), cursor(1, 1)));
    let mut bench = Bench::new(Setup { kept: many.collect(), start: Some(StartAt::Live), ..setup() });
    let outputs = bench.connect();
    let [Output::Write(ClientFrame::Hello { cursors, .. }), ..] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(cursors.len(), limits::CURSORS);
    assert_eq!(cursors.get(&mailbox()), Some(&StartAt::Live));
}

/// A signal tells of this moment: it is written now, or never.
#[test]
fn a_signal_is_written_and_given_at_once_or_let_go() {
    let signal = || Input::Signal { to: "bob".parse().unwrap(), kind: "typing".parse().unwrap() };
    let seen = || ServerFrame::Signal { from: Open::of_text("alice"), kind: "typing".into() };
    let given = Output::Notify(Notification::Signal { from: Open::of_text("alice"), kind: "typing".into() });
    let mut bench = Bench::new(setup());
    assert_eq!(bench.give(signal()), []);
    let written = |output: &Output| matches!(output, Output::Write(ClientFrame::Signal { .. }));
    assert!(!bench.connect().iter().any(written), "it is not kept for a connection");
    let output = Output::Write(ClientFrame::Signal { to: "bob".into(), kind: "typing".into() });
    assert_eq!(bench.give(signal()), [output]);
    assert_eq!(bench.frame(seen()), [given]);
    bench.give(Input::Room(false));
    assert_eq!(bench.frame(seen()), []);
}
