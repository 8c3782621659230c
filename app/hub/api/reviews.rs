//! Reviews, review comments and requested reviewers.

use super::issues::{emit_changed, strings};
use super::pulls::find;
use super::{Ctx, check_body};
use crate::answer::{Refusal, Reply, created, ok};
use crate::follow;
use crate::state::{Pull, Review, ReviewComment, Role};
use serde_json::{Value, json};

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let (issue, pull) = find(ctx)?;
    let repo = ctx.repo()?;
    ctx.paged(pull.reviews.iter().collect(), |review| {
        ctx.view().review(repo, issue, review)
    })
}

pub(crate) fn comments(ctx: &mut Ctx<'_>) -> Reply {
    let (issue, pull) = find(ctx)?;
    let repo = ctx.repo()?;
    ctx.paged(pull.review_comments.iter().collect(), |one| {
        ctx.view().review_comment(repo, issue, one)
    })
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    ok(shown(ctx, ctx.number("review")?)?)
}

fn shown(ctx: &Ctx<'_>, id: u64) -> Result<Value, Refusal> {
    let (issue, pull) = find(ctx)?;
    let review = pull
        .reviews
        .iter()
        .find(|review| review.id == id)
        .ok_or_else(Refusal::not_found)?;
    Ok(ctx.view().review(ctx.repo()?, issue, review))
}

fn pull_mut<'c>(ctx: &'c mut Ctx<'_>) -> Result<&'c mut Pull, Refusal> {
    let number = ctx.number("number")?;
    follow::pull_mut(ctx.state, ctx.repo_id, number).ok_or_else(Refusal::not_found)
}

/// The state that an event leads to, checked against who asks.
fn state_for(ctx: &Ctx<'_>, event: Option<&str>) -> Result<&'static str, Refusal> {
    let (issue, _) = find(ctx)?;
    let is_mine = issue.user == ctx.me()?;
    match event {
        None | Some("") => Ok("PENDING"),
        Some("APPROVE") if is_mine => Err(Refusal::custom_text(
            "Review Can not approve your own pull request",
        )),
        Some("REQUEST_CHANGES") if is_mine => Err(Refusal::custom_text(
            "Review Can not request changes on your own pull request",
        )),
        Some("APPROVE") => Ok("APPROVED"),
        Some("REQUEST_CHANGES") => Ok("CHANGES_REQUESTED"),
        Some("COMMENT") => Ok("COMMENTED"),
        Some(_) => Err(Refusal::invalid("PullRequestReview", "event", "invalid")),
    }
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let state = state_for(ctx, ctx.text("event"))?;
    let body = ctx.text("body").unwrap_or_default().to_owned();
    check_body("PullRequestReview", &body)?;
    let inline = ctx
        .call
        .body
        .get("comments")
        .and_then(Value::as_array)
        .cloned();
    let inline = inline.unwrap_or_default();
    let needs_body = state == "CHANGES_REQUESTED" || state == "COMMENTED";
    if needs_body && body.is_empty() && inline.is_empty() {
        return Err(Refusal::invalid(
            "PullRequestReview",
            "body",
            "missing_field",
        ));
    }
    let commit = match ctx.text("commit_id") {
        Some(commit) => commit.to_owned(),
        None => find(ctx)?.1.head_sha.clone(),
    };
    let me = ctx.me()?;
    let now = ctx.call.now;
    let id = ctx.state.id();
    let mut comments = Vec::new();
    for comment in &inline {
        comments.push(add_comment(ctx, id, (comment, &commit))?);
    }
    let pull = pull_mut(ctx)?;
    pull.requested.retain(|asked| *asked != me);
    pull.reviews.push(Review {
        id,
        user: me,
        body,
        state: state.to_owned(),
        commit,
        submitted: (state != "PENDING").then_some(now),
    });
    if state != "PENDING" {
        tell(ctx, id, "submitted")?;
        for comment in comments {
            tell_comment(ctx, comment)?;
        }
    }
    ok(shown(ctx, id)?)
}

/// A single comment on a line: a review of its own that says nothing else.
pub(crate) fn create_comment(ctx: &mut Ctx<'_>) -> Reply {
    let commit = ctx
        .need_text("PullRequestReviewComment", "commit_id")?
        .to_owned();
    ctx.need_text("PullRequestReviewComment", "path")?;
    check_body(
        "PullRequestReviewComment",
        ctx.need_text("PullRequestReviewComment", "body")?,
    )?;
    find(ctx)?;
    let (id, me, now) = (ctx.state.id(), ctx.me()?, ctx.call.now);
    let call = ctx.call;
    let comment = add_comment(ctx, id, (&call.body, &commit))?;
    pull_mut(ctx)?.reviews.push(Review {
        id,
        user: me,
        body: String::new(),
        state: "COMMENTED".to_owned(),
        commit,
        submitted: Some(now),
    });
    tell(ctx, id, "submitted")?;
    tell_comment(ctx, comment)?;
    created(shown_comment(ctx, comment)?)
}

fn shown_comment(ctx: &Ctx<'_>, id: u64) -> Result<Value, Refusal> {
    let (issue, pull) = find(ctx)?;
    let comment = pull
        .review_comments
        .iter()
        .find(|comment| comment.id == id)
        .ok_or_else(Refusal::not_found)?;
    Ok(ctx.view().review_comment(ctx.repo()?, issue, comment))
}

fn tell_comment(ctx: &Ctx<'_>, id: u64) -> Result<(), Refusal> {
    let (issue, pull) = find(ctx)?;
    let comment = shown_comment(ctx, id)?;
    ctx.note(
        "review_comment",
        json!({"number": issue.number, "comment": id}),
    );
    let mut shown_pull = ctx.view().pull_simple(ctx.repo()?, issue, pull);
    if let Some(shown) = shown_pull.as_object_mut() {
        shown.remove("merged");
    }
    ctx.emit(
        "pull_request_review_comment",
        Some("created"),
        json!({"comment": comment, "pull_request": shown_pull}),
    );
    Ok(())
}

/// Adds a comment to a line; says its id.
fn add_comment(ctx: &mut Ctx<'_>, review: u64, what: (&Value, &str)) -> Result<u64, Refusal> {
    let (comment, commit) = what;
    let text = |name: &str| comment.get(name).and_then(Value::as_str);
    let (Some(path), Some(body)) = (text("path"), text("body")) else {
        return Err(Refusal::invalid(
            "PullRequestReviewComment",
            "path",
            "missing_field",
        ));
    };
    let one = ReviewComment {
        id: ctx.state.id(),
        review,
        user: ctx.me()?,
        body: body.to_owned(),
        path: path.to_owned(),
        line: comment
            .get("line")
            .or_else(|| comment.get("position"))
            .and_then(Value::as_u64),
        side: text("side").unwrap_or("RIGHT").to_owned(),
        commit: commit.to_owned(),
        in_reply_to: None,
        created: ctx.call.now,
        reactions: Vec::new(),
    };
    let id = one.id;
    pull_mut(ctx)?.review_comments.push(one);
    Ok(id)
}

fn tell(ctx: &Ctx<'_>, id: u64, action: &'static str) -> Result<(), Refusal> {
    let (issue, pull) = find(ctx)?;
    let mut review = shown(ctx, id)?;
    // The event writes the state small, the API large.
    let state = review["state"].as_str().unwrap_or_default().to_lowercase();
    ctx.note(
        "review",
        json!({"number": issue.number, "review": id, "state": state, "action": action}),
    );
    review["state"] = json!(state);
    let mut shown_pull = ctx.view().pull_simple(ctx.repo()?, issue, pull);
    if let Some(shown) = shown_pull.as_object_mut() {
        shown.remove("merged");
    }
    ctx.emit(
        "pull_request_review",
        Some(action),
        json!({"review": review, "pull_request": shown_pull}),
    );
    Ok(())
}

pub(crate) fn submit(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("review")?;
    let event = ctx.need_text("PullRequestReview", "event")?;
    let state = state_for(ctx, Some(event))?;
    let body = ctx.text("body").map(ToOwned::to_owned);
    let now = ctx.call.now;
    let me = ctx.me()?;
    let review = pull_mut(ctx)?
        .reviews
        .iter_mut()
        .find(|review| review.id == id && review.user == me)
        .ok_or_else(Refusal::not_found)?;
    if review.state != "PENDING" {
        return Err(Refusal::unprocessable("Review was already submitted"));
    }
    state.clone_into(&mut review.state);
    review.submitted = Some(now);
    if let Some(body) = body {
        review.body = body;
    }
    tell(ctx, id, "submitted")?;
    let lines = find(ctx)?.1.review_comments.iter();
    let lines: Vec<u64> = lines
        .filter(|one| one.review == id)
        .map(|one| one.id)
        .collect();
    for line in lines {
        tell_comment(ctx, line)?;
    }
    ok(shown(ctx, id)?)
}

pub(crate) fn dismiss(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("review")?;
    ctx.need_text("PullRequestReview", "message")?;
    let review = pull_mut(ctx)?
        .reviews
        .iter_mut()
        .find(|review| review.id == id)
        .ok_or_else(Refusal::not_found)?;
    if review.state != "APPROVED" && review.state != "CHANGES_REQUESTED" {
        return Err(Refusal::unprocessable(
            "Can not dismiss a commented or pending pull request review",
        ));
    }
    review.state = "DISMISSED".into();
    tell(ctx, id, "dismissed")?;
    ok(shown(ctx, id)?)
}

pub(crate) fn requested(ctx: &mut Ctx<'_>) -> Reply {
    let (_, pull) = find(ctx)?;
    let users: Vec<Value> = pull
        .requested
        .iter()
        .map(|id| ctx.view().user(*id))
        .collect();
    ok(json!({"users": users, "teams": []}))
}

pub(crate) fn request(ctx: &mut Ctx<'_>) -> Reply {
    let author = find(ctx)?.0.user;
    let mut ids = Vec::new();
    for login in strings(ctx.call.body.get("reviewers")) {
        let repo = ctx.repo()?;
        let id = ctx
            .state
            .account(&login)
            .map(|account| account.id)
            .filter(|id| *id == author || is_collaborator(ctx, *id, repo))
            .ok_or_else(|| {
                Refusal::unprocessable(
                    "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the repository.",
                )
            })?;
        if id == author {
            return Err(Refusal::unprocessable(
                "Review cannot be requested from pull request author.",
            ));
        }
        ids.push(id);
    }
    for id in ids {
        let pull = pull_mut(ctx)?;
        if pull.requested.contains(&id) {
            continue;
        }
        pull.requested.push(id);
        let reviewer = ctx.view().user(id);
        ctx.note("review.requested", json!({"login": ctx.state.login(id)}));
        emit_changed(
            ctx,
            "review_requested",
            json!({ "requested_reviewer": reviewer }),
        )?;
    }
    let (issue, pull) = find(ctx)?;
    created(ctx.view().pull_simple(ctx.repo()?, issue, pull))
}

fn is_collaborator(ctx: &Ctx<'_>, id: u64, repo: &crate::state::Repo) -> bool {
    repo.owner == id
        || repo.collaborators.contains_key(&id)
        || ctx.state.role(repo, Some(id)) > Role::Read
        || ctx
            .state
            .accounts
            .get(&repo.owner)
            .is_some_and(|owner| owner.members.contains_key(&id))
}

pub(crate) fn unrequest(ctx: &mut Ctx<'_>) -> Reply {
    for login in strings(ctx.call.body.get("reviewers")) {
        let Some(id) = ctx.state.account(&login).map(|account| account.id) else {
            continue;
        };
        pull_mut(ctx)?.requested.retain(|one| *one != id);
        let reviewer = ctx.view().user(id);
        emit_changed(
            ctx,
            "review_request_removed",
            json!({ "requested_reviewer": reviewer }),
        )?;
    }
    let (issue, pull) = find(ctx)?;
    ok(ctx.view().pull_simple(ctx.repo()?, issue, pull))
}
