//! What `schema` promises: every parser takes its grammar and nothing else, every wire form keeps its bytes, every table says what
//! PROTOCOL.md says.
#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod asks;
mod asyncapi;
mod codes;
mod contents;
mod entries;
mod frames_json;
mod frames_postcard;
mod golden;
mod golden_index;
mod messages;
mod names;
mod openapi;
mod strategy;
mod subjects;
mod typescript;
