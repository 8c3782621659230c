//! Pull requests: how every rule stands.

use crate::http::Desk;
use crate::http::answer::{Answer, No};
use crate::http::{params, read};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use std::sync::Arc;

pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Path((owner, repo, number)): Path<(String, String, String)>,
) -> Answer {
    let view = params::repository(&desk, &owner, &repo).await?;
    let pull = read::pull(&desk, &view.repo, params::number(&number)?).await?;
    let pull = pull.ok_or(No::missing(
        "nothing is known of this pull request yet; comment on it, or push to it",
    ))?;
    let mut value = crate::http::answer::value(&pull)?;
    value["links"] = read::pull_links(&desk, &view.repo, pull.number);
    Ok(Json(value).into_response())
}
