//! The rooms' behaviour against a small server: what must happen, and what must not.

mod client;
mod edit;
mod foreign;
mod propose;
mod rights;
mod talk;

use crate::github::error::ApiError;
use crate::github::fake::{id, repo};
use bowsprit_core::effect::{Effect, Text};
use bowsprit_core::name::{CommitSha, PrNumber};
use serde_json::json;

fn plain(message: &str) -> Text {
    Text::new("test/plain", json!({"message": message}))
}

fn sha(word: &str) -> CommitSha {
    CommitSha::parse(&id(word)).unwrap()
}

fn reply(message: &str) -> Effect {
    Effect::Reply {
        repo: repo(),
        pr: PrNumber(3),
        text: plain(message),
    }
}

fn retry(error: &ApiError) -> bool {
    matches!(error, ApiError::Retry { .. })
}
