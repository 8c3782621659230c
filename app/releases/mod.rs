//! Serving targets: whoever keeps environments answering.
//!
//! A target is told what an environment shall serve and is asked what it does serve. Changing servers without losing a
//! request is the gateway's business; what shall be served, and whether it is good, is decided elsewhere.

mod desk;
mod environment;
pub mod keys;
mod local;
#[cfg(test)]
mod tests;

use crate::artifacts::Artifacts;
use crate::config::{self, Config};
use crate::hands::StartError;
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::name::{RepoId, Slug};
use bowsprit_core::serving::spec::Live;
use bowsprit_core::training::spec::Source;
pub use keys::{Keys, Which};
use local::Local;
use std::ffi::OsString;
use std::path::PathBuf;

/// Who serves. The configuration refuses targets that are not built.
#[derive(Clone)]
pub enum Target {
    /// Processes on this machine, each environment behind a gateway of its own.
    Local(Local),
}

impl Target {
    /// Opens the configured target and takes up its environments. `program` starts our own executable as an agent.
    pub fn open(
        config: &Config,
        artifacts: Artifacts,
        program: Vec<OsString>,
    ) -> anyhow::Result<Target> {
        match config.releases.backend {
            config::Backend::Local => Ok(Target::Local(Local::open(config, artifacts, program)?)),
            config::Backend::Kubernetes => {
                anyhow::bail!("`releases.backend`: `kubernetes` is not built yet; use `local`")
            }
        }
    }

    /// Orders a release; an order that is not newer than the present one is left. The snapshot's file is taken over.
    ///
    /// Errors: `Refused` when a model's bytes are missing or no port is free; `Retry` when it may work later.
    pub async fn deploy(&self, plan: &DeployPlan, snapshot: Source) -> Result<(), StartError> {
        match self {
            Target::Local(local) => local.deploy(plan, snapshot).await,
        }
    }

    /// Ends an environment, with its keys and its address. Errors: it does not end in time; try again.
    pub async fn remove(&self, repo: RepoId, environment: &Slug) -> anyhow::Result<()> {
        match self {
            Target::Local(local) => local.remove(repo, environment).await,
        }
    }

    /// Ends every gateway for now; the next start of the server brings them back.
    pub async fn pause(&self) {
        match self {
            Target::Local(local) => local.pause().await,
        }
    }

    /// What an environment says of itself; `None` while it says nothing that holds.
    pub fn live(&self, repo: RepoId, environment: &Slug) -> Option<Live> {
        match self {
            Target::Local(local) => local.live(repo, environment),
        }
    }

    /// Starts gateways that are gone. Returns the environments that said something new since the last call;
    /// after a restart, all of them.
    pub async fn tend(&self) -> Vec<(RepoId, Slug)> {
        match self {
            Target::Local(local) => local.tend().await,
        }
    }

    /// The keys that an environment accepts.
    pub fn keys(&self, repo: RepoId, environment: &Slug) -> Option<Keys> {
        match self {
            Target::Local(local) => local.keys(repo, environment),
        }
    }

    /// Replaces one key by a new one; the other goes on. Errors: there is no such environment, or it cannot be written.
    pub async fn rotate(
        &self,
        repo: RepoId,
        environment: &Slug,
        which: Which,
    ) -> anyhow::Result<Keys> {
        match self {
            Target::Local(local) => local.rotate(repo, environment, which).await,
        }
    }

    /// Where an environment's log is written.
    pub fn log_path(&self, repo: RepoId, environment: &Slug) -> PathBuf {
        match self {
            Target::Local(local) => local.log_path(repo, environment),
        }
    }
}
