//! Issues, their comments and their events' common parts.

use super::View;
use crate::state::{Comment, Issue, Repo, Role};
use crate::text::{node_id, time};
use serde_json::{Value, json};

impl View<'_> {
    /// An issue, or the issue side of a pull request.
    pub(crate) fn issue(&self, repo: &Repo, issue: &Issue) -> Value {
        let api = self.repo_api(repo);
        let number = issue.number;
        let url = format!("{api}/issues/{number}");
        let comments = repo
            .comments
            .values()
            .filter(|comment| comment.issue == number)
            .count();
        let assignees: Vec<Value> = issue.assignees.iter().map(|id| self.user(*id)).collect();
        let mut body = json!({
            "id": issue.id, "node_id": node_id("Issue", issue.id), "url": url,
            "repository_url": api,
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"),
            "html_url": self.issue_html(repo, issue),
            "number": number, "title": issue.title, "body": issue.body,
            "state": state_name(issue.is_open), "state_reason": issue.state_reason,
            "user": self.user(issue.user), "labels": self.labels(repo, &issue.labels),
            "assignee": assignees.first(), "assignees": assignees,
            "milestone": self.milestone_of(repo, issue), "locked": issue.locked, "active_lock_reason": null,
            "comments": comments,
            "created_at": time(issue.created), "updated_at": time(issue.updated),
            "closed_at": issue.closed.map(time),
            "closed_by": issue.closed_by.map(|id| self.user(id)),
            "author_association": self.association(repo, issue.user),
            "reactions": self.reactions(&issue.reactions, &url),
            "performed_via_github_app": self.app_if(issue.via_app),
        });
        if let Some(pull) = &issue.pull {
            let html = self.issue_html(repo, issue);
            body["draft"] = json!(pull.draft);
            body["pull_request"] = json!({
                "url": format!("{api}/pulls/{number}"),
                "html_url": html,
                "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"),
                "merged_at": pull.merged.as_ref().map(|merged| time(merged.at)),
            });
        }
        body
    }

    /// An issue as payloads have it: without the one who closed it.
    pub(crate) fn issue_told(&self, repo: &Repo, issue: &Issue) -> Value {
        let mut body = self.issue(repo, issue);
        if let Value::Object(fields) = &mut body {
            fields.remove("closed_by");
        }
        body
    }

    pub(crate) fn issue_html(&self, repo: &Repo, issue: &Issue) -> String {
        let kind = if issue.pull.is_some() {
            "pull"
        } else {
            "issues"
        };
        format!("{}/{kind}/{}", self.repo_html(repo), issue.number)
    }

    pub(crate) fn comment(&self, repo: &Repo, comment: &Comment) -> Value {
        let api = self.repo_api(repo);
        let url = format!("{api}/issues/comments/{}", comment.id);
        let page = repo.issues.get(&comment.issue).map_or_else(
            || self.repo_html(repo),
            |issue| self.issue_html(repo, issue),
        );
        json!({
            "id": comment.id, "node_id": node_id("IssueComment", comment.id), "url": url,
            "html_url": format!("{page}#issuecomment-{}", comment.id),
            "issue_url": format!("{api}/issues/{}", comment.issue),
            "user": self.user(comment.user), "body": comment.body,
            "created_at": time(comment.created), "updated_at": time(comment.updated),
            "author_association": self.association(repo, comment.user),
            "reactions": self.reactions(&comment.reactions, &url),
            "performed_via_github_app": self.app_if(comment.via_app),
        })
    }

    /// How an author stands to a repository, as far as everybody may see it.
    pub(crate) fn association(&self, repo: &Repo, account: u64) -> &'static str {
        if repo.owner == account {
            return "OWNER";
        }
        let is_member = self
            .state
            .accounts
            .get(&repo.owner)
            .is_some_and(|owner| owner.members.contains_key(&account));
        if is_member {
            return "MEMBER";
        }
        let is_collaborator = repo
            .collaborators
            .get(&account)
            .and_then(|name| Role::parse(name))
            .is_some_and(|role| role > Role::None);
        if is_collaborator {
            return "COLLABORATOR";
        }
        let has_merged = repo.issues.values().any(|issue| {
            issue.user == account
                && issue
                    .pull
                    .as_ref()
                    .is_some_and(|pull| pull.merged.is_some())
        });
        if has_merged { "CONTRIBUTOR" } else { "NONE" }
    }
}

/// `open` or `closed`.
pub(crate) fn state_name(is_open: bool) -> &'static str {
    if is_open { "open" } else { "closed" }
}
