//! Serving targets: whoever keeps environments answering.
//!
//! A target is told what an environment shall serve and is asked what it does serve. Changing servers without losing a
//! request is the gateway's business; what shall be served, and whether it is good, is decided elsewhere.

mod desk;
mod environment;
pub mod keys;
mod kubernetes;
mod local;
mod order;
mod push;
#[cfg(test)]
mod tests;

use crate::artifacts::Artifacts;
use crate::config::{self, Config};
use crate::hands::StartError;
use anyhow::Context as _;
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::name::{RepoId, Slug};
use bowsprit_core::serving::spec::{Live, ServeSpec};
use bowsprit_core::training::spec::Source;
pub use keys::{Keys, Which};
use kubernetes::Kubernetes;
pub use kubernetes::{Commit, Ways};
use local::Local;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Who serves. The configuration refuses targets that are not built.
#[derive(Clone)]
pub enum Target {
    /// Processes on this machine, each environment behind a gateway of its own.
    Local(Local),
    /// Deployments in a cluster.
    Kubernetes(Kubernetes),
}

impl Target {
    /// Opens the configured target and takes up its environments. `program` starts our own executable as an agent;
    /// `ways` to clusters are there where one is configured.
    pub fn open(
        config: &Config,
        artifacts: Artifacts,
        program: Vec<OsString>,
        ways: Option<Ways>,
    ) -> anyhow::Result<Target> {
        match config.releases.backend {
            config::Backend::Local => {
                let ports = config.releases.ports.clone();
                let place = (config.state_dir.as_path(), ports);
                let push_url = config.logs.push_url.as_deref();
                let local = Local::open(place, artifacts, program, push_url)?;
                Ok(Target::Local(local))
            }
            config::Backend::Kubernetes => {
                let ways = ways.context("there is no way to the cluster")?;
                let target = Kubernetes::open(config, artifacts, ways, program)?;
                Ok(Target::Kubernetes(target))
            }
        }
    }

    /// Processes of this machine, below a directory and on these ports, whatever else is configured.
    pub fn local(
        place: (&Path, Option<RangeInclusive<u16>>),
        artifacts: Artifacts,
        program: Vec<OsString>,
    ) -> anyhow::Result<Target> {
        let local = Local::open(place, artifacts, program, None)?;
        Ok(Target::Local(local))
    }

    /// Orders a release; an order that is not newer than the present one is left. The snapshot's file is taken over.
    ///
    /// Errors: `Refused` when a model's bytes are missing or no port is free; `Retry` when it may work later.
    pub async fn deploy(&self, plan: &DeployPlan, snapshot: Source) -> Result<(), StartError> {
        match self {
            Target::Local(local) => local.deploy(plan, snapshot).await,
            Target::Kubernetes(cluster) => cluster.deploy(plan, snapshot).await,
        }
    }

    /// Whether releases run in images, so that one with code and models can be made for them.
    pub fn takes_images(&self) -> bool {
        matches!(self, Target::Kubernetes(_))
    }

    /// Ends an environment, with its keys and its address. Errors: it does not end in time; try again.
    pub async fn remove(&self, repo: RepoId, environment: &Slug) -> anyhow::Result<()> {
        match self {
            Target::Local(local) => local.remove(repo, environment).await,
            Target::Kubernetes(cluster) => cluster.remove(repo, environment).await,
        }
    }

    /// Ends every gateway on this machine for now; the next start of the server brings them back.
    pub async fn pause(&self) {
        match self {
            Target::Local(local) => local.pause().await,
            // Environments in a cluster do not live on this machine and go on without it.
            Target::Kubernetes(_) => {}
        }
    }

    /// What an environment says of itself; `None` while it says nothing that holds.
    pub fn live(&self, repo: RepoId, environment: &Slug) -> Option<Live> {
        match self {
            Target::Local(local) => local.live(repo, environment),
            Target::Kubernetes(cluster) => cluster.live(repo, environment),
        }
    }

    /// Starts gateways that are gone. Returns the environments that said something new since the last call;
    /// after a restart, all of them.
    pub async fn tend(&self) -> Vec<(RepoId, Slug)> {
        match self {
            Target::Local(local) => local.tend().await,
            Target::Kubernetes(cluster) => cluster.tend(),
        }
    }

    /// The keys that an environment accepts.
    pub fn keys(&self, repo: RepoId, environment: &Slug) -> Option<Keys> {
        match self {
            Target::Local(local) => local.keys(repo, environment),
            Target::Kubernetes(cluster) => cluster.keys(repo, environment),
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
            Target::Kubernetes(cluster) => cluster.rotate(repo, environment, which).await,
        }
    }

    /// Looks for environments that nobody here knows of; [`Target::tend`] tells of them, so that somebody decides.
    pub async fn sweep(&self) {
        match self {
            // A directory is the environment: none is there that is not known.
            Target::Local(_) => {}
            Target::Kubernetes(cluster) => cluster.sweep().await,
        }
    }

    /// The order of a release for a pod that shows its environment's token; `None` for every other.
    pub fn order(&self, key: &(RepoId, Slug), release: &str, token: &str) -> Option<ServeSpec> {
        match self {
            // Gateways on this machine read theirs from their directories.
            Target::Local(_) => None,
            Target::Kubernetes(cluster) => cluster.order(key, release, token),
        }
    }

    /// Where a file of such a release lies, by release and hex digest.
    pub fn file(&self, key: &(RepoId, Slug), of: (&str, &str), token: &str) -> Option<PathBuf> {
        match self {
            Target::Local(_) => None,
            Target::Kubernetes(cluster) => cluster.file(key, of, token),
        }
    }

    /// Where an environment's log is written.
    pub fn log_path(&self, repo: RepoId, environment: &Slug) -> PathBuf {
        match self {
            Target::Local(local) => local.log_path(repo, environment),
            Target::Kubernetes(cluster) => cluster.log_path(repo, environment),
        }
    }
}
