//! The web page, and acting on it.

use crate::harness::{Got, World};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

async fn page(world: &World, path: &str, person: &str) -> Got {
    let cookie = format!("hub_person={person}");
    world
        .call("GET", path, &[("cookie", cookie.as_str())], None)
        .await
        .expect("a page")
}

/// Sends a form as a browser on `origin` would.
async fn form(world: &World, path: &str, origin: &str, body: &'static str) -> u16 {
    let request = http::Request::post(format!("{}{path}", world.url))
        .header("origin", origin)
        .header("cookie", "hub_person=bob")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .expect("a request");
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.expect("an answer");
    let status = answer.status().as_u16();
    answer.into_body().collect().await.expect("a body");
    status
}

#[tokio::test]
async fn every_page_can_be_seen() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    world
        .write(
            "main",
            "a.svg",
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        )
        .await;
    let sha = world.tip("main").await;
    let list = page(&world, "/", "").await.is(200);
    assert!(list.text.contains("alice/demo"));
    for path in [
        "/alice".to_owned(),
        "/alice/demo".to_owned(),
        "/alice/demo/pulls".to_owned(),
        "/alice/demo/issues".to_owned(),
        "/alice/demo/deployments".to_owned(),
        "/alice/demo/tree/feature/".to_owned(),
        "/alice/demo/blob/main/README.md".to_owned(),
        format!("/alice/demo/commit/{sha}"),
        "/alice/demo/compare/main...feature".to_owned(),
        "/_page/style.css".to_owned(),
        "/_page/page.js".to_owned(),
    ] {
        page(&world, &path, "alice").await.is(200);
    }
    let pull = page(&world, &format!("/alice/demo/pull/{number}"), "alice")
        .await
        .is(200);
    assert!(pull.text.contains("feature.txt"), "{}", pull.text);
    assert!(pull.text.contains("class=\"add\">+one"), "{}", pull.text);
    let picture = page(
        &world,
        &format!("/alice/demo/blob/{sha}/a.svg?raw=true"),
        "",
    )
    .await
    .is(200);
    assert_eq!(picture.header("content-type"), "image/svg+xml");
    assert!(
        picture
            .header("content-security-policy")
            .contains("sandbox")
    );
    page(&world, "/alice/none", "").await.is(404);
}

#[tokio::test]
async fn private_repositories_are_hidden_on_pages_too() {
    let world = World::new().await;
    let body = json!({"name": "secret", "private": true, "auto_init": true});
    world.post("alice", "/user/repos", body).await.is(201);
    page(&world, "/alice/secret", "bob").await.is(404);
    assert!(!page(&world, "/", "bob").await.text.contains("secret"));
    page(&world, "/alice/secret/blob/main/README.md?raw=true", "bob")
        .await
        .is(404);
    page(&world, "/alice/secret", "alice").await.is(200);
}

#[tokio::test]
async fn forms_act_as_the_chosen_person_and_only_from_here() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let path = format!("/alice/demo/pull/{number}");
    let body = "do=comment&body=**Hello**+%3Cscript%3E";
    assert_eq!(
        form(&world, &path, "http://elsewhere.example", body).await,
        403
    );
    assert_eq!(form(&world, &path, &world.url, body).await, 303);
    let event = world.receiver.expect("issue_comment", "created").await;
    assert_eq!(event.json["sender"]["login"], "bob");
    assert_eq!(event.json["comment"]["body"], "**Hello** <script>");
    let seen = page(&world, &path, "bob").await.is(200);
    assert!(seen.text.contains("<strong>Hello</strong>"));
    assert!(!seen.text.contains("<script>\n"));
    assert_eq!(
        form(&world, &path, &world.url, "do=APPROVE&body=").await,
        303
    );
    world
        .receiver
        .expect("pull_request_review", "submitted")
        .await;
}

#[tokio::test]
async fn a_press_on_a_checks_button_reaches_the_app() {
    let world = World::with_repo().await;
    let token = world.token().await;
    let sha = world.tip("main").await;
    let run = json!({
        "name": "gate", "head_sha": sha, "conclusion": "action_required",
        "output": {"title": "Look", "summary": "> [!TIP]\n> **Press** it"},
        "actions": [{"label": "Again", "description": "Try again", "identifier": "again"}],
    });
    let run = world
        .post(&token, "/repos/alice/demo/check-runs", run)
        .await
        .is(201);
    let path = format!("/alice/demo/runs/{}", run.json["id"]);
    let seen = page(&world, &path, "bob").await.is(200);
    assert!(seen.text.contains("class=\"alert tip\""), "{}", seen.text);
    assert_eq!(
        form(&world, &path, &world.url, "identifier=wrong").await,
        404
    );
    assert_eq!(
        form(&world, &path, &world.url, "identifier=again").await,
        303
    );
    let event = world.receiver.expect("check_run", "requested_action").await;
    assert_eq!(event.json["requested_action"]["identifier"], "again");
}
