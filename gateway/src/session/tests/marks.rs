//! What a device is told of marks: as they come, and out of STATE wherever something may be missing.

use dunlin_schema::live::{Mark, Receipt};

use super::*;
use crate::session::marks::{MarksRead, News};

fn receipt(of: &str, delivered: u64, revision: u64) -> News {
    let (by, to) = (Sender { user: user(of), region: region() }, Address::local(user(of)).said_in(&region()));
    let delivered = Some(Seq(delivered));
    let (time, revision, epoch) = (Millis(1), Seq(revision), Epoch(7_000_000));
    let (read, missing) = (None, dunlin_schema::Spans::default());
    News::of_receipt(Receipt::Person { by, to, delivered, read, time, revision, epoch, missing })
}

fn mark(with: &str, read: u64, revision: u64) -> News {
    let with = Address::local(user(with)).said_in(&region());
    News::of_mark(Mark { with, read: Seq(read), revision: Seq(revision) })
}

fn page(news: Vec<News>, upto: u64, more: bool) -> Input {
    Input::Marks(Ok(MarksRead { news, upto: Seq(upto), more }))
}

#[test]
fn marks_are_read_once_the_interest_is_in_place_and_told_page_by_page() {
    let mut rig = Rig::new(at(1, 5));
    let mut out = Vec::new();
    rig.session.handle(rig.now, Input::Subscribed(MAILBOX), &mut out);
    assert!(out.contains(&Output::ReadMarks(Seq(0))), "{out:?}");
    rig.runs([
        (
            page(vec![receipt("alice", 7, 3), mark("carol", 4, 5)], 5, true),
            "receipt alice Some(7) None; marked carol 4; read marks after 5",
        ),
        (Input::News(receipt("alice", 8, 6)), "receipt alice Some(8) None"),
        // What was told already is not told again.
        (page(vec![receipt("alice", 8, 6), mark("carol", 9, 7)], 7, false), "marked carol 9"),
        (Input::News(receipt("alice", 8, 6)), ""),
    ]);
}

#[test]
fn a_read_that_failed_is_repeated() {
    let mut rig = Rig::new(at(1, 5));
    rig.runs([(Input::Subscribed(MAILBOX), "ask heads"), (Input::Marks(Err(ReadFailed)), ""), (Input::Tick, "")]);
    rig.now = rig.session.next_deadline().unwrap();
    let mut out = Vec::new();
    rig.session.handle(rig.now, Input::Tick, &mut out);
    assert_eq!(out, [Output::ReadMarks(Seq(0))]);
    rig.runs([(page(vec![mark("carol", 4, 5)], 5, false), "marked carol 4")]);
}

#[test]
fn what_was_lost_on_its_way_is_read() {
    let mut rig = Rig::new(at(1, 5));
    rig.runs([
        (Input::Subscribed(MAILBOX), "ask heads"),
        (page(vec![], 10, false), ""),
        (Input::News(receipt("alice", 7, 12)), "receipt alice Some(7) None"),
        (Input::MarksChanged(Seq(9)), ""),
        (Input::MarksChanged(Seq(12)), ""),
        (Input::MarksChanged(Seq(14)), "read marks after 10"),
        (Input::MarksChanged(Seq(15)), ""),
        // 15 may have been written behind this read.
        (
            page(vec![receipt("alice", 7, 12), receipt("dave", 2, 14)], 14, false),
            "receipt dave Some(2) None; read marks after 14",
        ),
        (page(vec![], 14, false), ""),
    ]);
}

#[test]
fn what_is_older_than_what_was_told_of_the_same_is_not_told_after_it() {
    let mut rig = Rig::new(at(1, 5));
    rig.runs([
        (Input::Subscribed(MAILBOX), "ask heads"),
        (page(vec![], 3, false), ""),
        (Input::News(mark("alice", 6, 8)), "marked alice 6"),
        (Input::News(mark("alice", 4, 6)), ""),
        // The answer to a `read` that raised nothing.
        (Input::News(mark("alice", 6, 8)), "marked alice 6"),
        (Input::News(mark("carol", 4, 6)), "marked carol 4"),
    ]);
}

#[test]
fn what_was_read_before_something_newer_was_told_is_not_told_after_it() {
    let mut rig = Rig::new(at(1, 5));
    rig.runs([
        (Input::Subscribed(MAILBOX), "ask heads"),
        (Input::News(receipt("alice", 8, 6)), "receipt alice Some(8) None"),
        (page(vec![receipt("alice", 7, 3), mark("alice", 4, 5)], 5, false), "marked alice 4"),
        (Input::MarksUnknown, ""),
        (Input::News(receipt("alice", 9, 7)), "receipt alice Some(9) None"),
    ]);
    // So many that the session forgets it.
    for number in 0..100 {
        rig.step(Input::News(receipt(&format!("u{number}"), 1, 8 + number)));
    }
    rig.runs([
        // And so it is read again, from 0 on.
        (page(vec![receipt("alice", 8, 6)], 6, false), ""),
        (page(vec![receipt("alice", 9, 7)], 7, false), "receipt alice Some(9) None"),
    ]);
}

#[test]
fn where_state_may_have_gone_back_everything_is_read_and_told_again() {
    let mut rig = Rig::new(at(1, 5));
    rig.runs([
        (Input::Subscribed(MAILBOX), "ask heads"),
        (page(vec![receipt("alice", 7, 8)], 8, false), "receipt alice Some(7) None"),
        (Input::News(receipt("alice", 8, 12)), "receipt alice Some(8) None"),
        // The rig leaves out that marks are read from 0 on.
        (Input::MarksUnknown, ""),
        (page(vec![receipt("alice", 7, 3)], 3, false), "receipt alice Some(7) None"),
        // The same revision says something else now.
        (Input::News(receipt("alice", 9, 8)), "receipt alice Some(9) None"),
        // A read that began further on does not take the place of that.
        (Input::MarksChanged(Seq(9)), "read marks after 3"),
        (Input::MarksUnknown, ""),
        (page(vec![], 9, false), ""),
        (page(vec![receipt("alice", 7, 3)], 3, false), "receipt alice Some(7) None"),
    ]);
}

#[test]
fn a_slow_socket_keeps_the_newest_of_each_pair_and_reads_again_what_was_too_much() {
    let mut rig = Rig::new(at(1, 5));
    rig.runs([(Input::Subscribed(MAILBOX), "ask heads"), (page(vec![], 10, false), "")]);
    rig.writes = false;
    for order in 0..10_000 {
        assert_eq!(rig.step(Input::News(receipt("alice", order, 11 + order))), "");
    }
    rig.writes = true;
    assert_eq!(rig.step(Input::Tick), "receipt alice Some(9999) None", "its last mark alone");
    rig.writes = false;
    for number in 0..10_000 {
        rig.step(Input::News(receipt(&format!("u{number}"), 1, 20_000 + number)));
    }
    rig.writes = true;
    let said = rig.step(Input::Tick);
    assert!(said.ends_with("read marks after 10"), "{said}");
    assert!(said.matches("receipt").count() <= limits::MARKS_WAITING);
    assert_eq!(rig.step(page(vec![receipt("u3", 1, 20_003)], 30_000, false)), "receipt u3 Some(1) None");
}

#[test]
fn what_was_read_goes_with_the_mailboxs_epoch() {
    let mut rig = Rig::live_at(5, 9);
    let with: Address = "alice@local".parse().unwrap();
    rig.runs([(Input::MarkRead { with, upto: Seq(4) }, "read alice@local 1/4")]);
}
