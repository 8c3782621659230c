//! Deployments, their statuses and environments.

use super::Ctx;
use super::git_refs::resolve;
use crate::answer::{Answer, Refusal, Reply, created, no_content, ok};
use crate::gitstore;
use crate::json::check::latest_statuses;
use crate::state::{Deployment, DeploymentStatus};
use git2::Oid;
use http::StatusCode;
use serde_json::{Value, json};

const DESCRIPTION_MAX_CHARS: usize = 140;
const STATES: [&str; 7] = [
    "error",
    "failure",
    "inactive",
    "in_progress",
    "queued",
    "pending",
    "success",
];

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let is = |name: &str, value: &str| ctx.query(name).is_none_or(|wanted| wanted == value);
    let found: Vec<&Deployment> = repo
        .deployments
        .values()
        .rev()
        .filter(|one| is("sha", &one.sha) && is("ref", &one.reference))
        .filter(|one| is("task", &one.task) && is("environment", &one.environment))
        .collect();
    ctx.paged(found, |one| ctx.view().deployment(repo, one))
}

fn find<'c>(ctx: &'c Ctx<'_>) -> Result<&'c Deployment, Refusal> {
    ctx.repo()?
        .deployments
        .get(&ctx.number("id")?)
        .ok_or_else(Refusal::not_found)
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    ok(ctx.view().deployment(ctx.repo()?, find(ctx)?))
}

fn check_description(resource: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() > DESCRIPTION_MAX_CHARS {
        return Err(Refusal::custom(
            resource,
            "description",
            format!("description is too long (maximum is {DESCRIPTION_MAX_CHARS} characters)"),
        ));
    }
    Ok(())
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let reference = ctx.need_text("Deployment", "ref")?.to_owned();
    let git = ctx.git()?;
    let id = resolve(ctx, &git, &reference)
        .map_err(|_| Refusal::unprocessable(format!("No ref found for: {reference}")))?;
    check_description("Deployment", ctx.text("description").unwrap_or_default())?;
    if ctx.flag("auto_merge").unwrap_or(true)
        && let Some(answer) = merge_default(ctx, &git, (&reference, id))?
    {
        return Ok(answer);
    }
    check_contexts(ctx, &id.to_string())?;
    let environment = ctx.text("environment").unwrap_or("production").to_owned();
    let payload = match ctx.call.body.get("payload") {
        Some(payload) if !payload.is_null() => payload.clone(),
        Some(_) | None => json!({}),
    };
    let production = ctx.flag("production_environment");
    let deployment = Deployment {
        id: ctx.state.id(),
        sha: id.to_string(),
        reference: reference.clone(),
        task: ctx.text("task").unwrap_or("deploy").to_owned(),
        original_environment: environment.clone(),
        description: ctx.text("description").map(ToOwned::to_owned),
        payload,
        transient: ctx.flag("transient_environment").unwrap_or(false),
        production: production.unwrap_or(environment == "production"),
        environment: environment.clone(),
        creator: ctx.me()?,
        via_app: ctx.via_app(),
        created: ctx.call.now,
        updated: ctx.call.now,
        statuses: Vec::new(),
    };
    ensure_environment(ctx, &environment)?;
    ctx.repo_mut()?
        .deployments
        .insert(deployment.id, deployment.clone());
    ctx.note(
        "deployment.created",
        json!({
            "id": deployment.id, "sha": deployment.sha, "ref": reference,
            "environment": environment, "request": ctx.call.body,
        }),
    );
    let body = ctx.view().deployment(ctx.repo()?, &deployment);
    ctx.emit(
        "deployment",
        Some("created"),
        json!({"deployment": body, "workflow": null, "workflow_run": null}),
    );
    created(body)
}

fn ensure_environment(ctx: &mut Ctx<'_>, name: &str) -> Result<(), Refusal> {
    if ctx.repo()?.environments.contains_key(name) {
        return Ok(());
    }
    let entry = (ctx.state.id(), ctx.call.now);
    ctx.repo_mut()?.environments.insert(name.to_owned(), entry);
    Ok(())
}

/// Merges the default branch into a branch that lacks some of it: 202, or 409 on a conflict.
fn merge_default(
    ctx: &mut Ctx<'_>,
    git: &git2::Repository,
    at: (&str, Oid),
) -> Result<Option<Answer>, Refusal> {
    let (branch, head) = at;
    let repo = ctx.repo()?;
    let main = repo.default_branch.clone();
    let Some(tip) = repo.branch(&main).filter(|_| repo.branch(branch).is_some()) else {
        return Ok(None);
    };
    let tip = Oid::from_str(tip)?;
    if head == tip || git.graph_descendant_of(head, tip)? {
        return Ok(None);
    }
    let tree = gitstore::merge_tree(git, head, tip)?
        .ok_or_else(|| Refusal::conflict(format!("Conflict merging {main} into {branch}.")))?;
    let signer = gitstore::signer(ctx.call.now)?;
    let parents = [&git.find_commit(head)?, &git.find_commit(tip)?];
    let text = format!("Merge {main} into {branch}");
    let id = git.commit(
        None,
        &signer,
        &signer,
        &text,
        &git.find_tree(tree)?,
        &parents,
    )?;
    super::git_refs::move_ref(git, &format!("refs/heads/{branch}"), id)?;
    super::git_refs::sync(ctx)?;
    Ok(Some(Answer::json(
        StatusCode::ACCEPTED,
        json!({"message": format!("Auto-merged {main} into {branch} on deployment.")}),
    )))
}

/// All contexts of the commit must have succeeded, unless the caller names which.
fn check_contexts(ctx: &Ctx<'_>, sha: &str) -> Result<(), Refusal> {
    let repo = ctx.repo()?;
    let mut states: Vec<(String, bool)> = latest_statuses(repo, sha)
        .iter()
        .map(|one| (one.context.clone(), one.state == "success"))
        .collect();
    for run in repo.runs.values().filter(|run| run.head_sha == sha) {
        let is_good = matches!(
            run.conclusion.as_deref(),
            Some("success" | "neutral" | "skipped")
        );
        states.push((run.name.clone(), is_good));
    }
    let wanted = ctx
        .call
        .body
        .get("required_contexts")
        .and_then(Value::as_array);
    let bad: Vec<Value> = match wanted {
        Some(wanted) => wanted
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !states.iter().any(|(one, is_good)| one == name && *is_good))
            .map(|name| json!({"context": name, "state": "pending"}))
            .collect(),
        None => states
            .iter()
            .filter(|(_, is_good)| !is_good)
            .map(|(name, _)| json!({"context": name, "state": "pending"}))
            .collect(),
    };
    if bad.is_empty() {
        return Ok(());
    }
    let mut refusal = Refusal::conflict("Conflict: Commit status checks failed for the ref.");
    refusal.errors = vec![json!({
        "contexts": bad, "resource": "Deployment", "field": "required_contexts",
        "code": "invalid",
    })];
    Err(refusal)
}

pub(crate) fn delete(ctx: &mut Ctx<'_>) -> Reply {
    let deployment = find(ctx)?;
    let id = deployment.id;
    let is_active = deployment
        .statuses
        .last()
        .is_some_and(|status| status.state == "success");
    if is_active && ctx.repo()?.deployments.len() > 1 {
        return Err(Refusal::unprocessable(
            "We cannot delete an active deployment unless it is the only deployment in a given environment.",
        ));
    }
    ctx.repo_mut()?.deployments.remove(&id);
    ctx.note("deployment.deleted", json!({ "id": id }));
    no_content()
}

pub(crate) fn statuses(ctx: &mut Ctx<'_>) -> Reply {
    let deployment = find(ctx)?;
    let repo = ctx.repo()?;
    ctx.paged(deployment.statuses.iter().rev().collect(), |status| {
        ctx.view().deployment_status(repo, deployment, status)
    })
}

pub(crate) fn status(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("status")?;
    let deployment = find(ctx)?;
    let status = deployment
        .statuses
        .iter()
        .find(|status| status.id == id)
        .ok_or_else(Refusal::not_found)?;
    ok(ctx
        .view()
        .deployment_status(ctx.repo()?, deployment, status))
}

pub(crate) fn create_status(ctx: &mut Ctx<'_>) -> Reply {
    let id = find(ctx)?.id;
    let state = ctx.need_text("DeploymentStatus", "state")?.to_owned();
    if !STATES.contains(&state.as_str()) {
        return Err(Refusal::invalid("DeploymentStatus", "state", "invalid"));
    }
    let text = |name: &str| ctx.text(name).unwrap_or_default().to_owned();
    check_description("DeploymentStatus", &text("description"))?;
    let log_url = match ctx.text("log_url") {
        Some(url) => url.to_owned(),
        None => text("target_url"),
    };
    let (description, environment_url) = (text("description"), text("environment_url"));
    let auto_inactive = ctx.flag("auto_inactive").unwrap_or(true);
    let status = DeploymentStatus {
        id: ctx.state.id(),
        state: state.clone(),
        description,
        environment: ctx
            .text("environment")
            .unwrap_or(&find(ctx)?.environment)
            .to_owned(),
        environment_url,
        log_url,
        creator: ctx.me()?,
        created: ctx.call.now,
    };
    add(ctx, id, &status)?;
    if state == "success" && auto_inactive {
        retire_older(ctx, id, &status.environment)?;
    }
    let deployment = find(ctx)?;
    created(
        ctx.view()
            .deployment_status(ctx.repo()?, deployment, &status),
    )
}

fn add(ctx: &mut Ctx<'_>, id: u64, status: &DeploymentStatus) -> Result<(), Refusal> {
    ensure_environment(ctx, &status.environment)?;
    let now = ctx.call.now;
    let deployment = ctx
        .repo_mut()?
        .deployments
        .get_mut(&id)
        .ok_or_else(Refusal::not_found)?;
    deployment.updated = now;
    deployment.environment.clone_from(&status.environment);
    deployment.statuses.push(status.clone());
    ctx.note(
        "deployment_status.created",
        json!({
            "deployment": id, "state": status.state, "environment": status.environment,
            "environment_url": status.environment_url, "description": status.description,
        }),
    );
    let repo = ctx.repo()?;
    let deployment = repo.deployments.get(&id).ok_or_else(Refusal::not_found)?;
    ctx.emit(
        "deployment_status",
        Some("created"),
        json!({
            "deployment": ctx.view().deployment(repo, deployment),
            "deployment_status": ctx.view().deployment_status(repo, deployment, status),
        }),
    );
    Ok(())
}

/// A success switches older deployments of the environment off, except transient ones.
fn retire_older(ctx: &mut Ctx<'_>, newest: u64, environment: &str) -> Result<(), Refusal> {
    let older: Vec<u64> = ctx
        .repo()?
        .deployments
        .values()
        .filter(|one| one.id < newest && one.environment == environment)
        .filter(|one| !one.transient)
        .filter(|one| {
            one.statuses
                .last()
                .is_some_and(|last| last.state == "success")
        })
        .map(|one| one.id)
        .collect();
    for id in older {
        let status = DeploymentStatus {
            id: ctx.state.id(),
            state: "inactive".into(),
            description: String::new(),
            environment: environment.to_owned(),
            environment_url: String::new(),
            log_url: String::new(),
            creator: ctx.me()?,
            created: ctx.call.now,
        };
        add(ctx, id, &status)?;
    }
    Ok(())
}

pub(crate) fn environments(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    ctx.paged_in(
        "environments",
        repo.environments.iter().collect(),
        |(name, (id, created))| ctx.view().environment(repo, name, *id, *created),
    )
}

pub(crate) fn environment(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let name = ctx.param("name");
    let (id, created) = repo.environments.get(name).ok_or_else(Refusal::not_found)?;
    ok(ctx.view().environment(repo, name, *id, *created))
}
