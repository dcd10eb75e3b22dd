//! What a device has to catch up with before it has everything that waited for it: the mailbox, and the logs of its user's groups.

use std::{collections::BTreeSet, time::Duration};

use dunlin_client::{AskError, Client, Groups};
use dunlin_schema::{Code, LogName, Retry, limits};

/// The logs, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    groups: Option<BTreeSet<LogName>>,
    caught_up: BTreeSet<LogName>,
}

impl Awaited {
    /// The user is in these groups.
    pub(crate) fn groups(&mut self, groups: BTreeSet<LogName>) {
        self.groups = Some(groups);
    }

    /// Whether it is not known yet in which groups the user is.
    pub(crate) fn wants_groups(&self) -> bool {
        self.groups.is_none()
    }

    /// Everything of a log is there.
    pub(crate) fn caught_up(&mut self, log: &LogName) {
        self.caught_up.insert(log.clone());
    }

    /// Whether everything of every log is there.
    pub(crate) fn is_over(&self) -> bool {
        let groups = self.groups.as_ref().is_some_and(|groups| groups.is_subset(&self.caught_up));
        groups && self.caught_up.contains(&LogName::Mailbox)
    }
}

/// The logs of the groups that the client's user is in, however long a gateway has to be waited for. Errors: the question was refused.
pub(crate) async fn groups_of(client: &Client) -> Result<BTreeSet<LogName>, AskError> {
    let (mut groups, mut after) = (BTreeSet::new(), None);
    loop {
        match client.groups(after, limits::MEMBERS_PAGE).await {
            Ok(Groups { items, next }) => {
                groups.extend(items.iter().filter_map(|item| item.group.to_string().parse().ok()));
                after = next;
                if after.is_none() {
                    return Ok(groups);
                }
            }
            Err(AskError::Disconnected | AskError::TimedOut) => {}
            // A gateway of before there were groups.
            Err(AskError::Refused { code, .. }) if code == Code::UnknownQuestion => return Ok(groups),
            Err(AskError::Refused { code, retry_after, .. }) if code.retry(retry_after) == Retry::Later => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_the_mailbox_and_every_group_are_caught_up() {
        let log = |name: &str| name.parse::<LogName>().unwrap();
        let mut awaited = Awaited::default();
        let mut over = Vec::new();
        for name in ["mailbox", "#a", "#old"] {
            awaited.caught_up(&log(name));
            over.push(awaited.is_over());
        }
        awaited.groups([log("#a"), log("#b")].into());
        over.push(awaited.is_over());
        awaited.caught_up(&log("#b"));
        over.push(awaited.is_over());
        assert_eq!(over, [false, false, false, false, true]);
    }
}
