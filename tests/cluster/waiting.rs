//! What a stage waits for stands on its check, and it goes on when that is there.

use crate::harness::World;
use crate::place::{run_alone, run_on_cluster};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use std::time::Duration;

/// How often a check is read: the hub allows an account as many calls as GitHub does.
pub(crate) const READ_EVERY: Duration = Duration::from_millis(500);

/// Waits until the check of a commit says this.
pub(crate) async fn told(t: &World, sha: &str, words: &str) {
    t.until(&format!("`{words}` on the check"), async |t| {
        let check = t.check("tiny-training", sha, "train").await;
        let is_told = check.is_some_and(|check| check["output"].to_string().contains(words));
        if !is_told {
            tokio::time::sleep(READ_EVERY).await;
        }
        is_told.then_some(())
    })
    .await;
}

/// Waits for the end, which must be a good one.
pub(crate) async fn succeeds(t: &World, sha: &str) {
    t.settle().await;
    let check = t
        .check("tiny-training", sha, "train")
        .await
        .expect("a check run");
    assert_eq!(check["conclusion"], "success", "{}", check["output"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_is_waited_for() {
    run_on_cluster("a_quota_that_is_used_up", async |t, cluster| {
        let quota = json!({"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}});
        cluster
            .create::<ResourceQuota>(&cluster.namespace, quota)
            .await;
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
        told(t, &sha, "quota `small` is used up").await;
        let quotas: Api<ResourceQuota> = cluster.all(&cluster.namespace);
        quotas
            .delete("small", &DeleteParams::default())
            .await
            .expect("it is removed");
        succeeds(t, &sha).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_nothing_is_waited_for() {
    run_alone("a_node_that_takes_nothing", async |t, cluster| {
        cluster.cordon(true).await;
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
        let seen = tokio::time::timeout(t.patience, told(t, &sha, "no node takes it")).await;
        // Other stories need the node, too, whatever became of this one.
        cluster.cordon(false).await;
        seen.expect("the check says it");
        succeeds(t, &sha).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_memory_is_told_with_the_limit() {
    run_on_cluster("too_little_memory", async |t, cluster| {
        let greedy = "b = []\nwhile True:\n    b.append(bytearray(16 << 20))\n    [None for i in range(0, 16 << 20, 4096) if b[-1].__setitem__(i, 1)]\n";
        let sha = t
            .push("tiny-training", "linus", "main", "Eat", &[("train.py", greedy)])
            .await;
        t.settle().await;
        let check = t.check("tiny-training", &sha, "train").await.expect("a check run");
        assert_eq!(check["conclusion"], "failure");
        let output = check["output"].to_string();
        assert!(output.contains("memory"), "{output}");
        assert_eq!(cluster.jobs().await.len(), 1);
    })
    .await;
}
