//! What becomes of a group, in words: who came and went, and what the group is called.

use std::collections::VecDeque;

use dunlin_client::Entry;
use dunlin_schema::{
    Address, Content, Millis, Open,
    content::{Change, GroupChange, Membership, Settings},
};

/// Lines that are kept.
const KEPT: usize = 256;
/// People who are named in one line.
const NAMED: usize = 3;

/// What became of the group, oldest first, and what it is called.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) title: Option<String>,
    lines: VecDeque<(Millis, String)>,
}

impl Members {
    /// Of a group that is called something.
    pub(super) fn called(title: Option<String>) -> Members {
        Members { title, ..Members::default() }
    }

    /// Takes an entry of the group's log. Gives its words where it says something of the group.
    pub(super) fn take(&mut self, entry: &Entry) -> Option<&str> {
        let content = entry.content.known()?;
        if let Content::Settings(settings) = content {
            self.title = settings.title.as_ref().map(ToString::to_string);
        }
        let line = (entry.time, words(content)?);
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        // What waited for this device may come behind what is newer.
        let at = self.lines.partition_point(|(time, _)| *time <= line.0);
        self.lines.insert(at, line);
        self.lines.get(at).map(|(_, words)| words.as_str())
    }

    /// The lines, each with its time.
    pub(super) fn lines(&self) -> impl Iterator<Item = (Millis, &str)> {
        self.lines.iter().map(|(time, words)| (*time, words.as_str()))
    }
}

/// What an entry says of its group; `None` of most.
fn words(content: &Content) -> Option<String> {
    match content {
        Content::Membership(membership) => of_membership(membership),
        Content::Settings(settings) => of_settings(settings),
        Content::Message { .. }
        | Content::Edit { .. }
        | Content::Delete { .. }
        | Content::React { .. }
        | Content::Failed(_) => None,
    }
}

fn of_membership(Membership { users, change, by, .. }: &Membership) -> Option<String> {
    let who = names(users);
    Some(match change {
        Open::Known(Change::Added) if users == std::slice::from_ref(by) => format!("{who} joined by a link"),
        Open::Known(Change::Added) => format!("{by} added {who}"),
        Open::Known(Change::Removed) => format!("{by} removed {who}"),
        Open::Known(Change::Left) => format!("{who} left"),
        Open::Known(Change::Member) => format!("{by} made {who} a member like others"),
        Open::Known(Change::Admin) => format!("{by} made {who} an admin"),
        Open::Known(Change::Owner) => format!("{by} made {who} an owner"),
        Open::Unknown(_) => return None,
    })
}

fn of_settings(Settings { change, title, users, by, .. }: &Settings) -> Option<String> {
    let called = title.as_ref().map_or_else(String::new, |title| format!(": {title}"));
    Some(match change {
        Open::Known(GroupChange::Created) if users.is_empty() => format!("{by} made the group{called}"),
        Open::Known(GroupChange::Created) => format!("{by} made the group with {}{called}", names(users)),
        Open::Known(GroupChange::Changed) => format!("{by} changed the group{called}"),
        Open::Known(GroupChange::Deleted) => format!("{by} deleted the group"),
        Open::Unknown(_) => return None,
    })
}

fn names(users: &[Address]) -> String {
    let named: Vec<String> = users.iter().take(NAMED).map(ToString::to_string).collect();
    match users.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_and_went_is_told_in_a_line_however_many_they_are() {
        let membership = |users: &[&str], change: Change, by: &str| {
            let users = users.iter().map(|user| user.parse().unwrap()).collect();
            let (group, by) = ("#team".parse().unwrap(), by.parse().unwrap());
            Content::Membership(Box::new(Membership { group, users, change: change.into(), by }))
        };
        for (users, change, by, meant) in [
            (&["bob", "carol"][..], Change::Added, "alice", "alice added bob, carol"),
            (&["bob"], Change::Added, "bob", "bob joined by a link"),
            (&["bob"], Change::Removed, "alice", "alice removed bob"),
            (&["bob"], Change::Left, "bob", "bob left"),
            (&["bob"], Change::Owner, "alice", "alice made bob an owner"),
            (&["a", "b", "c", "d", "e"], Change::Added, "alice", "alice added a, b, c and 2 more"),
        ] {
            assert_eq!(words(&membership(users, change, by)).as_deref(), Some(meant));
        }
    }
}
