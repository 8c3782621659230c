//! Milestones of a repository.

use super::Ctx;
use crate::answer::{Refusal, Reply, created, ok};
use crate::state::Milestone;
use serde_json::json;

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let wanted = ctx.query("state").unwrap_or("open");
    let repo = ctx.repo()?;
    let found: Vec<&Milestone> = repo
        .milestones
        .iter()
        .filter(|one| wanted == "all" || one.is_open == (wanted == "open"))
        .collect();
    ctx.paged(found, |one| ctx.view().milestone(repo, one))
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let number = ctx.number("number")?;
    let repo = ctx.repo()?;
    let found = repo.milestone(number).ok_or_else(Refusal::not_found)?;
    ok(ctx.view().milestone(repo, found))
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let title = ctx.need_text("Milestone", "title")?.to_owned();
    if ctx.repo()?.milestones.iter().any(|one| one.title == title) {
        return Err(Refusal::invalid("Milestone", "title", "already_exists"));
    }
    let (id, me, now) = (ctx.state.id(), ctx.me()?, ctx.call.now);
    let description = ctx.text("description").map(ToOwned::to_owned);
    let repo = ctx.repo_mut()?;
    let number = 1 + repo.milestones.last().map_or(0, |one| one.number);
    repo.milestones.push(Milestone {
        id,
        number,
        title,
        description,
        creator: me,
        is_open: true,
        created: now,
    });
    ctx.note("milestone.created", json!({ "number": number }));
    let repo = ctx.repo()?;
    let made = repo.milestone(number).ok_or_else(Refusal::not_found)?;
    created(ctx.view().milestone(repo, made))
}
