//! Accounts, collaborators, and what the server tells about itself.

use super::Ctx;
use crate::answer::{Answer, Refusal, Reply, created, no_content, ok};
use crate::auth::Actor;
use crate::state::{Account, AccountKind, Role};
use http::StatusCode;
use serde_json::json;

pub(crate) fn root(ctx: &mut Ctx<'_>) -> Reply {
    let api = &ctx.hub.urls.api;
    ok(json!({
        "current_user_url": format!("{api}/user"),
        "repository_url": format!("{api}/repos/{{owner}}/{{repo}}"),
        "user_url": format!("{api}/users/{{user}}"),
        "rate_limit_url": format!("{api}/rate_limit"),
    }))
}

pub(crate) fn meta(_ctx: &mut Ctx<'_>) -> Reply {
    ok(json!({
        "verifiable_password_authentication": false,
        "hooks": ["127.0.0.0/8", "::1/128"], "web": ["127.0.0.0/8"], "api": ["127.0.0.0/8"],
        "git": ["127.0.0.0/8"], "installed_version": "3.19.0",
    }))
}

pub(crate) fn rate_limit(ctx: &mut Ctx<'_>) -> Reply {
    let caller = ctx.call.actor.counted_as();
    let limit = if caller == "anonymous" {
        ctx.hub.config.rate_limit_anonymous_per_hour
    } else {
        ctx.hub.config.rate_limit_per_hour
    };
    let (limit, used, reset) = ctx.hub.count_call(&caller, limit, true);
    let entry = |limit: u32, used: u32| {
        json!({
            "limit": limit, "used": used, "remaining": limit.saturating_sub(used), "reset": reset,
        })
    };
    ok(json!({
        "resources": {
            "core": entry(limit, used), "search": entry(30, 0), "graphql": entry(5_000, 0),
        },
        "rate": entry(limit, used),
    }))
}

pub(crate) fn me(ctx: &mut Ctx<'_>) -> Reply {
    let account = ctx
        .state
        .accounts
        .get(&ctx.me()?)
        .ok_or_else(Refusal::not_found)?;
    ok(ctx.view().full_account(account))
}

pub(crate) fn user(ctx: &mut Ctx<'_>) -> Reply {
    let account = ctx
        .state
        .account(ctx.param("login"))
        .ok_or_else(Refusal::not_found)?;
    ok(ctx.view().full_account(account))
}

pub(crate) fn org(ctx: &mut Ctx<'_>) -> Reply {
    let account = ctx
        .state
        .account(ctx.param("org"))
        .filter(|account| account.kind == AccountKind::Organization)
        .ok_or_else(Refusal::not_found)?;
    ok(ctx.view().full_organization(account))
}

/// The organisation of the path; an installation sees that of its own account alone.
fn org_of<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Account, Refusal> {
    let org = ctx
        .state
        .account(ctx.param("org"))
        .filter(|account| account.kind == AccountKind::Organization)
        .ok_or_else(Refusal::not_found)?;
    let Actor::Installation { token, .. } = &ctx.call.actor else {
        return Ok(org);
    };
    let installation = ctx.state.installations.get(&token.installation);
    installation
        .filter(|one| one.account == org.id)
        .map(|_| org)
        .ok_or_else(Refusal::not_found)
}

pub(crate) fn team_member(ctx: &mut Ctx<'_>) -> Reply {
    let org = org_of(ctx)?;
    let member = ctx
        .state
        .account(ctx.param("login"))
        .ok_or_else(Refusal::not_found)?;
    let (team, login) = (ctx.param("team"), &member.login);
    if !org
        .teams
        .get(team)
        .is_some_and(|people| people.contains(&member.id))
    {
        return Err(Refusal::not_found());
    }
    let api = &ctx.hub.urls.api;
    ok(json!({
        "url": format!("{api}/orgs/{}/teams/{team}/memberships/{login}", org.login),
        "role": "member", "state": "active",
    }))
}

pub(crate) fn member(ctx: &mut Ctx<'_>) -> Reply {
    let org = org_of(ctx)?;
    let member = ctx
        .state
        .account(ctx.param("login"))
        .ok_or_else(Refusal::not_found)?;
    if org.members.contains_key(&member.id) {
        return no_content();
    }
    Err(Refusal::not_found())
}

pub(crate) fn collaborators(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let found: Vec<(u64, Role)> = ctx
        .state
        .accounts
        .values()
        .filter(|account| account.kind == AccountKind::User)
        .filter(|account| {
            account.id == repo.owner
                || repo.collaborators.contains_key(&account.id)
                || ctx
                    .state
                    .accounts
                    .get(&repo.owner)
                    .is_some_and(|owner| owner.members.contains_key(&account.id))
        })
        .map(|account| (account.id, ctx.state.role(repo, Some(account.id))))
        .filter(|(_, role)| *role > Role::None)
        .collect();
    ctx.paged(found, |(id, role)| ctx.view().collaborator(id, role))
}

pub(crate) fn is_collaborator(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let account = ctx
        .state
        .account(ctx.param("user"))
        .ok_or_else(Refusal::not_found)?;
    let is_member = ctx
        .state
        .accounts
        .get(&repo.owner)
        .is_some_and(|owner| owner.members.contains_key(&account.id));
    if account.id == repo.owner || is_member || repo.collaborators.contains_key(&account.id) {
        return no_content();
    }
    Err(Refusal::not_found())
}

pub(crate) fn permission(ctx: &mut Ctx<'_>) -> Reply {
    let account = ctx
        .state
        .account(ctx.param("user"))
        .ok_or_else(Refusal::not_found)?;
    let role = ctx.state.role(ctx.repo()?, Some(account.id));
    ok(json!({
        "permission": role.permission(), "role_name": role.name(),
        "user": ctx.view().collaborator(account.id, role),
    }))
}

pub(crate) fn add_collaborator(ctx: &mut Ctx<'_>) -> Reply {
    let account = ctx
        .state
        .account(ctx.param("user"))
        .filter(|account| account.kind == AccountKind::User)
        .ok_or_else(Refusal::not_found)?
        .id;
    let name = ctx.text("permission").unwrap_or("push");
    let role =
        Role::parse(name).ok_or_else(|| Refusal::invalid("Repository", "permission", "invalid"))?;
    let is_new = !ctx.repo()?.collaborators.contains_key(&account);
    ctx.repo_mut()?
        .collaborators
        .insert(account, role.name().to_owned());
    let login = ctx.state.login(account).to_owned();
    ctx.note(
        "collaborator.set",
        json!({"login": login, "role": role.name()}),
    );
    if !is_new {
        return no_content();
    }
    ctx.emit(
        "member",
        Some("added"),
        json!({"member": ctx.view().user(account)}),
    );
    // Invitations are accepted at once here.
    let id = ctx.state.id();
    created(json!({
        "id": id, "node_id": crate::text::node_id("Invitation", id),
        "repository": ctx.view().minimal_repo(ctx.repo()?),
        "invitee": ctx.view().user(account), "inviter": ctx.view().user(ctx.me()?),
        "permissions": role.permission(), "created_at": crate::text::time(ctx.call.now),
        "expired": false, "url": format!("{}/invitations/{id}", ctx.view().repo_api(ctx.repo()?)),
        "html_url": format!("{}/invitations", ctx.view().repo_html(ctx.repo()?)),
    }))
}

pub(crate) fn remove_collaborator(ctx: &mut Ctx<'_>) -> Reply {
    let account = ctx
        .state
        .account(ctx.param("user"))
        .ok_or_else(Refusal::not_found)?
        .id;
    if ctx.repo_mut()?.collaborators.remove(&account).is_some() {
        ctx.emit(
            "member",
            Some("removed"),
            json!({"member": ctx.view().user(account)}),
        );
    }
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}
