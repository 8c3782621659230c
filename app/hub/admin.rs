//! The admin API under `/_hub`, and the seeding of what the configuration names.
//!
//! It makes people, organisations, the App and its webhook, sets branch rules and faults, and
//! shows the logs.  It needs the admin token and is no part of what is imitated.

use crate::answer::{Answer, Body, Refusal, Reply, no_content, ok};
use crate::config::{AppConfig, InstallationConfig, OrgConfig, PersonConfig, WebhookConfig};
use crate::door::{API_ROOTS, Head};
use crate::events::Event;
use crate::faults::Rule;
use crate::hub::{Hub, lock};
use crate::jwt;
use crate::state::{Account, AccountKind, App, Hook, Installation, State};
use crate::text;
use anyhow::Context;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// What an App asks for when its configuration does not say.
const PERMISSIONS: [(&str, &str); 8] = [
    ("metadata", "read"),
    ("contents", "write"),
    ("pull_requests", "write"),
    ("issues", "write"),
    ("checks", "write"),
    ("statuses", "write"),
    ("deployments", "write"),
    ("members", "read"),
];

/// Puts everything the configuration names into the state; what is there already is updated.
pub(crate) fn seed(hub: &Hub, state: &mut State) -> anyhow::Result<()> {
    let fail = |refusal: Refusal| anyhow::anyhow!(refusal.message);
    for person in hub.config.people.clone() {
        add_person(state, person)
            .map_err(fail)
            .context("cannot add a person")?;
    }
    for org in hub.config.orgs.clone() {
        add_org(state, org)
            .map_err(fail)
            .context("cannot add an organisation")?;
    }
    if let Some(app) = hub.config.app.clone() {
        set_app(state, app)
            .map_err(fail)
            .context("cannot set the App")?;
    }
    if let Some(hook) = hub.config.webhook.clone() {
        set_hook(state, hook);
    }
    for installation in hub.config.installations.clone() {
        add_installation(hub, state, installation)
            .map_err(fail)
            .context("cannot add an installation")?;
    }
    Ok(())
}

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
        ("GET", "/_hub/pending") => ok(json!({"pending": hub.pending.load(Ordering::SeqCst)})),
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

/// Finds or makes an account.
fn account(
    state: &mut State,
    login: &str,
    id: Option<u64>,
    kind: AccountKind,
) -> Result<u64, Refusal> {
    let is_name = !login.is_empty()
        && login
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_[]".contains(&b));
    if !is_name || API_ROOTS.contains(&login) || login == "_hub" || login == "api" {
        return Err(Refusal::unprocessable(format!(
            "`{login}` cannot be a login"
        )));
    }
    if let Some(found) = state.account(login) {
        if found.kind != kind {
            return Err(Refusal::unprocessable(format!(
                "`{login}` is another kind of account"
            )));
        }
        return Ok(found.id);
    }
    let id = match id {
        Some(id) if state.accounts.contains_key(&id) => {
            return Err(Refusal::unprocessable(format!("id {id} is taken")));
        }
        Some(id) => id,
        None => state.id(),
    };
    state.accounts.insert(
        id,
        Account {
            id,
            login: login.to_owned(),
            name: None,
            kind,
            created: text::now(),
            members: BTreeMap::new(),
        },
    );
    Ok(id)
}

fn add_person(state: &mut State, person: PersonConfig) -> Result<Value, Refusal> {
    let id = account(state, &person.login, person.id, AccountKind::User)?;
    if let Some(account) = state.accounts.get_mut(&id) {
        account.name = person.name.or(account.name.take());
    }
    state.people_tokens.insert(person.token, id);
    Ok(json!({"id": id, "login": person.login}))
}

fn add_org(state: &mut State, org: OrgConfig) -> Result<Value, Refusal> {
    let id = account(state, &org.login, org.id, AccountKind::Organization)?;
    let mut members = BTreeMap::new();
    for (login, role) in org.members {
        let member = state
            .account(&login)
            .ok_or_else(|| Refusal::unprocessable(format!("there is no `{login}`")))?;
        members.insert(member.id, role);
    }
    if let Some(account) = state.accounts.get_mut(&id) {
        account.members.extend(members);
    }
    Ok(json!({"id": id, "login": org.login}))
}

fn set_app(state: &mut State, app: AppConfig) -> Result<Value, Refusal> {
    if jwt::public_key_der(&app.public_key).is_none() {
        return Err(Refusal::unprocessable(
            "the public key is neither an RSA PUBLIC KEY nor a PUBLIC KEY in PEM",
        ));
    }
    let bot = account(state, &format!("{}[bot]", app.slug), None, AccountKind::Bot)?;
    let owner = match &app.owner {
        Some(login) => state
            .account(login)
            .map(|account| account.id)
            .ok_or_else(|| Refusal::unprocessable(format!("there is no `{login}`")))?,
        None => state
            .accounts
            .values()
            .find(|account| account.kind != AccountKind::Bot)
            .map_or(bot, |account| account.id),
    };
    let mut permissions = app.permissions;
    if permissions.is_empty() {
        permissions = PERMISSIONS
            .iter()
            .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
            .collect();
    }
    permissions.insert("metadata".into(), "read".into());
    let created = state.app.as_ref().map_or_else(text::now, |old| old.created);
    state.app = Some(App {
        id: app.id,
        client_id: app.client_id.unwrap_or_else(|| format!("Iv23hub{}", app.id)),
        name: app.name.unwrap_or_else(|| app.slug.clone()),
        slug: app.slug,
        owner,
        bot,
        public_key: app.public_key,
        permissions,
        events: app.events,
        created,
    });
    Ok(json!({"id": app.id, "bot": bot}))
}

fn set_hook(state: &mut State, hook: WebhookConfig) -> Value {
    let id = match &state.hook {
        Some(old) => old.id,
        None => state.id(),
    };
    state.hook = Some(Hook {
        id,
        url: hook.url,
        secret: hook.secret,
    });
    json!({ "id": id })
}

fn add_installation(
    hub: &Hub,
    state: &mut State,
    wanted: InstallationConfig,
) -> Result<Value, Refusal> {
    let app = state
        .app
        .as_ref()
        .ok_or_else(|| Refusal::unprocessable("there is no App yet"))?;
    let mut permissions = wanted.permissions;
    if permissions.is_empty() {
        permissions = app.permissions.clone();
    }
    permissions.insert("metadata".into(), "read".into());
    let account = state
        .account(&wanted.account)
        .ok_or_else(|| Refusal::unprocessable(format!("there is no `{}`", wanted.account)))?
        .id;
    let mut chosen = BTreeSet::new();
    for name in &wanted.repositories {
        let (owner, repo) = name.split_once('/').unwrap_or((&wanted.account, name));
        let repo = state
            .repo_named(owner, repo)
            .ok_or_else(|| Refusal::unprocessable(format!("there is no `{name}`")))?;
        chosen.insert(repo.id);
    }
    let old = state
        .installations
        .values()
        .find(|old| old.account == account)
        .map(|old| (old.id, old.created));
    let id = match (old, wanted.id) {
        (Some((id, _)), _) | (None, Some(id)) => id,
        (None, None) => state.id(),
    };
    let installation = Installation {
        id,
        account,
        repos: (!chosen.is_empty()).then_some(chosen),
        permissions,
        created: old.map_or_else(text::now, |(_, created)| created),
        suspended: None,
    };
    let before: BTreeSet<u64> = reached(state, id);
    state.installations.insert(id, installation);
    let after = reached(state, id);
    if old.is_none() {
        announce(hub, state, id, ("created", &after));
    } else {
        announce_repos(hub, state, id, ("added", &after.difference(&before).copied().collect()));
        announce_repos(hub, state, id, ("removed", &before.difference(&after).copied().collect()));
    }
    Ok(json!({ "id": id }))
}

fn remove_installation(hub: &Hub, state: &mut State, id: &str) -> Result<Value, Refusal> {
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    let repos = reached(state, id);
    if !state.installations.contains_key(&id) {
        return Err(Refusal::not_found());
    }
    announce(hub, state, id, ("deleted", &repos));
    state.installations.remove(&id);
    state.tokens.retain(|_, token| token.installation != id);
    Ok(json!({ "id": id }))
}

fn reached(state: &State, id: u64) -> BTreeSet<u64> {
    state.installations.get(&id).map_or_else(BTreeSet::new, |installation| {
        state
            .repos
            .values()
            .filter(|repo| installation.reaches(repo))
            .map(|repo| repo.id)
            .collect()
    })
}

fn short_repos(state: &State, ids: &BTreeSet<u64>) -> Vec<Value> {
    ids.iter()
        .filter_map(|id| state.repos.get(id))
        .map(|repo| {
            json!({
                "id": repo.id, "node_id": text::node_id("Repository", repo.id),
                "name": repo.name, "full_name": state.full_name(repo), "private": repo.private,
            })
        })
        .collect()
}

/// Tells the App about an installation's life.
pub(crate) fn announce(hub: &Hub, state: &State, id: u64, what: (&'static str, &BTreeSet<u64>)) {
    let Some(installation) = state.installations.get(&id) else {
        return;
    };
    let payload = json!({
        "installation": hub.view(state).installation(installation),
        "repositories": short_repos(state, what.1),
        "requester": null,
    });
    hub.emit(
        state,
        Event {
            name: "installation",
            action: Some(what.0),
            repo: None,
            sender: installation.account,
            payload,
        },
    );
}

/// Tells the App that its installation reaches other repositories than before.
pub(crate) fn announce_repos(
    hub: &Hub,
    state: &State,
    id: u64,
    what: (&'static str, &BTreeSet<u64>),
) {
    let Some(installation) = state.installations.get(&id) else {
        return;
    };
    if what.1.is_empty() {
        return;
    }
    let (added, removed) = if what.0 == "added" {
        (short_repos(state, what.1), Vec::new())
    } else {
        (Vec::new(), short_repos(state, what.1))
    };
    let payload = json!({
        "installation": hub.view(state).installation(installation),
        "repository_selection": if installation.repos.is_some() { "selected" } else { "all" },
        "repositories_added": added, "repositories_removed": removed, "requester": null,
    });
    hub.emit(
        state,
        Event {
            name: "installation_repositories",
            action: Some(what.0),
            repo: None,
            sender: installation.account,
            payload,
        },
    );
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
