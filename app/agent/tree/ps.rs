//! The processes of a system without `/proc`, such as macOS, as `ps` lists them.

use std::process::Command;

/// What stands between the arguments of a process.
pub(super) const BETWEEN: u8 = b' ';

/// The parent of orphans.
const FIRST: u32 = 1;

/// Every living process with its parent; an orphan belongs to the leader of its process group.
pub(super) fn all() -> impl Iterator<Item = (u32, u32)> {
    let listed = ask(&["-axo", "pid=,ppid=,pgid=,stat="]).unwrap_or_default();
    let found: Vec<(u32, u32)> = listed.lines().filter_map(parse).collect();
    found.into_iter()
}

fn parse(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split_whitespace();
    let mut number = || fields.next()?.parse::<u32>().ok();
    let (pid, parent, group) = (number()?, number()?, number()?);
    let is_alive = !fields.next()?.starts_with('Z');
    let parent = if parent == FIRST && group != pid {
        group
    } else {
        parent
    };
    is_alive.then_some((pid, parent))
}

/// Its arguments, as it says them itself.
pub(super) fn arguments(pid: u32) -> Vec<u8> {
    ask(&["-o", "args=", "-p", &pid.to_string()])
        .map(|line| line.trim().as_bytes().to_vec())
        .unwrap_or_default()
}

/// Memory that it holds, shared pages too. Units: bytes.
pub(super) fn memory_bytes(pid: u32) -> u64 {
    ask(&["-o", "rss=", "-p", &pid.to_string()])
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// When it began, to the second, as one number.
pub(super) fn born(pid: u32) -> Option<u64> {
    let text = ask(&["-o", "stat=,lstart=", "-p", &pid.to_string()])?;
    let (state, start) = text.trim().split_once(char::is_whitespace)?;
    let digest = bowsprit_core::name::Digest::of(start.trim().as_bytes());
    let number = u64::from_str_radix(&digest.hex()[..16], 16).ok()?;
    (!state.starts_with('Z')).then_some(number)
}

fn ask(args: &[&str]) -> Option<String> {
    let mut command = Command::new("/bin/ps");
    // Names of days and months are the same whoever asks.
    let output = command.args(args).env("LC_ALL", "C").output().ok()?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_process_its_parent_and_its_group() {
        for (line, told) in [
            ("  12   3  12 S+", Some((12, 3))),
            ("  13   1  12 S", Some((13, 12))),
            ("  12   1  12 Ss", Some((12, 1))),
            ("  14   3  12 Z", None),
            ("", None),
        ] {
            assert_eq!(parse(line), told, "{line}");
        }
    }

    #[test]
    fn the_listing_of_this_system_is_understood() {
        if !std::path::Path::new("/bin/ps").exists() {
            eprintln!("NO ps HERE: nothing to understand");
            return;
        }
        let own = std::process::id();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(all().any(|found| found == (child.id(), own)));
        let arguments = arguments(child.id());
        let words: Vec<&[u8]> = arguments.split(|byte| *byte == BETWEEN).collect();
        assert_eq!(words, [b"sleep", &b"60"[..]]);
        assert!(memory_bytes(own) > 1 << 20);
        assert!(born(own).is_some());
        assert_eq!(born(own), born(own));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(all().all(|(pid, _)| pid != child.id()));
        assert_eq!(born(child.id()), None);
    }
}
