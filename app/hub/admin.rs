//! The admin API under `/_hub`: makes what the configuration may also name, sets branch rules
//! and faults, and shows the logs.
//!
//! It needs the admin token and is no part of what is imitated.

use crate::answer::{Answer, Body, Refusal, Reply, no_content, ok};
use crate::api::graphql;
use crate::door::Head;
use crate::faults::Rule;
use crate::hub::{Hub, lock};
use crate::seed::{add_installation, add_org, add_person, remove_installation, set_app, set_hook};
use crate::state::State;
use crate::text;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Answers one call of the admin API.
pub(crate) fn handle(hub: &Hub, head: &Head, body: &[u8]) -> Reply {
    if let Some(id) = head.path.strip_prefix("/_hub/avatar/") {
        return Ok(avatar(id));
    }
    if head.path == "/_hub/ready" {
        return ok(json!({"ready": true}));
    }
    let given = head
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if given.strip_prefix("Bearer ") != Some(hub.config.admin_token.as_str()) {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "the admin API needs the admin token",
        ));
    }
    let query = text::parse_query(&head.query);
    let after = query
        .iter()
        .find(|(key, _)| key == "after")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    match (head.method.as_str(), head.path.as_str()) {
        ("GET", "/_hub/calls") => ok(json!(lock(&hub.journal).calls(after))),
        ("GET", "/_hub/unknown") => ok(json!(lock(&hub.journal).unknown())),
        ("GET", "/_hub/writes") => ok(json!(lock(&hub.journal).writes(after))),
        ("GET", "/_hub/deliveries") => deliveries(hub, after),
        ("GET", "/_hub/pending") => ok(json!({"pending": lock(&hub.waiting).len()})),
        ("GET", "/_hub/faults") => ok(json!(lock(&hub.faults).rules())),
        ("POST", "/_hub/faults") => add_faults(hub, body),
        ("DELETE", "/_hub/faults") => {
            lock(&hub.faults).remove(None);
            no_content()
        }
        ("DELETE", path) if path.starts_with("/_hub/faults/") => {
            let id = path.trim_start_matches("/_hub/faults/");
            lock(&hub.faults).remove(Some(id.parse().map_err(|_| Refusal::not_found())?));
            no_content()
        }
        (method, path) => change(hub, method, path, body),
    }
}

fn change(hub: &Hub, method: &str, path: &str, body: &[u8]) -> Reply {
    let mut state = lock(&hub.state);
    let made = match (method, path) {
        ("POST", "/_hub/people") => add_person(&mut state, parse(body)?)?,
        ("POST", "/_hub/orgs") => add_org(&mut state, parse(body)?)?,
        ("PUT", "/_hub/app") => set_app(&mut state, parse(body)?)?,
        ("PUT", "/_hub/webhook") => set_hook(&mut state, parse(body)?),
        ("POST", "/_hub/installations") => add_installation(hub, &mut state, parse(body)?)?,
        ("DELETE", path) if path.starts_with("/_hub/installations/") => {
            let id = path.trim_start_matches("/_hub/installations/");
            remove_installation(hub, &mut state, id)?
        }
        ("PUT", path) if path.starts_with("/_hub/rules/") => {
            let which = path.trim_start_matches("/_hub/rules/");
            set_rules(&mut state, which, parse(body)?)?
        }
        ("POST", path) if path.starts_with("/_hub/queue/") => {
            let which = path.trim_start_matches("/_hub/queue/");
            queue_tested(hub, &mut state, which, parse(body)?)?
        }
        _ => return Err(Refusal::not_found()),
    };
    hub.touch(&state);
    ok(made)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // The admin API is for developers, so it may say what is wrong.
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

fn deliveries(hub: &Hub, after: u64) -> Reply {
    let log = lock(&hub.deliveries);
    let found: Vec<Value> = log
        .entries
        .iter()
        .filter(|entry| entry.id > after)
        .map(|entry| {
            let payload: Value = serde_json::from_str(&entry.payload).unwrap_or_default();
            json!({
                "id": entry.id, "guid": entry.guid, "event": entry.event,
                "action": entry.action, "status": entry.status,
                "status_code": entry.status_code, "redelivery": entry.redelivery,
                "headers": entry.request_headers, "payload": payload,
            })
        })
        .collect();
    ok(json!(found))
}

fn add_faults(hub: &Hub, body: &[u8]) -> Reply {
    let rule: Rule = parse(body)?;
    let id = lock(&hub.faults).add(rule);
    // Stale reads need the state of this moment to look back to.
    hub.touch(&lock(&hub.state));
    ok(json!({ "id": id }))
}

fn avatar(id: &str) -> Answer {
    let number: u32 = id.parse().unwrap_or(0);
    let hue = number.wrapping_mul(47) % 360;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\"><rect width=\"40\" height=\"40\" fill=\"hsl({hue} 60% 45%)\"/><circle cx=\"20\" cy=\"15\" r=\"7\" fill=\"#fff\"/><path d=\"M6 38a14 14 0 0 1 28 0z\" fill=\"#fff\"/></svg>"
    );
    Answer {
        status: StatusCode::OK,
        headers: vec![("cache-control", "max-age=86400".into())],
        body: Body::Bytes("image/svg+xml", svg.into_bytes()),
    }
}

/// Ends the tests of a queued pull request, `{owner}/{repo}/{number}`: green merges it, red takes it out.
fn queue_tested(
    hub: &Hub,
    state: &mut State,
    which: &str,
    is_green: bool,
) -> Result<Value, Refusal> {
    let mut parts = which.splitn(3, '/');
    let (owner, name, number) = (parts.next(), parts.next(), parts.next());
    let (Some(owner), Some(name), Some(Ok(number))) = (owner, name, number.map(str::parse::<u64>))
    else {
        return Err(Refusal::not_found());
    };
    let found = state.repo_named(owner, name);
    let repo = found.ok_or_else(Refusal::not_found)?.id;
    graphql::tested(hub, state, (repo, number), is_green)?;
    Ok(json!({}))
}

/// Sets the rules of one branch: `{owner}/{repo}/{branch}` and the list the API will show.
fn set_rules(state: &mut State, which: &str, rules: Vec<Value>) -> Result<Value, Refusal> {
    let mut parts = which.splitn(3, '/');
    let (owner, name, branch) = (parts.next(), parts.next(), parts.next());
    let (Some(owner), Some(name), Some(branch)) = (owner, name, branch) else {
        return Err(Refusal::not_found());
    };
    let id = state
        .repo_named(owner, name)
        .ok_or_else(Refusal::not_found)?
        .id;
    let count = rules.len();
    if let Some(repo) = state.repos.get_mut(&id) {
        repo.rules.insert(branch.to_owned(), rules);
    }
    Ok(json!({ "rules": count }))
}
