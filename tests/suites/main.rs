//! The suites: one file for each promise.

mod drain;
mod gaps;
mod kills;
mod live;
mod lost;
mod offline;
mod repeats;
mod rules;
mod slow;
mod takeover;
mod workers;
