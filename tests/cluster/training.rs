//! From a push to a proposal, each stage a Job.

use crate::alike;
use crate::place::run_on_cluster;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_jobs_and_a_proposal() {
    run_on_cluster("a_push_becomes_jobs_and_a_proposal", async |t, cluster| {
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "success", "{}", check["output"]);
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        let jobs = cluster.jobs_that_are_over(t).await;
        assert!(jobs.len() >= 2, "training and evaluation: {jobs:#?}");
        for job in &jobs {
            let status = job.status.clone().unwrap_or_default();
            assert_eq!(
                (status.succeeded, status.failed),
                (Some(1), None),
                "{job:#?}"
            );
        }
        // The log is there as of a stage of this machine.
        let runs = &t.bot().rooms.runs;
        let stages = jobs.iter().filter_map(|job| {
            let annotations = job.metadata.annotations.as_ref()?;
            annotations.get("bowsprit.dev/stage").cloned()
        });
        let train = stages.into_iter().find(|stage| stage.ends_with("-train"));
        let stage = train.expect("a training");
        let log = std::fs::read_to_string(runs.log_path(&stage)).expect("a log");
        assert!(log.contains("line="), "{log}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_is_told_as_on_this_machine_and_not_tried_again() {
    run_on_cluster("a_step_that_fails", async |t, cluster| {
        alike::a_failing_step_names_the_likely_cause(t).await;
        let jobs = cluster.jobs_that_are_over(t).await;
        assert_eq!(jobs.len(), 1);
        assert_eq!(
            jobs[0].status.clone().and_then(|status| status.failed),
            Some(1)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespaces_take_nothing_that_is_not_restricted() {
    run_on_cluster("the_namespaces_are_restricted", async |_, cluster| {
        let pod = json!({"metadata": {"name": "free"}, "spec": {"containers": [
            {"name": "a", "image": "python", "securityContext": {"privileged": true}}]}});
        for namespace in [&cluster.namespace, &cluster.untrusted] {
            let pods = cluster.all::<Pod>(namespace);
            let pod = serde_json::from_value(pod.clone()).expect("a pod");
            let refused = pods.create(&PostParams::default(), &pod).await;
            let words = refused.expect_err("it is refused").to_string();
            assert!(words.contains("violates PodSecurity"), "{words}");
        }
    })
    .await;
}
