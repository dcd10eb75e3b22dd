//! Which groups' logs a device is given: read from STATE at `hello` and looked at again when it changes there. What of a log may be given
//! is looked up by [`sight`] whenever the session asks.
//!
//! **A cursor is no permission.** What a device names in its `hello` says where a log goes on, never whether it is followed.

pub mod core;
mod opening;
mod several;
mod sight;

pub(crate) use opening::{Opens, Said, Which, begins, find, here};
pub(crate) use several::{Looked, Wanted, look as look_up};
pub(crate) use sight::look;
