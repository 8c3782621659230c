//! The door for agents in pods: each comes with the one-run token of its stage, and gets at nothing else.
//!
//! Shapes, sizes and the token's header are looked at here; what may be taken is the intake's to say.

use crate::runs::{Guest, Intake, Turned};
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bowsprit_core::training::remote::{BASE, Begin, Have, PART_BYTES_MAX, WORD_BYTES_MAX};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

/// Parts of logs and outputs taken at once, so that they cost no more than 64 MiB of memory.
const PARTS_MAX: usize = 16;
/// How long a caller who came while the door was full is asked to wait. Units: seconds.
const WAIT_S: &str = "1";

#[derive(Clone)]
struct Door {
    intake: Intake,
    places: Arc<Semaphore>,
}

/// The routes of agents.
pub(super) fn router(intake: Intake) -> Router {
    let door = Door {
        intake,
        places: Arc::new(Semaphore::new(PARTS_MAX)),
    };
    let words = Router::new()
        .route(&at("begin"), post(begin))
        .route(&at("status"), put(status))
        .route(&at("result"), put(result))
        .layer(DefaultBodyLimit::max(WORD_BYTES_MAX));
    let parts = Router::new()
        .route(&at("log"), post(log))
        .route(&at("outputs"), post(output))
        .layer(DefaultBodyLimit::max(PART_BYTES_MAX))
        .layer(middleware::from_fn_with_state(door.clone(), in_turn));
    Router::new()
        .route(&at("snapshot"), get(snapshot))
        .route(&at("models/{digest}"), get(model))
        .merge(words)
        .merge(parts)
        .with_state(door)
}

fn at(what: &str) -> String {
    format!("{BASE}/{{stage}}/{what}")
}

/// Lets in as many large bodies as there is memory for; the others come again.
async fn in_turn(State(door): State<Door>, request: Request, next: Next) -> Response {
    let Ok(place) = door.places.try_acquire() else {
        let mut busy = (
            StatusCode::SERVICE_UNAVAILABLE,
            "the door is full; come again",
        )
            .into_response();
        let wait = header::HeaderValue::from_static(WAIT_S);
        busy.headers_mut().insert(header::RETRY_AFTER, wait);
        return busy;
    };
    let answer = next.run(request).await;
    drop(place);
    answer
}

/// An agent whose token fits, and the address that it came to.
struct Caller {
    guest: Guest,
    address: String,
}

impl FromRequestParts<Door> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Caller, Response> {
        let stage = Path::<Vec<(String, String)>>::from_request_parts(parts, door)
            .await
            .ok()
            .and_then(|Path(params)| {
                let stage = params.into_iter().find(|(name, _)| name == "stage");
                stage.map(|(_, stage)| stage)
            });
        let (Some(stage), Some(token)) = (stage, token(&parts.headers)) else {
            return Err(turned(Turned::Unknown));
        };
        let token = token.to_owned();
        let intake = door.intake.clone();
        let address = intake.address(&stage);
        let guest = blocking(move || intake.receive(&stage, &token)).await?;
        Ok(Caller { guest, address })
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim)
}

/// The desk is files: nobody else waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Turned> + Send + 'static,
) -> Result<T, Response> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(turned),
        Err(error) => Err(turned(Turned::Later(error.into()))),
    }
}

fn turned(why: Turned) -> Response {
    let status = match &why {
        Turned::Unknown => StatusCode::UNAUTHORIZED,
        Turned::Over => StatusCode::GONE,
        Turned::Replaced => StatusCode::CONFLICT,
        Turned::At(bytes) => {
            let have = Json(Have { bytes: *bytes });
            return (StatusCode::RANGE_NOT_SATISFIABLE, have).into_response();
        }
        Turned::Bad(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Turned::Later(error) => {
            tracing::error!("an agent cannot be served: {error:#}");
            let sentence = "something failed at the bot; its log says what";
            return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
        }
    };
    (status, why.to_string()).into_response()
}

#[derive(Deserialize)]
struct Who {
    attempt: String,
}

#[derive(Deserialize)]
struct LogPart {
    attempt: String,
    offset: u64,
}

#[derive(Deserialize)]
struct OutputPart {
    attempt: String,
    offset: u64,
    path: String,
}

type Answer = Result<Response, Response>;

async fn begin(caller: Caller, body: Bytes) -> Answer {
    let begun = blocking(move || {
        let begin: Begin = serde_json::from_slice(&body)
            .map_err(|error| Turned::Bad(format!("cannot be read: {error}")))?;
        caller.guest.begin(&begin.attempt, &caller.address)
    });
    Ok(Json(begun.await?).into_response())
}

async fn status(caller: Caller, Query(who): Query<Who>, body: Bytes) -> Answer {
    blocking(move || caller.guest.status(&who.attempt, &body)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn result(caller: Caller, Query(who): Query<Who>, body: Bytes) -> Answer {
    blocking(move || caller.guest.result(&who.attempt, &body)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn log(caller: Caller, Query(part): Query<LogPart>, body: Bytes) -> Answer {
    let taken = blocking(move || caller.guest.log(&part.attempt, part.offset, &body));
    let bytes = taken.await?;
    Ok(Json(Have { bytes }).into_response())
}

async fn output(caller: Caller, Query(part): Query<OutputPart>, body: Bytes) -> Answer {
    let taken = blocking(move || {
        let OutputPart {
            attempt,
            offset,
            path,
        } = part;
        caller.guest.output(&attempt, &path, offset, &body)
    });
    let bytes = taken.await?;
    Ok(Json(Have { bytes }).into_response())
}

async fn snapshot(caller: Caller) -> Answer {
    file(caller.guest.snapshot()).await
}

async fn model(caller: Caller, Path((_, digest)): Path<(String, String)>) -> Answer {
    let path = caller.guest.model(&digest).map_err(turned)?;
    file(path).await
}

async fn file(path: PathBuf) -> Answer {
    let cannot = |error: std::io::Error| {
        turned(Turned::Later(
            anyhow::Error::from(error).context("cannot read what an agent fetches"),
        ))
    };
    let file = tokio::fs::File::open(&path).await.map_err(cannot)?;
    let length = file.metadata().await.map_err(cannot)?.len();
    let body = Body::from_stream(ReaderStream::new(file));
    Ok(([(header::CONTENT_LENGTH, length)], body).into_response())
}
