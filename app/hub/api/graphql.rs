//! The few questions of the GraphQL API that stand in for its merge queue.

use super::merge;
use super::{Call, Ctx};
use crate::answer::{Refusal, Reply, no_content, ok};
use crate::auth::Actor;
use crate::follow;
use crate::hub::Hub;
use crate::refs::Push;
use crate::state::State;
use crate::text::{self, node_id};
use http::Method;
use serde_json::{Value, json};

pub(crate) fn answer(ctx: &mut Ctx<'_>) -> Reply {
    let query = ctx.text("query").unwrap_or_default();
    let variables = ctx.call.body["variables"].clone();
    let done = match query {
        query if query.contains("enqueuePullRequest(") => enqueue(ctx, &variables),
        query if query.contains("dequeuePullRequest(") => dequeue(ctx, &variables)?,
        query if query.contains("mergeQueueEntry") => find(ctx, &variables),
        _ => Err("the stand-in does not know this query".to_owned()),
    };
    ok(match done {
        Ok(data) => json!({ "data": data }),
        Err(words) => {
            json!({"data": null, "errors": [{"type": "UNPROCESSABLE", "message": words}]})
        }
    })
}

/// Repository and number of a pull request, among those that the token reaches.
fn named(ctx: &Ctx<'_>, id: &Value) -> Option<(u64, u64)> {
    let Actor::Installation { token, .. } = &ctx.call.actor else {
        return None;
    };
    let mut all = ctx.state.repos.values().flat_map(|repo| {
        let open = repo.open_pulls();
        open.map(move |(issue, pull)| (repo, issue.number, pull.id))
    });
    let found = all.find(|(_, _, pull)| json!(node_id("PullRequest", *pull)) == *id)?;
    let is_reached = crate::auth::token_reaches(ctx.state, token, found.0);
    (is_reached && token.grants(("contents", "write"))).then_some((found.0.id, found.1))
}

fn enqueue(ctx: &mut Ctx<'_>, variables: &Value) -> Result<Value, String> {
    let nothing = || "Could not resolve to a node".to_owned();
    let (repo_id, number) = named(ctx, &variables["id"]).ok_or_else(nothing)?;
    let repo = ctx.state.repos.get(&repo_id).ok_or_else(nothing)?;
    let issue = repo.issues.get(&number).ok_or_else(nothing)?;
    let pull = issue.pull.as_ref().ok_or_else(nothing)?;
    if !merge::has_queue(repo, &pull.base_ref) {
        return Err("Merge queues are not enabled for this branch".to_owned());
    }
    if variables["head"] != json!(pull.head_sha) {
        return Err("Head sha didn't match the expected one".to_owned());
    }
    if let Some(pull) = follow::pull_mut(ctx.state, repo_id, number) {
        pull.is_queued = true;
    }
    Ok(json!({"enqueuePullRequest": {"clientMutationId": null}}))
}

fn dequeue(ctx: &mut Ctx<'_>, variables: &Value) -> Result<Result<Value, String>, Refusal> {
    let Some(which) = named(ctx, &variables["id"]) else {
        return Ok(Err("Could not resolve to a node".to_owned()));
    };
    let push = Push {
        hub: ctx.hub,
        repo: which.0,
        pusher: ctx.me()?,
    };
    follow::dequeue(push, ctx.state, which, "MANUAL")?;
    Ok(Ok(
        json!({"dequeuePullRequest": {"clientMutationId": null}}),
    ))
}

fn find(ctx: &Ctx<'_>, variables: &Value) -> Result<Value, String> {
    let text = |key: &str| variables[key].as_str().unwrap_or_default();
    let found = ctx.state.repo_named(text("owner"), text("name"));
    let number = variables["number"].as_u64().unwrap_or_default();
    let issue = found.and_then(|repo| Some((repo, repo.issues.get(&number)?)));
    let Some((repo, issue)) = issue else {
        return Err("Could not resolve to a PullRequest".to_owned());
    };
    let Some(pull) = &issue.pull else {
        return Err("Could not resolve to a PullRequest".to_owned());
    };
    let state = match (&pull.merged, issue.is_open) {
        (Some(_), _) => "MERGED",
        (None, true) => "OPEN",
        (None, false) => "CLOSED",
    };
    let before = repo.open_pulls().filter(|(other, one)| {
        one.is_queued && one.base_ref == pull.base_ref && other.number < number
    });
    let position = before.count() + 1;
    let entry = pull
        .is_queued
        .then(|| json!({"position": position, "state": "AWAITING_CHECKS"}));
    Ok(json!({"repository": {"pullRequest": {
        "id": node_id("PullRequest", pull.id), "state": state,
        "headRefOid": pull.head_sha, "mergeQueueEntry": entry,
    }}}))
}

/// What GitHub does once the tests of a queued pull request are over: it merges it, or takes it out.
pub(crate) fn tested(hub: &Hub, state: &mut State, which: (u64, u64), is_green: bool) -> Reply {
    let (repo_id, number) = which;
    let owner = state
        .repos
        .get(&repo_id)
        .ok_or_else(Refusal::not_found)?
        .owner;
    let is_queued = follow::pull_mut(state, repo_id, number).is_some_and(|pull| pull.is_queued);
    if !is_queued {
        return Err(Refusal::not_found());
    }
    if !is_green {
        let push = Push {
            hub,
            repo: repo_id,
            pusher: owner,
        };
        follow::dequeue(push, state, which, "CI_FAILURE")?;
        return no_content();
    }
    let call = Call {
        method: Method::PUT,
        address: String::new(),
        params: vec![("number", number.to_string())],
        query: Vec::new(),
        body: json!({}),
        accept: String::new(),
        actor: Actor::Person(owner),
        now: text::now(),
    };
    merge::now(&mut Ctx {
        hub,
        state,
        call: &call,
        repo_id,
    })
}
