//! Pages for people: rendered here, readable without a script, with nothing from elsewhere.
//!
//! Everything shown is foreign until it is escaped, and the engine escapes all of it.
//! A page changes something only by a form of its own, sent from this very server.

mod assets;
mod engine;
mod environments;
mod login;
mod models;
mod overview;
mod pulls;
mod queues;
mod runs;

pub(super) use engine::Engine;

use super::Desk;
use super::access::{self, Caller};
use super::answer::No;
use crate::store::Scope;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a page may load: itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A picture stands alone and carries its own style.
const PICTURE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Owner and repository.
type Pair = axum::extract::Path<(String, String)>;
/// Owner, repository and a name in it.
type Place = axum::extract::Path<(String, String, String)>;

/// Every page.
pub(super) fn router(desk: &Arc<Desk>) -> Router {
    let shut = Router::new()
        .route("/", get(overview::overview))
        .route("/pairs/{owner}/{repo}", get(overview::pair))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/models/{owner}/{repo}/{model}", get(models::show))
        .route(
            "/models/{owner}/{repo}/{model}/metrics.svg",
            get(models::picture),
        )
        .route(
            "/environments/{owner}/{repo}/{name}",
            get(environments::show),
        )
        .route("/pulls/{owner}/{repo}/{number}", get(pulls::show))
        .route("/deliveries", get(queues::deliveries))
        .route("/deliveries/{guid}/{lever}", post(queues::move_delivery))
        .route("/effects", get(queues::effects))
        .route("/effects/{id}/{lever}", post(queues::move_effect))
        .fallback(async || No::missing("there is no such page"))
        .route_layer(from_fn_with_state(desk.clone(), guard));
    shut.route("/login", get(login::form).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/assets/{name}", get(assets::asset))
        .layer(from_fn_with_state(desk.clone(), dress))
        .with_state(desk.clone())
}

/// Lets in who may read; others are led to the login.
async fn guard(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    match access::caller(&desk, request.method(), request.headers()).await {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(None) => {
            let here = request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str());
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("next", here)
                .finish();
            Redirect::to(&format!("/login?{query}")).into_response()
        }
        Err(no) => no.into_response(),
    }
}

/// Gives every answer its headers, and a refusal its page.
async fn dress(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let caller = access::caller(&desk, &axum::http::Method::GET, request.headers())
        .await
        .ok()
        .flatten();
    let mut response = next.run(request).await;
    if let Some(no) = response.extensions().get::<No>().cloned() {
        let data = json!({"code": no.code, "message": no.message, "status": no.status.as_u16()});
        let shown = page(
            &desk,
            caller.as_ref(),
            &About::new("error", "Not possible", ""),
            data,
        );
        response = shown.unwrap_or_else(|no| no.into_response());
        *response.status_mut() = no.status;
    }
    protect(response.headers_mut());
    response
}

fn protect(headers: &mut HeaderMap) {
    let mut set = |name: header::HeaderName, text: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(text));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::CACHE_CONTROL, "no-store");
    set(
        header::HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
}

/// What a page is.
struct About<'a> {
    template: &'a str,
    title: &'a str,
    /// Which entry of the menu it belongs to.
    menu: &'a str,
    /// Whether it is looked at again while it is open.
    is_live: bool,
}

impl<'a> About<'a> {
    fn new(template: &'a str, title: &'a str, menu: &'a str) -> About<'a> {
        About {
            template,
            title,
            menu,
            is_live: false,
        }
    }

    fn live(self, is_live: bool) -> About<'a> {
        About { is_live, ..self }
    }
}

/// Renders a page; `data` is an object. Errors: the template wants something that is not there, a fault of ours.
fn page(
    desk: &Desk,
    caller: Option<&Caller>,
    about: &About<'_>,
    mut data: Value,
) -> Result<Response, No> {
    let scope = caller.map(|caller| caller.scope);
    data["page"] = json!({
        "title": about.title,
        "menu": about.menu,
        "is_live": about.is_live,
        "who": caller.and_then(|caller| caller.name.as_ref()),
        "is_known": caller.is_some(),
        "is_guest": caller.is_some_and(|caller| caller.name.is_none()),
        "can_run": scope >= Some(Scope::Run),
        "is_admin": scope >= Some(Scope::Admin),
        "now_ms": crate::worker::now_ms(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let text = desk.engine.render(about.template, &data)?;
    Ok((StatusCode::OK, Html(text)).into_response())
}
