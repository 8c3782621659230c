//! Who is let in, and to what.

use super::bench::{Bench, DEAD_GUID, Got, token};
use super::samples::RUN;
use crate::http::routes::{BASE, ROUTES, Verb};
use crate::store::Scope;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bowsprit_core::effect::Hint;
use bowsprit_core::subject::SubjectKey;

fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::Post => "POST",
        Verb::Delete => "DELETE",
    }
}

#[tokio::test]
async fn every_route_asks_for_a_token_of_its_scope() {
    let bench = Bench::empty(false).await;
    for route in ROUTES {
        let path = format!("{BASE}{}", route.path).replace(['{', '}'], "");
        let got = bench.ask(method(route.verb), &path, None, "").await;
        assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(got.json()["error"]["code"], "unauthorized");
        assert_eq!(got.header("www-authenticate"), "Bearer");
        for scope in [Scope::Read, Scope::Run, Scope::Admin] {
            let got = bench.ask(method(route.verb), &path, Some(scope), "").await;
            assert_eq!(
                got.status == StatusCode::FORBIDDEN,
                scope < route.scope,
                "{path} as {scope:?}: {}",
                got.text
            );
            assert_ne!(got.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_ne!(
                got.status,
                StatusCode::INTERNAL_SERVER_ERROR,
                "{path}: {}",
                got.text
            );
        }
    }
}

#[tokio::test]
async fn a_foreign_or_revoked_token_opens_nothing() {
    let bench = Bench::empty(false).await;
    for value in [
        "Bearer nonsense",
        "Bearer",
        "Basic YTpi",
        "bsp_Read",
        "Bearer  ",
    ] {
        let request = Request::get("/api/v1/status")
            .header("authorization", value)
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            bench.send(request).await.status,
            StatusCode::UNAUTHORIZED,
            "{value}"
        );
    }
    assert_eq!(bench.get("/api/v1/status").await.status, StatusCode::OK);
    assert!(bench.rooms.store.revoke_token("read").await.unwrap());
    assert_eq!(
        bench.get("/api/v1/status").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn open_reading_is_for_pages_of_this_machine_and_changes_nothing() {
    let bench = Bench::empty(true).await.filled().await;
    let ask = async |method: &str, path: &str, host: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .body(Body::empty())
            .unwrap();
        bench.send(request).await.status
    };
    assert_eq!(ask("GET", "/", "127.0.0.1:8080").await, StatusCode::OK);
    assert_eq!(
        ask("GET", "/api/v1/runs", "localhost:8080").await,
        StatusCode::OK
    );
    // Another site's name that leads here must not read for its pages.
    assert_eq!(
        ask("GET", "/", "evil.example:8080").await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        ask("GET", "/api/v1/runs", "evil.example").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        ask(
            "POST",
            &format!("/api/v1/deliveries/{DEAD_GUID}/redrive"),
            "127.0.0.1:8080"
        )
        .await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        ask(
            "GET",
            "/api/v1/environments/ada/digits-service/staging/keys",
            "127.0.0.1"
        )
        .await,
        StatusCode::FORBIDDEN
    );
    let shut = Bench::empty(false).await;
    assert_eq!(
        shut.ask("GET", "/", None, "").await.status,
        StatusCode::SEE_OTHER
    );
}

const OWN: Option<&str> = Some("http://127.0.0.1:8080");

/// Sends a form as a browser would.
async fn form(bench: &Bench, path: &str, origin: Option<&str>, cookie: &str) -> Got {
    filled(bench, path, origin, cookie, "").await
}

async fn filled(bench: &Bench, path: &str, origin: Option<&str>, cookie: &str, body: &str) -> Got {
    let mut request = Request::post(path)
        .header("host", "127.0.0.1:8080")
        .header("cookie", cookie);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    bench
        .send(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

/// Logs in; gives the answer.
async fn enter(bench: &Bench, origin: Option<&str>, token: &str) -> Got {
    filled(
        bench,
        "/login",
        origin,
        "",
        &format!("token={token}&next=%2Fruns"),
    )
    .await
}

async fn read(bench: &Bench, cookie: &str) -> StatusCode {
    let request = Request::get("/runs").header("cookie", cookie);
    bench
        .send(request.body(Body::empty()).unwrap())
        .await
        .status
}

#[tokio::test]
async fn a_session_is_had_for_a_token_and_ends() {
    let bench = Bench::sample().await;
    let wrong = enter(&bench, OWN, "bsp_wrong").await;
    assert_eq!(
        (wrong.status, wrong.header("set-cookie")),
        (StatusCode::FORBIDDEN, "")
    );
    let foreign = enter(&bench, Some("https://evil.example"), &token(Scope::Admin)).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let good = enter(&bench, OWN, &token(Scope::Read)).await;
    assert_eq!(
        (good.status, good.header("location")),
        (StatusCode::SEE_OTHER, "/runs")
    );
    let cookie = good.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(read(&bench, cookie).await, StatusCode::OK);
    assert_eq!(
        form(&bench, "/logout", OWN, cookie).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(read(&bench, cookie).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let bench = Bench::sample().await;
    let good = enter(&bench, OWN, &token(Scope::Read)).await;
    let cookie = good.header("set-cookie").split(';').next().unwrap();
    assert!(bench.rooms.store.revoke_token("read").await.unwrap());
    assert_eq!(read(&bench, cookie).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_acts_only_for_our_own_pages() {
    let bench = Bench::sample().await;
    let good = enter(&bench, OWN, &token(Scope::Admin)).await;
    let cookie = good.header("set-cookie").split(';').next().unwrap();
    let path = format!("/deliveries/{DEAD_GUID}/redrive");
    let foreign = ["https://evil.example", "null", "http://evil.example:8080"].map(Some);
    for origin in foreign.into_iter().chain([None]) {
        for path in [path.clone(), format!("/api/v1{path}")] {
            let got = form(&bench, &path, origin, cookie).await;
            assert_eq!(got.status, StatusCode::FORBIDDEN, "{path} from {origin:?}");
        }
    }
    assert_eq!(bench.rooms.store.counts().await.unwrap().deliveries_dead, 1);
    assert_eq!(
        form(&bench, &path, OWN, cookie).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(bench.rooms.store.counts().await.unwrap().deliveries_dead, 0);
}

#[tokio::test]
async fn what_was_given_up_is_tried_again_once() {
    let bench = Bench::sample().await;
    let admin = Some(Scope::Admin);
    let dead = bench.get("/api/v1/effects?state=dead").await.json();
    let id = dead["items"][0]["id"].to_string();
    for (path, again) in [
        (
            format!("/api/v1/effects/{id}/redrive"),
            StatusCode::NOT_FOUND,
        ),
        (
            format!("/api/v1/deliveries/{DEAD_GUID}/redrive"),
            StatusCode::NOT_FOUND,
        ),
    ] {
        assert_eq!(
            bench.ask("POST", &path, admin, "").await.status,
            StatusCode::ACCEPTED,
            "{path}"
        );
        assert_eq!(
            bench.ask("POST", &path, admin, "").await.status,
            again,
            "{path}"
        );
    }
    let counts = bench.rooms.store.counts().await.unwrap();
    assert_eq!(
        (
            counts.effects_dead,
            counts.effects_intended,
            counts.deliveries_new
        ),
        (0, 1, 1)
    );
    assert_eq!(
        bench
            .ask("POST", "/api/v1/effects/x/redrive", admin, "")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_run_is_cancelled_by_its_own_subject_and_only_while_it_goes_on() {
    let bench = Bench::sample().await;
    let got = bench
        .ask(
            "POST",
            &format!("/api/v1/runs/{}/cancel", super::samples::GOING),
            Some(Scope::Run),
            "",
        )
        .await;
    assert_eq!(got.status, StatusCode::ACCEPTED);
    let claim = bench
        .rooms
        .store
        .claim_subject(crate::worker::now_ms())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claim.key, SubjectKey::Run(super::samples::GOING.to_owned()));
    assert!(matches!(&claim.hints[0].1, Hint::CancelRun { by } if by.as_str() == "run"));
    let got = bench
        .ask(
            "POST",
            &format!("/api/v1/runs/{RUN}/cancel"),
            Some(Scope::Run),
            "",
        )
        .await;
    assert_eq!(
        (got.status, got.json()["error"]["code"].as_str()),
        (StatusCode::CONFLICT, Some("conflict"))
    );
}

#[tokio::test]
async fn a_token_is_shown_once_and_works() {
    let bench = Bench::empty(false).await;
    let admin = Some(Scope::Admin);
    let made = bench
        .ask(
            "POST",
            "/api/v1/tokens",
            admin,
            r#"{"name": "ci", "scope": "read"}"#,
        )
        .await
        .json();
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("bsp_") && token.len() == 68, "{token}");
    let request = Request::get("/api/v1/runs")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(bench.send(request).await.status, StatusCode::OK);
    let listed = bench.ask("GET", "/api/v1/tokens", admin, "").await.text;
    assert!(
        listed.contains("\"ci\"") && !listed.contains(&token),
        "{listed}"
    );
    let again = bench
        .ask(
            "POST",
            "/api/v1/tokens",
            admin,
            r#"{"name": "ci", "scope": "admin"}"#,
        )
        .await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    for bad in [
        "",
        "{}",
        r#"{"name": "a b", "scope": "read"}"#,
        r#"{"name": "x", "scope": "root"}"#,
        r#"{"name": "x", "scope": "read", "more": 1}"#,
    ] {
        assert_eq!(
            bench.ask("POST", "/api/v1/tokens", admin, bad).await.status,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_preview_is_removed_by_its_environment() {
    let bench = Bench::sample().await;
    let admin = Some(Scope::Admin);
    let got = bench
        .ask(
            "DELETE",
            "/api/v1/environments/ada/digits-service/pr-5",
            admin,
            "",
        )
        .await;
    assert_eq!(got.status, StatusCode::ACCEPTED);
    let claim = bench
        .rooms
        .store
        .claim_subject(crate::worker::now_ms())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claim.hints[0].1, Hint::Removed);
}
