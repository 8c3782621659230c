//! The gateway's own answers: fixed sentences as JSON, never an error's text.

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

/// What went wrong with a body on its way.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of everything that leaves the gateway.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a request is not answered by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// No key, or none that is accepted.
    Stranger,
    /// Nothing of that name under `/.bowsprit/`.
    Unknown,
    /// The service lets nothing of its requests be counted.
    Uncounted,
    /// Known, but not with this method.
    Method,
    /// The body exceeds its limit.
    TooLarge,
    /// The body did not arrive in time.
    SlowBody,
    /// The body broke off.
    BrokenBody,
    /// As many requests wait as may.
    QueueFull,
    /// Waited its time in the queue.
    QueueLate,
    /// The service has no model yet.
    NoModel,
    /// The first release is being started.
    FirstStart,
    /// No release could be started.
    NoRelease,
    /// The server is being started again, and did not come back in time.
    Down,
    /// The gateway ends soon; it still answers.
    Leaving,
    /// The server broke the connection.
    Broken,
    /// The server did not begin to answer in time.
    Silent,
}

impl Turned {
    fn parts(self) -> (StatusCode, &'static str, Option<&'static str>) {
        match self {
            Turned::Stranger => (
                StatusCode::UNAUTHORIZED,
                "an accepted key is required",
                None,
            ),
            Turned::Unknown => (StatusCode::NOT_FOUND, "no such page", None),
            Turned::Uncounted => (
                StatusCode::NOT_FOUND,
                "the service's contract says `telemetry: false`, so requests are not counted",
                None,
            ),
            Turned::Method => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed", None),
            Turned::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", None),
            Turned::SlowBody => (
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
                None,
            ),
            Turned::BrokenBody => (StatusCode::BAD_REQUEST, "the body broke off", None),
            Turned::QueueFull => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests are waiting",
                Some("1"),
            ),
            Turned::QueueLate => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the request waited too long",
                Some("1"),
            ),
            Turned::NoModel => (
                StatusCode::SERVICE_UNAVAILABLE,
                "waiting for a model",
                Some("30"),
            ),
            Turned::FirstStart => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the first release is starting",
                Some("5"),
            ),
            Turned::NoRelease => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no release is live",
                Some("30"),
            ),
            Turned::Down => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is starting again",
                Some("2"),
            ),
            Turned::Leaving => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the gateway ends soon",
                Some("1"),
            ),
            Turned::Broken => (
                StatusCode::BAD_GATEWAY,
                "the server broke the connection",
                None,
            ),
            Turned::Silent => (
                StatusCode::GATEWAY_TIMEOUT,
                "the server did not answer in time",
                None,
            ),
        }
    }

    /// The answer that says so.
    pub(crate) fn answer(self) -> Response<Body> {
        let (status, sentence, retry_after) = self.parts();
        let mut response = json(status, format!("{{\"error\":\"{sentence}\"}}\n"));
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if self == Turned::Stranger {
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"bowsprit\""),
            );
        }
        response
    }
}

/// A whole body.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// An answer of JSON text.
pub(crate) fn json(status: StatusCode, text: String) -> Response<Body> {
    typed(status, "application/json", text)
}

/// An answer of text of this media type.
pub(crate) fn typed(status: StatusCode, media_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(whole(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
