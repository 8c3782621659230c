//! What others report on a head, and what of it holds a merge.

use crate::harness::{World, run_test};
use serde_json::json;

const REPO: &str = "tiny-service";

impl World {
    /// Somebody reports a status on the head of a pull request.
    async fn report(&self, pr: u64, context: &str, state: &str) {
        let shown = self.pr(REPO, pr).await;
        let head = shown["head"]["sha"].as_str().expect("a head");
        let path = format!("/repos/ada/{REPO}/statuses/{head}");
        let status = json!({"state": state, "context": context});
        self.api("ada", "POST", &path, Some(status)).await;
        self.settle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_red_status_of_others_holds_a_merge_with_prows_habits_alone() {
    run_test(async |t| {
        let own = t.change(REPO, "linus", "own", &[("own.md", "x\n")]).await;
        t.report(own, "acme/scan", "failure").await;
        t.agree(own).await;
        t.until_merged(REPO, own).await;

        t.contract_with(REPO, "chatops: {compatibility: prow}\n")
            .await;
        let prow = t.change(REPO, "linus", "prow", &[("prow.md", "x\n")]).await;
        t.report(prow, "acme/scan", "failure").await;
        t.agree(prow).await;
        t.settle().await;
        assert!(!t.is_merged(REPO, prow).await);
        let status = t.status(REPO, prow).await;
        let is_told = status.contains("contexts of others") && status.contains("red: `acme/scan`");
        assert!(is_told, "{status}");
        t.report(prow, "acme/scan", "pending").await;
        assert!(!t.is_merged(REPO, prow).await);
        t.report(prow, "acme/scan", "success").await;
        t.until_merged(REPO, prow).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_required_of_an_app_is_awaited_from_that_app() {
    run_test(async |t| {
        t.require(REPO, json!({"context": "legal", "integration_id": 99}))
            .await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.agree(pr).await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        let status = t.status(REPO, pr).await;
        assert!(status.contains("required `legal` of App 99"), "{status}");
        t.report(pr, "legal", "failure").await;
        assert!(!t.is_merged(REPO, pr).await);
        t.report(pr, "legal", "success").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

/// Nobody gets past the rules by the button, and the bot needs no right to pass a rule by.
#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_requires_the_sum_of_all_rules_merges_by_them_alone() {
    const SUM: &str = "bowsprit/merge";
    run_test(async |t| {
        t.require(REPO, json!({"context": SUM})).await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.settle().await;
        let head = t.pr(REPO, pr).await["head"]["sha"].clone();
        let head = head.as_str().expect("a head");
        let sum = t.check(REPO, head, SUM).await.expect("a check run");
        assert_eq!(sum["status"], "in_progress", "{sum}");
        let path = format!("/repos/ada/{REPO}/pulls/{pr}/merge");
        let (status, words) = t.call("PUT", &path, "ada-token", Some(json!({}))).await;
        assert_eq!(status, 405, "{words}");

        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        let sum = t.check(REPO, head, SUM).await.expect("a check run");
        assert_eq!(sum["conclusion"], "success", "{sum}");
        let status = t.status(REPO, pr).await;
        assert!(!status.contains("/override"), "{status}");
    })
    .await;
}
