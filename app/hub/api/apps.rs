//! The App, its installations and their tokens.

use super::Ctx;
use crate::answer::{Refusal, Reply, created, no_content, ok};
use crate::auth::{Actor, rank, token_reaches};
use crate::seed;
use crate::state::{Installation, Repo, Role, State, Token};
use crate::text;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How long an installation token lives, in seconds.
const TOKEN_LIFE_S: i64 = 3_600;
/// A token can be narrowed to at most this many repositories.
const TOKEN_REPOS_MAX: usize = 500;

pub(crate) fn app(ctx: &mut Ctx<'_>) -> Reply {
    let app = ctx.state.app.as_ref().ok_or_else(Refusal::not_found)?;
    ok(ctx.view().full_app(app))
}

pub(crate) fn by_slug(ctx: &mut Ctx<'_>) -> Reply {
    let app = ctx.state.app.as_ref().ok_or_else(Refusal::not_found)?;
    if app.slug != ctx.param("slug") {
        return Err(Refusal::not_found());
    }
    ok(ctx.view().full_app(app))
}

pub(crate) fn installations(ctx: &mut Ctx<'_>) -> Reply {
    let all: Vec<&Installation> = ctx.state.installations.values().collect();
    ctx.paged(all, |one| ctx.view().installation(one))
}

pub(crate) fn installation(ctx: &mut Ctx<'_>) -> Reply {
    let found = find(ctx)?;
    ok(ctx.view().installation(found))
}

fn find<'c>(ctx: &'c Ctx<'_>) -> Result<&'c Installation, Refusal> {
    ctx.state
        .installations
        .get(&ctx.number("id")?)
        .ok_or_else(Refusal::not_found)
}

pub(crate) fn of_account(ctx: &mut Ctx<'_>) -> Reply {
    let account = ctx
        .state
        .account(ctx.param("login"))
        .ok_or_else(Refusal::not_found)?;
    let found = ctx
        .state
        .installations
        .values()
        .find(|one| one.account == account.id)
        .ok_or_else(Refusal::not_found)?;
    ok(ctx.view().installation(found))
}

pub(crate) fn of_repo(ctx: &mut Ctx<'_>) -> Reply {
    let found = ctx
        .state
        .installation_of(ctx.repo()?)
        .ok_or_else(Refusal::not_found)?;
    ok(ctx.view().installation(found))
}

pub(crate) fn suspend(ctx: &mut Ctx<'_>) -> Reply {
    set_suspended(ctx, Some(ctx.call.now), "suspend")
}

pub(crate) fn unsuspend(ctx: &mut Ctx<'_>) -> Reply {
    set_suspended(ctx, None, "unsuspend")
}

fn set_suspended(ctx: &mut Ctx<'_>, at: Option<i64>, action: &'static str) -> Reply {
    let id = find(ctx)?.id;
    if let Some(installation) = ctx.state.installations.get_mut(&id) {
        installation.suspended = at;
    }
    seed::announce(ctx.hub, ctx.state, id, (action, &BTreeSet::new()));
    no_content()
}

pub(crate) fn create_token(ctx: &mut Ctx<'_>) -> Reply {
    let installation = find(ctx)?.clone();
    if installation.suspended.is_some() {
        return Err(Refusal::forbidden("This installation has been suspended"));
    }
    let permissions = narrowed_permissions(ctx, &installation)?;
    let repos = narrowed_repos(ctx, &installation)?;
    let expires = ctx.call.now + TOKEN_LIFE_S;
    let app_id = ctx.state.app.as_ref().map_or(0, |app| app.id);
    let secret = text::installation_token(app_id);
    let token = Token {
        installation: installation.id,
        repos: repos.clone(),
        permissions: permissions.clone(),
        expires,
    };
    let now = ctx.call.now;
    ctx.state.tokens.retain(|_, old| old.expires > now);
    ctx.state.tokens.insert(secret.clone(), token);
    let is_selected = repos.is_some() || installation.repos.is_some();
    let mut body = json!({
        "token": secret, "expires_at": text::time(expires), "permissions": permissions,
        "repository_selection": if is_selected { "selected" } else { "all" },
    });
    if let Some(repos) = repos {
        let shown: Vec<Value> = repos
            .iter()
            .filter_map(|id| ctx.state.repos.get(id))
            .map(|repo| ctx.view().repo(repo))
            .collect();
        body["repositories"] = Value::Array(shown);
    }
    created(body)
}

fn narrowed_permissions(
    ctx: &Ctx<'_>,
    installation: &Installation,
) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(wanted) = ctx.call.body.get("permissions").and_then(Value::as_object) else {
        return Ok(installation.permissions.clone());
    };
    let mut granted = BTreeMap::new();
    for (name, level) in wanted {
        let level = level.as_str().unwrap_or_default();
        let has = installation
            .permissions
            .get(name)
            .map_or(0, |has| rank(has));
        if rank(level) == 0 || rank(level) > has {
            return Err(Refusal::unprocessable(
                "The permissions requested are not granted to this installation.",
            ));
        }
        granted.insert(name.clone(), level.to_owned());
    }
    granted.insert("metadata".into(), "read".into());
    Ok(granted)
}

fn narrowed_repos(
    ctx: &Ctx<'_>,
    installation: &Installation,
) -> Result<Option<BTreeSet<u64>>, Refusal> {
    let list = |name: &str| ctx.call.body.get(name).and_then(Value::as_array);
    let (names, ids) = (list("repositories"), list("repository_ids"));
    if names.is_none() && ids.is_none() {
        return Ok(None);
    }
    let missing = || {
        Refusal::unprocessable(
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    };
    let owner = ctx.state.login(installation.account);
    let mut chosen = BTreeSet::new();
    for name in names.into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        let repo = ctx.state.repo_named(owner, name).ok_or_else(missing)?;
        chosen.insert(repo.id);
    }
    for id in ids.into_iter().flatten() {
        chosen.insert(id.as_u64().ok_or_else(missing)?);
    }
    let reaches = |id: &u64| {
        ctx.state
            .repos
            .get(id)
            .is_some_and(|repo| installation.reaches(repo))
    };
    if chosen.len() > TOKEN_REPOS_MAX || !chosen.iter().all(reaches) {
        return Err(missing());
    }
    // An empty list asks for nothing special.
    Ok((!chosen.is_empty()).then_some(chosen))
}

pub(crate) fn revoke(ctx: &mut Ctx<'_>) -> Reply {
    if let Actor::Installation { secret, .. } = &ctx.call.actor {
        ctx.state.tokens.remove(secret);
    }
    no_content()
}

pub(crate) fn repositories(ctx: &mut Ctx<'_>) -> Reply {
    let Actor::Installation { token, .. } = &ctx.call.actor else {
        return Err(Refusal::not_found());
    };
    let repos = reached(ctx.state, token);
    let mut reply = ctx.paged_in("repositories", repos, |repo| {
        ctx.view().own_repo(repo, Role::Read)
    })?;
    if let crate::answer::Body::Json(body) = &mut reply.body {
        let selection = if token.repos.is_some() {
            "selected"
        } else {
            "all"
        };
        body["repository_selection"] = json!(selection);
    }
    Ok(reply)
}

fn reached<'s>(state: &'s State, token: &Token) -> Vec<&'s Repo> {
    state
        .repos
        .values()
        .filter(|repo| token_reaches(state, token, repo))
        .collect()
}
