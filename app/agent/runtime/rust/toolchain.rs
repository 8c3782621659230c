//! The Rust toolchain of this machine, looked through to the real one behind rustup's shims.
//!
//! A shim would obey a repository's `rust-toolchain.toml`, and might install what that names.

use super::super::failure;
use bowsprit_core::training::spec::{Failure, FailureKind};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long a compiler may take to say who it is.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Settings that choose a toolchain.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
];

/// A real toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// Where its `bin` and its libraries are.
    pub(super) sysroot: PathBuf,
    /// All that the compiler says of itself.
    pub(super) version: String,
    /// For example `1.95.0`.
    pub(super) release: String,
    /// What it compiles for, for example `x86_64-unknown-linux-gnu`.
    pub(super) host: String,
}

/// The toolchain that is the default where this process runs. Errors: there is none (`MissingPackage`).
pub(super) async fn find() -> Result<Toolchain, Failure> {
    let missing = |why: &str| {
        failure(
            FailureKind::MissingPackage,
            format!(
                "no Rust toolchain for `runtime.rust`: {why}; install one with rustup, and let the server's PATH lead to it"
            ),
        )
    };
    let sysroot = ask("rustc".as_ref(), &["--print", "sysroot"]).await;
    let sysroot = PathBuf::from(sysroot.map_err(|why| missing(&why))?.trim());
    let compiler = sysroot.join("bin/rustc");
    let version = ask(compiler.as_os_str(), &["-vV"]).await;
    let version = version.map_err(|why| missing(&why))?.trim().to_owned();
    if !cargo_of(&sysroot).is_file() {
        let why = format!("{} has no cargo", sysroot.display());
        return Err(missing(&why));
    }
    let line = |name: &str| {
        let mut lines = version.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::to_owned)
            .ok_or_else(|| missing(&format!("`rustc -vV` names no {name}")))
    };
    Ok(Toolchain {
        release: line("release")?,
        host: line("host")?,
        sysroot,
        version,
    })
}

impl Toolchain {
    /// The real cargo.
    pub(super) fn cargo(&self) -> PathBuf {
        cargo_of(&self.sysroot)
    }
}

fn cargo_of(sysroot: &Path) -> PathBuf {
    sysroot.join("bin/cargo")
}

/// Standard output of a program asked from the root, where no repository says which toolchain answers.
async fn ask(program: &OsStr, args: &[&str]) -> Result<String, String> {
    let passed = std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(|name| PASSED.contains(&name)));
    let asked = Command::new(program)
        .args(args)
        .env_clear()
        .envs(passed)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let named = || program.to_string_lossy().into_owned();
    let output = tokio::time::timeout(ANSWER_WAIT, asked)
        .await
        .map_err(|_| format!("`{}` does not answer", named()))?
        .map_err(|error| format!("`{}` cannot be run ({error})", named()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default();
        return Err(format!("`{}` says: {said}", named()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` does not speak UTF-8", named()))
}
