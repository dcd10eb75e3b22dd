//! What becomes of a record by what is asked. Asked twice, also by two workers at once, it comes to the same.

use dunlin_schema::{
    limits,
    record::{Revocation, Settings},
    revocation::Revoke,
    settings::SettingsChange,
};

/// As many people are blocked as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The settings as they are to be, if they are to be others than now. Errors: see [`TooMany`].
pub fn changed(stored: &Settings, change: &SettingsChange) -> Result<Option<Settings>, TooMany> {
    let mut settings = stored.clone();
    match change {
        SettingsChange::Block(who) => {
            settings.blocked.insert(who.clone());
        }
        SettingsChange::Unblock(who) => {
            settings.blocked.remove(who);
        }
        SettingsChange::Set { who_may_write, who_sees_presence } => {
            settings.who_may_write = who_may_write.unwrap_or(settings.who_may_write);
            settings.who_sees_presence = who_sees_presence.unwrap_or(settings.who_sees_presence);
        }
    }
    match settings.blocked.len() > limits::BLOCKED.max(stored.blocked.len()) {
        true => Err(TooMany),
        false => Ok((settings != *stored).then_some(settings)),
    }
}

/// What is barred, if it is to be more than now.
pub fn revoked(stored: Option<Revocation>, asked: &Revoke) -> Option<Revocation> {
    let unpinned = asked.unpinned.then_some(asked.at);
    let asked = Revocation { at: asked.at, unpinned, until: asked.at.plus(asked.kept) };
    let both = match stored {
        None => asked,
        Some(stored) => Revocation {
            at: stored.at.max(asked.at),
            unpinned: stored.unpinned.max(asked.unpinned),
            until: stored.until.max(asked.until),
        },
    };
    (stored != Some(both)).then_some(both)
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Millis, Sender, revocation::Revoked, settings::Audience};
    use proptest::{collection, prelude::*};

    use super::*;

    fn who(number: usize) -> Sender {
        Sender { user: format!("u{number}").parse().unwrap(), region: "local".parse().unwrap() }
    }

    #[test]
    fn a_change_that_changes_nothing_is_not_written() {
        let blocked = changed(&Settings::default(), &SettingsChange::Block(who(1))).unwrap().unwrap();
        assert_eq!(changed(&blocked, &SettingsChange::Block(who(1))), Ok(None));
        assert_eq!(changed(&blocked, &SettingsChange::Unblock(who(2))), Ok(None));
        assert_eq!(changed(&blocked, &SettingsChange::Unblock(who(1))), Ok(Some(Settings::default())));
    }

    #[test]
    fn what_is_left_out_stays_as_it_is() {
        let set = |who_may_write, who_sees_presence| SettingsChange::Set { who_may_write, who_sees_presence };
        let stored = changed(&Settings::default(), &set(Some(Audience::Nobody), None)).unwrap().unwrap();
        let both = changed(&stored, &set(None, Some(Audience::Contacts))).unwrap().unwrap();
        assert_eq!((both.who_may_write, both.who_sees_presence), (Audience::Nobody, Audience::Contacts));
        assert_eq!(changed(&both, &set(None, None)), Ok(None));
    }

    #[test]
    fn one_block_too_many_is_refused_and_one_less_makes_room() {
        let mut settings = Settings { blocked: (0..limits::BLOCKED).map(who).collect(), ..Settings::default() };
        assert_eq!(changed(&settings, &SettingsChange::Block(who(limits::BLOCKED))), Err(TooMany));
        assert_eq!(changed(&settings, &SettingsChange::Block(who(0))), Ok(None), "again");
        settings.blocked.remove(&who(0));
        assert!(changed(&settings, &SettingsChange::Block(who(limits::BLOCKED))).unwrap().is_some());
        // A release with a higher limit wrote it.
        settings.blocked.extend((0..limits::BLOCKED + 9).map(who));
        let lets_go = changed(&settings, &SettingsChange::Unblock(who(0))).unwrap().unwrap();
        assert_eq!(lets_go.blocked.len(), limits::BLOCKED + 8);
    }

    fn revoke() -> impl Strategy<Value = Revoke> {
        (0..9u64, any::<bool>(), 0..9u64).prop_map(|(at, unpinned, kept)| {
            let what = Revoked::User("bob".parse().unwrap());
            Revoke { what, at: Millis(at), unpinned, kept: Millis(kept) }
        })
    }

    proptest! {
        #[test]
        fn whatever_the_order_the_same_is_barred_in_the_end(asked in collection::vec(revoke(), 1..6), turn in 0usize..6) {
            let all = |asked: &[Revoke]| asked.iter().fold(None, |stored, asked| revoked(stored, asked).or(stored));
            let (mut turned, barred) = (asked.clone(), all(&asked));
            turned.rotate_left(turn % asked.len());
            prop_assert_eq!(all(&turned), barred);
            prop_assert!(asked.iter().all(|asked| revoked(barred, asked).is_none()), "again");
        }
    }
}
