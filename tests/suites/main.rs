//! The suites: one file for each promise.

mod asks;
mod away;
mod cluster;
mod devices;
mod drain;
mod edge;
mod edits;
mod frames;
mod gaps;
mod hangup;
mod kills;
mod live;
mod lost;
mod offline;
mod posts;
mod repeats;
mod rfc6455;
mod rules;
mod secured;
mod services;
mod simulation;
mod slow;
mod takeover;
mod tokens;
mod upgrade;
mod workers;
