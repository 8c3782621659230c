//! How the whole stands, and what happened.

use super::Asked;
use super::queues::next;
use crate::http::Desk;
use crate::http::answer::{Answer, No, list, value};
use crate::store::Page;
use crate::worker::retention;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use bowsprit_core::subject::SubjectKey;
use std::sync::Arc;

const SWEEPING: No = No::conflict("a sweep is under way; ask again in a minute");

pub(crate) async fn status(State(desk): State<Arc<Desk>>) -> Answer {
    let mut status = value(&desk.rooms.store.counts().await?)?;
    status["version"] = env!("CARGO_PKG_VERSION").into();
    status["bot"] = desk.rooms.bot.as_str().into();
    Ok(Json(status).into_response())
}

pub(crate) async fn retention(State(desk): State<Arc<Desk>>) -> Answer {
    let swept = retention::preview(&desk.rooms).await?.ok_or(SWEEPING)?;
    Ok(Json(value(&swept)?).into_response())
}

pub(crate) async fn events(State(desk): State<Arc<Desk>>, Asked(params): Asked) -> Answer {
    let page = Page {
        limit: params.limit()?,
        before: params.before()?,
    };
    let subject = params
        .get("subject")
        .map(|text| SubjectKey::try_from(text.to_owned()))
        .transpose();
    let subject = subject.map_err(|_| {
        No::bad(
            "`subject` is for example `run/r0123456789ab`, `pull/1/2` or `environment/1/staging`",
        )
    })?;
    let rows = desk.rooms.store.events_of(subject.as_ref(), page).await?;
    let next = next(&page, rows.len(), rows.last().map(|row| row.id));
    let items: Result<Vec<_>, No> = rows.iter().map(value).collect();
    Ok(list(items?, next))
}
