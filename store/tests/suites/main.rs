//! The stores against real files and real servers: one suite for all kinds, and what only one of them has.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod directory;
mod every;
mod preview;
mod s3;
mod service;
mod stripped;
mod trial;
