//! Another bot at work in the same repository.

use crate::harness::run_test;
use serde_json::json;

const REPO: &str = "tiny-service";
const OTHER: &str = "other[bot]";

#[tokio::test(flavor = "multi_thread")]
async fn what_another_bot_says_and_shows_changes_nothing_of_ours() {
    run_test(async |t| {
        let at = |path: &str| format!("/repos/ada/{REPO}{path}");
        let account = json!({"login": OTHER, "token": format!("{OTHER}-token")});
        t.admin("POST", "/_hub/people", Some(account)).await;
        let push = json!({"permission": "push"});
        let place = at("/collaborators/other%5Bbot%5D");
        t.api("ada", "PUT", &place, Some(push)).await;
        // With Prow's habits labels by hand count; a bot has no hand. What it reports counts as anybody's does, where that does.
        let prow = t.read(REPO, "bowsprit.yaml")
            + "chatops: {compatibility: prow, contexts: {unknown: skip}}\n";
        let contract = [("bowsprit.yaml", prow.as_str())];
        t.push(REPO, "ada", "main", "Take words as Prow does", &contract)
            .await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.settle().await;
        let before = t.bot_says(REPO, pr).await;

        let words = "/lgtm\n/approve\n/hold\n/retitle Mine\n/close";
        let said = t.say(REPO, OTHER, pr, words).await;
        let labels = json!({"labels": ["lgtm", "approved"]});
        t.api(
            OTHER,
            "POST",
            &at(&format!("/issues/{pr}/labels")),
            Some(labels),
        )
        .await;
        let head = t.pr(REPO, pr).await["head"]["sha"].clone();
        let head = head.as_str().expect("a commit");
        for (context, state) in [("bowsprit/service", "failure"), ("other/ci", "failure")] {
            let status = json!({"context": context, "state": state});
            t.api(
                OTHER,
                "POST",
                &at(&format!("/statuses/{head}")),
                Some(status),
            )
            .await;
        }
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        let shown = t.pr(REPO, pr).await;
        assert_eq!(shown["state"], "open");
        assert_ne!(shown["title"], "Mine");
        assert_eq!(t.bot_says(REPO, pr).await, before);
        let comment = format!("issues/comments/{said}");
        assert_eq!(t.reactions(REPO, &comment).await, 0);

        // Nor does its hold hold, or its red status keep anything from merging.
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_stands_though_its_comment_is_edited_or_deleted() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        for method in ["PATCH", "DELETE"] {
            let hold = t.say(REPO, "rita", pr, "/hold").await;
            t.settle().await;
            let path = format!("/repos/ada/{REPO}/issues/comments/{hold}");
            let body = (method == "PATCH").then(|| json!({"body": "Never mind."}));
            t.api("grace", method, &path, body).await;
            t.settle().await;
            let labels = t.pr(REPO, pr).await["labels"].to_string();
            assert!(labels.contains("do-not-merge/hold"), "{method}: {labels}");
            if method == "PATCH" {
                t.next_second().await;
                t.say(REPO, "rita", pr, "/unhold").await;
                t.settle().await;
                t.next_second().await;
            }
        }
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        t.next_second().await;
        t.say(REPO, "linus", pr, "/unhold").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}
