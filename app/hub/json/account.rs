//! Accounts, the App and its installations.

use super::View;
use crate::state::{Account, App, Installation, Reaction};
use crate::text::{node_id, percent_encode, time};
use serde_json::{Map, Value, json};

impl View<'_> {
    /// A simple user; accounts that are gone show as `ghost`.
    pub(crate) fn user(&self, id: u64) -> Value {
        match self.state.accounts.get(&id) {
            Some(account) => self.account(account),
            None => self.account(&Account {
                id: 10_137,
                login: "ghost".into(),
                name: None,
                kind: crate::state::AccountKind::User,
                created: 0,
                members: std::collections::BTreeMap::new(),
                teams: std::collections::BTreeMap::new(),
            }),
        }
    }

    pub(crate) fn account(&self, account: &Account) -> Value {
        let login = &account.login;
        let api = format!("{}/users/{}", self.urls.api, percent_encode(login));
        let html = match login.strip_suffix("[bot]") {
            Some(slug) => format!("{}/apps/{slug}", self.urls.html),
            None => format!("{}/{login}", self.urls.html),
        };
        json!({
            "login": login,
            "id": account.id,
            "node_id": node_id(account.kind.name(), account.id),
            "avatar_url": format!("{}/_hub/avatar/{}", self.urls.html, account.id),
            "gravatar_id": "",
            "url": api,
            "html_url": html,
            "followers_url": format!("{api}/followers"),
            "following_url": format!("{api}/following{{/other_user}}"),
            "gists_url": format!("{api}/gists{{/gist_id}}"),
            "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{api}/subscriptions"),
            "organizations_url": format!("{api}/orgs"),
            "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events{{/privacy}}"),
            "received_events_url": format!("{api}/received_events"),
            "type": account.kind.name(),
            "user_view_type": "public",
            "site_admin": false,
        })
    }

    /// The longer form that `GET /user` and `GET /users/{login}` give.
    pub(crate) fn full_account(&self, account: &Account) -> Value {
        let mut body = self.account(account);
        let repos = self
            .state
            .repos
            .values()
            .filter(|repo| repo.owner == account.id);
        let (private, public): (Vec<_>, Vec<_>) = repos.partition(|repo| repo.private);
        extend(
            &mut body,
            json!({
                "name": account.name, "company": null, "blog": "", "location": null,
                "email": null, "hireable": null, "bio": null, "twitter_username": null,
                "public_repos": public.len(), "public_gists": 0, "followers": 0, "following": 0,
                "created_at": time(account.created), "updated_at": time(account.created),
                "private_gists": 0, "total_private_repos": private.len(),
                "owned_private_repos": private.len(), "disk_usage": 0, "collaborators": 0,
                "two_factor_authentication": true,
            }),
        );
        body
    }

    /// The short form in webhook payloads.
    pub(crate) fn organization(&self, account: &Account) -> Value {
        let api = format!("{}/orgs/{}", self.urls.api, account.login);
        json!({
            "login": account.login, "id": account.id,
            "node_id": node_id("Organization", account.id),
            "url": api,
            "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events"),
            "hooks_url": format!("{api}/hooks"),
            "issues_url": format!("{api}/issues"),
            "members_url": format!("{api}/members{{/member}}"),
            "public_members_url": format!("{api}/public_members{{/member}}"),
            "avatar_url": format!("{}/_hub/avatar/{}", self.urls.html, account.id),
            "description": account.name,
        })
    }

    /// The longer form that `GET /orgs/{org}` gives.
    pub(crate) fn full_organization(&self, account: &Account) -> Value {
        let mut body = self.organization(account);
        let public = self
            .state
            .repos
            .values()
            .filter(|repo| repo.owner == account.id && !repo.private)
            .count();
        extend(
            &mut body,
            json!({
                "html_url": format!("{}/{}", self.urls.html, account.login),
                "name": account.name.as_ref().unwrap_or(&account.login), "type": "Organization",
                "has_organization_projects": false, "has_repository_projects": false,
                "public_repos": public, "public_gists": 0, "followers": 0, "following": 0,
                "created_at": time(account.created), "updated_at": time(account.created),
                "archived_at": null,
            }),
        );
        body
    }

    /// The App as check runs and other things of its making show it.
    pub(crate) fn app(&self, app: &App) -> Value {
        json!({
            "id": app.id, "client_id": app.client_id, "slug": app.slug,
            "node_id": node_id("App", app.id),
            "owner": self.user(app.owner),
            "name": app.name, "description": "",
            "external_url": format!("{}/apps/{}", self.urls.html, app.slug),
            "html_url": format!("{}/apps/{}", self.urls.html, app.slug),
            "created_at": time(app.created), "updated_at": time(app.created),
            "permissions": app.permissions, "events": app.events,
        })
    }

    /// The App's own answer, which alone counts its installations.
    pub(crate) fn full_app(&self, app: &App) -> Value {
        let mut body = self.app(app);
        body["installations_count"] = json!(self.state.installations.len());
        body
    }

    /// The App, or null when the object was not made by it.
    pub(crate) fn app_if(&self, via_app: bool) -> Value {
        match (&self.state.app, via_app) {
            (Some(app), true) => self.app(app),
            (Some(_) | None, _) => Value::Null,
        }
    }

    pub(crate) fn installation(&self, installation: &Installation) -> Value {
        let api = &self.urls.api;
        let id = installation.id;
        let (app_id, slug, client, events) = match &self.state.app {
            Some(app) => (
                app.id,
                app.slug.as_str(),
                app.client_id.as_str(),
                app.events.clone(),
            ),
            None => (0, "", "", Vec::new()),
        };
        let kind = self
            .state
            .accounts
            .get(&installation.account)
            .map_or("User", |account| account.kind.name());
        json!({
            "id": id, "client_id": client,
            "account": self.user(installation.account),
            "repository_selection": if installation.repos.is_some() { "selected" } else { "all" },
            "access_tokens_url": format!("{api}/app/installations/{id}/access_tokens"),
            "repositories_url": format!("{api}/installation/repositories"),
            "html_url": format!("{}/settings/installations/{id}", self.urls.html),
            "app_id": app_id, "app_slug": slug,
            "target_id": installation.account, "target_type": kind,
            "permissions": installation.permissions, "events": events,
            "created_at": time(installation.created),
            "updated_at": time(installation.created),
            "single_file_name": null, "has_multiple_single_files": false,
            "single_file_paths": [],
            "suspended_by": null, "suspended_at": installation.suspended.map(time),
        })
    }

    pub(crate) fn reaction(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id, "node_id": node_id("Reaction", reaction.id),
            "user": self.user(reaction.user), "content": reaction.content,
            "created_at": time(reaction.created),
        })
    }

    /// Counts per kind of reaction.
    pub(crate) fn reactions(&self, reactions: &[Reaction], url: &str) -> Value {
        let mut counts = Map::new();
        for content in [
            "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes",
        ] {
            let count = reactions
                .iter()
                .filter(|one| one.content == content)
                .count();
            counts.insert(content.into(), json!(count));
        }
        counts.insert("url".into(), json!(format!("{url}/reactions")));
        counts.insert("total_count".into(), json!(reactions.len()));
        Value::Object(counts)
    }
}

/// Adds the fields of one object to another.
pub(super) fn extend(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}
