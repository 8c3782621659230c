//! One look at a run: what to start next, what to conclude.

use super::plan;
use super::verdict;
use super::{Cause, Phase, Run, Stage, Trigger, What};
use crate::contract::{Contract, Service, Training};
use crate::effect::{
    Annotation, Effect, EffectState, Hint, Intent, Priority, Record, StagePlan, Wake,
};
use crate::name::{CommitSha, Repo, RepoPath};
use crate::subject::ask::{Ask, ContractAt, StageView};
use crate::subject::{Act, Given, Step, SubjectKey};
use crate::training::spec::{Failure, FailureKind, RunResult};

/// How often the check of a run under way is written anew though its phase is the same. Units: milliseconds.
const PROGRESS_MS: i64 = 60_000;

/// A run is looked at again after this, whatever happens. Units: milliseconds.
const LOOK_MS: i64 = 60_000;

/// Says what to do for a run now.
pub fn step(given: &Given<Run>, ask: &mut Ask) -> Step<Run> {
    let Some(run) = begin(given) else {
        return Step::Nothing;
    };
    if run.phase.is_final() {
        return Step::Act(Box::new(Act::keep(run)));
    }
    match advance(run, given, ask) {
        Some(act) => Step::Act(Box::new(act)),
        None => Step::Look(ask.take_missing()),
    }
}

fn begin(given: &Given<Run>) -> Option<Run> {
    given.state.clone().or_else(|| {
        given.hints.iter().find_map(|hint| match hint {
            Hint::RunWanted(cause) => Some(Run::new(cause.clone(), given.now_ms)),
            Hint::Pushed { .. }
            | Hint::CancelRun { .. }
            | Hint::Supersede { .. }
            | Hint::Promote { .. }
            | Hint::Rollback { .. }
            | Hint::Unhold
            | Hint::Gone => None,
        })
    })
}

/// What one look found: the run goes on, or it is over.
pub(super) enum Found {
    /// A stage is wanted or under way.
    Going {
        intents: Vec<Intent>,
        word: String,
        progress: Option<f64>,
        tail: Vec<String>,
    },
    /// Over, with annotations for the check.
    Over(Vec<Annotation>),
}

fn advance(mut run: Run, given: &Given<Run>, ask: &mut Ask) -> Option<Act<Run>> {
    if let Some(why) = ended_from_outside(&run, given, ask)? {
        run.phase = Phase::Cancelled;
        run.cancelled = Some(why);
        let mut act = conclude(run, given, ask, Vec::new())?;
        let open: Vec<String> = act
            .state
            .stages
            .iter()
            .filter(|s| !s.is_done)
            .map(|s| s.id.clone())
            .collect();
        act.intents.extend(open.into_iter().map(|stage| Intent {
            key: format!("cancel:{stage}"),
            is_view: false,
            priority: Priority::Change,
            effect: Effect::CancelStage { stage },
        }));
        return Some(act);
    }
    let found = match run.cause.what.clone() {
        What::Train => train(&mut run, given, ask)?,
        What::Service => service(&mut run, given, ask)?,
        What::Check(name) => check(&mut run, &name, given, ask)?,
    };
    match found {
        Found::Over(annotations) => conclude(run, given, ask, annotations),
        Found::Going {
            intents,
            word,
            progress,
            tail,
        } => {
            run.phase = Phase::Running;
            let due = run
                .shown
                .as_ref()
                .is_none_or(|(last, at)| *last != word || given.now_ms - at >= PROGRESS_MS);
            let mut act = Act::keep(run);
            act.intents = intents;
            if due {
                act.state.shown = Some((word.clone(), given.now_ms));
                act.intents
                    .push(super::check::going(&act.state, &word, progress, &tail));
            }
            act.records.push(Record::Run(Box::new(act.state.clone())));
            act.look_by(given.now_ms + LOOK_MS);
            Some(act)
        }
    }
}

/// Whether somebody ended it, or a newer push made it pointless.
fn ended_from_outside(run: &Run, given: &Given<Run>, ask: &mut Ask) -> Option<Option<String>> {
    for hint in &given.hints {
        if let Hint::CancelRun { by } = hint {
            return Some(Some(format!("cancelled by {by}")));
        }
    }
    let repo = run.repo.id;
    let now = match &run.cause.trigger {
        Trigger::Push { branch } => ask.head(repo, branch)?,
        Trigger::Pull { pr, .. }
        | Trigger::Comment { pr, .. }
        | Trigger::Again {
            pr: Some((pr, _)), ..
        } => {
            let view = ask.pull(repo, *pr)?;
            match view {
                Some(view) if view.is_open => view.change.map(|change| change.head),
                Some(_) | None => return Some(Some("the pull request is closed".to_owned())),
            }
        }
        Trigger::Again { pr: None, .. } => return Some(None),
    };
    let Some(head) = now else {
        return Some(Some("its branch is gone".to_owned()));
    };
    // GitHub may answer with the head before this push: an ancestor does not supersede.
    if head == run.sha || ask.is_ancestor(repo, &head, &run.sha)? {
        return Some(None);
    }
    Some(Some(format!("superseded by `{}`", head.short())))
}

/// A broken contract, told on its lines.
fn broken(run: &mut Run, problems: &[crate::contract::Problem]) -> Found {
    run.phase = Phase::Failed;
    let message = match problems {
        [one] => format!(
            "`bowsprit.yaml` has a problem in line {}: {}",
            one.line, one.message
        ),
        many => format!(
            "`bowsprit.yaml` has {} problems, the first in line {}",
            many.len(),
            many.first().map_or(0, |p| p.line)
        ),
    };
    run.failure = Some(Failure {
        kind: FailureKind::Agent,
        step: "contract".to_owned(),
        message,
    });
    run.tail = problems
        .iter()
        .map(|p| format!("{}:{}: {}", p.line, p.column, p.message))
        .collect();
    let path = RepoPath::parse(crate::contract::CONTRACT_FILE).ok();
    let annotations = path.iter().flat_map(|path| {
        problems.iter().map(|p| Annotation {
            path: path.clone(),
            line: p.line.max(1),
            message: p.message.clone(),
        })
    });
    Found::Over(annotations.collect())
}

fn skipped(run: &mut Run, note: Option<&str>) -> Found {
    run.phase = Phase::Skipped;
    run.note = note.map(str::to_owned);
    Found::Over(Vec::new())
}

fn failed(run: &mut Run, kind: FailureKind, step: &str, message: String) -> Found {
    run.phase = Phase::Failed;
    run.failure = Some(Failure {
        kind,
        step: step.to_owned(),
        message,
    });
    Found::Over(Vec::new())
}

fn train(run: &mut Run, given: &Given<Run>, ask: &mut Ask) -> Option<Found> {
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
        && let Some(found) = not_triggered(run, &contract, ask)?
    {
        return Some(found);
    }
    if run.stages.is_empty()
        && let Some((step, why)) = super::secrets::refusal(run, &contract, ask)?
    {
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
    let base = match run.cause.trigger.pull() {
        Some((_, base)) => base.clone(),
        None => match protected(run, ask)? {
            Some(base) => base,
            None => {
                run.judge_sha = Some(run.sha.clone());
                return Some(Some(own.clone()));
            }
        },
    };
    let judge = match ask.contract(run.repo.id, &base)? {
        ContractAt::Good(contract, _) => match *contract {
            Contract::Training(contract) => Some(contract),
            Contract::Service(_) => None,
        },
        ContractAt::Missing | ContractAt::Broken(_) => None,
    };
    run.judge_sha = judge.is_some().then_some(base);
    Some(judge)
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

fn not_triggered(run: &mut Run, contract: &Training, ask: &mut Ask) -> Option<Option<Found>> {
    let wanted = match &run.cause.trigger {
        Trigger::Push { branch } => contract.triggers.push.contains(branch),
        Trigger::Pull { .. } => contract.triggers.pull_request,
        Trigger::Comment { .. } | Trigger::Again { .. } => return Some(None),
    };
    if !wanted {
        return Some(Some(skipped(run, None)));
    }
    let Some(commit) = ask.commit(run.repo.id, &run.sha)? else {
        return Some(Some(skipped(run, Some("the commit is gone"))));
    };
    if commit.message.contains("[skip train]") {
        return Some(Some(skipped(
            run,
            Some("the commit message says `[skip train]`"),
        )));
    }
    let base = match run.cause.trigger.pull() {
        Some((_, base)) => Some(base.clone()),
        None => commit.parents.first().cloned(),
    };
    let Some(base) = base else { return Some(None) };
    let changes = ask.changes(run.repo.id, &base, &run.sha)?;
    let paths: Vec<RepoPath> = changes.files.keys().cloned().collect();
    if !changes.is_cut && !paths.is_empty() && contract.triggers.ignores(&paths) {
        return Some(Some(skipped(
            run,
            Some("only paths changed that `triggers.paths-ignore` names"),
        )));
    }
    Some(None)
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

fn service(run: &mut Run, given: &Given<Run>, ask: &mut Ask) -> Option<Found> {
    let contract = match service_contract(run, ask)? {
        Ok(contract) => contract,
        Err(found) => return Some(found),
    };
    let models = ask.models(run.repo.id, &run.sha)?;
    if let Some(wrong) = models.iter().find_map(|m| {
        m.manifest
            .as_ref()
            .err()
            .map(|why| (m.model.clone(), why.clone()))
    }) {
        let message = format!(
            "`models/{}/manifest.json` cannot be used: {}",
            wrong.0, wrong.1
        );
        return Some(failed(run, FailureKind::Corrupt, "models", message));
    }
    let plan = plan::service(run, &contract, &models);
    match stage(run, "service", plan, given, ask)? {
        Err(found) => Some(found),
        Ok(done) => {
            run.unconfined = done.unconfined.clone();
            run.probe = done.probe.clone();
            run.phase = Phase::Succeeded;
            Some(Found::Over(Vec::new()))
        }
    }
}

fn service_contract(run: &mut Run, ask: &mut Ask) -> Option<Result<Service, Found>> {
    Some(match ask.contract(run.repo.id, &run.sha)? {
        ContractAt::Missing => Err(skipped(run, None)),
        ContractAt::Broken(problems) => Err(broken(run, &problems)),
        ContractAt::Good(contract, _) => match *contract {
            Contract::Service(service) => Ok(service),
            Contract::Training(_) => Err(skipped(run, None)),
        },
    })
}

fn check(
    run: &mut Run,
    name: &crate::name::Slug,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Found> {
    let contract = match ask.contract(run.repo.id, &run.sha)? {
        ContractAt::Missing => return Some(skipped(run, None)),
        ContractAt::Broken(problems) => return Some(broken(run, &problems)),
        ContractAt::Good(contract, _) => contract,
    };
    let Some(plan) = plan::check(run, &contract, name) else {
        return Some(skipped(
            run,
            Some("the contract no longer names this check"),
        ));
    };
    Some(match stage(run, "check", plan, given, ask)? {
        Err(found) => found,
        Ok(done) => {
            run.unconfined = done.unconfined.clone();
            run.phase = Phase::Succeeded;
            Found::Over(Vec::new())
        }
    })
}

/// Starts a stage or reads how it stands: `Ok` once it succeeded.
pub(super) fn stage(
    run: &mut Run,
    name: &str,
    plan: StagePlan,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Result<RunResult, Found>> {
    let id = plan.stage.clone();
    let key = format!("stage:{id}");
    if !run.stages.iter().any(|stage| stage.id == id) {
        run.stages.push(Stage {
            id: id.clone(),
            name: name.to_owned(),
            is_done: false,
            duration_ms: None,
        });
    }
    if let Some(outcome) = given.outcomes.get(&key)
        && matches!(outcome.state, EffectState::Refused | EffectState::Dead)
    {
        let message = match &outcome.result {
            crate::effect::EffectResult::Refused { reason } => reason.clone(),
            crate::effect::EffectResult::Nothing
            | crate::effect::EffectResult::Taken
            | crate::effect::EffectResult::Proposed { .. }
            | crate::effect::EffectResult::Merged { .. } => {
                "the stage could not be started".to_owned()
            }
        };
        return Some(Err(failed(run, FailureKind::Agent, name, message)));
    }
    let start = || Intent {
        key: key.clone(),
        is_view: false,
        priority: Priority::Change,
        effect: Effect::StartStage(Box::new(plan.clone())),
    };
    Some(match ask.stage(&id)? {
        StageView::Unknown => Err(going(
            vec![start()],
            format!("{name}: starting"),
            None,
            Vec::new(),
        )),
        StageView::Queued(place) => {
            let word = if place <= 1 {
                format!("{name}: next in the queue")
            } else {
                format!("{name}: place {place} in the queue")
            };
            Err(going(vec![start()], word, None, Vec::new()))
        }
        StageView::Running(status) => {
            let doing = status
                .step
                .clone()
                .unwrap_or_else(|| format!("{:?}", status.phase).to_lowercase());
            Err(going(
                Vec::new(),
                format!("{name}: {doing}"),
                status.progress,
                status.tail.clone(),
            ))
        }
        StageView::Done(result) => ended(run, name, *result),
    })
}

fn going(intents: Vec<Intent>, word: String, progress: Option<f64>, tail: Vec<String>) -> Found {
    Found::Going {
        intents,
        word,
        progress,
        tail,
    }
}

fn ended(run: &mut Run, name: &str, result: RunResult) -> Result<RunResult, Found> {
    for stage in &mut run.stages {
        if stage.id == result.id {
            stage.is_done = true;
            stage.duration_ms = Some(result.duration_ms);
        }
    }
    match result.outcome {
        crate::training::spec::Outcome::Succeeded => Ok(result),
        crate::training::spec::Outcome::Failed => {
            run.tail = result.tail.clone();
            run.probe = result.probe.clone();
            run.runtime = run.runtime.clone().or(result.runtime.clone());
            let failure = result.failure.clone().unwrap_or(Failure {
                kind: FailureKind::Agent,
                step: name.to_owned(),
                message: "it failed without a word".to_owned(),
            });
            run.phase = Phase::Failed;
            run.failure = Some(failure);
            Err(Found::Over(Vec::new()))
        }
        crate::training::spec::Outcome::Cancelled => {
            run.phase = Phase::Cancelled;
            run.cancelled = Some("ended from outside".to_owned());
            Err(Found::Over(Vec::new()))
        }
    }
}

/// Writes the last word, and wakes whom it concerns.
fn conclude(
    mut run: Run,
    given: &Given<Run>,
    ask: &mut Ask,
    annotations: Vec<Annotation>,
) -> Option<Act<Run>> {
    let mut wakes = Vec::new();
    if let Some((pr, _)) = run.cause.trigger.pull() {
        wakes.push(Wake {
            subject: SubjectKey::Pull(run.repo.id, pr),
            hint: None,
        });
    }
    if run.cause.what == What::Train
        && run.phase == Phase::Succeeded
        && let (Some(model), Some(service)) = (run.model.clone(), service_repo(&run, ask)?)
        && !run.is_aside
        && registers(&run.cause, ask)?
    {
        wakes.push(Wake {
            subject: SubjectKey::Model(service.id, model),
            hint: None,
        });
    }
    run.finished_ms = Some(given.now_ms);
    let is_silent = run.phase == Phase::Skipped && run.note.is_none();
    let mut act = Act::keep(run);
    act.wakes = wakes;
    if !is_silent {
        act.intents
            .push(super::check::concluded(&act.state, annotations));
        act.records.push(Record::Event {
            who: act.state.cause.by.clone(),
            what: format!(
                "run {} {:?}",
                act.state.cause.what.check_name(),
                act.state.phase
            )
            .to_lowercase(),
            sha: Some(act.state.sha.clone()),
            why: act
                .state
                .failure
                .as_ref()
                .map(|f| f.message.clone())
                .or_else(|| act.state.cancelled.clone())
                .unwrap_or_default(),
        });
    }
    act.records.push(Record::Run(Box::new(act.state.clone())));
    Some(act)
}

/// Whether a run may become a model version: a trusted commit of the default branch, with the contract's own parameters.
fn registers(cause: &Cause, ask: &mut Ask) -> Option<bool> {
    let default = ask
        .repository(cause.repo.id)?
        .map(|view| view.default_branch);
    Some(
        default.is_some()
            && cause.trigger.branch() == default.as_ref()
            && cause.params.is_empty()
            && cause.trust == crate::training::spec::Trust::Trusted,
    )
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
