//! A training run: whether it is wanted, who judges it, and the model it made.

use super::idle::{Idle, idle};
use super::stage::{Found, broken, failed, skipped, stage};
use super::{Phase, Run, Trigger, plan, verdict};
use crate::contract::{Contract, Training};
use crate::name::{CommitSha, Repo, RepoPath};
use crate::subject::Given;
use crate::subject::ask::{Ask, ContractAt};
use crate::training::spec::{FailureKind, RunResult};

/// Trains, then has the judge judge.
pub(super) fn train(run: &mut Run, given: &Given<Run>, ask: &mut Ask) -> Option<Found> {
    let contract = match ask.contract(run.repo.id, &run.sha)? {
        ContractAt::Missing => return Some(skipped(run, None)),
        ContractAt::Broken(problems) => return Some(broken(run, &problems)),
        ContractAt::Good(contract, _) => contract,
    };
    let Contract::Training(contract) = *contract else {
        return Some(skipped(run, None));
    };
    run.model = Some(contract.model.clone());
    run.service = Some(contract.service.clone());
    if run.stages.is_empty()
        && let Some(Idle(why)) = idle(run, &contract, ask)?
    {
        return Some(skipped(run, why));
    }
    if run.stages.is_empty()
        && let Some((step, why)) = super::secrets::refusal(run, &contract, ask)?
    {
        if run.cause.trigger.queue().is_some() {
            return Some(skipped(run, Some("what has not landed gets no secrets")));
        }
        return Some(failed(run, FailureKind::Agent, &step, why));
    }
    let judge = judge_contract(run, &contract, ask)?;
    let plan = plan::train(run, &contract, judge.as_ref());
    let done = match stage(run, "train", plan, given, ask)? {
        Ok(done) => done,
        Err(found) => return Some(found),
    };
    if let Err(found) = take_model(run, &done) {
        return Some(found);
    }
    let images = contract.steps.iter().filter_map(|step| {
        let image = step.image.clone()?;
        Some((step.name.to_string(), image))
    });
    run.images = images.collect();
    let Some(judge) = judge else {
        run.phase = Phase::Succeeded;
        run.note =
            Some("the base branch has no contract yet, so nothing judged this model".to_owned());
        return Some(Found::Over(Vec::new()));
    };
    verdict::judge(run, &judge, &done, given, ask)
}

/// The contract that judges: the base's for a pull request, its own for a push to the default branch, and the default
/// branch's for everything else. A branch of somebody's own making never judges itself.
fn judge_contract(run: &mut Run, own: &Training, ask: &mut Ask) -> Option<Option<Training>> {
    let base = match run.cause.trigger.base() {
        Some(base) => base.clone(),
        None => match protected(run, ask)? {
            Some(base) => base,
            None => {
                run.judge_sha = Some(run.sha.clone());
                return Some(Some(own.clone()));
            }
        },
    };
    let judge = training_at(run, &base, ask)?;
    run.judge_sha = judge.is_some().then_some(base);
    Some(judge)
}

/// What a check of a commit may not see: the data that it holds out itself, and what the protected branch does.
pub(super) fn held_out(run: &Run, own: &Contract, ask: &mut Ask) -> Option<Vec<RepoPath>> {
    let Contract::Training(own) = own else {
        return Some(Vec::new());
    };
    let base = match (run.cause.trigger.base(), ask.repository(run.repo.id)?) {
        (Some(base), _) => Some(base.clone()),
        (None, Some(view)) => ask.head(run.repo.id, &view.default_branch)?,
        (None, None) => None,
    };
    let judge = match &base {
        Some(base) => training_at(run, base, ask)?,
        None => None,
    };
    Some(plan::held_out([Some(own), judge.as_ref()]))
}

/// The training contract at a commit of the run's repository, where there is one that can be read.
fn training_at(run: &Run, at: &CommitSha, ask: &mut Ask) -> Option<Option<Training>> {
    Some(match ask.contract(run.repo.id, at)? {
        ContractAt::Good(contract, _) => match *contract {
            Contract::Training(contract) => Some(contract),
            Contract::Service(_) => None,
        },
        ContractAt::Missing | ContractAt::Broken(_) => None,
    })
}

/// The commit of the default branch whose judge judges; `None` when it is the run's own.
fn protected(run: &mut Run, ask: &mut Ask) -> Option<Option<CommitSha>> {
    let Some(view) = ask.repository(run.repo.id)? else {
        return Some(None);
    };
    run.is_aside = run.cause.trigger.branch() != Some(&view.default_branch);
    if !run.is_aside && matches!(run.cause.trigger, Trigger::Push { .. }) {
        return Some(None);
    }
    // The judge stays the one that was there at the first look.
    match &run.judge_sha {
        Some(judge) => Some(Some(judge.clone())),
        None => ask.head(run.repo.id, &view.default_branch),
    }
}

/// The model among the outputs of training.
fn take_model(run: &mut Run, done: &RunResult) -> Result<(), Found> {
    if run.made.is_some() {
        return Ok(());
    }
    run.runtime = done.runtime.clone();
    run.unconfined = done.unconfined.clone();
    let files: Vec<crate::artifact::File> = done
        .outputs
        .iter()
        .filter_map(|file| {
            let path = RepoPath::parse(file.path.as_str().strip_prefix("model/")?).ok()?;
            Some(crate::artifact::File {
                path,
                ..file.clone()
            })
        })
        .collect();
    if files.is_empty() {
        let seen: Vec<&str> = done
            .outputs
            .iter()
            .take(5)
            .map(|f| f.path.as_str())
            .collect();
        let message = format!(
            "the steps wrote no model; write it to `$OUTPUTS_DIR/model/` (seen instead: {})",
            if seen.is_empty() {
                "nothing".to_owned()
            } else {
                seen.join(", ")
            }
        );
        return Err(failed(run, FailureKind::MissingFile, "train", message));
    }
    let name = run
        .model
        .as_ref()
        .map_or_else(|| "model".to_owned(), ToString::to_string);
    run.made = Some(crate::effect::ModelFiles {
        name,
        version: None,
        digest: crate::artifact::digest(&files),
        files,
    });
    Ok(())
}

/// The service repository of a training run, where it can be seen.
pub(super) fn service_repo(run: &Run, ask: &mut Ask) -> Option<Option<Repo>> {
    let Some(name) = run
        .service
        .as_deref()
        .and_then(|name| run.repo.name.sibling(name).ok())
    else {
        return Some(None);
    };
    Some(ask.repository_named(&name)?.map(|view| view.repo))
}
