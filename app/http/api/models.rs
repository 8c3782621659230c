//! Models and their versions.

use super::Asked;
use crate::http::Desk;
use crate::http::answer::{Answer, No, list as listed};
use crate::http::{params, read};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use std::sync::Arc;

const LIVE: No = No::conflict(
    "a version of this model is live; promote another model or remove the environments first",
);
const KEPT: No = No::conflict(
    "nothing serves this model any more, but its versions stay: tags in git keep them; take it out of `bowsprit.yaml`, then delete the tags `<model>/v…`",
);

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
    let history = history.ok_or(No::missing(
        "this repository has no version of such a model",
    ))?;
    Ok(Json(history).into_response())
}

/// git is the record, and the bot deletes no tags: the answer says what a person does.
pub(crate) async fn remove(
    State(desk): State<Arc<Desk>>,
    Path((owner, repo, model)): Path<(String, String, String)>,
) -> Answer {
    let service = params::repository(&desk, &owner, &repo).await?;
    let model = params::slug(&model)?;
    let versions = desk.rooms.store.versions(service.repo.id, &model).await?;
    if versions.is_empty() {
        return Err(No::missing(
            "this repository has no version of such a model",
        ));
    }
    let environments = desk.rooms.store.environments(service.repo.id).await?;
    let is_live = environments.iter().any(|environment| {
        let releases = [&environment.live, &environment.wanted];
        releases
            .into_iter()
            .flatten()
            .any(|release| release.models.contains_key(&model))
    });
    Err(if is_live { LIVE } else { KEPT })
}
