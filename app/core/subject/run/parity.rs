//! The service's side of a model: what is live there, and what its own runtime answers.

use super::stage::{Found, stage};
use super::train::service_repo;
use super::{Phase, Run, plan};
use crate::artifact::File;
use crate::contract::{Contract, Role, Service, Training};
use crate::effect::Version;
use crate::name::{CommitSha, Repo, Slug};
use crate::subject::Given;
use crate::subject::ask::{Ask, ContractAt};
use crate::training::spec::ProbeResult;

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

/// What came of holding the candidate against its samples.
#[derive(Default)]
pub(super) struct Probed {
    /// What the service's runtime answered.
    pub(super) probe: Option<ProbeResult>,
    /// Why there is no answer, or why it is a bad one.
    pub(super) note: Option<String>,
}

impl Probed {
    fn not(why: &str) -> Probed {
        Probed {
            probe: None,
            note: Some(why.to_owned()),
        }
    }
}

/// Whether a contract has a gate over what the service's runtime answers.
pub(super) fn is_wanted(contract: &Training) -> bool {
    let mut gates = contract.gates.iter();
    gates.any(|gate| gate.name.as_str() == "parity")
}

/// Holds the candidate against an evaluation's samples in the service's runtime, in the stage of that name.
pub(super) fn parity(
    run: &mut Run,
    (name, evidence): (&str, &[File]),
    side: Option<&Side>,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Result<Probed, Found>> {
    let Some(side) = side else {
        return Some(Ok(Probed::not(
            "the service repository does not name this repository as the model's source, so `parity` could not be tried",
        )));
    };
    let samples = evidence
        .iter()
        .find(|file| file.path.as_str() == "samples.jsonl");
    let Some(samples) = samples else {
        return Some(Ok(Probed::not(
            "the evaluation wrote no `samples.jsonl`, so `parity` could not be tried",
        )));
    };
    let samples = ask.samples(&samples.sha256)?;
    let others = match side.contract.models.len() {
        0 | 1 => Vec::new(),
        _ => ask.models(side.repo.id, &side.head)?,
    };
    let plan = plan::parity(run, name, side, samples, &others);
    // The plan of a stage that was started stays, though the service's head moves on: the stage's id is what counts.
    Some(match stage(run, name, plan, given, ask)? {
        Ok(done) => Ok(Probed {
            probe: done.probe,
            note: None,
        }),
        Err(Found::Over(_)) if run.phase == Phase::Failed => {
            // A server that does not start or answers otherwise is a verdict of the gate, not of the run.
            run.phase = Phase::Running;
            Ok(Probed {
                probe: run.probe.take(),
                note: run.failure.take().map(|failure| failure.message),
            })
        }
        Err(found @ (Found::Over(_) | Found::Going { .. })) => Err(found),
    })
}
