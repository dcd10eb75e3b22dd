//! Signals: given at once, and let go where much waits.

use super::*;

fn signal(number: usize) -> Input {
    let from = Sender { user: user("alice"), region: region() };
    Input::Signal(Signal {
        from,
        to: "bob@eu".parse().unwrap(),
        kind: format!("kind-{number}").parse().unwrap(),
        at: Millis(100_000),
    })
}

#[test]
fn a_slow_socket_is_owed_a_bounded_number_of_signals() {
    let mut rig = Rig::live_at(5, 5);
    assert_eq!(rig.step(signal(0)), "kind-0 of alice");
    rig.writes = false;
    for number in 0..limits::SIGNALS_WAITING {
        assert_eq!(rig.step(signal(number)), "");
    }
    assert_eq!(rig.step(signal(99)), "signal lost");
    let taken: Vec<_> = std::iter::from_fn(|| rig.take()).map(|frame| frame_in_words(&frame)).collect();
    let expected: Vec<_> = (0..limits::SIGNALS_WAITING).map(|number| format!("kind-{number} of alice")).collect();
    assert_eq!(taken, expected);
    assert_eq!((rig.step(signal(100)), rig.take().is_some()), (String::new(), true), "there is room again");
}
