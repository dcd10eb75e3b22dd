//! How the fields of questions are read, where it matters which field a refusal names.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

use crate::{
    Address, DeviceName, GroupAddress, LinkToken, Millis, Seq, Title, limits,
    media::{MediaId, MediaType, Sha256},
    text::parsed_field,
};

/// As a sequence is, a question's number is one that JSON readers keep exact.
pub(super) fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Seq::deserialize(deserializer).map(|number| number.0)
}

pub(super) fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceName, D::Error> {
    parsed_field(deserializer, "device")
}

/// A list of at most so many: `expected` says what it is, and `too_many` what is wrong with a longer one, each before the number.
struct AtMost<T> {
    most: usize,
    expected: &'static str,
    too_many: &'static str,
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for AtMost<T> {
    type Value = Vec<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} addresses at most", self.expected, self.most)
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == self.most {
                return Err(de::Error::custom(format_args!("{} {}", self.too_many, self.most)));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// Addresses of people: not more of them than a question may name.
pub(super) fn people<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let (most, expected, too_many) = (limits::PRESENCE_USERS, "a list for `users`, of", "`users` names more than");
    deserializer.deserialize_seq(AtMost { most, expected, too_many, item: PhantomData })
}

pub(super) fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GroupAddress, D::Error> {
    parsed_field(deserializer, "group")
}

pub(super) fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LinkToken, D::Error> {
    parsed_field(deserializer, "token")
}

/// A value that is not said, or lies between two.
pub(super) fn between<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    name: &str,
    least: T,
    most: T,
) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + PartialOrd + fmt::Display,
{
    let value = Option::<T>::deserialize(deserializer)?;
    match &value {
        Some(value) if *value < least || *value > most => {
            Err(de::Error::custom(format_args!("`{name}` is a whole number from {least} to {most}")))
        }
        Some(_) | None => Ok(value),
    }
}

pub(super) fn lasts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let (least, most) = (limits::LINK_LASTS_AT_LEAST.0, limits::LINK_LASTS_AT_MOST.0);
    between(deserializer, "ttl", least, most).map(|lasts| lasts.map(Millis))
}

pub(super) fn uses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    between(deserializer, "uses", 1, limits::GROUP_MEMBERS)
}

/// Addresses of people: not more of them than a command may name.
pub(super) fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
    let (most, expected, too_many) = (limits::GROUP_USERS, "a list of", "a command names at most");
    deserializer.deserialize_seq(AtMost { most, expected, too_many, item: PhantomData })
}

pub(super) fn with<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    parsed_field(deserializer, "with")
}

pub(super) fn to_group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GroupAddress, D::Error> {
    parsed_field(deserializer, "to")
}

pub(super) fn after<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    /// One that is there.
    #[derive(Deserialize)]
    struct After(#[serde(deserialize_with = "behind")] Address);
    fn behind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        parsed_field(deserializer, "after")
    }
    Ok(Option::<After>::deserialize(deserializer)?.map(|After(address)| address))
}

pub(super) fn to<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    parsed_field(deserializer, "to")
}

/// How many at most, from 1 up: what is more than any page has means that, also where it is more than a number holds.
pub(super) fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Limit;
    impl de::Visitor<'_> for Limit {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number from 1 up for `limit`")
        }
        fn visit_u64<E: de::Error>(self, limit: u64) -> Result<u64, E> {
            if limit == 0 { Err(E::invalid_value(de::Unexpected::Unsigned(0), &self)) } else { Ok(limit) }
        }
        // A reader of JSON makes one of what is 2^64 or more.
        fn visit_f64<E: de::Error>(self, limit: f64) -> Result<u64, E> {
            const ABOVE_ALL: f64 = 18_446_744_073_709_551_616.0;
            if limit < ABOVE_ALL { Err(E::invalid_type(de::Unexpected::Float(limit), &self)) } else { Ok(u64::MAX) }
        }
    }
    deserializer.deserialize_u64(Limit)
}

/// A title that people are to see: of what is stored already it is not asked.
pub(super) fn title<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Title>, D::Error> {
    let title = Option::<Title>::deserialize(deserializer)?;
    match &title {
        Some(title) if !title.is_seen() => {
            Err(de::Error::custom("`title`: a title needs a character that can be seen"))
        }
        Some(_) | None => Ok(title),
    }
}

pub(super) fn person<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    parsed_field(deserializer, "user")
}

pub(super) fn media_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MediaType, D::Error> {
    parsed_field(deserializer, "type")
}

pub(super) fn media_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        size @ 1..=limits::MEDIA_BYTES => Ok(size),
        size => {
            Err(de::Error::custom(format_args!("`size`: a file has 1 to {} bytes, not {size}", limits::MEDIA_BYTES)))
        }
    }
}

/// 32 bytes in Postcard.
pub(super) fn sha256<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sha256, D::Error> {
    match deserializer.is_human_readable() {
        true => parsed_field(deserializer, "sha256"),
        false => Sha256::deserialize(deserializer),
    }
}

/// 16 bytes in Postcard.
pub(super) fn media<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MediaId, D::Error> {
    match deserializer.is_human_readable() {
        true => parsed_field(deserializer, "media"),
        false => MediaId::deserialize(deserializer),
    }
}
