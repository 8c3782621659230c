//! Training backends: whoever executes the stages of runs.
//!
//! A backend takes a plan once, keeps what it was told on its side, and is asked how a stage stands.
//! It decides nothing about runs, and believes nothing that a stage wrote without looking.

mod book;
mod desk;
mod fair;
mod ingest;
mod local;
#[cfg(test)]
mod tests;
mod vault;

use crate::artifacts::Artifacts;
use crate::config::{self, Config};
use crate::hands::StartError;
use bowsprit_core::effect::StagePlan;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::spec::Source;
use local::Local;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Who executes stages. The configuration refuses backends that are not built.
#[derive(Clone)]
pub enum Backend {
    /// Processes on this machine.
    Local(Local),
}

impl Backend {
    /// Opens the configured backend and takes up the stages that it knows. `program` starts our own executable as an agent.
    pub fn open(
        config: &Config,
        artifacts: Artifacts,
        program: Vec<OsString>,
    ) -> anyhow::Result<Backend> {
        match config.runs.backend {
            config::Backend::Local => Ok(Backend::Local(Local::open(config, artifacts, program)?)),
            config::Backend::Kubernetes => {
                anyhow::bail!("`runs.backend`: `kubernetes` is not built yet; use `local`")
            }
        }
    }

    /// Takes a stage; one that is known already is left as it is. The snapshot's file is taken over.
    ///
    /// Errors: `Refused` when a model's bytes are missing or the id is no name; `Retry` when it may work later.
    pub async fn start(&self, plan: &StagePlan, snapshot: Source) -> Result<(), StartError> {
        match self {
            Backend::Local(local) => local.start(plan, snapshot).await,
        }
    }

    /// How a stage stands. `Done` only after its outputs are in the artifact store.
    pub fn view(&self, stage: &str) -> StageView {
        match self {
            Backend::Local(local) => local.view(stage),
        }
    }

    /// Ends a stage; one that is over or unknown is left as it is.
    pub async fn cancel(&self, stage: &str) -> anyhow::Result<()> {
        match self {
            Backend::Local(local) => local.cancel(stage).await,
        }
    }

    /// Starts what has a slot, notes what has ended. Returns the stages whose view changed since the last call;
    /// after a restart, every stage that still has its working files.
    pub async fn tend(&self) -> Vec<String> {
        match self {
            Backend::Local(local) => local.tend().await,
        }
    }

    /// Where a stage's log is written.
    pub fn log_path(&self, stage: &str) -> PathBuf {
        match self {
            Backend::Local(local) => local.log_path(stage),
        }
    }

    /// Removes the working files of stages that ended longer ago than this, and all of those that ended two weeks ago.
    pub async fn sweep(&self, older_than: Duration) {
        match self {
            Backend::Local(local) => local.sweep(older_than).await,
        }
    }
}
