//! Judging: the evaluation stage, the parity stage, the gates.

use super::stage::{Found, stage};
use super::train::service_repo;
use super::{Phase, Run, plan};
use crate::artifact::File;
use crate::contract::{Contract, Evaluate, Judge, Role, Service, Training};
use crate::effect::{ModelFiles, Version};
use crate::gate::{self, Evidence, LiveEvidence};
use crate::name::{CommitSha, Digest, Repo, RepoPath, Slug};
use crate::subject::Given;
use crate::subject::ask::{Ask, ContractAt, StageView};
use crate::training::spec::{Metric, RunResult, StepResult};
use std::collections::BTreeMap;

/// The service's side of a model, as far as it can be seen.
struct Side {
    repo: Repo,
    head: CommitSha,
    contract: Service,
}

/// Runs what judges a trained model, then the gates.
pub(super) fn judge(
    run: &mut Run,
    contract: &Training,
    trained: &RunResult,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Found> {
    let Some(judge_sha) = run.judge_sha.clone() else {
        return Some(Found::Over(Vec::new()));
    };
    let policies = match ask.policies(run.repo.id, &judge_sha)? {
        Ok(policies) => policies,
        Err(why) => return Some(bad_policies(run, why)),
    };
    let side = side(run, contract, ask)?;
    let live = match &side {
        Some(side) => live_version(side, &contract.model, ask)?,
        None => None,
    };
    let searched = match &contract.evaluate {
        Evaluate::SelfReported => {
            run.self_reported = true;
            run.metrics = trained
                .steps
                .iter()
                .flat_map(|step| step.metrics.clone())
                .collect();
            run.live = live
                .as_ref()
                .map(|version| (version.version, as_metrics(version)));
            trained
                .steps
                .iter()
                .flat_map(|step| step.searched.clone())
                .collect()
        }
        Evaluate::Judge(_) => match evaluate(run, contract, live.as_ref(), given, ask)? {
            Ok(searched) => searched,
            Err(found) => return Some(found),
        },
    };
    if contract
        .gates
        .iter()
        .any(|gate| gate.name.as_str() == "parity")
        && let Some(found) = parity(run, side.as_ref(), given, ask)?
    {
        return Some(found);
    }
    let evidence = Evidence {
        candidate: run.metrics.clone(),
        live: run
            .live
            .clone()
            .map(|(version, metrics)| LiveEvidence { version, metrics }),
        probe: run.probe.clone(),
        self_reported: run.self_reported,
        searched,
        tail: trained.tail.clone(),
    };
    run.verdicts = gate::judge(&contract.gates, &policies, &evidence);
    run.phase = if gate::may_propose(&run.verdicts) {
        Phase::Succeeded
    } else {
        Phase::Failed
    };
    Some(Found::Over(Vec::new()))
}

fn bad_policies(run: &mut Run, why: String) -> Found {
    run.phase = Phase::Failed;
    run.failure = Some(crate::training::spec::Failure {
        kind: crate::training::spec::FailureKind::Agent,
        step: "policies".to_owned(),
        message: format!("the policies of the base branch cannot be used: {why}"),
    });
    Found::Over(Vec::new())
}

/// Metrics that were measured when that version was proposed; used only where a training measures itself.
fn as_metrics(version: &Version) -> BTreeMap<String, Metric> {
    let metric = |(name, value): (&String, &f64)| {
        let metric = Metric {
            value: crate::training::spec::MetricValue::Number(*value),
            origin: format!("v{}", version.version),
        };
        (name.clone(), metric)
    };
    version.metrics.iter().map(metric).collect()
}

fn evaluate(
    run: &mut Run,
    contract: &Training,
    live: Option<&Version>,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Result<Vec<String>, Found>> {
    let (Evaluate::Judge(judge), Some(judge_sha)) = (&contract.evaluate, run.judge_sha.clone())
    else {
        return Some(Ok(Vec::new()));
    };
    let files = ask.judge_digest(run.repo.id, &judge_sha, &judge_paths(judge))?;
    run.judge_digest = Some(judge_digest(&files, judge, contract));
    let live_files = live.map(|version| ModelFiles {
        name: "live".to_owned(),
        version: Some(version.version),
        digest: version.digest.clone(),
        files: version.files.clone(),
    });
    let plan = plan::evaluate(run, contract, judge, &judge_sha, live_files);
    let id = plan.stage.clone();
    let done = match stage(run, "evaluate", plan, given, ask)? {
        Ok(done) => done,
        Err(found) => match ask.stage(&id)? {
            StageView::Done(result) if is_live_alone(run, &result) => go_on(run, *result),
            StageView::Done(_)
            | StageView::Unknown
            | StageView::Queued(_)
            | StageView::Running(_) => return Some(Err(found)),
        },
    };
    let step = |name: &str| done.steps.iter().find(|step| step.name == name);
    let metrics =
        |step: Option<&StepResult>| step.map(|step| step.metrics.clone()).unwrap_or_default();
    run.metrics = metrics(step("candidate"));
    run.live = live.map(|version| (version.version, metrics(step("live"))));
    run.evidence = done
        .outputs
        .iter()
        .filter_map(|file| under(file, "candidate/"))
        .collect();
    Some(Ok(step("candidate")
        .map(|step| step.searched.clone())
        .unwrap_or_default()))
}

/// Whether only the live model could not be measured, and the candidate was.
fn is_live_alone(run: &Run, result: &RunResult) -> bool {
    let failed = run.failure.as_ref().map(|failure| failure.step.as_str());
    failed == Some("live")
        && result
            .steps
            .iter()
            .any(|step| step.name == "candidate" && !step.metrics.is_empty())
}

/// Judges the candidate all the same: gates that compare say that the live model could not be measured.
fn go_on(run: &mut Run, mut result: RunResult) -> RunResult {
    let why = run.failure.take().map(|failure| failure.message);
    run.note = why.map(|why| format!("the live model could not be measured: {why}"));
    run.phase = Phase::Running;
    run.tail = Vec::new();
    for step in result.steps.iter_mut().filter(|step| step.name == "live") {
        step.metrics.clear();
    }
    result
}

fn under(file: &File, folder: &str) -> Option<File> {
    let path = RepoPath::parse(file.path.as_str().strip_prefix(folder)?).ok()?;
    Some(File {
        path,
        ..file.clone()
    })
}

/// Digest of what judges: its files, how it is started, its gates; what only trains does not count.
fn judge_digest(files: &Digest, judge: &Judge, contract: &Training) -> Digest {
    let said = serde_json::json!([judge.run, judge.data, judge.env, contract.gates]);
    Digest::of(format!("{files}\n{said}").as_bytes())
}

/// The files that judge: data, the programs named on the command line, the repository's policies.
fn judge_paths(judge: &Judge) -> Vec<RepoPath> {
    let mut paths = judge.data.clone();
    paths.extend(
        judge
            .run
            .iter()
            .filter(|word| !word.starts_with('-'))
            .filter_map(|word| RepoPath::parse(word).ok()),
    );
    paths.extend(RepoPath::parse(".bowsprit/policies").ok());
    paths
}

/// The service repository, if its contract names this training repository as the model's source.
fn side(run: &Run, contract: &Training, ask: &mut Ask) -> Option<Option<Side>> {
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
fn live_version(side: &Side, model: &Slug, ask: &mut Ask) -> Option<Option<Version>> {
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
fn parity(
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
