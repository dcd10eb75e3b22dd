//! What receipts take out of what is repeated after a gap.

use std::collections::VecDeque;

use dunlin_schema::{Span, Spans};

use super::*;

/// Sends to this address, and has it accepted with this order `after` the beginning of the bench.
fn sent(bench: &mut Bench, to: &str, order: u64, after: u64) -> MessageId {
    let id = sends(&bench.submit(to, &format!("{order}")))[0].id;
    bench.frame(taken(id, order, after));
    id
}

fn taken(id: MessageId, order: u64, after: u64) -> ServerFrame {
    ServerFrame::Accepted { id, order: Some(Seq(order)), time: NOW.plus(Millis(after)) }
}

/// Carol has everything up to this order, in the life of her log that began `since`, as it came about `after` the beginning.
fn receipt(delivered: Option<u64>, since: u64, after: u64) -> ServerFrame {
    let carol = || Open::of_text("carol");
    let (time, since) = (NOW.plus(Millis(after)), Some(Millis(since)));
    let (order, read, of, missing) = (None, None, None, Spans::default());
    ServerFrame::Receipt { by: Some(carol()), to: carol(), order, delivered, read, of, time, since, missing }
}

/// A life that began long before.
const LONG_AGO: u64 = 1;

/// Everything that is repeated after a gap, each answered with its order, which is its text.
fn repeated(bench: &mut Bench) -> Vec<String> {
    let mut all = Vec::new();
    let mut flying = VecDeque::from(sends(&bench.frame(gap(1))));
    while let Some(Send { id, to, content }) = flying.pop_front() {
        let Content::Message { text: Some(order), .. } = content else { panic!("{content:?}") };
        flying.extend(sends(&bench.frame(taken(id, order.parse().unwrap(), 0))));
        all.push(format!("{to}:{order}"));
    }
    all
}

#[test]
fn what_came_to_a_device_is_not_repeated_and_the_rest_is() {
    let since = NOW.0;
    let skew = limits::CLOCK_SKEW.0;
    for (what, delivered, since, after, expected) in [
        ("nothing is known", None, LONG_AGO, 50, &["carol:7", "carol:8", "carol@eu:9", "dave:3"][..]),
        ("up to the first", Some(7), LONG_AGO, 50, &["carol:8", "carol@eu:9", "dave:3"]),
        ("an order that none of it has", Some(6), LONG_AGO, 50, &["carol:7", "carol:8", "carol@eu:9", "dave:3"]),
        ("all of it", Some(9), LONG_AGO, 50, &["dave:3"]),
        ("of a life that began since", Some(9), since + 100, 150, &["carol:7", "carol:8", "carol@eu:9", "dave:3"]),
        ("of one that began just before", Some(9), since, 50, &["carol:7", "carol:8", "carol@eu:9", "dave:3"]),
        ("as far before as clocks may differ", Some(9), since - skew, 50, &["dave:3"]),
        ("from before the last of it", Some(9), LONG_AGO, 1, &["carol:8", "carol@eu:9", "dave:3"]),
    ] {
        let mut bench = Bench::up();
        sent(&mut bench, "carol", 7, 0);
        sent(&mut bench, "carol", 8, 2);
        sent(&mut bench, "carol@eu", 9, 2);
        sent(&mut bench, "dave", 3, 2);
        bench.frame(receipt(delivered, since, after));
        let mut outputs = repeated(&mut bench);
        outputs.sort();
        assert_eq!(outputs, expected, "{what}");
    }
}

#[test]
fn a_receipt_that_comes_before_its_answer_counts_and_tells_the_life_in_which_what_follows_is_stored() {
    let mut bench = Bench::up();
    let id = sends(&bench.submit("carol", "7"))[0].id;
    bench.frame(receipt(Some(7), LONG_AGO, 5));
    bench.frame(taken(id, 7, 3));
    assert_eq!(repeated(&mut bench), [""; 0]);

    // It tells of a life that is as young as clocks may differ: what is accepted then is of that one, or of a later one.
    let mut bench = Bench::up();
    bench.frame(receipt(Some(1), NOW.0, 1));
    sent(&mut bench, "carol", 8, 2);
    sent(&mut bench, "carol", 9, 3);
    bench.frame(receipt(Some(8), NOW.0, 4));
    assert_eq!(repeated(&mut bench), ["carol:9"]);
    // A life that began later may have used the number again.
    let mut bench = Bench::up();
    bench.frame(receipt(Some(1), LONG_AGO, 1));
    sent(&mut bench, "carol", 8, 2);
    bench.frame(receipt(Some(90), NOW.0 + 1, 4));
    assert_eq!(repeated(&mut bench), ["carol:8"]);
}

#[test]
fn what_a_repeat_has_shown_to_be_stored_in_a_new_life_is_taken_out_by_a_receipt_of_that() {
    let mut bench = Bench::up();
    sent(&mut bench, "carol", 8, 2);
    let began = NOW.plus(Millis(1_000));
    bench.now = began.plus(Millis(500));
    bench.frame(receipt(Some(1), began.0, 1_200));
    let repeat = sends(&bench.frame(gap(1))).remove(0);
    bench.frame(taken(repeat.id, 8, 2));
    assert_eq!(repeated(&mut bench), ["carol:8"], "nobody has it yet");
    bench.frame(receipt(Some(8), began.0, 2_000));
    assert_eq!(repeated(&mut bench), [""; 0]);
}

#[test]
fn what_lies_below_a_receipt_and_came_to_no_device_is_repeated() {
    let mut bench = Bench::up();
    for order in 5..=9 {
        sent(&mut bench, "carol", order, 0);
    }
    for (missing, expected) in [(span(5, 8), &["carol:6", "carol:7", "carol:8"][..]), (span(7, 8), &["carol:8"])] {
        let mut with_a_hole = receipt(Some(9), LONG_AGO, 50);
        let ServerFrame::Receipt { missing: told, .. } = &mut with_a_hole else { unreachable!() };
        *told = Spans::from_iter([missing]);
        bench.frame(with_a_hole);
        assert_eq!(repeated(&mut bench), expected, "{missing:?}");
    }
}

fn span(above: u64, upto: u64) -> Span {
    Span { above: Seq(above), upto: Seq(upto) }
}

#[test]
fn counts_of_groups_and_receipts_of_gateways_that_tell_no_life_take_nothing_out() {
    let mut bench = Bench::up();
    sent(&mut bench, "carol", 7, 0);
    let mut of_no_life = receipt(Some(9), 1, 9);
    let ServerFrame::Receipt { since, .. } = &mut of_no_life else { unreachable!() };
    *since = None;
    bench.frame(of_no_life);
    let (to, time) = (Open::of_text("#team"), NOW.plus(Millis(9)));
    let (order, delivered, of, missing) = (Some(Seq(9)), Some(812), Some(1_000), Spans::default());
    bench.frame(ServerFrame::Receipt { by: None, to, order, delivered, read: None, of, time, since: None, missing });
    assert_eq!(repeated(&mut bench), ["carol:7"]);
}
