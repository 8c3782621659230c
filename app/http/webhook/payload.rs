//! What a payload says at its top level, without building the rest.
//!
//! The event's name is not signed, so a body captured once could come again under another name: each event that
//! is understood here must bring its own keys and none of another's.

use super::is_name;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// Most keys of a payload; GitHub sends about ten.
const KEYS_MAX: usize = 200;

/// The top level of a payload.
pub(super) struct Payload {
    /// `action`, where it is a name.
    pub(super) action: Option<String>,
    keys: BTreeSet<String>,
}

/// What an event's payload has, and what it never has.
struct Shape {
    event: &'static str,
    has: &'static [&'static str],
    lacks: &'static [&'static str],
}

const fn shape(
    event: &'static str,
    has: &'static [&'static str],
    lacks: &'static [&'static str],
) -> Shape {
    Shape { event, has, lacks }
}

/// Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads (2026-11)
const SHAPES: &[Shape] = &[
    shape("check_run", &["action", "check_run"], &[]),
    shape("check_suite", &["action", "check_suite"], &[]),
    shape("create", &["ref", "ref_type"], &[]),
    shape("delete", &["ref", "ref_type"], &[]),
    shape("deployment", &["deployment"], &["deployment_status"]),
    shape("deployment_status", &["deployment_status"], &[]),
    shape("installation", &["action", "installation"], &["repository"]),
    shape(
        "installation_repositories",
        &["action", "repositories_added", "repositories_removed"],
        &[],
    ),
    shape("issue_comment", &["action", "comment", "issue"], &[]),
    shape("issues", &["action", "issue"], &["comment"]),
    shape("ping", &["zen"], &[]),
    shape(
        "pull_request",
        &["action", "pull_request"],
        &["review", "comment", "thread"],
    ),
    shape(
        "pull_request_review",
        &["action", "review", "pull_request"],
        &[],
    ),
    shape(
        "pull_request_review_comment",
        &["action", "comment", "pull_request"],
        &[],
    ),
    shape("push", &["ref"], &["ref_type"]),
    shape("release", &["action", "release"], &[]),
    shape(
        "repository",
        &["action", "repository"],
        &[
            "check_run",
            "check_suite",
            "comment",
            "issue",
            "pull_request",
            "release",
            "review",
        ],
    ),
    shape("status", &["sha", "state", "context"], &[]),
    shape("workflow_run", &["action", "workflow_run"], &[]),
];

impl Payload {
    /// Reads the top level; `None` when the body is not one JSON object.
    pub(super) fn scan(body: &[u8]) -> Option<Payload> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let payload = json.deserialize_map(Scan).ok()?;
        json.end().ok()?;
        Some(payload)
    }

    /// Whether it can be the payload of this event; of an unknown event, any can.
    pub(super) fn fits(&self, event: &str) -> bool {
        let Some(shape) = SHAPES.iter().find(|shape| shape.event == event) else {
            return true;
        };
        let has = |key: &&str| self.keys.contains(*key);
        shape.has.iter().all(has) && !shape.lacks.iter().any(has)
    }
}

struct Scan;

impl<'de> Visitor<'de> for Scan {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload {
            action: None,
            keys: BTreeSet::new(),
        };
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "action" {
                let value: serde_json::Value = map.next_value()?;
                let name = value.as_str().filter(|text| is_name(text));
                payload.action = name.map(str::to_owned);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            payload.keys.insert(key.into_owned());
            if payload.keys.len() > KEYS_MAX {
                return Err(A::Error::custom("too many keys"));
            }
        }
        Ok(payload)
    }
}
