//! What was accepted and what arrived, held against each other.

pub mod marks;

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::device;

/// An application that keeps its cursor with what it stored: it must see everything exactly once, in order.
#[derive(Default)]
pub struct Application {
    /// The last cursor it was told, for its next hello.
    pub cursor: Option<String>,
    /// Every entry's id, in the order it was given.
    pub ids: Vec<String>,
    /// The gaps it was told.
    pub gaps: Vec<Value>,
    seen: HashSet<String>,
    last_seq: Option<u64>,
}

impl Application {
    /// Stores what a frame brings. Panics when an entry comes twice or out of order.
    pub fn take(&mut self, frame: &Value) {
        if let Some(gap) = frame.get("gap") {
            self.gaps.push(gap.clone());
            self.cursor = gap["cursor"].as_str().map(str::to_owned);
            self.last_seq = None;
        }
        if let Some(caught_up) = frame.get("caught_up") {
            self.cursor = caught_up["cursor"].as_str().map(str::to_owned);
        }
        if let Some(entry) = frame.get("entry") {
            self.take_entry(entry);
        }
    }

    fn take_entry(&mut self, entry: &Value) {
        let id = entry["id"].as_str().expect("an entry has an id").to_owned();
        let seq = entry["seq"].as_u64().expect("an entry has a seq");
        assert!(self.last_seq.is_none_or(|last| seq > last), "seq {seq} after {:?}: {entry}", self.last_seq);
        assert!(self.seen.insert(id.clone()), "given twice: {entry}");
        self.last_seq = Some(seq);
        self.cursor = entry["cursor"].as_str().map(str::to_owned);
        self.ids.push(id);
    }

    /// Whether an entry with this id was given.
    pub fn has(&self, id: &str) -> bool {
        self.seen.contains(id)
    }

    /// The last sequence that was given.
    pub fn last_seq(&self) -> Option<u64> {
        self.last_seq
    }
}

/// The accepted messages of a run, by recipient.
#[derive(Default)]
pub struct Accepted {
    by_recipient: BTreeMap<String, Vec<String>>,
}

impl Accepted {
    /// Remembers that the message with this id was accepted for `to`.
    pub fn add(&mut self, to: &str, id: &str) {
        self.by_recipient.entry(to.into()).or_default().push(id.into());
    }

    /// How many were accepted.
    pub fn count(&self) -> usize {
        self.by_recipient.values().map(Vec::len).sum()
    }

    /// The accepted messages for `to` that `application` was not given.
    pub fn missing<'a>(&'a self, to: &str, application: &Application) -> Vec<&'a str> {
        let accepted = self.by_recipient.get(to).map_or(&[][..], Vec::as_slice);
        accepted.iter().map(String::as_str).filter(|id| !application.has(id)).collect()
    }
}

/// The texts of entries that are messages.
pub fn texts(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(device::text).collect()
}
