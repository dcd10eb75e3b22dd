//! A bounded number of people's settings, in two generations: who is looked for is of the young one, and when that is full the old one is
//! forgotten. So whoever is written to stays known, and nothing has to be put in order.
//!
//! Drive it: [`Cache::slot`] before a load, [`Cache::loaded`] and [`Cache::holds`] behind it; [`Cache::forget`], [`Cache::doubt`] and
//! [`Cache::trust`] as the watch says.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dunlin_schema::{Sender, UserName, limits, record::Settings};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// What somebody has decided; `None` where that is nothing.
pub(super) type Known = Option<Arc<Decided>>;

/// Somebody's settings, and whom they are known to have written to, which stays so.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) settings: Settings,
    contacts: Mutex<HashSet<Sender>>,
}

impl Decided {
    pub(super) fn new(settings: Settings) -> Decided {
        Decided { settings, contacts: Mutex::default() }
    }

    pub(super) fn is_contact(&self, other: &Sender) -> bool {
        self.contacts.lock().contains(other)
    }

    /// Of too many, all are looked for again.
    pub(super) fn add_contact(&self, other: &Sender) {
        let mut contacts = self.contacts.lock();
        if contacts.len() >= limits::CONTACTS_CACHED {
            contacts.clear();
        }
        contacts.insert(other.clone());
    }
}

/// Where somebody's settings are, or will be: whoever wants them meanwhile waits for one load.
pub(super) type Slot = Arc<OnceCell<Known>>;

/// The settings of some people of a shard.
pub(super) struct Cache {
    trusted: bool,
    young: HashMap<UserName, Slot>,
    old: HashMap<UserName, Slot>,
    /// What the young ones weigh: a person 1, and so everybody that they have blocked.
    weight: usize,
    most: usize,
}

fn weight(slot: &Slot) -> usize {
    1 + slot.get().and_then(Option::as_ref).map_or(0, |decided| decided.settings.blocked.len())
}

impl Cache {
    /// Each of the generations weighs about half of `most`. Nothing is known before [`Cache::trust`].
    pub(super) fn new(most: usize) -> Cache {
        Cache { trusted: false, young: HashMap::new(), old: HashMap::new(), weight: 0, most }
    }

    /// What is known of somebody.
    pub(super) fn known(&mut self, user: &UserName) -> Option<Known> {
        self.found(user)?.get().cloned()
    }

    fn found(&mut self, user: &UserName) -> Option<Slot> {
        if let Some(slot) = self.young.get(user) {
            return Some(slot.clone());
        }
        let slot = self.old.remove(user)?;
        self.add(user.clone(), slot.clone());
        Some(slot)
    }

    fn add(&mut self, user: UserName, slot: Slot) {
        if self.weight * 2 >= self.most {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += weight(&slot);
        self.young.insert(user, slot);
    }

    /// Where to load somebody's settings into; `None` where nothing is to be kept now.
    pub(super) fn slot(&mut self, user: &UserName) -> Option<Slot> {
        if !self.trusted {
            return None;
        }
        let slot = self.found(user).unwrap_or_else(|| {
            let slot = Slot::default();
            self.add(user.clone(), slot.clone());
            slot
        });
        Some(slot)
    }

    /// Somebody's settings were loaded. The next one makes room, where they weigh too much.
    pub(super) fn loaded(&mut self, user: &UserName, known: &Known) {
        if self.young.contains_key(user) {
            self.weight += known.as_ref().map_or(0, |decided| decided.settings.blocked.len());
        }
    }

    /// Whether what was loaded into a slot is still as it was loaded.
    pub(super) fn holds(&self, user: &UserName, slot: &Slot) -> bool {
        let found = self.young.get(user).or_else(|| self.old.get(user));
        found.is_some_and(|found| Arc::ptr_eq(found, slot))
    }

    /// Somebody's settings have changed.
    pub(super) fn forget(&mut self, user: &UserName) {
        self.old.remove(user);
        if let Some(slot) = self.young.remove(user) {
            self.weight = self.weight.saturating_sub(weight(&slot));
        }
    }

    /// Changes may be missed.
    pub(super) fn doubt(&mut self) {
        self.trusted = false;
        (self.young, self.old, self.weight) = (HashMap::new(), HashMap::new(), 0);
    }

    /// No change is missed from now on.
    pub(super) fn trust(&mut self) {
        self.trusted = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> UserName {
        format!("u{number}").parse().unwrap()
    }

    /// Loads somebody who has blocked so many.
    fn load(cache: &mut Cache, user: usize, blocked: usize) -> Slot {
        let user = name(user);
        let slot = cache.slot(&user).unwrap();
        let who = |number| Sender { user: name(number), region: "local".parse().unwrap() };
        let settings = Settings { blocked: (0..blocked).map(who).collect(), ..Settings::default() };
        let known = (blocked > 0).then(|| Arc::new(Decided::new(settings)));
        slot.set(known.clone()).unwrap();
        cache.loaded(&user, &known);
        slot
    }

    fn trusted(most: usize) -> Cache {
        let mut cache = Cache::new(most);
        assert!(cache.slot(&name(0)).is_none(), "changes may be missed");
        cache.trust();
        cache
    }

    #[test]
    fn what_has_changed_while_it_was_loaded_is_not_kept() {
        let mut cache = trusted(100);
        let slot = cache.slot(&name(1)).unwrap();
        assert!(cache.known(&name(1)).is_none(), "it is not loaded yet");
        cache.forget(&name(1));
        slot.set(None).unwrap();
        assert!(!cache.holds(&name(1), &slot));
        assert!(cache.known(&name(1)).is_none());
        let slot = load(&mut cache, 1, 0);
        assert!(cache.holds(&name(1), &slot) && cache.known(&name(1)).is_some());
        cache.doubt();
        assert!(!cache.holds(&name(1), &slot) && cache.known(&name(1)).is_none() && cache.slot(&name(1)).is_none());
    }

    #[test]
    fn who_is_written_to_stays_known_and_others_make_room() {
        let mut cache = trusted(100);
        load(&mut cache, 0, 0);
        for user in 1..1_000 {
            load(&mut cache, user, 0);
            assert!(cache.known(&name(0)).is_some(), "{user}");
            assert!(cache.young.len() + cache.old.len() <= 101);
        }
        assert!(cache.known(&name(1)).is_none() && cache.known(&name(999)).is_some());
    }

    #[test]
    fn who_has_blocked_many_weighs_as_much() {
        let mut cache = trusted(100);
        for user in 0..100 {
            load(&mut cache, user, 40);
            assert!(cache.young.len() + cache.old.len() <= 4, "{}", cache.young.len() + cache.old.len());
        }
        for user in 0..100 {
            cache.forget(&name(user));
        }
        assert_eq!((cache.weight, cache.young.len(), cache.old.len()), (0, 0, 0));
    }
}
