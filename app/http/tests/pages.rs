//! Pages: all of them answer, none carries what a repository slipped in, each has its headers.

use super::bench::Bench;
use super::samples::RUN;
use crate::store::Scope;
use axum::body::Body;
use axum::http::{Request, StatusCode};

const PAGES: [&str; 13] = [
    "/",
    "/runs",
    "/runs/r000000000001",
    "/runs/r000000000002",
    "/runs/r000000000003",
    "/models/ada/digits-service/digits",
    "/pairs/ada/digits-service",
    "/pulls/ada/digits-service/4",
    "/environments/ada/digits-service/production",
    "/environments/ada/digits-service/pr-5",
    "/deliveries",
    "/deliveries?state=dead",
    "/effects?state=dead",
];

#[tokio::test]
async fn no_page_carries_mark_up_of_others() {
    let bench = Bench::sample().await;
    for path in PAGES {
        let got = bench.ask("GET", path, Some(Scope::Admin), "").await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text);
        for bad in [
            "<img src=x",
            "onerror=alert(1)>",
            "<b>bad",
            "\u{202e}",
            "\u{1b}",
        ] {
            assert!(!got.text.contains(bad), "{path} carries {bad:?}");
        }
        assert!(
            !got.text.contains("style=\"") && !got.text.contains("onclick"),
            "{path} has inline style or script"
        );
    }
}

#[tokio::test]
async fn every_page_has_its_headers_even_a_refusal() {
    let bench = Bench::sample().await;
    for path in PAGES
        .into_iter()
        .chain(["/login", "/nowhere", "/runs/r0", "/assets/style.css"])
    {
        let got = bench.ask("GET", path, Some(Scope::Read), "").await;
        let policy = got.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(got.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(got.header("referrer-policy"), "no-referrer", "{path}");
    }
    let got = bench.get("/runs/r0").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    assert!(got.text.contains("<h1>Not possible</h1>"), "{}", got.text);
}

#[tokio::test]
async fn strangers_are_led_to_the_login_and_back() {
    let bench = Bench::sample().await;
    let got = bench
        .ask("GET", &format!("/runs/{RUN}?stage=x"), None, "")
        .await;
    assert_eq!(
        got.header("location"),
        format!("/login?next=%2Fruns%2F{RUN}%3Fstage%3Dx")
    );
    let form = bench
        .ask("GET", "/login?next=%22%3E%3Cscript%3E", None, "")
        .await;
    assert!(
        form.text.contains("name=\"next\" value=\"/\""),
        "{}",
        form.text
    );
}

#[tokio::test]
async fn levers_are_shown_to_those_who_may_move_them() {
    let bench = Bench::sample().await;
    let as_admin = bench
        .ask("GET", "/effects?state=dead", Some(Scope::Admin), "")
        .await
        .text;
    assert!(as_admin.contains("/redrive"));
    let as_reader = bench.get("/effects?state=dead").await.text;
    assert!(!as_reader.contains("/redrive"));
    let cancel = |text: &str| text.contains("/runs/r000000000002/cancel");
    assert!(cancel(
        &bench
            .ask("GET", "/runs/r000000000002", Some(Scope::Run), "")
            .await
            .text
    ));
    assert!(!cancel(&bench.get("/runs/r000000000002").await.text));
    let tried = bench
        .ask("POST", "/effects/1/redrive", Some(Scope::Read), "")
        .await;
    assert_eq!(tried.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn files_are_known_by_their_tag() {
    let bench = Bench::empty(false).await;
    let first = bench.ask("GET", "/assets/live.js", None, "").await;
    assert_eq!(first.status, StatusCode::OK);
    let request = Request::get("/assets/live.js")
        .header("if-none-match", first.header("etag"))
        .body(Body::empty())
        .unwrap();
    let again = bench.send(request).await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
    assert_eq!(
        bench
            .ask("GET", "/assets/..%2Flayout.hbs", None, "")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_picture_is_svg_with_its_own_policy() {
    let bench = Bench::sample().await;
    let got = bench
        .get("/models/ada/digits-service/digits/metrics.svg?metric=accuracy")
        .await;
    assert_eq!(
        (got.status, got.header("content-type")),
        (StatusCode::OK, "image/svg+xml")
    );
    assert!(
        got.text.starts_with("<svg") && got.text.contains("baseline"),
        "{}",
        got.text
    );
    assert!(
        got.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
}
