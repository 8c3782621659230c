//! The pause of everything: merges and deployments wait until somebody ends it.

use super::body;
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, value};
use crate::worker::now_ms;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use bowsprit_core::name::Login;
use bowsprit_core::subject::pause::{Pause, WHY_BYTES_MAX};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Who began a pause that no token is named for.
const NOBODY: &str = "server";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPause {
    #[serde(default)]
    why: String,
}

pub(crate) async fn show(State(desk): State<Arc<Desk>>) -> Answer {
    let pause = value(&desk.rooms.store.pause().await?)?;
    Ok(Json(json!({"pause": pause})).into_response())
}

pub(crate) async fn begin(State(desk): State<Arc<Desk>>, caller: Caller, bytes: Bytes) -> Answer {
    const WANTED: &str = "send `{\"why\": \"…\"}` with at most 200 bytes in one line";
    let wanted: NewPause = body(&bytes, WANTED)?;
    let why = wanted.why.trim();
    if why.len() > WHY_BYTES_MAX || why.chars().any(char::is_control) {
        return Err(No::bad(WANTED));
    }
    let nobody = || Login::parse(NOBODY).map_err(|error| No::from(anyhow::anyhow!(error)));
    let by = caller.name.clone().map_or_else(nobody, Ok)?;
    let pause = Pause {
        by,
        why: why.to_owned(),
        at_ms: now_ms(),
    };
    desk.rooms.store.begin_pause(&pause).await?;
    tracing::warn!("{}", pause.shown());
    Ok(Json(json!({"pause": value(&pause)?})).into_response())
}

pub(crate) async fn end(State(desk): State<Arc<Desk>>, caller: Caller) -> Answer {
    let store = &desk.rooms.store;
    if store.pause().await?.is_none() {
        return Err(No::conflict("nothing is paused"));
    }
    store.end_pause(caller.name, now_ms()).await?;
    tracing::warn!("everything goes on");
    Ok(Json(json!({"pause": null})).into_response())
}
