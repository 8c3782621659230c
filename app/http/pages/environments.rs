//! An environment: where it answers, what it serves, what it served, and how to go back.

use super::{About, Place, page};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, value};
use crate::http::{api, read};
use axum::extract::{Path, State};
use bowsprit_core::serving::spec::{Live, RolloutPhase};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::environment::{Change, Environment, Release};
use serde_json::{Value, json};
use std::sync::Arc;

/// Past words shown.
const EVENTS_MAX: usize = 50;

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path(place): Place,
) -> Answer {
    let (view, environment) = api::environments::find(&desk, &place).await?;
    let key = SubjectKey::Environment(view.repo.id, environment.name.clone());
    let events = desk.rooms.store.events_of(Some(&key), EVENTS_MAX).await?;
    let verified: Vec<Value> = environment
        .verified
        .iter()
        .rev()
        .map(|one| {
            let mut row = release(&desk, &environment, &one.release);
            row["at_ms"] = one.at_ms.into();
            row["is_live"] = environment
                .live
                .as_ref()
                .is_some_and(|live| live.id == one.release.id)
                .into();
            row
        })
        .collect();
    let data = json!({
        "box": summary(&desk, &environment),
        "environment": value(&environment)?,
        "gateway": value(&desk.rooms.releases.live(view.repo.id, &environment.name))?,
        "live": environment.live.as_ref().map(|live| release(&desk, &environment, live)),
        "verified": verified,
        "back": environment.back().map(Release::shown),
        "changes": changes(&desk, &environment),
        "events": value(&events)?,
        "pull": environment.pr.map(|pr| read::pull_url(&desk, &view.repo, pr)),
    });
    let title = format!("{} of {}", environment.name, view.repo.name);
    page(
        &desk,
        Some(&caller),
        &About::new("environment", &title, "").live(!environment.is_gone),
        data,
    )
}

fn release(desk: &Desk, environment: &Environment, release: &Release) -> Value {
    let models = release.models.iter().map(
        |(name, model)| json!({"name": name, "version": model.version, "digest": model.digest}),
    );
    json!({
        "id": release.id,
        "shown": release.shown(),
        "commit": release.commit,
        "commit_url": read::commit_url(desk, &environment.repo, &release.commit),
        "models": models.collect::<Vec<_>>(),
    })
}

/// Pull requests that changed what an environment wants, newest first.
pub(super) fn changes(desk: &Desk, environment: &Environment) -> Vec<Value> {
    let row = |change: &Change| {
        json!({
            "environment": environment.name,
            "pr": change.pr,
            "pull": change.pr.map(|pr| read::pull_url(desk, &environment.repo, pr)),
            "page": change.pr.map(|pr| format!("/pulls/{}/{pr}", environment.repo.name)),
            "cause": change.cause,
            "shown": change.release.shown(),
            "commit": change.release.commit,
            "by": change.by,
            "is_over": change.is_over,
        })
    };
    environment.changes.iter().rev().map(row).collect()
}

/// An environment as a box of the strip.
pub(super) fn summary(desk: &Desk, environment: &Environment) -> Value {
    let gateway = desk
        .rooms
        .releases
        .live(environment.repo.id, &environment.name);
    let (word, mark) = health(environment, gateway.as_ref());
    let is_behind = match (&environment.wanted, &environment.live) {
        (Some(wanted), live) => live.as_ref().is_none_or(|live| live.id != wanted.id),
        (None, _) => false,
    };
    json!({
        "name": environment.name,
        "page": format!("/environments/{}/{}", environment.repo.name, environment.name),
        "version": environment.live.as_ref().map(Release::shown),
        "wanted": environment.wanted.as_ref().filter(|_| is_behind).map(Release::shown),
        "since_ms": environment.live_since_ms,
        "word": word,
        "mark": mark,
        "reason": environment.reason,
        "url": environment.url,
        "pr": environment.pr,
        "hold": environment.hold.as_ref().map(|hold| json!({"by": hold.by, "why": hold.why})),
    })
}

/// How an environment does, in a word, with the word that colours it.
fn health(environment: &Environment, gateway: Option<&Live>) -> (&'static str, &'static str) {
    let phase = gateway.map(|live| live.phase).or(environment.phase);
    match phase {
        _ if environment.is_gone => ("gone", "idle"),
        None => ("not deployed yet", "idle"),
        Some(RolloutPhase::Waiting) => ("waiting for a model", "idle"),
        Some(RolloutPhase::Starting) => ("starting", "busy"),
        Some(RolloutPhase::Verifying) => ("being verified", "busy"),
        Some(RolloutPhase::Live) => ("live", "good"),
        Some(RolloutPhase::Failed) if environment.live.is_some() => {
            ("rollout failed, the one before serves", "bad")
        }
        Some(RolloutPhase::Failed) => ("failed", "bad"),
    }
}

/// Environments in the order in which a release goes through them: previews, then by their first verified release.
pub(super) fn order(environments: &mut [Environment]) {
    environments.sort_by_key(|environment| {
        let first_ms = environment
            .verified
            .first()
            .map_or(i64::MAX, |verified| verified.at_ms);
        (
            environment.pr.is_none(),
            !environment.changes.is_empty(),
            // A pinned environment wants nothing before its first promotion.
            environment.wanted.is_none(),
            first_ms,
            environment.name.clone(),
        )
    });
}

/// An environment's repository must be known by now. Errors: it is not.
pub(super) fn none_if_empty(environments: &[Environment]) -> Result<(), No> {
    const NONE: No = No::missing(
        "this repository has no environment and no model yet; its contract must be of kind `service`",
    );
    (!environments.is_empty()).then_some(()).ok_or(NONE)
}
