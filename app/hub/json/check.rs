//! Check runs, check suites and commit statuses.

use super::View;
use crate::state::{CheckRun, CheckSuite, CommitStatus, Repo};
use crate::text::{node_id, time};
use serde_json::{Value, json};

impl View<'_> {
    pub(crate) fn check_run(&self, repo: &Repo, run: &CheckRun) -> Value {
        let api = self.repo_api(repo);
        let url = format!("{api}/check-runs/{}", run.id);
        let html = format!("{}/runs/{}", self.repo_html(repo), run.id);
        json!({
            "id": run.id, "node_id": node_id("CheckRun", run.id), "url": url,
            "html_url": html,
            "details_url": run.details_url.clone().unwrap_or_else(|| html.clone()),
            "external_id": run.external_id.clone().unwrap_or_default(),
            "name": run.name, "head_sha": run.head_sha,
            "status": run.status, "conclusion": run.conclusion,
            "started_at": run.started.map(time), "completed_at": run.completed.map(time),
            "output": {
                "title": run.title, "summary": run.summary, "text": run.text,
                "annotations_count": run.annotations.len(),
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": {"id": run.suite},
            "app": self.app_if(true),
            "pull_requests": self.pulls_at(repo, &run.head_sha),
        })
    }

    pub(crate) fn check_suite(&self, repo: &Repo, suite: &CheckSuite, head_commit: Value) -> Value {
        let api = self.repo_api(repo);
        let runs: Vec<&CheckRun> = repo
            .runs
            .values()
            .filter(|run| run.suite == suite.id)
            .collect();
        let (status, conclusion) = suite_state(&runs);
        json!({
            "id": suite.id, "node_id": node_id("CheckSuite", suite.id),
            "head_branch": suite.head_branch, "head_sha": suite.head_sha,
            "status": status, "conclusion": conclusion,
            "url": format!("{api}/check-suites/{}", suite.id),
            "before": suite.before, "after": suite.head_sha,
            "created_at": time(suite.created), "updated_at": time(suite.updated),
            "app": self.app_if(true),
            "head_commit": head_commit,
            "repository": self.minimal_repo(repo),
            "latest_check_runs_count": runs.len(),
            "check_runs_url": format!("{api}/check-suites/{}/check-runs", suite.id),
            "rerequestable": true, "runs_rerequestable": true,
            "pull_requests": self.pulls_at(repo, &suite.head_sha),
        })
    }

    /// A suite as `check_suite` payloads have it: the repository stands beside it.
    pub(crate) fn suite_told(&self, repo: &Repo, suite: &CheckSuite, head_commit: Value) -> Value {
        let mut body = self.check_suite(repo, suite, head_commit);
        if let Value::Object(fields) = &mut body {
            fields.remove("repository");
        }
        body
    }

    /// A suite as the run of a `check_run` payload holds it: without what only the suite's own payload says.
    pub(crate) fn suite_of_run(&self, repo: &Repo, suite: &CheckSuite) -> Value {
        let mut body = self.suite_told(repo, suite, Value::Null);
        if let Value::Object(fields) = &mut body {
            let own = [
                "head_commit",
                "latest_check_runs_count",
                "check_runs_url",
                "rerequestable",
                "runs_rerequestable",
            ];
            fields.retain(|name, _| !own.contains(&name.as_str()));
        }
        body
    }

    /// Open pull requests of the same repository with this head; none for forks.
    fn pulls_at(&self, repo: &Repo, sha: &str) -> Value {
        repo.open_pulls()
            .filter(|(_, pull)| pull.head_sha == sha && pull.head_repo == Some(repo.id))
            .map(|(issue, pull)| self.pull_minimal(repo, issue, pull))
            .collect()
    }

    pub(crate) fn status(&self, repo: &Repo, status: &CommitStatus) -> Value {
        let mut body = self.simple_status(repo, status);
        body["creator"] = self.user(status.creator);
        body
    }

    pub(crate) fn simple_status(&self, repo: &Repo, status: &CommitStatus) -> Value {
        json!({
            "id": status.id, "node_id": node_id("StatusContext", status.id),
            "url": format!("{}/statuses/{}", self.repo_api(repo), status.sha),
            "avatar_url": format!("{}/_hub/avatar/{}", self.urls.html, status.creator),
            "state": status.state, "description": status.description,
            "target_url": status.target_url, "context": status.context,
            "created_at": time(status.created), "updated_at": time(status.created),
        })
    }

    pub(crate) fn combined_status(&self, repo: &Repo, sha: &str) -> Value {
        let latest = latest_statuses(repo, sha);
        let state = if latest.is_empty() || latest.iter().any(|one| one.state == "pending") {
            "pending"
        } else {
            "success"
        };
        let state = if latest
            .iter()
            .any(|one| one.state == "failure" || one.state == "error")
        {
            "failure"
        } else {
            state
        };
        let statuses: Vec<Value> = latest
            .iter()
            .map(|status| self.simple_status(repo, status))
            .collect();
        json!({
            "state": state, "sha": sha, "total_count": statuses.len(), "statuses": statuses,
            "repository": self.minimal_repo(repo),
            "commit_url": format!("{}/commits/{sha}", self.repo_api(repo)),
            "url": format!("{}/commits/{sha}/status", self.repo_api(repo)),
        })
    }
}

/// The newest status of each context of a commit, newest first.
pub(crate) fn latest_statuses<'a>(repo: &'a Repo, sha: &str) -> Vec<&'a CommitStatus> {
    let mut latest: Vec<&CommitStatus> = Vec::new();
    for status in repo.statuses.iter().rev().filter(|one| one.sha == sha) {
        if latest.iter().all(|seen| seen.context != status.context) {
            latest.push(status);
        }
    }
    latest
}

/// Status and conclusion of a suite, from its runs.
pub(crate) fn suite_state(runs: &[&CheckRun]) -> (&'static str, Option<String>) {
    if runs.is_empty() {
        return ("queued", None);
    }
    if runs.iter().any(|run| run.status != "completed") {
        return ("in_progress", None);
    }
    let has = |wanted: &str| {
        runs.iter()
            .any(|run| run.conclusion.as_deref() == Some(wanted))
    };
    let worst = [
        "failure",
        "timed_out",
        "action_required",
        "cancelled",
        "stale",
        "success",
        "neutral",
        "skipped",
    ]
    .into_iter()
    .find(|wanted| has(wanted));
    ("completed", worst.map(ToOwned::to_owned))
}
