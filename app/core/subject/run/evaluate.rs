//! Measuring: what a judge finds in the candidate and, unless it has measured that one already, in the live model.

use super::stage::{Found, stage};
use super::{Phase, Run, plan};
use crate::artifact::File;
use crate::contract::{Evaluate, Judge, Training};
use crate::effect::{ModelFiles, StagePlan, Version};
use crate::name::{CommitSha, Digest, RepoPath};
use crate::subject::Given;
use crate::subject::ask::{Ask, StageView};
use crate::training::spec::{FailureKind, Metric, RunResult, RuntimeSpec, StepResult};
use std::collections::BTreeMap;

/// The models' names in a stage.
const CANDIDATE: &str = "candidate";
const LIVE: &str = "live";

/// A judge, with all that it needs to judge.
pub(super) struct Bench<'a> {
    /// Stands before the names of its stages.
    pub(super) prefix: &'static str,
    pub(super) contract: &'a Training,
    pub(super) judge: &'a Judge,
    /// Where its code and its data come from.
    pub(super) sha: CommitSha,
    pub(super) digest: Digest,
}

impl<'a> Bench<'a> {
    /// The judge of a contract at a commit; `None` inside where training measures itself.
    pub(super) fn of(
        run: &Run,
        prefix: &'static str,
        contract: &'a Training,
        sha: &CommitSha,
        ask: &mut Ask,
    ) -> Option<Option<Bench<'a>>> {
        let Evaluate::Judge(judge) = &contract.evaluate else {
            return Some(None);
        };
        let files = files(run, sha, contract, ask)?;
        Some(Some(Bench {
            prefix,
            contract,
            judge,
            sha: sha.clone(),
            digest: digest(&files, judge, contract),
        }))
    }
}

/// What an evaluation is given of its commit, and its digest therefore covers; all where nothing is named.
///
/// What it imports or reads nobody knows without running it. So every file counts, unless the contract names its code: then
/// it is given no other, and what was forgotten is missing instead of being changed unseen.
pub(crate) fn given(contract: &Training) -> Vec<RepoPath> {
    let Evaluate::Judge(Judge {
        code: Some(code),
        data,
        run,
        ..
    }) = &contract.evaluate
    else {
        return Vec::new();
    };
    let mut paths: Vec<RepoPath> = code.iter().chain(data).cloned().collect();
    paths.extend(named(run));
    match &contract.runtime {
        Some(RuntimeSpec::Python { requirements, .. } | RuntimeSpec::Base { requirements, .. }) => {
            paths.extend(requirements.clone());
        }
        Some(RuntimeSpec::Conda { file: lock } | RuntimeSpec::Rust { lock }) => {
            paths.push(lock.clone());
        }
        // A contract with `code` and a Dockerfile was refused.
        Some(RuntimeSpec::Dockerfile { .. } | RuntimeSpec::Image { .. }) | None => {}
    }
    paths.sort();
    paths.dedup();
    paths
}

/// The words of a command that may be files.
fn named(command: &[String]) -> impl Iterator<Item = RepoPath> {
    let words = command.iter().filter(|word| !word.starts_with('-'));
    words.filter_map(|word| RepoPath::parse(word).ok())
}

/// Where a repository's own policies are.
pub(crate) fn policies() -> Vec<RepoPath> {
    RepoPath::parse(".bowsprit/policies").into_iter().collect()
}

/// Digest over the files that judge at a commit: those of the evaluation and the repository's policies.
pub(super) fn files(
    run: &Run,
    sha: &CommitSha,
    contract: &Training,
    ask: &mut Ask,
) -> Option<Digest> {
    let policies = ask.judge_digest(run.repo.id, sha, &policies());
    let Evaluate::Judge(_) = &contract.evaluate else {
        return policies;
    };
    let given = ask.snapshot_digest(run.repo.id, sha, &given(contract));
    Some(joined(&given?, &policies?))
}

/// One digest of the evaluation's files and the policies.
pub(super) fn joined(given: &Digest, policies: &Digest) -> Digest {
    Digest::of(format!("{given}\n{policies}").as_bytes())
}

/// Digest of what judges: its files, how it is started, in which software, its gates.
pub(super) fn digest(files: &Digest, judge: &Judge, contract: &Training) -> Digest {
    let said = serde_json::json!([
        judge.run,
        judge.data,
        judge.env,
        contract.gates,
        contract.runtime
    ]);
    Digest::of(format!("{files}\n{said}").as_bytes())
}

/// What the same judge was known by when its digest covered data, policies and the programs on the command line alone.
///
/// Versions of that time hold it, and their judges must still be found.
pub(super) fn narrow_digest(run: &Run, bench: &Bench<'_>, ask: &mut Ask) -> Option<Digest> {
    let (judge, contract) = (bench.judge, bench.contract);
    let mut paths = judge.data.clone();
    paths.extend(named(&judge.run));
    paths.extend(policies());
    let files = ask.judge_digest(run.repo.id, &bench.sha, &paths)?;
    let said = serde_json::json!([judge.run, judge.data, judge.env, contract.gates]);
    Some(Digest::of(format!("{files}\n{said}").as_bytes()))
}

/// What a judge found.
pub(super) struct Measured {
    pub(super) candidate: BTreeMap<String, Metric>,
    /// The live model's figures, with its version.
    pub(super) live: Option<(u64, BTreeMap<String, Metric>)>,
    /// The run that the live model's figures come from, where it is another one.
    pub(super) live_run: Option<String>,
    /// Small files of the candidate's evaluation.
    pub(super) evidence: Vec<File>,
    /// Where metrics were looked for.
    pub(super) searched: Vec<String>,
    /// The software that it ran in.
    pub(super) runtime: Option<Digest>,
    /// Why the live model could not be measured.
    pub(super) note: Option<String>,
    /// Last lines of the log.
    pub(super) tail: Vec<String>,
}

/// Has a judge measure, on the same rows.
pub(super) fn measure(
    run: &mut Run,
    bench: &Bench<'_>,
    live: Option<&Version>,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Result<Measured, Found>> {
    let known = match live {
        Some(version) => known(version, &bench.digest, ask)?,
        None => None,
    };
    let candidate = run.made.clone().map(|made| called(CANDIDATE, made));
    let live_files = live.map(|version| called(LIVE, model(version)));
    let mut models: Vec<ModelFiles> = candidate.into_iter().collect();
    models.extend(live_files.clone().filter(|_| known.is_none()));
    let name = format!("{}evaluate", bench.prefix);
    let plan = plan::evaluate(run, &name, bench, models);
    let (done, mut note) = match ended(run, &name, plan, given, ask)? {
        Ok(ended) => ended,
        Err(found) => return Some(Err(found)),
    };
    let candidate = done.steps.iter().find(|step| step.name == CANDIDATE);
    let mut live_run = None;
    let figures = match (known, live_files) {
        (Some(known), _) if known.runtime == done.runtime => {
            live_run = Some(known.run);
            known.figures
        }
        // The same code in other software is another measurement.
        (Some(_), Some(files)) => {
            let name = format!("{}live", bench.prefix);
            let plan = plan::evaluate(run, &name, bench, vec![files]);
            match ended(run, &name, plan, given, ask)? {
                Ok((done, why)) => {
                    note = why;
                    metrics(&done, LIVE)
                }
                Err(found) => return Some(Err(found)),
            }
        }
        (Some(_) | None, _) => metrics(&done, LIVE),
    };
    Some(Ok(Measured {
        live: live.map(|version| (version.version, figures)),
        live_run,
        evidence: done
            .outputs
            .iter()
            .filter_map(|file| under(file, CANDIDATE))
            .collect(),
        searched: candidate.map_or_else(Vec::new, |step| step.searched.clone()),
        candidate: metrics(&done, CANDIDATE),
        runtime: done.runtime,
        note,
        tail: done.tail,
    }))
}

/// What this very judge found in a version when it was the candidate.
struct Known {
    run: String,
    runtime: Option<Digest>,
    figures: BTreeMap<String, Metric>,
}

/// A version's run keeps them; the same code on the same rows would find the same again.
fn known(version: &Version, judge: &Digest, ask: &mut Ask) -> Option<Option<Known>> {
    if version.judge_digest != *judge || version.self_reported {
        return Some(None);
    }
    let Some(run) = ask.run(&version.run)? else {
        return Some(None);
    };
    let is_same = run.judge_digest.as_ref() == Some(judge)
        && run
            .made
            .as_ref()
            .is_some_and(|made| made.digest == version.digest);
    if !is_same || run.metrics.is_empty() {
        return Some(None);
    }
    let told = |(name, metric): (String, Metric)| {
        let origin = format!("{} of run {}", metric.origin, version.run);
        (name, Metric { origin, ..metric })
    };
    Some(Some(Known {
        run: version.run.clone(),
        runtime: run.judged_in,
        figures: run.metrics.into_iter().map(told).collect(),
    }))
}

fn called(name: &str, files: ModelFiles) -> ModelFiles {
    ModelFiles {
        name: name.to_owned(),
        ..files
    }
}

fn model(version: &Version) -> ModelFiles {
    ModelFiles {
        name: version.model.to_string(),
        version: Some(version.version),
        digest: version.digest.clone(),
        files: version.files.clone(),
    }
}

fn metrics(done: &RunResult, name: &str) -> BTreeMap<String, Metric> {
    let step = |step: &&StepResult| step.name == name;
    let found = done.steps.iter().find(step);
    found.map_or_else(BTreeMap::new, |step| step.metrics.clone())
}

fn under(file: &File, folder: &str) -> Option<File> {
    let path = file.path.as_str().strip_prefix(folder)?.strip_prefix('/')?;
    Some(File {
        path: RepoPath::parse(path).ok()?,
        ..file.clone()
    })
}

/// The end of a stage; that only the live model could not be measured is no end of the run, but is said.
fn ended(
    run: &mut Run,
    name: &str,
    plan: StagePlan,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Result<(RunResult, Option<String>), Found>> {
    let id = plan.stage.clone();
    let is_narrow = !plan.only.is_empty();
    let has_candidate = plan.models.iter().any(|model| model.name == CANDIDATE);
    let found = match stage(run, name, plan, given, ask)? {
        Ok(done) => return Some(Ok((done, None))),
        Err(found) => found,
    };
    if is_narrow {
        hint(run);
    }
    Some(match ask.stage(&id)? {
        StageView::Done(result)
            if is_live_alone(run)
                && (!has_candidate || !metrics(&result, CANDIDATE).is_empty()) =>
        {
            Ok(go_on(run, *result))
        }
        StageView::Done(_)
        | StageView::Unknown
        | StageView::Queued(_)
        | StageView::Waiting(_)
        | StageView::Running(_) => Err(found),
    })
}

/// Says what a judge was given that misses something.
fn hint(run: &mut Run) {
    if let Some(failure) = run.failure.as_mut()
        && let FailureKind::MissingFile | FailureKind::MissingPackage = failure.kind
    {
        failure.message.push_str(
            "; the evaluation is given what `code` and `data` of `evaluate` name, and no other file of the repository",
        );
    }
}

/// Whether the step that failed is the live model's.
fn is_live_alone(run: &Run) -> bool {
    let failed = run.failure.as_ref().map(|failure| failure.step.as_str());
    failed == Some(LIVE)
}

/// Judges the candidate all the same: gates that compare say that the live model could not be measured.
fn go_on(run: &mut Run, mut result: RunResult) -> (RunResult, Option<String>) {
    let why = run.failure.take().map(|failure| failure.message);
    run.phase = Phase::Running;
    run.tail = Vec::new();
    for step in result.steps.iter_mut().filter(|step| step.name == LIVE) {
        step.metrics.clear();
    }
    let note = why.map(|why| format!("the live model could not be measured: {why}"));
    (result, note)
}
