//! What a call of GitHub's API can come to when it does not succeed, told from status and headers.
//!
//! Source: "Rate limits for the REST API", "Best practices for using the REST API" (docs.github.com, 2026-11).

use http::HeaderMap;
use serde_json::Value;

/// Longest message of GitHub's that is kept. Units: characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Wait after a secondary limit that names no time. Units: milliseconds.
const SECONDARY_WAIT_MS: i64 = 60_000;

/// Wait when an installation is suspended or lacks a permission; a person must act. Units: milliseconds.
const PERSON_WAIT_MS: i64 = 300_000;

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Not now; the same may succeed later.
    #[error("GitHub cannot take this call now")]
    Retry {
        /// How long to wait at least; `None` leaves it to the caller. Units: milliseconds.
        after_ms: Option<i64>,
        /// What should wait.
        scope: Scope,
    },
    /// It is not there, or we may not see it.
    #[error("not found at GitHub")]
    NotFound,
    /// Understood and refused; the same call will be refused again.
    #[error("GitHub refused ({status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// GitHub's words, cut.
        message: String,
        /// GitHub's list of faults, as phrases.
        errors: Vec<String>,
    },
    /// Our key or token is not taken, even a new one.
    #[error("GitHub does not take our credentials")]
    Unauthorized,
    /// The answer is not what GitHub documents.
    #[error("GitHub's answer cannot be used: {0}")]
    Broken(String),
}

/// What should wait when a call must be repeated later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Only this call.
    Request,
    /// All calls of this installation.
    Installation,
    /// What an installation does not let us do, until somebody there acts: it is suspended, or has not accepted a
    /// permission.
    Person,
    /// Everything.
    All,
}

impl ApiError {
    /// A later try of this call alone, after the usual back-off.
    pub(crate) fn later() -> ApiError {
        ApiError::Retry {
            after_ms: None,
            scope: Scope::Request,
        }
    }

    /// A later try of everything of the installation.
    pub(crate) fn installation_after(after_ms: i64) -> ApiError {
        ApiError::Retry {
            after_ms: Some(after_ms),
            scope: Scope::Installation,
        }
    }

    /// A later try, since a person must act first.
    pub(crate) fn for_a_person() -> ApiError {
        ApiError::Retry {
            after_ms: Some(PERSON_WAIT_MS),
            scope: Scope::Person,
        }
    }

    /// Whether somebody at the installation must act first.
    pub(crate) fn is_for_a_person(&self) -> bool {
        matches!(
            self,
            ApiError::Retry {
                scope: Scope::Person,
                ..
            }
        )
    }

    /// The words of a refusal, for a person.
    pub fn words(&self) -> String {
        match self {
            ApiError::Refused {
                message, errors, ..
            } if !errors.is_empty() => {
                format!("{message}: {}", errors.join("; "))
            }
            ApiError::Refused { message, .. } => message.clone(),
            ApiError::Retry { .. }
            | ApiError::NotFound
            | ApiError::Unauthorized
            | ApiError::Broken(_) => self.to_string(),
        }
    }

    /// Whether GitHub says that what was to be created exists.
    pub(crate) fn is_already_there(&self) -> bool {
        matches!(self, ApiError::Refused { status: 422, .. })
            && self.words().contains("already exist")
    }
}

/// The error that an answer means, `None` for a good one.
///
/// `now_s`: seconds since 1970, against which `x-ratelimit-reset` is held.
pub(crate) fn classify(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now_s: i64,
) -> Option<ApiError> {
    match status {
        200..=299 => None,
        401 => Some(ApiError::Unauthorized),
        404 | 410 => Some(ApiError::NotFound),
        403 | 429 => Some(limited(status, headers, body, now_s)),
        // The server does not know how, and will not the next time.
        501 => Some(refused(status, body)),
        408 | 500..=599 => Some(ApiError::Retry {
            after_ms: number(headers, "retry-after").map(|s| s.saturating_mul(1000)),
            scope: Scope::Request,
        }),
        400..=499 => Some(refused(status, body)),
        _ => Some(ApiError::Broken(format!(
            "status {status} was not expected"
        ))),
    }
}

/// 403 means "too much" or "not allowed"; 429 always the first.
fn limited(status: u16, headers: &HeaderMap, body: &[u8], now_s: i64) -> ApiError {
    if let Some(wait_s) = number(headers, "retry-after") {
        return ApiError::installation_after(wait_s.clamp(1, 86_400).saturating_mul(1000));
    }
    if number(headers, "x-ratelimit-remaining") == Some(0) {
        let wait_s = number(headers, "x-ratelimit-reset").map_or(60, |reset| reset - now_s);
        return ApiError::installation_after(wait_s.clamp(1, 7_200).saturating_mul(1000));
    }
    let refused = refused(status, body);
    let words = refused.words().to_lowercase();
    if words.contains("suspended") {
        return ApiError::for_a_person();
    }
    if status == 429 || words.contains("rate limit") || words.contains("abuse") {
        return ApiError::installation_after(SECONDARY_WAIT_MS);
    }
    refused
}

fn refused(status: u16, body: &[u8]) -> ApiError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = value
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("no reason given");
    let errors = value.get("errors").and_then(Value::as_array);
    ApiError::Refused {
        status,
        message: cut(message),
        errors: errors.map_or_else(Vec::new, |list| list.iter().take(10).map(fault).collect()),
    }
}

/// One entry of `errors`: an object, or in some answers a plain text.
fn fault(entry: &Value) -> String {
    if let Some(text) = entry.as_str() {
        return cut(text);
    }
    let field = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    if !field("message").is_empty() {
        return cut(field("message"));
    }
    cut(format!("{} {} {}", field("resource"), field("field"), field("code")).trim())
}

fn cut(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_CHARS_MAX)
        .collect()
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, headers: &[(&'static str, &'static str)], body: &str, want: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, http::HeaderValue::from_static(value));
        }
        let got = classify(status, &map, body.as_bytes(), 1_000);
        assert_eq!(format!("{got:?}"), want, "{status} {headers:?}");
    }

    #[test]
    fn answers_are_told_apart() {
        let retry = |after: &str, scope: &str| {
            format!("Some(Retry {{ after_ms: {after}, scope: {scope} }})")
        };
        check(200, &[], "", "None");
        check(502, &[], "<html>", &retry("None", "Request"));
        check(
            503,
            &[("retry-after", "7")],
            "",
            &retry("Some(7000)", "Request"),
        );
        check(
            403,
            &[("retry-after", "3")],
            "{}",
            &retry("Some(3000)", "Installation"),
        );
        check(
            403,
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1100"),
            ],
            "{}",
            &retry("Some(100000)", "Installation"),
        );
        check(
            403,
            &[("x-ratelimit-remaining", "99")],
            r#"{"message":"You have exceeded a secondary rate limit."}"#,
            &retry("Some(60000)", "Installation"),
        );
        check(
            403,
            &[],
            r#"{"message":"This installation has been suspended"}"#,
            &retry("Some(300000)", "Person"),
        );
        check(429, &[], "", &retry("Some(60000)", "Installation"));
        check(
            403,
            &[("x-ratelimit-remaining", "99")],
            r#"{"message":"Resource not accessible by integration"}"#,
            r#"Some(Refused { status: 403, message: "Resource not accessible by integration", errors: [] })"#,
        );
        check(
            422,
            &[],
            r#"{"message":"Validation Failed","errors":[{"resource":"Issue","field":"body","code":"invalid"}]}"#,
            r#"Some(Refused { status: 422, message: "Validation Failed", errors: ["Issue body invalid"] })"#,
        );
        check(
            501,
            &[],
            "",
            r#"Some(Refused { status: 501, message: "no reason given", errors: [] })"#,
        );
        check(404, &[], "", "Some(NotFound)");
        check(
            302,
            &[],
            "",
            r#"Some(Broken("status 302 was not expected"))"#,
        );
    }
}
