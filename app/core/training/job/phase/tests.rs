//! What a real cluster showed, and the words that it is told in.
//!
//! The scenes were taken from Kubernetes 1.34, and cut to what tells something.

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
            r#"Waiting("its pod was evicted, as when a node is drained (Eviction API: evicting); it is started again")"#
        ]],
    );
    check(
        &scene(include_str!("seen/deleting.json")),
        expect![[r#"Waiting("its pod is being deleted; it is started again")"#]],
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
                r#"Waiting("its pod made room for one of higher priority; it is started again")"#
            ]],
        ),
        (
            "DeletionByTaintManager",
            expect![[
                r#"Waiting("its node was lost or must not be used any more; it is started again")"#
            ]],
        ),
        (
            "TerminationByKubelet",
            expect![[
                r#"Waiting("its node was short of room or is being shut down; it is started again")"#
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
