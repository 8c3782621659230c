//! People, organisations, the App, its webhook and its installations: making and changing them.
//!
//! Used for what the configuration names and by the admin API; doing the same again changes
//! nothing.

use crate::answer::Refusal;
use crate::config::{AppConfig, InstallationConfig, OrgConfig, PersonConfig, WebhookConfig};
use crate::door::API_ROOTS;
use crate::events::Event;
use crate::hub::Hub;
use crate::jwt;
use crate::state::{Account, AccountKind, App, Hook, Installation, State};
use crate::text;
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
    if !is_name || API_ROOTS.contains(&login) || ["_hub", "_page", "api"].contains(&login) {
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
            teams: BTreeMap::new(),
        },
    );
    Ok(id)
}

pub(crate) fn add_person(state: &mut State, person: PersonConfig) -> Result<Value, Refusal> {
    let id = account(state, &person.login, person.id, AccountKind::User)?;
    if let Some(account) = state.accounts.get_mut(&id) {
        account.name = person.name.or(account.name.take());
    }
    state.people_tokens.insert(person.token, id);
    Ok(json!({"id": id, "login": person.login}))
}

pub(crate) fn add_org(state: &mut State, org: OrgConfig) -> Result<Value, Refusal> {
    let id = account(state, &org.login, org.id, AccountKind::Organization)?;
    let mut members = BTreeMap::new();
    for (login, role) in org.members {
        let member = state
            .account(&login)
            .ok_or_else(|| Refusal::unprocessable(format!("there is no `{login}`")))?;
        members.insert(member.id, role);
    }
    let mut teams = BTreeMap::new();
    for (team, logins) in org.teams {
        let mut people = BTreeSet::new();
        for login in logins {
            let person = state
                .account(&login)
                .ok_or_else(|| Refusal::unprocessable(format!("there is no `{login}`")))?;
            people.insert(person.id);
        }
        teams.insert(team, people);
    }
    if let Some(account) = state.accounts.get_mut(&id) {
        account.members.extend(members);
        account.teams.extend(teams);
    }
    Ok(json!({"id": id, "login": org.login}))
}

pub(crate) fn set_app(state: &mut State, app: AppConfig) -> Result<Value, Refusal> {
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
        client_id: app
            .client_id
            .unwrap_or_else(|| format!("Iv23hub{}", app.id)),
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

pub(crate) fn set_hook(state: &mut State, hook: WebhookConfig) -> Value {
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

pub(crate) fn add_installation(
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
        announce_repos(
            hub,
            state,
            id,
            ("added", &after.difference(&before).copied().collect()),
        );
        announce_repos(
            hub,
            state,
            id,
            ("removed", &before.difference(&after).copied().collect()),
        );
    }
    Ok(json!({ "id": id }))
}

pub(crate) fn remove_installation(
    hub: &Hub,
    state: &mut State,
    id: &str,
) -> Result<Value, Refusal> {
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
    state
        .installations
        .get(&id)
        .map_or_else(BTreeSet::new, |installation| {
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
