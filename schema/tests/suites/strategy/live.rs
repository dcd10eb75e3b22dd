//! What is published on `user.<user>`.

use dunlin_schema::{
    Epoch,
    live::{
        ConnectionId, DeviceNews, Joined, LiveEntry, Mark, Met, Present, Receipt, Removed, RollCall, Signal,
        UserMessage,
    },
};
use proptest::{collection, option, prelude::*};

use super::{address, bytes, device, millis, position, sender, seq, signal_kind, spans};

fn joined() -> impl Strategy<Value = Joined> {
    (device(), millis(), any::<u64>())
        .prop_map(|(device, time, nonce)| Joined { device, connection: ConnectionId { time, nonce } })
}

pub(crate) fn user_message() -> impl Strategy<Value = UserMessage> {
    let marks = (option::of(seq()), option::of(seq()));
    prop_oneof![
        (position(), seq(), bytes()).prop_map(|(position, after, entry)| UserMessage::Entry(LiveEntry {
            position,
            after,
            entry
        })),
        (sender(), address(), signal_kind(), millis()).prop_map(|(from, to, kind, at)| UserMessage::Signal(Signal {
            from,
            to,
            kind,
            at
        })),
        (sender(), address(), marks, millis(), seq(), any::<u64>(), spans()).prop_map(
            |(by, to, (delivered, read), time, revision, epoch, missing)| {
                let epoch = Epoch(epoch);
                UserMessage::Receipt(Receipt::Person { by, to, delivered, read, time, revision, epoch, missing })
            }
        ),
        (address(), seq(), any::<[u32; 3]>(), millis(), seq()).prop_map(
            |(to, order, [delivered, read, of], time, revision)| {
                UserMessage::Receipt(Receipt::Group { to, order, delivered, read, of, time, revision })
            }
        ),
        (address(), seq(), seq()).prop_map(|(with, read, revision)| UserMessage::Mark(Mark { with, read, revision })),
        device_news().prop_map(UserMessage::Devices),
        Just(UserMessage::IsThere),
    ]
}

fn device_news() -> impl Strategy<Value = DeviceNews> {
    let devices = || collection::vec(device(), 0..4);
    prop_oneof![
        joined().prop_map(DeviceNews::Joined),
        (joined(), devices(), any::<bool>()).prop_map(|(joined, earlier, replaced)| DeviceNews::Met(Met {
            joined,
            earlier,
            replaced
        })),
        any::<u64>().prop_map(|call| DeviceNews::RollCall(RollCall { call })),
        (any::<u64>(), devices()).prop_map(|(call, devices)| DeviceNews::Present(Present { call, devices })),
        (device(), millis()).prop_map(|(device, at)| DeviceNews::Removed(Removed { device, at })),
        joined().prop_map(DeviceNews::Stays),
    ]
}
