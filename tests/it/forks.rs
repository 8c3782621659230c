//! What strangers bring: nothing of it runs before somebody who may write has looked at that very head.

use crate::harness::{World, run_test};
use crate::trust::{fork, offer_fork, train_a_fork};
use serde_json::Value;

const REPO: &str = "tiny-service";

/// Mallory's fork, with a change on its branch `offer`; says the pull request's number and its head.
async fn offer(t: &World) -> (u64, String) {
    fork(t, REPO).await;
    let head = push(t, "serve.py", "raise SystemExit('mallory was here')\n").await;
    (offer_fork(t, REPO).await, head)
}

/// One more commit on the fork's branch.
async fn push(t: &World, path: &str, text: &str) -> String {
    t.pull(REPO, "main").await;
    t.push_to(
        ("mallory", REPO),
        "mallory",
        "offer",
        "A gift",
        &[(path, text)],
    )
    .await
}

async fn runs(t: &World) -> usize {
    let filter = bowsprit::store::RunFilter::default();
    t.bot()
        .rooms
        .store
        .list_runs(&filter, None, 50)
        .await
        .expect("a list")
        .len()
}

fn short(sha: &str) -> &str {
    &sha[..7]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_runs_nothing_before_somebody_looked_at_its_head() {
    run_test(async |t| {
        let before = runs(t).await;
        let (pr, head) = offer(t).await;
        t.settle().await;
        assert_eq!(runs(t).await, before, "nothing runs by itself");
        assert_eq!(
            t.check(REPO, &head, "bowsprit/service").await,
            None::<Value>
        );
        assert!(t.status(REPO, pr).await.contains("/ok-to-test"));

        for words in ["/ok-to-test", "/retest", "/test all"] {
            t.say(REPO, "mallory", pr, words).await;
        }
        t.say(REPO, "mallory", pr, &format!("/ok-to-test {head}"))
            .await;
        t.say(REPO, "grace", pr, "/ok-to-test").await;
        t.say(REPO, "grace", pr, "/ok-to-test 0123456").await;
        t.say(REPO, "grace", pr, "/retest").await;
        t.settle().await;
        assert_eq!(runs(t).await, before);
        assert_eq!(
            t.told(REPO, pr, "is for people who may write in this repository")
                .await,
            4
        );
        assert_eq!(t.told(REPO, pr, "trust belongs to one head").await, 1);
        assert_eq!(t.told(REPO, pr, "the head is ").await, 1);
        assert!(
            t.told(REPO, pr, short(&head)).await > 2,
            "the answers name the head"
        );

        t.say(REPO, "grace", pr, &format!("/ok-to-test {}", short(&head)))
            .await;
        t.settle().await;
        assert_eq!(runs(t).await, before + 1);
        let check = t
            .check(REPO, &head, "bowsprit/service")
            .await
            .expect("a check");
        assert_eq!(check["conclusion"], "failure", "{check}");

        let second = push(t, "serve.py", "raise SystemExit('mallory is back')\n").await;
        t.say(REPO, "mallory", pr, "Better now.").await;
        t.settle().await;
        assert_eq!(runs(t).await, before + 1, "trust belonged to the old head");
        assert_eq!(
            t.check(REPO, &second, "bowsprit/service").await,
            None::<Value>
        );
        assert!(t.find_environment(&format!("pr-{pr}")).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_served_and_merged_once_people_agree() {
    run_test(async |t| {
        let (pr, _) = offer(t).await;
        let head = push(t, "README.md", "a real gift\n").await;
        t.settle().await;
        t.next_second().await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(
            !t.is_merged(REPO, pr).await,
            "nothing of it has been tested"
        );
        t.say(REPO, "grace", pr, &format!("/ok-to-test {head}"))
            .await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_a_training_repository_trains_nothing_and_proposes_nothing() {
    run_test(async |t| train_a_fork(t).await).await;
}
