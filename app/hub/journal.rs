//! What happened, for tests and people who look: calls, calls to unknown routes, state changes.
//!
//! Kept in memory with a limit each; only the transcript of changes goes on in its numbering.

use serde_json::{Value, json};
use std::collections::VecDeque;

const CALLS_MAX: usize = 50_000;
const WRITES_MAX: usize = 50_000;

/// The three logs.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    calls: VecDeque<Value>,
    unknown: VecDeque<Value>,
    writes: VecDeque<Value>,
    call_last: u64,
    write_last: u64,
}

impl Journal {
    /// Records one API call; `is_known` is false when no route took it.
    pub(crate) fn call(&mut self, mut entry: Value, is_known: bool) {
        self.call_last += 1;
        entry["seq"] = json!(self.call_last);
        if !is_known {
            push(&mut self.unknown, entry.clone(), CALLS_MAX);
        }
        push(&mut self.calls, entry, CALLS_MAX);
    }

    /// Records one change of state.
    pub(crate) fn write(&mut self, mut entry: Value) {
        self.write_last += 1;
        entry["seq"] = json!(self.write_last);
        push(&mut self.writes, entry, WRITES_MAX);
    }

    pub(crate) fn calls(&self, after: u64) -> Vec<Value> {
        since(&self.calls, after)
    }

    pub(crate) fn unknown(&self) -> Vec<Value> {
        since(&self.unknown, 0)
    }

    pub(crate) fn writes(&self, after: u64) -> Vec<Value> {
        since(&self.writes, after)
    }

    /// The number of the newest change.
    pub(crate) fn write_last(&self) -> u64 {
        self.write_last
    }

    /// Goes on numbering after a restart.
    pub(crate) fn resume(&mut self, write_last: u64) {
        self.write_last = write_last;
    }
}

fn push(log: &mut VecDeque<Value>, entry: Value, max: usize) {
    if log.len() == max {
        log.pop_front();
    }
    log.push_back(entry);
}

fn since(log: &VecDeque<Value>, after: u64) -> Vec<Value> {
    log.iter()
        .filter(|entry| entry["seq"].as_u64() > Some(after))
        .cloned()
        .collect()
}
