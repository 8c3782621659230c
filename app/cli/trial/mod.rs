//! `bowsprit try`: what the bot would do with a working copy, without any server.

mod propose;
mod serve;
mod train;

use super::{out, server};
use anyhow::Context as _;
use bowsprit_core::contract::{self, CONTRACT_FILE, Contract};
use bowsprit_core::name::RepoName;
use clap::Subcommand;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Who owns repositories that are not at any server yet.
const OWNER: &str = "here";
/// Most of a log that is printed at once. Units: bytes.
const LOG_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Try {
    /// Train the model of a folder, and have its judge and its gates say what they say
    Train(train::Train),
    /// Train and judge as `train` does, and show the pull request that the model would become
    Propose(propose::Propose),
    /// Serve the folder of a service with the models that were tried, until you end it
    Serve(serve::Serve),
}

/// Does what was asked. Errors: a folder that is not of the kind, or what its server failed with.
pub(super) async fn run(verb: Try, is_json: bool) -> anyhow::Result<ExitCode> {
    match verb {
        Try::Train(args) => train::run(args, is_json).await,
        Try::Propose(args) => propose::run(args, is_json).await,
        Try::Serve(args) => serve::run(args, is_json).await,
    }
}

/// A repository that is at no server yet. Errors: it cannot be a name.
fn named(name: &str) -> anyhow::Result<RepoName> {
    Ok(RepoName::parse(&format!("{OWNER}/{name}"))?)
}

/// Cancelled once the person asks for the end.
fn until_asked() -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        server::interrupted().await;
        out::note("ending it");
        asked.cancel();
    });
    stop
}

fn absolute(dir: &Path) -> anyhow::Result<PathBuf> {
    dir.canonicalize()
        .with_context(|| format!("cannot find the folder {}", dir.display()))
}

/// The contract of a folder. Errors: there is none, or every problem of it.
fn read(dir: &Path) -> anyhow::Result<Contract> {
    let path = dir.join(CONTRACT_FILE);
    let shown = path.display();
    let text = super::contract::read(&path)?;
    contract::parse(&text).map_err(|problems| {
        let report = super::contract::report(&shown.to_string(), &text, &problems);
        anyhow::anyhow!("the contract has problems\n{}", report.trim_end())
    })
}

fn state_dir(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = super::state_dir(named, "try")?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Looks whether what a try writes stays where it is put. Errors: a link leads out of `base`.
fn no_way_out(base: &Path, to: &Path) -> anyhow::Result<()> {
    let below = to.strip_prefix(base).unwrap_or(to);
    let mut at = base.to_owned();
    for part in below.components() {
        at.push(part);
        let is_link = at.symlink_metadata().is_ok_and(|about| about.is_symlink());
        anyhow::ensure!(
            !is_link,
            "{} is a link, and a try writes there; take it away, or say --output DIR",
            at.display()
        );
    }
    Ok(())
}

/// One of a kind at a time, since all share mirrors and a queue. Errors: another is at work.
fn lock(state: &Path, name: &str) -> anyhow::Result<File> {
    let path = state.join(name);
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            anyhow::bail!("another `bowsprit try` is at work here; wait for it, or say --state DIR")
        }
    }
}

/// Whole lines behind what was read already.
fn new_lines(path: &Path, read: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(read)).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n')? + 1;
    bytes.truncate(end);
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("outputs/model")).unwrap();
        std::os::unix::fs::symlink("/etc", at("outputs/plots")).unwrap();
        assert!(no_way_out(dir.path(), &at("outputs/model/a.bin")).is_ok());
        assert!(no_way_out(dir.path(), &at("outputs/new/a.bin")).is_ok());
        let told = no_way_out(dir.path(), &at("outputs/plots/a.svg")).unwrap_err();
        assert!(told.to_string().contains("is a link"), "{told}");
        // Where the person said so, a link above is theirs.
        assert!(no_way_out(&at("outputs/plots"), &at("outputs/plots/a.svg")).is_ok());
    }

    #[test]
    fn only_whole_lines_are_taken_from_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        std::fs::write(&path, "1 a one\n2 a tw").unwrap();
        assert_eq!(new_lines(&path, 0).as_deref(), Some("1 a one\n"));
        assert_eq!(new_lines(&path, 8), None);
        std::fs::write(&path, "1 a one\n2 a two\n").unwrap();
        assert_eq!(new_lines(&path, 8).as_deref(), Some("2 a two\n"));
    }
}
