//! Who gets in, what a token reaches, and the rules common to all calls.

use crate::harness::{World, jwt, now};
use serde_json::json;

#[tokio::test]
async fn a_jwt_gives_a_token_and_the_token_reaches_the_repository() {
    let world = World::with_repo().await;
    let app = world
        .get(&jwt(now() - 60, now() + 540), "/app")
        .await
        .is(200);
    assert_eq!(app.json["slug"], "helper");
    let found = world
        .get(
            &jwt(now() - 60, now() + 540),
            "/repos/alice/demo/installation",
        )
        .await
        .is(200);
    assert_eq!(found.json["id"], 5);
    let token = world.token().await;
    assert_eq!(token.matches('.').count(), 2);
    assert!(token.len() > 400);
    let repo = world.get(&token, "/repos/alice/demo").await.is(200);
    assert_eq!(repo.json["full_name"], "alice/demo");
    let all = world
        .get(&token, "/installation/repositories")
        .await
        .is(200);
    assert_eq!(all.json["total_count"], 1);
    world
        .api("DELETE", &token, "/installation/token", None)
        .await
        .is(204);
    let gone = world.get(&token, "/repos/alice/demo").await.is(401);
    assert_eq!(gone.json["message"], "Bad credentials");
    assert_eq!(gone.json["status"], "401");
}

#[tokio::test]
async fn jwts_with_wrong_times_are_refused_with_the_known_sentences() {
    let world = World::new().await;
    let far = world
        .get(&jwt(now() - 60, now() + 900), "/app")
        .await
        .is(401);
    assert_eq!(
        far.json["message"],
        "'Expiration time' claim ('exp') is too far in the future"
    );
    let past = world
        .get(&jwt(now() - 900, now() - 1), "/app")
        .await
        .is(401);
    let message = past.json["message"].as_str().expect("a message");
    assert!(message.contains("must be a numeric value representing the future time"));
    let mut broken = jwt(now() - 60, now() + 540);
    broken.replace_range(broken.len() - 8..broken.len() - 4, "AAAA");
    world.get(&broken, "/app").await.is(401);
}

#[tokio::test]
async fn tokens_are_narrowed_by_repository_and_permission() {
    let world = World::with_repo().await;
    world
        .post(
            "alice",
            "/user/repos",
            json!({"name": "other", "auto_init": true}),
        )
        .await
        .is(201);
    let narrow = world
        .token_with(json!({"repositories": ["demo"], "permissions": {"contents": "read"}}))
        .await
        .is(201);
    assert_eq!(narrow.json["repository_selection"], "selected");
    let token = narrow.json["token"].as_str().expect("a token").to_owned();
    world
        .get(&token, "/repos/alice/demo/contents")
        .await
        .is(200);
    world.get(&token, "/repos/alice/other").await.is(404);
    let refused = world
        .post(
            &token,
            "/repos/alice/demo/git/blobs",
            json!({"content": "x"}),
        )
        .await
        .is(403);
    assert_eq!(
        refused.json["message"],
        "Resource not accessible by integration"
    );
    assert_eq!(
        refused.header("x-accepted-github-permissions"),
        "contents=write"
    );
    world
        .token_with(json!({"permissions": {"administration": "write"}}))
        .await
        .is(422);
    world
        .token_with(json!({"repositories": ["nothing"]}))
        .await
        .is(422);
}

#[tokio::test]
async fn common_rules_hold_for_every_call() {
    let world = World::with_repo().await;
    let bare = [("authorization", "token alice-token")];
    let got = world
        .call("GET", "/user", &bare, None)
        .await
        .expect("an answer");
    got.is(403);
    let old = [
        ("authorization", "token alice-token"),
        ("user-agent", "story"),
        ("x-github-api-version", "2001-01-01"),
    ];
    let got = world
        .call("GET", "/user", &old, None)
        .await
        .expect("an answer");
    got.is(400);
    let got = world.get("alice", "/api/v3/user").await.is(200);
    assert_eq!(got.json["login"], "alice");
    assert_eq!(got.header("x-ratelimit-limit"), "5000");
    assert!(!got.header("x-github-request-id").is_empty());
    let tagged = [
        ("authorization", "token alice-token"),
        ("user-agent", "story"),
        ("if-none-match", got.header("etag")),
    ];
    let same = world
        .call("GET", "/user", &tagged, None)
        .await
        .expect("an answer");
    assert!(same.is(304).text.is_empty());
    let nothing = world.get("alice", "/repos/alice/demo/wrong").await.is(404);
    assert_eq!(nothing.json["message"], "Not Found");
    let unknown = world
        .admin("GET", "/_hub/unknown", json!(null))
        .await
        .is(200);
    assert_eq!(unknown.json[0]["path"], "/repos/alice/demo/wrong");
    world.get("nobody", "/_hub/unknown").await.is(401);
    world.get("wrong", "/user").await.is(401);
}

#[tokio::test]
async fn lists_come_in_pages_with_links() {
    let world = World::with_repo().await;
    for number in 0..5 {
        world
            .post(
                "alice",
                "/repos/alice/demo/labels",
                json!({"name": format!("label-{number}"), "color": "aabbcc"}),
            )
            .await
            .is(201);
    }
    let first = world
        .get("alice", "/repos/alice/demo/labels?per_page=2")
        .await
        .is(200);
    assert_eq!(first.json.as_array().map(Vec::len), Some(2));
    let link = first.header("link");
    assert!(link.contains("per_page=2&page=2>; rel=\"next\""), "{link}");
    assert!(link.contains("page=3>; rel=\"last\""), "{link}");
    let last = world
        .get("alice", "/repos/alice/demo/labels?per_page=2&page=3")
        .await
        .is(200);
    assert_eq!(last.json.as_array().map(Vec::len), Some(1));
    assert!(last.header("link").contains("rel=\"prev\""));
    assert!(!last.header("link").contains("rel=\"next\""));
}

#[tokio::test]
async fn private_repositories_do_not_exist_for_strangers() {
    let world = World::new().await;
    world
        .post(
            "alice",
            "/user/repos",
            json!({"name": "secret", "private": true}),
        )
        .await
        .is(201);
    world.get("bob", "/repos/alice/secret").await.is(404);
    world
        .put(
            "alice",
            "/repos/alice/secret/collaborators/bob",
            json!({"permission": "maintain"}),
        )
        .await
        .is(201);
    world.get("bob", "/repos/alice/secret").await.is(200);
    let got = world
        .get("bob", "/repos/alice/secret/collaborators/bob/permission")
        .await
        .is(200);
    assert_eq!(got.json["permission"], "write");
    assert_eq!(got.json["role_name"], "maintain");
}
