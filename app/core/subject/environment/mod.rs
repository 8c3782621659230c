//! An environment: what git wants, what the gateway serves, and the pull requests that change it.

mod change;
mod command;
pub mod file;
mod observe;
mod open;
mod release;
mod step;
pub mod validate;

#[cfg(test)]
mod tests;

pub use release::{TRIED, tried};
pub use step::step;

use crate::effect::DeploymentState;
use crate::name::{
    BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo, Slug, VersionRef,
};
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
    /// Since when it answers without a break; none while it does not. Units: milliseconds since 1970, UTC.
    #[serde(default)]
    pub up_since_ms: Option<i64>,
    /// Every release that was verified here, oldest first, once in a row, at most [`HISTORY_MAX`].
    pub verified: Vec<Verified>,
    /// What GitHub was told last of an order, by its number.
    #[serde(default)]
    pub shown: Option<(u64, DeploymentState)>,
    /// Where it answers.
    pub url: Option<String>,
    /// Pull requests of ours that change it, newest last, at most [`HISTORY_MAX`].
    pub changes: Vec<Change>,
    /// Why promotions wait, where they do.
    pub hold: Option<Hold>,
    /// Commands already carried out, newest last, at most [`HISTORY_MAX`].
    pub acted: Vec<CommentId>,
    /// Whether it is gone.
    pub is_gone: bool,
    /// The head whose preview had its time, or was removed by hand; another push brings it back.
    #[serde(default)]
    pub expired: Option<CommitSha>,
    /// The head that the pull request of a preview lets it show: what ran once is not let by that.
    #[serde(default)]
    pub allowed: Option<CommitSha>,
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
    /// The command that asked for it: where, and which comment.
    #[serde(default)]
    pub asked: Option<(PrNumber, CommentId)>,
    /// Whether it is merged or closed, or could not be opened.
    pub is_over: bool,
    /// Whether it could not be opened; somebody may have it tried again.
    #[serde(default)]
    pub is_lost: bool,
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

impl Environment {
    /// An environment that has served nothing yet.
    pub fn new(repo: Repo, name: Slug, now_ms: i64) -> Environment {
        Environment {
            repo,
            pr: name
                .as_str()
                .strip_prefix("pr-")
                .and_then(|n| n.parse().ok())
                .map(PrNumber),
            name,
            wanted: None,
            generation: 0,
            phase: None,
            reason: None,
            live: None,
            live_since_ms: None,
            up_since_ms: None,
            shown: None,
            verified: Vec::new(),
            url: None,
            changes: Vec::new(),
            hold: None,
            acted: Vec::new(),
            is_gone: false,
            expired: None,
            allowed: None,
            updated_ms: now_ms,
        }
    }

    /// When a release was verified here, if it was.
    pub fn verified_at(&self, release: &Release) -> Option<i64> {
        self.verified
            .iter()
            .rev()
            .find(|v| v.release.id == release.id)
            .map(|v| v.at_ms)
    }

    /// What a rollback without a version goes back to: what is live, while something else is wanted;
    /// else the last good one before what is live first came, so that a second rollback goes further back
    /// and not to what the first one left.
    pub fn back(&self) -> Option<&Release> {
        let live = self.live.as_ref()?;
        if self
            .wanted
            .as_ref()
            .is_some_and(|wanted| wanted.id != live.id)
        {
            return Some(live);
        }
        let first = self.verified.iter().position(|v| v.release.id == live.id)?;
        self.verified[..first].last().map(|v| &v.release)
    }

    /// Since when what is live here can be counted on: verified, and answering without a break since.
    pub fn steady_since(&self) -> Option<i64> {
        let verified_ms = self.verified_at(self.live.as_ref()?)?;
        self.up_since_ms.map(|up_ms| up_ms.max(verified_ms))
    }

    /// Our change that this pull request is.
    pub fn change_of(&self, pr: PrNumber) -> Option<&Change> {
        // The newest: a change that supersedes another in place has its number.
        self.changes
            .iter()
            .rev()
            .find(|change| change.pr == Some(pr))
    }
}

impl Release {
    /// Whether it serves that version.
    pub fn has(&self, version: &VersionRef) -> bool {
        let mut models = self.models.iter();
        models.any(|(name, model)| {
            model.version == version.number
                && version.model.as_ref().is_none_or(|wanted| wanted == name)
        })
    }

    /// `v8`, or `digits v8, cats v2` where there are several.
    pub fn shown(&self) -> String {
        match self.models.values().collect::<Vec<_>>()[..] {
            [] => "no model".to_owned(),
            [one] => format!("v{}", one.version),
            _ => self
                .models
                .iter()
                .map(|(name, m)| format!("{name} v{}", m.version))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

/// The name of a pull request's preview.
pub fn preview(pr: PrNumber) -> Slug {
    Slug::parse(&format!("pr-{pr}")).expect("a number makes a good name")
}

/// What tables show of environments, previews left out.
pub fn strip(environments: &[Environment]) -> serde_json::Value {
    let rows = environments.iter().filter(|e| e.pr.is_none() && !e.is_gone).map(|e| {
        serde_json::json!({
            "name": e.name,
            "version": e.live.as_ref().map_or_else(|| "—".to_owned(), Release::shown),
            "commit": e.live.as_ref().map(|r| r.commit.clone()),
            "digest": e.live.as_ref().and_then(|r| r.models.values().next().map(|m| m.digest.clone())),
            "since_ms": e.live_since_ms,
            "phase": e.phase,
            "reason": e.reason,
            "url": e.url,
        })
    });
    serde_json::Value::Array(rows.collect())
}
