//! Versions that the API server has forgotten: a watch cannot go on at them, and what happened meanwhile is told by nobody.

use crate::both::{self, Production};
use crate::disruption::{at_work, ends_once, push_slow};
use crate::front::Forgotten;
use crate::harness::{POLL, World};
use crate::place::{Cluster, Extent, play, run_alone};
use futures_util::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, WatchEvent, WatchParams};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a process that is killed may take to be gone.
const END_WAIT: Duration = Duration::from_secs(30);

/// The version that the cluster is at.
async fn version(cluster: &Cluster) -> String {
    let pods = cluster.all::<Pod>(&cluster.namespace);
    let list = pods.list(&ListParams::default()).await.expect("a list");
    list.metadata.resource_version.expect("a version")
}

/// A training ends while the bot hears nothing of the cluster, and what it heard last is forgotten then.
async fn ends_unheard(t: &World, cluster: &Cluster, how: Forgotten) {
    let front = cluster.front.as_ref().expect("a front");
    let sha = push_slow(t).await;
    at_work(t, cluster).await;
    cluster.passage.close();
    cluster.jobs_that_are_over(t).await;
    front.forget(&version(cluster).await, how);
    cluster.passage.reopen();
    ends_once(t, cluster, &sha).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_forgotten_loses_no_end_of_a_stage_and_no_release() {
    let extent = Extent {
        serves: true,
        has_front: true,
        ..Extent::default()
    };
    play("a_version_that_is_forgotten", extent, async |t, cluster| {
        ends_unheard(t, cluster, Forgotten::Status).await;
        // Environments get their first version while their watches are told the same.
        t.until("a watch of staging", async |t| {
            let staging = t.find_environment("staging").await?;
            staging.url.filter(|url| !url.is_empty())
        })
        .await;
        let front = cluster.front.as_ref().expect("a front");
        front.forget(&version(cluster).await, Forgotten::Status);
        both::land(t, "v1").await;
        t.settle().await;
        let all = cluster.all::<Deployment>(&cluster.environments());
        let found = all.list(&ListParams::default()).await.expect("a list");
        assert_eq!(found.items.len(), 2, "staging and production");
        let staging = Production::named(t, "staging").await;
        let (status, _) = staging.ask("/v1/predict", 1.0).await.expect("an answer");
        assert_eq!(status, 200);
        ends_unheard(t, cluster, Forgotten::Event).await;
        // What happened may be found by a list before the watches, which wait ever longer, ask again; not each time.
        assert!(front.told("jobs") + front.told("pods") > 0);
    })
    .await;
}

/// Ends the API server and starts it again, which forgets what was before; `false` where it does not run here.
async fn restart_api_server() -> bool {
    let Some(file) = std::env::var_os("BOWSPRIT_TEST_API_SERVER") else {
        return false;
    };
    let restarted = tokio::task::spawn_blocking(move || {
        let text = std::fs::read_to_string(file).expect("the file of a process");
        let process = text.split(' ').next().expect("a process");
        let killed = Command::new("kill").args(["-KILL", process]).status();
        assert!(killed.expect("a signal").success());
        let began = Instant::now();
        while Path::new("/proc").join(process).exists() {
            assert!(began.elapsed() < END_WAIT, "process {process} does not end");
            std::thread::sleep(POLL);
        }
        let up = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/bed/up");
        let output = Command::new(up).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
    });
    restarted.await.expect("it ends");
    true
}

/// Whether a watch from this version on is told that nobody remembers it.
async fn is_forgotten(cluster: &Cluster, version: &str) -> bool {
    let pods = cluster.all::<Pod>(&cluster.namespace);
    let watch = pods.watch(&WatchParams::default(), version).await;
    let mut watch = watch.expect("a watch").boxed();
    matches!(watch.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_was_restarted_has_forgotten_and_costs_nothing() {
    run_alone("an_api_server_that_was_restarted", async |t, cluster| {
        let sha = push_slow(t).await;
        at_work(t, cluster).await;
        let known = version(cluster).await;
        cluster.passage.close();
        cluster.jobs_that_are_over(t).await;
        if restart_api_server().await {
            assert!(is_forgotten(cluster, &known).await, "{known}");
        } else {
            eprintln!("SKIPPED the restart: BOWSPRIT_TEST_API_SERVER is not set; tests/cluster/run.sh sets it");
        }
        cluster.passage.reopen();
        ends_once(t, cluster, &sha).await;
    })
    .await;
}
