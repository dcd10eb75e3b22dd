//! When somebody is asked for, and what is told of the answers.

use super::*;

const HERE: Uptime = Uptime(1_000);

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn people(names: &[&str]) -> BTreeSet<UserName> {
    names.iter().map(|name| user(name)).collect()
}

/// A core, and what it says in words.
#[derive(Default)]
struct Bench {
    core: Core,
    questions: Vec<Question>,
}

impl Bench {
    fn give(&mut self, now: Uptime, input: Input) -> Vec<String> {
        let mut outputs = Vec::new();
        self.core.handle(now, input, &mut outputs);
        let mut said = Vec::new();
        for output in outputs {
            said.push(match output {
                Output::Ask(question) => {
                    let text = format!("ask {}", question.user);
                    self.questions.push(question);
                    text
                }
                Output::Forget(user) => format!("forget {user}"),
                Output::Tell(watcher, user) => {
                    let state = &self.core.known(watcher, &user).expect("something is known").state;
                    format!("tell {} {user} {state}", watcher.0)
                }
            });
        }
        said
    }

    fn watch(&mut self, watcher: u64, names: &[&str]) -> Vec<String> {
        self.give(HERE, Input::Watch(Watcher(watcher), people(names)))
    }

    /// Answers the oldest question that has none.
    fn answer(&mut self, presence: Presence) -> Vec<String> {
        let question = self.questions.remove(0);
        self.give(HERE, Input::Answered(question, presence, None))
    }

    fn again(&mut self, name: &str) -> Vec<String> {
        self.give(HERE, Input::AskAgain(user(name)))
    }
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn many_who_watch_one_share_a_question_and_each_is_told_once() {
    let mut bench = Bench::default();
    assert_eq!(bench.watch(1, &["bob"]), ["ask bob"]);
    assert_eq!(bench.watch(2, &["bob"]), nothing());
    assert_eq!(bench.answer(Presence::online()), ["tell 1 bob online", "tell 2 bob online"]);
    assert_eq!(bench.watch(3, &["bob"]), ["tell 3 bob online"], "from what is known");
    assert_eq!(bench.again("bob"), ["ask bob"]);
    assert_eq!(bench.answer(Presence::online()), nothing(), "nothing has changed");
    assert_eq!(bench.again("carol"), nothing(), "nobody watches her");
    let shows = bench.give(HERE, Input::ShowAgain(Some(user("bob"))));
    assert_eq!(shows, ["tell 1 bob online", "tell 2 bob online", "tell 3 bob online"]);
    assert_eq!(bench.give(HERE, Input::ShowAgain(Some(user("carol")))), nothing());
    assert_eq!(bench.give(HERE, Input::ShowAgain(None)).len(), 3);
    assert_eq!(bench.watch(1, &[]), nothing());
    assert_eq!(bench.watch(2, &["carol"]), ["ask carol"]);
    assert_eq!(bench.watch(3, &[]), ["forget bob"]);
    assert_eq!(bench.again("bob"), nothing());
}

#[test]
fn an_answer_that_may_be_older_than_the_news_is_not_told_and_the_next_one_is() {
    let mut bench = Bench::default();
    bench.watch(1, &["bob"]);
    bench.answer(Presence::online());
    assert_eq!(bench.again("bob"), ["ask bob"]);
    // Bob left and came back while the question was on its way.
    assert_eq!((bench.again("bob"), bench.again("bob")), (nothing(), nothing()), "one is under way, one is wanted");
    assert_eq!(bench.answer(Presence::offline(None)), ["ask bob"]);
    // However much news there is, something is told in the end.
    bench.again("bob");
    assert_eq!(bench.answer(Presence::offline(None)), ["tell 1 bob offline", "ask bob"]);
    assert_eq!(bench.answer(Presence::online()), ["tell 1 bob online"]);
    assert_eq!(bench.questions, []);
}

#[test]
fn a_late_answer_for_somebody_who_was_let_go_of_meanwhile_says_nothing() {
    let mut bench = Bench::default();
    assert_eq!(bench.watch(1, &["bob"]), ["ask bob"]);
    assert_eq!(bench.watch(1, &[]), ["forget bob"]);
    assert_eq!(bench.watch(2, &["bob"]), ["ask bob"], "the interest is a new one");
    assert_eq!(bench.answer(Presence::offline(None)), nothing());
    assert_eq!(bench.answer(Presence::online()), ["tell 2 bob online"]);
    assert_eq!(bench.core.under_way, 0);
}

#[test]
fn everybody_is_asked_for_again_by_and_by_and_sooner_where_nobody_knew() {
    let mut bench = Bench::default();
    bench.watch(1, &["bob", "carol"]);
    bench.answer(Presence::online());
    bench.answer(Presence::unknown());
    let after = |span: u64| HERE.plus(Millis(span));
    assert_eq!(bench.give(after(5_000), Input::Tick), nothing());
    assert_eq!(bench.give(after(10_000), Input::Tick), ["ask carol"]);
    assert_eq!(bench.give(after(10_000), Input::Tick), nothing(), "the question is under way");
    assert_eq!(bench.give(after(40_000), Input::Tick), nothing());
    assert_eq!(bench.give(after(60_000), Input::Tick), ["ask bob"]);
    assert_eq!(bench.give(after(60_000), Input::AskAllAgain), nothing());
    assert_eq!(bench.answer(Presence::unknown()), ["ask carol"], "what was asked before may be out of date");
}

#[test]
fn who_was_held_by_a_gateway_that_says_nothing_any_more_is_asked_for() {
    let mut bench = Bench::default();
    let (one, two) = (GatewayRun(1), GatewayRun(2));
    bench.watch(1, &["bob", "carol", "dave"]);
    for by in [Some(one), Some(two), None] {
        let question = bench.questions.remove(0);
        bench.give(HERE, Input::Answered(question, Presence::online(), by));
    }
    let after = |span: u64| HERE.plus(Millis(span));
    for span in [10_000, 20_000] {
        assert_eq!(bench.give(after(span), Input::Beat(two)), nothing());
        assert_eq!(bench.give(after(span), Input::Tick), nothing());
    }
    assert_eq!(bench.give(after(limits::GATEWAY_SILENT.0), Input::Tick), ["ask bob"]);
    let question = bench.questions.remove(0);
    let told = bench.give(after(25_001), Input::Answered(question, Presence::offline(None), None));
    assert_eq!(told, ["tell 1 bob offline"]);
    assert_eq!(bench.give(after(30_000), Input::Tick), nothing(), "a gateway is missed once");
}

#[test]
fn questions_at_once_are_bounded_and_the_others_wait_for_their_turn() {
    let mut bench = Bench::default();
    let names: Vec<String> = (0..AT_ONCE + 2).map(|number| format!("user-{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(bench.watch(1, &names).len(), AT_ONCE);
    assert_eq!(bench.again(names[AT_ONCE]), nothing(), "she waits already");
    let first = bench.answer(Presence::online());
    assert_eq!(first, ["tell 1 user-0000 online".to_owned(), format!("ask {}", names[AT_ONCE])]);
    // Who waits and is let go of leaves nothing behind.
    assert_eq!(
        bench.watch(1, &names[..=AT_ONCE]),
        [vec![format!("forget {}", names[AT_ONCE + 1])], vec!["tell 1 user-0000 online".to_owned()]].concat()
    );
    assert_eq!((bench.core.waiting.len(), bench.core.watched()), (0, AT_ONCE + 1));
    while !bench.questions.is_empty() {
        bench.answer(Presence::online());
    }
    assert_eq!((bench.core.under_way, bench.core.rounds.len()), (0, AT_ONCE + 1));
}
