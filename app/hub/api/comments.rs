//! Comments on issues and pull requests.

use super::issues::{issue, issue_mut, may_touch};
use super::{Ctx, check_body};
use crate::answer::{Refusal, Reply, created, no_content, ok};
use crate::state::{Comment, Role};
use serde_json::{Value, json};

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let number = issue(ctx)?.number;
    let since = ctx.query("since").and_then(crate::text::parse_time);
    let repo = ctx.repo()?;
    let found: Vec<&Comment> = repo
        .comments
        .values()
        .filter(|comment| comment.issue == number)
        .filter(|comment| since.is_none_or(|since| comment.updated >= since))
        .collect();
    ctx.paged(found, |comment| ctx.view().comment(repo, comment))
}

pub(crate) fn list_all(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let since = ctx.query("since").and_then(crate::text::parse_time);
    let mut found: Vec<&Comment> = repo
        .comments
        .values()
        .filter(|comment| since.is_none_or(|since| comment.updated >= since))
        .collect();
    if ctx.query("direction") == Some("desc") {
        found.reverse();
    }
    ctx.paged(found, |comment| ctx.view().comment(repo, comment))
}

/// The comment named in the path.
pub(crate) fn find<'c>(ctx: &'c Ctx<'_>) -> Result<&'c Comment, Refusal> {
    let id = ctx.number("id")?;
    let repo = ctx.repo()?;
    let comment = repo.comments.get(&id).ok_or_else(Refusal::not_found)?;
    if let Some(issue) = repo.issues.get(&comment.issue) {
        may_touch(ctx, issue)?;
    }
    Ok(comment)
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    ok(ctx.view().comment(ctx.repo()?, find(ctx)?))
}

/// The text of a comment, checked.
fn text<'a>(ctx: &Ctx<'a>) -> Result<&'a str, Refusal> {
    let body = ctx
        .text("body")
        .filter(|body| !body.trim().is_empty())
        .ok_or_else(|| Refusal::invalid("IssueComment", "body", "missing_field"))?;
    if ctx.via_app() {
        check_body("IssueComment", body)?;
    } else if check_body("IssueComment", body).is_err() {
        // The other of the two forms in which this fault is seen.
        return Err(Refusal::validation(json!({
            "resource": "IssueComment", "code": "unprocessable", "field": "data",
            "message": "Body is too long (maximum is 65536 characters)",
        })));
    }
    Ok(body)
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let issue = issue(ctx)?;
    let (number, is_locked) = (issue.number, issue.locked);
    let body = text(ctx)?.to_owned();
    if is_locked && ctx.call.actor.role(ctx.state, ctx.repo()?) < Role::Triage {
        return Err(Refusal::forbidden(
            "Unable to create comment because issue is locked.",
        ));
    }
    let comment = Comment {
        id: ctx.state.id(),
        issue: number,
        user: ctx.me()?,
        via_app: ctx.via_app(),
        body: body.clone(),
        created: ctx.call.now,
        updated: ctx.call.now,
        reactions: Vec::new(),
    };
    let id = comment.id;
    ctx.repo_mut()?.comments.insert(id, comment);
    let now = ctx.call.now;
    issue_mut(ctx)?.updated = now;
    ctx.note(
        "comment.created",
        json!({"number": number, "comment": id, "body": body}),
    );
    tell(ctx, id, ("created", json!({})))?;
    let repo = ctx.repo()?;
    let comment = repo.comments.get(&id).ok_or_else(Refusal::not_found)?;
    created(ctx.view().comment(repo, comment))
}

fn tell(ctx: &Ctx<'_>, id: u64, what: (&'static str, Value)) -> Result<(), Refusal> {
    let repo = ctx.repo()?;
    let comment = repo.comments.get(&id).ok_or_else(Refusal::not_found)?;
    let (action, mut payload) = what;
    payload["comment"] = ctx.view().comment(repo, comment);
    payload["issue"] = repo
        .issues
        .get(&comment.issue)
        .map_or(Value::Null, |issue| ctx.view().issue_told(repo, issue));
    ctx.emit("issue_comment", Some(action), payload);
    Ok(())
}

fn may_change(ctx: &Ctx<'_>) -> Result<u64, Refusal> {
    let comment = find(ctx)?;
    let is_mine = comment.user == ctx.me()?;
    if is_mine || ctx.via_app() || ctx.call.actor.role(ctx.state, ctx.repo()?) >= Role::Write {
        return Ok(comment.id);
    }
    Err(Refusal::forbidden("Must have push access to Repository."))
}

pub(crate) fn update(ctx: &mut Ctx<'_>) -> Reply {
    let id = may_change(ctx)?;
    let body = text(ctx)?.to_owned();
    let old = find(ctx)?.body.clone();
    let now = ctx.call.now;
    let comment = ctx
        .repo_mut()?
        .comments
        .get_mut(&id)
        .ok_or_else(Refusal::not_found)?;
    comment.body.clone_from(&body);
    comment.updated = now;
    let number = comment.issue;
    ctx.note(
        "comment.edited",
        json!({"number": number, "comment": id, "body": body}),
    );
    tell(
        ctx,
        id,
        ("edited", json!({"changes": {"body": {"from": old}}})),
    )?;
    get(ctx)
}

pub(crate) fn delete(ctx: &mut Ctx<'_>) -> Reply {
    let id = may_change(ctx)?;
    let number = find(ctx)?.issue;
    tell(ctx, id, ("deleted", json!({})))?;
    ctx.repo_mut()?.comments.remove(&id);
    ctx.note("comment.deleted", json!({"number": number, "comment": id}));
    no_content()
}
