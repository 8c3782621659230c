//! Pushes over real git, and what follows from them.

use crate::harness::{SECRET, World};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_sends_signed_events_and_moves_the_pull_request() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let before = world.tip("feature").await;
    let clone = format!(
        "{}/alice/demo.git",
        world.url.replace("//", "//x:alice-token@")
    );
    world.git(".", &["clone", "-q", "-b", "feature", &clone, "work"]);
    std::fs::write(world.dir.path().join("work/two.txt"), "two\n").expect("a file");
    world.git("work", &["add", "."]);
    world.git("work", &["commit", "-q", "-m", "Second"]);
    let pushed = world.git("work", &["push", "-q", "origin", "feature"]);
    assert_eq!(pushed, "");
    let head = world.git("work", &["rev-parse", "HEAD"]);
    let event = world.receiver.expect("pull_request", "synchronize").await;
    assert_eq!(event.json["before"], before.as_str());
    assert_eq!(event.json["after"], head.as_str());
    assert_eq!(event.json["pull_request"]["head"]["sha"], head.as_str());
    assert_eq!(event.json["sender"]["login"], "alice");

    let all = world.receiver.all();
    let push = all
        .iter()
        .rev()
        .find(|one| one.event == "push" && one.json["after"] == head.as_str())
        .expect("a push event");
    assert_eq!(push.json["commits"][0]["added"], json!(["two.txt"]));
    assert_eq!(push.json["head_commit"]["id"], head.as_str());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let expected = hex::encode(ring::hmac::sign(&key, &push.raw));
    let header = |name: &str| push.headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("x-hub-signature-256"), format!("sha256={expected}"));
    assert_eq!(header("x-github-hook-installation-target-id"), "77");
    assert_eq!(
        header("x-github-hook-installation-target-type"),
        "integration"
    );
    assert!(header("user-agent").starts_with("GitHub-Hookshot/"));

    let fetched = world.git(
        "work",
        &["fetch", "-q", "origin", &format!("refs/pull/{number}/head")],
    );
    assert_eq!(fetched, "");
    assert_eq!(world.git("work", &["rev-parse", "FETCH_HEAD"]), head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_asks_for_the_right_credentials() {
    let world = World::new().await;
    world
        .post(
            "alice",
            "/user/repos",
            json!({"name": "secret", "private": true, "auto_init": true}),
        )
        .await
        .is(201);
    let with = |who: &str| {
        format!(
            "{}/alice/secret",
            world.url.replace("//", &format!("//{who}@"))
        )
    };
    assert!(
        world
            .git(".", &["ls-remote", &format!("{}/alice/secret", world.url)])
            .starts_with("failed")
    );
    assert!(
        world
            .git(".", &["ls-remote", &with("x:bob-token")])
            .starts_with("failed")
    );
    let token = world
        .token_with(json!({"permissions": {"contents": "read"}}))
        .await
        .is(201)
        .json["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let remote = with(&format!("x-access-token:{token}"));
    assert!(
        world
            .git(".", &["ls-remote", &remote])
            .contains("refs/heads/main")
    );
    assert_eq!(
        world.git(
            ".",
            &[
                "clone",
                "-q",
                "--filter=blob:none",
                "--depth=1",
                &remote,
                "shallow"
            ]
        ),
        ""
    );
    world.git("shallow", &["checkout", "-q", "-b", "new"]);
    assert!(
        world
            .git("shallow", &["push", "-q", "origin", "new"])
            .starts_with("failed")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_branch_closes_its_pull_request() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    world
        .api(
            "DELETE",
            "alice",
            "/repos/alice/demo/git/refs/heads/feature",
            None,
        )
        .await
        .is(204);
    let event = world.receiver.expect("delete", "").await;
    assert_eq!(event.json["ref"], "feature");
    let got = world
        .get("alice", &format!("/repos/alice/demo/pulls/{number}"))
        .await
        .is(200);
    assert_eq!(got.json["state"], "closed");
    assert_eq!(got.json["merged"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merging_by_hand_counts_as_merged() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let sha = world.tip("feature").await;
    world
        .patch(
            "alice",
            "/repos/alice/demo/git/refs/heads/main",
            json!({ "sha": sha }),
        )
        .await
        .is(200);
    let got = world
        .get("alice", &format!("/repos/alice/demo/pulls/{number}"))
        .await
        .is(200);
    assert_eq!(got.json["merged"], true);
}
