//! The JSON API: every route checks its caller's scope and its parameters before its handler runs.

pub(super) mod environments;
pub(super) mod locations;
pub(super) mod models;
pub(super) mod packs;
pub(super) mod pause;
pub(super) mod pulls;
pub(super) mod queues;
pub(super) mod runs;
pub(super) mod start;
pub(super) mod status;
pub(super) mod tokens;

use super::answer::No;
use super::params::Params;
use super::routes::{BASE, ROUTES, Route};
use super::{Desk, access, openapi};
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use std::sync::Arc;

/// Largest body that the API takes. Units: bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The API with its description.
pub(super) fn router(desk: &Arc<Desk>) -> Router {
    let mut api = Router::new();
    for route in ROUTES {
        let desk = desk.clone();
        let guard =
            from_fn(move |request: Request, next: Next| guard(desk.clone(), route, request, next));
        api = api.route(
            &format!("{BASE}{}", route.path),
            (route.handler)().route_layer(guard),
        );
    }
    let document = openapi::document().to_string();
    let json = [(header::CONTENT_TYPE, "application/json")];
    api.route(
        &format!("{BASE}/{{*rest}}"),
        axum::routing::any(async || {
            No::missing("there is no such route; `/openapi.json` lists all")
        }),
    )
    .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
    .route("/openapi.json", get(async move || (json, document)))
    .with_state(desk.clone())
}

/// Lets in who may, with parameters that the route knows.
async fn guard(
    desk: Arc<Desk>,
    route: &'static Route,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&desk, route, &mut request).await {
        Ok(()) => {
            let mut response = next.run(request).await;
            let headers = response.headers_mut();
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
            );
            response
        }
        Err(no) => no.into_response(),
    }
}

async fn admit(desk: &Desk, route: &'static Route, request: &mut Request) -> Result<(), No> {
    let caller = access::caller(desk, request.method(), request.headers()).await?;
    let caller = caller.ok_or(No::UNKNOWN)?;
    if caller.scope < route.scope {
        return Err(No::scope(route.scope));
    }
    let params = Params::read(request.uri().query(), route)?;
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Arc::new(params));
    Ok(())
}

impl<S: Sync> FromRequestParts<S> for access::Caller {
    type Rejection = No;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, No> {
        parts
            .extensions
            .get::<access::Caller>()
            .cloned()
            .ok_or(No::UNKNOWN)
    }
}

/// The parameters that the guard has read.
pub(super) struct Asked(pub(super) Arc<Params>);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = No;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, No> {
        Ok(Asked(
            parts
                .extensions
                .get::<Arc<Params>>()
                .cloned()
                .unwrap_or_default(),
        ))
    }
}

/// A body as JSON, unknown members refused by its type.
fn body<T: serde::de::DeserializeOwned>(bytes: &[u8], wanted: &'static str) -> Result<T, No> {
    serde_json::from_slice(bytes).map_err(|_| No::bad(wanted))
}

/// What will be done.
fn accepted(value: serde_json::Value) -> Response {
    (axum::http::StatusCode::ACCEPTED, axum::Json(value)).into_response()
}
