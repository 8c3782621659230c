//! Check runs: found again by `external_id` among those of our App on the commit.
//!
//! Source: REST "Check runs" (docs.github.com, 2026-11): 65,535 characters a text, 50 annotations a request, 3 buttons.

use super::{Desk, cut};
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::event::RERUN_BUTTON;
use crate::github::place::Place;
use crate::github::wire::{self, encoded};
use bowsprit_core::effect::{CheckRun, CheckStatus, EffectResult};
use bowsprit_core::name::Digest;
use bowsprit_core::subject::route;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Longest summary. Units: bytes, to be on the safe side of characters.
const SUMMARY_BYTES_MAX: usize = 65_535;

/// Longest headline. Units: bytes.
const TITLE_BYTES_MAX: usize = 200;

/// Annotations in one request; more are not sent.
const ANNOTATIONS_MAX: usize = 50;

/// Longest word on a line. Units: bytes.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// A check run says this; made once, then changed.
/// `may_trust`: it is there and says what we wrote last, as far as we remember.
pub(super) async fn check_run(
    place: &Place,
    check: &CheckRun,
    summary: &str,
    (desk, may_trust): (&Desk<'_>, bool),
) -> Result<EffectResult, ApiError> {
    let mut body = wanted(check, summary, desk.public_url);
    let (memory, repo) = (place.github().memory(), place.repo().id);
    let digest = Digest::of(body.to_string().as_bytes());
    let keep = |id| memory.keep_check(repo, &check.external_id, Some((id, digest.clone())));
    // Annotations go once: whether they did, only GitHub knows.
    if let Some((id, last)) = memory.check(repo, &check.external_id)
        && may_trust
        && check.annotations.is_empty()
    {
        if last == digest {
            return Ok(EffectResult::Nothing);
        }
        match amend(place, id, body.clone()).await {
            Ok(()) => {
                keep(id);
                return Ok(EffectResult::Nothing);
            }
            Err(ApiError::NotFound) => memory.keep_check(repo, &check.external_id, None),
            Err(error) => return Err(error),
        }
    }
    let found = match desk.is_first {
        true => None,
        false => find(place, check).await?,
    };
    let shown = found.as_ref().map_or(0, |run| run.output.annotations_count);
    if shown == 0 && !check.annotations.is_empty() {
        // GitHub appends those of a later request, so they go only once.
        body["output"]["annotations"] = annotations(check);
    }
    match found {
        None => {
            body["head_sha"] = json!(check.sha);
            let answer = place
                .write(Access::Writing, Method::POST, "/check-runs", Some(body))
                .await?;
            keep(answer.json::<wire::CheckRun>()?.id);
        }
        Some(run) => {
            if !says(&run, &body) {
                amend(place, run.id, body).await?;
            }
            keep(run.id);
        }
    }
    Ok(EffectResult::Nothing)
}

async fn amend(place: &Place, id: u64, body: Value) -> Result<(), ApiError> {
    let path = format!("/check-runs/{id}");
    place
        .write(Access::Writing, Method::PATCH, &path, Some(body))
        .await?;
    Ok(())
}

async fn find(place: &Place, check: &CheckRun) -> Result<Option<wire::CheckRun>, ApiError> {
    let app = place.github().app().await?.id;
    let name = encoded(&check.name);
    let path = format!(
        "/commits/{}/check-runs?check_name={name}&filter=all&per_page=100",
        check.sha
    );
    let runs: Vec<wire::CheckRun> = place.list(&path, Some("check_runs")).await?;
    Ok(runs.into_iter().find(|run| {
        let is_ours = run.app.as_ref().is_some_and(|owner| owner.id == app);
        is_ours && run.external_id.as_deref() == Some(check.external_id.as_str())
    }))
}

fn wanted(check: &CheckRun, summary: &str, public_url: &str) -> Value {
    let (status, conclusion) = match check.status {
        CheckStatus::Queued => ("queued", None),
        CheckStatus::InProgress => ("in_progress", None),
        CheckStatus::Success => ("completed", Some("success")),
        CheckStatus::Failure => ("completed", Some("failure")),
        CheckStatus::Cancelled => ("completed", Some("cancelled")),
        CheckStatus::Neutral => ("completed", Some("neutral")),
        CheckStatus::ActionRequired => ("completed", Some("action_required")),
    };
    let mut body = json!({
        "name": check.name,
        "external_id": check.external_id,
        "status": status,
        "details_url": format!("{public_url}/{}", check.page.trim_start_matches('/')),
        "output": {
            "title": cut(&check.title, TITLE_BYTES_MAX),
            "summary": cut(summary, SUMMARY_BYTES_MAX),
        },
    });
    if let Some(at) = time(Some(check.started_ms)) {
        body["started_at"] = at;
    }
    if let Some(conclusion) = conclusion {
        body["conclusion"] = json!(conclusion);
        if route::is_run(&check.external_id) {
            let again = json!({"label": "Re-run", "description": "Runs this once more.", "identifier": RERUN_BUTTON});
            body["actions"] = json!([again]);
        }
        if let Some(at) = time(check.completed_ms) {
            body["completed_at"] = at;
        }
    }
    body
}

fn annotations(check: &CheckRun) -> Value {
    let level = match check.status {
        CheckStatus::Failure => "failure",
        CheckStatus::ActionRequired | CheckStatus::Cancelled => "warning",
        CheckStatus::Queued
        | CheckStatus::InProgress
        | CheckStatus::Success
        | CheckStatus::Neutral => "notice",
    };
    let show = |one: &bowsprit_core::effect::Annotation| {
        json!({
            "path": one.path,
            "start_line": one.line.max(1),
            "end_line": one.line.max(1),
            "annotation_level": level,
            "message": cut(&one.message, MESSAGE_BYTES_MAX),
        })
    };
    check
        .annotations
        .iter()
        .take(ANNOTATIONS_MAX)
        .map(show)
        .collect()
}

/// Whether the run says already what `body` would make it say.
fn says(run: &wire::CheckRun, body: &Value) -> bool {
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_default()
            .trim_end()
            .replace("\r\n", "\n")
    };
    let kept = |value: &Option<String>| {
        value
            .as_deref()
            .unwrap_or_default()
            .trim_end()
            .replace("\r\n", "\n")
    };
    body["output"].get("annotations").is_none()
        && run.status == text(&body["status"])
        && kept(&run.conclusion) == text(&body["conclusion"])
        && kept(&run.details_url) == text(&body["details_url"])
        && kept(&run.output.title) == text(&body["output"]["title"])
        && kept(&run.output.summary) == text(&body["output"]["summary"])
}

fn time(ms: Option<i64>) -> Option<Value> {
    let at = Timestamp::from_millisecond(ms?).ok()?;
    let seconds = Timestamp::from_second(at.as_second()).ok()?;
    Some(json!(seconds.to_string()))
}
