//! Deployments: what an environment serves, where GitHub shows it.

use super::cut;
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::github::wire::{self, encoded};
use bowsprit_core::effect::{Deployment, DeploymentState, EffectResult};
use http::Method;
use serde_json::{Value, json};

/// Longest description. Units: bytes, to be on the safe side of 140 characters.
const DESCRIPTION_BYTES_MAX: usize = 140;

/// A deployment of this commit, release and generation exists, and its newest status is this.
pub(super) async fn deployment(
    place: &Place,
    wanted: &Deployment,
) -> Result<EffectResult, ApiError> {
    let id = match find(place, wanted).await? {
        Some(id) => id,
        None => create(place, wanted).await?,
    };
    let path = format!("/deployments/{id}/statuses");
    let statuses: Vec<wire::DeploymentStatus> =
        place.list(&format!("{path}?per_page=100"), None).await?;
    let newest = statuses.into_iter().max_by_key(|status| status.id);
    let description = cut(&wanted.description, DESCRIPTION_BYTES_MAX);
    let state = match wanted.state {
        DeploymentState::InProgress => "in_progress",
        DeploymentState::Success => "success",
        DeploymentState::Failure => "failure",
        DeploymentState::Inactive => "inactive",
    };
    let is_said = newest.is_some_and(|newest| {
        newest.state == state
            && newest.description.as_deref().unwrap_or_default() == description
            && newest.environment_url.filter(|url| !url.is_empty()) == wanted.url
    });
    if !is_said {
        let mut body = json!({"state": state, "description": description});
        if let Some(url) = &wanted.url {
            body["environment_url"] = json!(url);
        }
        place
            .write(Access::Writing, Method::POST, &path, Some(body))
            .await?;
    }
    Ok(EffectResult::Nothing)
}

async fn find(place: &Place, wanted: &Deployment) -> Result<Option<u64>, ApiError> {
    let environment = encoded(&wanted.environment);
    let path = format!(
        "/deployments?sha={}&environment={environment}&per_page=100",
        wanted.commit
    );
    let found: Vec<wire::Deployment> = place.list(&path, None).await?;
    let key = payload(wanted);
    // GitHub gives the payload back as the text or the object that it was sent as.
    let is_it = |one: &wire::Deployment| match &one.payload {
        Value::String(text) => serde_json::from_str::<Value>(text).is_ok_and(|value| value == key),
        value => *value == key,
    };
    Ok(found.iter().find(|one| is_it(one)).map(|one| one.id))
}

async fn create(place: &Place, wanted: &Deployment) -> Result<u64, ApiError> {
    let body = json!({
        "ref": wanted.commit,
        "environment": wanted.environment,
        "description": cut(&wanted.description, DESCRIPTION_BYTES_MAX),
        "payload": payload(wanted),
        // By default GitHub would merge the default branch into the commit first.
        "auto_merge": false,
        // By default GitHub would ask for every context of the commit to be green.
        "required_contexts": [],
        "transient_environment": wanted.transient,
        "production_environment": wanted.environment == "production",
    });
    let answer = place
        .write(Access::Writing, Method::POST, "/deployments", Some(body))
        .await?;
    let made: wire::Deployment = answer.json()?;
    Ok(made.id)
}

fn payload(wanted: &Deployment) -> Value {
    json!({"release": wanted.release, "generation": wanted.generation})
}
