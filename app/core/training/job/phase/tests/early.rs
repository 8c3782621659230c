//! Stages whose steps run in several containers: what happens before the last of them begins.

use super::*;

/// A scene whose container is the one of the first part, which others follow in the same pod.
fn early(text: &str, change: impl FnOnce(&mut Value)) -> Scene {
    let mut scene = changed(text, |seen| {
        let pod = &mut seen["pods"][0];
        for (place, status) in [
            ("containers", "initContainers"),
            ("containerStatuses", "initContainerStatuses"),
        ] {
            let half = match place {
                "containers" => &mut pod["spec"],
                _ => &mut pod["status"],
            };
            let mut first = half[place][0].clone();
            first["name"] = "steps-1".into();
            half[status] = json!([{"name": "install"}, first]);
            half[place][0]["name"] = "agent".into();
        }
        pod["status"]["initContainerStatuses"][0] = json!({"name": "install", "image": "agent", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "finishedAt": "2026-11-29T12:03:41Z"}}});
        let waiting = json!({"waiting": {"reason": "PodInitializing"}});
        pod["status"]["containerStatuses"][0]["state"] = waiting;
        change(pod);
    });
    scene.steps = [
        ("steps-1", "step `fetch`"),
        ("agent", "steps `train`, `export`"),
    ]
    .map(|(container, steps)| (container.to_owned(), steps.to_owned()))
    .into();
    scene
}

#[test]
fn steps_that_run_before_the_last_container_are_at_work() {
    let running = include_str!("../seen/running.json");
    let pending = |pod: &mut Value| pod["status"]["phase"] = "Pending".into();
    check(&early(running, pending), expect!["Running"]);
    // Between two of them, the pod waits for the next one's image.
    let mut between = early(running, |pod| {
        pending(pod);
        let ended = json!({"terminated": {"exitCode": 0, "finishedAt": "2026-11-29T12:10:00Z"}});
        pod["status"]["initContainerStatuses"][1]["state"] = ended;
    });
    check(&between, expect![[r#"Waiting("starts on node `ktb`")"#]]);
    let pulling = json!({"reason": "Pulling", "message": "Pulling image \"registry.example/second@sha256:0\"",
        "metadata": {"creationTimestamp": "2026-11-29T12:10:01Z"}, "involvedObject": {}});
    between
        .events
        .push(serde_json::from_value(pulling).expect("an event"));
    check(
        &between,
        expect![[r#"Waiting("node `ktb` pulls `registry.example/second@sha256:0`")"#]],
    );
}

#[test]
fn an_image_of_a_step_that_cannot_be_pulled_is_told_with_its_step() {
    let text = include_str!("../seen/image_back_off.json");
    let mut scene = early(text, |_| {});
    check(
        &scene,
        expect![[
            r#"Waiting("image `registry.example/none@sha256:0000000000000000000000000000000000000000000000000000000000000000` of step `fetch` cannot be pulled: lookup registry.example on 192.0.2.53:53: no such host; it is tried again")"#
        ]],
    );
    // What the container before took does not count as time in which it was tried.
    let pulled_at = |scene: &Scene| super::super::pulling_since(&scene.pods[0]).expect("a moment");
    let began = pulled_at(&scene);
    let late = early(text, |pod| {
        let ended = json!({"terminated": {"exitCode": 0, "finishedAt": "2026-11-29T14:00:00Z"}});
        pod["status"]["initContainerStatuses"][0]["state"] = ended;
    });
    assert!(pulled_at(&late) - began > PULL_WAIT_MS);
    for (after_ms, word) in [(PULL_WAIT_MS, "Waiting"), (PULL_WAIT_MS + 1, "Failed")] {
        scene.now_ms = began + after_ms;
        let told = format!("{:?}", phase(&scene));
        assert!(told.starts_with(word), "{told}");
    }
    scene = late;
    scene.now_ms = began + PULL_WAIT_MS + 1;
    assert!(matches!(phase(&scene), JobPhase::Waiting(_)));
    let unfit = early(text, |pod| {
        let waiting =
            json!({"waiting": {"reason": "CreateContainerError", "message": "no such user"}});
        pod["status"]["initContainerStatuses"][1]["state"] = waiting;
    });
    check(
        &unfit,
        expect![[
            r#"Waiting("the container of step `fetch` cannot be started (CreateContainerError): no such user")"#
        ]],
    );
}

#[test]
fn the_end_of_an_earlier_container_is_told_with_its_step() {
    check(
        &early(include_str!("../seen/out_of_memory.json"), |_| {}),
        expect![[
            r#"Failed(OutOfMemory, "step `fetch` needed more memory than 64Mi; raise `memory` in `resources`, or use less")"#
        ]],
    );
    check(
        &early(include_str!("../seen/final_exit.json"), |_| {}),
        expect![[
            r#"Failed(Agent, "the container of step `fetch` ended with status 77: the bot refused")"#
        ]],
    );
    let mut failed = early(include_str!("../seen/final_exit.json"), |pod| {
        let end = &mut pod["status"]["initContainerStatuses"][1]["state"]["terminated"];
        end["exitCode"] = 42.into();
        end["message"] = "".into();
    });
    check(
        &failed,
        expect![[r#"Failed(Agent, "the container of step `fetch` ended with status 42")"#]],
    );
    failed.steps.clear();
    check(
        &failed,
        expect![[r#"Failed(Agent, "container `steps-1` ended with status 42")"#]],
    );
    // The way in is none of the steps.
    let no_way = early(include_str!("../seen/final_exit.json"), |pod| {
        let statuses = &mut pod["status"]["initContainerStatuses"];
        statuses[0]["state"] = statuses[1]["state"].clone();
        statuses[1]["state"] = json!({"waiting": {"reason": "PodInitializing"}});
    });
    check(
        &no_way,
        expect![[r#"Failed(Agent, "container `install` ended with status 77: the bot refused")"#]],
    );
}
