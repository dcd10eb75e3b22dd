//! Who types in a conversation, as far as they say so: each until some time after they last did.

use dunlin_schema::{Address, Millis, Open};

/// Those who type.
#[derive(Debug, Default)]
pub(super) struct Typing {
    people: Vec<(Open<Address>, Millis)>,
}

impl Typing {
    /// Somebody says that they type, until a time, or that they do no longer. Whether that is a change.
    pub(super) fn says(&mut self, now: Millis, who: &Open<Address>, until: Option<Millis>) -> bool {
        self.people.retain(|(_, until)| now < *until);
        let typed = self.stops(who);
        self.people.extend(until.map(|until| (who.clone(), until)));
        typed != until.is_some()
    }

    /// Somebody types no longer. Whether they were said to.
    pub(super) fn stops(&mut self, who: &Open<Address>) -> bool {
        let before = self.people.len();
        self.people.retain(|(other, _)| other != who);
        self.people.len() < before
    }

    /// Nobody says any more. Whether somebody was said to type.
    pub(super) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.people).is_empty()
    }

    /// Who types, whoever said so first before others.
    pub(super) fn now(&self, now: Millis) -> impl Iterator<Item = &Open<Address>> {
        self.people.iter().filter(move |(_, until)| now < *until).map(|(who, _)| who)
    }

    /// When the next one of them stops if they say nothing more.
    pub(super) fn until(&self, now: Millis) -> Option<Millis> {
        self.people.iter().map(|(_, until)| *until).filter(|until| now < *until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Conversation, TYPING, TYPING_STOPPED};
    use super::*;
    use crate::event::Event;

    #[test]
    fn in_a_group_each_types_until_they_say_something_and_others_elsewhere_do_not() {
        let mut conversation = Conversation::new("alice".parse().unwrap(), "#team".parse().unwrap());
        let signal = |from: &str, kind: &str, group: Option<&str>| Event::Signal {
            from: Open::of_text(from),
            kind: kind.to_owned(),
            group: group.map(Open::of_text),
        };
        let who =
            |conversation: &Conversation| conversation.typing(Millis(7)).map(|who| who.to_string()).collect::<Vec<_>>();
        for (from, kind, group, changes, types) in [
            ("bob", TYPING, Some("#team"), true, vec!["bob"]),
            ("bob", TYPING, Some("#team"), false, vec!["bob"]),
            ("carol", TYPING, None, false, vec!["bob"]),
            ("carol", TYPING, Some("#other"), false, vec!["bob"]),
            ("carol", TYPING, Some("#team"), true, vec!["bob", "carol"]),
            ("bob", TYPING_STOPPED, Some("#team"), true, vec!["carol"]),
        ] {
            let changed = conversation.event(Millis(5), &signal(from, kind, group));
            assert_eq!(!changed.is_empty(), changes, "{from} {kind} {group:?}");
            assert_eq!(who(&conversation), types, "{from} {kind} {group:?}");
        }
    }
}
