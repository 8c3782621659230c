//! Pull requests: opening, merging in three ways, and every refusal of a merge.

use crate::harness::World;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_request_is_opened_tested_and_merged() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let path = format!("/repos/alice/demo/pulls/{number}");
    let opened = world.receiver.expect("pull_request", "opened").await;
    assert_eq!(opened.json["installation"]["id"], 5);
    assert_eq!(opened.json["repository"]["full_name"], "alice/demo");
    let first = world.get("alice", &path).await.is(200);
    assert_eq!(first.json["mergeable"], Value::Null);
    let second = world.get("alice", &path).await.is(200);
    assert_eq!(second.json["mergeable"], true);
    assert_eq!(second.json["mergeable_state"], "clean");
    assert_eq!(second.json["changed_files"], 1);
    world.get("alice", &format!("{path}/merge")).await.is(404);
    let wrong = json!({"sha": "0".repeat(40)});
    let got = world
        .put("alice", &format!("{path}/merge"), wrong)
        .await
        .is(409);
    assert_eq!(
        got.json["message"],
        "Head branch was modified. Review and try the merge again."
    );
    let right = json!({"sha": second.json["head"]["sha"], "merge_method": "squash"});
    let merged = world
        .put("alice", &format!("{path}/merge"), right)
        .await
        .is(200);
    assert_eq!(merged.json["merged"], true);
    assert_eq!(
        world.tip("main").await,
        merged.json["sha"].as_str().expect("a sha")
    );
    world.get("alice", &format!("{path}/merge")).await.is(204);
    world
        .put("alice", &format!("{path}/merge"), json!({}))
        .await
        .is(405);
    let closed = world.receiver.expect("pull_request", "closed").await;
    assert_eq!(closed.json["pull_request"]["merged"], true);
    assert_eq!(world.receiver.count("pull_request", "closed"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_drafts_and_missing_checks_cannot_be_merged() {
    let world = World::with_repo().await;
    world.branch("left").await;
    world.write("left", "README.md", "left\n").await;
    world.write("main", "README.md", "right\n").await;
    let body = json!({"title": "Left", "head": "left", "base": "main", "draft": true});
    let pull = world
        .post("alice", "/repos/alice/demo/pulls", body)
        .await
        .is(201);
    let path = pull.json["url"]
        .as_str()
        .expect("a url")
        .replace(&world.url, "");
    let merge = format!("{path}/merge");
    let draft = world.put("alice", &merge, json!({})).await.is(405);
    assert_eq!(draft.json["message"], "Pull Request is still a draft");
    world
        .patch("alice", &path, json!({"draft": false}))
        .await
        .is(200);
    let conflict = world.put("alice", &merge, json!({})).await.is(405);
    assert_eq!(conflict.json["message"], "Pull Request is not mergeable");
    world.get("alice", &path).await.is(200);
    let seen = world.get("alice", &path).await.is(200);
    assert_eq!(seen.json["mergeable"], false);
    assert_eq!(seen.json["mergeable_state"], "dirty");

    let number = world.pull("checked").await;
    let rules = json!([{"type": "required_status_checks", "parameters": {
        "strict_required_status_checks_policy": false, "required_status_checks": [{"context": "gate"}]}}]);
    world
        .admin("PUT", "/_hub/rules/alice/demo/main", rules)
        .await
        .is(200);
    let shown = world
        .get("alice", "/repos/alice/demo/rules/branches/main")
        .await
        .is(200);
    assert_eq!(shown.json[0]["type"], "required_status_checks");
    let merge = format!("/repos/alice/demo/pulls/{number}/merge");
    world.put("alice", &merge, json!({})).await.is(405);
    let sha = world.tip("checked").await;
    world
        .post(
            "alice",
            &format!("/repos/alice/demo/statuses/{sha}"),
            json!({"state": "success", "context": "gate"}),
        )
        .await
        .is(201);
    world.put("alice", &merge, json!({})).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_pull_request_for_a_branch_is_refused() {
    let world = World::with_repo().await;
    world.pull("feature").await;
    let body = json!({"title": "Again", "head": "feature", "base": "main"});
    let got = world
        .post("alice", "/repos/alice/demo/pulls", body)
        .await
        .is(422);
    assert_eq!(
        got.json["errors"][0]["message"],
        "A pull request already exists for alice:feature."
    );
    let body = json!({"title": "None", "head": "missing", "base": "main"});
    let got = world
        .post("alice", "/repos/alice/demo/pulls", body)
        .await
        .is(422);
    assert_eq!(got.json["errors"][0]["field"], "head");
    world.branch("same").await;
    let body = json!({"title": "Same", "head": "same", "base": "main"});
    let got = world
        .post("alice", "/repos/alice/demo/pulls", body)
        .await
        .is(422);
    let text = got.json["errors"][0]["message"]
        .as_str()
        .expect("a message");
    assert!(text.starts_with("No commits between"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_can_ask_to_be_merged() {
    let world = World::with_repo().await;
    world
        .post("bob", "/repos/alice/demo/forks", json!({}))
        .await
        .is(202);
    let clone = format!("{}/bob/demo.git", world.url.replace("//", "//x:bob-token@"));
    world.git(".", &["clone", "-q", &clone, "work"]);
    std::fs::write(world.dir.path().join("work/new.txt"), "new\n").expect("a file");
    world.git("work", &["checkout", "-q", "-b", "idea"]);
    world.git("work", &["add", "."]);
    world.git("work", &["commit", "-q", "-m", "Idea"]);
    world.git("work", &["push", "-q", "origin", "idea"]);
    let body = json!({"title": "Idea", "head": "bob:idea", "base": "main"});
    let pull = world
        .post("bob", "/repos/alice/demo/pulls", body)
        .await
        .is(201);
    assert_eq!(pull.json["head"]["label"], "bob:idea");
    assert_eq!(pull.json["head"]["repo"]["full_name"], "bob/demo");
    let number = pull.json["number"].as_u64().expect("a number");
    let files = world
        .get("alice", &format!("/repos/alice/demo/pulls/{number}/files"))
        .await
        .is(200);
    assert_eq!(files.json[0]["filename"], "new.txt");
    let review = format!("/repos/alice/demo/pulls/{number}/reviews");
    world
        .post("bob", &review, json!({"event": "APPROVE"}))
        .await
        .is(422);
    let approved = world
        .post("alice", &review, json!({"event": "APPROVE"}))
        .await
        .is(200);
    assert_eq!(approved.json["state"], "APPROVED");
    let event = world
        .receiver
        .expect("pull_request_review", "submitted")
        .await;
    assert_eq!(event.json["review"]["state"], "approved");
    let merge = format!("/repos/alice/demo/pulls/{number}/merge");
    world.put("bob", &merge, json!({})).await.is(403);
    let rebase = json!({"merge_method": "rebase"});
    world.put("alice", &merge, rebase).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_are_made_on_the_way_and_removed_with_an_answer() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let path = format!("/repos/alice/demo/issues/{number}/labels");
    let added = world
        .post("alice", &path, json!({"labels": ["new one", "kind/x"]}))
        .await
        .is(200);
    assert_eq!(added.json[0]["color"], "ededed");
    let event = world.receiver.expect("pull_request", "labeled").await;
    assert!(event.json["label"]["name"].is_string());
    let rest = world
        .api("DELETE", "alice", &format!("{path}/new%20one"), None)
        .await
        .is(200);
    assert_eq!(rest.json.as_array().map(Vec::len), Some(1));
    let gone = world
        .api("DELETE", "alice", &format!("{path}/new%20one"), None)
        .await
        .is(404);
    assert_eq!(gone.json["message"], "Label does not exist");
    let long = json!({"labels": ["x".repeat(51)]});
    let refused = world.post("alice", &path, long).await.is(422);
    assert_eq!(refused.json["errors"][0]["code"], "invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_behind_branch_is_updated_by_a_merge() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    world.write("main", "other.txt", "x\n").await;
    let path = format!("/repos/alice/demo/pulls/{number}/update-branch");
    let wrong = json!({"expected_head_sha": "0".repeat(40)});
    world.put("alice", &path, wrong).await.is(422);
    let before = world.tip("feature").await;
    world.put("alice", &path, json!({})).await.is(202);
    assert_ne!(world.tip("feature").await, before);
    let event = world.receiver.expect("pull_request", "synchronize").await;
    assert_eq!(event.json["before"], before.as_str());
}
