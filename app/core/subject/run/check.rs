//! What the check run of a run shows.

use super::old::OldJudge;
use super::{Phase, Run, What};
use crate::effect::{Annotation, CheckRun, CheckStatus, Effect, Intent, Priority, Text};
use crate::gate::{Verdict, VerdictOutcome};
use serde_json::json;

/// The check of a run under way.
pub(super) fn going(run: &Run, word: &str, progress: Option<f64>, tail: &[String]) -> Intent {
    let status = if word.contains("queue") {
        CheckStatus::Queued
    } else {
        CheckStatus::InProgress
    };
    let mut title = word.to_owned();
    if let Some(progress) = progress {
        title.push_str(&format!(" ({:.0} %)", progress.clamp(0.0, 1.0) * 100.0));
    }
    let data = json!({"run": page_data(run), "word": word, "progress": progress, "tail": tail});
    let check = check(run, status, title, Text::new("checks/going", data));
    intent(check, Priority::Progress)
}

/// The check of a run that is over.
pub(in crate::subject) fn concluded(run: &Run, annotations: Vec<Annotation>) -> Intent {
    let status = match run.phase {
        Phase::Succeeded => CheckStatus::Success,
        Phase::Failed => CheckStatus::Failure,
        Phase::Cancelled => CheckStatus::Cancelled,
        Phase::Skipped => CheckStatus::Neutral,
        Phase::Pending | Phase::Running => CheckStatus::InProgress,
    };
    let text = Text::new("checks/concluded", json!({"run": page_data(run)}));
    let check = CheckRun {
        annotations,
        ..check(run, status, headline(run), text)
    };
    intent(check, Priority::View)
}

fn check(run: &Run, status: CheckStatus, title: String, summary: Text) -> CheckRun {
    CheckRun {
        repo: run.repo.clone(),
        sha: run.sha.clone(),
        name: run.cause.what.check_name(),
        external_id: run.id.clone(),
        status,
        title,
        summary,
        annotations: Vec::new(),
        page: format!("/runs/{}", run.id),
        started_ms: run.created_ms,
        completed_ms: run.finished_ms,
    }
}

fn intent(check: CheckRun, priority: Priority) -> Intent {
    Intent {
        key: format!("check:{}", check.external_id),
        is_view: true,
        priority,
        effect: Effect::CheckRun(Box::new(check)),
    }
}

/// One line that says how it ended and why.
pub fn headline(run: &Run) -> String {
    let names = |verdicts: &[Verdict]| {
        let blocking = verdicts
            .iter()
            .filter(|v| v.outcome != VerdictOutcome::Passed && v.mode == crate::gate::Mode::Block);
        let names: Vec<&str> = blocking.map(|v| v.gate.as_str()).collect();
        names.join(", ")
    };
    match run.phase {
        Phase::Pending => "waiting".to_owned(),
        Phase::Running => "under way".to_owned(),
        Phase::Succeeded => match (&run.cause.what, run.verdicts.len()) {
            (What::Train, 0) => "trained; nothing judged it".to_owned(),
            (What::Train, n) => match old(run) {
                Some(old) => format!(
                    "all {n} gates passed, and the {} of the old judge",
                    old.verdicts.len()
                ),
                None if run.old_judge.as_ref().is_some_and(|old| old.is_retired) => {
                    format!("all {n} gates passed; the old judge is retired")
                }
                None => format!("all {n} gates passed"),
            },
            (What::Service, _) => "tests passed".to_owned(),
            (What::Check(_), _) => "passed".to_owned(),
        },
        Phase::Failed => match &run.failure {
            Some(failure) => format!(
                "{}: {}",
                failure.step,
                failure.message.chars().take(120).collect::<String>()
            ),
            None if run.verdicts.is_empty() => "there are no gates, so nothing can pass".to_owned(),
            None => match old(run).filter(|old| old.blocks()) {
                Some(old) => format!(
                    "not good enough for the old judge: {}",
                    names(&old.verdicts)
                ),
                None => format!("not good enough: {}", names(&run.verdicts)),
            },
        },
        Phase::Cancelled => run
            .cancelled
            .clone()
            .unwrap_or_else(|| "cancelled".to_owned()),
        Phase::Skipped => run
            .note
            .clone()
            .unwrap_or_else(|| "nothing to do".to_owned()),
    }
}

/// The old judge, once it has spoken.
fn old(run: &Run) -> Option<&OldJudge> {
    run.old_judge
        .as_ref()
        .filter(|old| !old.verdicts.is_empty())
}

/// What templates show of the old judge: what it says, or that it is retired.
pub fn old_judge(run: &Run) -> serde_json::Value {
    let told = run
        .old_judge
        .as_ref()
        .filter(|old| old.is_retired || !old.verdicts.is_empty());
    let Some(old) = told else {
        return serde_json::Value::Null;
    };
    json!({
        "version": old.version,
        "digest": old.digest,
        "key": old.digest.short(),
        "sha": old.sha,
        "retired_by": old.is_retired.then(|| run.judge_sha.clone()).flatten(),
        "blocks": old.blocks(),
        "gates": gate_rows(&old.verdicts),
    })
}

/// What templates and pages show of a run.
pub fn page_data(run: &Run) -> serde_json::Value {
    let stages: Vec<_> = run.stages.iter().map(|s| json!({"name": s.name, "is_done": s.is_done, "seconds": s.duration_ms.map(|ms| ms as f64 / 1000.0)})).collect();
    json!({
        "id": run.id,
        "repo": run.repo.name,
        "sha": run.sha,
        "what": run.cause.what.check_name(),
        "phase": run.phase,
        "headline": headline(run),
        "model": run.model,
        "digest": run.made.as_ref().map(|made| made.digest.clone()),
        "stages": stages,
        "gates": gates(run),
        "metrics": run.numbers(),
        "old_judge": old_judge(run),
        "live_run": run.live_run,
        "live_version": run.live.as_ref().map(|(version, _)| *version),
        "self_reported": run.self_reported,
        "failure": run.failure,
        "cancelled": run.cancelled,
        "note": run.note,
        "tail": run.tail,
        "unconfined": run.unconfined,
        "params": run.cause.params,
        "by": run.cause.by,
        "judge": run.judge_digest,
        "judge_sha": run.judge_sha,
        "probe": run.probe,
    })
}

/// The gate table, regressions first.
pub fn gates(run: &Run) -> serde_json::Value {
    gate_rows(&run.verdicts)
}

fn gate_rows(verdicts: &[Verdict]) -> serde_json::Value {
    let rank = |outcome: VerdictOutcome| match outcome {
        VerdictOutcome::Failed => 0,
        VerdictOutcome::Error => 1,
        VerdictOutcome::Inconclusive => 2,
        VerdictOutcome::Passed => 3,
    };
    let mut verdicts: Vec<_> = verdicts.iter().collect();
    verdicts.sort_by_key(|v| rank(v.outcome));
    let rows = verdicts.iter().map(|v| {
        json!({
            "gate": v.gate, "outcome": v.outcome, "mode": v.mode, "metric": v.metric, "wanted": v.wanted,
            "observed": v.observed, "live": v.live, "delta": v.delta, "n_test": v.n_test, "reason": v.reason,
            "is_plain": v.outcome == VerdictOutcome::Passed && v.reason.trim_end_matches(" (self-reported)").ends_with(&format!("wanted {}", v.wanted)),
            "log": v.log,
            "icon": match v.outcome {
                VerdictOutcome::Passed => "✅",
                VerdictOutcome::Failed => "❌",
                VerdictOutcome::Inconclusive => "❓",
                VerdictOutcome::Error => "⚠️",
            },
        })
    });
    serde_json::Value::Array(rows.collect())
}

/// The check of a run that is over, written once more with its new note.
pub(in crate::subject) fn concluded_again(run: &Run) -> Intent {
    concluded(run, Vec::new())
}
