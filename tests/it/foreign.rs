//! Servers that answer as GitHub documents it, and not as our own hub does of itself.

use crate::harness::run_test;
use serde_json::json;

const REPO: &str = "tiny-service";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_branch_rules_merges_all_the_same() {
    run_test(async |t| {
        let no = json!({"message": "Upgrade to GitHub Pro or make this repository public to enable this feature."});
        t.fault(json!({"kind": "status", "code": 403, "body": no, "match": {"path_contains": "/rules/branches/"}})).await;
        let pr = t.change(REPO, "linus", "doc", &[("doc.md", "x\n")]).await;
        t.agree(pr).await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_says_what_github_does_not_let_us_read() {
    run_test(async |t| {
        t.require(REPO, json!({"context": "legal"})).await;
        let no = json!({"message": "Resource not accessible by integration"});
        t.fault(json!({"kind": "status", "code": 403, "body": no, "match": {"path_contains": "/check-runs", "method": "GET"}})).await;
        let pr = t.change(REPO, "linus", "doc", &[("doc.md", "x\n")]).await;
        t.until("it says so", async |t| {
            let said = t.bot_says(REPO, pr).await.join("\n");
            let is_told = said.contains("does not let Bowsprit read check runs and commit statuses")
                && said.contains("Resource not accessible by integration");
            is_told.then_some(())
        })
        .await;
        t.heal().await;
        t.until("it says how it stands", async |t| {
            let said = t.bot_says(REPO, pr).await.join("\n");
            said.contains("required `legal`").then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_refuses_keeps_no_other_from_being_heard() {
    run_test(async |t| {
        let members = json!({"ada": "admin"});
        let org = json!({"login": "guild", "members": members});
        t.admin("POST", "/_hub/orgs", Some(org)).await;
        let made = t
            .admin(
                "POST",
                "/_hub/installations",
                Some(json!({"account": "guild"})),
            )
            .await;
        let repo = json!({"name": "tools", "auto_init": true});
        t.api("ada", "POST", "/orgs/guild/repos", Some(repo)).await;
        t.settle().await;
        let before = t.bot().rooms.store.repositories().await.expect("a list");
        assert_eq!(before.len(), 3, "{before:?}");

        let id = made["id"].as_u64().expect("an id");
        let no = json!({"message": "Organization has an IP allow list enabled"});
        let path = format!("/app/installations/{id}/access_tokens");
        t.fault(
            json!({"kind": "status", "code": 403, "body": no, "match": {"path_contains": path}}),
        )
        .await;
        // A start has no token yet, and its tick lists everybody.
        let address = t.halt().await;
        let pr = t.change(REPO, "linus", "doc", &[("doc.md", "x\n")]).await;
        t.resume(address).await;
        t.agree(pr).await;
        t.until_merged(REPO, pr).await;
        let after = t.bot().rooms.store.repositories().await.expect("a list");
        assert_eq!(after.len(), 3, "{after:?}");
    })
    .await;
}
