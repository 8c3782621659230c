//! What a real cluster showed, and the words that it is told in.
//!
//! The scenes were taken from Kubernetes 1.34, and cut to what tells something.

mod early;

use super::*;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

/// Long after the first pull was tried, and not so long.
const LATE_MS: i64 = 4_102_444_800_000;
const EARLY_MS: i64 = 0;

fn scene(text: &str) -> Scene {
    let mut seen: Value = serde_json::from_str(text).expect("a scene");
    let mut take = |name: &str| seen[name].take();
    let list = |value: Value| match value {
        Value::Array(items) => items,
        other => panic!("{other}"),
    };
    Scene {
        job: serde_json::from_value(take("job")).expect("a Job"),
        pods: list(take("pods"))
            .into_iter()
            .map(|pod| serde_json::from_value(pod).expect("a pod"))
            .collect(),
        events: list(take("events"))
            .into_iter()
            .map(|event| serde_json::from_value(event).expect("an event"))
            .collect(),
        queued: None,
        steps: BTreeMap::new(),
        taken: Vec::new(),
        now_ms: EARLY_MS,
    }
}

fn check(scene: &Scene, want: Expect) {
    want.assert_eq(&format!("{:?}", phase(scene)));
}

#[test]
fn a_job_may_go_when_its_stage_is_over_or_long_unknown() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let job = |kind: &str| -> Job {
        let ended = json!({"status": {"conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": "1970-01-02T00:00:00Z"}]}});
        serde_json::from_value(ended).expect("a Job")
    };
    for (kind, is_stage_over, day, wanted) in [
        ("Complete", Some(true), 1, true),
        ("Failed", Some(true), 1, true),
        ("Failed", Some(false), 100, false),
        ("Failed", None, 7, false),
        ("Failed", None, 9, true),
        ("Suspended", None, 100, false),
        ("Suspended", Some(true), 100, false),
    ] {
        let found = may_go(&job(kind), is_stage_over, day * DAY_MS);
        assert_eq!(found, wanted, "{kind} {is_stage_over:?} {day}");
    }
    assert!(!may_go(&Job::default(), None, i64::MAX));
}

#[test]
fn a_real_scene_is_told_in_words() {
    check(
        &scene(include_str!("seen/running.json")),
        expect!["Running"],
    );
    check(
        &scene(include_str!("seen/complete.json")),
        expect!["Complete"],
    );
    check(
        &scene(include_str!("seen/final_exit.json")),
        expect![[r#"Failed(Agent, "container `agent` ended with status 77: the bot refused")"#]],
    );
    check(
        &scene(include_str!("seen/no_node.json")),
        expect![[
            r#"Waiting("no node takes it: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.")"#
        ]],
    );
    check(
        &scene(include_str!("seen/image_error.json")),
        expect![[
            r#"Waiting("image `registry.example/none@sha256:0000000000000000000000000000000000000000000000000000000000000000` cannot be pulled: lookup registry.example on 192.0.2.53:53: no such host; it is tried again")"#
        ]],
    );
    check(
        &scene(include_str!("seen/image_back_off.json")),
        expect![[
            r#"Waiting("image `registry.example/none@sha256:0000000000000000000000000000000000000000000000000000000000000000` cannot be pulled: lookup registry.example on 192.0.2.53:53: no such host; it is tried again")"#
        ]],
    );
    check(
        &scene(include_str!("seen/out_of_memory.json")),
        expect![[
            r#"Failed(OutOfMemory, "it needed more memory than 64Mi; raise `memory` in `resources`, or use less")"#
        ]],
    );
    check(
        &scene(include_str!("seen/deadline.json")),
        expect![[
            r#"Failed(Timeout, "waiting and working together took longer than 8 s; raise `timeout` of its steps, or look why it waited")"#
        ]],
    );
    check(
        &scene(include_str!("seen/pod_deadline.json")),
        expect![[
            r#"Failed(Timeout, "it took longer than 4 s; raise `timeout` of its steps; it was tried several times")"#
        ]],
    );
}

#[test]
fn a_real_scene_of_waiting_is_told_in_words() {
    check(
        &scene(include_str!("seen/suspended.json")),
        expect![[
            r#"Waiting("its Job `suspended` is suspended by somebody; it goes on when that is taken back")"#
        ]],
    );
    check(
        &scene(include_str!("seen/queued.json")),
        expect![[r#"Waiting("waits in queue `team`, of which Kueue has said nothing yet")"#]],
    );
    check(
        &scene(include_str!("seen/evicted.json")),
        expect![[
            r#"Waiting("its pod was evicted, as when a node is drained (Eviction API: evicting); it is started again, try 2")"#
        ]],
    );
    check(
        &scene(include_str!("seen/deleting.json")),
        expect![[r#"Waiting("its pod is being deleted; it is started again, try 2")"#]],
    );
    check(
        &scene(include_str!("seen/started_again.json")),
        expect!["Running"],
    );
    check(
        &scene(include_str!("seen/no_secret.json")),
        expect![[
            r#"Waiting("its order is not there yet: MountVolume.SetUp failed for volume \"order\" : secret \"none\" not found")"#
        ]],
    );
    check(
        &scene(include_str!("seen/crashed.json")),
        expect![[
            r#"Failed(Agent, "container `agent` ended with status 1: cannot reach the bot; it was tried several times")"#
        ]],
    );
    check(
        &scene(include_str!("seen/quota.json")),
        expect![[
            r#"Waiting("waits for room: quota `small` is used up: pods=1 asked for, pods=5 used, pods=0 allowed")"#
        ]],
    );
}

/// A scene with the state of its only pod changed, as documentation shows what the bed cannot.
fn changed(text: &str, change: impl FnOnce(&mut Value)) -> Scene {
    let mut seen: Value = serde_json::from_str(text).expect("a scene");
    change(&mut seen);
    scene(&seen.to_string())
}

#[test]
fn what_the_bed_cannot_show_is_told_too() {
    let running = include_str!("seen/running.json");
    let silent = changed(running, |seen| {
        let conditions = &mut seen["pods"][0]["status"]["conditions"];
        for condition in conditions.as_array_mut().expect("conditions") {
            if condition["type"] == "Ready" {
                condition["status"] = "False".into();
            }
        }
    });
    check(
        &silent,
        expect![[
            r#"Waiting("node `ktb` does not answer; when it stays silent, the cluster starts the stage elsewhere")"#
        ]],
    );
    for (reason, want) in [
        (
            "PreemptionByScheduler",
            expect![[
                r#"Waiting("its pod made room for one of higher priority; it is started again, try 2")"#
            ]],
        ),
        (
            "DeletionByTaintManager",
            expect![[
                r#"Waiting("the node `ktb` went away, or a taint sends its pods off; it is started again, try 2")"#
            ]],
        ),
        (
            "TerminationByKubelet",
            expect![[
                r#"Waiting("the node `ktb` was short of room or is being shut down; it is started again, try 2")"#
            ]],
        ),
    ] {
        let disrupted = changed(running, |seen| {
            let pod = &mut seen["pods"][0];
            pod["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z".into();
            pod["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": ""}]);
        });
        check(&disrupted, want);
    }
    let full = changed(running, |seen| {
        seen["pods"][0]["status"] = json!({"phase": "Failed", "reason": "Evicted",
            "message": "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."});
    });
    check(
        &full,
        expect![[
            r#"Failed(DiskQuota, "its pod was evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.")"#
        ]],
    );
}

#[test]
fn an_image_that_cannot_be_pulled_for_long_fails_the_stage() {
    let mut late = scene(include_str!("seen/image_back_off.json"));
    late.now_ms = LATE_MS;
    check(
        &late,
        expect![[
            r#"Failed(Agent, "image `registry.example/none@sha256:0000000000000000000000000000000000000000000000000000000000000000` cannot be pulled: lookup registry.example on 192.0.2.53:53: no such host; it was tried for 10 min")"#
        ]],
    );
}

#[test]
fn a_node_that_went_away_is_no_failure_of_the_training() {
    let running = include_str!("seen/running.json");
    let gone = |reason: &str, condition: &str, message: &str| {
        changed(running, |seen| {
            let status = json!({"phase": "Failed", "reason": reason, "message": message,
                "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": condition,
                    "message": "PodGC: node no longer exists"}]});
            seen["pods"][0]["status"] = status;
        })
    };
    // Another pod follows, and how often that happened is not held against the stage.
    let collected = gone("", "DeletionByPodGC", "");
    check(
        &collected,
        expect![[
            r#"Waiting("the node `ktb` went away (PodGC: node no longer exists); it is started again, try 2")"#
        ]],
    );
    // Where no controller said so, the Job counts it, and there is a last try.
    let mut lost = gone(
        "NodeLost",
        "",
        "Node ktb which was running pod is unresponsive",
    );
    let no_condition = |scene: &mut Scene| {
        let status = scene.pods[0].status.as_mut().expect("a status");
        status.conditions = None;
    };
    no_condition(&mut lost);
    check(
        &lost,
        expect![[
            r#"Waiting("the node `ktb` went away: Node ktb which was running pod is unresponsive; it is started again, try 2 of 3")"#
        ]],
    );
    let counted = lost.job.status.as_mut().expect("a status");
    counted.failed = Some(2);
    check(
        &lost,
        expect![[
            r#"Waiting("the node `ktb` went away: Node ktb which was running pod is unresponsive; it is started again, try 3 of 3")"#
        ]],
    );
    let mut down = gone(
        "Terminated",
        "",
        "Pod was terminated in response to imminent node shutdown.",
    );
    no_condition(&mut down);
    check(
        &down,
        expect![[
            r#"Waiting("the node `ktb` is being shut down: Pod was terminated in response to imminent node shutdown.; it is started again, try 2 of 3")"#
        ]],
    );
    // A pod of which the API server has the word of nobody.
    let unknown = changed(running, |seen| {
        seen["pods"][0]["status"] = json!({"phase": "Unknown", "reason": "NodeLost"});
    });
    check(
        &unknown,
        expect![[
            r#"Waiting("node `ktb` does not answer; when it stays silent, the cluster starts the stage elsewhere")"#
        ]],
    );
}

#[test]
fn a_lost_node_is_remembered_when_its_pod_is_gone() {
    let running = include_str!("seen/running.json");
    let mut lost = changed(running, |seen| {
        seen["pods"][0]["metadata"]["name"] = "first".into();
        seen["pods"][0]["status"] = json!({"phase": "Failed", "conditions": [
            {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": ""}]});
    });
    lost.events.clear();
    let taken = taken(&lost.pods);
    let first = Taken {
        pod: "first".to_owned(),
        why: "the node `ktb` went away".to_owned(),
    };
    assert_eq!(taken, [first]);
    lost.taken = taken;
    lost.pods.clear();
    check(
        &lost,
        expect![[r#"Waiting("the node `ktb` went away; it is started again, try 2")"#]],
    );
    let mut next = scene(include_str!("seen/no_node.json"));
    next.events.clear();
    next.taken = lost.taken;
    check(
        &next,
        expect![[
            r#"Waiting("no node takes it: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling. (try 2: the node `ktb` went away)")"#
        ]],
    );
    // Who works is not among those that were taken.
    let works = scene(running);
    assert_eq!(super::taken(&works.pods), []);
    // One that cannot end holds the next back, and what helps is told.
    let mut stuck = changed(running, |seen| {
        let pod = &mut seen["pods"][0];
        pod["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z".into();
        pod["status"]["conditions"] = json!([
            {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": ""}]);
    });
    stuck.now_ms = LATE_MS;
    check(
        &stuck,
        expect![[
            r#"Waiting("the node `ktb` went away, or a taint sends its pods off; node `ktb` does not say that its pod has ended, and no twin starts beside it: it is started again when that node answers, is removed from the cluster or gets the taint `node.kubernetes.io/out-of-service`")"#
        ]],
    );
}
