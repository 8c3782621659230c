//! Answers of the API: JSON, or a refusal with a fixed sentence that says what would work.

use crate::store::Scope;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::borrow::Cow;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct No {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
}

/// What most handlers give.
pub(super) type Answer = Result<Response, No>;

impl No {
    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> No {
        No {
            status,
            code,
            message: Cow::Borrowed(message),
        }
    }

    /// Nobody known asks.
    pub(super) const UNKNOWN: No = No::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "send a token of this server as `Authorization: Bearer …`; `bowsprit token create` makes one",
    );

    /// The request comes from another site's page.
    pub(super) const FOREIGN: No = No::new(
        StatusCode::FORBIDDEN,
        "foreign-origin",
        "send the form from this server's own pages, or use a token",
    );

    /// A token that may do more is needed.
    pub(super) fn scope(wanted: Scope) -> No {
        let message = match wanted {
            Scope::Read => "use a token of scope `read`, `run` or `admin`",
            Scope::Run => "use a token of scope `run` or `admin`",
            Scope::Admin => "use a token of scope `admin`",
        };
        No::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// There is no such thing.
    pub(super) const fn missing(message: &'static str) -> No {
        No::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    /// It was asked wrongly.
    pub(super) const fn bad(message: &'static str) -> No {
        No::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    /// It cannot be done as things stand.
    pub(super) const fn conflict(message: &'static str) -> No {
        No::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// It cannot be done as things stand, in core's words.
    pub(super) fn needed(why: String) -> No {
        No {
            message: why.into(),
            ..No::conflict("")
        }
    }

    /// Too many ask for this at once.
    pub(super) const BUSY: No = No::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "too many logs are followed at once; try again in 10 seconds",
    );

    const FAILED: No = No::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "failed",
        "something failed here; the server's log says what; try again",
    );
}

impl From<anyhow::Error> for No {
    fn from(error: anyhow::Error) -> No {
        tracing::error!("cannot answer a request: {error:#}");
        No::FAILED
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let wait = HeaderValue::from_static("10");
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        // Pages show a refusal in their own way.
        response.extensions_mut().insert(self);
        response
    }
}

/// A list with what continues it: the `before` of the next page.
pub(super) fn list(items: Vec<serde_json::Value>, next: Option<String>) -> Response {
    Json(json!({"items": items, "next": next})).into_response()
}

/// A value as JSON. Errors: it cannot be written, a fault of ours.
pub(super) fn value<T: serde::Serialize>(of: &T) -> Result<serde_json::Value, No> {
    serde_json::to_value(of).map_err(|error| No::from(anyhow::Error::from(error)))
}
