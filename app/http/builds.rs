//! The door of builds: a pod that builds an image fetches its context here, once it has shown the token of that build.
//!
//! Every wrong key and every wrong token get the same answer.

use crate::images::Images;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::io::ReaderStream;

/// What every refusal says.
const REFUSAL: &str = "there is no such build, or its token is another\n";

/// The routes of builds.
pub fn router(images: Images) -> Router {
    Router::new()
        .route("/builds/{key}/context", get(context))
        .with_state(images)
}

async fn context(
    State(images): State<Images>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Response {
    let shown = headers.get(header::AUTHORIZATION);
    let token = shown
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default()
        .to_owned();
    let opened = tokio::task::spawn_blocking(move || images.context(&key, &token)).await;
    match opened {
        Ok(Ok(Some(file))) => {
            let bytes = ReaderStream::new(tokio::fs::File::from_std(file));
            let kind = [(header::CONTENT_TYPE, "application/x-tar")];
            (kind, Body::from_stream(bytes)).into_response()
        }
        Ok(Ok(None)) => (StatusCode::UNAUTHORIZED, REFUSAL).into_response(),
        Ok(Err(error)) => {
            tracing::error!("cannot give the context of a build: {error:#}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(error) => {
            tracing::error!("cannot give the context of a build: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
