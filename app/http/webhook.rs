//! `POST /webhook`: size, then signature, then meaning, then the store, then the answer.
//!
//! The answer comes after the delivery is on disk. Nothing is parsed before its signature is good, and
//! nothing is decided here. What may be held in memory at once is bounded, and so is the time that a sender may take.

mod body;
mod payload;
#[cfg(test)]
mod tests;

use super::health::Readiness;
use crate::store::{Accepted, NewDelivery, Store, StoreError};
use crate::telemetry::DELIVERIES;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use body::Gates;
use hmac::{Hmac, KeyInit, Mac};
use payload::Payload;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::Sha256;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// GitHub sends at most 25 MB. Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads (2026-11)
const BODY_BYTES_MAX: usize = 25 * 1024 * 1024 + 64 * 1024;
/// GitHub gives up after 10 s; the answer needs some of that. Units: milliseconds.
const READ_MS_MAX: u64 = 9_000;
/// Longest delivery id. Units: characters.
const GUID_CHARS_MAX: usize = 100;
/// Longest event or action name. Units: characters.
const NAME_CHARS_MAX: usize = 50;
/// From this size on the checks leave the thread that answers others. Units: bytes.
const CHECK_ASIDE_BYTES: usize = 256 * 1024;
/// When a refused sender may come again. Units: seconds.
const RETRY_AFTER_S: &str = "30";

/// What the door needs.
pub struct Door {
    /// Where deliveries go.
    pub store: Store,
    /// Secrets that may have signed: the current one and, during a change, the other.
    pub secrets: Vec<SecretString>,
    /// Told when deliveries cannot be stored.
    pub readiness: Readiness,
    /// Bodies above 64 KiB read at once.
    pub bodies_at_once: usize,
}

struct Inner {
    store: Store,
    secrets: Vec<SecretString>,
    readiness: Readiness,
    gates: Gates,
    read_limit: Duration,
}

/// Why a delivery was not taken: a fixed sentence that says what would work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Method,
    ContentType,
    Event,
    Guid,
    Signature,
    TooLarge,
    TooSlow,
    Broken,
    Json,
    Mismatch,
    Crowded,
    Full,
    Failed,
}

/// The webhook's route.
pub fn router(door: Door) -> Router {
    timed(door, Duration::from_millis(READ_MS_MAX))
}

fn timed(door: Door, read_limit: Duration) -> Router {
    let inner = Arc::new(Inner {
        store: door.store,
        secrets: door.secrets,
        readiness: door.readiness,
        gates: Gates::new(door.bodies_at_once),
        read_limit,
    });
    Router::new()
        .route("/webhook", post(hear).fallback(async || Refusal::Method))
        .with_state(inner)
}

impl Refusal {
    /// Status, word for the counter, sentence.
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Refusal::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "send webhooks with POST",
            ),
            Refusal::ContentType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content-type",
                "set the webhook's content type to application/json",
            ),
            Refusal::Event => (
                StatusCode::BAD_REQUEST,
                "event",
                "send one X-GitHub-Event header of lower-case letters and `_`, at most 50",
            ),
            Refusal::Guid => (
                StatusCode::BAD_REQUEST,
                "guid",
                "send one X-GitHub-Delivery header of letters, digits, `-`, `_`, `:` and `.`, at most 100",
            ),
            Refusal::Signature => (
                StatusCode::FORBIDDEN,
                "signature",
                "sign the body with the webhook secret that is configured here, in X-Hub-Signature-256",
            ),
            Refusal::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "send at most 25 MiB",
            ),
            Refusal::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                "send the whole body within 9 seconds",
            ),
            Refusal::Broken => (StatusCode::BAD_REQUEST, "broken", "send the whole body"),
            Refusal::Json => (
                StatusCode::BAD_REQUEST,
                "json",
                "send a JSON object as the body",
            ),
            Refusal::Mismatch => (
                StatusCode::BAD_REQUEST,
                "mismatch",
                "send a body that belongs to the event in X-GitHub-Event",
            ),
            Refusal::Crowded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "crowded",
                "too many deliveries wait here; send this one again later",
            ),
            Refusal::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                "full",
                "there is no room to store deliveries here; send this one again later",
            ),
            Refusal::Failed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "failed",
                "the delivery could not be stored; send it again later",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, word, sentence) = self.parts();
        DELIVERIES.count(&[word]);
        let mut response = (status, Json(json!({"error": sentence}))).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                let value = header::HeaderValue::from_static(RETRY_AFTER_S);
                headers.insert(header::RETRY_AFTER, value);
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, header::HeaderValue::from_static("POST"));
            }
            _ => {}
        }
        response
    }
}

/// What the headers claim. They are not signed.
struct Claims {
    event: String,
    guid: String,
    signature: [u8; 32],
}

async fn hear(State(door): State<Arc<Inner>>, request: Request) -> Result<Response, Refusal> {
    if door.readiness.is_disk_low() {
        return Err(Refusal::Full);
    }
    let (parts, body) = request.into_parts();
    let claims = claims(&parts.headers)?;
    let declared = length(&parts.headers);
    let body = read(&door, declared, body).await?;
    let size = body.len();
    let checked = {
        let (door, body, event) = (Arc::clone(&door), body.clone(), claims.event.clone());
        let check = move || check(&door.secrets, &claims.signature, &event, &body);
        match size < CHECK_ASIDE_BYTES {
            true => check(),
            false => tokio::task::spawn_blocking(check)
                .await
                .map_err(|_| Refusal::Failed)?,
        }
    };
    let new = NewDelivery {
        guid: claims.guid.clone(),
        event: claims.event,
        action: checked?.action,
        body,
        received_ms: now_ms(),
    };
    accept(&door, new, &claims.guid).await
}

async fn accept(door: &Inner, new: NewDelivery, guid: &str) -> Result<Response, Refusal> {
    let event = new.event.clone();
    let (status, result) = match door.store.accept(new).await {
        Ok(Accepted::Stored) => (StatusCode::ACCEPTED, "stored"),
        Ok(Accepted::Duplicate) => (StatusCode::OK, "duplicate"),
        Err(StoreError::Busy) => {
            door.readiness.set_full(true);
            return Err(Refusal::Crowded);
        }
        Err(StoreError::Full) => {
            door.readiness.set_full(true);
            tracing::error!(
                delivery.id = guid,
                "cannot store delivery {guid}: the disk is full"
            );
            return Err(Refusal::Full);
        }
        Err(StoreError::Other(error)) => {
            tracing::error!(
                delivery.id = guid,
                "cannot store delivery {guid}: {error:#}"
            );
            return Err(Refusal::Failed);
        }
    };
    door.readiness.set_full(false);
    DELIVERIES.count(&[result]);
    tracing::info!(delivery.id = guid, event, "delivery {guid} is {result}");
    Ok((status, Json(json!({"delivery": guid, "result": result}))).into_response())
}

async fn read(door: &Inner, declared: Option<u64>, body: Body) -> Result<Bytes, Refusal> {
    if declared.is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Err(Refusal::TooLarge);
    }
    let reading = door.gates.read(body, BODY_BYTES_MAX);
    let read = tokio::time::timeout(door.read_limit, reading).await;
    read.map_err(|_| Refusal::TooSlow)?
}

fn claims(headers: &HeaderMap) -> Result<Claims, Refusal> {
    let content = one(headers, &header::CONTENT_TYPE).ok_or(Refusal::ContentType)?;
    let kind = content.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::ContentType);
    }
    let event = one(headers, &HeaderName::from_static("x-github-event"));
    let event = event.filter(|text| is_name(text)).ok_or(Refusal::Event)?;
    let guid = one(headers, &HeaderName::from_static("x-github-delivery"));
    let guid = guid.filter(|text| is_guid(text)).ok_or(Refusal::Guid)?;
    let signature = one(headers, &HeaderName::from_static("x-hub-signature-256"));
    let hex = signature.and_then(|text| text.strip_prefix("sha256="));
    let mut bytes = [0_u8; 32];
    hex.filter(|hex| hex::decode_to_slice(hex, &mut bytes).is_ok())
        .ok_or(Refusal::Signature)?;
    Ok(Claims {
        event: event.to_owned(),
        guid: guid.to_owned(),
        signature: bytes,
    })
}

/// A header that is there exactly once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    one(headers, &header::CONTENT_LENGTH)?.parse().ok()
}

fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn is_guid(text: &str) -> bool {
    (1..=GUID_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.'))
}

fn check(
    secrets: &[SecretString],
    signature: &[u8; 32],
    event: &str,
    body: &[u8],
) -> Result<Payload, Refusal> {
    if !is_signed(secrets, signature, body) {
        return Err(Refusal::Signature);
    }
    let payload = Payload::scan(body).ok_or(Refusal::Json)?;
    match payload.fits(event) {
        true => Ok(payload),
        false => Err(Refusal::Mismatch),
    }
}

/// Each comparison takes the same time whatever it compares.
fn is_signed(secrets: &[SecretString], signature: &[u8; 32], body: &[u8]) -> bool {
    secrets.iter().any(|secret| {
        // HMAC takes keys of every length.
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok())
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
