//! What a handler returns: an answer, or a refusal in the form of the REST API.
//!
//! Every refusal has `message`, `documentation_url` and `status`; a failed validation lists its
//! errors.  Nothing internal is ever put into a message.

use http::StatusCode;
use serde_json::{Value, json};

const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// The result of a handler.
pub(crate) type Reply = Result<Answer, Refusal>;

/// A successful answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Bytes(&'static str, Vec<u8>),
}

/// A refused call.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) errors: Vec<Value>,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Json(body),
        }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// 200 with a body.
pub(crate) fn ok(body: Value) -> Reply {
    Ok(Answer::json(StatusCode::OK, body))
}

/// 201 with a body and the address of what was made.
pub(crate) fn created(body: Value) -> Reply {
    let location = body
        .get("url")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned);
    let answer = Answer::json(StatusCode::CREATED, body);
    Ok(match location {
        Some(location) => answer.with("location", location),
        None => answer,
    })
}

/// 204.
pub(crate) fn no_content() -> Reply {
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: Vec::new(),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 422 with a sentence of its own and no list.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 422 "Validation Failed" with one entry.
    pub(crate) fn invalid(resource: &str, field: &str, code: &str) -> Self {
        Self::validation(json!({"resource": resource, "field": field, "code": code}))
    }

    /// 422 "Validation Failed" with one entry of code `custom` and a sentence.
    pub(crate) fn custom(resource: &str, field: &str, message: impl Into<String>) -> Self {
        Self::validation(json!({
            "resource": resource, "code": "custom", "field": field, "message": message.into(),
        }))
    }

    /// 422 "Validation Failed" with the given entry.
    pub(crate) fn validation(error: Value) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            message: "Validation Failed".into(),
            errors: vec![error],
        }
    }

    /// 422 "Unprocessable Entity" with a bare sentence, as reviews are refused.
    pub(crate) fn custom_text(message: &str) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            message: "Unprocessable Entity".into(),
            errors: vec![Value::String(message.into())],
        }
    }

    /// 500 for a repository that cannot be read; the cause goes to the log only.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("cannot answer a call: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }

    pub(crate) fn into_answer(self) -> Answer {
        let mut body = json!({
            "message": self.message,
            "documentation_url": DOCUMENTATION,
            "status": self.status.as_u16().to_string(),
        });
        if !self.errors.is_empty() {
            body["errors"] = Value::Array(self.errors);
        }
        Answer::json(self.status, body)
    }
}

impl From<git2::Error> for Refusal {
    fn from(error: git2::Error) -> Self {
        if error.code() == git2::ErrorCode::NotFound {
            return Self::not_found();
        }
        Self::internal(&error)
    }
}
