//! Presence: who is connected, here or at another gateway, and who wants to know.
//!
//! There is no table of it. `whereabouts` asks each time; `core` decides when that is to be done for those who are watched, `watches` does
//! it, `sight` says what each who asks or watches is shown, and `news` tells the other gateways that somebody's first device came to this
//! one, or the last one left; `seen` reports who is here.

mod core;
mod news;
mod seen;
mod sight;
mod watches;
mod whereabouts;

pub(crate) use self::{
    news::run as tell,
    seen::run as see,
    sight::{Sight, shown},
    watches::Watches,
    whereabouts::Whereabouts,
};
