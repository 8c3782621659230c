//! The bot dies at every phase of a Job: one verdict, no twin.

use crate::both::{Production, open, serves};
use crate::harness::{POLL, World};
use crate::place::{Cluster, run_on_cluster, run_whole_with_images};
use crate::reaper::Mortal;
use crate::waiting::READ_EVERY;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::batch::v1::Job;
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

/// Kills the bot whenever something is so that was not so before, until the story has ended.
async fn die_at_each(
    mortal: &Mortal,
    story: impl Future<Output = ()>,
    phases: impl AsyncFn() -> BTreeSet<String>,
) {
    let mut seen = BTreeSet::new();
    let deaths = mortal
        .lives(story, async || {
            loop {
                let now = phases().await;
                if !now.is_subset(&seen) {
                    seen.extend(now);
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
    assert!(deaths >= DEATHS_MIN, "only {deaths} deaths: {seen:#?}");
}

/// How many pods the Jobs of a namespace made: no Job made two.
async fn pods_made(cluster: &Cluster, namespace: &str) -> usize {
    let events: Api<Event> = cluster.all(namespace);
    let made = ListParams::default().fields("reason=SuccessfulCreate,involvedObject.kind=Job");
    let made = events.list(&made).await.expect("a list").items;
    let jobs = made.iter().map(|event| &event.involved_object.name);
    let jobs: BTreeSet<_> = jobs.collect();
    assert_eq!(jobs.len(), made.len(), "{made:#?}");
    jobs.len()
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
            wait(t, "a proposal", async |t| {
                t.proposals("bowsprit/tiny").await.len() == 1
            })
            .await;
        };
        die_at_each(&mortal, story, async || phases(cluster).await).await;
        t.resume(address).await;
        t.settle().await;
        let sha = sha.take();
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "success", "{}", check["output"]);
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        let jobs = cluster.jobs().await.len();
        assert_eq!(pods_made(cluster, &cluster.namespace).await, jobs);
    })
    .await;
}

const SERVICE: &str = "tiny-service";

/// What tells one phase of builds and rollouts from the next.
async fn phases_of_releases(cluster: &Cluster) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let builds: Api<Job> = cluster.all(&cluster.builds());
    for job in builds.list(&ListParams::default()).await.expect("a list") {
        let (name, status) = (job.metadata.name, job.status.unwrap_or_default());
        seen.insert(format!(
            "{name:?} {:?} {:?}",
            status.active, status.succeeded
        ));
    }
    let served: Api<Deployment> = cluster.all(&cluster.environments());
    for one in served.list(&ListParams::default()).await.expect("a list") {
        let status = one.status.unwrap_or_default();
        seen.insert(format!(
            "{:?} {:?} {:?}",
            one.metadata.name, status.observed_generation, status.ready_replicas
        ));
    }
    seen
}

/// Asks for something that only the bot brings about, not more often than it likes to be looked at.
async fn wait(t: &World, what: &str, is_so: impl AsyncFn(&World) -> bool) {
    t.until(what, async |t| {
        let is_so = is_so(t).await;
        if !is_so {
            tokio::time::sleep(READ_EVERY).await;
        }
        is_so.then_some(())
    })
    .await;
}

/// From a push to production, by what GitHub shows alone.
async fn land(t: &World) {
    let files = [("note.txt", "1\n")];
    t.push("tiny-training", "linus", "main", "Train", &files)
        .await;
    let proposal = open(t, "bowsprit/tiny").await;
    t.say(SERVICE, "grace", proposal, "/lgtm").await;
    t.say(SERVICE, "ada", proposal, "/approve").await;
    wait(t, "the merge", async |t| {
        t.is_merged(SERVICE, proposal).await
    })
    .await;
    let promotion = open(t, "bowsprit/promote-production").await;
    t.say(SERVICE, "rita", promotion, "/approve").await;
    wait(t, "production", async |t| {
        let path = format!("/repos/ada/{SERVICE}/deployments");
        let of_production = format!("{path}?environment=production");
        let all = t.api("ada", "GET", &of_production, None).await;
        let Some(id) = all[0]["id"].as_u64() else {
            return false;
        };
        let statuses = format!("{path}/{id}/statuses");
        let statuses = t.api("ada", "GET", &statuses, None).await;
        statuses[0]["state"] == "success"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_phase_of_builds_and_rollouts_it_lands_once() {
    run_whole_with_images("killed_at_every_phase_of_builds", async |t, cluster| {
        let address = t.halt().await;
        let mortal = Mortal::new(t, &t.hub.url);
        let phases = async || phases_of_releases(cluster).await;
        die_at_each(&mortal, land(t), phases).await;
        t.resume(address).await;
        t.settle().await;
        serves(t, "v1").await;
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        assert_eq!(t.proposals("bowsprit/promote-production").await.len(), 1);
        let builds: Api<Job> = cluster.all(&cluster.builds());
        let builds = builds.list(&ListParams::default()).await.expect("a list");
        assert!(pods_made(cluster, &cluster.builds()).await >= builds.items.len());
        // One generation of pods each: nothing was rolled out twice.
        let sets: Api<ReplicaSet> = cluster.all(&cluster.environments());
        let sets = sets.list(&ListParams::default()).await.expect("a list");
        let owners = sets.items.iter().map(|set| &set.metadata.owner_references);
        let owners: Vec<_> = owners.flatten().flatten().map(|own| &own.name).collect();
        let apart: BTreeSet<_> = owners.iter().collect();
        assert_eq!(apart.len(), owners.len(), "{owners:?}");
        let production = Production::of(t).await;
        let answer = production.ask("/v1/predict", 1.0).await;
        assert_eq!(answer.expect("an answer").0, 200);
    })
    .await;
}
