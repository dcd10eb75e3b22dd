//! Decides, without I/O, when reads of a shard are answered together, and what each of them is answered.

mod demand;
mod window;

pub(super) use demand::{Demand, Way};
pub(super) use window::{Message, Page, Window};
