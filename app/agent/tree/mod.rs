//! The processes of a run: who descends from whom, how much memory they hold, and ending them.
//!
//! Read from the system each time; nothing is remembered, so a reused process id is never taken for an old one for long.
//! On Linux the keeper of a command adopts its orphans, so that descent is enough to find every process; elsewhere those
//! that left their process group as well are not found.

#[cfg(target_os = "linux")]
#[path = "proc.rs"]
mod table;

#[cfg(not(target_os = "linux"))]
#[path = "ps.rs"]
mod table;

#[cfg(all(test, target_os = "linux"))]
mod ps;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};

/// Every process that descends from `ancestor`, without itself.
pub fn below(ancestor: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, parent) in table::all() {
        children.entry(parent).or_default().push(pid);
    }
    let (mut found, mut open) = (BTreeSet::new(), vec![ancestor]);
    while let Some(parent) = open.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

/// Memory that belongs to these processes alone, shared pages counted once. Units: bytes.
pub fn memory_bytes(pids: &BTreeSet<u32>) -> u64 {
    pids.iter().map(|pid| table::memory_bytes(*pid)).sum()
}

/// Kills everything below `keeper`, which then ends by itself; returns how many were there.
pub fn kill_below(keeper: u32) -> usize {
    let found = below(keeper);
    for pid in &found {
        signal(*pid, Signal::SIGKILL);
    }
    found.len()
}

/// Sends SIGTERM to the command that `keeper` started, not to what the command started.
pub fn terminate_main(keeper: u32) {
    let found = below(keeper);
    // Links of the keeper's own chain carry its name as their first argument; the command is the first that does not.
    let main = found.iter().find(|pid| !is_link(**pid));
    if let Some(pid) = main {
        signal(*pid, Signal::SIGTERM);
    }
}

/// Whether these are the arguments of a link of a keeper's chain.
fn is_link(pid: u32) -> bool {
    let words = table::arguments(pid);
    let mut words = words.split(|byte| *byte == table::BETWEEN);
    words.next() == Some(b"bowsprit-agent") && words.any(|word| word == b"--stage")
}

/// What tells a living process from a later one of the same id; `None` when it is gone, or where the system does not say.
pub fn born(pid: u32) -> Option<u64> {
    table::born(pid)
}

fn signal(pid: u32, what: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // A process that is gone already is what was wanted.
        let _gone = kill(Pid::from_raw(pid), what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_told_from_a_later_one() {
        let own = std::process::id();
        assert!(born(own).is_some());
        assert_eq!(born(own), born(own));
        assert_eq!(born(0), None);
    }

    #[test]
    fn a_child_is_below_and_has_memory() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let found = below(std::process::id());
        assert!(found.contains(&child.id()));
        assert!(memory_bytes(&found) > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!below(std::process::id()).contains(&child.id()));
    }
}
