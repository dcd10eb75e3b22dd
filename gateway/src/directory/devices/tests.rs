//! What two gateways tell each other of a user's devices.

use dunlin_schema::LogName;

use super::*;
use crate::{
    clock::Moment,
    directory::{
        Directory,
        tests::{connection_at, followers, new},
    },
};

/// A gateway's directory, and what it says to the others.
pub(in crate::directory) struct Side {
    pub(in crate::directory) directory: Directory,
    news: News,
}

impl Side {
    pub(in crate::directory) fn new() -> Side {
        let (directory, news) = new(Arc::new(Metrics::new()));
        Side { directory, news }
    }

    /// A device that joins and says so.
    pub(in crate::directory) fn join(&mut self, device: &str, opened: Moment) -> (Arc<Connection>, DeviceNews) {
        let connection = connection_at("bob", device, opened);
        self.directory.follow(&connection, LogName::Mailbox).unwrap();
        self.directory.teller.announce(&connection);
        (connection, self.said().expect("it is announced"))
    }

    fn said(&mut self) -> Option<DeviceNews> {
        self.news.0.try_recv().ok().map(|(_, news)| news)
    }

    /// Hears what another gateway said. Gives its own answer.
    pub(in crate::directory) fn hear(&mut self, said: &DeviceNews, now: Uptime) -> Option<DeviceNews> {
        let followers = followers(&self.directory, "bob").unwrap();
        match said.clone() {
            DeviceNews::Joined(joined) => followers.meet(joined, now),
            DeviceNews::Stays(joined) => followers.meet_again(joined),
            DeviceNews::Met(met) => followers.take_in(met),
            DeviceNews::RollCall(call) => followers.answer(call),
            DeviceNews::Present(present) => followers.count(present),
            DeviceNews::Removed(removed) => followers.end(&removed),
        }
        self.said()
    }
}

fn later(moment: Moment, millis: u64) -> Moment {
    Moment { wall: Millis(moment.wall.0 + millis), uptime: moment.uptime.plus(Millis(millis)) }
}

#[test]
fn the_older_connection_of_the_same_device_ends_at_the_other_gateway() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    let (older, _) = here.join("phone", now);
    let (newer, joined) = there.join("phone", later(now, 1));
    assert_eq!(here.hear(&joined, now.uptime), None);
    assert_eq!(there.hear(&joined, now.uptime), None, "its own");
    assert_eq!((older.alarm().order(), newer.alarm().order()), (Order::Replaced, Order::Stay));
}

#[test]
fn of_two_that_join_at_once_one_stays_whatever_is_lost() {
    let now = Moment::now();
    for (hears_first, hears_second, later_by) in [(true, true, 0), (true, true, 5), (false, true, 5), (true, false, 5)]
    {
        let (mut here, mut there) = (Side::new(), Side::new());
        let (first, joined_here) = here.join("phone", now);
        let (second, joined_there) = there.join("phone", later(now, later_by));
        let answer = if hears_second { there.hear(&joined_here, now.uptime) } else { None };
        let other = if hears_first { here.hear(&joined_there, now.uptime) } else { None };
        for (side, answer) in [(&mut here, answer), (&mut there, other)] {
            assert_eq!(answer.and_then(|answer| side.hear(&answer, now.uptime)), None, "nobody answers an answer");
        }
        let mut orders = [first.alarm().order(), second.alarm().order()];
        if later_by > 0 {
            assert_eq!(orders, [Order::Replaced, Order::Stay], "the newer one stays");
        }
        orders.sort();
        assert_eq!(orders, [Order::Stay, Order::Replaced]);
    }
}

#[test]
fn a_clock_that_is_behind_does_not_let_the_older_connection_win() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    let (older, _) = here.join("phone", later(now, 10_000));
    let (newer, joined) = there.join("phone", now);
    assert_eq!(here.hear(&joined, older.opened().uptime.plus(SETTLED)), None);
    assert_eq!((older.alarm().order(), newer.alarm().order()), (Order::Replaced, Order::Stay));
}

#[test]
fn news_of_long_ago_end_nobody() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    let (_, joined) = there.join("phone", now);
    let (newer, _) = here.join("phone", later(now, limits::CLOCK_SKEW.0 + 1));
    here.hear(&joined, newer.opened().uptime.plus(SETTLED));
    assert_eq!(newer.alarm().order(), Order::Stay);
}

#[test]
fn the_seventeenth_of_two_gateways_is_one_too_many_and_no_other() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    let mut devices = vec![];
    for number in 0..=limits::DEVICES as u64 {
        let (side, other) = if number % 2 == 0 { (&mut here, &mut there) } else { (&mut there, &mut here) };
        let (device, joined) = side.join(&format!("device-{number}"), later(now, number));
        devices.push(device);
        if number > 0 {
            let answer = other.hear(&joined, now.uptime).expect("there are others");
            assert_eq!(side.hear(&answer, now.uptime), None);
        }
    }
    let last = devices.pop().unwrap();
    assert_eq!(last.alarm().order(), Order::TooMany);
    assert!(devices.iter().all(|device| device.alarm().order() == Order::Stay));
}

#[test]
fn a_device_that_moves_is_not_one_too_many() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    let devices = limits::DEVICES as u64;
    let all: Vec<_> = (0..devices).map(|number| here.join(&format!("device-{number}"), later(now, number)).0).collect();
    let (moved, joined) = there.join("device-3", later(now, devices));
    let answer = here.hear(&joined, now.uptime).expect("there are others");
    there.hear(&answer, now.uptime);
    assert_eq!((moved.alarm().order(), all[3].alarm().order()), (Order::Stay, Order::Replaced));
}

/// What a gateway says of its devices when it may have missed something.
fn told_again(side: &Side) -> Vec<DeviceNews> {
    let devices = side.directory.shards().flat_map(|shard| side.directory.devices(shard));
    devices.map(|device| side.directory.again(&device)).collect()
}

#[test]
fn of_a_device_that_joined_on_both_sides_of_a_cut_the_newer_connection_stays_however_long_it_is_there() {
    for cut_off_is_older in [true, false] {
        let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
        let (older_at, newer_at) = if cut_off_is_older { (0, 10_000) } else { (10_000, 0) };
        let (cut_off, _) = here.join("phone", later(now, older_at));
        let (other, _) = there.join("phone", later(now, newer_at));
        for stays in told_again(&here) {
            let answer = there.hear(&stays, now.uptime.plus(Millis(600_000)));
            assert_eq!(answer.is_some(), cut_off_is_older);
            answer.iter().for_each(|answer| assert_eq!(here.hear(answer, now.uptime), None));
        }
        let expected = if cut_off_is_older { [Order::Replaced, Order::Stay] } else { [Order::Stay, Order::Replaced] };
        assert_eq!([cut_off.alarm().order(), other.alarm().order()], expected);
    }
}

#[test]
fn devices_on_both_sides_of_a_cut_are_sixteen_when_it_is_over_and_telling_twice_ends_no_more() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    let each = limits::DEVICES as u64 / 2 + 1;
    let join = |side: &mut Side, name: &str, at| {
        (0..each).map(|number| side.join(&format!("{name}-{number}"), later(now, at + number)).0).collect::<Vec<_>>()
    };
    let cut_off = join(&mut here, "a", 0);
    let others = join(&mut there, "b", 1_000);
    for _ in 0..2 {
        for stays in told_again(&here) {
            if let Some(answer) = there.hear(&stays, now.uptime) {
                here.hear(&answer, now.uptime);
            }
        }
        let ended = |devices: &[Arc<Connection>]| {
            devices.iter().map(|device| device.alarm().order()).filter(|order| *order == Order::TooMany).count()
        };
        assert_eq!((ended(&cut_off), ended(&others)), (0, 2), "the last ones");
    }
}
