//! The road of blobs, trees, commits and refs; deployments on top of it.

use crate::harness::World;
use serde_json::{Value, json};

#[tokio::test]
async fn a_commit_is_built_from_its_parts() {
    let world = World::with_repo().await;
    let token = world.token().await;
    let api = "/repos/alice/demo/git";
    let parent = world.tip("main").await;
    let commit = world
        .get(&token, &format!("{api}/commits/{parent}"))
        .await
        .is(200);
    let base = commit.json["tree"]["sha"].clone();
    let blob = world
        .post(
            &token,
            &format!("{api}/blobs"),
            json!({"content": "aGk=", "encoding": "base64"}),
        )
        .await
        .is(201);
    let tree = json!({"base_tree": base, "tree": [
        {"path": "deep/er/a.txt", "mode": "100644", "type": "blob", "sha": blob.json["sha"]},
        {"path": "b.sh", "mode": "100755", "type": "blob", "content": "true\n"},
        {"path": "README.md", "mode": "100644", "type": "blob", "sha": Value::Null},
    ]});
    let tree = world
        .post(&token, &format!("{api}/trees"), tree)
        .await
        .is(201);
    let whole = world
        .get(
            &token,
            &format!(
                "{api}/trees/{}?recursive=1",
                tree.json["sha"].as_str().expect("a sha")
            ),
        )
        .await
        .is(200);
    let paths: Vec<&str> = whole.json["tree"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["path"].as_str())
        .collect();
    assert_eq!(paths, ["b.sh", "deep", "deep/er", "deep/er/a.txt"]);
    let made = world
        .post(
            &token,
            &format!("{api}/commits"),
            json!({"message": "Build", "tree": tree.json["sha"], "parents": [parent]}),
        )
        .await
        .is(201);
    assert_eq!(made.json["verification"]["verified"], true);
    let sha = made.json["sha"].as_str().expect("a sha");
    refs_move_forwards_only(&world, &token, (sha, &parent)).await;
    let compared = world
        .get(
            &token,
            &format!("/repos/alice/demo/compare/{parent}...main"),
        )
        .await
        .is(200);
    assert_eq!(compared.json["ahead_by"], 1);
    let event = world.receiver.expect("create", "").await;
    assert!(event.json["ref_type"] == "branch");
}

async fn refs_move_forwards_only(world: &World, token: &str, at: (&str, &str)) {
    let (sha, parent) = at;
    let api = "/repos/alice/demo/git";
    let new = json!({"ref": "refs/heads/built", "sha": sha});
    world
        .post(token, &format!("{api}/refs"), new.clone())
        .await
        .is(201);
    let twice = world.post(token, &format!("{api}/refs"), new).await.is(422);
    assert_eq!(twice.json["message"], "Reference already exists");
    let missing = json!({"ref": "refs/heads/none", "sha": "1".repeat(40)});
    let missing = world
        .post(token, &format!("{api}/refs"), missing)
        .await
        .is(422);
    assert_eq!(missing.json["message"], "Object does not exist");
    world
        .patch(
            token,
            &format!("{api}/refs/heads/main"),
            json!({ "sha": sha }),
        )
        .await
        .is(200);
    let back = json!({ "sha": parent });
    let refused = world
        .patch(token, &format!("{api}/refs/heads/main"), back)
        .await
        .is(422);
    assert_eq!(refused.json["message"], "Update is not a fast forward");
}

#[tokio::test]
async fn empty_repositories_take_no_git_data() {
    let world = World::new().await;
    world
        .post("alice", "/user/repos", json!({"name": "void"}))
        .await
        .is(201);
    let got = world
        .post(
            "alice",
            "/repos/alice/void/git/blobs",
            json!({"content": "x"}),
        )
        .await
        .is(409);
    assert_eq!(got.json["message"], "Git Repository is empty.");
}

#[tokio::test]
async fn contents_are_written_against_the_right_version() {
    let world = World::with_repo().await;
    let path = "/repos/alice/demo/contents/README.md";
    let body = json!({"message": "m", "content": "eA=="});
    world.put("alice", path, body).await.is(422);
    let wrong = json!({"message": "m", "content": "eA==", "sha": "1".repeat(40)});
    world.put("alice", path, wrong).await.is(409);
    let old = world.get("alice", path).await.is(200);
    let right = json!({"message": "m", "content": "eA==", "sha": old.json["sha"]});
    world.put("alice", path, right).await.is(200);
}

#[tokio::test]
async fn deployments_look_at_contexts_and_retire_the_older() {
    let world = World::with_repo().await;
    let token = world.token().await;
    let sha = world.tip("main").await;
    let status = json!({"state": "failure", "context": "gate"});
    world
        .post(&token, &format!("/repos/alice/demo/statuses/{sha}"), status)
        .await
        .is(201);
    let path = "/repos/alice/demo/deployments";
    let refused = json!({"ref": "main", "environment": "live"});
    world.post(&token, path, refused).await.is(409);
    let body = json!({"ref": "main", "environment": "live", "required_contexts": []});
    let mut urls = Vec::new();
    for _ in 0..2 {
        let made = world.post(&token, path, body.clone()).await.is(201);
        let statuses = format!("{path}/{}/statuses", made.json["id"]);
        let good = json!({"state": "success", "environment_url": "http://localhost:1/"});
        world.post(&token, &statuses, good).await.is(201);
        urls.push(statuses);
    }
    let older = world.get(&token, &urls[0]).await.is(200);
    assert_eq!(older.json[0]["state"], "inactive");
    let newer = world.get(&token, &urls[1]).await.is(200);
    assert_eq!(newer.json[0]["state"], "success");
    let places = world
        .get(&token, "/repos/alice/demo/environments")
        .await
        .is(200);
    assert_eq!(places.json["environments"][0]["name"], "live");
}
