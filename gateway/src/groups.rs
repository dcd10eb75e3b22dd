//! What a gateway has the groups worker of a shard do, for sends and for questions alike.

use dunlin_nats::{AskError, Groups, GroupsError};
use dunlin_schema::{
    Shard,
    group::{GroupAnswer, GroupRefusal, GroupRequest},
    limits,
};

use crate::metrics::Metrics;

/// Has something done in a group, within [`limits::GROUP_WITHIN`].
pub(crate) async fn ask(groups: &Groups, metrics: &Metrics, shard: Shard, wanted: &GroupRequest) -> GroupAnswer {
    let (outcome, answer) = match groups.ask(shard, wanted, limits::GROUP_WITHIN).await {
        Ok(answer) => (
            match answer {
                GroupAnswer::Stored { .. } => "stored",
                GroupAnswer::Refused(GroupRefusal::Busy | GroupRefusal::TooFast(_)) => "busy",
                GroupAnswer::Refused(_) => "refused",
                GroupAnswer::Unknown => "unknown",
            },
            answer,
        ),
        // It came to nobody.
        Err(GroupsError::Unanswered(AskError::NoResponders)) => ("nobody", GroupAnswer::Refused(GroupRefusal::Busy)),
        Err(GroupsError::Unanswered(AskError::Unanswered) | GroupsError::Unreadable) => {
            ("unanswered", GroupAnswer::Unknown)
        }
    };
    metrics.asked_in_group(outcome);
    answer
}
