//! Labels of a pull request: a view for people and for GitHub's own filters, never the truth.

use crate::github::auth::Access;
use crate::github::client::Response;
use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::github::wire::{self, encoded};
use bowsprit_core::effect::EffectResult;
use bowsprit_core::name::PrNumber;
use http::Method;
use serde_json::json;
use std::collections::BTreeSet;

/// Colour of labels that let a change go on, and of those that stop it.
const GO: &str = "0e8a16";
const STOP: &str = "e11d21";

/// Of the labels in `managed`, exactly those in `set` are on it; others are left alone.
/// Those in `found` are on it now; where that is not known, it is asked.
/// Putting on what is on changes nothing at GitHub, and taking off what is gone is no failure.
pub(super) async fn labels(
    place: &Place,
    pr: PrNumber,
    (set, managed): (&BTreeSet<String>, &BTreeSet<String>),
    found: Option<&BTreeSet<String>>,
) -> Result<EffectResult, ApiError> {
    let path = format!("/issues/{pr}/labels");
    let (memory, key) = (place.github().memory(), (place.repo().id, pr));
    let on: Vec<String> = match found {
        // What we changed ourselves since then is known better.
        Some(found) => memory
            .labels(key)
            .unwrap_or_else(|| found.iter().cloned().collect()),
        None => {
            let all: Vec<wire::Label> = place.list(&format!("{path}?per_page=100"), None).await?;
            all.into_iter().map(|label| label.name).collect()
        }
    };
    let is_on = |name: &str| on.iter().any(|label| label.eq_ignore_ascii_case(name));
    let missing: Vec<&String> = set.iter().filter(|name| !is_on(name)).collect();
    for name in &missing {
        ensure(place, name).await?;
    }
    if !missing.is_empty() {
        let body = json!({"labels": missing});
        let put = place.write(Access::Writing, Method::POST, &path, Some(body));
        let answer = put.await.inspect_err(|_| {
            // It may be that one is gone from the repository.
            for name in &missing {
                memory.keep_label(place.repo().id, name, false);
            }
        })?;
        keep(place, pr, &answer);
    }
    for name in managed.difference(set).filter(|name| is_on(name)) {
        let one = format!("{path}/{}", encoded(name));
        match place
            .write(Access::Writing, Method::DELETE, &one, None)
            .await
        {
            Ok(answer) => keep(place, pr, &answer),
            Err(ApiError::NotFound) => memory.drop_label(key, name),
            Err(error) => return Err(error),
        }
    }
    Ok(EffectResult::Nothing)
}

/// GitHub answers a change of labels with all that are on it now.
fn keep(place: &Place, pr: PrNumber, answer: &Response) {
    let (memory, key) = (place.github().memory(), (place.repo().id, pr));
    match answer.json::<Vec<wire::Label>>() {
        Ok(now) => memory.keep_labels(key, now.into_iter().map(|one| one.name).collect()),
        Err(_) => memory.doubt(key),
    }
}

/// The repository knows the label; whether putting on an unknown one makes it is told both ways of GitHub.
async fn ensure(place: &Place, name: &str) -> Result<(), ApiError> {
    let (memory, repo) = (place.github().memory(), place.repo().id);
    if memory.has_label(repo, name) {
        return Ok(());
    }
    let path = format!("/labels/{}", encoded(name));
    if place.get::<wire::Label>(&path).await?.is_some() {
        memory.keep_label(repo, name, true);
        return Ok(());
    }
    let is_stop = ["hold", "needs", "invalid", "blocked"]
        .iter()
        .any(|word| name.contains(word));
    let colour = if is_stop { STOP } else { GO };
    let body = json!({"name": name, "color": colour, "description": "Set by Bowsprit"});
    match place
        .write(Access::Writing, Method::POST, "/labels", Some(body))
        .await
    {
        // Else made by another meanwhile: "already_exists" as the fault's code.
        Ok(_) | Err(ApiError::Refused { status: 422, .. }) => {
            memory.keep_label(repo, name, true);
            Ok(())
        }
        Err(error) => Err(error),
    }
}
