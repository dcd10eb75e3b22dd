//! The core: what it says to what it is told stands in scripts, which [`replay`] plays; here is what no script can say.

mod replay;

use std::collections::BTreeMap;

use dunlin_schema::{
    DeviceName, LogName, RegionName, UserName,
    frame::{Limits, ServerFrame, StartAt},
};

use super::*;

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

fn welcome() -> ServerFrame {
    ServerFrame::Welcome {
        user: UserName::new("bob").unwrap(),
        device: DeviceName::new("phone").unwrap(),
        region: RegionName::new("eu").unwrap(),
        server_time: NOW,
        limits: Limits { frame: 65_536, body: 32_768 },
    }
}

fn awake(now: Millis) -> Now {
    Now { steady: now, wall: now }
}

struct Bench {
    core: Core,
    now: Millis,
}

impl Bench {
    fn new(setup: Setup) -> Bench {
        Bench { core: Core::new(setup, awake(NOW)), now: NOW }
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.core.handle(awake(self.now), input, &mut outputs);
        outputs
    }

    /// Waits for the dial and is welcomed; what came out, without the dial.
    fn connect(&mut self) -> Vec<Output> {
        let due = self.core.next_deadline().unwrap();
        self.now = self.now.max(due);
        let dial = self.give(Input::Tick);
        assert!(matches!(dial.as_slice(), [Output::Dial { .. }]), "{dial:?}");
        let mut outputs = self.give(Input::Opened { token: "token".to_owned(), date: None });
        outputs.extend(self.give(Input::Frame(Box::new(welcome()))));
        outputs
    }

    /// Is lost; the pause before the next dial.
    fn lose(&mut self) -> Millis {
        match self.give(Input::Lost(Lost::Silent)).as_slice() {
            [Output::Notify(Notification::Disconnected { retry_in, .. })] => *retry_in,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn full_jitter_spreads_clients_that_were_lost_together() {
    let pauses: Vec<u64> = (0..200u8)
        .map(|seed| {
            let mut bench = Bench::new(Setup { seed: [seed; 32], ..setup() });
            bench.connect();
            bench.lose().0
        })
        .collect();
    for quarter in 0..4 {
        let inside = pauses.iter().filter(|pause| (quarter * 50..=quarter * 50 + 50).contains(*pause)).count();
        assert!(inside > 25, "{inside} of 200 in quarter {quarter}");
    }
}

#[test]
fn a_connection_that_lasted_longer_than_the_pause_before_it_has_paid_for_it() {
    let mut bench = Bench::new(Setup { gateways: 1, backoff_most: Millis(1_000), ..setup() });
    for bound in [200, 400, 800, 1_000, 1_000] {
        assert_eq!(bench.core.bound(), Millis(bound));
        bench.connect();
        bench.now = bench.now.plus(Millis(50));
        bench.lose();
    }
    bench.connect();
    bench.now = bench.now.plus(Millis(5_000));
    assert!(bench.lose() <= Millis(200));
    assert_eq!(bench.core.bound(), Millis(400));
}

#[test]
fn a_hello_names_no_more_logs_than_a_gateway_takes() {
    let many = (0..limits::CURSORS + 10).map(|number| (Open::of_text(&format!("#team{number}")), "c".parse().unwrap()));
    let mut bench = Bench::new(Setup { kept: many.collect(), start: Some(StartAt::Live), ..setup() });
    let outputs = bench.connect();
    let [Output::Write(ClientFrame::Hello { cursors, .. }), ..] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(cursors.len(), limits::CURSORS);
    assert_eq!(cursors.get(&LogName::Mailbox.into()), Some(&StartAt::Live));
}

#[test]
fn a_clock_that_is_further_off_than_gateways_allow_for_is_harmful() {
    assert!(!ClockSkew::Ahead(limits::CLOCK_SKEW).is_harmful());
    assert!(ClockSkew::Ahead(limits::CLOCK_SKEW.plus(Millis(1))).is_harmful());
}
