//! Taking over what a stage left: its last word is checked, its outputs are hashed again and stored.
//!
//! Everything read here was written by an agent or by the code that it ran. A result that does not hold is a failed one.

use super::desk::{Desk, cut, cut_tail};
use crate::artifacts::Artifacts;
use crate::files;
use bowsprit_core::artifact::File;
use bowsprit_core::training::spec::{
    Failure, FailureKind, Outcome, Phase, RunResult, RunSpec, Status,
};
use std::collections::BTreeSet;

/// The result that others may believe. Errors: the artifact store fails; try again.
pub(super) async fn ingest(
    desk: &Desk,
    spec: &RunSpec,
    artifacts: &Artifacts,
) -> anyhow::Result<RunResult> {
    let mut result = match read(desk, spec) {
        Ok(result) => result,
        Err(reason) => {
            let message = format!("the agent's result cannot be used: {reason}");
            return Ok(ended(
                &spec.id,
                Outcome::Failed,
                Some(agent_failure(message)),
            ));
        }
    };
    for file in &result.outputs {
        if let Err(reason) = store(desk, file, artifacts).await? {
            spoil(&mut result, &reason);
            break;
        }
    }
    Ok(result)
}

/// A result in place of the agent's.
pub(super) fn ended(stage: &str, outcome: Outcome, failure: Option<Failure>) -> RunResult {
    RunResult {
        id: stage.to_owned(),
        outcome,
        failure,
        steps: Vec::new(),
        outputs: Vec::new(),
        probe: None,
        runtime: None,
        runtime_cached: false,
        unconfined: None,
        duration_ms: 0,
        tail: Vec::new(),
    }
}

/// The result of a stage whose agent left none, after its last word.
pub(super) fn lost(
    stage: &str,
    last: Option<Status>,
    kind: FailureKind,
    message: &str,
) -> RunResult {
    let at = last.as_ref().and_then(|status| status.step.as_deref());
    let failure = Failure {
        kind,
        step: cut(at.unwrap_or("prepare")),
        message: message.to_owned(),
    };
    RunResult {
        duration_ms: last
            .as_ref()
            .and_then(|status| {
                u64::try_from(status.updated_ms.saturating_sub(status.started_ms)).ok()
            })
            .unwrap_or(0),
        tail: last.map(|status| status.tail).unwrap_or_default(),
        ..ended(stage, Outcome::Failed, Some(failure))
    }
}

/// The result of a stage whose outputs the artifact store did not take.
pub(super) fn unstored(stage: &str) -> RunResult {
    let message = "the outputs could not be stored; the server's log says why".to_owned();
    ended(stage, Outcome::Failed, Some(agent_failure(message)))
}

/// The result of a stage whose checked result is damaged.
pub(super) fn unreadable(stage: &str) -> RunResult {
    let message = "the kept result cannot be read any more; run it again".to_owned();
    ended(stage, Outcome::Failed, Some(agent_failure(message)))
}

/// A word in place of one that the agent has not said yet.
pub(super) fn status(phase: Phase, at_ms: i64) -> Status {
    Status {
        phase,
        step: None,
        started_ms: at_ms,
        updated_ms: at_ms,
        progress: None,
        tail: Vec::new(),
    }
}

fn agent_failure(message: String) -> Failure {
    Failure {
        kind: FailureKind::Agent,
        step: "collect".to_owned(),
        message,
    }
}

fn read(desk: &Desk, spec: &RunSpec) -> Result<RunResult, String> {
    let mut result = desk.result().map_err(|error| format!("{error:#}"))?;
    if result.id != spec.id {
        return Err(format!("it is of another stage, `{}`", cut(&result.id)));
    }
    if result.outputs.len() > spec.limits.output_files {
        return Err(format!(
            "it lists {} outputs, {} are kept at most",
            result.outputs.len(),
            spec.limits.output_files
        ));
    }
    let paths: BTreeSet<&str> = result
        .outputs
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    if paths.len() != result.outputs.len() {
        return Err("it lists an output twice".to_owned());
    }
    if result.outcome == Outcome::Succeeded {
        check_success(&result, spec)?;
    }
    result.tail = cut_tail(result.tail);
    if let Some(failure) = &mut result.failure {
        failure.step = cut(&failure.step);
        failure.message = cut(&failure.message);
    }
    Ok(result)
}

/// A success is one only when everything that was ordered was done.
fn check_success(result: &RunResult, spec: &RunSpec) -> Result<(), String> {
    let ordered = spec.steps.iter().map(|step| (step.name.as_str(), Some(0)));
    let done = result
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.exit_code));
    if result.failure.is_some() || !ordered.eq(done) {
        return Err("it calls itself a success, but its steps did not all end well".to_owned());
    }
    if spec.serve.is_some() && result.probe.is_none() {
        return Err("it calls itself a success, but the server was not probed".to_owned());
    }
    Ok(())
}

/// Stores one output. The inner error says why the output is not what the result says.
async fn store(
    desk: &Desk,
    file: &File,
    artifacts: &Artifacts,
) -> anyhow::Result<Result<(), String>> {
    let (path, bytes) = match files::plain_path(&desk.path("outputs"), &file.path) {
        Ok(found) => found,
        Err(reason) => {
            return Ok(Err(format!(
                "output `{}` cannot be kept: {reason}",
                file.path
            )));
        }
    };
    if bytes != file.bytes {
        return Ok(Err(format!(
            "output `{}` has {bytes} bytes, not {}",
            file.path, file.bytes
        )));
    }
    let (digest, _) = artifacts.put_file(&path).await?;
    if digest != file.sha256 {
        return Ok(Err(format!(
            "output `{}` has the digest {digest}, not {}",
            file.path, file.sha256
        )));
    }
    Ok(Ok(()))
}

/// No output of such a result may be used; one that failed before stays as it failed.
fn spoil(result: &mut RunResult, reason: &str) {
    result.outputs.clear();
    match result.outcome {
        Outcome::Succeeded => {
            result.outcome = Outcome::Failed;
            result.failure = Some(Failure {
                kind: FailureKind::Corrupt,
                step: "collect".to_owned(),
                message: format!("{reason}; run it again"),
            });
        }
        Outcome::Failed | Outcome::Cancelled => {}
    }
}
