//! A stage of a run: started, waited for, read; and what one look found.

use super::{Phase, Run, Stage};
use crate::effect::{Annotation, Effect, EffectState, Intent, Priority, StagePlan};
use crate::name::RepoPath;
use crate::subject::Given;
use crate::subject::ask::{Ask, StageView};
use crate::training::spec::{Failure, FailureKind, RunResult};

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
        StageView::Waiting(why) => Err(going(
            Vec::new(),
            format!("{name}: {why}"),
            None,
            Vec::new(),
        )),
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

/// A broken contract, told on its lines.
pub(super) fn broken(run: &mut Run, problems: &[crate::contract::Problem]) -> Found {
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

pub(super) fn skipped(run: &mut Run, note: Option<&str>) -> Found {
    run.phase = Phase::Skipped;
    run.note = note.map(str::to_owned);
    Found::Over(Vec::new())
}

pub(super) fn failed(run: &mut Run, kind: FailureKind, step: &str, message: String) -> Found {
    run.phase = Phase::Failed;
    run.failure = Some(Failure {
        kind,
        step: step.to_owned(),
        message,
    });
    Found::Over(Vec::new())
}
