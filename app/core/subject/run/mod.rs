//! A run: one execution of the contract's steps on a commit, and what its judge says.

pub mod check;
pub(crate) mod evaluate;
mod forgotten;
mod idle;
pub mod old;
mod parity;
pub(crate) mod plan;
mod same;
mod secrets;
mod stage;
mod step;
mod train;
mod verdict;

#[cfg(test)]
mod tests;

pub use step::step;

use crate::artifact::File;
use crate::effect::ModelFiles;
use crate::gate::Verdict;
use crate::image::reference::Pinned;
use crate::name::{BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo, Slug};
use crate::training::spec::{Failure, Metric, MetricValue, ProbeResult, Trust};
use old::OldJudge;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// `r` and twelve hex digits, made from `cause`.
    pub id: String,
    /// Whose code.
    pub repo: Repo,
    /// Which commit.
    pub sha: CommitSha,
    /// Why it exists, and what it is called.
    pub cause: Cause,
    /// How far.
    pub phase: Phase,
    /// The model's name, for a training run.
    pub model: Option<Slug>,
    /// The service repository's name, for a training run.
    pub service: Option<String>,
    /// The stages so far.
    pub stages: Vec<Stage>,
    /// Commit that the judge was taken from.
    pub judge_sha: Option<CommitSha>,
    /// Whether it ran for another branch than the default one: such a run never registers.
    #[serde(default)]
    pub is_aside: bool,
    /// Digest of the judge.
    pub judge_digest: Option<Digest>,
    /// Hash of the software that the judge ran in.
    #[serde(default)]
    pub judged_in: Option<Digest>,
    /// What the judge before this one says, where the model that is live or proposed had another.
    #[serde(default)]
    pub old_judge: Option<OldJudge>,
    /// The model it made.
    pub made: Option<ModelFiles>,
    /// Small files of the evaluation (samples, schema, plots), by path.
    pub evidence: Vec<File>,
    /// What the judge measured on the candidate.
    pub metrics: BTreeMap<String, Metric>,
    /// What the judge measured on the live model, with its version.
    pub live: Option<(u64, BTreeMap<String, Metric>)>,
    /// The run whose figures of the live model are taken, where they were not measured again.
    #[serde(default)]
    pub live_run: Option<String>,
    /// What the service's runtime answered.
    pub probe: Option<ProbeResult>,
    /// Whether the training measured itself.
    pub self_reported: bool,
    /// One a gate.
    pub verdicts: Vec<Verdict>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Last log lines of the failing stage.
    pub tail: Vec<String>,
    /// Why it was cancelled.
    pub cancelled: Option<String>,
    /// Hash of the software it was trained in.
    pub runtime: Option<Digest>,
    /// The images that steps of its training ran in, by their names, where these had their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, Pinned>,
    /// Why the steps were not confined, where they were not.
    pub unconfined: Option<String>,
    /// A note for the person: why nothing was done, or why a gate was left out.
    pub note: Option<String>,
    /// Digest of all that its verdict hangs on, where the repository's merge queue tests.
    #[serde(default)]
    pub inputs: Option<Digest>,
    /// The run whose inputs are equal, and whose verdict is this one's.
    #[serde(default)]
    pub same_as: Option<String>,
    /// What the check run showed last, and when: progress is not repeated within a minute.
    pub shown: Option<(String, i64)>,
    /// Units: milliseconds since 1970, UTC.
    pub created_ms: i64,
    /// Units: milliseconds since 1970, UTC.
    pub finished_ms: Option<i64>,
}

/// Why a run exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Whose code.
    pub repo: Repo,
    /// Which commit.
    pub sha: CommitSha,
    /// What is executed.
    pub what: What,
    /// Who or what wanted it.
    pub trigger: Trigger,
    /// Whether the commit is trusted.
    pub trust: Trust,
    /// Changed parameters (`/train key=value`); such a run never registers.
    pub params: BTreeMap<String, String>,
    /// Who pushed or asked.
    pub by: Option<Login>,
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Training, evaluation, gates.
    Train,
    /// The service's tests with the models of the change.
    Service,
    /// A named check of the contract.
    Check(Slug),
}

/// Who or what wanted a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A push to a branch.
    Push {
        /// The branch.
        branch: BranchName,
    },
    /// A pull request's head.
    Pull {
        /// Which.
        pr: PrNumber,
        /// The head of its base, whose judge judges.
        base: CommitSha,
        /// Since when it goes to another branch than before. Units: milliseconds since 1970, UTC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retargeted_ms: Option<i64>,
    },
    /// A command in a comment.
    Comment {
        /// On which pull request.
        pr: PrNumber,
        /// The comment.
        comment: CommentId,
        /// The head of its base, whose judge judges.
        base: CommitSha,
    },
    /// The re-run button, or a call of the API; `nonce` tells one from another.
    Again {
        /// Of which branch.
        branch: Option<BranchName>,
        /// On which pull request, with the head of its base.
        pr: Option<(PrNumber, CommitSha)>,
        /// The delivery's or the call's id.
        nonce: String,
    },
    /// Heads merged in their order into a branch, tested together before they land; nothing of it is at GitHub.
    Queue {
        /// The branch.
        branch: BranchName,
        /// Its head that they are merged into, whose judge judges.
        base: CommitSha,
        /// Whose heads, in order.
        members: Vec<(PrNumber, CommitSha)>,
        /// All that this test runs, this run's part among it.
        whats: Vec<What>,
        /// How often the same heads were tested on the same base before.
        turn: u32,
        /// What it leaves out since it was overridden, and on whose head.
        #[serde(default)]
        left_out: Vec<(PrNumber, String)>,
    },
}

/// Most runs of a branch that are looked at for what was trained there.
pub const BRANCH_RUNS_MAX: usize = 20;

/// What the reason begins with why somebody's word ended a run.
pub const BY_HAND: &str = "cancelled by ";

/// Why a run ended that a draft needs no longer.
pub const DRAFT: &str = "the pull request is a draft";

/// What a run's nonce begins with that begins by itself once the draft is none any more.
pub const READY: &str = "ready after ";

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Recorded.
    Pending,
    /// A stage is under way.
    Running,
    /// Every step succeeded and, of a training run, no blocking gate said no.
    Succeeded,
    /// A step failed, or a gate said no.
    Failed,
    /// Ended from outside.
    Cancelled,
    /// Nothing was to be done: no trigger, no contract.
    Skipped,
}

impl Run {
    /// A run that has not begun.
    pub fn new(cause: Cause, now_ms: i64) -> Run {
        Run {
            id: cause.run_id(),
            repo: cause.repo.clone(),
            sha: cause.sha.clone(),
            cause,
            phase: Phase::Pending,
            model: None,
            service: None,
            stages: Vec::new(),
            judge_sha: None,
            is_aside: false,
            judge_digest: None,
            judged_in: None,
            old_judge: None,
            made: None,
            evidence: Vec::new(),
            metrics: BTreeMap::new(),
            live: None,
            live_run: None,
            probe: None,
            self_reported: false,
            verdicts: Vec::new(),
            failure: None,
            tail: Vec::new(),
            cancelled: None,
            runtime: None,
            images: BTreeMap::new(),
            unconfined: None,
            note: None,
            inputs: None,
            same_as: None,
            shown: None,
            created_ms: now_ms,
            finished_ms: None,
        }
    }

    /// The finite metrics of the candidate.
    pub fn numbers(&self) -> BTreeMap<String, f64> {
        let finite = |(name, metric): (&String, &Metric)| match metric.value {
            MetricValue::Number(value) if value.is_finite() => Some((name.clone(), value)),
            MetricValue::Number(_) | MetricValue::Other(_) => None,
        };
        self.metrics.iter().filter_map(finite).collect()
    }
}

/// A stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its id.
    pub id: String,
    /// `train`, `evaluate`, `parity`, `check`.
    pub name: String,
    /// Whether it has ended.
    pub is_done: bool,
    /// Units: milliseconds.
    pub duration_ms: Option<u64>,
}

impl Cause {
    /// The run's id: the same cause is the same run.
    pub fn run_id(&self) -> String {
        let text = serde_json::to_string(&(
            &self.repo.id,
            &self.sha,
            &self.what,
            &self.trigger.key(),
            &self.params,
        ));
        format!(
            "r{}",
            Digest::of(text.unwrap_or_default().as_bytes()).short()
        )
    }
}

impl Trigger {
    /// What makes it another run of the same commit.
    fn key(&self) -> String {
        match self {
            Trigger::Push { branch } => format!("push {branch}"),
            Trigger::Pull {
                pr,
                retargeted_ms: None,
                ..
            } => format!("pull {pr}"),
            Trigger::Pull {
                pr,
                retargeted_ms: Some(ms),
                ..
            } => format!("pull {pr} retargeted {ms}"),
            Trigger::Comment { comment, .. } => format!("comment {comment}"),
            Trigger::Again { nonce, .. } => format!("again {nonce}"),
            Trigger::Queue { branch, turn, .. } => format!("queue {branch} {turn}"),
        }
    }

    /// The pull request that it belongs to, with the head of its base.
    pub fn pull(&self) -> Option<(PrNumber, &CommitSha)> {
        match self {
            Trigger::Push { .. } | Trigger::Queue { .. } => None,
            Trigger::Pull { pr, base, .. } | Trigger::Comment { pr, base, .. } => Some((*pr, base)),
            Trigger::Again { pr, .. } => pr.as_ref().map(|(pr, base)| (*pr, base)),
        }
    }

    /// The branch whose commit it is.
    pub fn branch(&self) -> Option<&BranchName> {
        match self {
            Trigger::Push { branch } => Some(branch),
            Trigger::Pull { .. } | Trigger::Comment { .. } | Trigger::Queue { .. } => None,
            Trigger::Again { branch, .. } => branch.as_ref(),
        }
    }

    /// The commit of a protected branch whose judge judges, where it is not the default branch's head.
    pub fn base(&self) -> Option<&CommitSha> {
        match self {
            Trigger::Queue { base, .. } => Some(base),
            Trigger::Push { .. }
            | Trigger::Pull { .. }
            | Trigger::Comment { .. }
            | Trigger::Again { .. } => self.pull().map(|(_, base)| base),
        }
    }

    /// The branch whose merge queue tests, with the members of the test.
    pub fn queue(&self) -> Option<(&BranchName, &[(PrNumber, CommitSha)])> {
        match self {
            Trigger::Queue {
                branch, members, ..
            } => Some((branch, members)),
            Trigger::Push { .. }
            | Trigger::Pull { .. }
            | Trigger::Comment { .. }
            | Trigger::Again { .. } => None,
        }
    }
}

impl What {
    /// What has a check run of this name; `None` where nothing can.
    pub fn of_check(name: &str) -> Option<What> {
        Some(match name {
            "train" => What::Train,
            "bowsprit/service" => What::Service,
            other => What::Check(Slug::parse(other).ok()?),
        })
    }

    /// Name of its check run.
    pub fn check_name(&self) -> String {
        match self {
            What::Train => "train".to_owned(),
            What::Service => "bowsprit/service".to_owned(),
            What::Check(name) => name.to_string(),
        }
    }
}

impl Phase {
    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        match self {
            Phase::Pending | Phase::Running => false,
            Phase::Succeeded | Phase::Failed | Phase::Cancelled | Phase::Skipped => true,
        }
    }
}
