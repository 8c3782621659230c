//! Check runs and check suites.

use super::Ctx;
use super::check_fields::{apply, check};
use super::git_refs::resolve;
use crate::answer::{Answer, Refusal, Reply, created, ok};
use crate::json::check::suite_state;
use crate::refs::new_suite;
use crate::state::{CheckRun, CheckSuite};
use git2::Oid;
use http::StatusCode;
use serde_json::{Value, json};

/// Older runs of the same name in a suite above this number are dropped.
const SAME_NAME_MAX: usize = 1_000;
pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let name = ctx.need_text("CheckRun", "name")?.to_owned();
    let sha = ctx.need_text("CheckRun", "head_sha")?.to_owned();
    let git = ctx.git()?;
    let id = Oid::from_str(&sha).ok().filter(|_| sha.len() == 40);
    if id.and_then(|id| git.find_commit(id).ok()).is_none() {
        return Err(Refusal::unprocessable(format!(
            "No commit found for SHA: {sha}"
        )));
    }
    check(ctx, true)?;
    let suite = suite_for(ctx, &sha)?;
    let mut run = CheckRun {
        id: ctx.state.id(),
        suite,
        name: name.clone(),
        head_sha: sha.clone(),
        external_id: None,
        details_url: None,
        status: "queued".into(),
        conclusion: None,
        started: Some(ctx.call.now),
        completed: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        images: Vec::new(),
        actions: Vec::new(),
    };
    apply(ctx, &mut run);
    let id = run.id;
    store(ctx, run)?;
    drop_old(ctx, suite, &name)?;
    ctx.note(
        "check_run.created",
        json!({"id": id, "name": name, "sha": sha, "request": ctx.call.body}),
    );
    tell(ctx, id, ("created", json!({})))?;
    after_change(ctx, id, false)?;
    created(shown(ctx, id)?)
}

fn drop_old(ctx: &mut Ctx<'_>, suite: u64, name: &str) -> Result<(), Refusal> {
    let repo = ctx.repo_mut()?;
    let same: Vec<u64> = repo
        .runs
        .values()
        .filter(|run| run.suite == suite && run.name == name)
        .map(|run| run.id)
        .collect();
    for id in same.iter().take(same.len().saturating_sub(SAME_NAME_MAX)) {
        repo.runs.remove(id);
    }
    Ok(())
}

fn store(ctx: &mut Ctx<'_>, run: CheckRun) -> Result<(), Refusal> {
    let now = ctx.call.now;
    let repo = ctx.repo_mut()?;
    if let Some(suite) = repo.suites.get_mut(&run.suite) {
        suite.updated = now;
    }
    repo.runs.insert(run.id, run);
    Ok(())
}

/// The suite of a commit, made when there is none yet.
fn suite_for(ctx: &mut Ctx<'_>, sha: &str) -> Result<u64, Refusal> {
    let repo = ctx.repo()?;
    if let Some(suite) = repo.suites.values().find(|suite| suite.head_sha == sha) {
        return Ok(suite.id);
    }
    let branch = repo
        .refs
        .iter()
        .find(|(_, tip)| *tip == sha)
        .and_then(|(name, _)| name.strip_prefix("refs/heads/"))
        .map(ToOwned::to_owned);
    let suite = new_suite(ctx.state, branch.as_deref(), None, sha);
    let id = suite.id;
    ctx.repo_mut()?.suites.insert(id, suite);
    Ok(id)
}

fn find<'c>(ctx: &'c Ctx<'_>, id: u64) -> Result<&'c CheckRun, Refusal> {
    ctx.repo()?.runs.get(&id).ok_or_else(Refusal::not_found)
}

fn shown(ctx: &Ctx<'_>, id: u64) -> Result<Value, Refusal> {
    Ok(ctx.view().check_run(ctx.repo()?, find(ctx, id)?))
}

/// Sends `check_run`, whose run holds its suite.
fn tell(ctx: &Ctx<'_>, id: u64, what: (&'static str, Value)) -> Result<(), Refusal> {
    let (action, mut payload) = what;
    let mut run = shown(ctx, id)?;
    let repo = ctx.repo()?;
    let suite = repo
        .suites
        .get(&find(ctx, id)?.suite)
        .ok_or_else(Refusal::not_found)?;
    run["check_suite"] = ctx.view().suite_of_run(repo, suite);
    payload["check_run"] = run;
    ctx.emit("check_run", Some(action), payload);
    Ok(())
}

fn after_change(ctx: &Ctx<'_>, id: u64, was_completed: bool) -> Result<(), Refusal> {
    let run = find(ctx, id)?;
    if run.status != "completed" || was_completed {
        return Ok(());
    }
    tell(ctx, id, ("completed", json!({})))?;
    let repo = ctx.repo()?;
    let runs: Vec<&CheckRun> = repo
        .runs
        .values()
        .filter(|one| one.suite == run.suite)
        .collect();
    if suite_state(&runs).0 == "completed" {
        tell_suite(ctx, run.suite, "completed")?;
    }
    Ok(())
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    ok(shown(ctx, ctx.number("id")?)?)
}

pub(crate) fn update(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("id")?;
    let mut run = find(ctx, id)?.clone();
    check(ctx, run.title.is_none())?;
    let was_completed = run.status == "completed";
    apply(ctx, &mut run);
    store(ctx, run)?;
    ctx.note(
        "check_run.updated",
        json!({"id": id, "request": ctx.call.body}),
    );
    after_change(ctx, id, was_completed)?;
    ok(shown(ctx, id)?)
}

pub(crate) fn annotations(ctx: &mut Ctx<'_>) -> Reply {
    let run = find(ctx, ctx.number("id")?)?;
    let html = ctx.view().repo_html(ctx.repo()?);
    ctx.paged(run.annotations.iter().collect(), |one: &Value| {
        let mut shown = json!({
            "path": null, "start_line": null, "end_line": null, "start_column": null,
            "end_column": null, "annotation_level": null, "title": null, "message": null,
            "raw_details": null,
            "blob_href": format!("{html}/blob/{}/{}", run.head_sha, one["path"].as_str().unwrap_or_default()),
        });
        if let (Some(shown), Some(one)) = (shown.as_object_mut(), one.as_object()) {
            shown.extend(one.clone());
        }
        shown
    })
}

pub(crate) fn rerequest(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("id")?;
    find(ctx, id)?;
    ctx.note("check_run.rerequested", json!({ "id": id }));
    tell(ctx, id, ("rerequested", json!({})))?;
    Ok(Answer::json(StatusCode::CREATED, json!({})))
}

/// What a press on a run's button sends; only the page does this.
pub(crate) fn press(ctx: &Ctx<'_>, id: u64, identifier: &str) -> Result<(), Refusal> {
    let run = find(ctx, id)?;
    let is_offered = run
        .actions
        .iter()
        .any(|action| action["identifier"] == identifier);
    if !is_offered {
        return Err(Refusal::not_found());
    }
    ctx.note(
        "check_run.requested_action",
        json!({"id": id, "identifier": identifier}),
    );
    let payload = json!({"requested_action": {"identifier": identifier}});
    tell(ctx, id, ("requested_action", payload))
}

pub(crate) fn runs_of(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let sha = resolve(ctx, &git, ctx.param("ref"))?.to_string();
    list_runs(ctx, |run| run.head_sha == sha)
}

pub(crate) fn suite_runs(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("id")?;
    list_runs(ctx, |run| run.suite == id)
}

fn list_runs(ctx: &Ctx<'_>, wanted: impl Fn(&CheckRun) -> bool) -> Reply {
    let repo = ctx.repo()?;
    let (name, status) = (ctx.query("check_name"), ctx.query("status"));
    let wants_all = ctx.query("filter") == Some("all");
    let mut found: Vec<&CheckRun> = Vec::new();
    for run in repo.runs.values().rev().filter(|run| wanted(run)) {
        let is_older = found
            .iter()
            .any(|newer| newer.name == run.name && newer.suite == run.suite);
        if is_older && !wants_all {
            continue;
        }
        found.push(run);
    }
    found.retain(|run| {
        name.is_none_or(|name| run.name == name) && status.is_none_or(|one| run.status == one)
    });
    ctx.paged_in("check_runs", found, |run| ctx.view().check_run(repo, run))
}

fn suite_json(ctx: &Ctx<'_>, id: u64) -> Result<Value, Refusal> {
    let repo = ctx.repo()?;
    let suite = repo.suites.get(&id).ok_or_else(Refusal::not_found)?;
    Ok(ctx
        .view()
        .check_suite(repo, suite, head_commit(ctx, suite)?))
}

fn head_commit(ctx: &Ctx<'_>, suite: &CheckSuite) -> Result<Value, Refusal> {
    let git = ctx.git()?;
    let commit = Oid::from_str(&suite.head_sha).and_then(|id| git.find_commit(id))?;
    Ok(ctx.view().simple_commit(&commit))
}

/// Sends `check_suite`.
fn tell_suite(ctx: &Ctx<'_>, id: u64, action: &'static str) -> Result<(), Refusal> {
    let repo = ctx.repo()?;
    let suite = repo.suites.get(&id).ok_or_else(Refusal::not_found)?;
    let told = ctx.view().suite_told(repo, suite, head_commit(ctx, suite)?);
    ctx.emit("check_suite", Some(action), json!({ "check_suite": told }));
    Ok(())
}

pub(crate) fn suites_of(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let sha = resolve(ctx, &git, ctx.param("ref"))?.to_string();
    let found: Vec<u64> = ctx
        .repo()?
        .suites
        .values()
        .filter(|suite| suite.head_sha == sha)
        .map(|suite| suite.id)
        .collect();
    ctx.paged_in("check_suites", found, |id| {
        suite_json(ctx, id).unwrap_or_default()
    })
}

pub(crate) fn suite(ctx: &mut Ctx<'_>) -> Reply {
    ok(suite_json(ctx, ctx.number("id")?)?)
}

pub(crate) fn rerequest_suite(ctx: &mut Ctx<'_>) -> Reply {
    tell_suite(ctx, ctx.number("id")?, "rerequested")?;
    Ok(Answer::json(StatusCode::CREATED, json!({})))
}
