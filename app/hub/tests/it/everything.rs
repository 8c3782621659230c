//! A walk over the routes that no other story needs, so that `tests/openapi/check.sh` sees an answer of each.

use crate::harness::{World, jwt, now};
use serde_json::{Value, json};

type Step<'a> = (&'a str, &'a str, Value, u16);

const NONE: Value = Value::Null;

/// Makes calls below a path, each with the status it must get.
async fn walk(world: &World, who: &str, base: &str, steps: &[Step<'_>]) {
    for (method, path, body, status) in steps {
        let body = Some(body.clone()).filter(|body| !body.is_null());
        let path = format!("{base}{path}");
        let got = world.api(method, who, &path, body).await;
        assert_eq!(got.status.as_u16(), *status, "{method} {path}: {}", got.text);
    }
}

fn id(value: &Value) -> u64 {
    value["id"].as_u64().expect("an id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_and_the_app_answer() {
    let world = World::with_repo().await;
    world.admin("POST", "/_hub/orgs", json!({"login": "guild", "members": {"alice": "admin"}, "teams": {"core": ["alice"]}})).await.is(200);
    let app = jwt(now() - 60, now() + 540);
    walk(&world, "alice", "", &[
        ("GET", "/", NONE, 200), ("GET", "/meta", NONE, 200), ("GET", "/rate_limit", NONE, 200),
        ("GET", "/user", NONE, 200), ("GET", "/user/repos", NONE, 200), ("GET", "/users/bob", NONE, 200),
        ("GET", "/orgs/guild", NONE, 200), ("GET", "/orgs/guild/members/alice", NONE, 204),
        ("GET", "/orgs/guild/members/bob", NONE, 404), ("GET", "/orgs/alice/members/alice", NONE, 404),
        ("GET", "/orgs/guild/teams/core/memberships/alice", NONE, 200),
        ("GET", "/orgs/guild/teams/core/memberships/bob", NONE, 404), ("GET", "/orgs/guild/teams/no/memberships/alice", NONE, 404),
        ("POST", "/orgs/guild/repos", json!({"name": "tools", "auto_init": true}), 201),
        ("GET", "/repos/guild/tools", NONE, 200), ("GET", "/apps/helper", NONE, 200),
    ]).await;
    walk(&world, &app, "", &[
        ("GET", "/app", NONE, 200), ("GET", "/app/installations", NONE, 200), ("GET", "/app/installations/5", NONE, 200),
        ("GET", "/users/alice/installation", NONE, 200), ("GET", "/repos/alice/demo/installation", NONE, 200),
        ("GET", "/app/hook/config", NONE, 200), ("PATCH", "/app/hook/config", json!({"secret": "another"}), 200),
        ("GET", "/app/hook/deliveries", NONE, 200), ("GET", "/app/hook/deliveries/1", NONE, 200),
        ("PUT", "/app/installations/5/suspended", NONE, 204), ("DELETE", "/app/installations/5/suspended", NONE, 204),
    ]).await;
    let token = world.token().await;
    let narrow = world.post(&app, "/app/installations/5/access_tokens", json!({"permissions": {"issues": "read"}})).await.is(201);
    let narrow = narrow.json["token"].as_str().expect("a token");
    // The organisation is another installation's, and this token may not ask about members at all.
    walk(&world, &token, "/orgs/guild", &[("GET", "/members/alice", NONE, 404), ("GET", "/teams/core/memberships/alice", NONE, 404)]).await;
    walk(&world, narrow, "/orgs/guild", &[("GET", "/members/alice", NONE, 403), ("GET", "/teams/core/memberships/alice", NONE, 403)]).await;
    walk(&world, &token, "/installation", &[("GET", "/repositories", NONE, 200), ("DELETE", "/token", NONE, 204)]).await;
    world.receiver.expect("installation", "unsuspend").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_answers() {
    let world = World::with_repo().await;
    let sha = world.branch("side").await;
    world.write("side", "more.txt", "more\n").await;
    walk(&world, "alice", "/repos/alice/demo", &[
        ("PATCH", "", json!({"description": "A demo"}), 200),
        ("POST", "/git/refs", json!({"ref": "refs/tags/v1", "sha": sha}), 201),
        ("GET", "/branches", NONE, 200), ("GET", "/branches/main", NONE, 200), ("GET", "/rules/branches/main", NONE, 200),
        ("GET", "/tags", NONE, 200), ("GET", "/git/matching-refs/heads/", NONE, 200), ("GET", "/commits", NONE, 200),
        ("GET", "/commits/main", NONE, 200), ("GET", "/compare/main...side", NONE, 200),
        ("GET", "/commits/main/pulls", NONE, 200), ("GET", "/commits/side/status", NONE, 200),
        ("POST", &format!("/statuses/{sha}"), json!({"state": "success", "context": "gate"}), 201),
        ("GET", "/commits/main/status", NONE, 200), ("GET", "/commits/main/statuses", NONE, 200),
        ("GET", "/commits/main/check-suites", NONE, 200), ("GET", "/git/trees/main?recursive=1", NONE, 200),
        ("PUT", "/collaborators/bob", json!({"permission": "push"}), 201), ("GET", "/collaborators", NONE, 200),
        ("GET", "/collaborators/bob", NONE, 204), ("GET", "/collaborators/bob/permission", NONE, 200),
        ("DELETE", "/collaborators/bob", NONE, 204), ("DELETE", "/git/refs/heads/side", NONE, 204),
        ("POST", "/labels", json!({"name": "odd", "color": "ededed"}), 201), ("GET", "/labels", NONE, 200),
        ("GET", "/labels/odd", NONE, 200), ("PATCH", "/labels/odd", json!({"description": "strange"}), 200),
        ("DELETE", "/labels/odd", NONE, 204),
    ]).await;
    world.post("bob", "/repos/alice/demo/forks", json!({})).await.is(202);
    let tag = json!({"tag": "v2", "message": "Two", "object": sha, "type": "commit"});
    let tag = world.post("alice", "/repos/alice/demo/git/tags", tag).await.is(201);
    let blob = world.post("alice", "/repos/alice/demo/git/blobs", json!({"content": "x"})).await.is(201);
    walk(&world, "alice", "/repos/alice/demo", &[
        ("GET", "/forks", NONE, 200),
        ("GET", &format!("/git/tags/{}", tag.json["sha"].as_str().expect("a sha")), NONE, 200),
        ("GET", &format!("/git/blobs/{}", blob.json["sha"].as_str().expect("a sha")), NONE, 200),
        ("DELETE", "", NONE, 204),
    ]).await;
    world.receiver.expect("repository", "deleted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talk_answers() {
    let world = World::with_repo().await;
    let base = "/repos/alice/demo/issues";
    world.post("alice", base, json!({"title": "Odd", "body": "It is."})).await.is(201);
    let comment = id(&world.post("bob", &format!("{base}/1/comments"), json!({"body": "Yes"})).await.is(201).json);
    let on_comment = format!("/comments/{comment}");
    let eyes = || json!({"content": "eyes"});
    let of_comment = world.post("alice", &format!("{base}{on_comment}/reactions"), eyes()).await.is(201);
    let of_issue = world.post("alice", &format!("{base}/1/reactions"), eyes()).await.is(201);
    walk(&world, "alice", base, &[
        ("GET", "", NONE, 200), ("GET", "/1", NONE, 200), ("GET", "/1/comments", NONE, 200), ("GET", "/comments", NONE, 200),
        ("GET", &on_comment, NONE, 200), ("PATCH", &on_comment, json!({"body": "No"}), 200),
        ("GET", &format!("{on_comment}/reactions"), NONE, 200),
        ("DELETE", &format!("{on_comment}/reactions/{}", id(&of_comment.json)), NONE, 204),
        ("GET", "/1/reactions", NONE, 200), ("DELETE", &format!("/1/reactions/{}", id(&of_issue.json)), NONE, 204),
        ("DELETE", &on_comment, NONE, 204),
        ("POST", "/1/labels", json!({"labels": ["a", "b"]}), 200), ("GET", "/1/labels", NONE, 200),
        ("PUT", "/1/labels", json!({"labels": ["b"]}), 200), ("DELETE", "/1/labels/b", NONE, 200),
        ("DELETE", "/1/labels", NONE, 204),
        ("PATCH", "/1", json!({"milestone": 7}), 422),
        ("POST", "/1/assignees", json!({"assignees": ["alice"]}), 201),
        ("DELETE", "/1/assignees", json!({"assignees": ["alice"]}), 200),
        ("PATCH", "/1", json!({"title": "Odder"}), 200), ("PATCH", "/1", json!({"state": "closed"}), 200),
        ("PATCH", "/1", json!({"state": "open"}), 200),
    ]).await;
    walk(&world, "alice", "/repos/alice/demo", &[
        ("POST", "/milestones", json!({"title": "v1", "description": "First"}), 201),
        ("POST", "/milestones", json!({"title": "v1"}), 422),
        ("GET", "/milestones", NONE, 200), ("GET", "/milestones?state=closed", NONE, 200),
        ("GET", "/milestones/1", NONE, 200), ("GET", "/milestones/2", NONE, 404),
        ("PATCH", "/issues/1", json!({"milestone": 1}), 200), ("GET", "/issues/1", NONE, 200),
        ("PATCH", "/issues/1", json!({"milestone": null}), 200),
    ]).await;
    world.receiver.expect("issues", "reopened").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_request_answers() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let base = format!("/repos/alice/demo/pulls/{number}");
    world.put("alice", "/repos/alice/demo/collaborators/bob", json!({"permission": "push"})).await.is(201);
    let pending = json!({"comments": [{"path": "feature.txt", "position": 1, "body": "Here"}]});
    let review = id(&world.post("bob", &format!("{base}/reviews"), pending).await.is(200).json);
    let on_review = format!("/reviews/{review}");
    walk(&world, "bob", &base, &[
        ("POST", &format!("{on_review}/events"), json!({"event": "REQUEST_CHANGES", "body": "Later"}), 200),
        ("GET", "/reviews", NONE, 200), ("GET", &on_review, NONE, 200), ("GET", "/comments", NONE, 200),
    ]).await;
    world.receiver.expect("pull_request_review_comment", "created").await;
    let line = json!({"path": "feature.txt", "line": 1, "commit_id": world.tip("feature").await, "body": "There"});
    let line = id(&world.post("bob", &format!("{base}/comments"), line).await.is(201).json);
    let on_line = format!("/repos/alice/demo/pulls/comments/{line}/reactions");
    walk(&world, "bob", &on_line, &[
        ("POST", "", json!({"content": "eyes"}), 201), ("POST", "", json!({"content": "eyes"}), 200), ("GET", "", NONE, 200),
    ]).await;
    walk(&world, "alice", &base, &[
        ("PUT", &format!("{on_review}/dismissals"), json!({"message": "Done"}), 200),
        ("GET", "/files", NONE, 200), ("GET", "/commits", NONE, 200),
        ("POST", "/requested_reviewers", json!({"reviewers": ["bob"]}), 201), ("GET", "/requested_reviewers", NONE, 200),
        ("DELETE", "/requested_reviewers", json!({"reviewers": ["bob"]}), 200),
        ("PATCH", "", json!({"title": "Better"}), 200), ("PATCH", "", json!({"state": "closed"}), 200),
        ("PATCH", "", json!({"state": "open"}), 200),
    ]).await;
    walk(&world, "alice", "/repos/alice/demo", &[
        ("GET", "/pulls?state=all", NONE, 200), ("GET", &format!("/issues/{number}"), NONE, 200),
        ("POST", &format!("/issues/{number}/labels"), json!({"labels": ["a"]}), 200),
        ("DELETE", &format!("/issues/{number}/labels/a"), NONE, 200),
    ]).await;
    world.receiver.expect("pull_request", "unlabeled").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_and_deployments_answer() {
    let world = World::with_repo().await;
    let token = world.token().await;
    let base = "/repos/alice/demo";
    let annotation = json!({"path": "README.md", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "Hm"});
    let run = json!({"name": "gate", "head_sha": world.tip("main").await,
        "output": {"title": "Gate", "summary": "Open", "annotations": [annotation]}});
    let run = world.post(&token, &format!("{base}/check-runs"), run).await.is(201).json;
    let (on_run, on_suite) = (format!("/check-runs/{}", id(&run)), format!("/check-suites/{}", id(&run["check_suite"])));
    let wanted = json!({"ref": "main", "environment": "live", "required_contexts": []});
    let deployment = id(&world.post(&token, &format!("{base}/deployments"), wanted).await.is(201).json);
    let on_deployment = format!("/deployments/{deployment}");
    let state = json!({"state": "inactive"});
    let status = id(&world.post(&token, &format!("{base}{on_deployment}/statuses"), state).await.is(201).json);
    walk(&world, &token, base, &[
        ("GET", &on_run, NONE, 200), ("GET", &format!("{on_run}/annotations"), NONE, 200),
        ("GET", &on_suite, NONE, 200), ("GET", &format!("{on_suite}/check-runs"), NONE, 200),
        ("GET", "/commits/main/check-runs", NONE, 200), ("POST", &format!("{on_suite}/rerequest"), NONE, 201),
        ("PATCH", &on_run, json!({"conclusion": "success"}), 200),
        ("GET", "/deployments", NONE, 200), ("GET", &on_deployment, NONE, 200),
        ("GET", &format!("{on_deployment}/statuses/{status}"), NONE, 200),
        ("GET", "/environments", NONE, 200), ("GET", "/environments/live", NONE, 200),
        ("DELETE", &on_deployment, NONE, 204),
    ]).await;
    world.receiver.expect("check_suite", "completed").await;
}
