//! Deliveries as GitHub sends them, signed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};
use sha2::Sha256;

/// Signs what is sent here.
pub(crate) const SECRET: &str = "a secret that only these figures know";

/// A usual payload. Units: bytes.
const BODY_BYTES: usize = 10_000;

/// A body and its signature.
#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) event: &'static str,
    pub(crate) body: Bytes,
    pub(crate) signature: String,
}

impl Payload {
    pub(crate) fn new(event: &'static str, body: Vec<u8>) -> Payload {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key is good");
        mac.update(&body);
        Payload {
            event,
            signature: format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
            body: body.into(),
        }
    }

    /// The delivery of this id.
    pub(crate) fn request(&self, guid: &str) -> Request<Full<Bytes>> {
        Request::post("/webhook")
            .header("host", "bowsprit")
            .header("content-type", "application/json")
            .header("x-github-event", self.event)
            .header("x-github-delivery", guid)
            .header("x-hub-signature-256", &self.signature)
            .body(Full::new(self.body.clone()))
            .expect("constant headers")
    }
}

/// A push of several commits, as long as a usual one.
pub(crate) fn push() -> Vec<u8> {
    let text = include_str!("../../tests/it/data/github/push.json");
    let mut push: Value = serde_json::from_str(text).expect("a payload");
    let mut commits = Vec::new();
    while push.to_string().len() < BODY_BYTES {
        let number = commits.len();
        commits.push(json!({
            "id": format!("{number:040x}"), "tree_id": format!("{:040x}", number + 1), "distinct": true,
            "message": "Weigh late samples less\n\nThey were labelled by another team.",
            "timestamp": "2026-11-01T12:00:00+01:00",
            "author": {"name": "Ada", "email": "ada@example.com", "username": "ada"},
            "committer": {"name": "Ada", "email": "ada@example.com", "username": "ada"},
            "added": [], "removed": [], "modified": ["train.py", format!("data/part-{number}.csv")],
        }));
        push["commits"] = json!(commits);
    }
    push.to_string().into_bytes()
}

/// A comment on an issue of the repository that the stand-in knows.
pub(crate) fn comment(issue: usize) -> Vec<u8> {
    let text = include_str!("../../tests/it/data/github/issue_comment.json");
    let mut said: Value = serde_json::from_str(text).expect("a payload");
    said["issue"]["number"] = json!(issue);
    said["issue"]["body"] = json!("x".repeat(BODY_BYTES.saturating_sub(text.len())));
    said["comment"]["body"] = json!("/help");
    said["repository"]["id"] = json!(1);
    said["repository"]["full_name"] = json!("ada/busy");
    said.to_string().into_bytes()
}
