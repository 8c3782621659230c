//! The way of a request: to the admin API, the REST API, git over HTTP, or a page.
//!
//! Bodies are read whole up to a limit, except for git; faults that delay or cut happen here.

use crate::admin;
use crate::answer::{Answer, Body, Refusal};
use crate::faults::CallFault;
use crate::hub::{Hub, lock};
use crate::page;
use crate::serve;
use crate::smart_http;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use std::sync::Arc;

/// Largest body of an API call, in bytes.
const BODY_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The body of every answer.
pub(crate) type OutBody = BoxBody<Bytes, std::io::Error>;

/// The answer is thrown away and the connection closed; only faults do this.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer was cut")
    }
}

impl std::error::Error for Cut {}

/// A request without its body.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

/// First segments that belong to the REST API and can never be an owner.
pub(crate) const API_ROOTS: [&str; 11] = [
    "graphql",
    "repos",
    "repositories",
    "app",
    "apps",
    "installation",
    "user",
    "users",
    "orgs",
    "rate_limit",
    "meta",
];

/// Takes one request from its connection to its answer.
pub(crate) async fn enter(
    hub: Arc<Hub>,
    request: Request<Incoming>,
) -> Result<Response<OutBody>, Cut> {
    let (parts, body) = request.into_parts();
    let mut head = Head {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
    };
    if head.path.starts_with("/_hub") {
        return Ok(admin_call(hub, head, body).await);
    }
    if head.path == "/api/graphql" {
        // Beside `/api/v3`, where a server of one's own has it.
        head.path = "/graphql".into();
    }
    let with_prefix = match head.path.strip_prefix("/api/v3") {
        Some(rest) => {
            head.path = if rest.is_empty() {
                "/".into()
            } else {
                rest.into()
            };
            true
        }
        None => false,
    };
    let root = head.path.split('/').nth(1).unwrap_or_default();
    let is_api = with_prefix || API_ROOTS.contains(&root);
    let is_git = !is_api && smart_http::is_git(&head.path);
    if !is_api && !is_git {
        return Ok(page_call(hub, head, body).await);
    }
    let fault = lock(&hub.faults).for_call(head.method.as_str(), &head.path);
    if let Some(time) = fault.slow {
        tokio::time::sleep(time).await;
    }
    if is_git {
        if let Some(rule) = &fault.instead {
            return Ok(respond(serve::instead(rule)));
        }
        let answer = smart_http::serve(hub, head, body).await;
        return if fault.is_cut { Err(Cut) } else { Ok(answer) };
    }
    let is_cut = fault.is_cut;
    let answer = api_call(hub, head, body, (with_prefix, fault)).await;
    if is_cut { Err(Cut) } else { Ok(answer) }
}

/// Reads a whole body, up to the limit.
async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, BODY_MAX_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Payload too large",
        )),
    }
}

async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Refusal::internal(&error).into_answer(),
    }
}

async fn admin_call(hub: Arc<Hub>, head: Head, body: Incoming) -> Response<OutBody> {
    let answer = match read(body).await {
        Ok(body) => {
            blocking(move || admin::handle(&hub, &head, &body).unwrap_or_else(Refusal::into_answer))
                .await
        }
        Err(refusal) => refusal.into_answer(),
    };
    respond(answer)
}

async fn page_call(hub: Arc<Hub>, head: Head, body: Incoming) -> Response<OutBody> {
    let answer = match read(body).await {
        Ok(body) => blocking(move || page::handle(&hub, &head, &body)).await,
        Err(refusal) => refusal.into_answer(),
    };
    respond(answer)
}

async fn api_call(
    hub: Arc<Hub>,
    head: Head,
    body: Incoming,
    how: (bool, CallFault),
) -> Response<OutBody> {
    let body = match read(body).await {
        Ok(body) => body,
        Err(refusal) => return respond(refusal.into_answer()),
    };
    let (with_prefix, fault) = how;
    let answer = blocking(move || serve::answer(&hub, &head, &body, (with_prefix, &fault))).await;
    respond(answer)
}

/// Turns an answer into a response.
pub(crate) fn respond(answer: Answer) -> Response<OutBody> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let (kind, bytes) = match answer.body {
        Body::Empty => (None, Vec::new()),
        Body::Json(value) => (
            Some("application/json; charset=utf-8"),
            value.to_string().into_bytes(),
        ),
        Body::Bytes(kind, bytes) => (Some(kind), bytes),
    };
    if let Some(kind) = kind {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    response
        .body(full(bytes))
        .unwrap_or_else(|_| Response::new(full(Vec::new())))
}

pub(crate) fn full(bytes: Vec<u8>) -> OutBody {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed()
}
