//! Receiving agents in pods: what each may fetch, and what it leaves on the desk of its stage.
//!
//! A token opens one stage, until that is over. Everything sent is foreign: names, sizes and offsets are held against the
//! order's limits, and nothing that was sent can be changed afterwards. An agent that a later one replaced is turned away.

use super::super::desk::{Attempt, Desk};
use super::super::shop::Shop;
use super::order::{Orders, model_path};
use crate::files;
use anyhow::Context as _;
use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::job::RUN_DIR;
use bowsprit_core::training::remote::{Begun, is_attempt};
use bowsprit_core::training::spec::{RunResult, RunSpec, Status};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The log of a stage holds so many times what one agent may write: one for each that the cluster starts.
const LOGS_MAX: u64 = 4;

/// Why an agent is turned away.
#[derive(Debug, thiserror::Error)]
pub enum Turned {
    /// There is no such stage, or this is not its token; which of them is nobody's business.
    #[error("this token opens nothing here")]
    Unknown,
    /// The stage is over: the agent ends.
    #[error("the stage is over")]
    Over,
    /// Another agent works on the stage: this one ends.
    #[error("another agent has taken the stage over")]
    Replaced,
    /// The part does not begin where the last one ended.
    #[error("the next part begins at byte {0}")]
    At(u64),
    /// What was sent cannot be taken, whoever sends it again.
    #[error("{0}")]
    Bad(String),
    /// Something fails on our side; the same may work later.
    #[error("{0:#}")]
    Later(#[from] anyhow::Error),
}

/// Where agents in pods are received; clones share it.
#[derive(Clone)]
pub struct Intake {
    shop: Shop,
    orders: Arc<Orders>,
    dir: PathBuf,
    tallies: Arc<Tallies>,
}

/// What one attempt has sent so far; held while something is taken, so that two agents of a stage wait for each other.
#[derive(Default)]
struct Tally {
    attempt: Option<String>,
    files: usize,
    bytes: u64,
}

/// An agent with the token of its stage.
pub struct Guest {
    desk: Desk,
    spec: RunSpec,
    tally: Arc<Mutex<Tally>>,
}

impl Intake {
    pub(super) fn new(shop: Shop, orders: Arc<Orders>, dir: PathBuf) -> Intake {
        Intake {
            shop,
            orders,
            dir,
            tallies: Arc::default(),
        }
    }

    /// Lets an agent in. Blocks for a read of its order. Errors: `Unknown`, `Over`, `Later`.
    pub fn receive(&self, stage: &str, token: &str) -> Result<Guest, Turned> {
        // Before the name is used for anything.
        if !self.orders.is_token(stage, token) {
            return Err(Turned::Unknown);
        }
        match self.shop.view(stage) {
            StageView::Running(_) | StageView::Waiting(_) => {}
            StageView::Done(_) => return Err(Turned::Over),
            StageView::Unknown | StageView::Queued(_) => return Err(Turned::Unknown),
        }
        let desk = Desk::new(self.dir.join(stage));
        if desk.has_result() || desk.is_cancelled() {
            return Err(Turned::Over);
        }
        Ok(Guest {
            spec: desk.spec()?,
            desk,
            tally: self.tally(stage),
        })
    }

    /// The address of a stage, as its agent reaches it.
    pub fn address(&self, stage: &str) -> String {
        self.orders.address(stage)
    }

    fn tally(&self, stage: &str) -> Arc<Mutex<Tally>> {
        let is_at_work = |stage: &str| {
            let view = self.shop.view(stage);
            matches!(view, StageView::Running(_) | StageView::Waiting(_))
        };
        self.tallies.of(stage, is_at_work)
    }
}

/// The tallies of stages at work.
#[derive(Default)]
struct Tallies(Mutex<BTreeMap<String, Arc<Mutex<Tally>>>>);

impl Tallies {
    /// The tally of a stage. Agents seldom come back once theirs is over, so what is not at work goes when one begins.
    fn of(&self, stage: &str, is_at_work: impl Fn(&str) -> bool) -> Arc<Mutex<Tally>> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tallies.contains_key(stage) {
            tallies.retain(|stage, _| is_at_work(stage));
        }
        Arc::clone(tallies.entry(stage.to_owned()).or_default())
    }
}

impl Guest {
    /// The agent begins: what one before it left makes room, its log stays. The same agent may ask again.
    ///
    /// `address` is the stage's own at the bot; sources of the order are given below it.
    pub fn begin(&self, attempt: &str, address: &str) -> Result<Begun, Turned> {
        if !is_attempt(attempt) {
            return Err(Turned::Bad(format!(
                "`{attempt}` is not the name of an attempt"
            )));
        }
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = match self.desk.attempt()? {
            Some(noted) if noted.name == attempt => noted,
            before => {
                let outputs = self.desk.path("outputs");
                files::remove_tree(&outputs).context("cannot make room for outputs")?;
                std::fs::create_dir(&outputs).context("cannot make room for outputs")?;
                files::remove_file(&self.desk.path("status.json"))
                    .context("cannot make room for a status")?;
                *tally = Tally::default();
                let log_offset = length(&self.desk.path("log.txt"))?;
                if before.is_some() {
                    tracing::info!(run.stage = %self.spec.id, "stage `{}` is begun again", self.spec.id);
                }
                let noted = Attempt {
                    name: attempt.to_owned(),
                    log_offset,
                };
                self.desk.write_attempt(&noted)?;
                noted
            }
        };
        tally.attempt = Some(noted.name.clone());
        let mut spec = self.spec.clone();
        spec.cache_dir = format!("{RUN_DIR}/cache");
        spec.snapshot.uri = format!("{address}/snapshot");
        for source in spec.models.iter_mut().flat_map(|model| &mut model.sources) {
            source.uri = format!("{address}/models/{}", source.sha256.hex());
        }
        Ok(Begun {
            spec,
            log_offset: noted.log_offset,
        })
    }

    /// The file of the snapshot.
    pub fn snapshot(&self) -> PathBuf {
        PathBuf::from(&self.spec.snapshot.uri)
    }

    /// The file of a model that the order names. Errors: `Bad`.
    pub fn model(&self, digest: &str) -> Result<PathBuf, Turned> {
        let found = Digest::parse(&format!("sha256:{digest}"))
            .ok()
            .and_then(|digest| model_path(&self.spec, &digest).map(PathBuf::from));
        found.ok_or_else(|| Turned::Bad("the order names no such model".to_owned()))
    }

    /// Takes a live word. Errors: `Bad` for what is none.
    pub fn status(&self, attempt: &str, text: &[u8]) -> Result<(), Turned> {
        let status: Status = understood(text)?;
        let _tally = self.present(attempt)?;
        Ok(self.desk.write_status(&status)?)
    }

    /// Takes a part of the log, which begins at this byte of the agent's own. Answers how much there is.
    ///
    /// Errors: `At` when it does not follow on what is there; `Bad` when the log is full.
    pub fn log(&self, attempt: &str, offset: u64, part: &[u8]) -> Result<u64, Turned> {
        let _tally = self.present(attempt)?;
        let begun = self.desk.attempt()?.map_or(0, |noted| noted.log_offset);
        let path = self.desk.path("log.txt");
        let have = length(&path)?.saturating_sub(begun);
        if offset != have {
            return Err(Turned::At(have));
        }
        let most = self.spec.limits.log_bytes.saturating_mul(LOGS_MAX);
        if begun + have + part.len() as u64 > most {
            return Err(Turned::Bad(format!("a log holds {most} bytes at most")));
        }
        append(&path, part)?;
        Ok(have + part.len() as u64)
    }

    /// Takes a part of an output, which begins at this byte of it. Answers how much there is.
    ///
    /// Errors: `At` when it does not follow on what is there; `Bad` for a path that is none and beyond the order's limits.
    pub fn output(
        &self,
        attempt: &str,
        path: &str,
        offset: u64,
        part: &[u8],
    ) -> Result<u64, Turned> {
        let path = RepoPath::parse(path)
            .map_err(|error| Turned::Bad(format!("`{path}` is no path: {error}")))?;
        let mut tally = self.present(attempt)?;
        let file = self.desk.path("outputs").join(path.as_str());
        let have = match std::fs::symlink_metadata(&file) {
            Ok(about) if about.is_file() => Some(about.len()),
            Ok(_) => return Err(Turned::Bad(format!("`{path}` is a directory"))),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(Turned::Bad(format!("`{path}` lies below a file")));
            }
            Err(error) => return Err(anyhow::Error::from(error).into()),
        };
        if offset != have.unwrap_or(0) {
            return Err(Turned::At(have.unwrap_or(0)));
        }
        let limits = &self.spec.limits;
        let (files, bytes) = (
            tally.files + usize::from(have.is_none()),
            tally.bytes.saturating_add(part.len() as u64),
        );
        if files > limits.output_files {
            return Err(Turned::Bad(format!(
                "{} outputs are kept at most",
                limits.output_files
            )));
        }
        if bytes > limits.disk_bytes {
            return Err(Turned::Bad(format!(
                "outputs of {} bytes are kept at most",
                limits.disk_bytes
            )));
        }
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make room for `{path}`"))?;
        }
        append(&file, part)?;
        (tally.files, tally.bytes) = (files, bytes);
        Ok(offset + part.len() as u64)
    }

    /// Takes the last word: the stage is over from then on. Errors: `Bad` for what is none; `Over` when there is one.
    pub fn result(&self, attempt: &str, text: &[u8]) -> Result<(), Turned> {
        let result: RunResult = understood(text)?;
        let _tally = self.present(attempt)?;
        let Some(_lock) = self.desk.take_lock() else {
            return Err(anyhow::anyhow!("the stage is being ended").into());
        };
        if self.desk.has_result() {
            return Err(Turned::Over);
        }
        Ok(self.desk.write_result(&result)?)
    }

    /// Turns away whoever is not the agent that began last.
    fn present(&self, attempt: &str) -> Result<std::sync::MutexGuard<'_, Tally>, Turned> {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.attempt.is_none() {
            // The bot was started again meanwhile; the agent was not.
            *tally = self.recount()?;
        }
        match tally.attempt.as_deref() == Some(attempt) {
            true => Ok(tally),
            false => Err(Turned::Replaced),
        }
    }

    fn recount(&self) -> Result<Tally, Turned> {
        let mut tally = Tally {
            attempt: self.desk.attempt()?.map(|noted| noted.name),
            ..Tally::default()
        };
        let mut open = vec![self.desk.path("outputs")];
        while let Some(dir) = open.pop() {
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(anyhow::Error::from(error).into()),
            };
            for entry in entries {
                let about = entry
                    .and_then(|entry| Ok((entry.path(), entry.metadata()?)))
                    .context("cannot count outputs")?;
                match about.1.is_dir() {
                    true => open.push(about.0),
                    false => {
                        tally.files += 1;
                        tally.bytes += about.1.len();
                    }
                }
            }
        }
        Ok(tally)
    }
}

fn understood<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Turned> {
    serde_json::from_slice(text).map_err(|error| Turned::Bad(format!("cannot be read: {error}")))
}

fn length(path: &Path) -> anyhow::Result<u64> {
    match std::fs::metadata(path) {
        Ok(about) => Ok(about.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).context("cannot measure what is there"),
    }
}

/// What is half written when the disk fails is cut off again: a part is there or it is not.
fn append(path: &Path, part: &[u8]) -> anyhow::Result<()> {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .context("cannot open what it belongs to")?;
    let before = file.metadata()?.len();
    if let Err(error) = file.write_all(part) {
        file.set_len(before)?;
        return Err(error).context("cannot be kept");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_over_leaves_nothing_behind() {
        let tallies = Tallies::default();
        let one = tallies.of("one", |_| true);
        assert!(Arc::ptr_eq(&one, &tallies.of("one", |_| true)));
        for number in 0..100 {
            let own = format!("stage-{number}");
            tallies.of(&own, |stage| stage == "one");
        }
        let mut left = tallies.0.lock().unwrap();
        assert_eq!(left.len(), 2, "the one at work, and the newest");
        assert!(
            left.remove("one")
                .is_some_and(|kept| Arc::ptr_eq(&kept, &one))
        );
    }
}
