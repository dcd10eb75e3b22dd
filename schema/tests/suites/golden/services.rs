//! Golden bytes of what gateways and workers ask each other.

use dunlin_schema::{
    Seq,
    device::{DeviceNamed, DeviceRemoved, NameDevice, RemoveDevice},
    erasure::{Before, Ends, EraseUser, Erasure, ErasureAsked, Stage},
    heads::{Head, HeadsAnswer, HeadsRequest, Verified, Verify},
    marks::{MarksAnswer, MarksRequest},
    presence::{Beat, GatewayRun, Here},
};

use super::{AT, POSITION, Sealed, TIME, bytes, decode_like, group, hex, user};

sealed!(HeadsRequest, HeadsAnswer, MarksRequest, MarksAnswer, Verify, Verified);
sealed!(RemoveDevice, DeviceRemoved, NameDevice, DeviceNamed, EraseUser, Erasure, ErasureAsked, Here, Beat);

#[test]
fn heads() {
    let heads = vec![Some(Head { seq: Seq(17), time: TIME }), None];
    golden!(
        (HeadsRequest { logs: vec![user("alice"), group("team")] }, HEADS_REQUEST),
        (HeadsAnswer { position: POSITION, floor: Seq(3), heads }, HEADS_ANSWER),
        (MarksRequest { after: Seq(3) }, MARKS_REQUEST),
        (MarksAnswer { floor: Seq(3), upto: Seq(17), changes: vec![("bob".parse().unwrap(), Seq(9))] }, MARKS_ANSWER),
        (Verify { doubted: POSITION }, VERIFY),
        (Verified { position: POSITION }, VERIFY),
    );
}

#[test]
fn devices() {
    let named = |title: Option<&str>| NameDevice {
        user: "bob".parse().unwrap(),
        device: "phone".parse().unwrap(),
        title: title.map(|title| title.parse().unwrap()),
        connected: title.is_some(),
        at: AT,
    };
    golden!(
        (named(Some("TV")), NAME_DEVICE),
        (named(None), UNNAME_DEVICE),
        (DeviceNamed::Stored, DEVICE_STORED),
        (DeviceNamed::NotThere, DEVICE_NOT_STORED),
        (DeviceNamed::NotStored, DEVICE_NOT_NAMED),
        (RemoveDevice { user: "bob".parse().unwrap(), device: "phone".parse().unwrap(), at: AT }, REMOVE_DEVICE),
        (DeviceRemoved::Stored, DEVICE_STORED),
        (DeviceRemoved::NotStored, DEVICE_NOT_STORED),
    );
}

#[test]
fn erasures() {
    let user = || "bob".parse().unwrap();
    let ends = |log, state| Ends { log: Seq(log), state: Seq(state) };
    let before = || Before { until: TIME, ends: vec![ends(17, 300), ends(0, 3)] };
    golden!(
        (EraseUser { user: user() }, ERASE_USER),
        (Erasure { user: user(), stage: Stage::Asked }, ERASE_USER),
        (Erasure { user: user(), stage: Stage::Done(before()) }, ERASURE_DONE),
        (Erasure { user: user(), stage: Stage::CameBack(before()) }, ERASURE_CAME_BACK),
        (ErasureAsked::Stored, DEVICE_STORED),
        (ErasureAsked::NotStored, DEVICE_NOT_STORED),
    );
}

#[test]
fn presence() {
    golden!(
        (Here { gateway: GatewayRun(300) }, "01ac026cfac873"),
        (Beat { gateway: GatewayRun(300) }, "01ac026cfac873"),
    );
}

const HEADS_REQUEST: &str = "01020005616c69636501047465616d6bb7f4f1";
const HEADS_ANSWER: &str = "0180b0f0fef58df7bc181181a38f8aeb90f7bc180302011181a38f8aeb90f7bc180014390aa5";
const MARKS_REQUEST: &str = "0103511c93f1";
const MARKS_ANSWER: &str = "0103110103626f6209a9b3cbb1";
const VERIFY: &str = "0180b0f0fef58df7bc181181a38f8aeb90f7bc1821704be9";
const REMOVE_DEVICE: &str = "0103626f620570686f6e6596d9d79daa332abcf1d9";
const NAME_DEVICE: &str = "0103626f620570686f6e65010254560196d9d79daa3330fa2676";
const UNNAME_DEVICE: &str = "0103626f620570686f6e65000096d9d79daa3353349e90";
const DEVICE_NOT_NAMED: &str = "0102529ff803";
const DEVICE_STORED: &str = "0100a5efc3e2";
const DEVICE_NOT_STORED: &str = "0101a66ca810";
const ERASE_USER: &str = "0103626f620e751791";
const ERASURE_DONE: &str = "0203626f620181a38f8aeb90f7bc180211ac0200034f6e2b6f";
const ERASURE_CAME_BACK: &str = "0203626f620281a38f8aeb90f7bc180211ac020003bc0ed37c";
