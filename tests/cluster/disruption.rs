//! What is nobody's failure: pods that the cluster takes away, an API server that is not there, watches that end.

use crate::harness::World;
use crate::place::{Cluster, run_alone, run_on_cluster};
use crate::waiting::told;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, EvictParams};
use std::time::Duration;

/// How long the API server stays away.
const AWAY: Duration = Duration::from_secs(60);

/// A training that takes its time, so that something can happen meanwhile.
const SLOW: &str = "\nimport time\nfor epoch in range(30):\n    print(f'epoch={epoch}', flush=True)\n    time.sleep(0.5)\n";

/// Pushes such a training; says its commit.
pub(crate) async fn push_slow(t: &World) -> String {
    let train = format!("{}{SLOW}", t.read("tiny-training", "train.py"));
    t.push(
        "tiny-training",
        "linus",
        "main",
        "Take time",
        &[("train.py", &train)],
    )
    .await
}

/// Waits for a pod whose agent has begun its step: the check shows that only now and then, the log at once.
pub(crate) async fn at_work(t: &World, cluster: &Cluster) -> String {
    t.until("the first epoch", async |t| {
        let logs = std::fs::read_dir(t.dir.path().join("bot/runs")).ok()?;
        let logs = logs
            .filter_map(|stage| std::fs::read_to_string(stage.ok()?.path().join("log.txt")).ok());
        let has_begun = logs.into_iter().any(|log| log.contains("epoch="));
        has_begun.then_some(())
    })
    .await;
    t.until("its pod", async |_| cluster.running_pod().await)
        .await
}

async fn succeeds_once(t: &World, cluster: &Cluster, sha: &str) {
    ends_once(t, cluster, sha).await;
    assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
}

/// The run of this commit has ended well, and no stage of any has two Jobs.
pub(crate) async fn ends_once(t: &World, cluster: &Cluster, sha: &str) {
    t.settle().await;
    let check = t
        .check("tiny-training", sha, "train")
        .await
        .expect("a check run");
    assert_eq!(check["conclusion"], "success", "{}", check["output"]);
    let mut stages: Vec<_> = cluster
        .jobs()
        .await
        .into_iter()
        .map(|job| job.metadata.annotations.expect("annotations")["bowsprit.dev/stage"].clone())
        .collect();
    let count = stages.len();
    stages.sort();
    stages.dedup();
    assert_eq!(stages.len(), count, "a stage has two Jobs: {stages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_deleted_or_evicted_is_started_again() {
    run_on_cluster("a_pod_that_is_deleted_or_evicted", async |t, cluster| {
        let sha = push_slow(t).await;
        let pods: Api<Pod> = cluster.all(&cluster.namespace);
        let first = at_work(t, cluster).await;
        pods.delete(&first, &DeleteParams::default())
            .await
            .expect("it is deleted");
        let second = t
            .until("another pod", async |_| {
                cluster.running_pod().await.filter(|pod| *pod != first)
            })
            .await;
        pods.evict(&second, &EvictParams::default())
            .await
            .expect("it is evicted");
        succeeds_once(t, cluster, &sha).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_costs_nothing() {
    run_on_cluster("an_api_server_that_is_away", async |t, cluster| {
        let sha = push_slow(t).await;
        at_work(t, cluster).await;
        cluster.passage.close();
        // The training ends meanwhile, and its evaluation cannot be sent.
        told(t, &sha, "cannot be reached").await;
        tokio::time::sleep(AWAY).await;
        cluster.passage.reopen();
        succeeds_once(t, cluster, &sha).await;
    })
    .await;
}

/// A process that stands still until this is dropped: who calls it gets neither an answer nor an end.
struct Still(String);

impl Still {
    /// The API server, where the bed says which process that is.
    fn api_server() -> Option<Still> {
        let file = std::env::var_os("BOWSPRIT_TEST_API_SERVER")?;
        let text = std::fs::read_to_string(file).expect("the file of a process");
        let still = Still(text.split(' ').next().expect("a process").to_owned());
        still.send("-STOP");
        Some(still)
    }

    fn send(&self, signal: &str) {
        let sent = std::process::Command::new("kill")
            .args([signal, &self.0])
            .status();
        assert!(sent.expect("a signal").success());
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.send("-CONT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_stands_still_costs_nothing() {
    run_alone("an_api_server_that_stands_still", async |t, cluster| {
        let sha = push_slow(t).await;
        at_work(t, cluster).await;
        let Some(still) = Still::api_server() else {
            eprintln!("SKIPPED the rest: BOWSPRIT_TEST_API_SERVER is not set; tests/cluster/run.sh sets it");
            return;
        };
        tokio::time::sleep(AWAY).await;
        // The training has ended meanwhile, and what it said last is with the bot.
        let check = t.check("tiny-training", &sha, "train").await.expect("a check run");
        assert_ne!(check["conclusion"], "failure", "{}", check["output"]);
        drop(still);
        succeeds_once(t, cluster, &sha).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_are_cut_again_and_again_miss_nothing() {
    run_on_cluster("watches_that_are_cut", async |t, cluster| {
        let sha = push_slow(t).await;
        for _ in 0..10 {
            cluster.passage.cut();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        succeeds_once(t, cluster, &sha).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_somebody_deletes_ends_its_stage_once() {
    run_on_cluster("a_job_that_somebody_deletes", async |t, cluster| {
        let sha = push_slow(t).await;
        at_work(t, cluster).await;
        for job in cluster.jobs().await {
            let name = job.metadata.name.expect("a name");
            let jobs: Api<k8s_openapi::api::batch::v1::Job> = cluster.all(&cluster.namespace);
            jobs.delete(&name, &DeleteParams::background())
                .await
                .expect("it is deleted");
        }
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "failure", "{}", check["output"]);
        let output = check["output"].to_string();
        assert!(output.contains("was deleted in the cluster"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_ends_the_job_of_the_older() {
    run_on_cluster("a_newer_push_ends_the_job", async |t, cluster| {
        push_slow(t).await;
        let pod = at_work(t, cluster).await;
        let new = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Again",
                &[("note.txt", "2\n")],
            )
            .await;
        t.until("the older pod to go", async |_| {
            let pods = cluster.pods().await;
            let is_there = pods.iter().any(|other| {
                other.metadata.name.as_deref() == Some(&pod)
                    && other.metadata.deletion_timestamp.is_none()
            });
            (!is_there).then_some(())
        })
        .await;
        t.settle().await;
        let check = t
            .check("tiny-training", &new, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "success", "{}", check["output"]);
    })
    .await;
}
