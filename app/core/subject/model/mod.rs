//! A model of a service: which version comes next, and its proposal.

pub mod deletion;
mod next;
mod proposed;
mod supersede;
#[cfg(test)]
mod tests;

use crate::contract::Contract;
use crate::effect::{Record, Version};
use crate::name::{BranchName, CommentId, CommitSha, Digest, PrNumber, Repo, RepoId, Slug};
use crate::subject::ask::{Ask, ContractAt, PullView};
use crate::subject::run::Run;
use crate::subject::{Act, Given, Step};
use serde::{Deserialize, Serialize};
use supersede::{NOTHING_WAITS, Supersede};

/// A model as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The service repository.
    pub repo: Repo,
    /// Its name.
    pub name: Slug,
    /// The training repository, pinned by id at first sight.
    pub training: Option<RepoId>,
    /// The newest proposal of ours.
    pub proposal: Option<Proposal>,
    /// The last proposal that could not be opened; somebody may have it tried again.
    #[serde(default)]
    pub failed: Option<Proposal>,
    /// A passed run that waits, since a person has acted on the open proposal.
    pub next: Option<String>,
    /// The last run that was dealt with: proposed, or found identical.
    pub dealt_with: Option<String>,
    /// Version numbers up to here are taken by somebody else.
    pub taken: u64,
    /// Commands already carried out, newest last, at most 100.
    pub acted: Vec<CommentId>,
    /// Versions that were to be deleted and are needed, as it stood when somebody asked last.
    #[serde(default)]
    pub kept: Vec<deletion::Kept>,
}

/// A proposal of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The key of its effect.
    pub key: String,
    /// The version it proposes.
    pub version: u64,
    /// The run that made the model.
    pub run: String,
    /// The model's digest.
    pub digest: Digest,
    /// The pull request, once open.
    pub pr: Option<PrNumber>,
    /// The head we made.
    pub head: Option<CommitSha>,
}

impl Model {
    /// A model of which nothing is known yet.
    pub(super) fn new(repo: Repo, name: Slug) -> Model {
        Model {
            repo,
            name,
            training: None,
            proposal: None,
            failed: None,
            next: None,
            dealt_with: None,
            taken: 0,
            acted: Vec::new(),
            kept: Vec::new(),
        }
    }
}

/// Our branch for a model's proposals.
pub fn branch(model: &Slug) -> BranchName {
    BranchName::parse(&format!("bowsprit/{model}")).expect("a slug makes a good branch name")
}

/// Says what to do for a model now.
pub fn step(given: &Given<Model>, key: (RepoId, &Slug), ask: &mut Ask) -> Step<Model> {
    match advance(given, key, ask) {
        Some(Some(act)) => Step::Act(Box::new(act)),
        Some(None) => Step::Nothing,
        None => Step::Look(ask.take_missing()),
    }
}

fn advance(
    given: &Given<Model>,
    (id, name): (RepoId, &Slug),
    ask: &mut Ask,
) -> Option<Option<Act<Model>>> {
    let Some(view) = ask.repository(id)? else {
        return Some(None);
    };
    let new = || Model::new(view.repo.clone(), name.clone());
    let mut model = given.state.clone().unwrap_or_else(new);
    model.repo = view.repo.clone();
    let mut act = Act::keep(model.clone());
    proposed::learn_again(&mut act, given, ask)?;
    proposed::learn(&mut act, given, ask)?;
    deletion::take(&mut act, given, &view, ask)?;
    let Some(head) = ask.head(id, &view.default_branch)? else {
        return Some(Some(act));
    };
    let ContractAt::Good(contract, _) = ask.contract(id, &head)? else {
        return Some(Some(act));
    };
    let Contract::Service(service) = *contract else {
        return Some(Some(act));
    };
    let Some(source) = service.models.get(name) else {
        return Some(Some(act));
    };
    let Ok(training) = view.repo.name.sibling(&source.from) else {
        return Some(Some(act));
    };
    let Some(training) = ask.repository_named(&training)? else {
        return Some(Some(act));
    };
    if *act.state.training.get_or_insert(training.repo.id) != training.repo.id {
        let why = format!(
            "`{}` is another repository than the one first seen under that name",
            training.repo.name
        );
        act.records.push(Record::Event {
            who: None,
            what: "model: partner refused".to_owned(),
            sha: None,
            why,
        });
        return Some(Some(act));
    }
    let supersede = supersede::commands(&mut act, given, ask)?;
    let Some(run) = ask.passed_run(training.repo.id, &training.default_branch, name)? else {
        supersede::answer_all(&mut act, &supersede, NOTHING_WAITS);
        return Some(Some(act));
    };
    let versions = deletion::as_left(ask.versions(id, name)?, &act.records);
    let open = ask.open_pull(id, &branch(name))?;
    next::take(
        &mut act,
        given,
        ask,
        Found {
            run,
            versions,
            open,
            base: view.default_branch,
            supersede,
        },
    )?;
    Some(Some(act))
}

struct Found {
    run: Run,
    versions: Vec<Version>,
    open: Option<PullView>,
    base: BranchName,
    supersede: Vec<Supersede>,
}
