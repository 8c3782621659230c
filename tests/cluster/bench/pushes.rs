//! From fifty pushes at once to fifty pods at work, by the real door: webhook, contract, check run, snapshot and order are in it.
//!
//! Fifty pull requests of one training repository are open; one `git push` brings a commit to each.

use super::{AT_ONCE, Seen, job_of, seconds, tell, tell_waits, watch};
use crate::harness::{World, git};
use crate::place::Cluster;
use crate::waiting::READ_EVERY;
use bowsprit::store::RunFilter;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

const REPO: &str = "tiny-training";
/// Whose pull requests they are; one who may push, so that their stages are trusted.
const WHO: &str = "linus";
/// What each step asks for, so that a small node takes as many as come.
const SMALL: &str = "resources: {cpu: 10m, memory: 128Mi}";
/// Most runs that are looked through.
const RUNS_MAX: usize = 1_000;

/// Takes the figures.
pub(super) async fn pushes(t: &World, cluster: &Cluster) {
    open(t).await;
    let (created, running) = (Seen::default(), Seen::default());
    let watches = [
        watch::<Job>(cluster, &created, |job| job.metadata.name.clone()),
        watch::<Pod>(cluster, &running, job_of),
    ];
    let last = writes(t, 0).await.last().map_or(0, number);
    let heads = commit(t, "data.csv");
    push(t).await;
    let mut began = BTreeMap::new();
    t.until("fifty trainings at work", async |t| {
        // Looking costs the processor that is measured.
        tokio::time::sleep(READ_EVERY).await;
        began = arrived(t, &heads, last).await;
        let seen = running.lock().expect("no panic");
        let is_seen = |stage: &String| seen.keys().any(|job| job.contains(stage.as_str()));
        (began.len() == AT_ONCE && began.keys().all(is_seen)).then_some(())
    })
    .await;
    let changes = writes(t, last).await;
    let refs = times(&changes, "ref.updated", "after");
    let checked = times(&changes, "check_run.created", "sha");
    let waits = heads
        .iter()
        .filter_map(|sha| Some(seconds(*refs.get(sha)?, *checked.get(sha)?)));
    tell("push to check run queued", &waits.collect::<Vec<f64>>());
    tell_waits("push to Job created", &began, &created);
    tell_waits("push to pod running", &began, &running);
    for watch in watches {
        watch.abort();
    }
    t.settle().await;
}

/// Opens the pull requests, with changes of which nothing is trained.
async fn open(t: &World) {
    let contract = t.read(REPO, "bowsprit.yaml");
    let contract = contract
        .replace("resources: {cpu: 500m, memory: 512Mi}", SMALL)
        .replace("data: [holdout/]", &format!("data: [holdout/]\n  {SMALL}"))
        // It asks for as much as the service, and would take the place of trainings.
        .replace("  - parity\n", "");
    let files = [("bowsprit.yaml", contract.as_str())];
    t.push(REPO, "ada", "main", "Ask for less [skip train]", &files)
        .await;
    let copy = t.copy(REPO);
    for number in 0..AT_ONCE {
        git(&copy, &["branch", &branch(number)]);
    }
    commit(t, "notes.md");
    push(t).await;
    for number in 0..AT_ONCE {
        let branch = branch(number);
        t.open_pull(REPO, WHO, &branch, &format!("Change {branch}"))
            .await;
    }
    t.settle().await;
}

fn branch(number: usize) -> String {
    format!("bench-{number:02}")
}

/// Adds a line of its own to a file of each branch; says the commits.
fn commit(t: &World, file: &str) -> BTreeSet<String> {
    let copy = t.copy(REPO);
    let mut heads = BTreeSet::new();
    for number in 0..AT_ONCE {
        git(&copy, &["checkout", "-q", &branch(number)]);
        heads.insert(commit_line(&copy, file, &format!("2.{number:03},small\n")));
    }
    heads
}

fn commit_line(copy: &Path, file: &str, line: &str) -> String {
    let path = copy.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, text + line).expect("a file");
    git(copy, &["add", "-A"]);
    let (name, mail) = (
        format!("user.name={WHO}"),
        format!("user.email={WHO}@localhost"),
    );
    let words = ["-c", &name, "-c", &mail, "commit", "-q", "-m", "Add a line"];
    git(copy, &words);
    git(copy, &["rev-parse", "HEAD"])
}

/// Pushes every branch by one `git push`.
async fn push(t: &World) {
    let host = t.hub.url.trim_start_matches("http://");
    let url = format!("http://{WHO}:{WHO}-token@{host}/ada/{REPO}.git");
    let copy = t.copy(REPO);
    let pushed = tokio::task::spawn_blocking(move || {
        let all = "refs/heads/bench-*:refs/heads/bench-*";
        git(&copy, &["push", "-q", &url, all]);
    });
    pushed.await.expect("a push");
}

/// What changed at the hub after this change.
async fn writes(t: &World, after: u64) -> Vec<Value> {
    let path = format!("/_hub/writes?after={after}");
    let writes = t.admin("GET", &path, None).await;
    writes.as_array().expect("a list").clone()
}

fn number(write: &Value) -> u64 {
    write["seq"].as_u64().expect("a number")
}

/// When changes of a kind were made first, by commit.
fn times(writes: &[Value], kind: &str, commit: &str) -> BTreeMap<String, SystemTime> {
    let mut found = BTreeMap::new();
    for write in writes.iter().filter(|write| write["kind"] == kind) {
        let sha = write[commit].as_str().unwrap_or_default();
        let time = write["time"].as_str().expect("a time");
        let time: jiff::Timestamp = time.parse().expect("a time");
        found.entry(sha.to_owned()).or_insert(time.into());
    }
    found
}

/// When the commit of each run came to the hub, by the run's training stage.
async fn arrived(t: &World, heads: &BTreeSet<String>, last: u64) -> BTreeMap<String, SystemTime> {
    let refs = times(&writes(t, last).await, "ref.updated", "after");
    let store = &t.bot().rooms.store;
    let runs = store.list_runs(&RunFilter::default(), None, RUNS_MAX).await;
    let runs = runs.expect("a list").into_iter();
    // The push alone is a run as well, of which the contract wants nothing.
    let ours = runs.filter(|run| heads.contains(run.sha.as_str()) && !run.stages.is_empty());
    ours.filter_map(|run| Some((format!("{}-train", run.id), *refs.get(run.sha.as_str())?)))
        .collect()
}
