//! Deliveries and effects, and the levers for those that were given up.

use super::{Asked, accepted};
use crate::http::Desk;
use crate::http::answer::{Answer, No, list, value};
use crate::store::{DeliveryState, Page};
use axum::extract::{Path, State};
use bowsprit_core::effect::EffectState;
use serde_json::json;
use std::sync::Arc;

const NO_DELIVERY: No = No::missing(
    "no delivery of this id was given up; `GET /api/v1/deliveries?state=dead` lists them",
);
const NO_EFFECT: No =
    No::missing("no effect of this id was given up; `GET /api/v1/effects?state=dead` lists them");

pub(crate) async fn deliveries(State(desk): State<Arc<Desk>>, Asked(params): Asked) -> Answer {
    let page = Page {
        limit: params.limit()?,
        before: params.before()?,
    };
    let state = match params.get("state") {
        None => None,
        Some("new") => Some(DeliveryState::New),
        Some("done") => Some(DeliveryState::Done),
        Some("dead") => Some(DeliveryState::Dead),
        Some("discarded") => Some(DeliveryState::Discarded),
        Some(_) => return Err(No::bad("`state` is new, done, dead or discarded")),
    };
    let rows = desk.rooms.store.deliveries(state, page).await?;
    let next = next(&page, rows.len(), rows.last().map(|row| row.id));
    let items: Result<Vec<_>, No> = rows.iter().map(value).collect();
    Ok(list(items?, next))
}

pub(crate) async fn effects(State(desk): State<Arc<Desk>>, Asked(params): Asked) -> Answer {
    let page = Page {
        limit: params.limit()?,
        before: params.before()?,
    };
    let state = match params.get("state") {
        None => None,
        Some("intended") => Some(EffectState::Intended),
        Some("done") => Some(EffectState::Done),
        Some("refused") => Some(EffectState::Refused),
        Some("dead") => Some(EffectState::Dead),
        Some(_) => return Err(No::bad("`state` is intended, done, refused or dead")),
    };
    let rows = desk.rooms.store.effects(state, page).await?;
    let next = next(&page, rows.len(), rows.last().map(|row| row.id));
    let items: Result<Vec<_>, No> = rows.iter().map(value).collect();
    Ok(list(items?, next))
}

/// What continues a list: the id of its last row, where the page is full.
pub(super) fn next(page: &Page, rows: usize, last: Option<i64>) -> Option<String> {
    last.filter(|_| rows == page.limit).map(|id| id.to_string())
}

/// Which lever is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lever {
    Redrive,
    Discard,
}

/// Moves a delivery that was given up. Errors: there is none.
pub(crate) async fn move_delivery(desk: &Desk, lever: Lever, guid: &str) -> Result<(), No> {
    let store = &desk.rooms.store;
    let is_moved = match lever {
        Lever::Redrive => store.redrive_delivery(guid).await?,
        Lever::Discard => store.discard_delivery(guid).await?,
    };
    is_moved.then_some(()).ok_or(NO_DELIVERY)
}

/// Moves an effect that was given up. Errors: there is none.
pub(crate) async fn move_effect(desk: &Desk, lever: Lever, id: &str) -> Result<(), No> {
    let id = id.parse().map_err(|_| NO_EFFECT)?;
    let store = &desk.rooms.store;
    let is_moved = match lever {
        Lever::Redrive => store.redrive_effect(id).await?,
        Lever::Discard => store.discard_effect(id).await?,
    };
    is_moved.then_some(()).ok_or(NO_EFFECT)
}

pub(crate) async fn redrive_delivery(
    State(desk): State<Arc<Desk>>,
    Path(guid): Path<String>,
) -> Answer {
    move_delivery(&desk, Lever::Redrive, &guid).await?;
    Ok(accepted(
        json!({"guid": guid, "accepted": "the delivery will be tried again"}),
    ))
}

pub(crate) async fn discard_delivery(
    State(desk): State<Arc<Desk>>,
    Path(guid): Path<String>,
) -> Answer {
    move_delivery(&desk, Lever::Discard, &guid).await?;
    Ok(accepted(
        json!({"guid": guid, "accepted": "the delivery was put away"}),
    ))
}

pub(crate) async fn redrive_effect(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Answer {
    move_effect(&desk, Lever::Redrive, &id).await?;
    Ok(accepted(
        json!({"id": id, "accepted": "the effect will be tried again"}),
    ))
}

pub(crate) async fn discard_effect(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Answer {
    move_effect(&desk, Lever::Discard, &id).await?;
    Ok(accepted(
        json!({"id": id, "accepted": "the effect was put away and counts as refused"}),
    ))
}
