//! Pull requests, reviews and review comments.

use super::View;
use super::account::extend;
use super::issue::state_name;
use crate::state::{Issue, Mergeable, Pull, Repo, Review, ReviewComment};
use crate::text::{node_id, time};
use serde_json::{Value, json};

/// What has to be counted in git for the long form of a pull request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PullSize {
    pub(crate) commits: usize,
    pub(crate) additions: usize,
    pub(crate) deletions: usize,
    pub(crate) changed_files: usize,
}

impl View<'_> {
    /// A pull request as lists show it.
    pub(crate) fn pull_simple(&self, repo: &Repo, issue: &Issue, pull: &Pull) -> Value {
        let api = self.repo_api(repo);
        let number = issue.number;
        let url = format!("{api}/pulls/{number}");
        let html = self.issue_html(repo, issue);
        let issue_url = format!("{api}/issues/{number}");
        let statuses = format!("{api}/statuses/{}", pull.head_sha);
        let assignees: Vec<Value> = issue.assignees.iter().map(|id| self.user(*id)).collect();
        let requested: Vec<Value> = pull.requested.iter().map(|id| self.user(*id)).collect();
        let merge_sha = match &pull.merged {
            Some(merged) => Some(merged.sha.clone()),
            None => pull.test_merge.clone(),
        };
        json!({
            "id": pull.id, "node_id": node_id("PullRequest", pull.id), "url": url,
            "html_url": html, "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"), "issue_url": issue_url,
            "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
            "comments_url": format!("{issue_url}/comments"),
            "statuses_url": statuses,
            "number": number, "state": state_name(issue.is_open), "locked": issue.locked,
            "active_lock_reason": null,
            "title": issue.title, "body": issue.body, "user": self.user(issue.user),
            "labels": self.labels(repo, &issue.labels), "milestone": self.milestone_of(repo, issue),
            "assignee": assignees.first(), "assignees": assignees,
            "requested_reviewers": requested, "requested_teams": [],
            "created_at": time(issue.created), "updated_at": time(issue.updated),
            "closed_at": issue.closed.map(time),
            "merged_at": pull.merged.as_ref().map(|merged| time(merged.at)),
            "merge_commit_sha": merge_sha,
            "draft": pull.draft, "auto_merge": null,
            "author_association": self.association(repo, issue.user),
            "head": self.side(
                pull.head_owner,
                pull.head_repo.and_then(|id| self.state.repos.get(&id)),
                (&pull.head_ref, &pull.head_sha),
            ),
            "base": self.side(repo.owner, Some(repo), (&pull.base_ref, &pull.base_sha)),
            "_links": {
                "self": {"href": url}, "html": {"href": html}, "issue": {"href": issue_url},
                "comments": {"href": format!("{issue_url}/comments")},
                "review_comments": {"href": format!("{url}/comments")},
                "review_comment": {"href": format!("{api}/pulls/comments{{/number}}")},
                "commits": {"href": format!("{url}/commits")},
                "statuses": {"href": statuses},
            },
        })
    }

    /// The whole pull request; `state_word` is its `mergeable_state`.
    pub(crate) fn pull(
        &self,
        repo: &Repo,
        issue: &Issue,
        size: PullSize,
        state_word: &str,
    ) -> Value {
        let Some(pull) = &issue.pull else {
            return Value::Null;
        };
        let comments = repo
            .comments
            .values()
            .filter(|comment| comment.issue == issue.number)
            .count();
        let mergeable = match pull.mergeable {
            Mergeable::Unknown | Mergeable::Asked => None,
            Mergeable::Yes => Some(true),
            Mergeable::No => Some(false),
        };
        let mut body = self.pull_simple(repo, issue, pull);
        extend(
            &mut body,
            json!({
                "merged": pull.merged.is_some(),
                "merged_by": pull.merged.as_ref().map(|merged| self.user(merged.by)),
                "mergeable": mergeable,
                "rebaseable": mergeable,
                "mergeable_state": state_word,
                "comments": comments, "review_comments": pull.review_comments.len(),
                "maintainer_can_modify": pull.maintainer_can_modify,
                "commits": size.commits, "additions": size.additions,
                "deletions": size.deletions, "changed_files": size.changed_files,
            }),
        );
        body
    }

    /// The short form inside check runs and suites.
    pub(crate) fn pull_minimal(&self, repo: &Repo, issue: &Issue, pull: &Pull) -> Value {
        let side = |reference: &str, sha: &str, repo: &Repo| {
            json!({
                "ref": reference, "sha": sha,
                "repo": {"id": repo.id, "name": repo.name, "url": self.repo_api(repo)},
            })
        };
        json!({
            "id": pull.id, "number": issue.number,
            "url": format!("{}/pulls/{}", self.repo_api(repo), issue.number),
            "head": side(&pull.head_ref, &pull.head_sha, repo),
            "base": side(&pull.base_ref, &pull.base_sha, repo),
        })
    }

    fn side(&self, owner: u64, repo: Option<&Repo>, at: (&str, &str)) -> Value {
        let (reference, sha) = at;
        json!({
            "label": format!("{}:{reference}", self.state.login(owner)),
            "ref": reference, "sha": sha, "user": self.user(owner),
            "repo": repo.map(|repo| self.repo(repo)),
        })
    }

    pub(crate) fn review(&self, repo: &Repo, issue: &Issue, review: &Review) -> Value {
        let html = format!(
            "{}#pullrequestreview-{}",
            self.issue_html(repo, issue),
            review.id
        );
        let pull_url = format!("{}/pulls/{}", self.repo_api(repo), issue.number);
        let mut body = json!({
            "id": review.id, "node_id": node_id("PullRequestReview", review.id),
            "user": self.user(review.user), "body": review.body, "state": review.state,
            "html_url": html, "pull_request_url": pull_url, "commit_id": review.commit,
            "author_association": self.association(repo, review.user),
            "_links": {"html": {"href": html}, "pull_request": {"href": pull_url}},
        });
        // A review that waits has no such field yet.
        if let Some(at) = review.submitted {
            body["submitted_at"] = json!(time(at));
        }
        body
    }

    pub(crate) fn review_comment(&self, repo: &Repo, issue: &Issue, one: &ReviewComment) -> Value {
        let api = self.repo_api(repo);
        let url = format!("{api}/pulls/comments/{}", one.id);
        let html = format!("{}#discussion_r{}", self.issue_html(repo, issue), one.id);
        let pull_url = format!("{api}/pulls/{}", issue.number);
        let mut body = json!({
            "id": one.id, "node_id": node_id("PullRequestReviewComment", one.id), "url": url,
            "pull_request_review_id": one.review, "diff_hunk": "",
            "path": one.path, "line": one.line, "original_line": one.line,
            "start_line": null, "original_start_line": null, "start_side": null,
            "side": one.side, "position": one.line, "original_position": one.line,
            "commit_id": one.commit, "original_commit_id": one.commit,
            "subject_type": if one.line.is_some() { "line" } else { "file" },
            "user": self.user(one.user), "body": one.body,
            "created_at": time(one.created), "updated_at": time(one.created),
            "html_url": html, "pull_request_url": pull_url,
            "author_association": self.association(repo, one.user),
            "reactions": self.reactions(&one.reactions, &url),
            "_links": {
                "self": {"href": url}, "html": {"href": html}, "pull_request": {"href": pull_url},
            },
        });
        if let Some(parent) = one.in_reply_to {
            body["in_reply_to_id"] = json!(parent);
        }
        body
    }
}
