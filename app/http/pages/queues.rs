//! Deliveries and effects, and the levers for those that were given up.

use super::{About, page};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, value};
use crate::http::api::queues::{self, Lever};
use crate::http::params;
use crate::store::{DeliveryState, Page, Scope};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect};
use bowsprit_core::effect::EffectState;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

type Asked = Query<BTreeMap<String, String>>;

/// Everything, unless only what was given up is asked for.
fn is_dead_only(asked: &BTreeMap<String, String>) -> bool {
    asked.get("state").is_some_and(|state| state == "dead")
}

fn part(asked: &BTreeMap<String, String>) -> Page {
    let before = asked.get("before").and_then(|text| text.parse().ok());
    Page {
        limit: params::LIMIT,
        before,
    }
}

pub(super) async fn deliveries(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Query(asked): Asked,
) -> Answer {
    let state = is_dead_only(&asked).then_some(DeliveryState::Dead);
    let rows = desk.rooms.store.deliveries(state, part(&asked)).await?;
    let about = About::new("deliveries", "Deliveries", "deliveries");
    show(&desk, &caller, &asked, (about, value(&rows)?)).await
}

pub(super) async fn effects(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Query(asked): Asked,
) -> Answer {
    let state = is_dead_only(&asked).then_some(EffectState::Dead);
    let rows = desk.rooms.store.effects(state, part(&asked)).await?;
    let about = About::new("effects", "Effects", "effects");
    show(&desk, &caller, &asked, (about, value(&rows)?)).await
}

/// A page of one of the queues, which differ in their rows and templates.
async fn show(
    desk: &Desk,
    caller: &Caller,
    asked: &BTreeMap<String, String>,
    (about, rows): (About<'_>, Value),
) -> Answer {
    let full = rows.as_array().filter(|rows| rows.len() == params::LIMIT);
    let next = full.and_then(|rows| rows.last()).map(|row| &row["id"]);
    let counts = desk.rooms.store.counts().await?;
    let data = json!({"next": next, "rows": rows, "is_dead_only": is_dead_only(asked), "counts": value(&counts)?});
    let about = about.live(!asked.contains_key("before"));
    page(desk, Some(caller), &about, data)
}

fn lever(caller: &Caller, word: &str) -> Result<Lever, No> {
    if caller.scope < Scope::Admin {
        return Err(No::scope(Scope::Admin));
    }
    match word {
        "redrive" => Ok(Lever::Redrive),
        "discard" => Ok(Lever::Discard),
        _ => Err(No::missing("there is no such page")),
    }
}

pub(super) async fn move_delivery(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path((guid, word)): Path<(String, String)>,
) -> Answer {
    queues::move_delivery(&desk, lever(&caller, &word)?, &guid).await?;
    Ok(Redirect::to("/deliveries?state=dead").into_response())
}

pub(super) async fn move_effect(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path((id, word)): Path<(String, String)>,
) -> Answer {
    queues::move_effect(&desk, lever(&caller, &word)?, &id).await?;
    Ok(Redirect::to("/effects?state=dead").into_response())
}
