//! Issues, and what issues and pull requests have in common.

use super::{Ctx, check_body};
use crate::answer::{Answer, Refusal, Reply, created, ok};
use crate::auth::Actor;
use crate::state::{Issue, Role};
use http::StatusCode;
use serde_json::{Value, json};

const TITLE_MAX_CHARS: usize = 256;

/// The issue or pull request named in the path.
pub(crate) fn issue<'c>(ctx: &'c Ctx<'_>) -> Result<&'c Issue, Refusal> {
    let number = ctx.number("number")?;
    let issue = ctx
        .repo()?
        .issues
        .get(&number)
        .ok_or_else(Refusal::not_found)?;
    may_touch(ctx, issue)?;
    Ok(issue)
}

pub(crate) fn issue_mut<'c>(ctx: &'c mut Ctx<'_>) -> Result<&'c mut Issue, Refusal> {
    let number = ctx.number("number")?;
    ctx.repo_mut()?
        .issues
        .get_mut(&number)
        .ok_or_else(Refusal::not_found)
}

/// The permission for pull requests does not reach plain issues.
pub(crate) fn may_touch(ctx: &Ctx<'_>, issue: &Issue) -> Result<(), Refusal> {
    let Actor::Installation { token, .. } = &ctx.call.actor else {
        return Ok(());
    };
    let level = if ctx.call.method == http::Method::GET {
        "read"
    } else {
        "write"
    };
    if issue.pull.is_none() && !token.grants(("issues", level)) {
        return Err(crate::auth::not_accessible());
    }
    Ok(())
}

/// Sends `issues` or `pull_request` with an action, whichever the issue is.
pub(crate) fn emit_changed(
    ctx: &Ctx<'_>,
    action: &'static str,
    mut extra: Value,
) -> Result<(), Refusal> {
    let issue = issue(ctx)?;
    if issue.pull.is_some() {
        extra["number"] = json!(issue.number);
        extra["pull_request"] =
            super::pulls::pull_json(ctx.hub, ctx.state, ctx.repo_id, issue.number)?;
        ctx.emit("pull_request", Some(action), extra);
    } else {
        extra["issue"] = ctx.view().issue_told(ctx.repo()?, issue);
        ctx.emit("issues", Some(action), extra);
    }
    Ok(())
}

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let wanted = ctx.query("state").unwrap_or("open");
    let labels: Vec<&str> = ctx
        .query("labels")
        .map(|text| text.split(',').filter(|name| !name.is_empty()).collect())
        .unwrap_or_default();
    let since = ctx.query("since").and_then(crate::text::parse_time);
    let creator = ctx.query("creator");
    let has_label = |issue: &Issue, name: &str| {
        repo.label_named(name)
            .is_some_and(|label| issue.labels.contains(&label.id))
    };
    let mut found: Vec<&Issue> = repo
        .issues
        .values()
        .filter(|issue| wanted == "all" || issue.is_open == (wanted == "open"))
        .filter(|issue| labels.iter().all(|name| has_label(issue, name)))
        .filter(|issue| since.is_none_or(|since| issue.updated >= since))
        .filter(|issue| creator.is_none_or(|login| ctx.state.login(issue.user) == login))
        .filter(|issue| may_touch(ctx, issue).is_ok())
        .collect();
    if ctx.query("sort") == Some("updated") {
        found.sort_by_key(|issue| (issue.updated, issue.number));
    }
    if ctx.query("direction") != Some("asc") {
        found.reverse();
    }
    ctx.paged(found, |issue| ctx.view().issue(repo, issue))
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    ok(ctx.view().issue(ctx.repo()?, issue(ctx)?))
}

/// Refuses a title that is missing or too long.
pub(crate) fn check_title(resource: &str, title: &str) -> Result<(), Refusal> {
    if title.trim().is_empty() {
        return Err(Refusal::invalid(resource, "title", "missing_field"));
    }
    if title.chars().count() > TITLE_MAX_CHARS {
        return Err(Refusal::custom(
            resource,
            "title",
            format!("title is too long (maximum is {TITLE_MAX_CHARS} characters)"),
        ));
    }
    Ok(())
}

/// A fresh open issue with the next number.
pub(crate) fn new_issue(ctx: &mut Ctx<'_>, title: &str) -> Result<Issue, Refusal> {
    let user = ctx.me()?;
    let id = ctx.state.id();
    let (now, via_app) = (ctx.call.now, ctx.via_app());
    let body = ctx.text("body").map(ToOwned::to_owned);
    let repo = ctx.repo_mut()?;
    repo.last_number += 1;
    Ok(Issue {
        id,
        number: repo.last_number,
        title: title.to_owned(),
        body,
        user,
        via_app,
        labels: Vec::new(),
        assignees: Vec::new(),
        milestone: None,
        is_open: true,
        state_reason: None,
        locked: false,
        created: now,
        updated: now,
        closed: None,
        closed_by: None,
        reactions: Vec::new(),
        pull: None,
    })
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let title = ctx.text("title").unwrap_or_default();
    check_title("Issue", title)?;
    check_body("Issue", ctx.text("body").unwrap_or_default())?;
    let labels: Vec<String> = strings(ctx.call.body.get("labels"));
    let ids = super::labels::ensure(ctx, &labels)?;
    let mut issue = new_issue(ctx, title)?;
    issue.labels = ids;
    let number = issue.number;
    ctx.repo_mut()?.issues.insert(number, issue.clone());
    ctx.note(
        "issue.created",
        json!({"number": number, "title": title, "body": issue.body}),
    );
    let body = ctx.view().issue(ctx.repo()?, &issue);
    let told = ctx.view().issue_told(ctx.repo()?, &issue);
    ctx.emit("issues", Some("opened"), json!({ "issue": told }));
    created(body)
}

/// The texts in a list.
pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

pub(crate) fn update(ctx: &mut Ctx<'_>) -> Reply {
    edit(ctx)?;
    get(ctx)
}

/// Does what `PATCH` on an issue and on a pull request have in common.
pub(crate) fn edit(ctx: &mut Ctx<'_>) -> Result<(), Refusal> {
    let old = issue(ctx)?.clone();
    let me = ctx.me()?;
    let resource = if old.pull.is_some() {
        "PullRequest"
    } else {
        "Issue"
    };
    let is_mine = old.user == me;
    if !is_mine && !ctx.via_app() && ctx.call.actor.role(ctx.state, ctx.repo()?) < Role::Triage {
        return Err(Refusal::forbidden("Must have push access to Repository."));
    }
    let (title, body, state) = (ctx.text("title"), ctx.text("body"), ctx.text("state"));
    if let Some(title) = title {
        check_title(resource, title)?;
    }
    check_body(resource, body.unwrap_or_default())?;
    if state.is_some_and(|state| state != "open" && state != "closed") {
        return Err(Refusal::invalid(resource, "state", "invalid"));
    }
    let is_merged = old.pull.as_ref().is_some_and(|pull| pull.merged.is_some());
    if state == Some("open") && is_merged {
        return Err(Refusal::custom(
            resource,
            "state",
            "state cannot be changed. The pull request was merged.",
        ));
    }
    let milestone = milestone(ctx)?;
    let reason = ctx.text("state_reason").map(ToOwned::to_owned);
    if let Some(names) = ctx.call.body.get("labels") {
        super::labels::replace(ctx, &strings(Some(names)))?;
    }
    let now = ctx.call.now;
    let issue = issue_mut(ctx)?;
    issue.milestone = milestone.unwrap_or(issue.milestone);
    let mut changes = json!({});
    if let Some(title) = title.filter(|title| *title != issue.title) {
        changes["title"] = json!({"from": issue.title});
        title.clone_into(&mut issue.title);
    }
    if let Some(body) = body.filter(|body| issue.body.as_deref() != Some(*body)) {
        changes["body"] = json!({"from": issue.body});
        issue.body = Some(body.to_owned());
    }
    issue.updated = now;
    if changes
        .as_object()
        .is_some_and(|changes| !changes.is_empty())
    {
        ctx.note(
            "issue.edited",
            json!({"number": old.number, "changes": changes}),
        );
        emit_changed(ctx, "edited", json!({ "changes": changes }))?;
    }
    match (old.is_open, state) {
        (true, Some("closed")) => set_open(ctx, false, reason),
        (false, Some("open")) => set_open(ctx, true, reason),
        (true | false, Some(_) | None) => Ok(()),
    }
}

/// The milestone that a call names, `null` for none.
fn milestone(ctx: &Ctx<'_>) -> Result<Option<Option<u64>>, Refusal> {
    let Some(said) = ctx.call.body.get("milestone") else {
        return Ok(None);
    };
    if said.is_null() {
        return Ok(Some(None));
    }
    let number = said.as_u64();
    let known = number.filter(|number| {
        ctx.repo()
            .is_ok_and(|repo| repo.milestone(*number).is_some())
    });
    match known {
        Some(number) => Ok(Some(Some(number))),
        None => Err(Refusal::invalid("Issue", "milestone", "invalid")),
    }
}

fn set_open(ctx: &mut Ctx<'_>, is_open: bool, reason: Option<String>) -> Result<(), Refusal> {
    let me = ctx.me()?;
    let now = ctx.call.now;
    let issue = issue_mut(ctx)?;
    issue.is_open = is_open;
    issue.closed = (!is_open).then_some(now);
    issue.closed_by = (!is_open).then_some(me);
    issue.state_reason = match (is_open, issue.pull.is_some()) {
        (true, false) => Some("reopened".into()),
        (false, false) => Some(reason.unwrap_or_else(|| "completed".into())),
        (true | false, true) => None,
    };
    let number = issue.number;
    let action = if is_open { "reopened" } else { "closed" };
    ctx.note(
        if is_open {
            "issue.reopened"
        } else {
            "issue.closed"
        },
        json!({ "number": number }),
    );
    if let (Some(pull), true) = (&mut issue_mut(ctx)?.pull, is_open) {
        pull.mergeable = crate::state::Mergeable::Unknown;
    }
    emit_changed(ctx, action, json!({}))
}

pub(crate) fn assign(ctx: &mut Ctx<'_>) -> Reply {
    change_assignees(ctx, "assigned")
}

pub(crate) fn unassign(ctx: &mut Ctx<'_>) -> Reply {
    change_assignees(ctx, "unassigned")
}

fn change_assignees(ctx: &mut Ctx<'_>, action: &'static str) -> Reply {
    issue(ctx)?;
    for login in strings(ctx.call.body.get("assignees")) {
        // Names that cannot be assigned are passed over without a word.
        let Some(id) = ctx.state.account(&login).map(|account| account.id) else {
            continue;
        };
        if ctx.state.role(ctx.repo()?, Some(id)) < Role::Read {
            continue;
        }
        let issue = issue_mut(ctx)?;
        let had = issue.assignees.contains(&id);
        if had == (action == "assigned") {
            continue;
        }
        if had {
            issue.assignees.retain(|one| *one != id);
        } else {
            issue.assignees.push(id);
        }
        let number = issue.number;
        ctx.note(action, json!({"number": number, "login": login}));
        let assignee = ctx.view().user(id);
        emit_changed(ctx, action, json!({ "assignee": assignee }))?;
    }
    let body = ctx.view().issue(ctx.repo()?, issue(ctx)?);
    Ok(Answer::json(
        if action == "assigned" {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        },
        body,
    ))
}
