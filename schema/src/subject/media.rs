//! The subjects of media: records, and what the workers are asked.

use super::{parse_one, parse_pair};
use crate::{MediaId, RegionName, Shard, UserName, media::Sha256};

/// The record of a file: `state.<region>.<shard>.media.<id>`. The shard is the file's: see [`media_shard`].
pub fn media_record(region: &RegionName, shard: Shard, media: MediaId) -> String {
    format!("state.{region}.{shard}.media.{media}")
}

/// The shard that keeps what is known of a file.
pub fn media_shard(shards: u16, media: MediaId) -> Shard {
    Shard::of(&media.to_string(), shards)
}

/// The files of a shard: a pattern.
pub fn media_records(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.media.*")
}

/// The file of a [`media_record`].
pub fn parse_media_record(subject: &str) -> Option<MediaId> {
    parse_one(subject, "media", |region, shard, media| media_record(region, shard, *media))
}

/// Which file has these bytes: `state.<region>.<shard>.same.<sha256>`. The shard is the hash's: see [`same_shard`].
pub fn media_same(region: &RegionName, shard: Shard, sha256: Sha256) -> String {
    format!("state.{region}.{shard}.same.{sha256}")
}

/// The shard that knows which file has these bytes.
pub fn same_shard(shards: u16, sha256: Sha256) -> Shard {
    Shard::of(&sha256.to_string(), shards)
}

/// That somebody looks at what was uploaded: `state.<region>.<shard>.looks.<id>`. The shard is the file's. It holds nothing, and goes by
/// itself soon after whoever looked is gone.
pub fn media_looks(region: &RegionName, shard: Shard, media: MediaId) -> String {
    format!("state.{region}.{shard}.looks.{media}")
}

/// Which files have which bytes, in a shard: a pattern.
pub fn all_same(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.same.*")
}

/// The hash of a [`media_same`].
pub fn parse_media_same(subject: &str) -> Option<Sha256> {
    parse_one(subject, "same", |region, shard, sha256| media_same(region, shard, *sha256))
}

/// That somebody uploads a file: `state.<region>.<shard>.uploaded.<user>.<id>`. The shard is the user's.
pub fn uploaded(region: &RegionName, shard: Shard, user: &UserName, media: MediaId) -> String {
    format!("state.{region}.{shard}.uploaded.{user}.{media}")
}

/// What somebody has uploaded: a pattern.
pub fn all_uploaded(region: &RegionName, shard: Shard, user: &UserName) -> String {
    format!("state.{region}.{shard}.uploaded.{user}.*")
}

/// What all people of a shard have uploaded: a pattern.
pub fn shard_uploaded(region: &RegionName, shard: Shard) -> String {
    format!("state.{region}.{shard}.uploaded.>")
}

/// Who uploads which file, by an [`uploaded`] record.
pub fn parse_uploaded(subject: &str) -> Option<(UserName, MediaId)> {
    let build = |region: &RegionName, shard, user: &UserName, media: &MediaId| uploaded(region, shard, user, *media);
    parse_pair(subject, "uploaded", build)
}

/// The name of the service by which a shard's media workers are asked. Its one endpoint is [`media`].
pub fn media_service(region: &RegionName, shard: Shard) -> String {
    format!("media-{region}-{shard}")
}

/// Where a shard's media workers are asked: `svc.<region>.media-<shard>.ask`.
pub fn media(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.media-{shard}.ask")
}

/// Where a shard's index worker says whether somebody has a message that refers to a file: `svc.<region>.index-<shard>.holds`.
pub fn holds(region: &RegionName, shard: Shard) -> String {
    format!("svc.{region}.index-{shard}.holds")
}
