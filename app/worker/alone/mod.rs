//! A run of a working copy: the bot's own steps, answered from this machine alone.
//!
//! There is no GitHub, no store and nothing live: the folder is the commit, and its judge is its own.

mod answer;
mod proposing;
mod serving;

pub use proposing::Proposed;
pub use serving::Served;

use super::{now_ms, part, snapshot};
use crate::artifacts::Artifacts;
use crate::git::fetch::FetchLimits;
use crate::git::mirror::{self, Mirrors};
use crate::hands::StartError;
use crate::releases::Target;
use crate::runs::{Backend, Settings};
use bowsprit_core::effect::{Effect, EffectResult, EffectState, Hint, Outcome, StagePlan};
use bowsprit_core::name::{CommitSha, Digest, Login, Repo, RepoId, RepoName};
use bowsprit_core::subject::ask::Ask;
use bowsprit_core::subject::run::{Cause, Run, Trigger, What, step};
use bowsprit_core::subject::{Act, Given, ROUNDS_MAX, Step};
use bowsprit_core::training::spec::Trust;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The repositories' numbers here.
const TRAINING: RepoId = RepoId(1);
/// The service.
pub const SERVICE: RepoId = RepoId(2);
/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Of the directory of one stage. Units: bytes.
const DISK_BYTES: u64 = 10 << 30;
/// Stages and their files are kept this long.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// A folder, and what the repository that it will be pushed to is called.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Absolute.
    pub dir: PathBuf,
    /// `owner/name`.
    pub name: RepoName,
}

/// A place to try in: mirrors, runtimes and artifacts of its own.
pub struct Alone {
    mirrors: Mirrors,
    artifacts: Artifacts,
    runs: Backend,
    snapshots: PathBuf,
    state_dir: PathBuf,
    program: Vec<OsString>,
}

/// Both sides of a run, as commits.
struct Pair {
    training: Repo,
    sha: CommitSha,
    service: Option<(Repo, CommitSha)>,
    /// The run that a proposal is asked of.
    passed: Option<Run>,
}

impl Alone {
    /// Opens the place. `program` starts our own executable as an agent. Errors: directories that cannot be made.
    pub fn open(state_dir: &Path, program: Vec<OsString>) -> anyhow::Result<Alone> {
        let settings = mirror::Settings {
            dir: state_dir.join("mirrors"),
            // Nothing is fetched.
            git_url: "http://127.0.0.1".to_owned(),
            ca_file: None,
            limits: FetchLimits::default(),
        };
        let artifacts = Artifacts::open(state_dir)?;
        let ground = Settings {
            state_dir: state_dir.to_owned(),
            slots: 1,
            disk_bytes: DISK_BYTES,
            secrets: BTreeMap::new(),
        };
        Ok(Alone {
            mirrors: Mirrors::new(settings)?,
            runs: Backend::local(ground, artifacts.clone(), program.clone())?,
            artifacts,
            snapshots: state_dir.join("snapshots"),
            state_dir: state_dir.to_owned(),
            program,
        })
    }

    /// Where a file of a result is. Errors: as of [`Artifacts::path_of`].
    pub fn file(&self, sha256: &Digest) -> anyhow::Result<PathBuf> {
        self.artifacts.path_of(sha256)
    }

    /// Where services are served: below the same place, on this port or a free one. Errors: directories that cannot be made.
    pub fn target(&self, port: Option<u16>) -> anyhow::Result<Target> {
        let place = (&*self.state_dir, port.map(|port| port..=port));
        Target::local(place, self.artifacts.clone(), self.program.clone())
    }

    /// The log of a stage so far.
    pub fn log_path(&self, stage: &str) -> PathBuf {
        self.runs.log_path(stage)
    }

    /// Trains the folder's model, has its judge judge it, and the service's folder answer its samples.
    ///
    /// `except` is left out of the training's folder; `told` sees the run each time that it was looked at; `stop` cancels it.
    /// Errors: a folder that cannot be read, a backend that cannot be asked.
    pub async fn train(
        &self,
        (training, service): (&Folder, Option<&Folder>),
        (params, except): (BTreeMap<String, String>, Option<&Path>),
        stop: &CancellationToken,
        mut told: impl FnMut(&Run),
    ) -> anyhow::Result<Run> {
        self.runs.sweep(KEPT).await;
        let pair = self.take_in(training, service, except).await?;
        let mut hints = vec![Hint::RunWanted(Cause {
            repo: pair.training.clone(),
            sha: pair.sha.clone(),
            what: What::Train,
            trigger: Trigger::Again {
                branch: None,
                pr: None,
                nonce: now_ms().to_string(),
            },
            trust: Trust::Trusted,
            params,
            by: None,
        })];
        let (mut state, mut outcomes) = (None, BTreeMap::new());
        loop {
            if stop.is_cancelled() {
                hints.push(Hint::CancelRun {
                    by: Login::parse("you")?,
                });
            }
            let given = Given {
                state: state.take(),
                hints: std::mem::take(&mut hints),
                outcomes: std::mem::take(&mut outcomes),
                now_ms: now_ms(),
                since_ms: 0,
                public_url: String::new(),
            };
            let act = self.look(&pair, |ask| step(&given, ask)).await?;
            outcomes = given.outcomes;
            for intent in act.intents {
                if !outcomes.contains_key(&intent.key)
                    && let Some(outcome) = self.act(&intent.effect).await?
                {
                    outcomes.insert(intent.key, outcome);
                }
            }
            told(&act.state);
            if act.state.phase.is_final() {
                return Ok(act.state);
            }
            state = Some(act.state);
            self.runs.tend().await;
            let _stopped = tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await;
        }
    }

    async fn take_in(
        &self,
        training: &Folder,
        service: Option<&Folder>,
        except: Option<&Path>,
    ) -> anyhow::Result<Pair> {
        let sha = self
            .mirrors
            .take_in(TRAINING, &training.dir, except)
            .await?;
        let service = match service {
            None => None,
            Some(folder) => Some(self.take_in_service(folder).await?),
        };
        Ok(Pair {
            training: Repo {
                id: TRAINING,
                name: training.name.clone(),
            },
            sha,
            service,
            passed: None,
        })
    }

    async fn take_in_service(&self, folder: &Folder) -> anyhow::Result<(Repo, CommitSha)> {
        let repo = Repo {
            id: SERVICE,
            name: folder.name.clone(),
        };
        let sha = self.mirrors.take_in(SERVICE, &folder.dir, None).await?;
        Ok((repo, sha))
    }

    /// Steps until it acts.
    async fn look<S>(
        &self,
        pair: &Pair,
        mut step: impl FnMut(&mut Ask) -> Step<S>,
    ) -> anyhow::Result<Box<Act<S>>> {
        let mut ask = Ask::default();
        for _ in 0..=ROUNDS_MAX {
            match step(&mut ask) {
                Step::Nothing => break,
                Step::Act(act) => return Ok(act),
                Step::Look(queries) => {
                    for query in queries {
                        let answer = self.answer(&query, pair).await?;
                        ask.learn(query, answer);
                    }
                }
            }
        }
        anyhow::bail!("it asks without end")
    }

    /// Carries out what is of this machine; what GitHub would be told is not told.
    async fn act(&self, effect: &Effect) -> anyhow::Result<Option<Outcome>> {
        match effect {
            Effect::StartStage(plan) => Ok(Some(self.start(plan).await?)),
            Effect::CancelStage { stage } => {
                self.runs.cancel(stage).await?;
                Ok(None)
            }
            Effect::StatusComment { .. }
            | Effect::React { .. }
            | Effect::Reply { .. }
            | Effect::Note { .. }
            | Effect::Edit { .. }
            | Effect::Labels { .. }
            | Effect::Status(_)
            | Effect::CheckRun(_)
            | Effect::Propose(_)
            | Effect::Merge { .. }
            | Effect::Enqueue { .. }
            | Effect::Deployment(_)
            | Effect::Deploy(_)
            | Effect::Remove { .. }
            | Effect::RemoveBytes { .. } => Ok(None),
        }
    }

    async fn start(&self, plan: &StagePlan) -> anyhow::Result<Outcome> {
        let (at, to) = ((plan.repo.id, &plan.sha), (&*self.snapshots, &*plan.stage));
        let snapshot = snapshot(&self.mirrors, at, part(plan), to).await?;
        let (state, result) = match self.runs.start(plan, snapshot).await {
            Ok(()) => (EffectState::Done, EffectResult::Nothing),
            Err(StartError::Refused(reason)) => {
                (EffectState::Refused, EffectResult::Refused { reason })
            }
            Err(StartError::Retry(error)) => return Err(error),
        };
        Ok(Outcome { state, result })
    }
}
