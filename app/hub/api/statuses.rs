//! Commit statuses.

use super::Ctx;
use super::git_refs::resolve;
use crate::answer::{Refusal, Reply, created, ok};
use crate::state::CommitStatus;
use git2::Oid;
use serde_json::{Value, json};

const DESCRIPTION_MAX_CHARS: usize = 140;
const SAME_CONTEXT_MAX: usize = 1_000;
const STATES: [&str; 4] = ["error", "failure", "pending", "success"];

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let sha = ctx.param("sha").to_owned();
    let git = ctx.git()?;
    let id = Oid::from_str(&sha).ok().filter(|_| sha.len() == 40);
    let Some(commit) = id.and_then(|id| git.find_commit(id).ok()) else {
        return Err(Refusal::unprocessable(format!(
            "No commit found for SHA: {sha}"
        )));
    };
    let state = ctx.need_text("Status", "state")?;
    if !STATES.contains(&state) {
        return Err(Refusal::invalid("Status", "state", "invalid"));
    }
    let description = ctx.text("description");
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_MAX_CHARS) {
        return Err(Refusal::custom(
            "Status",
            "description",
            format!("description is too long (maximum is {DESCRIPTION_MAX_CHARS} characters)"),
        ));
    }
    let context = ctx.text("context").unwrap_or("default");
    let same = ctx
        .repo()?
        .statuses
        .iter()
        .filter(|one| one.sha == sha && one.context == context)
        .count();
    if same >= SAME_CONTEXT_MAX {
        return Err(Refusal::custom(
            "Status",
            "base",
            "This SHA and context has reached the maximum number of statuses.",
        ));
    }
    let status = CommitStatus {
        id: ctx.state.id(),
        sha: sha.clone(),
        state: state.to_owned(),
        context: context.to_owned(),
        description: description.map(ToOwned::to_owned),
        target_url: ctx.text("target_url").map(ToOwned::to_owned),
        creator: ctx.me()?,
        created: ctx.call.now,
    };
    ctx.repo_mut()?.statuses.push(status.clone());
    ctx.note(
        "status.created",
        json!({"sha": sha, "state": state, "context": context, "description": description}),
    );
    tell(ctx, &status, &commit)?;
    created(ctx.view().status(ctx.repo()?, &status))
}

fn tell(ctx: &Ctx<'_>, status: &CommitStatus, commit: &git2::Commit<'_>) -> Result<(), Refusal> {
    let repo = ctx.repo()?;
    let api = ctx.view().repo_api(repo);
    let branches: Vec<Value> = repo
        .refs
        .iter()
        .filter(|(_, tip)| **tip == status.sha)
        .filter_map(|(name, tip)| Some((name.strip_prefix("refs/heads/")?, tip)))
        .map(|(name, tip)| {
            json!({
                "name": name, "protected": repo.rules.contains_key(name),
                "commit": {"sha": tip, "url": format!("{api}/commits/{tip}")},
            })
        })
        .collect();
    let mut payload = ctx.view().simple_status(repo, status);
    if let Value::Object(fields) = &mut payload {
        fields.remove("node_id");
        fields.remove("url");
    }
    payload["sha"] = json!(status.sha);
    payload["name"] = json!(ctx.state.full_name(repo));
    payload["commit"] = ctx.view().commit(repo, commit);
    payload["branches"] = json!(branches);
    ctx.emit("status", None, payload);
    Ok(())
}

pub(crate) fn combined(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let sha = resolve(ctx, &git, ctx.param("ref"))?.to_string();
    ok(ctx.view().combined_status(ctx.repo()?, &sha))
}

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let git = ctx.git()?;
    let sha = resolve(ctx, &git, ctx.param("ref"))?.to_string();
    let repo = ctx.repo()?;
    let found: Vec<&CommitStatus> = repo
        .statuses
        .iter()
        .rev()
        .filter(|one| one.sha == sha)
        .collect();
    ctx.paged(found, |status| ctx.view().status(repo, status))
}
