//! What gateways answer to a roll call, and who ends when a device is removed.

use super::*;
use crate::{
    clock::{Moment, Uptime},
    directory::{devices::tests::Side, tests::followers},
};

fn names(devices: &[&str]) -> BTreeSet<DeviceName> {
    devices.iter().map(|device| DeviceName::new(device).unwrap()).collect()
}

fn call(side: &Side) -> (Call, DeviceNews) {
    let call = Call::begin(&followers(&side.directory, "bob").unwrap());
    let question = DeviceNews::RollCall(RollCall { call: call.number });
    (call, question)
}

#[test]
fn who_holds_devices_of_the_user_answers_the_others_and_not_itself() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    here.join("phone", now);
    there.join("laptop", now);
    there.join("web", now);
    let (asked, question) = call(&here);
    assert_eq!(here.hear(&question, now.uptime), None, "its own");
    let answer = there.hear(&question, now.uptime).expect("there are devices");
    assert_eq!(here.hear(&answer, now.uptime), None, "nobody answers an answer");
    assert_eq!(asked.answers(), names(&["laptop", "web"]));
    let (another, _) = call(&here);
    assert_eq!(another.answers(), names(&[]), "each call by itself");
    drop(asked);
    here.hear(&answer, now.uptime);
    let followers = followers(&here.directory, "bob").unwrap();
    let calls = followers.roll.lock().as_ref().map(|asked| asked.calls.len());
    assert_eq!(calls, Some(1), "an answer that comes late is nobody's");
    drop(another);
    assert!(followers.roll.lock().is_none(), "nothing is asked, and nothing held");
}

#[test]
fn what_others_answer_is_bounded() {
    let (mut here, now) = (Side::new(), Uptime::now());
    here.join("phone", Moment::now());
    let (asked, _) = call(&here);
    for gateway in 0..10 {
        let devices = (0..10).map(|device| DeviceName::new(&format!("d{gateway}-{device}")).unwrap()).collect();
        here.hear(&DeviceNews::Present(Present { call: asked.number, devices }), now);
    }
    assert_eq!(asked.answers().len(), NAMED);
}

fn removal(phone: &Connection) -> Removed {
    Removed { device: phone.device().clone(), at: phone.opened().wall }
}

#[test]
fn a_removed_device_ends_and_no_other() {
    let (mut here, now) = (Side::new(), Moment::now());
    let (phone, _) = here.join("phone", now);
    let (web, _) = here.join("web", now);
    here.hear(&DeviceNews::Removed(removal(&phone)), now.uptime);
    assert_eq!((phone.alarm().order(), web.alarm().order()), (Order::Revoked, Order::Stay));
    let later = Moment { wall: Millis(now.wall.0 + 1), ..now };
    let (back, _) = here.join("phone", later);
    here.hear(&DeviceNews::Removed(removal(&phone)), now.uptime);
    assert_eq!(back.alarm().order(), Order::Stay, "what is told again of an earlier one");
}

/// Its gateway had no interest yet when the removal was told.
#[test]
fn a_device_that_was_removed_while_it_connected_ends_when_it_joins() {
    let (mut here, mut there, now) = (Side::new(), Side::new(), Moment::now());
    here.join("web", now);
    let (phone, joined) = there.join("phone", now);
    let remembers = followers(&here.directory, "bob").unwrap();
    remembers.remember(removal(&phone));
    let told = here.hear(&joined, now.uptime).expect("the removal is told again");
    assert_eq!(told, DeviceNews::Removed(removal(&phone)));
    there.hear(&told, now.uptime);
    assert_eq!(phone.alarm().order(), Order::Revoked);
    let (_, back) = there.join("phone", Moment { wall: Millis(now.wall.0 + 1), ..now });
    assert!(!matches!(here.hear(&back, now.uptime), Some(DeviceNews::Removed(_))), "it is a new one");
    for number in 0..limits::DEVICES {
        remembers.remember(Removed { device: DeviceName::new(&format!("d{number}")).unwrap(), at: Millis(1) });
    }
    assert_eq!(remembers.roll.lock().as_ref().map(|asked| asked.removals.len()), Some(limits::DEVICES));
    assert!(remembers.removal_of(phone.device(), now.wall).is_none(), "the oldest is forgotten");
}
