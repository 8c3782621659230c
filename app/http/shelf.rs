//! What pods of an environment fetch: the order of their release and the files that it names.
//!
//! Their token opens these and nothing else; whoever has none, or a wrong one, learns not even whether there is such a
//! release.

use super::Desk;
use super::access::bearer;
use super::answer::{Answer, No, value};
use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use bowsprit_core::name::{RepoId, Slug};
use std::sync::Arc;
use tokio_util::io::ReaderStream;

const MISSING: No = No::missing("there is no such release for this token");

/// The routes below `/agent/releases`.
pub(super) fn router(desk: &Arc<Desk>) -> Router {
    Router::new()
        .route("/agent/releases/{repo}/{environment}/{release}", get(order))
        .route(
            "/agent/releases/{repo}/{environment}/{release}/files/{digest}",
            get(file),
        )
        .with_state(Arc::clone(desk))
}

async fn order(
    State(desk): State<Arc<Desk>>,
    Path((repo, environment, release)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    let key = key(&repo, &environment)?;
    let token = bearer(&headers).ok_or(MISSING)?;
    let found = desk.rooms.releases.order(&key, &release, token);
    Ok(Json(value(&found.ok_or(MISSING)?)?).into_response())
}

async fn file(
    State(desk): State<Arc<Desk>>,
    Path((repo, environment, release, digest)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    let key = key(&repo, &environment)?;
    let token = bearer(&headers).ok_or(MISSING)?;
    let found = desk.rooms.releases.file(&key, (&release, &digest), token);
    let path = found.ok_or(MISSING)?;
    let file = tokio::fs::File::open(&path).await;
    let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
    let about = file.metadata().await.map_err(anyhow::Error::from)?;
    let response = Response::builder()
        .header(header::CONTENT_LENGTH, about.len())
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(Body::from_stream(ReaderStream::new(file)));
    Ok(response.map_err(anyhow::Error::from)?)
}

fn key(repo: &str, environment: &str) -> Result<(RepoId, Slug), No> {
    let repo = repo.parse().map_err(|_| MISSING)?;
    let environment = Slug::parse(environment).map_err(|_| MISSING)?;
    Ok((RepoId(repo), environment))
}
