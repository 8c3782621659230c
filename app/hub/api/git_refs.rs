//! Refs through the API: reading, making, moving and deleting them.

use super::Ctx;
use crate::answer::{Refusal, Reply, created, no_content, ok};
use crate::refs::{self, Push};
use git2::Oid;
use http::StatusCode;
use serde_json::Value;

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let name = format!("refs/{}", ctx.param("ref"));
    ok(shown(ctx, &name)?)
}

/// A ref as the API shows it.
fn shown(ctx: &Ctx<'_>, name: &str) -> Result<Value, Refusal> {
    let repo = ctx.repo()?;
    if repo.refs.is_empty() {
        return Err(Refusal::conflict("Git Repository is empty."));
    }
    let git = ctx.git()?;
    let sha = match repo.refs.get(name) {
        Some(sha) => sha.clone(),
        None if name.starts_with("refs/pull/") => git
            .refname_to_id(name)
            .map_err(|_| Refusal::not_found())?
            .to_string(),
        None => return Err(Refusal::not_found()),
    };
    Ok(ctx.view().git_ref(repo, name, &sha, kind(&git, &sha)))
}

fn kind(git: &git2::Repository, sha: &str) -> &'static str {
    let kind = Oid::from_str(sha)
        .ok()
        .and_then(|id| git.odb().ok()?.read_header(id).ok())
        .map(|(_, kind)| kind);
    match kind {
        Some(git2::ObjectType::Tag) => "tag",
        Some(git2::ObjectType::Tree) => "tree",
        Some(git2::ObjectType::Blob) => "blob",
        Some(git2::ObjectType::Commit | git2::ObjectType::Any) | None => "commit",
    }
}

pub(crate) fn matching(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let git = ctx.git()?;
    let prefix = format!("refs/{}", ctx.param("ref"));
    let found: Vec<(&String, &String)> = repo
        .refs
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix))
        .collect();
    ctx.paged(found, |(name, sha)| {
        ctx.view().git_ref(repo, name, sha, kind(&git, sha))
    })
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let name = ctx.need_text("Reference", "ref")?;
    let sha = ctx.need_text("Reference", "sha")?;
    if ctx.repo()?.refs.is_empty() {
        return Err(Refusal::conflict("Git Repository is empty."));
    }
    let is_name = (name.starts_with("refs/heads/") || name.starts_with("refs/tags/"))
        && git2::Reference::is_valid_name(name);
    if !is_name {
        return Err(Refusal::unprocessable(
            "Reference name must start with 'refs/heads/' or 'refs/tags/' and be well formed",
        ));
    }
    let git = ctx.git()?;
    let id = object(&git, sha)?;
    if ctx.repo()?.refs.contains_key(name) {
        return Err(Refusal::unprocessable("Reference already exists"));
    }
    git.reference(name, id, false, "api").map_err(|_| {
        // A branch `a` and a branch `a/b` exclude each other.
        Refusal::unprocessable("Reference update failed")
    })?;
    sync(ctx)?;
    created(shown(ctx, name)?)
}

fn object(git: &git2::Repository, sha: &str) -> Result<Oid, Refusal> {
    let missing = || Refusal::unprocessable("Object does not exist");
    let id = Oid::from_str(sha)
        .ok()
        .filter(|_| sha.len() == 40)
        .ok_or_else(|| {
            Refusal::unprocessable(
                "The sha parameter must be exactly 40 characters and contain only [0-9a-f].",
            )
        })?;
    if !git.odb()?.exists(id) {
        return Err(missing());
    }
    Ok(id)
}

pub(crate) fn update(ctx: &mut Ctx<'_>) -> Reply {
    let name = format!("refs/{}", ctx.param("ref"));
    let sha = ctx.need_text("Reference", "sha")?;
    let force = ctx.flag("force").unwrap_or(false);
    let git = ctx.git()?;
    let id = object(&git, sha)?;
    let old = ctx
        .repo()?
        .refs
        .get(&name)
        .ok_or_else(|| Refusal::unprocessable("Reference does not exist"))?;
    let old = Oid::from_str(old)?;
    if !force && old != id && !git.graph_descendant_of(id, old).unwrap_or(false) {
        return Err(Refusal::unprocessable("Update is not a fast forward"));
    }
    move_ref(&git, &name, id)?;
    sync(ctx)?;
    ok(shown(ctx, &name)?)
}

pub(crate) fn move_ref(git: &git2::Repository, name: &str, id: Oid) -> Result<(), Refusal> {
    git.reference(name, id, true, "api")
        .map(|_| ())
        .map_err(|_| Refusal::unprocessable("Reference update failed"))
}

pub(crate) fn delete(ctx: &mut Ctx<'_>) -> Reply {
    let name = format!("refs/{}", ctx.param("ref"));
    let repo = ctx.repo()?;
    if !repo.refs.contains_key(&name) {
        return Err(Refusal::unprocessable("Reference does not exist"));
    }
    if name == format!("refs/heads/{}", repo.default_branch) {
        return Err(Refusal::unprocessable("Cannot delete the default branch"));
    }
    ctx.git()?.find_reference(&name)?.delete()?;
    sync(ctx)?;
    no_content()
}

/// Makes moved refs visible, as done by the caller.
pub(crate) fn sync(ctx: &mut Ctx<'_>) -> Result<(), Refusal> {
    let push = Push {
        hub: ctx.hub,
        repo: ctx.repo_id,
        pusher: ctx.me()?,
    };
    Ok(refs::sync(push, ctx.state)?)
}

/// The commit that a ref, branch, tag or object name in the path stands for.
pub(crate) fn resolve(ctx: &Ctx<'_>, git: &git2::Repository, name: &str) -> Result<Oid, Refusal> {
    let repo = ctx.repo()?;
    if repo.refs.is_empty() {
        return Err(Refusal::conflict("Git Repository is empty."));
    }
    let known = repo
        .branch(name)
        .or_else(|| repo.refs.get(&format!("refs/{name}")))
        .or_else(|| repo.refs.get(name));
    if let Some(sha) = known {
        let object = git.find_object(Oid::from_str(sha)?, None)?;
        return Ok(object.peel_to_commit()?.id());
    }
    crate::gitstore::resolve(git, name)
        .map(|commit| commit.id())
        .ok_or_else(|| {
            Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("No commit found for SHA: {name}"),
            )
        })
}
