//! Deliveries and their log, faults on demand, and a restart.

use crate::harness::{World, jwt, now};
use serde_json::{Value, json};

async fn comment(world: &World, number: u64, text: &str) -> Value {
    world
        .post(
            "alice",
            &format!("/repos/alice/demo/issues/{number}/comments"),
            json!({ "body": text }),
        )
        .await
        .is(201)
        .json
}

/// Waits until nothing is queued; bounded by the number of questions.
async fn quiet(world: &World) {
    for _ in 0..2_000 {
        let got = world.admin("GET", "/_hub/pending", Value::Null).await;
        if got.json["pending"] == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("deliveries did not end");
}

#[tokio::test]
async fn a_failed_delivery_is_delivered_again_with_the_same_guid() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    quiet(&world).await;
    world.receiver.answer_with(500);
    comment(&world, number, "/hello").await;
    let first = world.receiver.expect("issue_comment", "created").await;
    assert_eq!(first.json["comment"]["body"], "/hello");
    assert!(first.json["issue"]["pull_request"].is_object());
    quiet(&world).await;
    world.receiver.answer_with(200);
    let app = jwt(now() - 60, now() + 540);
    let list = world
        .get(&app, "/app/hook/deliveries?per_page=1")
        .await
        .is(200);
    assert!(list.header("link").contains("cursor="));
    let failed = &list.json[0];
    assert_eq!(failed["guid"], first.guid.as_str());
    assert_eq!(failed["status_code"], 500);
    let path = format!("/app/hook/deliveries/{}", failed["id"]);
    let whole = world.get(&app, &path).await.is(200);
    assert_eq!(whole.json["request"]["payload"]["action"], "created");
    world
        .api("POST", &app, &format!("{path}/attempts"), None)
        .await
        .is(202);
    let second = world
        .receiver
        .expect_times("issue_comment", "created", 2)
        .await;
    assert_eq!(second.guid, first.guid);
    quiet(&world).await;
    let list = world
        .get(&app, "/app/hook/deliveries?per_page=1")
        .await
        .is(200);
    assert_eq!(list.json[0]["redelivery"], true);
    assert_ne!(list.json[0]["id"], failed["id"]);
    assert_eq!(list.json[0]["status_code"], 200);
}

#[tokio::test]
async fn deliveries_are_dropped_and_doubled_on_demand() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let rule = json!({"kind": "drop_delivery", "match": {"event": "issue_comment"}, "count": 1});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    comment(&world, number, "lost").await;
    comment(&world, number, "seen").await;
    let seen = world.receiver.expect("issue_comment", "created").await;
    assert_eq!(seen.json["comment"]["body"], "seen");
    let rule = json!({"kind": "double_delivery", "match": {"event": "issue_comment"}, "count": 1});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    comment(&world, number, "twice").await;
    let again = world
        .receiver
        .expect_times("issue_comment", "created", 3)
        .await;
    assert_eq!(again.json["comment"]["body"], "twice");
    quiet(&world).await;
    assert_eq!(world.receiver.count("issue_comment", "created"), 3);
}

#[tokio::test]
async fn an_answer_can_be_cut_after_the_effect() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let path = format!("/repos/alice/demo/issues/{number}/comments");
    let rule = json!({"kind": "cut_answer", "match": {"method": "POST", "path_contains": "/comments"}, "count": 1});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    let headers = [
        ("user-agent", "story"),
        ("authorization", "token alice-token"),
    ];
    let cut = world
        .call("POST", &path, &headers, Some(json!({"body": "cut"})))
        .await;
    assert!(cut.is_err());
    let list = world.get("alice", &path).await.is(200);
    assert_eq!(list.json[0]["body"], "cut");
    let rule =
        json!({"kind": "status", "match": {"path_contains": "/comments"}, "code": 502, "count": 1});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    world
        .post("alice", &path, json!({"body": "no"}))
        .await
        .is(502);
    let rule = json!({"kind": "secondary_rate_limit", "match": {}, "retry_after": 7, "count": 1});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    let limited = world.get("alice", &path).await.is(403);
    assert_eq!(limited.header("retry-after"), "7");
    let list = world.get("alice", &path).await.is(200);
    assert_eq!(list.json.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn reads_can_be_stale() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let rule = json!({"kind": "stale_reads", "match": {"path_contains": "/pulls/"}, "ms": 60_000});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    let path = format!("/repos/alice/demo/pulls/{number}");
    let before = world.tip("feature").await;
    world.write("feature", "later.txt", "x\n").await;
    let stale = world.get("alice", &path).await.is(200);
    assert_eq!(stale.json["head"]["sha"], before.as_str());
    world
        .admin("DELETE", "/_hub/faults", Value::Null)
        .await
        .is(204);
    let fresh = world.get("alice", &path).await.is(200);
    assert_ne!(fresh.json["head"]["sha"], before.as_str());
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let mut world = World::with_repo().await;
    let number = world.pull("feature").await;
    comment(&world, number, "kept").await;
    let token = world.token().await;
    quiet(&world).await;
    let app = jwt(now() - 60, now() + 540);
    let before = world.get(&app, "/app/hook/deliveries").await.is(200).json;
    world.restart().await;
    let path = format!("/repos/alice/demo/issues/{number}/comments");
    let list = world.get(&token, &path).await.is(200);
    assert_eq!(list.json[0]["body"], "kept");
    let after = world.get(&app, "/app/hook/deliveries").await.is(200).json;
    assert_eq!(before, after);
    let writes = world
        .admin("GET", "/_hub/writes?after=0", Value::Null)
        .await
        .is(200);
    assert_eq!(writes.json.as_array().map(Vec::len), Some(0));
    comment(&world, number, "more").await;
    world
        .receiver
        .expect_times("issue_comment", "created", 2)
        .await;
}

#[tokio::test]
async fn check_runs_keep_to_their_limits() {
    let world = World::with_repo().await;
    let token = world.token().await;
    let sha = world.tip("main").await;
    let path = "/repos/alice/demo/check-runs";
    let body = json!({"name": "gate", "head_sha": sha, "status": "in_progress"});
    world.post("alice", path, body.clone()).await.is(403);
    let run = world.post(&token, path, body).await.is(201);
    let one = format!("{path}/{}", run.json["id"]);
    world
        .patch(&token, &one, json!({"status": "completed"}))
        .await
        .is(422);
    let long = json!({"output": {"title": "t", "summary": "x".repeat(65_536)}});
    world.patch(&token, &one, long).await.is(422);
    let note = json!({"path": "a", "start_line": 1, "end_line": 1,
        "annotation_level": "notice", "message": "m"});
    for _ in 0..2 {
        let body = json!({"output": {"title": "t", "summary": "s", "annotations": vec![note.clone(); 50]}});
        world.patch(&token, &one, body).await.is(200);
    }
    let many = json!({"output": {"title": "t", "summary": "s", "annotations": vec![note; 51]}});
    world.patch(&token, &one, many).await.is(422);
    let done = world
        .patch(&token, &one, json!({"conclusion": "success"}))
        .await
        .is(200);
    assert_eq!(done.json["status"], "completed");
    assert_eq!(done.json["output"]["annotations_count"], 100);
    let event = world.receiver.expect("check_run", "completed").await;
    assert_eq!(event.json["check_run"]["app"]["id"], 77);
    assert_eq!(event.json["sender"]["login"], "helper[bot]");
    world.receiver.expect("check_suite", "completed").await;
    world
        .post(
            &token,
            path,
            json!({"name": "x", "head_sha": "0".repeat(40)}),
        )
        .await
        .is(422);
    world
        .post("alice", &format!("{one}/rerequest"), json!({}))
        .await
        .is(201);
    world.receiver.expect("check_run", "rerequested").await;
}

#[tokio::test]
async fn what_waits_for_delivery_outlives_a_restart() {
    let mut world = World::with_repo().await;
    let number = world.pull("feature").await;
    quiet(&world).await;
    let rule =
        json!({"kind": "delay_delivery", "match": {"event": "issue_comment"}, "ms": 600_000});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    comment(&world, number, "late").await;
    world.restart().await;
    let late = world.receiver.expect("issue_comment", "created").await;
    assert_eq!(late.json["comment"]["body"], "late");
}

#[tokio::test]
async fn deliveries_are_shuffled_but_none_is_lost() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    quiet(&world).await;
    let rule = json!({"kind": "shuffle_deliveries", "match": {"event": "issue_comment"},
        "window_ms": 300, "seed": 4, "count": 1});
    world.admin("POST", "/_hub/faults", rule).await.is(200);
    for text in ["a", "b", "c", "d"] {
        comment(&world, number, text).await;
    }
    world
        .receiver
        .expect_times("issue_comment", "created", 4)
        .await;
    let order: String = world
        .receiver
        .all()
        .iter()
        .filter(|one| one.event == "issue_comment")
        .filter_map(|one| one.json["comment"]["body"].as_str())
        .collect();
    assert_ne!(order, "abcd");
    assert_eq!(order.len(), 4);
}
