//! The queue: one after the other into a branch, in order, each as it wants to be merged.

use crate::harness::{World, run_test};
use serde_json::{Value, json};

const REPO: &str = "tiny-service";

impl World {
    /// Puts labels on an issue or pull request.
    pub(crate) async fn put(&self, number: u64, labels: &[&str]) {
        let path = format!("/repos/ada/{REPO}/issues/{number}/labels");
        self.api("ada", "POST", &path, Some(json!({"labels": labels})))
            .await;
    }

    /// All that a pull request needs of people.
    pub(crate) async fn agree(&self, number: u64) {
        self.say(REPO, "grace", number, "/lgtm").await;
        self.say(REPO, "ada", number, "/approve").await;
    }

    /// Opens an issue; says its number.
    pub(crate) async fn labelled(&self, title: &str, labels: &[&str]) -> u64 {
        let path = format!("/repos/ada/{REPO}/issues");
        let body = json!({"title": title, "labels": labels});
        let issue = self.api("ada", "POST", &path, Some(body)).await;
        issue["number"].as_u64().expect("a number")
    }

    /// The commit that a pull request landed as.
    pub(crate) async fn landed(&self, number: u64) -> Value {
        self.until_merged(REPO, number).await;
        let sha = self.pr(REPO, number).await["merge_commit_sha"].clone();
        let path = format!(
            "/repos/ada/{REPO}/commits/{}",
            sha.as_str().expect("a commit")
        );
        self.api("ada", "GET", &path, None).await
    }
}

fn parents(commit: &Value) -> usize {
    commit["parents"].as_array().expect("parents").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_method_lands_what_was_judged() {
    run_test(async |t| {
        for method in ["merge", "squash", "rebase"] {
            let file = format!("{method}.md");
            let pr = t.change(REPO, "linus", method, &[(&file, "one\n")]).await;
            t.push(REPO, "linus", method, "Second", &[(&file, "two\n")])
                .await;
            t.settle().await;
            t.put(pr, &[&format!("merge/{method}")]).await;
            t.agree(pr).await;
            let commit = t.landed(pr).await;
            let words = commit["commit"]["message"].as_str().expect("words");
            let (count, first) = match method {
                "merge" => (2, format!("Merge #{pr}: Change merge")),
                "squash" => (1, format!("Change squash (#{pr})")),
                _ => (1, "Second".to_owned()),
            };
            assert_eq!(parents(&commit), count, "{method}");
            assert_eq!(words.lines().next(), Some(first.as_str()));
            assert_eq!(
                words.contains("Approved-by: ada"),
                method != "rebase",
                "{words}"
            );
            t.settle().await;
            t.pull(REPO, "main").await;
            assert_eq!(t.read(REPO, &file), "two\n");
            let alarms = t.told(REPO, pr, "holds other files than").await;
            assert_eq!(alarms, 0, "{method}");
        }
        let both = t
            .change(REPO, "linus", "both", &[("both.md", "both\n")])
            .await;
        t.put(both, &["merge/squash", "merge/rebase"]).await;
        t.agree(both).await;
        t.settle().await;
        let status = t.status(REPO, both).await;
        assert!(status.contains("take off all but one"), "{status}");
        assert!(!t.is_merged(REPO, both).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_branch_lands_nothing_and_then_the_urgent_one_first() {
    run_test(async |t| {
        t.labelled("Elsewhere branch:release", &["merge-blocker"])
            .await;
        let blocker = t
            .labelled("All is red branch:main", &["merge-blocker"])
            .await;
        let mut waiting = Vec::new();
        for name in ["a", "b", "c"] {
            let file = format!("{name}.md");
            let pr = t.change(REPO, "linus", name, &[(&file, "new\n")]).await;
            t.settle().await;
            t.agree(pr).await;
            t.settle().await;
            let status = t.status(REPO, pr).await;
            assert!(
                status.contains(&format!("{blocker} (All is red branch:main)")),
                "{status}"
            );
            waiting.push(pr);
        }
        t.put(waiting[2], &["priority/critical-urgent"]).await;
        t.settle().await;
        let status = t.status(REPO, waiting[0]).await;
        assert!(!t.is_merged(REPO, waiting[0]).await, "{status}");
        let path = format!("/repos/ada/{REPO}/issues/{blocker}");
        t.api("ada", "PATCH", &path, Some(json!({"state": "closed"})))
            .await;
        for pr in &waiting {
            t.until_merged(REPO, *pr).await;
        }
        let path = format!("/repos/ada/{REPO}/commits?sha=main&per_page=20");
        let commits = t.api("ada", "GET", &path, None).await;
        let subjects = commits
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| {
                let words = one["commit"]["message"].as_str()?;
                words
                    .strip_prefix("Merge #")?
                    .split_once(':')?
                    .0
                    .parse()
                    .ok()
            });
        let mut order: Vec<u64> = subjects.collect();
        order.reverse();
        assert_eq!(order, [waiting[2], waiting[0], waiting[1]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_with_a_queue_of_its_own_is_merged_into_by_it() {
    run_test(async |t| {
        let rules = json!([{"type": "merge_queue", "parameters": {
            "merge_method": "MERGE", "grouping_strategy": "ALLGREEN",
            "check_response_timeout_minutes": 60, "max_entries_to_build": 5,
            "max_entries_to_merge": 5, "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 5,
        }}]);
        t.admin("PUT", "/_hub/rules/ada/tiny-service/main", Some(rules))
            .await;
        let pr = t.change(REPO, "linus", "a", &[("a.md", "new\n")]).await;
        let other = t.change(REPO, "linus", "b", &[("b.md", "new\n")]).await;
        for number in [pr, other] {
            t.settle().await;
            t.agree(number).await;
        }
        t.settle().await;
        let status = t.status(REPO, pr).await;
        assert!(status.contains("at place 1: awaiting checks"), "{status}");
        let status = t.status(REPO, other).await;
        assert!(status.contains("at place 2"), "{status}");
        t.say(REPO, "rita", pr, "/hold").await;
        t.settle().await;
        let status = t.status(REPO, pr).await;
        assert!(!status.contains("at place"), "{status}");
        t.say(REPO, "rita", pr, "/unhold").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await, "it is for GitHub to merge");
        let tested = |number: u64| format!("/_hub/queue/ada/{REPO}/{number}");
        t.admin("POST", &tested(pr), Some(json!(true))).await;
        assert_eq!(parents(&t.landed(pr).await), 2);
        t.settle().await;
        assert_eq!(t.told(REPO, pr, "holds other files than").await, 0);
        t.admin("POST", &tested(other), Some(json!(false))).await;
        t.until("GitHub's word", async |t| {
            let status = t.status(REPO, other).await;
            status.contains("GitHub took it out again").then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_said_while_github_is_away_takes_the_merge_back() {
    run_test(async |t| {
        let pr = t.change(REPO, "linus", "a", &[("a.md", "new\n")]).await;
        t.settle().await;
        let away = json!({"kind": "status", "code": 502, "count": 1, "match": {"method": "PUT", "path_contains": "/merge"}});
        t.fault(away).await;
        t.agree(pr).await;
        t.until("a merge that fails", async |t| {
            let counts = t.bot().rooms.store.counts().await.ok()?;
            let calls = t.admin("GET", "/_hub/calls", None).await;
            let tried = calls.as_array()?.iter().any(|call| {
                call["method"] == "PUT" && call["path"].as_str().is_some_and(|path| path.ends_with("/merge"))
            });
            (tried && counts.effects_dead == 0).then_some(())
        })
        .await;
        t.say(REPO, "rita", pr, "/hold").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await, "it was held before it merged");
        t.say(REPO, "rita", pr, "/unhold").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_calls_blocked_is_tried_or_waits_for_github() {
    run_test(async |t| {
        let rules = json!([{"type": "pull_request", "parameters": {
            "dismiss_stale_reviews_on_push": false, "require_code_owner_review": false,
            "require_last_push_approval": false, "required_approving_review_count": 1,
            "required_review_thread_resolution": false,
        }}]);
        t.admin("PUT", "/_hub/rules/ada/tiny-service/main", Some(rules))
            .await;
        let tried = t.change(REPO, "linus", "a", &[("a.md", "new\n")]).await;
        t.agree(tried).await;
        t.settle().await;
        let status = t.status(REPO, tried).await;
        assert!(status.contains("GitHub calls it blocked"), "{status}");
        assert!(status.contains("approving review is required"), "{status}");
        t.contract_with(REPO, "chatops: {github_blocked: block}\n")
            .await;
        let waits = t.change(REPO, "linus", "b", &[("b.md", "new\n")]).await;
        t.agree(waits).await;
        t.settle().await;
        let status = t.status(REPO, waits).await;
        assert!(
            status.contains("a rule of the branch asks for more"),
            "{status}"
        );
        assert!(
            !status.contains("approving review"),
            "it was not tried: {status}"
        );
        t.review(REPO, "grace", waits, "APPROVE").await;
        t.until_merged(REPO, waits).await;
    })
    .await;
}
