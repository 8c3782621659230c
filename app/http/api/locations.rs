//! The team's quickstart locations.

use super::body;
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, value};
use crate::worker::now_ms;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::IntoResponse as _;
use bowsprit_core::catalogue::{LOCATIONS_MAX, Location};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

const WANTED: &str = "send `{\"owner\": \"acme\"}` with the name of an organisation or person, a `url` like https://github.com where wanted, and patterns like `ML-*` in `includes` and `excludes`";

/// Which location.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    owner: String,
    #[serde(default)]
    url: String,
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>) -> Answer {
    let items = value(&desk.rooms.store.of_team::<Location>().await?)?;
    Ok(Json(json!({"items": items, "next": null})).into_response())
}

pub(crate) async fn put(State(desk): State<Arc<Desk>>, caller: Caller, bytes: Bytes) -> Answer {
    let location: Location = body(&bytes, WANTED)?;
    let location = location.checked().map_err(|_| No::bad(WANTED))?;
    let store = &desk.rooms.store;
    let mut kept: Vec<Location> = store.of_team().await?;
    kept.retain(|old| !old.is_same(&location));
    if kept.len() >= LOCATIONS_MAX {
        return Err(No::conflict("no more locations are kept; delete one first"));
    }
    kept.push(location.clone());
    let what = format!("quickstarts of {} offered", location.owner);
    store
        .put_of_team(&kept, what, caller.name, now_ms())
        .await?;
    Ok(Json(value(&location)?).into_response())
}

pub(crate) async fn remove(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Answer {
    let wanted = Location::of(&which.url, &which.owner);
    let wanted = wanted.checked().map_err(|_| No::bad(WANTED))?;
    let store = &desk.rooms.store;
    let mut kept: Vec<Location> = store.of_team().await?;
    let Some(at) = kept.iter().position(|old| old.is_same(&wanted)) else {
        return Err(No::missing("there is no location of this owner"));
    };
    let old = kept.remove(at);
    let what = format!("quickstarts of {} no longer offered", old.owner);
    store
        .put_of_team(&kept, what, caller.name, now_ms())
        .await?;
    Ok(Json(value(&old)?).into_response())
}
