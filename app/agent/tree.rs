//! The processes of a run: who descends from whom, how much memory they hold, and ending them.
//!
//! Read from `/proc` each time; nothing is remembered, so a reused process id is never taken for an old one for long.
//! The keeper of a command adopts its orphans, so that descent is enough to find every process.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};

/// Every process that descends from `ancestor`, without itself.
pub fn below(ancestor: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, parent) in all() {
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
    pids.iter().map(|pid| process_memory(*pid)).sum()
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

fn is_link(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
        let mut words = line.split(|byte| *byte == 0);
        words.next() == Some(b"bowsprit-agent") && words.any(|word| word == b"--stage")
    })
}

fn signal(pid: u32, what: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // A process that is gone already is what was wanted.
        let _gone = kill(Pid::from_raw(pid), what);
    }
}

fn all() -> impl Iterator<Item = (u32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name stands in brackets and may hold anything, brackets too.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
        (state != "Z").then_some((pid, parent))
    })
}

fn process_memory(pid: u32) -> u64 {
    let read = |file: &str, names: &[&str]| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
        let lines = text
            .lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)));
        let values: Vec<u64> = lines.filter_map(kib).collect();
        (!values.is_empty()).then(|| values.iter().sum::<u64>() * 1024)
    };
    read("smaps_rollup", &["Pss_Anon:", "Pss_Shmem:"])
        .or_else(|| read("status", &["RssAnon:", "RssShmem:"]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
