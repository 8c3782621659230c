//! A model's history: every version with its figures, and a picture of each figure.

use super::{About, PICTURE_POLICY, Place, page};
use crate::http::Desk;
use crate::http::access::Caller;
use crate::http::answer::{Answer, No};
use crate::http::{params, read};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse as _;
use bowsprit_core::chart::{Mark, Series, line_chart};
use bowsprit_core::effect::Version;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Metrics with a picture on the page.
const PICTURES_MAX: usize = 4;
/// Metrics with a column of their own.
const COLUMNS_MAX: usize = 4;

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Path((owner, repo, model)): Place,
) -> Answer {
    let service = params::repository(&desk, &owner, &repo).await?;
    let model = params::slug(&model)?;
    let history = read::model(&desk, &service.repo, &model).await?;
    let mut history = history.ok_or(No::missing(
        "this repository has no version of such a model",
    ))?;
    let versions = desk.rooms.store.versions(service.repo.id, &model).await?;
    let names = names(&versions);
    let columns: Vec<&String> = names.iter().take(COLUMNS_MAX).collect();
    for row in history["versions"].as_array_mut().into_iter().flatten() {
        let cells: Vec<Value> = columns
            .iter()
            .map(|name| {
                row["metrics"]
                    .get(name.as_str())
                    .cloned()
                    .unwrap_or_default()
            })
            .collect();
        row["cells"] = cells.into();
        row["bytes"] = row["files"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|file| file["bytes"].as_u64())
            .sum::<u64>()
            .into();
    }
    let pictures: Vec<&String> = if versions.len() > 1 {
        names
            .iter()
            .filter(|name| !name.starts_with("n_"))
            .take(PICTURES_MAX)
            .collect()
    } else {
        Vec::new()
    };
    let data = json!({"model": history, "columns": columns, "pictures": pictures});
    page(
        &desk,
        Some(&caller),
        &About::new("model", model.as_str(), ""),
        data,
    )
}

/// Metrics of any version, what judges most first: those that every version has, then the others; counts and baselines last.
fn names(versions: &[Version]) -> Vec<String> {
    let all: BTreeSet<&String> = versions
        .iter()
        .flat_map(|version| version.metrics.keys())
        .collect();
    let mut names: Vec<String> = all
        .into_iter()
        .filter(|name| !name.starts_with("baseline."))
        .cloned()
        .collect();
    let had_by = |name: &String| {
        versions
            .iter()
            .filter(|version| version.metrics.contains_key(name))
            .count()
    };
    names.sort_by_key(|name| (name.starts_with("n_"), std::cmp::Reverse(had_by(name))));
    names
}

pub(super) async fn picture(
    State(desk): State<Arc<Desk>>,
    Path((owner, repo, model)): Place,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Answer {
    let service = params::repository(&desk, &owner, &repo).await?;
    let model = params::slug(&model)?;
    let metric = asked.get("metric").ok_or(No::bad("name a `metric`"))?;
    let versions = desk.rooms.store.versions(service.repo.id, &model).await?;
    let points = |name: &str| -> Vec<(f64, f64)> {
        let with = versions
            .iter()
            .filter_map(|version| Some((version.version as f64, *version.metrics.get(name)?)));
        with.collect()
    };
    let mut series = vec![Series {
        name: metric.clone(),
        points: points(metric),
    }];
    let baseline = points(&format!("baseline.{metric}"));
    if !baseline.is_empty() {
        series.push(Series {
            name: "baseline".to_owned(),
            points: baseline,
        });
    }
    let environments = desk.rooms.store.environments(service.repo.id).await?;
    let marks = environments
        .iter()
        .filter(|environment| environment.pr.is_none())
        .filter_map(|environment| {
            let version = environment.live.as_ref()?.models.get(&model)?.version;
            Some(Mark {
                x: version as f64,
                label: environment.name.to_string(),
            })
        });
    let svg = line_chart(
        &format!("{metric} by version"),
        &series,
        &marks.collect::<Vec<_>>(),
    );
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CONTENT_SECURITY_POLICY, PICTURE_POLICY),
    ];
    Ok((headers, svg).into_response())
}
