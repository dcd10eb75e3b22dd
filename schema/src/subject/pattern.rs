//! Patterns of many subjects at once, for permissions.

use crate::RegionName;

/// What is live of every user.
pub const LIVE_USERS: &str = "user.*";
/// What is live of every group.
pub const LIVE_GROUPS: &str = "group.*";
/// Whose presence may have changed.
pub const PRESENCE: &str = "presence.*";

/// Every mailbox of a region.
pub fn mailboxes(region: &RegionName) -> String {
    format!("log.{region}.*.user.*")
}

/// Every group's log of a region.
pub fn group_logs(region: &RegionName) -> String {
    format!("log.{region}.*.group.*")
}

/// Every receipt of a region.
pub fn receipts(region: &RegionName) -> String {
    format!("receipt.{region}.*.*")
}

/// Every receipt of a region's groups.
pub fn group_receipts(region: &RegionName) -> String {
    format!("receipt.{region}.*.group.*")
}

/// Every record of a region.
pub fn records(region: &RegionName) -> String {
    format!("state.{region}.>")
}

/// Every service of a region.
pub fn services(region: &RegionName) -> String {
    format!("svc.{region}.>")
}
