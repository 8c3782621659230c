//! The likely cause of a command's end, out of its last lines.
//!
//! A guess for a person, never for a decision: lines are the command's own words.

use crate::confine::Ended;
use bowsprit_core::training::spec::FailureKind;

/// What is known of a command that ended badly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// How it ended.
    pub(crate) ended: &'a Ended,
    /// Its last lines, oldest first.
    pub(crate) lines: &'a [String],
    /// Whether it could open connections.
    pub(crate) network: bool,
    /// Whether its contract may ask for the network.
    pub(crate) may_have_network: bool,
    /// Its memory cap. Units: bytes.
    pub(crate) memory_bytes: u64,
}

/// Exit status of a chain that failed before the command ran.
const NOT_STARTED: i32 = 125;

const MEMORY: &[&str] = &[
    "MemoryError",
    "std::bad_alloc",
    "Cannot allocate memory",
    "can't allocate memory",
    "out of memory",
    "Out of memory",
];
const NETWORK: &[&str] = &[
    "Temporary failure in name resolution",
    "Name or service not known",
    "Could not resolve host",
    "Network is unreachable",
    "Connection refused",
    "No route to host",
    "Failed to establish a new connection",
    "urlopen error [Errno 13]",
    "socket.gaierror",
];
const FULL: &[&str] = &[
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
];

/// The class of the failure, and one sentence: the cause and what to do.
pub(crate) fn cause(evidence: &Evidence<'_>) -> (FailureKind, String) {
    let ended = evidence.ended;
    if let Some(error) = &ended.error {
        return (
            FailureKind::Agent,
            format!("the command could not be confined: {error}"),
        );
    }
    if let Some(found) = not_started(evidence) {
        return found;
    }
    let killed = ended.signal == Some(9) || ended.exit_code == Some(137);
    if killed && ended.peak_rss_bytes >= evidence.memory_bytes / 10 * 9 {
        return (
            FailureKind::OutOfMemory,
            out_of_memory(evidence.memory_bytes),
        );
    }
    evidence
        .lines
        .iter()
        .rev()
        .find_map(|line| cause_in(line, evidence))
        .unwrap_or_else(|| {
            let how = match (ended.exit_code, ended.signal) {
                (Some(code), _) => format!("ended with status {code}"),
                (None, Some(signal)) => format!("was ended by signal {signal}"),
                (None, None) => "ended, it is not known how".to_owned(),
            };
            let last = evidence
                .lines
                .iter()
                .rev()
                .find(|line| !line.trim().is_empty());
            (
                FailureKind::Exit,
                last.map_or(how.clone(), |line| {
                    format!("{how}; it last said: {}", cut(line))
                }),
            )
        })
}

/// The sentence for a command that met its memory cap.
pub(crate) fn out_of_memory(cap_bytes: u64) -> String {
    format!(
        "ran out of memory; it may use {} MiB, raise `resources.memory` or use less",
        cap_bytes >> 20
    )
}

fn not_started(evidence: &Evidence<'_>) -> Option<(FailureKind, String)> {
    if evidence.ended.exit_code != Some(NOT_STARTED) {
        return None;
    }
    let said = evidence
        .lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("bowsprit: "))?;
    let program = said
        .strip_prefix("cannot start `")
        .and_then(|rest| rest.split_once("`: "));
    Some(match program {
        Some((program, why)) if why.starts_with("No such file") => (
            FailureKind::MissingPackage,
            format!(
                "the program `{program}` is not there; add the package that brings it to the requirements"
            ),
        ),
        Some((program, why)) => (
            FailureKind::Exit,
            format!("`{program}` cannot be started: {why}"),
        ),
        None => (FailureKind::Agent, said.to_owned()),
    })
}

fn cause_in(line: &str, evidence: &Evidence<'_>) -> Option<(FailureKind, String)> {
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if let Some((_, rest)) = line.split_once("ModuleNotFoundError: No module named ") {
        let module = quoted(rest)?;
        let module = module.split('.').next().unwrap_or(module);
        let text = format!(
            "the Python module `{module}` is missing; add it to the requirements of the runtime"
        );
        return Some((FailureKind::MissingPackage, text));
    }
    if has(MEMORY) {
        return Some((
            FailureKind::OutOfMemory,
            out_of_memory(evidence.memory_bytes),
        ));
    }
    if has(NETWORK) {
        let text = match (evidence.network, evidence.may_have_network) {
            (true, _) => format!("the network did not answer: {}", cut(line)),
            (false, true) => "this step has no network; set `network: true` on it, or put the file into the repository".to_owned(),
            (false, false) => "this has no network and cannot have it; put what it needs into the repository or its data".to_owned(),
        };
        return Some((FailureKind::Network, text));
    }
    if has(FULL) {
        return Some((
            FailureKind::DiskQuota,
            "filled its disk quota; write less, or clean up while running".to_owned(),
        ));
    }
    if line.starts_with("FileNotFoundError:") {
        let file = line.rsplit_once(": ").and_then(|(_, rest)| quoted(rest));
        let text = match file {
            Some(file) => format!("the file `{}` is missing", cut(file)),
            None => cut(line),
        };
        return Some((FailureKind::MissingFile, text));
    }
    None
}

fn quoted(text: &str) -> Option<&str> {
    let text = text.trim().strip_prefix(['\'', '"'])?;
    text.find(['\'', '"']).map(|end| &text[..end])
}

fn cut(text: &str) -> String {
    text.trim().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], ended: &Ended, kind: FailureKind, words: &str) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let found = cause(&Evidence {
            ended,
            lines: &lines,
            network: false,
            may_have_network: true,
            memory_bytes: 100 << 20,
        });
        assert_eq!(found.0, kind, "{found:?}");
        assert!(found.1.contains(words), "{found:?}");
    }

    #[test]
    fn the_last_lines_tell_the_cause() {
        let failed = Ended {
            exit_code: Some(1),
            ..Ended::default()
        };
        let unstarted = Ended {
            exit_code: Some(125),
            ..Ended::default()
        };
        let killed = Ended {
            signal: Some(9),
            peak_rss_bytes: 99 << 20,
            ..Ended::default()
        };
        check(
            &["ModuleNotFoundError: No module named 'yaml.x'"],
            &failed,
            FailureKind::MissingPackage,
            "`yaml`",
        );
        check(
            &["FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'"],
            &failed,
            FailureKind::MissingFile,
            "`data.csv`",
        );
        check(
            &[
                "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
            ],
            &failed,
            FailureKind::Network,
            "network: true",
        );
        check(
            &["MemoryError"],
            &failed,
            FailureKind::OutOfMemory,
            "100 MiB",
        );
        check(
            &["OSError: [Errno 28] No space left on device"],
            &failed,
            FailureKind::DiskQuota,
            "quota",
        );
        check(
            &["so it goes"],
            &failed,
            FailureKind::Exit,
            "status 1; it last said: so it goes",
        );
        check(&[], &killed, FailureKind::OutOfMemory, "100 MiB");
        check(
            &["bowsprit: cannot start `trainer`: No such file or directory (os error 2)"],
            &unstarted,
            FailureKind::MissingPackage,
            "`trainer`",
        );
        check(
            &["bowsprit: cannot bind /x"],
            &unstarted,
            FailureKind::Agent,
            "cannot bind",
        );
    }
}
