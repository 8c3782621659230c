//! Runs: list, one with its stages and links, and its end.

use super::{Asked, accepted};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, list as listed};
use crate::http::{params, read};
use crate::store::RunFilter;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use bowsprit_core::effect::{Hint, Wake};
use bowsprit_core::name::Login;
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::run::{Phase, Run};
use serde_json::json;
use std::sync::Arc;

const NO_RUN: No = No::missing("no run has this id; `GET /api/v1/runs` lists them");

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Asked(params): Asked) -> Answer {
    let limit = params.limit()?;
    let mut filter = RunFilter::default();
    if let Some(text) = params.get("repo") {
        let (owner, name) = text
            .split_once('/')
            .ok_or(No::bad("`repo` is `owner/name`"))?;
        filter.repo = Some(params::repository(&desk, owner, name).await?.repo.id);
    }
    if let Some(text) = params.get("phase") {
        filter.phase = Some(phase(text).ok_or(No::bad(
            "`phase` is pending, running, succeeded, failed, cancelled or skipped",
        ))?);
    }
    filter.model = params.get("model").map(params::slug).transpose()?;
    let runs = desk
        .rooms
        .store
        .list_runs(&filter, params.get("before"), limit)
        .await?;
    let next = (runs.len() == limit)
        .then(|| runs.last().map(|run| run.id.clone()))
        .flatten();
    Ok(listed(
        runs.iter().map(|run| read::run_row(&desk, run)).collect(),
        next,
    ))
}

fn phase(text: &str) -> Option<Phase> {
    serde_json::from_value(json!(text)).ok()
}

pub(crate) async fn show(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let run = find(&desk, &id).await?;
    Ok(Json(read::run(&desk, &run)?).into_response())
}

pub(crate) async fn cancel(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer {
    end(&desk, &caller, &id).await?;
    Ok(accepted(
        json!({"id": id, "accepted": "the run will be cancelled"}),
    ))
}

/// Asks a run to end. Errors: there is none; it has ended.
pub(crate) async fn end(desk: &Desk, caller: &Caller, id: &str) -> Result<(), No> {
    let run = find(desk, id).await?;
    if run.phase.is_final() {
        return Err(No::conflict(
            "the run has ended already; nothing is left to cancel",
        ));
    }
    let by = person(desk, caller);
    let wake = Wake {
        subject: SubjectKey::Run(run.id),
        hint: Some(Hint::CancelRun { by }),
    };
    desk.rooms.store.wake(vec![wake]).await?;
    tracing::info!(run.id = %id, "run `{id}` is to be cancelled, says the API");
    Ok(())
}

/// Who is written down as the one who asked.
pub(crate) fn person(desk: &Desk, caller: &Caller) -> Login {
    caller
        .name
        .clone()
        .unwrap_or_else(|| desk.rooms.bot.clone())
}

/// A run by its id. Errors: there is none.
pub(crate) async fn find(desk: &Desk, id: &str) -> Result<Run, No> {
    desk.rooms.store.run(id).await?.ok_or(NO_RUN)
}
