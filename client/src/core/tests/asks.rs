//! What is asked: once each, over one connection, and never waited for in vain.

use dunlin_schema::frame::{Ask, DeviceItem, Extensible};

use super::*;

const LATER: Millis = Millis(NOW.0 + 60_000);

impl Bench {
    fn ask(&mut self, until: Millis) -> (RequestId, Vec<Output>) {
        self.requests += 1;
        let request = RequestId(self.requests);
        (request, self.give(Input::Ask { request, what: Question::Devices {}, until }))
    }
}

fn asked(reference: u64) -> Output {
    Output::Write(ClientFrame::Ask(Ask { reference, what: Question::Devices {} }))
}

fn answer(reference: u64, what: impl Into<Extensible<Answer>>) -> ServerFrame {
    ServerFrame::Answer(AnswerFrame { reference, what: what.into() })
}

fn refused(reference: Option<u64>) -> ServerFrame {
    let (code, message) = (Code::RateLimited.into(), "no".to_owned());
    ServerFrame::Refused { reference, code, message, retry_after: Some(Millis(800)) }
}

fn answers(outputs: Vec<Output>) -> Vec<(RequestId, Result<Answer, AskError>)> {
    let answers = outputs.into_iter().filter_map(|output| match output {
        Output::Answered(request, answer) => Some((request, answer)),
        _ => None,
    });
    answers.collect()
}

#[test]
fn an_answer_and_a_refusal_come_to_whoever_asked() {
    let mut bench = Bench::up();
    let (first, written) = bench.ask(LATER);
    assert_eq!(written, [asked(1)]);
    let (second, written) = bench.ask(LATER);
    assert_eq!(written, [asked(2)]);
    let items =
        vec![DeviceItem { device: DeviceName::new("phone").unwrap(), last_seen: None, here: true, title: None }];
    let devices = Answer::Devices { items };
    let refusal =
        AskError::Refused { code: Code::RateLimited.into(), message: "no".to_owned(), retry_after: Some(Millis(800)) };
    assert_eq!(bench.frame(refused(Some(2))), [Output::Answered(second, Err(refusal))]);
    assert_eq!(bench.frame(answer(1, devices.clone())), [Output::Answered(first, Ok(devices.clone()))]);
    for late in [answer(1, devices), refused(Some(2)), refused(Some(77))] {
        assert_eq!(bench.frame(late), [], "nobody waits for it");
    }
    let told = bench.frame(refused(None));
    assert!(matches!(told.as_slice(), [Output::Notify(Notification::Refused { .. })]), "it was no question: {told:?}");
}

#[test]
fn an_answer_of_a_newer_release_is_told_by_its_name() {
    let mut bench = Bench::up();
    let (request, _) = bench.ask(LATER);
    let frame = br#"{"answer":{"ref":1,"what":{"hologram":{"of":"bob"}}}}"#;
    let frame = dunlin_schema::frame::Encoding::Json.read_server(frame).unwrap();
    assert_eq!(bench.frame(frame), [Output::Answered(request, Err(AskError::Newer("hologram".to_owned())))]);
}

#[test]
fn a_lost_connection_ends_what_was_asked_over_it_and_nothing_is_asked_twice() {
    let mut bench = Bench::up();
    let (asked_over_it, _) = bench.ask(LATER);
    let outputs = bench.give(Input::Lost(Lost::Silent));
    assert_eq!(answers(outputs), [(asked_over_it, Err(AskError::Disconnected))]);
    let (waits, written) = bench.ask(LATER);
    assert_eq!(written, [], "it waits for a connection");
    let written = bench.connect();
    assert!(written.contains(&asked(2)) && !written.contains(&asked(1)), "{written:?}");
    assert_eq!(bench.frame(answer(1, Answer::Done {})), [], "an answer to the first, from wherever it comes");
    assert_eq!(bench.frame(answer(2, Answer::Done {})), [Output::Answered(waits, Ok(Answer::Done {}))]);
}

#[test]
fn whoever_asks_waits_as_long_as_they_said_with_and_without_a_connection() {
    let mut bench = Bench::new(setup());
    let (request, written) = bench.ask(bench.now.plus(Millis(5)));
    assert_eq!(written, []);
    bench.give(Input::Tick);
    assert_eq!(bench.core.next_deadline(), Some(bench.now.plus(Millis(5))), "before the dial is given up");
    assert_eq!(answers(bench.later(4)), []);
    assert_eq!(answers(bench.later(1)), [(request, Err(AskError::TimedOut))]);
    let mut bench = Bench::up();
    let (request, _) = bench.ask(bench.now.plus(Millis(5)));
    assert!(bench.core.wants_input());
    assert_eq!(answers(bench.later(5)), [(request, Err(AskError::TimedOut))]);
    assert_eq!(bench.frame(answer(1, Answer::Done {})), []);
}

#[test]
fn no_more_is_asked_at_once_than_a_gateway_takes() {
    let mut bench = Bench::up();
    let most = limits::ASKS_IN_FLIGHT as u64;
    for number in 1..=most {
        assert_eq!(bench.ask(LATER).1, [asked(number)]);
    }
    assert_eq!(bench.ask(LATER).1, [], "it waits for its turn");
    let outputs = bench.frame(answer(3, Answer::Done {}));
    assert_eq!(outputs, [Output::Answered(RequestId(3), Ok(Answer::Done {})), asked(most + 1)]);
}

#[test]
fn answers_are_read_while_the_application_leaves_no_room() {
    let mut bench = Bench::up();
    bench.give(Input::Room(false));
    assert!(!bench.core.wants_input());
    bench.ask(LATER);
    assert!(bench.core.wants_input());
    bench.frame(answer(1, Answer::Done {}));
    assert!(!bench.core.wants_input());
}

#[test]
fn a_client_that_is_over_has_no_answer_for_anybody() {
    let mut bench = Bench::up();
    let most = limits::ASKS_IN_FLIGHT as u64;
    let requests: Vec<_> = (0..=most).map(|_| bench.ask(LATER).0).collect();
    let mut over = answers(bench.give(Input::Close));
    over.sort_by_key(|(request, _)| request.0);
    let expected: Vec<_> = requests.into_iter().map(|request| (request, Err(AskError::Ended(Ended::Closed)))).collect();
    assert_eq!(over, expected);
}
