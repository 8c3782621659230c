//! The questions that core may ask, and a way to ask them that reads like reading.
//!
//! A step calls `ask.contract(..)?`-like accessors; what is not known yet is collected, and the corridor fetches it.

use crate::artifact::File;
use crate::contract::{Contract, Problem};
use crate::effect::Version;
use crate::gate::Policies;
use crate::habits::{Habits, Member};
use crate::image::reference::Pinned;
use crate::name::{
    BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo, RepoId, RepoName, RepoPath,
    Slug, Team,
};
use crate::owners::Owners;
use crate::queue::Landed;
use crate::serving::spec::Live;
pub use crate::subject::contexts::{Context, ContextState, RequiredContext};
use crate::subject::environment::Environment;
use crate::subject::pause::Pause;
use crate::subject::pull::{QueueEntry, Ready};
use crate::subject::run::Run;
use crate::training::spec::{RunResult, Status};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Query {
    /// A repository by id, as the installation shows it.
    Repository(RepoId),
    /// A repository by name.
    RepositoryNamed(RepoName),
    /// The head of a branch now.
    Head(RepoId, BranchName),
    /// A pull request or issue now.
    Pull(RepoId, PrNumber),
    /// A pull request or issue as it was read last, where nothing says that it changed since.
    KeptPull(RepoId, PrNumber),
    /// The open pull request from this branch of ours.
    OpenPull(RepoId, BranchName),
    /// What a change changes against its merge base.
    Changes(RepoId, CommitSha, CommitSha),
    /// All comments.
    Comments(RepoId, PrNumber),
    /// All comments as they were read last and told of since, where nothing says that they changed otherwise.
    KeptComments(RepoId, PrNumber),
    /// All comments on lines of the change.
    DiffComments(RepoId, PrNumber),
    /// All reviews.
    Reviews(RepoId, PrNumber),
    /// OWNERS files at a commit.
    Owners(RepoId, CommitSha),
    /// What a person may do in a repository.
    Permission(RepoId, Login),
    /// Whether a person has a place in a repository, beside reading what everybody may read.
    Collaborator(RepoId, Login),
    /// Whether a person is a member of the organisation that owns a repository; where a person owns it, only that one is.
    OrgMember(RepoId, Login),
    /// Whether a person is a member of a team of the organisation that owns a repository.
    TeamMember(RepoId, Team, Login),
    /// Labels that the repository has.
    Labels(RepoId),
    /// Open milestones of the repository: number and title.
    Milestones(RepoId),
    /// Statuses and check runs of a commit.
    Contexts(RepoId, CommitSha),
    /// Open issues with this label.
    Blockers(RepoId, String),
    /// Whether GitHub's own queue merges into a branch.
    MergeQueue(RepoId, BranchName),
    /// Where a pull request stands in GitHub's own queue.
    QueueEntry(RepoId, PrNumber),
    /// Pull requests that are ready to merge into a branch, as they were looked at last.
    Pool(RepoId, BranchName),
    /// Contexts that the branch's rules require.
    Required(RepoId, BranchName),
    /// The contract at a commit.
    Contract(RepoId, CommitSha),
    /// Policies of the repository at a commit, with those that ship.
    Policies(RepoId, CommitSha),
    /// A text file at a commit.
    Text(RepoId, CommitSha, RepoPath),
    /// Subject line of a commit, its author's login where known, its committed time.
    Commit(RepoId, CommitSha),
    /// Manifests under `models/` at a commit, with their samples.
    Models(RepoId, CommitSha),
    /// Id of the service's own files at a commit.
    ServiceTree(RepoId, CommitSha),
    /// Tree of a commit, and of the merge of the second into the first.
    MergeTree(RepoId, CommitSha, CommitSha),
    /// The merge of heads into a commit, one after the other.
    Chain(RepoId, CommitSha, Vec<CommitSha>),
    /// Which of these heads came to a branch since the oldest of these commits on it: commits, the branch's head, heads.
    Landed(RepoId, Vec<CommitSha>, CommitSha, Vec<CommitSha>),
    /// Digest over all files at a commit but those that one of these patterns matches.
    Inputs(RepoId, CommitSha, Vec<String>),
    /// What a commit changes, on top of another: the merged one, and the head that it is picked onto.
    Picked(RepoId, CommitSha, CommitSha),
    /// Whether the first is an ancestor of the second, or equal.
    IsAncestor(RepoId, CommitSha, CommitSha),
    /// Digest over what a snapshot of these paths holds at a commit; of all where none is named.
    SnapshotDigest(RepoId, CommitSha, Vec<RepoPath>),
    /// Digest over all files at these paths at a commit.
    JudgeDigest(RepoId, CommitSha, Vec<RepoPath>),
    /// A stage of a run.
    Stage(String),
    /// Samples and small files of an artifact.
    Samples(Digest),
    /// Runs on a commit.
    Runs(RepoId, CommitSha),
    /// The newest runs of a branch, at most [`crate::subject::run::BRANCH_RUNS_MAX`].
    BranchRuns(RepoId, BranchName),
    /// Tests of a branch's merge queue, the newest [`crate::queue::RUNS_MAX`] runs of them.
    QueueRuns(RepoId, BranchName),
    /// The newest runs on inputs of this digest.
    RunsOfInputs(RepoId, Digest),
    /// A run by id.
    Run(String),
    /// The newest run on this branch that may be proposed for this model.
    PassedRun(RepoId, BranchName, Slug),
    /// The run of a model's next version, which waits for the open proposal.
    Next(RepoId, Slug),
    /// Every version of a model, from the tags.
    Versions(RepoId, Slug),
    /// The versions of a model that are written down here, which tells those that were deleted.
    StoredVersions(RepoId, Slug),
    /// What the gateway of an environment says.
    Live(RepoId, Slug),
    /// An environment's own state.
    Environment(RepoId, Slug),
    /// All environments of a service.
    Environments(RepoId),
    /// Whether everything is paused.
    Pause,
    /// How commands are taken in a repository, says the server's configuration.
    Habits(RepoId),
}

/// One answer; its variant fits the question's.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "each variant answers the question of the same name"
)]
#[expect(
    clippy::large_enum_variant,
    reason = "a step holds some dozens of answers for a moment; a box would cost every reader more than the room it saves"
)]
pub enum Answer {
    Repository(Option<RepoView>),
    Head(Option<CommitSha>),
    Pull(Option<PullView>),
    Changes(Changes),
    Comments(Vec<Comment>),
    Reviews(Vec<Review>),
    Owners(Owners),
    Permission(Permission),
    Labels(Vec<String>),
    Milestones(Vec<(u64, String)>),
    Contexts(Vec<Context>),
    Blockers(Vec<(PrNumber, String)>),
    QueueEntry(Option<QueueEntry>),
    Pool(Vec<(PrNumber, Ready)>),
    Required(Vec<RequiredContext>),
    Contract(ContractAt),
    Policies(Result<Policies, String>),
    Text(Option<String>),
    Commit(Option<CommitView>),
    Models(Vec<ModelAt>),
    Digest(Digest),
    MergeTree(Option<CommitSha>),
    Chain(Chain),
    Landed(Vec<Landed>),
    Picked(Picked),
    Flag(bool),
    Stage(StageView),
    Samples(Vec<crate::training::spec::Sample>),
    Runs(Vec<Run>),
    Run(Option<Run>),
    Versions(Vec<Version>),
    Live(Option<Live>),
    Environment(Option<Environment>),
    Environments(Vec<Environment>),
    Pause(Option<Pause>),
    Habits(Habits),
}

/// A repository as the installation shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoView {
    /// Id and name.
    pub repo: Repo,
    /// Its default branch.
    pub default_branch: BranchName,
}

/// A pull request or issue as GitHub shows it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullView {
    /// Its number.
    pub number: PrNumber,
    /// Whether it is a pull request; an issue has no `head`, `base` and so on.
    pub change: Option<ChangeView>,
    /// Who opened it.
    pub author: Login,
    /// Whether it is open.
    pub is_open: bool,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Units: milliseconds since 1970, UTC.
    pub created_ms: i64,
    /// Whether nothing was done to it since it was opened.
    pub is_untouched: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whom it is assigned to.
    #[serde(default)]
    pub assignees: Vec<Login>,
}

/// The change of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// Its head commit.
    pub head: CommitSha,
    /// Its head branch.
    pub branch: BranchName,
    /// Where the head branch lives; `None` when that repository is gone.
    pub head_repo: Option<RepoId>,
    /// The branch it goes to.
    pub base: BranchName,
    /// Head of the base branch when GitHub was asked.
    pub base_sha: CommitSha,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// `None` while GitHub computes it.
    pub is_mergeable: Option<bool>,
    /// Whether GitHub calls it blocked: a rule of the branch asks for more, or a check that it requires is not green yet.
    #[serde(default)]
    pub is_blocked: bool,
    /// The merge commit, once merged.
    pub merged: Option<CommitSha>,
}

/// What a change changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Where it left its base.
    pub merge_base: CommitSha,
    /// Each changed path, with the blob before and after; a rename is both paths.
    pub files: BTreeMap<RepoPath, (Option<CommitSha>, Option<CommitSha>)>,
    /// Whether the list is known to be cut or holds a path that cannot be named: nothing is entitled then.
    pub is_cut: bool,
}

impl Changes {
    /// The change's own id: equal when the same paths go from the same blobs to the same blobs.
    pub fn id(&self) -> Digest {
        let mut text = String::new();
        for (path, (old, new)) in &self.files {
            let show = |blob: &Option<CommitSha>| {
                blob.as_ref().map_or("-".to_owned(), ToString::to_string)
            };
            text.push_str(&format!("{} {} {path}\n", show(old), show(new)));
        }
        Digest::of(text.as_bytes())
    }
}

/// A comment on an issue or pull request, or another text that may hold commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// Who wrote it.
    pub author: Login,
    /// Whether an App wrote it.
    pub is_bot: bool,
    /// What.
    pub body: String,
    /// Units: milliseconds since 1970, UTC.
    pub created_ms: i64,
    /// Whether it was changed after it was written.
    pub is_edited: bool,
    /// The head that it was written on, where GitHub says so.
    pub head: Option<CommitSha>,
}

/// A submitted review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub id: CommentId,
    /// Who wrote it.
    pub author: Login,
    /// Whether an App wrote it.
    pub is_bot: bool,
    /// The verdict in GitHub's box.
    pub state: ReviewState,
    /// The head it was given to.
    pub commit: Option<CommitSha>,
    /// What it says beside.
    pub body: String,
    /// Units: milliseconds since 1970, UTC.
    pub submitted_ms: i64,
}

/// GitHub's review box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReviewState {
    /// Approve.
    Approved,
    /// Request changes.
    ChangesRequested,
    /// Comment.
    Commented,
    /// Taken back by somebody.
    Dismissed,
}

/// What a person may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Permission {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read, and sort issues and pull requests: who may is a collaborator.
    Triage,
    /// Write (maintain included).
    Write,
    /// All.
    Admin,
}

/// The contract at a commit.
#[derive(Debug, Clone)]
pub enum ContractAt {
    /// There is no file.
    Missing,
    /// It has problems.
    Broken(Vec<Problem>),
    /// It is fine; with the digest of its text.
    Good(Box<Contract>, Digest),
}

/// Heads merged into a commit, one after the other, in a mirror alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// What came of it; the same heads on the same commit are the same commit.
    pub commit: CommitSha,
    /// Heads left out, by place: they conflict with those before them that are not left out.
    pub conflicts: Vec<usize>,
}

/// A change picked onto another branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// The files that become other ones, and what they hold; `None` for those that go away.
    Files(BTreeMap<RepoPath, Option<String>>),
    /// It conflicts in these files.
    Conflict(Vec<String>),
    /// It cannot be picked: why.
    Cannot(String),
}

/// A commit's first words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitView {
    /// First line of its message.
    pub subject: String,
    /// The whole message, at most 4 KiB.
    pub message: String,
    /// Units: milliseconds since 1970, UTC; what the committer claims.
    pub committed_ms: i64,
    /// Its parents.
    pub parents: Vec<CommitSha>,
}

/// `models/<model>/manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1.
    pub schema: u32,
    /// The model.
    pub model: Slug,
    /// Its number.
    pub version: u64,
    /// Its digest.
    pub digest: Digest,
    /// Where the bytes are kept.
    pub uri: String,
    /// Its files.
    pub files: Vec<File>,
    /// Digest of code, data and gates that judged it.
    pub judge_digest: Digest,
    /// Commit of the training repository that the judge was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge_sha: Option<CommitSha>,
    /// The run that made it.
    pub run: String,
    /// From which commit.
    pub training: TrainingRef,
    /// Hash of the software it was trained in.
    pub runtime: Option<Digest>,
    /// The images that steps of its training ran in, by their names, where these had their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, Pinned>,
}

/// A commit of a training repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRef {
    /// The repository.
    pub repo_id: RepoId,
    /// The commit.
    pub commit: CommitSha,
}

/// A model of a service at a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelAt {
    /// The directory under `models/`.
    pub model: Slug,
    /// What it holds, or why it cannot be read.
    pub manifest: Result<Manifest, String>,
    /// Its samples.
    pub samples: Vec<crate::training::spec::Sample>,
}

/// How a stage stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StageView {
    /// The backend does not know it.
    Unknown,
    /// Waiting for a slot; 1 is next.
    Queued(usize),
    /// It has its turn, and what executes it cannot begin, or must begin again: why.
    Waiting(String),
    /// At work.
    Running(Box<Status>),
    /// Ended.
    Done(Box<RunResult>),
}

/// What is known so far, and what is missing.
#[derive(Debug, Default)]
pub struct Ask {
    known: BTreeMap<Query, Answer>,
    missing: Vec<Query>,
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) -> $out:ty = $query:expr, $variant:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(&mut self, $($arg: $kind),*) -> Option<$out> {
                match self.get($query) {
                    Some(Answer::$variant(value)) => Some(value),
                    Some(_) | None => None,
                }
            }
        )*
    };
}

impl Ask {
    /// Stores what the corridor found.
    pub fn learn(&mut self, query: Query, answer: Answer) {
        self.known.insert(query, answer);
    }

    /// The questions asked since the last call; empty when everything asked was known.
    pub fn take_missing(&mut self) -> Vec<Query> {
        std::mem::take(&mut self.missing)
    }

    /// Whether a person is a collaborator of a repository, asked as seldom as can be: who may triage or write is one, and in a
    /// public repository everybody may read.
    pub fn is_here(&mut self, id: RepoId, login: &Login) -> Option<bool> {
        match self.permission(id, login)? {
            Permission::Triage | Permission::Write | Permission::Admin => Some(true),
            Permission::Read => self.collaborator(id, login),
            Permission::None => Some(false),
        }
    }

    /// Whether a person is in one of the teams among these; teams of other organisations than the repository's are nobody's.
    pub fn in_a_team(
        &mut self,
        repo: &Repo,
        members: &BTreeSet<Member>,
        login: &Login,
    ) -> Option<bool> {
        for member in members {
            let Member::Team(team) = member else {
                continue;
            };
            let is_ours = team.parts().0.eq_ignore_ascii_case(repo.name.owner());
            if is_ours && self.team_member(repo.id, team, login)? {
                return Some(true);
            }
        }
        Some(false)
    }

    fn get(&mut self, query: Query) -> Option<Answer> {
        let found = self.known.get(&query).cloned();
        if found.is_none() && !self.missing.contains(&query) {
            self.missing.push(query);
        }
        found
    }

    accessors! {
        /// Answers [`Query::Repository`].
        repository(id: RepoId) -> Option<RepoView> = Query::Repository(id), Repository;
        /// Answers [`Query::RepositoryNamed`].
        repository_named(name: &RepoName) -> Option<RepoView> = Query::RepositoryNamed(name.clone()), Repository;
        /// Answers [`Query::Head`].
        head(id: RepoId, branch: &BranchName) -> Option<CommitSha> = Query::Head(id, branch.clone()), Head;
        /// Answers [`Query::Pull`].
        pull(id: RepoId, pr: PrNumber) -> Option<PullView> = Query::Pull(id, pr), Pull;
        /// Answers [`Query::KeptPull`].
        kept_pull(id: RepoId, pr: PrNumber) -> Option<PullView> = Query::KeptPull(id, pr), Pull;
        /// Answers [`Query::OpenPull`].
        open_pull(id: RepoId, branch: &BranchName) -> Option<PullView> = Query::OpenPull(id, branch.clone()), Pull;
        /// Answers [`Query::Changes`].
        changes(id: RepoId, base: &CommitSha, head: &CommitSha) -> Changes = Query::Changes(id, base.clone(), head.clone()), Changes;
        /// Answers [`Query::Comments`].
        comments(id: RepoId, pr: PrNumber) -> Vec<Comment> = Query::Comments(id, pr), Comments;
        /// Answers [`Query::KeptComments`].
        kept_comments(id: RepoId, pr: PrNumber) -> Vec<Comment> = Query::KeptComments(id, pr), Comments;
        /// Answers [`Query::DiffComments`].
        diff_comments(id: RepoId, pr: PrNumber) -> Vec<Comment> = Query::DiffComments(id, pr), Comments;
        /// Answers [`Query::Reviews`].
        reviews(id: RepoId, pr: PrNumber) -> Vec<Review> = Query::Reviews(id, pr), Reviews;
        /// Answers [`Query::Owners`].
        owners(id: RepoId, sha: &CommitSha) -> Owners = Query::Owners(id, sha.clone()), Owners;
        /// Answers [`Query::Permission`].
        permission(id: RepoId, login: &Login) -> Permission = Query::Permission(id, login.clone()), Permission;
        /// Answers [`Query::Collaborator`].
        collaborator(id: RepoId, login: &Login) -> bool = Query::Collaborator(id, login.clone()), Flag;
        /// Answers [`Query::OrgMember`].
        org_member(id: RepoId, login: &Login) -> bool = Query::OrgMember(id, login.clone()), Flag;
        /// Answers [`Query::TeamMember`].
        team_member(id: RepoId, team: &Team, login: &Login) -> bool = Query::TeamMember(id, team.clone(), login.clone()), Flag;
        /// Answers [`Query::Labels`].
        labels(id: RepoId) -> Vec<String> = Query::Labels(id), Labels;
        /// Answers [`Query::Milestones`].
        milestones(id: RepoId) -> Vec<(u64, String)> = Query::Milestones(id), Milestones;
        /// Answers [`Query::Contexts`].
        contexts(id: RepoId, sha: &CommitSha) -> Vec<Context> = Query::Contexts(id, sha.clone()), Contexts;
        /// Answers [`Query::Blockers`]: number and title.
        blockers(id: RepoId, label: &str) -> Vec<(PrNumber, String)> = Query::Blockers(id, label.to_owned()), Blockers;
        /// Answers [`Query::MergeQueue`].
        merge_queue(id: RepoId, branch: &BranchName) -> bool = Query::MergeQueue(id, branch.clone()), Flag;
        /// Answers [`Query::QueueEntry`].
        queue_entry(id: RepoId, pr: PrNumber) -> Option<QueueEntry> = Query::QueueEntry(id, pr), QueueEntry;
        /// Answers [`Query::Pool`].
        pool(id: RepoId, branch: &BranchName) -> Vec<(PrNumber, Ready)> = Query::Pool(id, branch.clone()), Pool;
        /// Answers [`Query::Required`].
        required(id: RepoId, branch: &BranchName) -> Vec<RequiredContext> = Query::Required(id, branch.clone()), Required;
        /// Answers [`Query::Contract`].
        contract(id: RepoId, sha: &CommitSha) -> ContractAt = Query::Contract(id, sha.clone()), Contract;
        /// Answers [`Query::Policies`].
        policies(id: RepoId, sha: &CommitSha) -> Result<Policies, String> = Query::Policies(id, sha.clone()), Policies;
        /// Answers [`Query::Text`].
        text(id: RepoId, sha: &CommitSha, path: &RepoPath) -> Option<String> = Query::Text(id, sha.clone(), path.clone()), Text;
        /// Answers [`Query::Commit`].
        commit(id: RepoId, sha: &CommitSha) -> Option<CommitView> = Query::Commit(id, sha.clone()), Commit;
        /// Answers [`Query::Models`].
        models(id: RepoId, sha: &CommitSha) -> Vec<ModelAt> = Query::Models(id, sha.clone()), Models;
        /// Answers [`Query::ServiceTree`].
        service_tree(id: RepoId, sha: &CommitSha) -> Digest = Query::ServiceTree(id, sha.clone()), Digest;
        /// Answers [`Query::MergeTree`]; `None` inside when the two conflict.
        merge_tree(id: RepoId, base: &CommitSha, head: &CommitSha) -> Option<CommitSha> = Query::MergeTree(id, base.clone(), head.clone()), MergeTree;
        /// Answers [`Query::Chain`].
        chain(id: RepoId, base: &CommitSha, heads: &[CommitSha]) -> Chain = Query::Chain(id, base.clone(), heads.to_vec()), Chain;
        /// Answers [`Query::Landed`]: oldest first, each on the one before; none from before a commit that no head explains.
        landed(id: RepoId, since: &[CommitSha], now: &CommitSha, heads: &[CommitSha]) -> Vec<Landed> = Query::Landed(id, since.to_vec(), now.clone(), heads.to_vec()), Landed;
        /// Answers [`Query::Inputs`].
        inputs(id: RepoId, sha: &CommitSha, except: &[String]) -> Digest = Query::Inputs(id, sha.clone(), except.to_vec()), Digest;
        /// Answers [`Query::Picked`].
        picked(id: RepoId, commit: &CommitSha, onto: &CommitSha) -> Picked = Query::Picked(id, commit.clone(), onto.clone()), Picked;
        /// Answers [`Query::IsAncestor`].
        is_ancestor(id: RepoId, old: &CommitSha, new: &CommitSha) -> bool = Query::IsAncestor(id, old.clone(), new.clone()), Flag;
        /// Answers [`Query::SnapshotDigest`].
        snapshot_digest(id: RepoId, sha: &CommitSha, only: &[RepoPath]) -> Digest = Query::SnapshotDigest(id, sha.clone(), only.to_vec()), Digest;
        /// Answers [`Query::JudgeDigest`].
        judge_digest(id: RepoId, sha: &CommitSha, paths: &[RepoPath]) -> Digest = Query::JudgeDigest(id, sha.clone(), paths.to_vec()), Digest;
        /// Answers [`Query::Stage`].
        stage(id: &str) -> StageView = Query::Stage(id.to_owned()), Stage;
        /// Answers [`Query::Samples`].
        samples(digest: &Digest) -> Vec<crate::training::spec::Sample> = Query::Samples(digest.clone()), Samples;
        /// Answers [`Query::Runs`].
        runs(id: RepoId, sha: &CommitSha) -> Vec<Run> = Query::Runs(id, sha.clone()), Runs;
        /// Answers [`Query::BranchRuns`]: newest first.
        branch_runs(id: RepoId, branch: &BranchName) -> Vec<Run> = Query::BranchRuns(id, branch.clone()), Runs;
        /// Answers [`Query::QueueRuns`].
        queue_runs(id: RepoId, branch: &BranchName) -> Vec<Run> = Query::QueueRuns(id, branch.clone()), Runs;
        /// Answers [`Query::RunsOfInputs`].
        runs_of_inputs(id: RepoId, inputs: &Digest) -> Vec<Run> = Query::RunsOfInputs(id, inputs.clone()), Runs;
        /// Answers [`Query::Run`].
        run(id: &str) -> Option<Run> = Query::Run(id.to_owned()), Run;
        /// Answers [`Query::PassedRun`].
        passed_run(training: RepoId, branch: &BranchName, model: &Slug) -> Option<Run> = Query::PassedRun(training, branch.clone(), model.clone()), Run;
        /// Answers [`Query::Next`].
        next(service: RepoId, model: &Slug) -> Option<String> = Query::Next(service, model.clone()), Text;
        /// Answers [`Query::Versions`].
        versions(service: RepoId, model: &Slug) -> Vec<Version> = Query::Versions(service, model.clone()), Versions;
        /// Answers [`Query::StoredVersions`].
        stored_versions(service: RepoId, model: &Slug) -> Vec<Version> = Query::StoredVersions(service, model.clone()), Versions;
        /// Answers [`Query::Live`].
        live(service: RepoId, name: &Slug) -> Option<Live> = Query::Live(service, name.clone()), Live;
        /// Answers [`Query::Environment`].
        environment(service: RepoId, name: &Slug) -> Option<Environment> = Query::Environment(service, name.clone()), Environment;
        /// Answers [`Query::Environments`].
        environments(service: RepoId) -> Vec<Environment> = Query::Environments(service), Environments;
        /// Answers [`Query::Pause`].
        pause() -> Option<Pause> = Query::Pause, Pause;
        /// Answers [`Query::Habits`].
        habits(id: RepoId) -> Habits = Query::Habits(id), Habits;
    }
}
