//! A user's devices: those that have acknowledged something or were called something, as the receipts worker wrote it down, and those that
//! are connected now.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_schema::{
    DeviceName, Millis, Seq, Title,
    device::{NameDevice, RemoveDevice},
    frame::{Answer, DeviceItem},
    limits,
    live::Removed,
    record::DeviceRecord,
    revocation::Revoked,
    subject,
};

use super::Context;
use crate::{clock, refusal::Refusal, revocations::revoke};

/// Lists the devices.
pub(super) async fn list(context: &Context<'_>) -> Result<Answer, Refusal> {
    let connected = async { Ok(context.directory.connected(context.fan_in, context.asker).await?) };
    let (known, connected) = tokio::try_join!(known(context), connected)?;
    Ok(Answer::Devices { items: items(known, connected, context.asker.device()) })
}

/// A device of which something is written down.
#[derive(Default)]
struct Known {
    /// When something was last learned of it.
    seen: Millis,
    /// What it is called.
    title: Option<Title>,
}

/// The devices of which something is written down.
async fn known(context: &Context<'_>) -> Result<BTreeMap<DeviceName, Known>, Refusal> {
    let (user, shard) = (context.asker.user(), context.asker.shard());
    let pattern = subject::mailbox_records(context.region, shard, user);
    let (mut known, mut from) = (BTreeMap::new(), Some(Seq(0)));
    while let Some(begin) = from {
        let page = context.records.page(shard, &pattern, begin).await?;
        for (subject, record) in page.records {
            let Some(device) = subject::parse_device_record(&subject) else { continue };
            match DeviceRecord::decode(&record.bytes) {
                Ok(stored) if stored.is_there() => {
                    let seen = stored.seen.unwrap_or(record.stamp.millis());
                    known.insert(device, Known { seen, title: stored.title });
                }
                // It may have been written while its page was read.
                Ok(_) => {
                    known.remove(&device);
                }
                // It was there, whatever it said.
                Err(error) => {
                    tracing::error!(%error, %user, %device, "a device's record can't be read");
                    known.insert(device, Known { seen: record.stamp.millis(), title: None });
                }
            }
        }
        from = page.next;
    }
    Ok(known)
}

/// Each device once, by name; of too many those that are connected and those that were seen last.
fn items(
    mut known: BTreeMap<DeviceName, Known>,
    mut connected: BTreeSet<DeviceName>,
    here: &DeviceName,
) -> Vec<DeviceItem> {
    connected.insert(here.clone());
    let here_now = connected.into_iter().map(|device| {
        let title = known.remove(&device).and_then(|known| known.title);
        DeviceItem { here: device == *here, device, last_seen: None, title }
    });
    let mut items: Vec<_> = here_now.collect();
    items.extend(known.into_iter().map(|(device, Known { seen, title })| DeviceItem {
        device,
        last_seen: Some(seen),
        here: false,
        title,
    }));
    items.sort_by_key(|item| std::cmp::Reverse(item.last_seen.map_or(u64::MAX, |seen| seen.0)));
    items.truncate(limits::DEVICES_LISTED);
    items.sort_by(|a, b| a.device.cmp(&b.device));
    items
}

/// Removes a device: its token is revoked and what it acknowledged is forgotten, and once both are stored its connections end. One
/// that never was there is removed all the same. Other devices stay, also those whose tokens name none: the asker may be one of them.
pub(super) async fn remove(context: &Context<'_>, device: DeviceName) -> Result<Answer, Refusal> {
    let (user, shard) = (context.asker.user().clone(), context.asker.shard());
    let removal = RemoveDevice { user, device, at: clock::now() };
    let revoked = revoke(Revoked::Device(removal.user.clone(), removal.device.clone()), false);
    context.accounts.revoke(shard, &revoked, limits::ASK_WITHIN).await?;
    context.devices.remove(shard, &removal, limits::ASK_WITHIN).await?;
    let removed = Removed { device: removal.device, at: removal.at };
    context.directory.end(context.fan_in, context.asker, removed).await?;
    Ok(Answer::Done {})
}

/// Calls a device something: one of which something is written down, or that is connected now.
pub(super) async fn name(context: &Context<'_>, device: DeviceName, title: Option<Title>) -> Result<Answer, Refusal> {
    let (user, shard, at) = (context.asker.user().clone(), context.asker.shard(), clock::now());
    let connected = device == *context.asker.device()
        || context.directory.connected(context.fan_in, context.asker).await?.contains(&device);
    let naming = NameDevice { user, device, title, connected, at };
    context.devices.name(shard, &naming, limits::ASK_WITHIN).await?;
    Ok(Answer::Done {})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(device: &str) -> DeviceName {
        DeviceName::new(device).unwrap()
    }

    #[test]
    fn a_device_that_is_connected_is_seen_now_and_each_comes_once() {
        let title: Option<Title> = "Bob's".parse().ok();
        let at = |seen| Known { seen: Millis(seen), title: title.clone() };
        let known = BTreeMap::from([(name("phone"), at(7)), (name("tablet"), at(9))]);
        let connected = BTreeSet::from([name("phone"), name("web")]);
        let item = |device: &str, last_seen: Option<u64>, here| DeviceItem {
            device: name(device),
            last_seen: last_seen.map(Millis),
            here,
            title: title.clone().filter(|_| ["phone", "tablet"].contains(&device)),
        };
        let expected = [
            item("laptop", None, true),
            item("phone", None, false),
            item("tablet", Some(9), false),
            item("web", None, false),
        ];
        assert_eq!(items(known, connected, &name("laptop")), expected);
    }

    #[test]
    fn of_too_many_those_seen_longest_ago_are_left_out() {
        let many = limits::DEVICES_LISTED as u64 + 10;
        let at = |number| Known { seen: Millis(many - number), title: None };
        let known = (0..many).map(|number| (name(&format!("d{number:03}")), at(number))).collect();
        let items = items(known, BTreeSet::from([name("old")]), &name("old"));
        assert_eq!(items.len(), limits::DEVICES_LISTED);
        assert_eq!(items.first().unwrap().device, name("d000"));
        assert_eq!(
            items.last().unwrap(),
            &DeviceItem { device: name("old"), last_seen: None, here: true, title: None }
        );
        assert_eq!(items[items.len() - 2].device, name(&format!("d{:03}", limits::DEVICES_LISTED - 2)));
    }
}
