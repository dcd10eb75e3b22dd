//! The suites: one file for each promise.
mod rules;
