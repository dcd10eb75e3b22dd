//! The reader of a shard: what every role that goes through a shard's log in order is given.
//!
//! | room | what lives there |
//! |---|---|
//! | [`core`] | decides: phases, epochs, the saved position, contiguity; for the deliver reader and for those that follow it |
//! | [`ownership`] | decides: who holds the record |
//! | `pass` | feeds the core, and gives a role its entries |
//! | `asks` | what a reader asks of NATS |
//! | `metrics` | what every reader counts |
//!
//! A role begins with [`Pass::start`], takes what [`Pass::next`] gives, and has done what it does with it before it asks for more; or it
//! says with [`Pass::projected`] how far it is, and asks with [`Pass::beside`] meanwhile.

mod asks;
pub mod core;
mod metrics;
pub mod ownership;
mod pass;

pub use metrics::{ReaderMetrics, ShardMetrics};
pub use pass::{Given, Lease, Pass};
