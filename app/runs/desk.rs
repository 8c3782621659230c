//! The directory of one stage: what lies there, and who wrote it.
//!
//! Ours: `meta.json`, `spec.json` (last of the two: with it the stage is taken), `started.json`, `cancel`, and
//! `ingested.json`, the checked result; `secrets/` until the agent takes them. The agent's: `agent.lock`, `status.json`, `result.json`, `log.txt`, `outputs/`.

use crate::files::{self, Readers, Stamp};
use anyhow::Context as _;
use bowsprit_core::name::RepoId;
use bowsprit_core::training::spec::{RunResult, RunSpec, Status, TAIL_LINES};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Largest order that is read again. Units: bytes.
const SPEC_BYTES_MAX: u64 = 32 << 20;
/// Largest word of an agent that is read. Units: bytes.
const WORD_BYTES_MAX: u64 = 1 << 20;
/// Largest note of our own. Units: bytes.
const NOTE_BYTES_MAX: u64 = 64 << 10;
/// Longest line of a tail that is kept. Units: characters.
const LINE_CHARS_MAX: usize = 2_000;
/// What stays of a stage that is over.
const KEPT: &[&str] = &[
    "meta.json",
    "spec.json",
    "started.json",
    "result.json",
    "ingested.json",
    "log.txt",
];

/// Whose stage it is and when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The repository, by which slots are shared.
    pub(super) repo: RepoId,
    /// Grows with every stage taken and started.
    pub(super) seq: u64,
    /// Units: milliseconds since 1970, UTC.
    pub(super) enqueued_ms: i64,
}

/// That an agent was started, written before it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Started {
    /// Grows with every stage taken and started.
    pub(super) seq: u64,
    /// How often an agent was started.
    pub(super) attempts: u32,
    /// Units: milliseconds since 1970, UTC.
    pub(super) at_ms: i64,
    /// The agent's process, once it is there.
    pub(super) pid: Option<u32>,
    /// When that process began, in the system's clock.
    pub(super) born: Option<u64>,
}

/// Which agent in a pod works on the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The pod's name.
    pub(super) name: String,
    /// The log's length when it began. Units: bytes.
    pub(super) log_offset: u64,
}

/// The directory of one stage.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    dir: PathBuf,
}

impl Desk {
    /// The desk in `dir`, which may not be there.
    pub(super) fn new(dir: PathBuf) -> Desk {
        Desk { dir }
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file or directory of it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Puts the order there; from then on the stage is taken.
    pub(super) fn write_order(&self, meta: &Meta, spec: &RunSpec) -> anyhow::Result<()> {
        files::write(&self.path("meta.json"), meta, Readers::Usual)?;
        files::write(&self.path("spec.json"), spec, Readers::Usual)
    }

    /// Where the values of named secrets are handed over, and where the agent lays them out for a step.
    pub(super) fn secrets(&self) -> PathBuf {
        self.path("secrets")
    }

    /// Removes what is left of secrets: nobody reads them any more.
    pub(super) fn drop_secrets(&self) {
        if let Err(error) = files::remove_tree(&self.secrets()) {
            tracing::error!("secrets stay in `{}`: {error}", self.dir.display());
        }
    }

    /// Whose stage it is. Errors: there is no order.
    pub(super) fn meta(&self) -> anyhow::Result<Meta> {
        anyhow::ensure!(self.path("spec.json").exists(), "there is no order");
        files::read(&self.path("meta.json"), NOTE_BYTES_MAX)?.context("there is no meta.json")
    }

    /// The order.
    pub(super) fn spec(&self) -> anyhow::Result<RunSpec> {
        files::read(&self.path("spec.json"), SPEC_BYTES_MAX)?.context("there is no order")
    }

    /// That an agent was started.
    pub(super) fn started(&self) -> anyhow::Result<Option<Started>> {
        files::read(&self.path("started.json"), NOTE_BYTES_MAX)
    }

    /// Notes that an agent is started.
    pub(super) fn write_started(&self, started: &Started) -> anyhow::Result<()> {
        files::write(&self.path("started.json"), started, Readers::Usual)
    }

    /// The agent in a pod that began last.
    pub(super) fn attempt(&self) -> anyhow::Result<Option<Attempt>> {
        files::read(&self.path("attempt.json"), NOTE_BYTES_MAX)
    }

    /// Notes that an agent in a pod began.
    pub(super) fn write_attempt(&self, attempt: &Attempt) -> anyhow::Result<()> {
        files::write(&self.path("attempt.json"), attempt, Readers::Usual)
    }

    /// Takes a live word of an agent in a pod.
    pub(super) fn write_status(&self, status: &Status) -> anyhow::Result<()> {
        files::write(&self.path("status.json"), status, Readers::Usual)
    }

    /// Whether the agent has ever had its lock, and so may have begun.
    pub(super) fn has_begun(&self) -> bool {
        self.path("agent.lock").exists()
    }

    /// Whether an agent is at work.
    pub(super) fn is_at_work(&self) -> bool {
        files::is_locked(&self.path("agent.lock"))
    }

    /// Keeps agents away while we write in their place; `None` when one is at work.
    pub(super) fn take_lock(&self) -> Option<File> {
        let path = self.path("agent.lock");
        if let Err(error) = File::options().create(true).append(true).open(&path) {
            tracing::warn!("cannot create `{}`: {error}", path.display());
        }
        files::lock(&path)
    }

    /// Asks the agent to end.
    pub(super) fn write_cancel(&self) -> anyhow::Result<()> {
        File::create(self.path("cancel")).context("cannot write `cancel`")?;
        Ok(())
    }

    /// Whether the stage was asked to end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.path("cancel").exists()
    }

    /// What the agent says it does, cut to size; `None` when it says nothing that can be read.
    pub(super) fn status(&self) -> Option<Status> {
        let read = files::read::<Status>(&self.path("status.json"), WORD_BYTES_MAX);
        let mut status = read
            .inspect_err(|error| tracing::debug!("a status is passed over: {error:#}"))
            .ok()??;
        status.progress = status.progress.filter(|share| (0.0..=1.0).contains(share));
        status.tail = cut_tail(status.tail);
        Some(status)
    }

    /// Tells one word of the agent from the next.
    pub(super) fn status_stamp(&self) -> Option<Stamp> {
        files::stamp(&self.path("status.json"))
    }

    /// Whether the agent, or we in its place, left a last word.
    pub(super) fn has_result(&self) -> bool {
        files::stamp(&self.path("result.json")).is_some()
    }

    /// The last word as it was written. Errors: it is no regular file, too large, or not understood.
    pub(super) fn result(&self) -> anyhow::Result<RunResult> {
        files::read(&self.path("result.json"), WORD_BYTES_MAX)?.context("there is no result.json")
    }

    /// Leaves a last word in the agent's place.
    pub(super) fn write_result(&self, result: &RunResult) -> anyhow::Result<()> {
        files::write(&self.path("result.json"), result, Readers::Usual)
    }

    /// The checked result.
    pub(super) fn ingested(&self) -> anyhow::Result<Option<RunResult>> {
        files::read(&self.path("ingested.json"), 2 * WORD_BYTES_MAX)
    }

    /// The checked result as it was written.
    pub(super) fn ingested_text(&self) -> anyhow::Result<Option<String>> {
        let bytes = files::read_bytes(&self.path("ingested.json"), 2 * WORD_BYTES_MAX)?;
        let text = bytes.map(String::from_utf8).transpose();
        text.context("ingested.json is no text")
    }

    /// Whether the result is checked and its outputs are stored.
    pub(super) fn is_ingested(&self) -> bool {
        self.path("ingested.json").exists()
    }

    /// When that was.
    pub(super) fn ingested_at(&self) -> Option<SystemTime> {
        std::fs::metadata(self.path("ingested.json"))
            .ok()?
            .modified()
            .ok()
    }

    /// Keeps the checked result; the stage is over from then on.
    pub(super) fn write_ingested(&self, result: &RunResult) -> anyhow::Result<()> {
        files::write(&self.path("ingested.json"), result, Readers::Usual)
    }

    /// Whether it has only what stays of a stage that is over.
    pub(super) fn is_swept(&self) -> bool {
        self.excess().is_empty()
    }

    /// Removes all but what stays of a stage that is over. Errors: the first that could not be removed.
    pub(super) fn sweep(&self) -> std::io::Result<()> {
        self.excess()
            .iter()
            .try_for_each(|path| files::remove_tree(path))
    }

    fn excess(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries
            .filter(|entry| {
                !entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| KEPT.contains(&name))
            })
            .map(|entry| entry.path())
            .collect()
    }
}

/// The last lines, each of a length that a page can show.
pub(super) fn cut_tail(tail: Vec<String>) -> Vec<String> {
    let extra = tail.len().saturating_sub(TAIL_LINES);
    tail.into_iter()
        .skip(extra)
        .map(|line| cut(&line))
        .collect()
}

/// A text of a length that a page can show.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(LINE_CHARS_MAX).collect()
}
