//! A small world for tests of subjects: what a step asks is answered from memory, and what it does is told in lines.
//!
//! What a test did not say is answered with nothing where nothing is a fair answer, and refused otherwise.

mod told;

pub(crate) use told::{lines, told};

use super::ask::{
    Answer, Ask, ChangeView, Changes, Comment, CommitView, ContractAt, Manifest, ModelAt,
    Permission, PullView, Query, RepoView, Review, ReviewState, StageView, TrainingRef,
};
use super::{Act, Given, ROUNDS_MAX, Step};
use crate::artifact::File;
use crate::contract;
use crate::effect::{EffectResult, EffectState, Hint, ModelFiles, Outcome, Version};
use crate::gate::{self, Policies};
use crate::habits::{Compatibility, Habits};
use crate::name::{
    BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo, RepoId, RepoName, RepoPath,
    Slug,
};
use crate::owners::{Owners, OwnersFile};
use crate::subject::run::{Cause, Phase, Run, Trigger, What};
use crate::training::spec::{Metric, MetricValue, Trust};
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

/// A Monday, 10:00 in UTC.
pub(crate) const NOW_MS: i64 = 1_767_607_200_000;
/// The training repository.
pub(crate) const TRAINING: RepoId = RepoId(1);
/// The service repository.
pub(crate) const SERVICE: RepoId = RepoId(2);

/// The contract of the training repository.
pub(crate) const TRAINING_TEXT: &str = "kind: training
model: digits
service: digits-service
steps:
  - {name: train, run: [python, train.py], env: {EPOCHS: '20'}}
evaluate: {run: [python, evaluate.py], data: [holdout/]}
gates:
  - {name: accuracy, with: {metric: accuracy, min: 0.9}}
  - no-regression
checks:
  - {name: unit, run: [pytest]}
  - {name: lint, run: [ruff], optional: true}
triggers: {push: [main, dev], pull_request: true, paths-ignore: ['**.md']}
";

/// The contract of the service repository.
pub(crate) const SERVICE_TEXT: &str = "kind: service
models:
  digits: {from: digits-training}
serve: {run: [python, -m, digits_service], ready: /readyz, predict: /v1/predict, test: [pytest]}
environments:
  preview: {ttl: 72h}
  staging: {tracks: main}
  production: {after: staging, approvals: 1, soak: 10m}
";

/// Each text is parsed once: hundreds of worlds share a few.
static PARSED: Mutex<BTreeMap<String, ContractAt>> = Mutex::new(BTreeMap::new());
static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    Policies::new(gate::shipped(), Vec::new()).expect("shipped policies have names of their own")
});

fn parse(text: &str) -> ContractAt {
    match contract::parse(text) {
        Ok(contract) => ContractAt::Good(Box::new(contract), Digest::of(text.as_bytes())),
        Err(problems) => ContractAt::Broken(problems),
    }
}

/// What can be known.
#[derive(Debug, Clone)]
pub(crate) struct World {
    known: BTreeMap<Query, Answer>,
}

impl World {
    /// The pair of repositories: training with its head `a…`, service with its head `1…`, both on `main`.
    pub(crate) fn pair() -> World {
        let mut world = World {
            known: BTreeMap::new(),
        };
        for (id, head, text) in [(TRAINING, 'a', TRAINING_TEXT), (SERVICE, '1', SERVICE_TEXT)] {
            let view = RepoView {
                repo: repo(id),
                default_branch: branch("main"),
            };
            let by_name = Query::RepositoryNamed(view.repo.name.clone());
            world.tell(
                Query::Repository(id),
                Answer::Repository(Some(view.clone())),
            );
            world.tell(by_name, Answer::Repository(Some(view)));
            world.head(id, "main", head);
            world.contract(id, head, text);
        }
        world
    }

    /// This question has this answer.
    pub(crate) fn tell(&mut self, query: Query, answer: Answer) -> &mut World {
        self.known.insert(query, answer);
        self
    }

    /// The head of a branch.
    pub(crate) fn head(&mut self, id: RepoId, name: &str, at: char) -> &mut World {
        self.tell(Query::Head(id, branch(name)), Answer::Head(Some(sha(at))))
    }

    /// The contract at a commit; an empty text is none.
    pub(crate) fn contract(&mut self, id: RepoId, at: char, text: &str) -> &mut World {
        let answer = if text.is_empty() {
            ContractAt::Missing
        } else {
            let mut parsed = PARSED.lock().expect("no test panics in here");
            parsed
                .entry(text.to_owned())
                .or_insert_with(|| parse(text))
                .clone()
        };
        self.tell(Query::Contract(id, sha(at)), Answer::Contract(answer))
    }

    /// OWNERS files at a commit: folder and text.
    pub(crate) fn owners(&mut self, id: RepoId, at: char, files: &[(&str, &str)]) -> &mut World {
        let files: Vec<OwnersFile<'_>> = files
            .iter()
            .map(|(dir, text)| OwnersFile { dir, text })
            .collect();
        let owners = Owners::parse(&files, None);
        self.tell(Query::Owners(id, sha(at)), Answer::Owners(owners))
    }

    /// `CODEOWNERS` at a commit, and no OWNERS file.
    pub(crate) fn code_owners(&mut self, id: RepoId, at: char, text: &str) -> &mut World {
        let owners = Owners::of_code("CODEOWNERS", text);
        self.tell(Query::Owners(id, sha(at)), Answer::Owners(owners))
    }

    /// The paths that a change changes; the second character of the pair makes the new blob.
    pub(crate) fn changes(
        &mut self,
        id: RepoId,
        (base, head): (char, char),
        files: &[(&str, char)],
    ) -> &mut World {
        let files = files
            .iter()
            .map(|(name, blob)| (path(name), (Some(sha('0')), Some(sha(*blob)))));
        let changes = Changes {
            merge_base: sha(base),
            files: files.collect(),
            is_cut: false,
        };
        self.tell(
            Query::Changes(id, sha(base), sha(head)),
            Answer::Changes(changes),
        )
    }

    /// What a person may do.
    pub(crate) fn may(&mut self, id: RepoId, who: &str, permission: Permission) -> &mut World {
        self.tell(
            Query::Permission(id, login(who)),
            Answer::Permission(permission),
        )
    }

    /// Who is no collaborator any more.
    pub(crate) fn left(&mut self, id: RepoId, who: &str) -> &mut World {
        self.tell(Query::Collaborator(id, login(who)), Answer::Flag(false))
    }

    /// Who is a member of the organisation.
    pub(crate) fn member(&mut self, id: RepoId, who: &str) -> &mut World {
        self.tell(Query::OrgMember(id, login(who)), Answer::Flag(true))
    }

    pub(crate) fn answer(&self, query: &Query) -> Answer {
        // What a test says is so now; nobody remembers anything else.
        let now = match query {
            Query::KeptPull(id, number) => Query::Pull(*id, *number),
            Query::KeptComments(id, number) => Query::Comments(*id, *number),
            other => other.clone(),
        };
        let kept = self.known.get(query).or_else(|| self.known.get(&now));
        kept.cloned().unwrap_or_else(|| nothing(query))
    }
}

/// The answer where a test said nothing.
fn nothing(query: &Query) -> Answer {
    match query {
        Query::Repository(_) | Query::RepositoryNamed(_) => Answer::Repository(None),
        Query::Pull(..) | Query::KeptPull(..) | Query::OpenPull(..) => Answer::Pull(None),
        Query::Comments(..) | Query::KeptComments(..) | Query::DiffComments(..) => {
            Answer::Comments(Vec::new())
        }
        Query::Reviews(..) => Answer::Reviews(Vec::new()),
        Query::Owners(..) => Answer::Owners(Owners::default()),
        Query::Permission(..) => Answer::Permission(Permission::Read),
        // Nearly everybody in these stories is named in a file; `mallory` is the stranger.
        Query::Collaborator(_, who) => Answer::Flag(!who.is(&login("mallory"))),
        Query::OrgMember(..) | Query::TeamMember(..) => Answer::Flag(false),
        Query::Labels(_) => Answer::Labels(Vec::new()),
        Query::Milestones(_) => Answer::Milestones(Vec::new()),
        Query::Contexts(..) => Answer::Contexts(Vec::new()),
        Query::Blockers(..) => Answer::Blockers(Vec::new()),
        Query::MergeQueue(..) => Answer::Flag(false),
        Query::QueueEntry(..) => Answer::QueueEntry(None),
        Query::Pool(..) => Answer::Pool(Vec::new()),
        Query::Required(..) => Answer::Required(Vec::new()),
        Query::Policies(..) => Answer::Policies(Ok(POLICIES.clone())),
        Query::Text(..) | Query::Next(..) => Answer::Text(None),
        Query::Commit(..) => Answer::Commit(Some(commit("Change"))),
        Query::Models(..) => Answer::Models(Vec::new()),
        Query::ServiceTree(_, at) => Answer::Digest(Digest::of(at.as_str().as_bytes())),
        Query::MergeTree(..) => Answer::MergeTree(Some(sha('e'))),
        Query::Chain(_, _, heads) => Answer::Chain(crate::subject::ask::Chain {
            commit: heads.last().cloned().unwrap_or_else(|| sha('e')),
            conflicts: Vec::new(),
        }),
        Query::Landed(..) => Answer::Landed(Vec::new()),
        Query::Inputs(_, at, _) => Answer::Digest(Digest::of(at.as_str().as_bytes())),
        Query::Picked(..) => {
            Answer::Picked(crate::subject::ask::Picked::Files(BTreeMap::from([(
                path("train.py"),
                Some("picked".to_owned()),
            )])))
        }
        Query::IsAncestor(_, old, new) => Answer::Flag(old == new),
        Query::JudgeDigest(_, at, paths) | Query::SnapshotDigest(_, at, paths) => {
            Answer::Digest(files_at(at, paths))
        }
        Query::Stage(_) => Answer::Stage(StageView::Unknown),
        Query::Samples(_) => Answer::Samples(Vec::new()),
        Query::Runs(..)
        | Query::BranchRuns(..)
        | Query::QueueRuns(..)
        | Query::RunsOfInputs(..) => Answer::Runs(Vec::new()),
        Query::Run(_) | Query::PassedRun(..) => Answer::Run(None),
        Query::Versions(..) | Query::StoredVersions(..) => Answer::Versions(Vec::new()),
        Query::Live(..) => Answer::Live(None),
        Query::Environment(..) => Answer::Environment(None),
        Query::Environments(_) => Answer::Environments(Vec::new()),
        Query::Pause => Answer::Pause(None),
        Query::Habits(_) => Answer::Habits(Habits::of(Compatibility::Own)),
        Query::Head(..) | Query::Changes(..) | Query::Contract(..) => {
            panic!("the test does not say: {query:?}")
        }
    }
}

/// What stands for the digest of files at a commit: other files, or another commit, are another one.
pub(crate) fn files_at(at: &CommitSha, paths: &[RepoPath]) -> Digest {
    Digest::of(format!("{at} {paths:?}").as_bytes())
}

/// Steps until it acts; `None` when there is nothing to do.
#[track_caller]
pub(crate) fn drive<S>(world: &World, mut step: impl FnMut(&mut Ask) -> Step<S>) -> Option<Act<S>> {
    let mut ask = Ask::default();
    for _ in 0..=ROUNDS_MAX {
        match step(&mut ask) {
            Step::Nothing => return None,
            Step::Act(act) => return Some(*act),
            Step::Look(queries) => {
                assert!(!queries.is_empty(), "it waits for nothing");
                for query in queries {
                    let answer = world.answer(&query);
                    ask.learn(query, answer);
                }
            }
        }
    }
    panic!("it asks without end");
}

/// What a step is given, at [`NOW_MS`].
pub(crate) fn given<S>(state: Option<S>, hints: Vec<Hint>) -> Given<S> {
    Given {
        state,
        hints,
        outcomes: BTreeMap::new(),
        now_ms: NOW_MS,
        since_ms: 0,
        public_url: "https://bot".to_owned(),
    }
}

/// An effect that is there.
pub(crate) fn done(result: EffectResult) -> Outcome {
    Outcome {
        state: EffectState::Done,
        result,
    }
}

/// An effect that the far end refused.
pub(crate) fn refused(reason: &str) -> Outcome {
    Outcome {
        state: EffectState::Refused,
        result: EffectResult::Refused {
            reason: reason.to_owned(),
        },
    }
}

pub(crate) fn sha(digit: char) -> CommitSha {
    CommitSha::parse(&digit.to_string().repeat(40)).expect("a test's hex digit")
}

pub(crate) fn login(text: &str) -> Login {
    Login::parse(text).expect("a test's login")
}

pub(crate) fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("a test's path")
}

pub(crate) fn slug(text: &str) -> Slug {
    Slug::parse(text).expect("a test's name")
}

pub(crate) fn branch(text: &str) -> BranchName {
    BranchName::parse(text).expect("a test's branch")
}

pub(crate) fn repo(id: RepoId) -> Repo {
    let name = if id == TRAINING {
        "o/digits-training"
    } else {
        "o/digits-service"
    };
    Repo {
        id,
        name: RepoName::parse(name).expect("a test's repository"),
    }
}

pub(crate) fn commit(message: &str) -> CommitView {
    CommitView {
        subject: message.to_owned(),
        message: message.to_owned(),
        committed_ms: 0,
        parents: vec![sha('0')],
    }
}

/// An open pull request of `ada` from a branch of the same repository.
pub(crate) fn pull_view(
    id: RepoId,
    number: u64,
    name: &str,
    (base, head): (char, char),
) -> PullView {
    let change = ChangeView {
        head: sha(head),
        branch: branch(name),
        head_repo: Some(id),
        base: branch("main"),
        base_sha: sha(base),
        is_draft: false,
        is_mergeable: Some(true),
        is_blocked: false,
        merged: None,
    };
    PullView {
        number: PrNumber(number),
        change: Some(change),
        author: login("ada"),
        is_open: true,
        title: "Change".to_owned(),
        body: String::new(),
        created_ms: NOW_MS - 3_600_000,
        is_untouched: false,
        labels: Vec::new(),
        assignees: Vec::new(),
    }
}

/// A comment written a minute ago; its id orders it.
pub(crate) fn comment(id: u64, by: &str, body: &str) -> Comment {
    Comment {
        id: CommentId::Comment(id),
        author: login(by),
        is_bot: by.ends_with(']'),
        body: body.to_owned(),
        created_ms: NOW_MS - 60_000,
        is_edited: false,
        head: None,
    }
}

/// A review submitted a minute ago to this head.
pub(crate) fn review(id: u64, by: &str, state: ReviewState, head: char) -> Review {
    Review {
        id: CommentId::Comment(id),
        author: login(by),
        is_bot: by.ends_with(']'),
        state,
        commit: Some(sha(head)),
        body: String::new(),
        submitted_ms: NOW_MS - 60_000,
    }
}

/// Why a run exists.
pub(crate) fn cause(id: RepoId, at: char, what: What, trigger: Trigger) -> Cause {
    Cause {
        repo: repo(id),
        sha: sha(at),
        what,
        trigger,
        trust: Trust::Trusted,
        params: BTreeMap::new(),
        by: Some(login("ada")),
    }
}

/// A run that is over.
pub(crate) fn run(cause: Cause, phase: Phase) -> Run {
    Run {
        phase,
        finished_ms: Some(NOW_MS),
        ..Run::new(cause, NOW_MS - 1_000)
    }
}

/// A training run of `main` that passed, with a model of these bytes.
pub(crate) fn passed(at: char, bytes: &str) -> Run {
    let trigger = Trigger::Push {
        branch: branch("main"),
    };
    Run {
        model: Some(slug("digits")),
        service: Some("digits-service".to_owned()),
        made: Some(model_files(bytes)),
        metrics: metrics(&[("accuracy", 0.95)]),
        judge_digest: Some(Digest::of(b"judge")),
        ..run(cause(TRAINING, at, What::Train, trigger), Phase::Succeeded)
    }
}

pub(crate) fn metrics(all: &[(&str, f64)]) -> BTreeMap<String, Metric> {
    let metric = |(name, value): &(&str, f64)| {
        let metric = Metric {
            value: MetricValue::Number(*value),
            origin: "metrics.json".to_owned(),
        };
        ((*name).to_owned(), metric)
    };
    all.iter().map(metric).collect()
}

/// A file with these bytes.
pub(crate) fn file(name: &str, bytes: &str) -> File {
    File {
        path: path(name),
        sha256: Digest::of(bytes.as_bytes()),
        bytes: bytes.len() as u64,
        media_type: "text/plain".to_owned(),
    }
}

pub(crate) fn model_files(bytes: &str) -> ModelFiles {
    let files = vec![file("model.bin", bytes)];
    ModelFiles {
        name: "digits".to_owned(),
        version: None,
        digest: crate::artifact::digest(&files),
        files,
    }
}

/// Version `number` of `digits`, proposed by `#number` from a commit of `ada`.
pub(crate) fn version(number: u64, bytes: &str) -> Version {
    let made = model_files(bytes);
    Version {
        service: SERVICE,
        model: slug("digits"),
        version: number,
        digest: made.digest,
        files: made.files,
        run: format!("r{number}"),
        training: TRAINING,
        training_commit: sha('a'),
        pushed_by: Some(login("ada")),
        judge_digest: Digest::of(b"judge"),
        judge_sha: None,
        metrics: BTreeMap::from([("accuracy".to_owned(), 0.94)]),
        self_reported: false,
        commit: sha('c'),
        pr: Some(PrNumber(number)),
        created_ms: 0,
        deleted: None,
    }
}

/// A model as the service repository has it.
pub(crate) fn model_at(name: &str, number: u64, bytes: &str) -> ModelAt {
    let made = model_files(bytes);
    let manifest = Manifest {
        schema: 1,
        model: slug(name),
        version: number,
        uri: format!("artifacts:{}", made.digest),
        digest: made.digest,
        files: made.files,
        judge_digest: Digest::of(b"judge"),
        judge_sha: None,
        run: format!("r{number}"),
        training: TrainingRef {
            repo_id: TRAINING,
            commit: sha('a'),
        },
        runtime: None,
        images: BTreeMap::new(),
    };
    ModelAt {
        model: slug(name),
        manifest: Ok(manifest),
        samples: Vec::new(),
    }
}
