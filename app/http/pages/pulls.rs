//! A pull request: what is missing, and who can help.

use super::{About, Place, page};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, value};
use crate::http::{params, read};
use axum::extract::{Path, State};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::pull::Standing;
use serde_json::json;
use std::sync::Arc;

/// Past words shown.
const EVENTS_MAX: usize = 50;

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path((owner, repo, number)): Place,
) -> Answer {
    let view = params::repository(&desk, &owner, &repo).await?;
    let number = params::number(&number)?;
    let pull = read::pull(&desk, &view.repo, number).await?;
    let pull = pull.ok_or(No::missing(
        "nothing is known of this pull request yet; comment on it, or push to it",
    ))?;
    let unmet = pull
        .rules
        .iter()
        .filter(|rule| rule.state != Standing::Met)
        .count();
    let key = SubjectKey::Pull(view.repo.id, number);
    let events = desk.rooms.store.events_of(Some(&key), EVENTS_MAX).await?;
    let data = json!({
        "pull": value(&pull)?,
        "head": pull.heads.last().map(|head| &head.sha),
        "unmet": unmet,
        "github": read::pull_url(&desk, &view.repo, number),
        "events": value(&events)?,
    });
    let title = format!("#{number}");
    page(
        &desk,
        Some(&caller),
        &About::new("pull", &title, "").live(pull.is_open),
        data,
    )
}
