//! A user's devices: those that have acknowledged something, as the receipts worker wrote it down, and those that are connected now.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_schema::{
    DeviceName, Millis, Seq,
    frame::{Answer, DeviceItem},
    limits,
    live::Removed,
    record::DeviceRecord,
    removal::RemoveDevice,
    revocation::Revoked,
    subject,
};

use super::Context;
use crate::{clock, refusal::Refusal, revocations::revoke};

/// Lists the devices.
pub(super) async fn list(context: &Context<'_>) -> Result<Answer, Refusal> {
    let connected = async { Ok(context.directory.connected(context.fan_in, context.asker).await?) };
    let (seen, connected) = tokio::try_join!(seen(context), connected)?;
    Ok(Answer::Devices { items: items(seen, connected, context.asker.device()) })
}

/// When each device last acknowledged something new: the time of its record in the stream.
async fn seen(context: &Context<'_>) -> Result<BTreeMap<DeviceName, Millis>, Refusal> {
    let (user, shard) = (context.asker.user(), context.asker.shard());
    let pattern = subject::mailbox_records(context.region, shard, user);
    let (mut seen, mut from) = (BTreeMap::new(), Some(Seq(0)));
    while let Some(begin) = from {
        let page = context.records.page(shard, &pattern, begin).await?;
        for (subject, record) in page.records {
            let Some(device) = subject::parse_device_record(&subject) else { continue };
            match DeviceRecord::decode(&record.bytes) {
                Ok(DeviceRecord { cursor: Some(_), .. }) => {
                    seen.insert(device, record.stamp.millis());
                }
                // It may have been written while its page was read.
                Ok(DeviceRecord { cursor: None, .. }) => {
                    seen.remove(&device);
                }
                // It was there, whatever it said.
                Err(error) => {
                    tracing::error!(%error, %user, %device, "a device's record can't be read");
                    seen.insert(device, record.stamp.millis());
                }
            }
        }
        from = page.next;
    }
    Ok(seen)
}

/// Each device once, by name; of too many those that are connected and those that were seen last.
fn items(
    mut seen: BTreeMap<DeviceName, Millis>,
    mut connected: BTreeSet<DeviceName>,
    here: &DeviceName,
) -> Vec<DeviceItem> {
    connected.insert(here.clone());
    seen.retain(|device, _| !connected.contains(device));
    let is_here = |device: &DeviceName| device == here;
    let mut items: Vec<_> = connected
        .into_iter()
        .map(|device| DeviceItem { here: is_here(&device), device, last_seen: None })
        .chain(seen.into_iter().map(|(device, seen)| DeviceItem { device, last_seen: Some(seen), here: false }))
        .collect();
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
    context.removals.remove(shard, &removal, limits::ASK_WITHIN).await?;
    let removed = Removed { device: removal.device, at: removal.at };
    context.directory.end(context.fan_in, context.asker, removed).await?;
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
        let seen = BTreeMap::from([(name("phone"), Millis(7)), (name("tablet"), Millis(9))]);
        let connected = BTreeSet::from([name("phone"), name("web")]);
        let item = |device: &str, last_seen: Option<u64>, here| DeviceItem {
            device: name(device),
            last_seen: last_seen.map(Millis),
            here,
        };
        let expected = [
            item("laptop", None, true),
            item("phone", None, false),
            item("tablet", Some(9), false),
            item("web", None, false),
        ];
        assert_eq!(items(seen, connected, &name("laptop")), expected);
    }

    #[test]
    fn of_too_many_those_seen_longest_ago_are_left_out() {
        let many = limits::DEVICES_LISTED as u64 + 10;
        let seen = (0..many).map(|number| (name(&format!("d{number:03}")), Millis(many - number))).collect();
        let items = items(seen, BTreeSet::from([name("old")]), &name("old"));
        assert_eq!(items.len(), limits::DEVICES_LISTED);
        assert_eq!(items.first().unwrap().device, name("d000"));
        assert_eq!(items.last().unwrap(), &DeviceItem { device: name("old"), last_seen: None, here: true });
        assert_eq!(items[items.len() - 2].device, name(&format!("d{:03}", limits::DEVICES_LISTED - 2)));
    }
}
