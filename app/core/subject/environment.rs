//! An environment: what git wants, what the gateway serves, and the pull requests that change it.

use crate::name::{BranchName, CommitSha, Digest, Login, PrNumber, Repo, Slug};
use crate::serving::spec::RolloutPhase;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An environment as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The service repository.
    pub repo: Repo,
    /// Its name; `pr-<number>` for a preview.
    pub name: Slug,
    /// The pull request that a preview belongs to.
    pub pr: Option<PrNumber>,
    /// What the last order wants.
    pub wanted: Option<Release>,
    /// Number of the last order.
    pub generation: u64,
    /// How far that order is.
    pub phase: Option<RolloutPhase>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What answers requests, once verified.
    pub live: Option<Release>,
    /// Since when. Units: milliseconds since 1970, UTC.
    pub live_since_ms: Option<i64>,
    /// Every release that was verified here, oldest first, at most [`HISTORY_MAX`].
    pub verified: Vec<Verified>,
    /// Where it answers.
    pub url: Option<String>,
    /// Pull requests of ours that change it, newest last, at most [`HISTORY_MAX`].
    pub changes: Vec<Change>,
    /// Why promotions wait, where they do.
    pub hold: Option<Hold>,
    /// Commands already carried out, newest last, at most [`HISTORY_MAX`].
    pub acted: Vec<u64>,
    /// Whether it is gone.
    pub is_gone: bool,
    /// Units: milliseconds since 1970, UTC.
    pub updated_ms: i64,
}

/// Most past releases, changes and commands that an environment remembers.
pub const HISTORY_MAX: usize = 100;

/// Service tree and models as one thing to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Hash over the service's tree and the models' digests.
    pub id: String,
    /// The service's commit.
    pub commit: CommitSha,
    /// The models, by name.
    pub models: BTreeMap<Slug, ModelRef>,
}

/// A model version by number and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// Its number.
    pub version: u64,
    /// Its digest.
    pub digest: Digest,
}

/// A release that was verified here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// Which.
    pub release: Release,
    /// Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
}

/// A pull request of ours that changes an environment's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Our branch.
    pub branch: BranchName,
    /// Its effect's key.
    pub key: String,
    /// The pull request, once open.
    pub pr: Option<PrNumber>,
    /// The head we made.
    pub head: Option<CommitSha>,
    /// Why.
    pub cause: ChangeCause,
    /// To which release.
    pub release: Release,
    /// Who commanded it; counts as that person's approval.
    pub by: Option<Login>,
    /// Whether it is merged or closed.
    pub is_over: bool,
}

/// Why an environment's file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeCause {
    /// Onward.
    Promotion,
    /// Back, by command.
    Rollback,
    /// Back, since the rollout failed; needs no approval.
    Revert,
    /// Past every rule, on the record.
    BreakGlass,
}

/// Why promotions wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who caused it.
    pub by: Login,
    /// In words.
    pub why: String,
    /// Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
}
