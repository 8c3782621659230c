//! Reactions to comments, issues and pull requests.

use super::issues::{issue, issue_mut};
use super::{Ctx, comments};
use crate::answer::{Answer, Refusal, Reply, no_content};
use crate::state::{Reaction, ReviewComment};
use http::StatusCode;
use serde_json::json;

const CONTENTS: [&str; 8] = [
    "+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes",
];

pub(crate) fn of_comment(ctx: &mut Ctx<'_>) -> Reply {
    let found = comments::find(ctx)?.reactions.clone();
    list(ctx, found)
}

pub(crate) fn of_diff_comment(ctx: &mut Ctx<'_>) -> Reply {
    let found = diff_comment(ctx)?.reactions.clone();
    list(ctx, found)
}

/// The comment on a line of a change that is named in the path.
fn diff_comment<'c>(ctx: &'c mut Ctx<'_>) -> Result<&'c mut ReviewComment, Refusal> {
    let id = ctx.number("id")?;
    ctx.repo_mut()?
        .issues
        .values_mut()
        .filter_map(|issue| issue.pull.as_mut())
        .flat_map(|pull| &mut pull.review_comments)
        .find(|comment| comment.id == id)
        .ok_or_else(Refusal::not_found)
}

pub(crate) fn on_diff_comment(ctx: &mut Ctx<'_>) -> Reply {
    let id = diff_comment(ctx)?.id;
    let fresh = fresh(ctx)?;
    let (reaction, is_new) = add(&mut diff_comment(ctx)?.reactions, fresh);
    answer(ctx, &reaction, is_new, json!({ "comment": id }))
}

pub(crate) fn of_issue(ctx: &mut Ctx<'_>) -> Reply {
    let found = issue(ctx)?.reactions.clone();
    list(ctx, found)
}

fn list(ctx: &Ctx<'_>, found: Vec<Reaction>) -> Reply {
    let wanted = ctx.query("content");
    let found = found
        .into_iter()
        .filter(|one| wanted.is_none_or(|content| one.content == content))
        .collect();
    ctx.paged(found, |one: Reaction| ctx.view().reaction(&one))
}

pub(crate) fn on_comment(ctx: &mut Ctx<'_>) -> Reply {
    let id = comments::find(ctx)?.id;
    let fresh = fresh(ctx)?;
    let comment = ctx
        .repo_mut()?
        .comments
        .get_mut(&id)
        .ok_or_else(Refusal::not_found)?;
    let (reaction, is_new) = add(&mut comment.reactions, fresh);
    answer(ctx, &reaction, is_new, json!({ "comment": id }))
}

pub(crate) fn on_issue(ctx: &mut Ctx<'_>) -> Reply {
    let number = issue(ctx)?.number;
    let fresh = fresh(ctx)?;
    let (reaction, is_new) = add(&mut issue_mut(ctx)?.reactions, fresh);
    answer(ctx, &reaction, is_new, json!({ "number": number }))
}

fn fresh(ctx: &mut Ctx<'_>) -> Result<Reaction, Refusal> {
    let content = ctx
        .text("content")
        .filter(|content| CONTENTS.contains(content))
        .ok_or_else(|| Refusal::invalid("Reaction", "content", "invalid"))?;
    Ok(Reaction {
        id: ctx.state.id(),
        user: ctx.me()?,
        content: content.to_owned(),
        created: ctx.call.now,
    })
}

/// Adds a reaction; a second one of the same kind by the same account is the first again.
fn add(reactions: &mut Vec<Reaction>, fresh: Reaction) -> (Reaction, bool) {
    let earlier = reactions
        .iter()
        .find(|one| one.user == fresh.user && one.content == fresh.content);
    if let Some(earlier) = earlier {
        return (earlier.clone(), false);
    }
    reactions.push(fresh.clone());
    (fresh, true)
}

fn answer(
    ctx: &Ctx<'_>,
    reaction: &Reaction,
    is_new: bool,
    mut detail: serde_json::Value,
) -> Reply {
    detail["content"] = json!(reaction.content);
    if is_new {
        ctx.note("reaction.created", detail);
    }
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(Answer::json(status, ctx.view().reaction(reaction)))
}

pub(crate) fn off_comment(ctx: &mut Ctx<'_>) -> Reply {
    let id = comments::find(ctx)?.id;
    let reaction = ctx.number("reaction")?;
    let me = ctx.me()?;
    let comment = ctx
        .repo_mut()?
        .comments
        .get_mut(&id)
        .ok_or_else(Refusal::not_found)?;
    remove(&mut comment.reactions, reaction, me)
}

pub(crate) fn off_issue(ctx: &mut Ctx<'_>) -> Reply {
    issue(ctx)?;
    let reaction = ctx.number("reaction")?;
    let me = ctx.me()?;
    remove(&mut issue_mut(ctx)?.reactions, reaction, me)
}

fn remove(reactions: &mut Vec<Reaction>, id: u64, me: u64) -> Reply {
    let before = reactions.len();
    reactions.retain(|one| one.id != id || one.user != me);
    if reactions.len() == before {
        return Err(Refusal::not_found());
    }
    no_content()
}
