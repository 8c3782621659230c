//! Models and their versions.

use super::runs::person;
use super::{Asked, accepted};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, list as listed};
use crate::http::{params, read};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use bowsprit_core::effect::{Hint, Wake};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::model::deletion::{holders, refusal};
use serde_json::json;
use std::sync::Arc;

const NO_MODEL: No = No::missing("this repository has no version of such a model");
const NO_VERSION: No =
    No::missing("this model has no such version; `GET /api/v1/models/…` lists them");

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Asked(params): Asked) -> Answer {
    Ok(listed(read::models(&desk, params.limit()?).await?, None))
}

pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Path((owner, repo, model)): Path<(String, String, String)>,
) -> Answer {
    let service = params::repository(&desk, &owner, &repo).await?;
    let model = params::slug(&model)?;
    let history = read::model(&desk, &service.repo, &model).await?;
    Ok(Json(history.ok_or(NO_MODEL)?).into_response())
}

pub(crate) async fn remove(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path((owner, repo, model)): Path<(String, String, String)>,
) -> Answer {
    delete(&desk, &caller, (&owner, &repo, &model), None).await
}

pub(crate) async fn remove_version(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path((owner, repo, model, version)): Path<(String, String, String, String)>,
) -> Answer {
    let number = version.parse().map_err(|_| NO_VERSION)?;
    delete(&desk, &caller, (&owner, &repo, &model), Some(number)).await
}

/// Asks the model to delete a version, or every one. What serves one is told at once; the model itself decides.
async fn delete(
    desk: &Desk,
    caller: &Caller,
    (owner, repo, model): (&str, &str, &str),
    number: Option<u64>,
) -> Answer {
    let repo = params::repository(desk, owner, repo).await?.repo;
    let model = params::slug(model)?;
    let store = &desk.rooms.store;
    let mut versions = store.versions(repo.id, &model).await?;
    if versions.is_empty() {
        return Err(NO_MODEL);
    }
    versions.retain(|version| number.is_none_or(|number| number == version.version));
    if versions.is_empty() {
        return Err(NO_VERSION);
    }
    let environments = store.environments(repo.id).await?;
    let held = versions.iter().map(|version| {
        let number = version.version;
        (number, holders(&model, number, &environments))
    });
    if let Some(why) = refusal(&model, &held.collect::<Vec<_>>()) {
        return Err(No::needed(why));
    }
    let asked_ms = crate::worker::now_ms();
    let by = person(desk, caller);
    let hint = Some(Hint::DeleteVersions {
        by,
        version: number,
    });
    let subject = SubjectKey::Model(repo.id, model.clone());
    store.wake(vec![Wake { subject, hint }]).await?;
    let what = number.map_or_else(
        || format!("every version of {model}"),
        |number| format!("{model} v{number}"),
    );
    tracing::info!(repo.name = %repo.name, "{what} is to be deleted, says the API");
    let told = format!(
        "{what} will be deleted, unless a pull request or git needs it: then `kept` of the model says what does"
    );
    Ok(accepted(json!({"accepted": told, "asked_ms": asked_ms})))
}
