//! The first page, and the page of a pair: what runs where, and what is under way.

use super::environments::{changes, order, summary};
use super::{About, Pair, page, runs};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No, value};
use crate::http::{params, read};
use crate::store::{LIST_MAX, RunFilter};
use axum::extract::{Path, State};
use bowsprit_core::name::{RepoId, RepoName};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::environment::Environment;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs shown on the first page.
const RUNS_SHOWN: usize = 12;
/// Runs shown of a pair.
const PAIR_RUNS_SHOWN: usize = 8;
/// Repositories named on the first page.
const REPOSITORIES_SHOWN: usize = 50;
/// Past words shown of each environment.
const EVENTS_SHOWN: usize = 20;

pub(super) async fn overview(State(desk): State<Arc<Desk>>, caller: Caller) -> Answer {
    let store = &desk.rooms.store;
    let pairs = pairs(&desk).await?;
    let list = store
        .list_runs(&RunFilter::default(), None, RUNS_SHOWN)
        .await?;
    let counts = store.counts().await?;
    let named = |name: &RepoName| {
        pairs
            .iter()
            .any(|pair| pair["repo"] == name.as_str() || pair["training"] == name.as_str())
    };
    let others = store
        .repositories()
        .await?
        .into_iter()
        .map(|(view, _)| view.repo.name);
    let others: Vec<RepoName> = others
        .filter(|name| !named(name))
        .take(REPOSITORIES_SHOWN)
        .collect();
    let data = json!({
        "runs": runs::rows(&desk, &list),
        "pause": store.pause().await?.map(|pause| pause.shown()),
        "counts": value(&counts)?,
        "is_quiet": counts.deliveries_dead + counts.effects_dead + counts.subjects_stuck == 0,
        "others": others,
        "pairs": pairs,
    });
    page(
        &desk,
        Some(&caller),
        &About::new("overview", "Overview", "overview").live(true),
        data,
    )
}

/// Every pair with its environments and its models.
async fn pairs(desk: &Desk) -> Result<Vec<Value>, No> {
    let store = &desk.rooms.store;
    let mut by_repo: BTreeMap<RepoId, (Vec<Environment>, Vec<Value>)> = BTreeMap::new();
    for environment in store.list_environments(LIST_MAX).await? {
        by_repo
            .entry(environment.repo.id)
            .or_default()
            .0
            .push(environment);
    }
    let models = read::models(desk, LIST_MAX).await?;
    let mut pairs = Vec::new();
    for (view, _) in store.repositories().await? {
        let name = view.repo.name.as_str();
        let own: Vec<Value> = models
            .iter()
            .filter(|model| model["repo"] == name)
            .cloned()
            .collect();
        let environments = by_repo.remove(&view.repo.id).unwrap_or_default().0;
        if own.is_empty() && environments.is_empty() {
            continue;
        }
        pairs.push(pair_of(desk, &view.repo.name, environments, own));
    }
    Ok(pairs)
}

fn pair_of(
    desk: &Desk,
    name: &RepoName,
    mut environments: Vec<Environment>,
    models: Vec<Value>,
) -> Value {
    order(&mut environments);
    let training = models.first().map(|model| model["training"].clone());
    json!({
        "repo": name,
        "title": name.name().trim_end_matches("-service"),
        "owner": name.owner(),
        "training": training,
        "environments": environments.iter().map(|one| summary(desk, one)).collect::<Vec<_>>(),
        "models": models,
        "github": format!("{}/{name}", desk.web_url),
    })
}

pub(super) async fn pair(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path((owner, repo)): Pair,
) -> Answer {
    let store = &desk.rooms.store;
    let view = params::repository(&desk, &owner, &repo).await?;
    let environments = store.environments(view.repo.id).await?;
    let models = read::models(&desk, LIST_MAX).await?;
    let own: Vec<Value> = models
        .into_iter()
        .filter(|model| model["repo"] == view.repo.name.as_str())
        .collect();
    if own.is_empty() {
        super::environments::none_if_empty(&environments)?;
    }
    let history: Vec<Value> = environments
        .iter()
        .flat_map(|one| changes(&desk, one))
        .collect();
    let mut events = Vec::new();
    for environment in &environments {
        let key = SubjectKey::Environment(view.repo.id, environment.name.clone());
        events.extend(store.events_of(Some(&key), EVENTS_SHOWN).await?);
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.id));
    let mut list = Vec::new();
    let training = own
        .first()
        .and_then(|model| RepoName::parse(model["training"].as_str()?).ok());
    for name in training.iter().chain([&view.repo.name]) {
        if let Some((found, _)) = store.repository_named(name).await? {
            let filter = RunFilter {
                repo: Some(found.repo.id),
                ..RunFilter::default()
            };
            list.extend(store.list_runs(&filter, None, PAIR_RUNS_SHOWN).await?);
        }
    }
    list.sort_by_key(|run| std::cmp::Reverse(run.created_ms));
    list.truncate(PAIR_RUNS_SHOWN);
    let can_go_back = environments
        .iter()
        .find(|one| one.pr.is_none() && one.verified.len() > 1 && !one.changes.is_empty());
    let data = json!({
        "back": can_go_back.map(|one| one.name.clone()),
        "pair": pair_of(&desk, &view.repo.name, environments, own),
        "changes": history,
        "events": value(&events)?,
        "runs": runs::rows(&desk, &list),
    });
    page(
        &desk,
        Some(&caller),
        &About::new("pair", view.repo.name.as_str(), "overview").live(true),
        data,
    )
}
