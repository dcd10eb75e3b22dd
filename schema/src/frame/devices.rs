//! A user's devices, as an answer lists them. In Postcard, whose lists have no room for a field that an item did not have at first, what
//! they are called stands behind them, in their order.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use crate::{DeviceName, Millis, Title};

/// A device of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceItem {
    /// Its name.
    pub device: DeviceName,
    /// `None` while it is connected; otherwise the time of the last acknowledgement by which something was learned.
    pub last_seen: Option<Millis>,
    /// Whether it is the device that asks.
    pub here: bool,
    /// What the user calls it, if anything.
    #[serde(default)]
    pub title: Option<Title>,
}

/// What each item has in Postcard.
#[derive(Serialize, Deserialize)]
struct Item {
    device: DeviceName,
    last_seen: Option<Millis>,
    here: bool,
}

pub(super) fn serialize<S: Serializer>(items: &[DeviceItem], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return items.serialize(serializer);
    }
    let item = |item: &DeviceItem| {
        let DeviceItem { device, last_seen, here, title } = item.clone();
        (Item { device, last_seen, here }, title)
    };
    let (items, titles): (Vec<_>, Vec<_>) = items.iter().map(item).unzip();
    (items, titles).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DeviceItem>, D::Error> {
    struct Listed;
    impl<'de> Visitor<'de> for Listed {
        type Value = Vec<DeviceItem>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("devices, and what they are called")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
            let items: Vec<Item> = parts.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
            // A gateway of an older release ends here.
            let titles = parts.next_element::<Vec<Option<Title>>>().ok().flatten().unwrap_or_default();
            let titles = titles.into_iter().chain(std::iter::repeat(None));
            let item = |(Item { device, last_seen, here }, title)| DeviceItem { device, last_seen, here, title };
            Ok(items.into_iter().zip(titles).map(item).collect())
        }
    }
    if deserializer.is_human_readable() {
        Vec::deserialize(deserializer)
    } else {
        deserializer.deserialize_tuple(2, Listed)
    }
}
