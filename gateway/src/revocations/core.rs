//! Which tokens are barred, by what was revoked. No I/O: [`Barred::add`] what is written down, ask [`Barred::bars`].

use std::collections::{BTreeMap, HashMap};

use dunlin_schema::{DeviceName, Millis, TokenId, UserName, limits, record::Revocation, revocation::Revoked};

use crate::tokens::Token;

/// Everything that is barred.
#[derive(Debug, Default)]
pub(super) struct Barred {
    tokens: HashMap<TokenId, Revocation>,
    users: HashMap<UserName, Person>,
}

/// What is barred of one person.
#[derive(Debug, Default)]
struct Person {
    all: Option<Revocation>,
    devices: BTreeMap<DeviceName, Revocation>,
}

impl Barred {
    /// Something was revoked.
    pub(super) fn add(&mut self, what: Revoked, revocation: Revocation) {
        match what {
            Revoked::Token(id) => {
                self.tokens.insert(id, revocation);
            }
            Revoked::User(user) => self.users.entry(user).or_default().all = Some(revocation),
            Revoked::Device(user, device) => {
                self.users.entry(user).or_default().devices.insert(device, revocation);
            }
        }
    }

    /// Forgets what bars nothing any more.
    pub(super) fn forget(&mut self, now: Millis) {
        let holds = |revocation: &Revocation| now < revocation.until;
        self.tokens.retain(|_, revocation| holds(revocation));
        self.users.retain(|_, person| {
            person.all = person.all.filter(holds);
            person.devices.retain(|_, revocation| holds(revocation));
            person.all.is_some() || !person.devices.is_empty()
        });
    }

    /// How much is barred.
    pub(super) fn count(&self) -> usize {
        let of_person = |person: &Person| usize::from(person.all.is_some()) + person.devices.len();
        self.tokens.len() + self.users.values().map(of_person).sum::<usize>()
    }

    /// Whether a person may not come with this token, as this device; `None` where the token is for none.
    pub(super) fn bars(&self, token: &Token, user: &UserName, device: Option<&DeviceName>) -> bool {
        if token.id.as_ref().is_some_and(|id| self.tokens.contains_key(id)) {
            return true;
        }
        let Some(person) = self.users.get(user) else { return false };
        person.all.is_some_and(|revocation| token.is_of(revocation.at))
            || person.devices.iter().any(|(name, revocation)| bars_as(revocation, token, device == Some(name)))
    }
}

/// Whether the revocation of a device bars a token of its person. A token that names no device may be on it, under whatever name it comes.
fn bars_as(revocation: &Revocation, token: &Token, is_it: bool) -> bool {
    let anywhere = revocation.unpinned.is_some_and(|at| match token.issued {
        Some(_) => !token.is_pinned && token.is_of(at.plus(limits::CLOCK_SKEW)),
        None => true,
    });
    anywhere || is_it && token.is_of(revocation.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Millis = Millis(100_000);

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    fn device(name: &str) -> DeviceName {
        name.parse().unwrap()
    }

    fn pinned(issued: Option<u64>) -> Token {
        Token { id: None, issued: issued.map(Millis), is_pinned: true }
    }

    fn unpinned(issued: Option<u64>) -> Token {
        Token { is_pinned: false, ..pinned(issued) }
    }

    fn barred(what: Revoked, unpinned: bool) -> Barred {
        let mut barred = Barred::default();
        barred.add(what, Revocation { at: AT, unpinned: unpinned.then_some(AT), until: Millis(900_000) });
        barred
    }

    #[test]
    fn a_person_is_let_in_again_with_a_newer_token() {
        let barred = barred(Revoked::User(user("bob")), false);
        for (issued, bars) in [(Some(0), true), (Some(100_000), true), (Some(100_001), false), (None, true)] {
            for token in [pinned(issued), unpinned(issued)] {
                assert_eq!(barred.bars(&token, &user("bob"), Some(&device("phone"))), bars, "{token:?}");
                assert_eq!(barred.bars(&token, &user("bob"), None), bars, "over HTTP: {token:?}");
                assert!(!barred.bars(&token, &user("bobby"), Some(&device("phone"))), "{token:?}");
            }
        }
    }

    #[test]
    fn a_device_does_not_come_back_under_another_name() {
        let barred = barred(Revoked::Device(user("bob"), device("phone")), true);
        for (token, name, bars) in [
            (pinned(Some(100_000)), "phone", true),
            (pinned(Some(100_001)), "phone", false),
            (pinned(Some(100_000)), "tablet", false),
            (pinned(None), "tablet", true),
            (unpinned(Some(100_000)), "phone2", true),
            (unpinned(Some(130_000)), "phone2", true),
            (unpinned(Some(130_001)), "phone", false),
            (unpinned(None), "phone2", true),
        ] {
            assert_eq!(barred.bars(&token, &user("bob"), Some(&device(name))), bars, "{token:?} as {name}");
        }
    }

    #[test]
    fn a_device_that_its_person_removed_takes_no_other_with_it() {
        let barred = barred(Revoked::Device(user("bob"), device("phone")), false);
        for (token, name, bars) in [
            (pinned(Some(100_000)), "phone", true),
            (pinned(Some(100_001)), "phone", false),
            (unpinned(Some(100_000)), "phone", true),
            (unpinned(Some(100_001)), "phone", false),
            (unpinned(Some(100_000)), "tablet", false),
            (unpinned(None), "phone", true),
            (unpinned(None), "tablet", false),
            (pinned(Some(0)), "tablet", false),
        ] {
            assert_eq!(barred.bars(&token, &user("bob"), Some(&device(name))), bars, "{token:?} as {name}");
        }
    }

    #[test]
    fn one_token_is_barred_whoever_brings_it_until_it_is_forgotten() {
        let id = TokenId::new("a1").unwrap();
        let mut barred = barred(Revoked::Token(id.clone()), false);
        let token = Token { id: Some(id), ..unpinned(Some(200_000)) };
        let other = Token { id: TokenId::new("a2").ok(), ..token.clone() };
        assert!(barred.bars(&token, &user("bob"), None) && !barred.bars(&other, &user("bob"), None));
        barred.add(Revoked::User(user("bob")), Revocation { at: AT, unpinned: None, until: Millis(800_000) });
        barred.forget(Millis(899_999));
        assert_eq!((barred.count(), barred.bars(&token, &user("bob"), None)), (1, true));
        barred.forget(Millis(900_000));
        assert_eq!((barred.count(), barred.bars(&token, &user("bob"), None)), (0, false));
    }
}
