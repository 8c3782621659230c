//! The service's side of a model: what is live there, and what its own runtime answers.

use super::stage::{Found, stage};
use super::{Phase, Run, plan};
use crate::artifact::{EVIDENCE_BYTES_MAX, File};
use crate::contract::{Contract, Role, Service, Training};
use crate::effect::Version;
use crate::name::{CommitSha, Repo, Slug};
use crate::subject::Given;
use crate::subject::ask::{Ask, ContractAt, RepoView};
use crate::training::spec::ProbeResult;

/// The service's side of a model.
pub(super) struct Side {
    pub(super) repo: Repo,
    pub(super) head: CommitSha,
    pub(super) contract: Service,
}

/// The service's side of the model that a judge's contract names; `None` inside where there is none yet.
///
/// That nothing is live is no more believed than that something is: where it cannot be told, nobody may pass as the first.
/// Errors inside: why it cannot be told, and what would help.
pub(super) fn side(
    run: &Run,
    contract: &Training,
    ask: &mut Ask,
) -> Option<Result<Option<Side>, String>> {
    let service = &contract.service;
    let view = match run.repo.name.sibling(service) {
        Ok(name) => ask.repository_named(&name)?,
        Err(_) => None,
    };
    let Some(RepoView {
        repo,
        default_branch,
    }) = view
    else {
        return Some(Err(format!(
            "the service repository `{service}` is not shown to Bowsprit, so what is live cannot be told; install the App on it, or name another repository in `service`"
        )));
    };
    let Some(head) = ask.head(repo.id, &default_branch)? else {
        let why = format!("`{default_branch}` of `{}` has no commit", repo.name);
        return none_yet(&repo, contract, &why, ask);
    };
    let at = format!("`bowsprit.yaml` of `{}` at `{}`", repo.name, head.short());
    let found = match ask.contract(repo.id, &head)? {
        ContractAt::Good(found, _) => found,
        ContractAt::Missing => {
            let why = format!("`{}` has no `bowsprit.yaml`", repo.name);
            return none_yet(&repo, contract, &why, ask);
        }
        ContractAt::Broken(problems) => {
            let first = problems.first().map_or("", |first| first.message.as_str());
            return Some(Err(format!(
                "{at} cannot be read, so what is live cannot be told; mend it: {first}"
            )));
        }
    };
    let Contract::Service(service) = *found else {
        let why = format!("{at} is no service's");
        return none_yet(&repo, contract, &why, ask);
    };
    let source = service.models.get(&contract.model);
    if source.is_none_or(|source| source.from != run.repo.name.name()) {
        let why = format!(
            "{at} does not name `{}` as the source of `{}`",
            run.repo.name.name(),
            contract.model
        );
        return none_yet(&repo, contract, &why, ask);
    }
    Some(Ok(Some(Side {
        repo,
        head,
        contract: service,
    })))
}

/// A service that says nothing of a model has none of it, unless one is known.
fn none_yet(
    repo: &Repo,
    contract: &Training,
    why: &str,
    ask: &mut Ask,
) -> Option<Result<Option<Side>, String>> {
    let model = &contract.model;
    let (environments, versions) = (ask.environments(repo.id), ask.versions(repo.id, model));
    let mut live = environments?.into_iter().filter_map(|seen| seen.live);
    let is_live = live.any(|live| live.models.contains_key(model));
    if !is_live && versions?.is_empty() {
        return Some(Ok(None));
    }
    Some(Err(format!(
        "{why}, and yet it has versions of `{model}`, so which one is live cannot be told; mend that contract on the default branch"
    )))
}

/// The version that serves in the last environment that serves one. Errors inside: nothing is known of that version.
pub(super) fn live_version(
    side: &Side,
    model: &Slug,
    ask: &mut Ask,
) -> Option<Result<Option<Version>, String>> {
    let environments = ask.environments(side.repo.id)?;
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
                let reference = live.models.get(model)?;
                Some((&wanted.name, reference.version))
            }
        });
    let Some((environment, number)) = last else {
        return Some(Ok(None));
    };
    let found = numbered(side, model, number, ask)?;
    Some(found.map(Some).map_err(|why| {
        format!("{why}, or have `{environment}`, where it is live, serve another version")
    }))
}

/// The version of a number. Errors inside: nothing is known of it.
pub(super) fn numbered(
    side: &Side,
    model: &Slug,
    number: u64,
    ask: &mut Ask,
) -> Option<Result<Version, String>> {
    let versions = ask.versions(side.repo.id, model)?;
    let found = versions.into_iter().find(|v| v.version == number);
    Some(found.ok_or_else(|| {
        format!(
            "nothing is known of v{number} of `{model}`, so nothing can be compared with it; bring back the tag `{model}/v{number}` of `{}`",
            side.repo.name
        )
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
    if samples.bytes > EVIDENCE_BYTES_MAX {
        return Some(Ok(Probed::not(&format!(
            "`samples.jsonl` has {} bytes, at most {EVIDENCE_BYTES_MAX} are read, so `parity` could not be tried; let the evaluation write fewer samples",
            samples.bytes
        ))));
    }
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
