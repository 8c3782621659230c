//! What the rooms shall do: effects, wakes and records, as data.
//!
//! An effect is one outcome at the far end, with a key that finds it there. It may be applied twice.
//! Core never learns how an effect is applied; it sees the stored outcome at the next look.

mod method;
mod version;

pub use method::MergeMethod;
pub use version::{Deleted, Version};

use crate::artifact::File;
use crate::contract::Deploy;
use crate::image::reference::Pinned;
use crate::name::{
    BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo, RepoPath, Slug, VersionRef,
};
use crate::serving::spec::{DoorSpec, Replicas};
use crate::subject::SubjectKey;
use crate::training::spec::{RuntimeSpec, SampleSet, StageKind, StepSpec, Trust};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An effect with its place in the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Found again by this, for ever; of a view: its slot.
    pub key: String,
    /// Whether a newer intent with the same key replaces this one.
    pub is_view: bool,
    /// Lower goes first when the write budget is short.
    pub priority: Priority,
    /// The outcome wanted.
    pub effect: Effect,
}

/// Who goes first when the write budget of an installation is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Merges.
    Merge = 0,
    /// Proposals, promotions, deployments.
    Change = 1,
    /// Answers to a person.
    Answer = 2,
    /// Final words of a check or comment.
    View = 3,
    /// Progress.
    Progress = 4,
}

/// A text made by a template from `templates/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// Template name without the ending, for example `refusal/not-an-approver`.
    pub template: String,
    /// What it is rendered with.
    pub data: serde_json::Value,
}

impl Text {
    /// A text of `template` with `data`.
    pub fn new(template: &str, data: serde_json::Value) -> Text {
        let template = template.to_owned();
        Text { template, data }
    }
}

/// One outcome at the far end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// The one status comment of a pull request says this.
    StatusComment {
        /// Where.
        repo: Repo,
        /// Which.
        pr: PrNumber,
        /// What.
        text: Text,
    },
    /// A check run says this.
    CheckRun(Box<CheckRun>),
    /// Of the labels in `managed`, exactly those in `set` are on the pull request.
    Labels {
        /// Where.
        repo: Repo,
        /// Which.
        pr: PrNumber,
        /// Wanted.
        set: BTreeSet<String>,
        /// Ours to put on and take off.
        managed: BTreeSet<String>,
        /// What of ours was on it when this was wanted: a label put on by hand makes it another intent.
        #[serde(default)]
        found: BTreeSet<String>,
    },
    /// A comment carries this reaction of ours.
    React {
        /// Where.
        repo: Repo,
        /// The comment.
        comment: CommentId,
        /// GitHub's name of the reaction, for example `+1`.
        content: String,
    },
    /// A person is answered.
    Reply {
        /// Where.
        repo: Repo,
        /// The issue or pull request.
        pr: PrNumber,
        /// The answer.
        text: Text,
    },
    /// The last comment of ours by this name says this, and is the newest on the page; or there is none.
    Note {
        /// Where.
        repo: Repo,
        /// The issue or pull request.
        pr: PrNumber,
        /// Its name.
        name: String,
        /// The text; `None` takes it away.
        text: Option<Text>,
    },
    /// Something of an issue or pull request is as a person wants it.
    Edit {
        /// Where.
        repo: Repo,
        /// The issue or pull request.
        pr: PrNumber,
        /// What.
        edit: Edit,
    },
    /// A commit has this status.
    Status(Box<Status>),
    /// Files are committed on a branch, perhaps tagged, and a pull request is open for it.
    Propose(Box<Propose>),
    /// Exactly this head is merged.
    Merge {
        /// Where.
        repo: Repo,
        /// Which.
        pr: PrNumber,
        /// The judged head; GitHub refuses another.
        head: CommitSha,
        /// The branch that it was judged for; orders of an older program do not tell.
        #[serde(default)]
        base: Option<BranchName>,
        /// First line of the merge commit.
        title: String,
        /// The rest of it, trailers at its end.
        message: String,
        /// How it comes to the branch.
        #[serde(default)]
        method: MergeMethod,
    },
    /// Exactly this head is in GitHub's own merge queue, or is not.
    Enqueue {
        /// Where.
        repo: Repo,
        /// Which.
        pr: PrNumber,
        /// The judged head; GitHub refuses another.
        head: CommitSha,
        /// Whether it is to be in.
        is_in: bool,
    },
    /// A stage of a run is started by the training backend.
    StartStage(Box<StagePlan>),
    /// A stage is ended.
    CancelStage {
        /// Its id.
        stage: String,
    },
    /// An environment serves this release.
    Deploy(Box<DeployPlan>),
    /// An environment is gone.
    Remove {
        /// The service repository.
        repo: Repo,
        /// The environment.
        environment: Slug,
    },
    /// A GitHub deployment exists for this commit, with this latest status.
    Deployment(Box<Deployment>),
    /// The bytes of a version that was deleted are gone, as far as nothing else names them.
    RemoveBytes {
        /// The service repository.
        repo: Repo,
        /// The model.
        model: Slug,
        /// The version's number.
        version: u64,
    },
}

/// What is changed on an issue or pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// People work on it, or no longer.
    Assignees {
        /// Do.
        add: BTreeSet<Login>,
        /// Do not.
        remove: BTreeSet<Login>,
    },
    /// People and teams are asked for a review, or no longer.
    Reviewers {
        /// Whether they are asked.
        add: bool,
        /// People.
        logins: BTreeSet<Login>,
        /// Teams of the owner.
        teams: BTreeSet<Slug>,
    },
    /// Labels are on it, or not; others are left alone.
    Labels {
        /// Are.
        add: BTreeSet<String>,
        /// Are not.
        remove: BTreeSet<String>,
    },
    /// It belongs to the milestone of this number, or to none.
    Milestone(Option<u64>),
    /// It has this title.
    Title(String),
    /// It is closed; nobody will do it, where so said.
    Closed {
        /// Whether it is given up.
        not_planned: bool,
    },
    /// It is open.
    Open,
}

/// A status of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where.
    pub repo: Repo,
    /// On which commit.
    pub sha: CommitSha,
    /// Its name.
    pub context: String,
    /// Whether it is green.
    pub is_success: bool,
    /// At most 140 characters are shown.
    pub description: String,
}

/// A check run: found again by `external_id` among those of its commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRun {
    /// Where.
    pub repo: Repo,
    /// On which commit.
    pub sha: CommitSha,
    /// Name as people and rulesets see it.
    pub name: String,
    /// Ours.
    pub external_id: String,
    /// How far.
    pub status: CheckStatus,
    /// Headline.
    pub title: String,
    /// The summary, Markdown.
    pub summary: Text,
    /// Annotations, at most 50 kept.
    pub annotations: Vec<Annotation>,
    /// The page of the run, as a path below the public address.
    pub page: String,
    /// Units: milliseconds since 1970, UTC.
    pub started_ms: i64,
    /// Units: milliseconds since 1970, UTC.
    pub completed_ms: Option<i64>,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Waiting.
    Queued,
    /// At work.
    InProgress,
    /// Good.
    Success,
    /// Bad.
    Failure,
    /// Ended from outside, or superseded.
    Cancelled,
    /// Nothing was to be done.
    Neutral,
    /// A person must act first.
    ActionRequired,
}

/// A word on a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The file.
    pub path: RepoPath,
    /// From 1.
    pub line: u32,
    /// The word.
    pub message: String,
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// These.
    Text(String),
    /// An artifact's. At most 1 MiB.
    Artifact(Digest),
    /// The file goes away.
    Delete,
}

/// Files, a commit, perhaps a tag, a branch, a pull request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Propose {
    /// Where.
    pub repo: Repo,
    /// The branch that the pull request goes to.
    pub base: BranchName,
    /// Our branch.
    pub branch: BranchName,
    /// What changes against the base's head.
    pub files: BTreeMap<RepoPath, Content>,
    /// Created first, on the commit: reserves a version number.
    pub tag: Option<String>,
    /// The commit's message.
    pub message: String,
    /// Title of the pull request.
    pub title: String,
    /// Its body; `{{commit}}` is known to the template.
    pub body: Text,
    /// The open pull request of this branch to change in place, and the head it must still have.
    pub replaces: Option<(PrNumber, CommitSha)>,
}

/// A stage for the training backend; the runs room turns it into a [`crate::training::spec::RunSpec`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagePlan {
    /// The stage's id.
    pub stage: String,
    /// What for.
    pub kind: StageKind,
    /// Whose code.
    pub repo: Repo,
    /// Which commit of it.
    pub sha: CommitSha,
    /// Paths left out of the snapshot (held-out data).
    pub leave_out: Vec<RepoPath>,
    /// The only paths in the snapshot; all where none is named.
    #[serde(default)]
    pub only: Vec<RepoPath>,
    /// Software.
    pub runtime: Option<RuntimeSpec>,
    /// Whether the commit is trusted.
    pub trust: Trust,
    /// Whether the commits are that the models come from.
    #[serde(default = "Trust::of_models_untold")]
    pub model_trust: Trust,
    /// Commands.
    pub steps: Vec<StepSpec>,
    /// Models laid out, bytes from the artifact store.
    pub models: Vec<ModelFiles>,
    /// `DATA_DIR`, in the snapshot.
    pub data: Option<RepoPath>,
    /// A server to probe after the steps.
    pub serve: Option<ServePlan>,
}

/// A model's files, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFiles {
    /// The directory name it is laid out under.
    pub name: String,
    /// Version number, where it has one.
    pub version: Option<u64>,
    /// The model's digest.
    pub digest: Digest,
    /// The files.
    pub files: Vec<File>,
}

/// How a service is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServePlan {
    /// The argument list.
    pub run: Vec<String>,
    /// Readiness path.
    pub ready: String,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Samples held against it.
    pub sample_sets: Vec<SampleSet>,
    /// Units: seconds.
    pub ready_timeout_s: u64,
    /// Units: thousandths of a core.
    pub cpu_millis: u32,
    /// Units: bytes.
    pub memory_bytes: u64,
    /// The model that `MODEL_DIR` names.
    pub model: Option<String>,
}

/// A release for an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployPlan {
    /// The service repository.
    pub repo: Repo,
    /// Which environment.
    pub environment: Slug,
    /// The release's id.
    pub release: String,
    /// The rollout's number.
    pub generation: u64,
    /// The service's commit.
    pub commit: CommitSha,
    /// Whether the commit is trusted.
    #[serde(default = "Trust::untold")]
    pub trust: Trust,
    /// Software.
    pub runtime: Option<RuntimeSpec>,
    /// What must succeed in an image of this release before it is kept, where releases are images.
    #[serde(default)]
    pub test: Option<Vec<String>>,
    /// The image with its code and models; whoever carries the plan out sets it, where images are kept.
    #[serde(default)]
    pub image: Option<Pinned>,
    /// The repository's own objects, for a target that has some.
    #[serde(default, alias = "manifests")]
    pub deploy: Option<Deploy>,
    /// The server; `None` while there is no model.
    pub serve: Option<ServePlan>,
    /// The models.
    pub models: Vec<ModelFiles>,
    /// Concurrency, queue and body cap; the target adds the keys.
    pub door: DoorSpec,
    /// Whether a bearer key is asked for.
    pub auth: bool,
    /// Whether what its servers print goes to the operator's log service.
    #[serde(default)]
    pub logs: bool,
    /// Servers at once; a target that can have one only has one.
    #[serde(default)]
    pub replicas: Replicas,
    /// Which of the server's further clusters it is for; the usual one where absent.
    #[serde(default)]
    pub cluster: Option<Slug>,
    /// The pull request that asked for it, where one did.
    #[serde(default)]
    pub pr: Option<PrNumber>,
}

/// A GitHub deployment with its latest status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Where.
    pub repo: Repo,
    /// The commit deployed.
    pub commit: CommitSha,
    /// Environment name as GitHub shows it.
    pub environment: String,
    /// Found again by this, in the deployment's payload.
    pub release: String,
    /// The rollout's number, in the payload too.
    pub generation: u64,
    /// The state.
    pub state: DeploymentState,
    /// At most 140 characters are shown.
    pub description: String,
    /// Where it answers.
    pub url: Option<String>,
    /// Whether GitHub lists it among the transient ones.
    pub transient: bool,
}

/// State of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// Being rolled out.
    InProgress,
    /// Verified and switched.
    Success,
    /// Not switched.
    Failure,
    /// No longer there.
    Inactive,
}

/// How an effect stands, as core sees it at the next look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How far.
    pub state: EffectState,
    /// What the far end gave back.
    pub result: EffectResult,
}

/// How far an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectState {
    /// Waiting or being tried.
    Intended,
    /// There.
    Done,
    /// Refused for good by the far end; `EffectResult::Refused` says why.
    Refused,
    /// Given up after many tries; listed for an operator.
    Dead,
}

/// What the far end gave back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum EffectResult {
    /// Nothing of interest.
    #[default]
    Nothing,
    /// A pull request.
    Proposed {
        /// Its number.
        pr: PrNumber,
        /// The commit made.
        commit: CommitSha,
    },
    /// A merge commit.
    Merged {
        /// The merge commit.
        commit: CommitSha,
        /// Its tree.
        tree: CommitSha,
    },
    /// The version number is taken by somebody else's tag.
    Taken,
    /// The far end said no.
    Refused {
        /// In its words.
        reason: String,
    },
}

/// Another subject shall be looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wake {
    /// Which.
    pub subject: SubjectKey,
    /// What it should know beside what it can look up.
    pub hint: Option<Hint>,
}

fn put_on() -> bool {
    true
}

/// What a subject is told when it is woken; kept until its next step has taken it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "hint", rename_all = "kebab-case")]
pub enum Hint {
    /// The pull request's head was pushed at this time, says GitHub.
    Pushed {
        /// The new head.
        head: CommitSha,
        /// Units: milliseconds since 1970, UTC.
        at_ms: i64,
    },
    /// This person pushed the pull request's head, says GitHub.
    PushedBy {
        /// The new head.
        head: CommitSha,
        /// Who.
        by: Login,
    },
    /// A description or a review was written just now, with this text.
    Said {
        /// Which.
        id: CommentId,
        /// The text.
        body: String,
    },
    /// A label was put on, or taken off.
    Labeled {
        /// Its name.
        label: String,
        /// By whom.
        by: Login,
        /// The head that was there then.
        head: CommitSha,
        /// Whether it was put on, as an older program told of nothing else.
        #[serde(default = "crate::effect::put_on")]
        is_on: bool,
    },
    /// Train or check this commit.
    RunWanted(crate::subject::run::Cause),
    /// Somebody wants a run again that nobody remembers.
    RunForgotten {
        /// Its id, which its check has.
        id: String,
        /// What is known of it.
        cause: crate::subject::run::Cause,
    },
    /// End this run.
    CancelRun {
        /// Who said so.
        by: Login,
    },
    /// End this run: no test of the merge queue needs it any more.
    RunUnneeded,
    /// Take the waiting version now.
    Supersede {
        /// Who said so.
        by: Login,
        /// Where to answer.
        pr: PrNumber,
        /// The command.
        comment: CommentId,
    },
    /// Delete a version of the model, or every one.
    DeleteVersions {
        /// Who said so.
        by: Login,
        /// Which; every one where absent.
        version: Option<u64>,
    },
    /// Open the promotion.
    Promote {
        /// Who said so.
        by: Login,
        /// Where to answer.
        pr: PrNumber,
        /// The command.
        comment: CommentId,
        /// Which version; the newest verified where absent.
        version: Option<VersionRef>,
    },
    /// Go back.
    Rollback {
        /// Who said so.
        by: Login,
        /// Where to answer.
        pr: PrNumber,
        /// The command.
        comment: CommentId,
        /// Which version; the last good where absent.
        version: Option<VersionRef>,
        /// Keep the code.
        model_only: bool,
    },
    /// The promotion may be opened again.
    Unhold,
    /// The preview's pull request is closed.
    Gone,
    /// Somebody wants the preview away, though its pull request may be open.
    Removed,
    /// Somebody answers for the code of this head, so that a preview may show it.
    Shown {
        /// The head.
        head: CommitSha,
    },
}

/// What is written down for pages, lists and other subjects' looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// A run as it stands.
    Run(Box<crate::subject::run::Run>),
    /// A model version.
    Version(Box<Version>),
    /// An environment as it stands.
    Environment(Box<crate::subject::environment::Environment>),
    /// Something happened: append only.
    Event {
        /// Who, where a person did it.
        who: Option<Login>,
        /// What, a few words.
        what: String,
        /// On which commit.
        sha: Option<CommitSha>,
        /// Why, for a person.
        why: String,
    },
}
