//! Acting: an effect becomes an outcome at GitHub.
//!
//! Each one looks for what it would make before it makes it, so that it may be applied twice and after any crash;
//! a check run that was never tried before is made at once.
//! A refusal for good is a result, in GitHub's words; everything that may succeed later is an error with its class.

mod check;
mod deployment;
mod edit;
mod enqueue;
mod folder;
mod labels;
mod propose;
mod pull;
mod talk;

pub use folder::write_folder;

use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::text::Texts;
use bowsprit_core::effect::{Edit, Effect, EffectResult, Intent, Text};
use bowsprit_core::name::Digest;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// Gives the bytes of an artifact.
pub type Fetch = dyn Fn(Digest) -> BoxFuture<'static, anyhow::Result<Vec<u8>>> + Send + Sync;

/// What acting needs beside the place.
pub struct Desk<'a> {
    /// The templates.
    pub texts: &'a Texts,
    /// The bot's public address, without a slash at the end.
    pub public_url: &'a str,
    /// The artifact store.
    pub content: &'a Fetch,
    /// Whether nothing of this effect was ever tried: what it would make is not there yet.
    pub is_first: bool,
}

/// Applies an effect of GitHub's. Errors: [`ApiError`]; a refusal for good is [`EffectResult::Refused`] instead.
pub async fn apply(
    place: &Place,
    intent: &Intent,
    desk: &Desk<'_>,
) -> Result<EffectResult, ApiError> {
    let place = place.with_priority(intent.priority);
    let done = dispatch(&place, intent, desk).await;
    match done {
        Err(error @ (ApiError::Refused { .. } | ApiError::NotFound)) => Ok(refused(error.words())),
        Ok(_) | Err(ApiError::Retry { .. } | ApiError::Unauthorized | ApiError::Broken(_)) => done,
    }
}

async fn dispatch(
    place: &Place,
    intent: &Intent,
    desk: &Desk<'_>,
) -> Result<EffectResult, ApiError> {
    match &intent.effect {
        Effect::StatusComment { pr, text, .. } => {
            let body = render(desk, text, json!({}))?;
            talk::status_comment(place, *pr, &body, intent.is_view).await
        }
        Effect::Reply { pr, text, .. } => {
            let body = render(desk, text, json!({}))?;
            talk::reply(place, *pr, &intent.key, &body).await
        }
        Effect::Note { pr, name, text, .. } => {
            let body = text
                .as_ref()
                .map(|text| render(desk, text, json!({})))
                .transpose()?;
            talk::note(place, *pr, name, body.as_deref()).await
        }
        Effect::React {
            comment, content, ..
        } => talk::react(place, *comment, content).await,
        Effect::Labels {
            pr,
            set,
            managed,
            found,
            ..
        } => labels::labels(place, *pr, (set, managed), Some(found)).await,
        Effect::Edit { pr, edit, .. } => {
            let done = edit::edit(place, *pr, edit).await;
            let is_kept = matches!(edit, Edit::Labels { .. } | Edit::Assignees { .. });
            if !(is_kept && done.is_ok()) {
                place.github().memory().doubt((place.repo().id, *pr));
            }
            done
        }
        Effect::Status(status) => edit::status(place, status).await,
        Effect::CheckRun(check) => {
            let summary = render(desk, &check.summary, json!({}))?;
            check::check_run(place, check, &summary, (desk, intent.is_view)).await
        }
        Effect::Propose(propose) => propose::propose(place, &intent.key, propose, desk).await,
        Effect::Merge {
            repo: _,
            pr,
            head,
            base,
            title,
            message,
            method,
        } => {
            let words = pull::Words {
                title,
                message,
                method: *method,
            };
            pull::merge(place, *pr, (head, base.as_ref()), &words).await
        }
        Effect::Enqueue {
            pr, head, is_in, ..
        } => enqueue::enqueue(place, *pr, head, *is_in).await,
        Effect::Deployment(deployment) => deployment::deployment(place, deployment).await,
        Effect::StartStage(_)
        | Effect::CancelStage { .. }
        | Effect::Deploy(_)
        | Effect::Remove { .. }
        | Effect::RemoveBytes { .. } => {
            Err(ApiError::Broken("not an effect of GitHub's".to_owned()))
        }
    }
}

fn render(desk: &Desk<'_>, text: &Text, extra: Value) -> Result<String, ApiError> {
    desk.texts
        .render(text, extra)
        .map_err(|error| ApiError::Broken(format!("cannot render `{}`: {error:#}", text.template)))
}

fn refused(reason: impl Into<String>) -> EffectResult {
    EffectResult::Refused {
        reason: reason.into(),
    }
}

/// A hidden mark by which something of ours is found again; made of hex, so that it cannot close its comment.
fn marker(kind: &str, key: &str) -> String {
    format!(
        "<!-- bowsprit:{kind}:{} -->",
        Digest::of(key.as_bytes()).short()
    )
}

/// The text, cut at a character so that it has at most that many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_keeps_characters_whole() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn marker_cannot_be_closed_by_its_key() {
        let marker = marker("reply", "a --> <b>");
        assert_eq!(marker.matches("-->").count(), 1);
    }
}
