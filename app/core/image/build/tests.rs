//! Jobs and pods as a cluster shows them, and what is made of them.

use super::*;
use serde_json::{Value, json};

fn job(status: Value) -> Job {
    serde_json::from_value(json!({"metadata": {"name": "x"}, "status": status})).unwrap()
}

fn pod(made: &str, states: &[(&str, Value)]) -> Pod {
    let statuses: Vec<Value> = states
        .iter()
        .map(|(name, state)| {
            json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state})
        })
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": "p", "creationTimestamp": made},
        "status": {"initContainerStatuses": statuses}
    }))
    .unwrap()
}

fn ended(code: i32, message: &str) -> Value {
    json!({"terminated": {"exitCode": code, "message": message, "reason": "Error"}})
}

fn failed(reason: &str) -> Job {
    job(json!({"conditions": [{"type": "Failed", "status": "True", "reason": reason}]}))
}

fn complete() -> Job {
    job(json!({
        "startTime": "2026-11-29T11:00:00Z",
        "completionTime": "2026-11-29T11:00:42Z",
        "conditions": [
            {"type": "SuccessCriteriaMet", "status": "True"},
            {"type": "Complete", "status": "True"}
        ]
    }))
}

const EARLY: &str = "2026-11-29T11:00:00Z";
const LATE: &str = "2026-11-29T11:05:00Z";

#[test]
fn a_build_is_over_when_its_job_says_so_and_not_before() {
    let active = Build::Active { waiting: None };
    assert_eq!(build(&job(json!(null)), &[]), active);
    let nearly = json!({"conditions": [{"type": "FailureTarget", "status": "True"}]});
    assert_eq!(build(&job(nearly), &[]), active);
    let no = json!({"conditions": [{"type": "Complete", "status": "False"}]});
    assert_eq!(build(&job(no), &[]), active);
}

#[test]
fn a_pushed_image_is_the_last_word_of_the_push_alone() {
    let digest = Digest::of(b"image");
    let said = |name: &str, code: i32, word: &str| {
        build(&complete(), &[pod(EARLY, &[(name, ended(code, word))])])
    };
    assert_eq!(
        said(PUSH, 0, digest.as_str()),
        Build::Pushed {
            digest: digest.clone(),
            seconds: 42
        }
    );
    for (name, code, word) in [
        (BUILD, 0, digest.as_str()),
        (PUSH, 1, digest.as_str()),
        (PUSH, 0, "sha256:none"),
        (PUSH, 0, ""),
    ] {
        let said = said(name, code, word);
        assert!(matches!(said, Build::Failed { .. }), "{said:?}");
    }
}

#[test]
fn a_failure_names_what_failed_and_its_last_lines() {
    let told = |name: &str, code: i32, message: &str| {
        let pods = [
            pod(EARLY, &[("fetch", ended(1, "an older try"))]),
            pod(
                LATE,
                &[("fetch", ended(0, "")), (name, ended(code, message))],
            ),
        ];
        match build(&failed("PodFailurePolicy"), &pods) {
            Build::Failed { reason } => reason,
            other => panic!("{other:?}"),
        }
    };
    let pip = told(
        BUILD,
        EXIT_TEXT,
        "ERROR: No matching distribution found for x==9\n",
    );
    assert_eq!(
        pip,
        "the image could not be built:\nERROR: No matching distribution found for x==9"
    );
    for (name, code, begins) in [
        (BUILD, EXIT_TEST, "the tests failed in the finished image"),
        (BUILD, 1, "the builder could not begin"),
        (PUSH, 1, "the image was built, but could not be pushed"),
        ("pull", 1, "the base image could not be pulled"),
        ("fetch", 22, "the files of the build could not be fetched"),
        ("other", 1, "the build failed"),
    ] {
        let told = told(name, code, "");
        assert!(told.starts_with(begins), "{told}");
    }
}

#[test]
fn other_ends_are_told_apart() {
    let oom = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let pods = [pod(EARLY, &[(BUILD, oom)])];
    for (cause, pods, begins) in [
        ("DeadlineExceeded", &pods[..], "the build took too long"),
        (
            "BackoffLimitExceeded",
            &pods[..],
            "the build ran out of memory",
        ),
        (
            "BackoffLimitExceeded",
            &[],
            "the build failed and its pod is gone",
        ),
    ] {
        let Build::Failed { reason } = build(&failed(cause), pods) else {
            panic!("{cause}");
        };
        assert!(reason.starts_with(begins), "{reason}");
    }
}

#[test]
fn a_build_that_cannot_begin_says_why() {
    let waits = |reason: &str| {
        let state = json!({"waiting": {"reason": reason, "message": "not found"}});
        match build(&job(json!(null)), &[pod(EARLY, &[("fetch", state)])]) {
            Build::Active { waiting } => waiting,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        waits("ImagePullBackOff").as_deref(),
        Some("ImagePullBackOff: not found")
    );
    assert_eq!(waits("PodInitializing"), None);
    let unplaced: Pod = serde_json::from_value(json!({"status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    ]}}))
    .unwrap();
    let Build::Active { waiting } = build(&job(json!(null)), &[unplaced]) else {
        panic!("not active");
    };
    assert_eq!(
        waiting.as_deref(),
        Some("no node takes it: 0/1 nodes are available")
    );
}
