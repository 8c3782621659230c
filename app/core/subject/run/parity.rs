//! The service's side of a model: what is live there, and what its own runtime answers.

use super::stage::{Found, stage};
use super::train::service_repo;
use super::{Phase, Run, plan};
use crate::contract::{Contract, Role, Service, Training};
use crate::effect::Version;
use crate::name::{CommitSha, Repo, Slug};
use crate::subject::Given;
use crate::subject::ask::{Ask, ContractAt};

/// The service's side of a model, as far as it can be seen.
pub(super) struct Side {
    pub(super) repo: Repo,
    pub(super) head: CommitSha,
    pub(super) contract: Service,
}

/// The service repository, if its contract names this training repository as the model's source.
pub(super) fn side(run: &Run, contract: &Training, ask: &mut Ask) -> Option<Option<Side>> {
    let Some(repo) = service_repo(run, ask)? else {
        return Some(None);
    };
    let Some(view) = ask.repository(repo.id)? else {
        return Some(None);
    };
    let Some(head) = ask.head(repo.id, &view.default_branch)? else {
        return Some(None);
    };
    let ContractAt::Good(found, _) = ask.contract(repo.id, &head)? else {
        return Some(None);
    };
    let Contract::Service(service) = *found else {
        return Some(None);
    };
    let is_partner = service
        .models
        .get(&contract.model)
        .is_some_and(|source| source.from == run.repo.name.name());
    Some(is_partner.then_some(Side {
        repo,
        head,
        contract: service,
    }))
}

/// The version that serves in the last environment that serves one.
pub(super) fn live_version(side: &Side, model: &Slug, ask: &mut Ask) -> Option<Option<Version>> {
    let environments = ask.environments(side.repo.id)?;
    let versions = ask.versions(side.repo.id, model)?;
    let last = side
        .contract
        .environments
        .iter()
        .rev()
        .find_map(|wanted| match &wanted.role {
            Role::Preview { .. } => None,
            Role::Tracks { .. } | Role::After { .. } => {
                let live = environments
                    .iter()
                    .find(|seen| seen.name == wanted.name)?
                    .live
                    .as_ref()?;
                live.models.get(model).map(|reference| reference.version)
            }
        });
    Some(last.and_then(|number| {
        versions
            .into_iter()
            .find(|version| version.version == number)
    }))
}

/// Holds the candidate against its own samples in the service's runtime.
pub(super) fn parity(
    run: &mut Run,
    side: Option<&Side>,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Option<Found>> {
    let Some(side) = side else {
        run.note = Some("the service repository does not name this repository as the model's source, so `parity` could not be tried".to_owned());
        return Some(None);
    };
    let Some(digest) = run
        .evidence
        .iter()
        .find(|file| file.path.as_str() == "samples.jsonl")
        .map(|file| file.sha256.clone())
    else {
        run.note = Some(
            "the evaluation wrote no `samples.jsonl`, so `parity` could not be tried".to_owned(),
        );
        return Some(None);
    };
    let samples = ask.samples(&digest)?;
    let plan = plan::parity(run, &side.repo, &side.head, &side.contract, samples);
    // The plan of a stage that was started stays, though the service's head moves on: the stage's id is what counts.
    match stage(run, "parity", plan, given, ask)? {
        Ok(done) => {
            run.probe = done.probe;
            Some(None)
        }
        Err(Found::Going {
            intents,
            word,
            progress,
            tail,
        }) => Some(Some(Found::Going {
            intents,
            word,
            progress,
            tail,
        })),
        Err(Found::Over(annotations)) => {
            if run.phase != Phase::Failed {
                return Some(Some(Found::Over(annotations)));
            }
            // A server that does not start or answers otherwise is a verdict of the gate, not of the run.
            run.note = run.failure.take().map(|failure| failure.message);
            run.phase = Phase::Running;
            Some(None)
        }
    }
}
