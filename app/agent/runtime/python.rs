//! The newest fitting interpreter, looked through to the real executable behind shims and links.

use super::failure;
use bowsprit_core::training::spec::{Failure, FailureKind};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A real interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// The executable, links resolved.
    pub(super) path: PathBuf,
    /// Where its library lives.
    pub(super) prefix: PathBuf,
    /// In full, for example `3.11.7`.
    pub(super) version: String,
    /// What wheels must fit, for example `linux-x86_64 cpython-311`.
    pub(super) platform: String,
}

/// No Python 3 newer than this is looked for.
const MINOR_NEWEST: u32 = 40;
/// How long an interpreter may take to say who it is.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Four lines: executable, prefix, version, platform.
const QUESTION: &str = "import sys, os, sysconfig
print(os.path.realpath(sys.executable))
print(os.path.realpath(sys.base_prefix))
print('.'.join(map(str, sys.version_info[:3])))
print(sysconfig.get_platform(), sys.implementation.cache_tag, sysconfig.get_config_var('Py_GIL_DISABLED') or 0)";

/// Which minor versions of Python 3 will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minors {
    /// The least.
    pub(super) least: u32,
    /// The first that is too new.
    pub(super) below: Option<u32>,
}

impl Minors {
    /// From a version on. Errors: `MissingPackage` when it is no version of Python 3.
    pub(super) fn from(minimum: &str) -> Result<Minors, Failure> {
        let missing = |text: String| failure(FailureKind::MissingPackage, text);
        match parse_minimum(minimum) {
            Some((3, least)) => Ok(Minors { least, below: None }),
            Some(_) => Err(missing(format!(
                "Python {minimum} is not supported; ask for a version of Python 3"
            ))),
            None => Err(missing(format!(
                "`{minimum}` is not a Python version such as `3.11`"
            ))),
        }
    }

    fn has(self, version: &str) -> bool {
        minor_of(version).is_some_and(|minor| {
            minor >= self.least && self.below.is_none_or(|below| minor < below)
        })
    }
}

impl fmt::Display for Minors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.below {
            Some(below) if below == self.least + 1 => write!(f, "3.{}", self.least),
            Some(below) => write!(f, "3.{} to 3.{}", self.least, below.saturating_sub(1)),
            None => write!(f, "3.{} or newer", self.least),
        }
    }
}

/// Finds the newest interpreter of `PATH` that will do. Errors: `MissingPackage` with what was seen.
pub(super) async fn find(wanted: Minors) -> Result<Interpreter, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .collect();
    let newest = wanted
        .below
        .map_or(MINOR_NEWEST, |below| below.saturating_sub(1));
    let numbered = (wanted.least..=newest)
        .rev()
        .map(|minor| format!("python3.{minor}"));
    let mut seen = Vec::new();
    for name in numbered.chain(["python3".to_owned(), "python".to_owned()]) {
        for dir in &dirs {
            let candidate = dir.join(&name);
            if !candidate.is_file() {
                continue;
            }
            match ask(&candidate).await {
                Some(found) if wanted.has(&found.version) => return Ok(found),
                Some(found) => seen.push(found.version),
                // A shim of a version that is not switched on answers nothing.
                None => {}
            }
        }
    }
    let seen = if seen.is_empty() {
        "none at all".to_owned()
    } else {
        seen.join(", ")
    };
    Err(failure(
        FailureKind::MissingPackage,
        format!("no Python {wanted} is on PATH of the server (found {seen})"),
    ))
}

async fn ask(candidate: &Path) -> Option<Interpreter> {
    let mut command = Command::new(candidate);
    command
        .args(["-I", "-S", "-c", QUESTION])
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let answer = tokio::time::timeout(ANSWER_WAIT, command.output())
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let mut lines = text.lines().map(str::to_owned);
    let found = Interpreter {
        path: PathBuf::from(lines.next()?),
        prefix: PathBuf::from(lines.next()?),
        version: lines.next()?,
        platform: lines.next()?,
    };
    (answer.status.success() && found.path.is_absolute()).then_some(found)
}

fn parse_minimum(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().map_or(Some(0), |part| part.parse().ok())?;
    Some((major, minor))
}

fn minor_of(version: &str) -> Option<u32> {
    version.strip_prefix("3.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_is_a_major_and_perhaps_a_minor() {
        assert_eq!(parse_minimum("3.11"), Some((3, 11)));
        assert_eq!(parse_minimum("3"), Some((3, 0)));
        assert_eq!(parse_minimum("3.11.4"), Some((3, 11)));
        assert_eq!(parse_minimum("three"), None);
        assert_eq!(minor_of("3.13.0"), Some(13));
    }
}
