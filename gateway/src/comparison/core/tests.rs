//! What is asked when, and what an answer means. Followers are called by name; it is second 100 when a comparison begins.

use dunlin_schema::{Epoch, Position, Seq, StreamTime, heads::Head};

use super::*;

/// Two logs a question.
static BOUNDS: Bounds = Bounds { heads_page: 2, ..Bounds::STANDARD };
const BEGIN: Uptime = Uptime(100_000);

type Told = Vec<(&'static str, Option<u64>)>;

fn mailbox(user: &str) -> Peer {
    Peer::User(user.parse().unwrap())
}

fn group(name: &str) -> Peer {
    Peer::Group(name.parse().unwrap())
}

fn new(shards: u16) -> Comparison<&'static str> {
    Comparison::new(shards, &BOUNDS, BEGIN)
}

fn after(millis: u64) -> Uptime {
    BEGIN.plus(Millis(millis))
}

/// One whose readers have answered, and which asks nobody until the next round.
fn answering(shards: u16) -> Comparison<&'static str> {
    let mut comparison = new(shards);
    for question in comparison.due(BEGIN, Millis(0)) {
        comparison.answered(question, Ok(()));
    }
    for question in comparison.due(BEGIN, Millis(0)) {
        comparison.answered(question, Ok(()));
    }
    assert!(comparison.due(BEGIN, Millis(0)).is_empty() && comparison.silent().is_none());
    comparison
}

/// What questions are about, in words.
fn in_words(questions: &[Question<&str>]) -> Vec<String> {
    let words = questions.iter().map(|question| {
        let logs: Vec<String> = question.logs().iter().map(ToString::to_string).collect();
        format!("{:?} {}: {}", question.cause, question.shard, logs.join(" "))
    });
    words.collect()
}

fn answer(heads: &[u64]) -> HeadsAnswer {
    let position = Position { epoch: Epoch(1), seq: Seq(50), time: StreamTime(50) };
    let head = |seq: &u64| Some(Head { seq: Seq(*seq), time: StreamTime(*seq) });
    HeadsAnswer { position, floor: Seq(1), heads: heads.iter().map(head).collect() }
}

/// Who is told which head.
fn told(question: &Question<&'static str>, answer: Option<&HeadsAnswer>) -> Told {
    let mut told = Told::new();
    question.tell(answer, |who, share| {
        let head = share.ok().and_then(|share| share.head);
        told.push((who, head.map(|head| head.seq.0)));
    });
    told
}

#[test]
fn a_log_is_asked_for_once_whatever_it_is_and_all_its_followers_are_told() {
    let mut comparison = answering(1);
    for (log, who) in [(group("team"), "bob"), (mailbox("bob"), "phone"), (group("team"), "carol")] {
        comparison.ask(Shard(0), log, who);
    }
    let asked = comparison.due(BEGIN, Millis(0));
    assert_eq!(in_words(&asked), ["Opening 0: bob #team"]);
    assert_eq!(told(&asked[0], Some(&answer(&[7, 9]))), [("phone", Some(7)), ("bob", Some(9)), ("carol", Some(9))]);
}

#[test]
fn those_who_come_while_a_question_is_on_its_way_are_asked_for_together() {
    let mut comparison = answering(2);
    comparison.ask(Shard(1), mailbox("alice"), "a");
    let mut first = comparison.due(BEGIN, Millis(0));
    assert_eq!(in_words(&first), ["Opening 1: alice"]);
    comparison.ask(Shard(1), mailbox("bob"), "b");
    comparison.ask(Shard(1), mailbox("carol"), "c");
    assert!(comparison.due(BEGIN, Millis(0)).is_empty());
    comparison.answered(first.remove(0), Err(Unanswered::NoAnswer));
    assert_eq!(in_words(&comparison.due(BEGIN, Millis(0))), ["Opening 1: bob carol"]);
}

#[test]
fn a_round_is_asked_page_by_page_and_one_that_is_not_answered_ends_it_for_all() {
    let mut comparison = answering(1);
    let round = |comparison: &mut Comparison<&'static str>| {
        comparison.lost(BEGIN);
        let question = comparison.due(BEGIN, Millis(0)).remove(0);
        assert!(question.is_round());
        let logs = ["a", "b", "c", "d", "e"].map(|name| (group(name), vec![name]));
        question.about(logs.into(), &BOUNDS)
    };
    let first = round(&mut comparison);
    assert_eq!(told(&first, Some(&answer(&[1, 2]))), [("a", Some(1)), ("b", Some(2))]);
    let second = comparison.answered(first, Ok(())).next.unwrap();
    assert_eq!(in_words(std::slice::from_ref(&second)), ["Round 0: #c #d"]);
    assert_eq!(told(&second, None), [("c", None), ("d", None), ("e", None)]);
    assert!(comparison.answered(second, Err(Unanswered::NoAnswer)).next.is_none());
    // The other way round all three are asked, and the shard counts as answered once.
    let mut pages = 0;
    let mut question = Some(round(&mut comparison));
    while let Some(page) = question.take() {
        pages += 1;
        let Answered { next, news } = comparison.answered(page, Ok(()));
        assert_eq!(news, next.is_none().then_some(News::Answers));
        question = next;
    }
    assert_eq!(pages, 3);
}

#[test]
fn rounds_come_every_fifteen_seconds_and_twice_after_a_loss() {
    let mut comparison = answering(1);
    let mut rounds = Vec::new();
    for millis in (0..40_000).step_by(100) {
        if millis == 20_000 {
            comparison.lost(after(millis));
        }
        for question in comparison.due(after(millis), Millis(1_000)) {
            rounds.push(millis);
            comparison.answered(question, Ok(()));
        }
        assert!(comparison.next_deadline() > after(millis), "it would spin");
    }
    // The first one began when the comparison did, with nothing taken away by chance.
    assert_eq!(rounds, [15_000, 20_000, 21_000, 29_000]);
}

#[test]
fn a_loss_while_a_round_is_on_its_way_is_a_round_behind_it() {
    let mut comparison = answering(1);
    comparison.lost(BEGIN);
    let round = comparison.due(BEGIN, Millis(0)).remove(0);
    comparison.lost(BEGIN);
    assert!(comparison.due(BEGIN, Millis(0)).is_empty());
    comparison.answered(round, Ok(()));
    assert_eq!(in_words(&comparison.due(BEGIN, Millis(0))), ["Round 0: "]);
}

#[test]
fn a_reader_is_silent_until_it_answers_and_after_two_rounds_without_an_answer() {
    assert_eq!(new(2).silent(), Some(Silent::Reader(Shard(0))), "it has not answered yet");
    let mut comparison = answering(2);
    for expected in [None, Some(Silent::Reader(Shard(1)))] {
        comparison.lost(BEGIN);
        for question in comparison.due(BEGIN, Millis(0)) {
            let answered = if question.shard() == Shard(0) { Ok(()) } else { Err(Unanswered::NoAnswer) };
            comparison.answered(question, answered);
        }
        assert_eq!(comparison.silent(), expected);
    }
}

#[test]
fn a_region_is_silent_where_nobody_listens_for_any_shard() {
    let mut comparison = new(2);
    let ask = |comparison: &mut Comparison<&str>, listens: Option<Shard>| {
        for question in comparison.due(BEGIN, Millis(0)) {
            let nobody =
                if listens == Some(question.shard()) { Unanswered::NoAnswer } else { Unanswered::NobodyListens };
            comparison.answered(question, Err(nobody));
        }
    };
    ask(&mut comparison, None);
    assert_eq!(comparison.silent(), Some(Silent::Region));
    comparison.lost(BEGIN);
    ask(&mut comparison, Some(Shard(1)));
    assert_eq!(comparison.silent(), Some(Silent::Reader(Shard(0))));
}

#[test]
fn a_silent_reader_is_asked_for_nobody_twice_a_second_and_its_first_answer_begins_a_round() {
    let mut comparison = answering(1);
    comparison.lost(after(0));
    let round = comparison.due(after(0), Millis(0)).remove(0);
    assert_eq!(comparison.answered(round, Err(Unanswered::NoAnswer)).news, Some(News::Silent));
    assert!(comparison.due(after(499), Millis(0)).is_empty());
    let probe = comparison.due(after(500), Millis(0)).remove(0);
    assert_eq!(in_words(std::slice::from_ref(&probe)), ["Probe 0: "]);
    comparison.answered(probe, Err(Unanswered::NoAnswer));
    let again = comparison.due(after(1_000), Millis(0));
    let probe = again.into_iter().find(|question| question.cause == Cause::Probe).unwrap();
    assert_eq!(comparison.answered(probe, Ok(())).news, Some(News::Answers));
    assert_eq!(comparison.silent(), None);
}
