//! The bot dies at every phase of a Job: one verdict, no twin.

use crate::harness::POLL;
use crate::place::{Cluster, run_on_cluster};
use crate::reaper::Mortal;
use crate::waiting::READ_EVERY;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};
use std::collections::BTreeSet;

/// The story has at least so many phases; with fewer it would show nothing.
const DEATHS_MIN: usize = 8;

/// Everything that tells one phase from the next: which Jobs there are, how they and their pods stand.
async fn phases(cluster: &Cluster) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for job in cluster.jobs().await {
        let name = job.metadata.name.unwrap_or_default();
        let status = job.status.unwrap_or_default();
        let ttl = job.spec.and_then(|spec| spec.ttl_seconds_after_finished);
        seen.insert(format!(
            "{name} {:?} {:?} {:?} {ttl:?}",
            status.active, status.succeeded, status.failed
        ));
    }
    for pod in cluster.pods().await {
        seen.insert(of_pod(&pod));
    }
    seen
}

fn of_pod(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let states: Vec<String> = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten())
        .map(|container| {
            let state = container.state.clone().unwrap_or_default();
            format!(
                "{} {} {}",
                container.name,
                state.running.is_some(),
                state.terminated.is_some()
            )
        })
        .collect();
    format!("{:?} {:?} {states:?}", pod.metadata.name, status.phase)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_phase_of_its_jobs_it_gives_one_verdict() {
    run_on_cluster("killed_at_every_phase", async |t, cluster| {
        let address = t.halt().await;
        let mortal = Mortal::new(t, &t.hub.url);
        let sha = std::cell::RefCell::new(String::new());
        let story = async {
            let pushed = t
                .push(
                    "tiny-training",
                    "linus",
                    "main",
                    "Train",
                    &[("note.txt", "1\n")],
                )
                .await;
            sha.replace(pushed.clone());
            t.until("a proposal", async |t| {
                let is_there = t.proposals("bowsprit/tiny").await.len() == 1;
                if !is_there {
                    tokio::time::sleep(READ_EVERY).await;
                }
                is_there.then_some(())
            })
            .await;
        };
        let mut seen = BTreeSet::new();
        let deaths = mortal
            .lives(story, async || {
                loop {
                    let now = phases(cluster).await;
                    if !now.is_subset(&seen) {
                        seen.extend(now);
                        return;
                    }
                    tokio::time::sleep(POLL).await;
                }
            })
            .await;
        assert!(deaths >= DEATHS_MIN, "only {deaths} deaths: {seen:#?}");
        t.resume(address).await;
        t.settle().await;
        let sha = sha.take();
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "success", "{}", check["output"]);
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        // No pod was started twice: each Job made one.
        let events: Api<Event> = cluster.all(&cluster.namespace);
        let made = ListParams::default().fields("reason=SuccessfulCreate,involvedObject.kind=Job");
        let made = events.list(&made).await.expect("a list").items;
        let mut jobs: Vec<_> = made
            .iter()
            .filter_map(|event| event.involved_object.name.clone())
            .collect();
        let count = jobs.len();
        jobs.sort();
        jobs.dedup();
        assert_eq!(
            (jobs.len(), count),
            (count, cluster.jobs().await.len()),
            "{made:#?}"
        );
    })
    .await;
}
