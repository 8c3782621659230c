//! The list of runs, and one with its stages, gates and live log.

use super::{About, page};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No};
use crate::http::{api, params, read};
use crate::store::{RunFilter, Scope};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect};
use bowsprit_core::subject::run::{Run, check};
use bowsprit_core::text::{number, truncate};
use bowsprit_core::training::spec::{Metric, MetricValue};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Metrics shown of a run.
const METRICS_MAX: usize = 100;

type Asked = Query<BTreeMap<String, String>>;

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Query(asked): Asked,
) -> Answer {
    let before = asked.get("before").map(String::as_str);
    let runs = desk
        .rooms
        .store
        .list_runs(&RunFilter::default(), before, params::LIMIT)
        .await?;
    let next = (runs.len() == params::LIMIT).then(|| runs.last().map(|run| run.id.clone()));
    let data = json!({"runs": rows(&desk, &runs), "next": next, "is_first": before.is_none()});
    page(
        &desk,
        Some(&caller),
        &About::new("runs", "Runs", "runs").live(before.is_none()),
        data,
    )
}

/// Runs as rows of a table.
pub(super) fn rows(desk: &Desk, runs: &[Run]) -> Vec<Value> {
    let now_ms = crate::worker::now_ms();
    let row = |run: &Run| {
        let mut row = read::run_row(desk, run);
        row["headline"] = truncate(&read::headline(run), 120).into();
        row["took_ms"] = (run.finished_ms.unwrap_or(now_ms) - run.created_ms).into();
        row["mark"] = mark(run).into();
        row
    };
    runs.iter().map(row).collect()
}

/// The word that colours a run: a superseded run is told apart from a failed one.
fn mark(run: &Run) -> &'static str {
    use bowsprit_core::subject::run::Phase;
    match run.phase {
        Phase::Pending => "idle",
        Phase::Running => "busy",
        Phase::Succeeded => "good",
        Phase::Failed => "bad",
        Phase::Cancelled | Phase::Skipped => "idle",
    }
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Asked,
) -> Answer {
    let run = api::runs::find(&desk, &id).await?;
    let mut data = json!({"run": read::run(&desk, &run)?});
    let chosen = asked
        .get("stage")
        .and_then(|named| run.stages.iter().find(|stage| stage.id == *named))
        .or(run.stages.last());
    data["stage"] = json!(chosen.map(|stage| &stage.id));
    data["stages"] = stages(&run, &data["run"], chosen.map(|stage| stage.id.as_str()));
    data["mark"] = mark(&run).into();
    data["took_ms"] =
        (run.finished_ms.unwrap_or_else(crate::worker::now_ms) - run.created_ms).into();
    data["branch"] = json!(run.cause.trigger.branch());
    data["pr"] = json!(run.cause.trigger.pull().map(|(pr, _)| pr));
    data["why"] = why(&run).into();
    data["metrics"] = metrics(&run);
    data["old_judge"] = check::old_judge(&run);
    data["live_version"] = json!(run.live.as_ref().map(|(version, _)| version));
    data["can_cancel"] = (caller.scope >= Scope::Run && !run.phase.is_final()).into();
    data["is_over"] = run.phase.is_final().into();
    data["params"] = run
        .cause
        .params
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let title = format!("Run {id}");
    page(
        &desk,
        Some(&caller),
        &About::new("run", &title, "runs").live(!run.phase.is_final()),
        data,
    )
}

/// Stages with what the page says of each.
fn stages(run: &Run, shown: &Value, chosen: Option<&str>) -> Value {
    let last = run.stages.last().map(|stage| stage.id.as_str());
    let all = shown["stages"].as_array().into_iter().flatten();
    all.map(|stage| {
        let (state, status) = (
            stage["state"].as_str().unwrap_or_default(),
            &stage["status"],
        );
        let word = match state {
            "queued" => format!("waits for a slot, number {}", status["place"]),
            "waiting" => format!("waits: {}", status["reason"].as_str().unwrap_or("")),
            "running" => {
                let step = status["step"]
                    .as_str()
                    .map(|step| format!(": {step}"))
                    .unwrap_or_default();
                let part = status["progress"]
                    .as_f64()
                    .map(|part| format!(", {:.0} %", part * 100.0))
                    .unwrap_or_default();
                format!(
                    "{}{step}{part}",
                    status["phase"].as_str().unwrap_or("running")
                )
            }
            "done" => status["outcome"].as_str().unwrap_or("done").to_owned(),
            _ => "–".to_owned(),
        };
        let mark = match (state, word.as_str()) {
            // Whoever ran it may have forgotten how it ended; the run has not.
            ("done", "failed") => "bad",
            ("done", "done") if run.failure.is_some() && stage["id"].as_str() == last => "bad",
            ("done", "cancelled") => "idle",
            ("done", _) => "good",
            ("running", _) => "busy",
            (_, _) => "idle",
        };
        json!({
            "id": stage["id"],
            "name": stage["name"],
            "word": word,
            "mark": mark,
            "duration_ms": stage["duration_ms"],
            "is_chosen": stage["id"].as_str() == chosen,
        })
    })
    .collect()
}

fn why(run: &Run) -> String {
    use bowsprit_core::subject::run::Trigger;
    match &run.cause.trigger {
        Trigger::Push { branch } => format!("a push to {branch}"),
        Trigger::Pull { pr, .. } => format!("the head of #{pr}"),
        Trigger::Comment { pr, .. } => format!("a command on #{pr}"),
        Trigger::Again { .. } => "asked for again".to_owned(),
        Trigger::Queue {
            branch, members, ..
        } => {
            let members: Vec<String> = members.iter().map(|(pr, _)| format!("#{pr}")).collect();
            format!("a test of {} merged into {branch}", members.join(", "))
        }
    }
}

/// The candidate's metrics beside the live model's.
fn metrics(run: &Run) -> Value {
    let live = run.live.as_ref().map(|(_, metrics)| metrics);
    let row = |(name, metric): (&String, &Metric)| {
        let other = live.and_then(|live| live.get(name));
        let delta = match (&metric.value, other.map(|metric| &metric.value)) {
            (MetricValue::Number(new), Some(MetricValue::Number(old))) => Some(new - old),
            (MetricValue::Number(_) | MetricValue::Other(_), _) => None,
        };
        json!({"name": name, "value": word(metric), "live": other.map(word), "delta": delta, "origin": metric.origin})
    };
    run.metrics.iter().take(METRICS_MAX).map(row).collect()
}

fn word(metric: &Metric) -> String {
    match &metric.value {
        MetricValue::Number(value) => number(*value),
        MetricValue::Other(text) => truncate(text, 40),
    }
}

pub(super) async fn cancel(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer {
    if caller.scope < Scope::Run {
        return Err(No::scope(Scope::Run));
    }
    api::runs::end(&desk, &caller, &id).await?;
    Ok(Redirect::to(&format!("/runs/{id}")).into_response())
}
