//! What people do in stories, a line each; and what they see afterwards.

use crate::harness::World;
use serde_json::{Value, json};
use std::time::SystemTime;

impl World {
    /// A branch from what is on `main` now, with these files; says its head.
    pub(crate) async fn branch(
        &self,
        repo: &str,
        who: &str,
        branch: &str,
        files: &[(&str, &str)],
    ) -> String {
        self.pull(repo, "main").await;
        self.push(repo, who, branch, &format!("Change {branch}"), files)
            .await
    }

    /// A pull request from a new branch; says its number.
    pub(crate) async fn change(
        &self,
        repo: &str,
        who: &str,
        branch: &str,
        files: &[(&str, &str)],
    ) -> u64 {
        self.branch(repo, who, branch, files).await;
        self.open_pull(repo, who, branch, &format!("Change {branch}"))
            .await
    }

    /// The rules of `main` require this status check.
    pub(crate) async fn require(&self, repo: &str, check: Value) {
        let rules = json!([{"type": "required_status_checks", "parameters": {
            "required_status_checks": [check], "strict_required_status_checks_policy": false}}]);
        let path = format!("/_hub/rules/ada/{repo}/main");
        self.admin("PUT", &path, Some(rules)).await;
    }

    /// A pull request as the hub shows it.
    pub(crate) async fn pr(&self, repo: &str, number: u64) -> Value {
        let path = format!("/repos/ada/{repo}/pulls/{number}");
        self.api("ada", "GET", &path, None).await
    }

    /// Whether it is merged.
    pub(crate) async fn is_merged(&self, repo: &str, number: u64) -> bool {
        self.pr(repo, number).await["merged"] == true
    }

    /// Waits until it is merged.
    pub(crate) async fn until_merged(&self, repo: &str, number: u64) {
        self.until("the merge", async |t| {
            t.is_merged(repo, number).await.then_some(())
        })
        .await;
    }

    /// Comments of the bot that hold some words.
    pub(crate) async fn told(&self, repo: &str, number: u64, words: &str) -> usize {
        let said = self.bot_says(repo, number).await;
        said.iter().filter(|body| body.contains(words)).count()
    }

    /// The bot's status comment.
    pub(crate) async fn status(&self, repo: &str, number: u64) -> String {
        let said = self.bot_says(repo, number).await;
        let mut status = said
            .into_iter()
            .filter(|body| body.contains("this comment is kept up to date"));
        let first = status.next().unwrap_or_default();
        assert_eq!(status.next(), None, "there is one status comment");
        first
    }

    /// Approves or asks for changes in GitHub's review box.
    pub(crate) async fn review(&self, repo: &str, who: &str, number: u64, event: &str) {
        let review = json!({"event": event, "body": "I looked."});
        self.send_review(repo, who, number, review).await;
    }

    /// Submits a review with these parts.
    pub(crate) async fn send_review(&self, repo: &str, who: &str, number: u64, review: Value) {
        let path = format!("/repos/ada/{repo}/pulls/{number}/reviews");
        self.api(who, "POST", &path, Some(review)).await;
    }

    /// Comments on the first line of a changed file; says the comment's id.
    pub(crate) async fn say_on_line(&self, repo: &str, who: &str, number: u64, words: &str) -> u64 {
        let head = self.pr(repo, number).await["head"]["sha"].clone();
        let path = format!("/repos/ada/{repo}/pulls/{number}/comments");
        let body = json!({"path": "README.md", "line": 1, "commit_id": head, "body": words});
        let comment = self.api(who, "POST", &path, Some(body)).await;
        comment["id"].as_u64().expect("an id")
    }

    /// How many reactions something has; `of` is its path below the repository.
    pub(crate) async fn reactions(&self, repo: &str, of: &str) -> usize {
        let path = format!("/repos/ada/{repo}/{of}/reactions");
        let found = self.api("ada", "GET", &path, None).await;
        found.as_array().expect("a list").len()
    }

    /// Something of the hub goes wrong from now on.
    pub(crate) async fn fault(&self, rule: Value) {
        self.admin("POST", "/_hub/faults", Some(rule)).await;
    }

    /// Nothing goes wrong any more.
    pub(crate) async fn heal(&self) {
        self.admin("DELETE", "/_hub/faults", None).await;
    }

    /// GitHub's times have whole seconds: waits until what follows is dated later than what was; says the second.
    pub(crate) async fn next_second(&self) -> u64 {
        let last = now_s();
        self.until("the next second", async |_| {
            Some(now_s()).filter(|now| *now > last)
        })
        .await
    }
}

/// Units: seconds since 1970, UTC.
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
