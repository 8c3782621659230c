//! Training backends: whoever executes the stages of runs.
//!
//! A backend takes a plan once, keeps what it was told on its side, and is asked how a stage stands.
//! It decides nothing about runs, and believes nothing that a stage wrote without looking.

mod book;
mod crew;
mod desk;
mod fair;
mod ingest;
mod kubernetes;
mod processes;
mod shop;
#[cfg(test)]
mod tests;
mod vault;

use crate::artifacts::Artifacts;
use crate::cluster::Cluster;
use crate::config::{self, Config};
use crate::hands::{self, Hands, StartError};
use anyhow::Context as _;
use bowsprit_core::effect::StagePlan;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::spec::{RuntimeSpec, Source, StepSpec};
use kubernetes::Jobs;
pub use kubernetes::{Guest, Intake, Turned};
use processes::Processes;
pub use shop::Settings;
use shop::Shop;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Who executes stages.
#[derive(Clone)]
pub enum Backend {
    /// Processes on this machine.
    Local(Shop),
    /// Jobs of a cluster.
    Kubernetes(Jobs),
}

impl Backend {
    /// Opens the configured backend and takes up the stages that it knows. `program` starts our own executable as an agent;
    /// `cluster` is there where one is configured.
    pub fn open(
        config: &Config,
        artifacts: Artifacts,
        program: Vec<OsString>,
        cluster: Option<&Cluster>,
    ) -> anyhow::Result<Backend> {
        match config.runs.backend {
            config::Backend::Local => Backend::local(config.into(), artifacts, program),
            config::Backend::Kubernetes => {
                let cluster = cluster.context("there is no way to the cluster")?;
                Ok(Backend::Kubernetes(Jobs::open(config, artifacts, cluster)?))
            }
        }
    }

    /// Processes of this machine, whatever else is configured.
    pub fn local(
        settings: Settings,
        artifacts: Artifacts,
        program: Vec<OsString>,
    ) -> anyhow::Result<Backend> {
        let runtimes = hands::directory(&settings.state_dir, "runtimes")?;
        let cache_dir = hands::text_of(&runtimes)?;
        let crew = Processes::new(Hands::new(program)?);
        let shop = Shop::open(settings, artifacts, cache_dir, Box::new(crew))?;
        Ok(Backend::Local(shop))
    }

    /// Takes a stage; one that is known already is left as it is. The snapshot's file is taken over.
    ///
    /// Errors: `Refused` when a model's bytes are missing, the id is no name, or the software, or that of a step, is an image that this backend cannot have;
    /// `Retry` when it may work later.
    pub async fn start(&self, plan: &StagePlan, snapshot: Source) -> Result<(), StartError> {
        match self {
            Backend::Local(shop) => {
                hands::refuse(&snapshot, plan.runtime.as_ref(), RuntimeSpec::local_refusal)?;
                hands::refuse(&snapshot, &plan.steps, StepSpec::local_refusal)?;
                shop.start(plan, snapshot).await
            }
            Backend::Kubernetes(jobs) => {
                hands::refuse(
                    &snapshot,
                    plan.runtime.as_ref(),
                    RuntimeSpec::unbuilt_refusal,
                )?;
                jobs.start(plan, snapshot).await
            }
        }
    }

    /// Whether stages run in images.
    pub fn takes_images(&self) -> bool {
        match self {
            Backend::Local(_) => false,
            Backend::Kubernetes(_) => true,
        }
    }

    /// How a stage stands. `Done` only after its outputs are in the artifact store.
    pub fn view(&self, stage: &str) -> StageView {
        match self {
            Backend::Local(shop) => shop.view(stage),
            Backend::Kubernetes(jobs) => jobs.view(stage),
        }
    }

    /// Ends a stage; one that is over or unknown is left as it is.
    pub async fn cancel(&self, stage: &str) -> anyhow::Result<()> {
        match self {
            Backend::Local(shop) => shop.cancel(stage).await,
            Backend::Kubernetes(jobs) => jobs.cancel(stage).await,
        }
    }

    /// Starts what has a slot, notes what has ended. Returns the stages whose view changed since the last call;
    /// after a restart, every stage that still has its working files.
    pub async fn tend(&self) -> Vec<String> {
        match self {
            Backend::Local(shop) => shop.tend().await,
            Backend::Kubernetes(jobs) => jobs.tend().await,
        }
    }

    /// Where a stage's log is written.
    pub fn log_path(&self, stage: &str) -> PathBuf {
        match self {
            Backend::Local(shop) => shop.log_path(stage),
            Backend::Kubernetes(jobs) => jobs.log_path(stage),
        }
    }

    /// Where agents in pods are received; `None` where there are none.
    pub fn intake(&self) -> Option<&Intake> {
        match self {
            Backend::Local(_) => None,
            Backend::Kubernetes(jobs) => Some(jobs.intake()),
        }
    }

    /// The checked results of those known stages, by their ids, that are wanted, as they were written.
    pub async fn results(&self, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<String>> {
        match self {
            Backend::Local(shop) => shop.results(is_wanted).await,
            Backend::Kubernetes(jobs) => jobs.results(is_wanted).await,
        }
    }

    /// Removes the working files of stages that ended longer ago than this, and all of those that ended two weeks ago.
    pub async fn sweep(&self, older_than: Duration) {
        match self {
            Backend::Local(shop) => shop.sweep(older_than).await,
            Backend::Kubernetes(jobs) => jobs.sweep(older_than).await,
        }
    }
}
