//! Tokens of this server, while it runs; `bowsprit token --config` makes the first one.

use super::body;
use crate::http::Desk;
use crate::http::access::new_token;
use crate::http::answer::{Answer, No, list as listed, value};
use crate::store::Scope;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use bowsprit_core::name::{Digest, Login};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: Login,
    scope: Scope,
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>) -> Answer {
    let rows = desk.rooms.store.tokens().await?;
    let items: Result<Vec<_>, No> = rows.iter().map(value).collect();
    Ok(listed(items?, None))
}

pub(crate) async fn create(State(desk): State<Arc<Desk>>, bytes: Bytes) -> Answer {
    let wanted: NewToken = body(
        &bytes,
        "send `{\"name\": \"ci\", \"scope\": \"read\"}`; the scope is read, run or admin",
    )?;
    let name = wanted.name.as_str();
    if desk
        .rooms
        .store
        .tokens()
        .await?
        .iter()
        .any(|row| row.name == name)
    {
        return Err(No::conflict(
            "a token has this name; revoke it first, or take another name",
        ));
    }
    let token = new_token()?;
    desk.rooms
        .store
        .put_token(name, &Digest::of(token.as_bytes()), wanted.scope)
        .await?;
    tracing::info!("token `{name}` was made");
    Ok(Json(json!({"name": name, "scope": wanted.scope, "token": token})).into_response())
}

pub(crate) async fn revoke(State(desk): State<Arc<Desk>>, Path(name): Path<String>) -> Answer {
    match desk.rooms.store.revoke_token(&name).await? {
        true => {
            Ok(Json(json!({"name": name, "accepted": "the token was taken away"})).into_response())
        }
        false => Err(No::missing(
            "no token has this name; `GET /api/v1/tokens` lists them",
        )),
    }
}
