//! Who is watched, over all connections.

use dunlin_schema::{frame::Ask, presence::PresenceState};

use super::*;

const LATER: Millis = Millis(NOW.0 + 60_000);

impl Bench {
    fn watch(&mut self, names: &[&str]) -> Vec<Output> {
        self.requests += 1;
        self.give(Input::Ask { request: RequestId(self.requests), what: question(names), until: LATER })
    }

    /// The questions that are written over a new connection, in order.
    fn asks_anew(&mut self) -> Vec<(u64, Question)> {
        self.give(Input::Lost(Lost::Silent));
        asks(self.connect())
    }
}

fn question(names: &[&str]) -> Question {
    Question::Watch { users: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn asks(outputs: Vec<Output>) -> Vec<(u64, Question)> {
    let asks = outputs.into_iter().filter_map(|output| match output {
        Output::Write(ClientFrame::Ask(Ask { reference, what })) => Some((reference, what)),
        _ => None,
    });
    asks.collect()
}

fn done(reference: u64) -> ServerFrame {
    ServerFrame::Answer(AnswerFrame { reference, what: Answer::Done {}.into() })
}

fn refused(reference: u64, retry_after: Option<u64>) -> ServerFrame {
    let (code, message) = (Code::Unavailable.into(), "no".to_owned());
    ServerFrame::Refused { reference: Some(reference), code, message, retry_after: retry_after.map(Millis) }
}

fn is(name: &str, state: PresenceState) -> ServerFrame {
    ServerFrame::Presence { user: Open::of_text(name), state: state.into(), last_seen: None }
}

fn told(outputs: Vec<Output>) -> Vec<(String, Open<PresenceState>)> {
    let told = outputs.into_iter().filter_map(|output| match output {
        Output::Notify(Notification::Presence { user, presence }) => Some((user.to_string(), presence.state)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_watch_is_set_again_over_each_connection_once_it_counts() {
    let mut bench = Bench::up();
    assert_eq!(asks(bench.watch(&["bob"])), [(1, question(&["bob"]))]);
    assert_eq!(bench.asks_anew(), [], "nobody said that it counts, and who asked was told that its connection is lost");
    bench.watch(&["bob"]);
    bench.frame(done(2));
    assert_eq!(bench.asks_anew(), [(3, question(&["bob"]))]);
    assert_eq!(bench.frame(done(3)).len(), 1, "nobody waits for it");
    // Another one takes its place when it is done, and not where it is refused.
    bench.watch(&["b.b"]);
    assert_eq!(asks(bench.frame(refused(4, None))), [(5, question(&["bob"]))], "as it was before");
    bench.frame(done(5));
    bench.watch(&[]);
    bench.frame(done(6));
    assert_eq!(bench.asks_anew(), []);
}

#[test]
fn a_newer_watch_that_waits_for_the_connection_is_not_undone_by_the_older_one() {
    let mut bench = Bench::up();
    bench.watch(&["bob"]);
    bench.frame(done(1));
    bench.give(Input::Lost(Lost::Silent));
    bench.watch(&["carol"]);
    assert_eq!(asks(bench.connect()), [(2, question(&["carol"]))]);
    bench.frame(done(2));
    assert_eq!(bench.asks_anew(), [(3, question(&["carol"]))]);
}

#[test]
fn where_it_can_t_be_set_again_just_now_it_is_tried_when_the_gateway_says() {
    let mut bench = Bench::up();
    bench.watch(&["bob"]);
    bench.frame(done(1));
    assert_eq!(bench.asks_anew(), [(2, question(&["bob"]))]);
    assert_eq!(asks(bench.frame(refused(2, Some(700)))), []);
    assert_eq!(asks(bench.later(699)), []);
    assert_eq!(asks(bench.later(1)), [(3, question(&["bob"]))]);
}

#[test]
fn while_there_is_no_room_the_newest_state_of_each_is_kept() {
    let mut bench = Bench::up();
    let (online, offline) = (PresenceState::Online, PresenceState::Offline);
    assert_eq!(told(bench.frame(is("bob", online))), [("bob".to_owned(), online.into())]);
    bench.give(Input::Room(false));
    for frame in [is("bob", offline), is("carol", offline), is("bob", online), is("carol", online), is("bob", offline)]
    {
        assert_eq!(told(bench.frame(frame)), []);
    }
    let expected = [("bob".to_owned(), offline.into()), ("carol".to_owned(), online.into())];
    assert_eq!(told(bench.give(Input::Room(true))), expected);
    assert_eq!(told(bench.give(Input::Room(true))), []);
}
