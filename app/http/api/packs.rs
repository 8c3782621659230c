//! Where the team's build packs come from.

use super::body;
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, value};
use crate::worker::now_ms;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::IntoResponse as _;
use bowsprit_core::catalogue::{PACK_SOURCES_MAX, PackSource};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

const WANTED: &str = "send `{\"url\": \"https://github.com/acme/packs\"}` with the address of a git repository on a server, and a branch, tag or commit as `ref` where wanted";

/// Which source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    url: String,
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>) -> Answer {
    let items = value(&desk.rooms.store.of_team::<PackSource>().await?)?;
    Ok(Json(json!({"items": items, "next": null})).into_response())
}

pub(crate) async fn put(State(desk): State<Arc<Desk>>, caller: Caller, bytes: Bytes) -> Answer {
    let source: PackSource = body(&bytes, WANTED)?;
    let source = source.checked().map_err(|_| No::bad(WANTED))?;
    source.for_team().map_err(|_| No::bad(WANTED))?;
    let store = &desk.rooms.store;
    let mut kept: Vec<PackSource> = store.of_team().await?;
    kept.retain(|old| old.url != source.url);
    if kept.len() >= PACK_SOURCES_MAX {
        return Err(No::conflict("no more sources are kept; delete one first"));
    }
    kept.push(source.clone());
    let what = format!("packs of {source} offered");
    store
        .put_of_team(&kept, what, caller.name, now_ms())
        .await?;
    Ok(Json(value(&source)?).into_response())
}

pub(crate) async fn remove(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Answer {
    let store = &desk.rooms.store;
    let mut kept: Vec<PackSource> = store.of_team().await?;
    let wanted = which.url.trim_end_matches('/');
    let Some(at) = kept.iter().position(|old| old.url == wanted) else {
        return Err(No::missing("there is no source of packs at this address"));
    };
    let old = kept.remove(at);
    let what = format!("packs of {old} no longer offered");
    store
        .put_of_team(&kept, what, caller.name, now_ms())
        .await?;
    Ok(Json(value(&old)?).into_response())
}
