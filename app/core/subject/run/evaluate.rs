//! Measuring: what the judge finds in the candidate and in the live model.

use super::stage::{Found, stage};
use super::{Phase, Run, plan};
use crate::artifact::File;
use crate::contract::{Evaluate, Judge, Training};
use crate::effect::{ModelFiles, Version};
use crate::name::{Digest, RepoPath};
use crate::subject::Given;
use crate::subject::ask::{Ask, StageView};
use crate::training::spec::{RunResult, StepResult};

/// Has the judge measure both models; says where metrics were looked for.
pub(super) fn evaluate(
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
