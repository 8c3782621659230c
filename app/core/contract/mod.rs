//! The contract of a repository: `bowsprit.yaml`, read strictly and with every problem told at once.
//!
//! A contract says what a repository trains or serves and what must hold; nothing outside it changes that.
//! Reading never runs, fetches or guesses anything: what the file does not say has the default that is written here.

mod chatops;
mod contexts;
mod deploy;
mod effective;
mod glob;
pub(crate) mod reader;
mod runtime;
mod schema;
mod service;
mod shared;
#[cfg(test)]
mod tests;
mod training;
pub(crate) mod tree;
pub(crate) mod units;
mod window;

pub use chatops::{Said, Setting, chatops_of};
pub(crate) use effective::Map;
pub use effective::{Told, effective};
pub use glob::Globs;
pub(crate) use glob::regex_within_limits;
pub use schema::schema;
pub(crate) use shared::{CHECKS_MAX, RESERVED_CHECKS, TIMEOUT_S_MAX};
pub use window::Window;

pub use deploy::{Chart, Deploy};

use crate::gate::GateRef;
use crate::habits::Chatops;
use crate::image::reference::Pinned;
use crate::name::{BranchName, RepoPath, Slug};
use crate::serving::spec::Replicas;
use crate::training::spec::RuntimeSpec;
use std::collections::BTreeMap;

/// Name of the contract file at the root of a repository.
pub const CONTRACT_FILE: &str = "bowsprit.yaml";
/// Largest contract that is read. Units: bytes.
pub const CONTRACT_BYTES_MAX: usize = 256 * 1024;

/// What a repository promises.
#[derive(Debug, Clone, PartialEq)]
pub enum Contract {
    /// It trains a model.
    Training(Training),
    /// It serves a model.
    Service(Service),
}

/// One thing that is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Units: lines from 1.
    pub line: u32,
    /// Units: characters from 1.
    pub column: u32,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Contract of a repository that trains a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// The model that it makes.
    pub model: Slug,
    /// Repository that serves the model, by its name without the owner.
    pub service: String,
    /// The software that steps run in; `None` runs them as they are.
    pub runtime: Option<RuntimeSpec>,
    /// Run in order; at least one.
    pub steps: Vec<Step>,
    /// Who measures the model.
    pub evaluate: Evaluate,
    /// What the figures must satisfy.
    pub gates: Vec<GateRef>,
    /// The judge that judges no longer: the first hex digits of its digest.
    pub retire_judge: Option<String>,
    /// Named checks of pull requests.
    pub checks: Vec<Check>,
    /// What starts a run.
    pub triggers: Triggers,
    /// How commands are taken.
    pub chatops: Chatops,
}

/// One command of training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Unique in the contract.
    pub name: Slug,
    /// The argument list; never given to a shell.
    pub run: Vec<String>,
    /// The image that it runs in as it is; `None` runs it in the contract's `runtime`.
    pub image: Option<Pinned>,
    /// What it may use.
    pub resources: Resources,
    /// Killed after this long. Units: seconds.
    pub timeout_s: u64,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Names of secrets that pushes to protected branches get, each as a file.
    pub secrets: Vec<String>,
    /// Whether it may open network connections.
    pub network: bool,
}

/// Who measures a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluate {
    /// The training itself; every proposal says so.
    SelfReported,
    /// Code that sees data which training never saw.
    Judge(Judge),
}

/// The evaluation: its code and its held-out data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judge {
    /// The argument list; never given to a shell.
    pub run: Vec<String>,
    /// Files and folders left out of every training snapshot, without trailing slash; at least one.
    pub data: Vec<RepoPath>,
    /// Files and folders that it is made of, without trailing slash; `None` where every file may be one.
    pub code: Option<Vec<RepoPath>>,
    /// What it may use.
    pub resources: Resources,
    /// Killed after this long. Units: seconds.
    pub timeout_s: u64,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
}

/// What a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Units: thousandths of a core.
    pub cpu_millis: u32,
    /// Units: bytes.
    pub memory_bytes: u64,
    /// Whole devices.
    pub gpu: u32,
}

impl Default for Resources {
    fn default() -> Resources {
        Resources {
            cpu_millis: 1_000,
            memory_bytes: 2 << 30,
            gpu: 0,
        }
    }
}

/// A named check of pull requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Unique in the contract; `/test <name>` starts it.
    pub name: Slug,
    /// The argument list; never given to a shell.
    pub run: Vec<String>,
    /// Whether a pull request merges without it.
    pub optional: bool,
    /// Which changes it is for.
    pub when: CheckWhen,
    /// What it may use.
    pub resources: Resources,
    /// Killed after this long. Units: seconds.
    pub timeout_s: u64,
    /// The software that it runs in, where that is another than the contract's.
    pub runtime: Option<RuntimeSpec>,
}

/// Which changes a check is for; patterns are regular expressions that match anywhere in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckWhen {
    /// Every change.
    Always,
    /// None: it is started by hand.
    ByHand,
    /// Changes of which at least one path matches.
    RunIfChanged(String),
    /// Changes of which at least one path does not match.
    SkipIfOnlyChanged(String),
}

impl CheckWhen {
    /// Whether a change of these paths wants the check.
    pub fn applies(&self, paths: &[RepoPath]) -> bool {
        // The contract was refused unless the pattern compiles; one that does not must not hide a check.
        let matcher = |pattern: &str| regex_within_limits(pattern).ok();
        match self {
            CheckWhen::Always => true,
            CheckWhen::ByHand => false,
            CheckWhen::RunIfChanged(pattern) => matcher(pattern)
                .is_none_or(|regex| paths.iter().any(|path| regex.is_match(path.as_str()))),
            CheckWhen::SkipIfOnlyChanged(pattern) => matcher(pattern)
                .is_none_or(|regex| !paths.iter().all(|path| regex.is_match(path.as_str()))),
        }
    }
}

/// What starts a training run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggers {
    /// Branches whose pushes do.
    pub push: Vec<BranchName>,
    /// Whether pull requests do.
    pub pull_request: bool,
    /// Path patterns; a change of nothing but such paths starts no run.
    pub paths_ignore: Vec<String>,
}

impl Triggers {
    /// Whether every changed path is one to ignore; a change without paths is not ignored.
    pub fn ignores(&self, paths: &[RepoPath]) -> bool {
        Globs::of(&self.paths_ignore).all_match(paths)
    }
}

/// Contract of a repository that serves a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The models and where they come from; exactly one for now.
    pub models: BTreeMap<Slug, ModelSource>,
    /// The software that the server runs in; `None` runs it as it is.
    pub runtime: Option<RuntimeSpec>,
    /// How to start and to ask the server.
    pub serve: Serve,
    /// The repository's own objects for a cluster.
    pub deploy: Option<Deploy>,
    /// In the order of the file; at least one.
    pub environments: Vec<Environment>,
    /// Named checks of pull requests.
    pub checks: Vec<Check>,
    /// Path patterns that are no part of a release.
    pub ignore: Vec<String>,
    /// Whether what its servers print goes to the operator's log service.
    pub logs: bool,
    /// Whether gateways count its requests.
    pub telemetry: bool,
    /// How commands are taken.
    pub chatops: Chatops,
}

impl Contract {
    /// How commands are taken.
    pub fn chatops(&self) -> &Chatops {
        match self {
            Contract::Training(training) => &training.chatops,
            Contract::Service(service) => &service.chatops,
        }
    }

    /// Named checks of pull requests.
    pub fn checks(&self) -> &[Check] {
        match self {
            Contract::Training(training) => &training.checks,
            Contract::Service(service) => &service.checks,
        }
    }
}

impl Service {
    /// Path that takes a model's samples by POST.
    pub fn predict(&self, model: &Slug) -> &str {
        let own = self.models.get(model);
        own.and_then(|source| source.predict.as_deref())
            .unwrap_or(&self.serve.predict)
    }

    /// Whether a path is no part of a release, by the contract's `ignore`.
    pub fn ignores(&self, path: &RepoPath) -> bool {
        Globs::of(&self.ignore).any_matches(path)
    }

    /// The environment of that name.
    pub fn environment(&self, name: &Slug) -> Option<&Environment> {
        self.environments
            .iter()
            .find(|environment| &environment.name == name)
    }
}

/// Where a served model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSource {
    /// Repository that trains it, by its name without the owner.
    pub from: String,
    /// Path that takes this model's samples by POST, where it is another than that of `serve`.
    pub predict: Option<String>,
}

/// How to start and to ask a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// The argument list; never given to a shell.
    pub run: Vec<String>,
    /// Path that answers 2xx once the model is loaded.
    pub ready: String,
    /// Path that takes a sample's input by POST.
    pub predict: String,
    /// Command that tests the service, where there is one.
    pub test: Option<Vec<String>>,
    /// What it may use.
    pub resources: Resources,
    /// Environment variables in every environment.
    pub env: BTreeMap<String, String>,
    /// Not ready after this long means failed. Units: seconds.
    pub ready_timeout_s: u64,
}

/// A place where the service runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Unique in the contract.
    pub name: Slug,
    /// What decides which release it runs.
    pub role: Role,
    /// Environment variables here, over those of `serve`.
    pub env: BTreeMap<String, String>,
    /// Whether callers need a key.
    pub auth: bool,
    /// Requests that wait at most.
    pub queue: usize,
    /// Requests that are served at once at most.
    pub concurrency: usize,
    /// Servers at once, where the target can have several.
    pub replicas: Replicas,
    /// Which of the server's further clusters it lives in; the usual one where absent.
    pub cluster: Option<Slug>,
    /// Whether models without an independent evaluation may come here.
    pub allow_self_reported: bool,
}

/// What decides which release an environment runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// One for each open pull request.
    Preview {
        /// Stopped after this long. Units: milliseconds.
        ttl_ms: i64,
    },
    /// The head of a branch.
    Tracks {
        /// The branch.
        branch: BranchName,
    },
    /// What a promotion brings from another environment.
    After {
        /// The environment where a release must be verified first.
        environment: Slug,
        /// Distinct entitled people who must approve a promotion.
        approvals: u32,
        /// How long a release must have been verified there. Units: milliseconds.
        soak_ms: i64,
        /// Hours in which promotions may merge; none means always.
        windows: Vec<Window>,
    },
}

/// Reads the part of a contract that is the same for both kinds: `chatops` and `checks`, and nothing beside them.
///
/// Errors: every problem of the text, in its order.
pub fn parse_part(text: &str) -> Result<(Chatops, Vec<Check>), Vec<Problem>> {
    let root = tree::read(text, CONTRACT_BYTES_MAX)?;
    let mut problems = reader::Problems::default();
    let keys = ["chatops", "checks"];
    let part = reader::Fields::of(&root, "the part", &keys, &mut problems).map(|fields| {
        let chatops = chatops::chatops(&fields, &mut problems);
        (chatops, shared::checks(&fields, &mut problems))
    });
    problems.or(part)
}

/// Reads a contract. Errors: every problem of the text, in its order.
pub fn parse(text: &str) -> Result<Contract, Vec<Problem>> {
    let root = tree::read(text, CONTRACT_BYTES_MAX)?;
    let mut problems = reader::Problems::default();
    let contract = match shared::kind(&root, &mut problems) {
        Some(shared::Kind::Training) => {
            training::read(&root, &mut problems).map(Contract::Training)
        }
        Some(shared::Kind::Service) => service::read(&root, &mut problems).map(Contract::Service),
        None => None,
    };
    problems.or(contract)
}
