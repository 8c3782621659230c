//! Environments: what is live, keys, and the asks to look again or to go away.

use super::{Asked, accepted, body};
use crate::http::Desk;
use crate::http::answer::{Answer, No, list as listed};
use crate::http::{params, read};
use crate::releases::keys::{Keys, Which};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use axum::response::Response;
use bowsprit_core::effect::{Hint, Wake};
use bowsprit_core::name::{Repo, Slug};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::ask::RepoView;
use bowsprit_core::subject::environment::Environment;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Owner, repository, environment.
pub(crate) type Place = Path<(String, String, String)>;

const NONE: No =
    No::missing("this repository has no such environment; `GET /api/v1/environments` lists them");
const NAMED: No = No::conflict(
    "the contract names this environment; take it out of `bowsprit.yaml` on the default branch first",
);
const NO_KEYS: No =
    No::missing("this environment has no keys yet; it gets them with its first deployment");

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Asked(params): Asked) -> Answer {
    let environments = desk.rooms.store.list_environments(params.limit()?).await?;
    let rows: Result<Vec<_>, No> = environments
        .iter()
        .map(|one| read::environment(&desk, one))
        .collect();
    Ok(listed(rows?, None))
}

pub(crate) async fn show(State(desk): State<Arc<Desk>>, Path(place): Place) -> Answer {
    let (_, environment) = find(&desk, &place).await?;
    Ok(Json(read::environment(&desk, &environment)?).into_response())
}

pub(crate) async fn update(State(desk): State<Arc<Desk>>, Path(place): Place) -> Answer {
    let (view, environment) = find(&desk, &place).await?;
    wake(&desk, &view.repo, &environment.name, None).await?;
    let mut told = "the environment will be looked at, and what git wants deployed".to_owned();
    // What cannot be deployed is not, however often somebody asks.
    if let Some(why) = &environment.reason {
        told.push_str(&format!("; at its last look: {why}"));
    }
    Ok(accepted(
        json!({"environment": environment.name, "accepted": told, "reason": environment.reason}),
    ))
}

pub(crate) async fn remove(State(desk): State<Arc<Desk>>, Path(place): Place) -> Answer {
    let (view, environment) = find(&desk, &place).await?;
    let hint = match environment.pr {
        Some(_) => Some(Hint::Removed),
        None if desk
            .rooms
            .names_environment(&view, &environment.name)
            .await? =>
        {
            return Err(NAMED);
        }
        None => None,
    };
    wake(&desk, &view.repo, &environment.name, hint).await?;
    Ok(accepted(
        json!({"environment": environment.name, "accepted": "the environment will be removed"}),
    ))
}

pub(crate) async fn keys(State(desk): State<Arc<Desk>>, Path(place): Place) -> Answer {
    let (view, environment) = find(&desk, &place).await?;
    let keys = desk
        .rooms
        .releases
        .keys(view.repo.id, &environment.name)
        .ok_or(NO_KEYS)?;
    Ok(shown(&keys))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    key: Which,
}

pub(crate) async fn rotate(
    State(desk): State<Arc<Desk>>,
    Path(place): Place,
    bytes: Bytes,
) -> Answer {
    let wanted: Rotate = body(
        &bytes,
        "send `{\"key\": \"primary\"}` or `{\"key\": \"secondary\"}`",
    )?;
    let (view, environment) = find(&desk, &place).await?;
    let releases = &desk.rooms.releases;
    let (repo, name) = (view.repo.id, &environment.name);
    releases.keys(repo, name).ok_or(NO_KEYS)?;
    let keys = releases.rotate(repo, name, wanted.key).await?;
    tracing::info!(repo.name = %view.repo.name, "a key of environment `{name}` was made anew");
    Ok(shown(&keys))
}

/// Both keys, for whoever may have them.
fn shown(keys: &Keys) -> Response {
    let (primary, secondary) = (keys.primary.expose_secret(), keys.secondary.expose_secret());
    Json(json!({"primary": primary, "secondary": secondary})).into_response()
}

/// An environment by owner, repository and name. Errors: there is none.
pub(crate) async fn find(
    desk: &Desk,
    (owner, repo, name): &(String, String, String),
) -> Result<(RepoView, Environment), No> {
    let view = params::repository(desk, owner, repo).await?;
    let found = desk
        .rooms
        .store
        .environment(view.repo.id, &params::slug(name)?)
        .await?;
    Ok((view, found.ok_or(NONE)?))
}

async fn wake(desk: &Desk, repo: &Repo, name: &Slug, hint: Option<Hint>) -> Result<(), No> {
    let subject = SubjectKey::Environment(repo.id, name.clone());
    Ok(desk.rooms.store.wake(vec![Wake { subject, hint }]).await?)
}
