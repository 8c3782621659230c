//! Steps in images of their own: one pod, one container after the other.
//!
//! Read from the environment: `BOWSPRIT_TEST_TOOLS_IMAGE`, an image by digest that has a shell and no Python.

use crate::harness::World;
use crate::place::run_on_cluster;
use crate::waiting::{succeeds, told};
use k8s_openapi::api::core::v1::Pod;

/// Pushes a contract whose first step runs in this image and makes what the second one reads.
async fn push(t: &World, image: &str, shape: &str) -> String {
    let step = format!(
        "steps:\n  - {{name: shape, image: \"{image}\", run: [sh, shape.sh], timeout: 1m, resources: {{cpu: 100m, memory: 128Mi}}}}\n"
    );
    let contract = t.read("tiny-training", "bowsprit.yaml");
    let contract = contract.replace("steps:\n", &step);
    let train = t.read("tiny-training", "train.py");
    let train = train.replace("data.csv", "shaped.csv");
    let files = [
        ("bowsprit.yaml", contract.as_str()),
        ("train.py", train.as_str()),
        ("shape.sh", shape),
    ];
    t.push("tiny-training", "linus", "main", "Shape first", &files)
        .await
}

fn tools() -> String {
    std::env::var("BOWSPRIT_TEST_TOOLS_IMAGE")
        .expect("set BOWSPRIT_TEST_TOOLS_IMAGE: tests/cluster/steps.rs says to what")
}

/// The containers that ran in a pod, each with its exit status.
fn ends(pod: &Pod) -> Vec<(String, Option<i32>)> {
    let status = pod.status.clone().unwrap_or_default();
    let early = status.init_container_statuses.unwrap_or_default();
    let all = early
        .into_iter()
        .chain(status.container_statuses.unwrap_or_default());
    all.map(|container| {
        let end = container.state.and_then(|state| state.terminated);
        (container.name, end.map(|end| end.exit_code))
    })
    .collect()
}

/// The pod of the training.
async fn training(cluster: &crate::place::Cluster) -> Pod {
    let pods = cluster.pods().await.into_iter();
    let mut of_training = pods.filter(|pod| {
        let name = pod.metadata.name.as_deref();
        name.is_some_and(|name| name.contains("-train-"))
    });
    of_training.next().expect("a pod of the training")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_writes_in_one_image_what_the_next_reads_in_another() {
    run_on_cluster("a_step_writes_in_one_image", async |t, cluster| {
        let shape =
            "command -v python3 && exit 1\ncp data.csv shaped.csv && echo shaped without python\n";
        let sha = push(t, &tools(), shape).await;
        succeeds(t, &sha).await;
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        cluster.jobs_that_are_over(t).await;
        let pod = training(cluster).await;
        let well = ["install", "steps-1", "agent"].map(|name| (name.to_owned(), Some(0)));
        assert_eq!(ends(&pod), well);
        let filter = bowsprit::store::RunFilter::default();
        let runs = t.bot().rooms.store.list_runs(&filter, None, 50).await;
        let mut stages = runs.expect("a list").into_iter().flat_map(|run| run.stages);
        let stage = stages
            .find(|stage| stage.id.ends_with("-train"))
            .expect("a training");
        let log = std::fs::read_to_string(t.bot().rooms.runs.log_path(&stage.id)).expect("a log");
        assert_eq!(
            log.matches("shape shaped without python").count(),
            1,
            "{log}"
        );
        assert!(log.contains("train line="), "{log}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_in_its_own_image_is_told_and_not_tried_again() {
    run_on_cluster("a_step_that_fails_in_its_own_image", async |t, cluster| {
        let sha = push(t, &tools(), "echo nothing to shape\nexit 3\n").await;
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "failure");
        let output = check["output"].to_string();
        assert!(output.contains("nothing to shape"), "{output}");
        let jobs = cluster.jobs_that_are_over(t).await;
        let failed = jobs
            .iter()
            .map(|job| job.status.clone().and_then(|status| status.failed));
        assert_eq!(failed.collect::<Vec<_>>(), [Some(1)]);
        let pod = training(cluster).await;
        let ended = [("install", Some(0)), ("steps-1", Some(42)), ("agent", None)];
        assert_eq!(
            ends(&pod),
            ended.map(|(name, code)| (name.to_owned(), code))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_step_that_is_not_there_stands_on_the_check() {
    run_on_cluster("an_image_of_a_step_that_is_not_there", async |t, _| {
        let none = format!("registry.example/none@sha256:{}", "0".repeat(64));
        let sha = push(t, &none, "true\n").await;
        told(t, &sha, "of step `shape` cannot be pulled").await;
        // The next commit does without it.
        let contract = t.read("tiny-training", "bowsprit.yaml");
        let contract = contract.replace(&none, &tools());
        let shape = "cp data.csv shaped.csv\n";
        let files = [("bowsprit.yaml", contract.as_str()), ("shape.sh", shape)];
        let sha = t
            .push("tiny-training", "linus", "main", "Take another", &files)
            .await;
        succeeds(t, &sha).await;
    })
    .await;
}
