//! Figures of the cluster backend, with what they were measured on; `tests/cluster/run.sh bench` takes them.
//!
//! Nothing holds them to a limit: a machine that does other work would only tell of that.

mod pushes;

use crate::harness::World;
use crate::place::{Cluster, run_on_cluster_with};
use bowsprit_core::effect::StagePlan;
use bowsprit_core::name::{CommitSha, Digest, Repo, RepoId, RepoName};
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::spec::{Source, StageKind, StepSpec, Trust};
use futures_util::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Stages ordered at once.
const AT_ONCE: usize = 50;
/// Lines of the stage whose log is timed, and the pause between them.
const LINES: usize = 200;
/// Jobs that are over, and Jobs at work, whose memory is measured.
const KEPT: (usize, usize) = (1_000, 100);
/// Objects that are made at once.
const CREATES: usize = 16;
/// How often a file or a counter is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// What the timed stage runs: each line is the time at which it was printed, in seconds.
const TALK: &str = "import time\nfor _ in range(200):\n    print('said', time.time(), flush=True)\n    time.sleep(0.1)\n";

#[tokio::test(flavor = "multi_thread")]
async fn bench() {
    if std::env::var_os("BOWSPRIT_TEST_BENCH").is_none() {
        eprintln!("SKIPPED: figures are taken by `tests/cluster/run.sh bench`");
        return;
    }
    run_on_cluster_with("bench", "", async |t, cluster| {
        say(&format!("load before: {}", load()));
        talk(t).await;
        burst(t, cluster).await;
        pushes::pushes(t, cluster).await;
        memory(t, cluster).await;
        say(&format!("load after: {}", load()));
    })
    .await;
}

fn say(line: &str) {
    println!("FIGURE {line}");
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Orders a stage that runs this text by Python.
async fn order(t: &World, stage: &str, text: &str) {
    let path = t.dir.path().join(format!("{stage}.tar"));
    let tar = tar::Builder::new(Vec::new()).into_inner().expect("a tar");
    std::fs::write(&path, &tar).expect("a file");
    let snapshot = Source {
        uri: path.display().to_string(),
        sha256: Digest::of(&tar),
    };
    let plan = StagePlan {
        stage: stage.to_owned(),
        kind: StageKind::Check,
        repo: Repo {
            id: RepoId(7),
            name: RepoName::parse("ada/bench").expect("a name"),
        },
        sha: CommitSha::parse(&"a".repeat(40)).expect("a commit"),
        leave_out: Vec::new(),
        only: Vec::new(),
        runtime: None,
        trust: Trust::Trusted,
        model_trust: Trust::Trusted,
        steps: vec![StepSpec {
            name: "bench".to_owned(),
            run: ["python3", "-c", text].map(str::to_owned).to_vec(),
            image: None,
            env: BTreeMap::new(),
            timeout_s: 600,
            cpu_millis: 10,
            memory_bytes: 64 << 20,
            gpu: 0,
            secrets: Vec::new(),
            network: false,
            model: None,
            outputs: String::new(),
        }],
        models: Vec::new(),
        data: None,
        serve: None,
    };
    let runs = &t.bot().rooms.runs;
    runs.start(&plan, snapshot).await.expect("it is taken");
}

async fn until_done(t: &World, stages: &[String]) {
    t.until("the end of the stages", async |t| {
        let runs = &t.bot().rooms.runs;
        let is_done = |stage: &String| matches!(runs.view(stage), StageView::Done(_));
        stages.iter().all(is_done).then_some(())
    })
    .await;
}

/// From a line that a step prints to the same line in the bot's file.
async fn talk(t: &World) {
    let stage = "bench-talk".to_owned();
    order(t, &stage, TALK).await;
    let path = t.bot().rooms.runs.log_path(&stage);
    let mut lags = Vec::new();
    let mut seen = 0;
    t.until("all lines", async |_| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let now = seconds(UNIX_EPOCH, SystemTime::now());
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let said = whole
            .lines()
            .filter_map(|line| line.split_once("said ")?.1.trim().parse::<f64>().ok());
        let said: Vec<f64> = said.collect();
        lags.extend(said[seen..].iter().map(|at| now - at));
        seen = said.len();
        (seen >= LINES).then_some(())
    })
    .await;
    tell("log lag, print to file of the bot", &lags);
    until_done(t, &[stage]).await;
}

/// When each object was first seen so, by the watch of an administrator.
type Seen = Arc<Mutex<BTreeMap<String, SystemTime>>>;

fn watch<K>(
    cluster: &Cluster,
    seen: &Seen,
    is_so: fn(&K) -> Option<String>,
) -> tokio::task::JoinHandle<()>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let (api, seen) = (cluster.all::<K>(&cluster.namespace), Arc::clone(seen));
    tokio::spawn(async move {
        let mut changes = Box::pin(watcher(api, watcher::Config::default()).applied_objects());
        while let Some(change) = changes.next().await {
            if let Some(name) = change.ok().as_ref().and_then(is_so) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.entry(name).or_insert_with(SystemTime::now);
            }
        }
    })
}

fn job_of(pod: &Pod) -> Option<String> {
    let phase = pod.status.as_ref()?.phase.as_deref()?;
    let owner = pod.metadata.owner_references.as_ref()?.first()?;
    matches!(phase, "Running" | "Succeeded" | "Failed").then(|| owner.name.clone())
}

/// From fifty orders at once to their Jobs, and to their pods at work.
async fn burst(t: &World, cluster: &Cluster) {
    let (created, running) = (Seen::default(), Seen::default());
    let watches = [
        watch::<Job>(cluster, &created, |job| job.metadata.name.clone()),
        watch::<Pod>(cluster, &running, job_of),
    ];
    let stages: Vec<String> = (0..AT_ONCE)
        .map(|number| format!("bench-{number:02}"))
        .collect();
    let mut ordered = BTreeMap::new();
    for stage in &stages {
        order(t, stage, "import time; time.sleep(1)").await;
        ordered.insert(stage.clone(), SystemTime::now());
    }
    let began = *ordered.values().min().expect("orders");
    until_done(t, &stages).await;
    say(&format!(
        "{AT_ONCE} Jobs of 1 s, ordered at once: all done after {:.1} s",
        seconds(began, SystemTime::now())
    ));
    for (what, seen) in [
        ("order to Job created", created),
        ("order to pod running", running),
    ] {
        tell_waits(what, &ordered, &seen);
    }
    for watch in watches {
        watch.abort();
    }
}

/// From when each stage began to when its Job was first seen so.
fn tell_waits(what: &str, began: &BTreeMap<String, SystemTime>, seen: &Seen) {
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let waits = began.iter().filter_map(|(stage, at)| {
        let (_, seen) = seen.iter().find(|(job, _)| job.contains(stage.as_str()))?;
        Some(seconds(*at, *seen))
    });
    tell(what, &waits.collect::<Vec<f64>>());
}

fn seconds(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).unwrap_or_default().as_secs_f64()
}

/// What the process of hub, bot and story holds more, once the bot's watch has seen further Jobs and pods.
async fn memory(t: &World, cluster: &Cluster) {
    let before = resident_bytes();
    let jobs = cluster.jobs().await;
    let (job, pods) = (jobs.first().expect("a Job").clone(), cluster.pods().await);
    let pod = pods
        .into_iter()
        .find(|pod| job_of(pod).is_some())
        .expect("a pod");
    let (finished, at_work) = KEPT;
    let wanted = finished + at_work;
    futures_util::stream::iter(0..wanted)
        .for_each_concurrent(CREATES, |number| {
            copy(cluster, (&job, &pod), number, number < finished)
        })
        .await;
    // The bot's watch has them a moment later or sooner; then its memory stands still.
    let mut last = 0;
    let after = t
        .until("quiet memory", async |_| {
            tokio::time::sleep(LOOK * 100).await;
            let now = resident_bytes();
            let is_still = now.abs_diff(last) < 256 << 10;
            last = now;
            is_still.then_some(now)
        })
        .await;
    let more = after.saturating_sub(before);
    say(&format!(
        "memory: {} MiB before, {} MiB more with {finished} finished and {at_work} running Jobs and their pods: {} KiB for each",
        before >> 20,
        more >> 20,
        (more >> 10) / wanted as u64
    ));
}

/// A Job with its pod, as objects alone: suspended, and the pod for no node.
async fn copy(cluster: &Cluster, (job, pod): (&Job, &Pod), number: usize, is_over: bool) {
    let how = PostParams::default();
    let name = format!("bench-copy-{number}");
    let mut spec = serde_json::to_value(&job.spec).expect("a spec");
    for key in ["selector", "manualSelector"] {
        spec.as_object_mut().expect("fields").remove(key);
    }
    spec["suspend"] = true.into();
    spec["ttlSecondsAfterFinished"] = 3_600.into();
    let plain = |labels: &Option<BTreeMap<String, String>>| {
        let mut labels = labels.clone().unwrap_or_default();
        labels.retain(|key, _| !key.contains("controller-uid") && !key.contains("job-name"));
        labels
    };
    spec["template"]["metadata"]["labels"] = json!(plain(&job.metadata.labels));
    let made = json!({"metadata": {"name": name, "labels": plain(&job.metadata.labels),
        "annotations": job.metadata.annotations}, "spec": spec});
    let jobs = cluster.all::<Job>(&cluster.namespace);
    let made: Job = serde_json::from_value(made).expect("a Job");
    jobs.create(&how, &made).await.expect("a Job");
    let mut spec = serde_json::to_value(&pod.spec).expect("a spec");
    spec["schedulingGates"] = json!([{"name": "bowsprit.dev/bench"}]);
    for key in ["nodeName", "priority", "tolerations"] {
        spec.as_object_mut().expect("fields").remove(key);
    }
    let made =
        json!({"metadata": {"name": name, "labels": plain(&pod.metadata.labels)}, "spec": spec});
    let pods = cluster.all::<Pod>(&cluster.namespace);
    let made: Pod = serde_json::from_value(made).expect("a pod");
    pods.create(&how, &made).await.expect("a pod");
    if is_over {
        let status: Value = json!({"status": pod.status});
        let patched = pods
            .patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await;
        patched.expect("a status");
    }
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

fn tell(what: &str, seconds: &[f64]) {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: usize| {
        let index = (sorted.len() * part).div_ceil(100).max(1) - 1;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    };
    say(&format!(
        "{what} (n {}): p50 {:.2} s, p99 {:.2} s",
        sorted.len(),
        at(50),
        at(99)
    ));
}
