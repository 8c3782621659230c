//! Edits of an issue or pull request that a person asked for: what is so already is left alone.

use super::{labels, refused};
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::github::wire;
use bowsprit_core::effect::{Edit, EffectResult, Status};
use bowsprit_core::name::{Login, PrNumber, Slug};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Longest description of a status. Units: characters.
const DESCRIPTION_CHARS_MAX: usize = 140;

pub(super) async fn edit(
    place: &Place,
    pr: PrNumber,
    edit: &Edit,
) -> Result<EffectResult, ApiError> {
    match edit {
        Edit::Labels { add, remove } => {
            let managed = add | remove;
            labels::labels(place, pr, (add, &managed), None).await
        }
        Edit::Assignees { add, remove } => assignees(place, pr, add, remove).await,
        Edit::Reviewers { add, logins, teams } => reviewers(place, pr, *add, (logins, teams)).await,
        Edit::Milestone(number) => {
            let is_so = |issue: &wire::Issue| {
                issue.milestone.as_ref().map(|milestone| milestone.number) == *number
            };
            amend(place, pr, is_so, json!({"milestone": number})).await
        }
        Edit::Title(title) => {
            let is_so = |issue: &wire::Issue| issue.title == *title;
            amend(place, pr, is_so, json!({"title": title})).await
        }
        Edit::Closed { not_planned } => {
            let body = match not_planned {
                true => json!({"state": "closed", "state_reason": "not_planned"}),
                false => json!({"state": "closed"}),
            };
            amend(place, pr, |issue| issue.state == "closed", body).await
        }
        Edit::Open => {
            let body = json!({"state": "open"});
            amend(place, pr, |issue| issue.state == "open", body).await
        }
    }
}

async fn issue(place: &Place, pr: PrNumber) -> Result<wire::Issue, ApiError> {
    let found: Option<wire::Issue> = place.get(&format!("/issues/{pr}")).await?;
    found.ok_or(ApiError::NotFound)
}

async fn amend(
    place: &Place,
    pr: PrNumber,
    is_so: impl Fn(&wire::Issue) -> bool,
    body: Value,
) -> Result<EffectResult, ApiError> {
    if !is_so(&issue(place, pr).await?) {
        let path = format!("/issues/{pr}");
        place
            .write(Access::Writing, Method::PATCH, &path, Some(body))
            .await?;
    }
    Ok(EffectResult::Nothing)
}

/// To GitHub it is the same whether somebody was assigned before, or not: nothing is asked first.
async fn assignees(
    place: &Place,
    pr: PrNumber,
    add: &BTreeSet<Login>,
    remove: &BTreeSet<Login>,
) -> Result<EffectResult, ApiError> {
    let path = format!("/issues/{pr}/assignees");
    let mut now = Vec::new();
    for (method, people) in [(Method::DELETE, remove), (Method::POST, add)] {
        if !people.is_empty() {
            let body = json!({ "assignees": people });
            let answer = place
                .write(Access::Writing, method, &path, Some(body))
                .await?;
            now = answer.json::<wire::Issue>()?.assignees;
            let (memory, key) = (place.github().memory(), (place.repo().id, pr));
            memory.keep_assignees(key, wire::logins(&now));
        }
    }
    // Whom GitHub does not take, it leaves out without a word.
    let left: Vec<String> = add
        .iter()
        .filter(|login| !is_in(&now, login))
        .map(ToString::to_string)
        .collect();
    Ok(match left.as_slice() {
        [] => EffectResult::Nothing,
        [..] => refused(format!(
            "it cannot be assigned to {}: there are at most ten, and each must be able to write here, or have written on it",
            left.join(", ")
        )),
    })
}

async fn reviewers(
    place: &Place,
    pr: PrNumber,
    add: bool,
    (logins, teams): (&BTreeSet<Login>, &BTreeSet<Slug>),
) -> Result<EffectResult, ApiError> {
    let path = format!("/pulls/{pr}/requested_reviewers");
    let on: Option<wire::Requested> = place.get(&path).await?;
    let on = on.ok_or(ApiError::NotFound)?;
    let has_team = |slug: &Slug| on.teams.iter().any(|team| team.slug == slug.as_str());
    let logins: Vec<&Login> = logins
        .iter()
        .filter(|login| is_in(&on.users, login) != add)
        .collect();
    let teams: Vec<&Slug> = teams.iter().filter(|slug| has_team(slug) != add).collect();
    if logins.is_empty() && teams.is_empty() {
        return Ok(EffectResult::Nothing);
    }
    let method = if add { Method::POST } else { Method::DELETE };
    let mut body = json!({ "reviewers": logins });
    if !teams.is_empty() {
        body["team_reviewers"] = json!(teams);
    }
    place
        .write(Access::Writing, method, &path, Some(body))
        .await?;
    Ok(EffectResult::Nothing)
}

fn is_in(accounts: &[wire::Account], login: &Login) -> bool {
    let mut all = accounts.iter();
    all.any(|account| account.login.eq_ignore_ascii_case(login.as_str()))
}

/// The commit's newest status of this name is this one.
pub(super) async fn status(place: &Place, status: &Status) -> Result<EffectResult, ApiError> {
    let state = if status.is_success {
        "success"
    } else {
        "failure"
    };
    let description: String = status
        .description
        .chars()
        .take(DESCRIPTION_CHARS_MAX)
        .collect();
    let path = format!("/commits/{}/status?per_page=100", status.sha);
    let found: Vec<wire::Status> = place.list(&path, Some("statuses")).await?;
    let is_so = found.iter().any(|one| {
        one.context == status.context
            && one.state == state
            && one.description.as_deref() == Some(description.as_str())
    });
    if !is_so {
        let body = json!({"state": state, "context": status.context, "description": description});
        let path = format!("/statuses/{}", status.sha);
        place
            .write(Access::Writing, Method::POST, &path, Some(body))
            .await?;
    }
    Ok(EffectResult::Nothing)
}
