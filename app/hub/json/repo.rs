//! Repositories, branches' rules, labels and collaborators.

use super::View;
use super::account::extend;
use crate::state::{AccountKind, Issue, Label, Milestone, Repo, Role};
use crate::text::{node_id, percent_encode, time};
use serde_json::{Value, json};

/// Addresses that hang directly under the repository's own, field and ending.
const REPO_URLS: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

impl View<'_> {
    /// Address of a repository in the API.
    pub(crate) fn repo_api(&self, repo: &Repo) -> String {
        format!("{}/repos/{}", self.urls.api, self.state.full_name(repo))
    }

    /// Address of a repository's page.
    pub(crate) fn repo_html(&self, repo: &Repo) -> String {
        format!("{}/{}", self.urls.html, self.state.full_name(repo))
    }

    /// A repository as it stands inside other objects.
    pub(crate) fn minimal_repo(&self, repo: &Repo) -> Value {
        let api = self.repo_api(repo);
        let mut body = json!({
            "id": repo.id, "node_id": node_id("Repository", repo.id),
            "name": repo.name, "full_name": self.state.full_name(repo),
            "private": repo.private, "owner": self.user(repo.owner),
            "html_url": self.repo_html(repo), "description": repo.description,
            "fork": repo.fork_of.is_some(), "url": api,
        });
        for (field, ending) in REPO_URLS {
            body[*field] = json!(format!("{api}{ending}"));
        }
        body
    }

    /// A whole repository, as in its own answer and in webhook payloads.
    pub(crate) fn repo(&self, repo: &Repo) -> Value {
        let html = self.repo_html(repo);
        let open = repo.issues.values().filter(|issue| issue.is_open).count();
        let forks = self
            .state
            .repos
            .values()
            .filter(|other| other.fork_of == Some(repo.id))
            .count();
        let mut body = self.minimal_repo(repo);
        extend(
            &mut body,
            json!({
                "clone_url": format!("{html}.git"), "git_url": format!("{html}.git"),
                "ssh_url": format!("{html}.git"), "svn_url": html,
                "mirror_url": null, "homepage": repo.homepage, "language": null, "license": null,
                "default_branch": repo.default_branch,
                "forks": forks, "forks_count": forks,
                "open_issues": open, "open_issues_count": open,
                "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
                "size": 0,
                "archived": repo.archived, "disabled": false,
                "visibility": if repo.private { "private" } else { "public" },
                "is_template": false, "topics": [], "allow_forking": true,
                "has_issues": true, "has_projects": false, "has_wiki": false,
                "has_pages": false, "has_discussions": false, "has_downloads": false,
                "web_commit_signoff_required": false,
                "created_at": time(repo.created), "updated_at": time(repo.updated),
                "pushed_at": time(repo.pushed),
            }),
        );
        body
    }

    /// A repository among those of its owner.
    pub(crate) fn listed_repo(&self, repo: &Repo, role: Role) -> Value {
        let mut body = self.repo(repo);
        extend(
            &mut body,
            json!({"delete_branch_on_merge": repo.delete_branch_on_merge, "permissions": permissions(role)}),
        );
        body
    }

    /// A repository in a list of the caller's: with settings and the caller's permissions.
    pub(crate) fn own_repo(&self, repo: &Repo, role: Role) -> Value {
        let mut body = self.listed_repo(repo, role);
        extend(
            &mut body,
            json!({
                "allow_merge_commit": true, "allow_squash_merge": true,
                "allow_rebase_merge": true, "allow_auto_merge": false,
                "allow_update_branch": true,
            }),
        );
        body
    }

    /// The answer of `GET /repos/{owner}/{repo}`: with counts, and where it comes from.
    pub(crate) fn full_repo(&self, repo: &Repo, role: Role) -> Value {
        let mut body = self.own_repo(repo, role);
        body["network_count"] = body["forks_count"].clone();
        body["subscribers_count"] = json!(0);
        if let Some(owner) = self.state.accounts.get(&repo.owner)
            && owner.kind == AccountKind::Organization
        {
            body["organization"] = self.account(owner);
        }
        if let Some(parent) = repo.fork_of.and_then(|id| self.state.repos.get(&id)) {
            body["parent"] = self.repo(parent);
            body["source"] = self.repo(parent);
        }
        body
    }

    pub(crate) fn label(&self, repo: &Repo, label: &Label) -> Value {
        json!({
            "id": label.id, "node_id": node_id("Label", label.id),
            "url": format!("{}/labels/{}", self.repo_api(repo), percent_encode(&label.name)),
            "name": label.name, "description": label.description,
            "color": label.color, "default": false,
        })
    }

    pub(crate) fn labels(&self, repo: &Repo, ids: &[u64]) -> Value {
        ids.iter()
            .filter_map(|id| repo.labels.iter().find(|label| label.id == *id))
            .map(|label| self.label(repo, label))
            .collect()
    }

    pub(crate) fn milestone_of(&self, repo: &Repo, issue: &Issue) -> Value {
        let found = issue.milestone.and_then(|number| repo.milestone(number));
        found.map_or(Value::Null, |one| self.milestone(repo, one))
    }

    pub(crate) fn milestone(&self, repo: &Repo, one: &Milestone) -> Value {
        let url = format!("{}/milestones/{}", self.repo_api(repo), one.number);
        let of = repo
            .issues
            .values()
            .filter(|i| i.milestone == Some(one.number));
        let (open, closed): (Vec<&Issue>, Vec<&Issue>) = of.partition(|issue| issue.is_open);
        json!({
            "id": one.id, "node_id": node_id("Milestone", one.id), "url": url,
            "html_url": format!("{}/milestone/{}", self.repo_html(repo), one.number),
            "labels_url": format!("{url}/labels"), "number": one.number,
            "title": one.title, "description": one.description,
            "creator": self.user(one.creator),
            "open_issues": open.len(), "closed_issues": closed.len(),
            "state": crate::json::issue::state_name(one.is_open),
            "created_at": time(one.created), "updated_at": time(one.created),
            "closed_at": null, "due_on": null,
        })
    }

    pub(crate) fn collaborator(&self, account: u64, role: Role) -> Value {
        let mut body = self.user(account);
        extend(
            &mut body,
            json!({"permissions": permissions(role), "role_name": role.name()}),
        );
        body
    }
}

fn permissions(role: Role) -> Value {
    json!({
        "admin": role >= Role::Admin, "maintain": role >= Role::Maintain,
        "push": role >= Role::Write, "triage": role >= Role::Triage,
        "pull": role >= Role::Read,
    })
}
