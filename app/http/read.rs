//! What pages and API show of the records: the stored documents with links, live words and who agreed.

use super::Desk;
use super::answer::{No, value};
use bowsprit_core::effect::Version;
use bowsprit_core::name::{CommitSha, PrNumber, Repo, RepoId, Slug};
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::subject::environment::Environment;
use bowsprit_core::subject::pull::Pull;
use bowsprit_core::subject::run::Run;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A run in a list.
pub(super) fn run_row(desk: &Desk, run: &Run) -> Value {
    json!({
        "id": run.id,
        "repo": run.repo.name,
        "sha": run.sha,
        "what": run.cause.what.check_name(),
        "branch": run.cause.trigger.branch(),
        "pr": run.cause.trigger.pull().map(|(pr, _)| pr),
        "by": run.cause.by,
        "model": run.model,
        "phase": run.phase,
        "created_ms": run.created_ms,
        "finished_ms": run.finished_ms,
        "headline": headline(run),
        "metrics": run.numbers(),
        "links": run_links(desk, run),
    })
}

/// What a run says of itself in a line.
pub(super) fn headline(run: &Run) -> String {
    if run.phase.is_final() {
        bowsprit_core::subject::run::check::headline(run)
    } else {
        run.shown
            .as_ref()
            .map_or_else(|| "recorded".to_owned(), |(word, _)| word.clone())
    }
}

/// A run whole, with links and how each stage stands.
pub(super) fn run(desk: &Desk, run: &Run) -> Result<Value, No> {
    let mut whole = value(run)?;
    whole["what"] = run.cause.what.check_name().into();
    whole["headline"] = headline(run).into();
    whole["links"] = run_links(desk, run);
    let stages: Result<Vec<Value>, No> = run
        .stages
        .iter()
        .map(|stage| {
            let mut shown = value(stage)?;
            let (state, more) = stage_state(&desk.rooms.runs.view(&stage.id), stage.is_done)?;
            shown["state"] = state.into();
            shown["status"] = more;
            shown["log"] = format!("/api/v1/runs/{}/log?stage={}", run.id, stage.id).into();
            Ok(shown)
        })
        .collect();
    whole["stages"] = stages?.into();
    Ok(whole)
}

fn stage_state(view: &StageView, is_done: bool) -> Result<(&'static str, Value), No> {
    Ok(match view {
        StageView::Unknown if is_done => ("done", Value::Null),
        StageView::Unknown => ("unknown", Value::Null),
        StageView::Queued(place) => ("queued", json!({"place": place})),
        StageView::Waiting(why) => ("waiting", json!({"reason": why})),
        StageView::Running(status) => ("running", value(status)?),
        StageView::Done(result) => (
            "done",
            json!({
                "outcome": result.outcome,
                "failure": result.failure,
                "steps": result.steps,
                "runtime_cached": result.runtime_cached,
                "unconfined": result.unconfined,
            }),
        ),
    })
}

fn run_links(desk: &Desk, run: &Run) -> Value {
    let pull = run
        .cause
        .trigger
        .pull()
        .map(|(pr, _)| pull_url(desk, &run.repo, pr));
    json!({
        "page": format!("{}/runs/{}", desk.rooms.public_url, run.id),
        "log": format!("{}/api/v1/runs/{}/log", desk.rooms.public_url, run.id),
        "commit": commit_url(desk, &run.repo, &run.sha),
        "pull": pull,
    })
}

/// The page of a commit at GitHub.
pub(super) fn commit_url(desk: &Desk, repo: &Repo, sha: &CommitSha) -> String {
    format!("{}/{}/commit/{sha}", desk.web_url, repo.name)
}

/// The page of a pull request at GitHub.
pub(super) fn pull_url(desk: &Desk, repo: &Repo, pr: PrNumber) -> String {
    format!("{}/{}/pull/{pr}", desk.web_url, repo.name)
}

/// Links of a pull request.
pub(super) fn pull_links(desk: &Desk, repo: &Repo, pr: PrNumber) -> Value {
    json!({
        "github": pull_url(desk, repo, pr),
        "page": format!("{}/pulls/{}/{pr}", desk.rooms.public_url, repo.name),
    })
}

/// An environment whole, with what its gateway says now.
pub(super) fn environment(desk: &Desk, environment: &Environment) -> Result<Value, No> {
    let mut whole = value(environment)?;
    let live = desk
        .rooms
        .releases
        .live(environment.repo.id, &environment.name);
    whole["gateway"] = value(&live)?;
    whole["links"] = json!({
        "page": format!("{}/environments/{}/{}", desk.rooms.public_url, environment.repo.name, environment.name),
        "commit": environment.live.as_ref().map(|live| commit_url(desk, &environment.repo, &live.commit)),
        "pull": environment.pr.map(|pr| pull_url(desk, &environment.repo, pr)),
    });
    Ok(whole)
}

/// A pull request as its last look left it.
pub(super) async fn pull(desk: &Desk, repo: &Repo, number: PrNumber) -> Result<Option<Pull>, No> {
    let key = SubjectKey::Pull(repo.id, number);
    let state = desk.rooms.store.subject_state(&key).await?;
    match state {
        None | Some(Value::Null) => Ok(None),
        Some(state) => {
            let read = serde_json::from_value(state);
            read.map(Some).map_err(|error| {
                No::from(anyhow::Error::from(error).context("cannot read a pull request"))
            })
        }
    }
}

/// Models with their newest version.
pub(super) async fn models(desk: &Desk, limit: usize) -> Result<Vec<Value>, No> {
    let store = &desk.rooms.store;
    let mut newest: BTreeMap<(RepoId, Slug), Version> = BTreeMap::new();
    for version in store.list_versions(None, crate::store::LIST_MAX).await? {
        let key = (version.service, version.model.clone());
        let known = newest.entry(key).or_insert_with(|| version.clone());
        if known.version < version.version {
            *known = version;
        }
    }
    let mut rows = Vec::new();
    for ((service, model), version) in newest.into_iter().take(limit) {
        let Some((view, _)) = store.repository(service).await? else {
            continue;
        };
        let training = store
            .repository(version.training)
            .await?
            .map(|(view, _)| view.repo.name);
        rows.push(json!({
            "repo": view.repo.name,
            "model": model,
            "training": training,
            "newest": version_row(desk, &view.repo, &version),
        }));
    }
    Ok(rows)
}

/// A model with every version, newest first: who approved each, and where it was live.
pub(super) async fn model(desk: &Desk, service: &Repo, model: &Slug) -> Result<Option<Value>, No> {
    let store = &desk.rooms.store;
    let versions = store.versions(service.id, model).await?;
    let Some(newest) = versions.last() else {
        return Ok(None);
    };
    let environments = store.environments(service.id).await?;
    let training = store
        .repository(newest.training)
        .await?
        .map(|(view, _)| view.repo);
    let mut rows = Vec::new();
    for version in versions.iter().rev() {
        let mut row = version_row(desk, service, version);
        row["approved_by"] = match version.pr {
            Some(pr) => json!(
                pull(desk, service, pr)
                    .await?
                    .map(|pull| pull.approvers())
                    .unwrap_or_default()
            ),
            None => json!([]),
        };
        row["environments"] = places(&environments, model, version.version).into();
        row["links"]["commit"] = training
            .as_ref()
            .map(|repo| commit_url(desk, repo, &version.training_commit))
            .into();
        rows.push(row);
    }
    Ok(Some(json!({
        "repo": service.name,
        "model": model,
        "training": training.map(|repo| repo.name),
        "versions": rows,
        "kept": kept(desk, service, model).await?,
    })))
}

/// Versions that were to be deleted and are needed, with what needs them.
async fn kept(desk: &Desk, service: &Repo, model: &Slug) -> Result<Value, No> {
    let key = SubjectKey::Model(service.id, model.clone());
    let state = desk.rooms.store.subject_state(&key).await?;
    let kept = state.and_then(|state| state.get("kept").cloned());
    Ok(kept.unwrap_or_else(|| json!([])))
}

fn version_row(desk: &Desk, service: &Repo, version: &Version) -> Value {
    json!({
        "version": version.version,
        "digest": version.digest,
        "judge_digest": version.judge_digest,
        "run": version.run,
        "training_commit": version.training_commit,
        "pushed_by": version.pushed_by,
        "metrics": version.metrics,
        "self_reported": version.self_reported,
        "files": version.files,
        "commit": version.commit,
        "pr": version.pr,
        "created_ms": version.created_ms,
        "deleted": version.deleted,
        "links": {
            "run": format!("{}/runs/{}", desk.rooms.public_url, version.run),
            "pull": version.pr.map(|pr| pull_url(desk, service, pr)),
        },
    })
}

/// Where a version is live, and where it was verified when.
fn places(environments: &[Environment], model: &Slug, version: u64) -> Vec<Value> {
    let serves = |release: &bowsprit_core::subject::environment::Release| {
        release
            .models
            .get(model)
            .is_some_and(|found| found.version == version)
    };
    let of =
        |environment: &Environment| {
            let is_live = environment.live.as_ref().is_some_and(serves);
            let first_ms = environment
                .verified
                .iter()
                .find(|verified| serves(&verified.release))
                .map(|verified| verified.at_ms);
            (is_live || first_ms.is_some()).then(|| json!({
            "name": environment.name,
            "is_live": is_live,
            "at_ms": if is_live { environment.live_since_ms.or(first_ms) } else { first_ms },
        }))
        };
    environments.iter().filter_map(of).collect()
}
