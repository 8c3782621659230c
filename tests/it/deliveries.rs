//! Deliveries that are lost, doubled, late or out of order lead to the same end.

use crate::harness::{World, run_test, run_test_with};
use serde_json::json;
use std::time::Duration;

const REPO: &str = "tiny-service";

async fn proposal(t: &World) -> u64 {
    t.until("the proposal", async |t| {
        t.proposals("bowsprit/tiny").await.first().cloned()
    })
    .await["number"]
        .as_u64()
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_delivery_the_clock_reaches_the_same_end() {
    run_test_with(
        |config| config.reconcile_every = Duration::from_secs(1),
        async |t| {
            t.fault(json!({"kind": "drop_delivery", "silent": true}))
                .await;
            t.push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
            let pr = proposal(t).await;
            t.say(REPO, "grace", pr, "/help").await;
            t.until("the answer", async |t| {
                (t.told(REPO, pr, "/rollback").await > 0).then_some(())
            })
            .await;
            t.next_second().await;
            t.say(REPO, "grace", pr, "/lgtm").await;
            t.say(REPO, "ada", pr, "/approve").await;
            t.until_merged(REPO, pr).await;
            t.until("staging", async |t| {
                let staging = t.find_environment("staging").await?;
                staging.live.filter(|live| live.shown() == "v1")
            })
            .await;
            assert_eq!(t.told(REPO, pr, "/rollback").await, 1);
            assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_and_shuffled_deliveries_act_once() {
    run_test(async |t| {
        t.fault(json!({"kind": "double_delivery"})).await;
        t.fault(json!({"kind": "shuffle_deliveries", "window_ms": 100, "seed": 7}))
            .await;
        t.push(
            "tiny-training",
            "linus",
            "main",
            "Train",
            &[("note.txt", "1\n")],
        )
        .await;
        let pr = proposal(t).await;
        t.say(REPO, "grace", pr, "/help").await;
        t.say(REPO, "mallory", pr, "/approve").await;
        t.settle().await;
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        assert_eq!(t.told(REPO, pr, "/rollback").await, 1);
        // Who speaks before the opening was heard is asked to say it again; who has no right is told so. Once, either way.
        assert_eq!(t.told(REPO, pr, "**mallory**").await, 1);
        t.next_second().await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        t.settle().await;
        let path = format!("/repos/ada/{REPO}/commits?per_page=100");
        let commits = t.api("ada", "GET", &path, None).await;
        let merges = commits.as_array().expect("a list").iter();
        let merges = merges.filter(|one| {
            one["commit"]["message"]
                .as_str()
                .is_some_and(|m| m.starts_with("Merge #"))
        });
        assert_eq!(merges.count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_while_the_bot_was_down_is_asked_for_again() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.settle().await;
        let address = t.halt().await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        let second = t
            .change(REPO, "linus", "other", &[("other.md", "more\n")])
            .await;
        t.say(REPO, "grace", second, "/help").await;
        t.push(
            "tiny-training",
            "linus",
            "main",
            "Train",
            &[("note.txt", "1\n")],
        )
        .await;
        t.until("the deliveries to fail", async |t| {
            (t.admin("GET", "/_hub/pending", None).await["pending"] == 0).then_some(())
        })
        .await;
        t.resume(address).await;
        proposal(t).await;
        t.until("the answer", async |t| {
            (t.told(REPO, second, "/rollback").await > 0).then_some(())
        })
        .await;
        t.until("redeliveries", async |t| {
            let all = t.admin("GET", "/_hub/deliveries", None).await;
            let again = all
                .as_array()?
                .iter()
                .filter(|one| one["redelivery"] == true);
            (again
                .map(|one| one["event"].clone())
                .any(|event| event == "pull_request"))
            .then_some(())
        })
        .await;
        t.settle().await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        assert_eq!(t.told(REPO, second, "/rollback").await, 1);
    })
    .await;
}
