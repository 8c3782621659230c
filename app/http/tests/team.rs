//! What holds for the whole team: the pause, and where quickstarts come from.

use super::bench::Bench;
use crate::store::Scope;
use axum::body::Bytes;
use axum::http::StatusCode;

#[tokio::test]
async fn a_pause_is_begun_and_ended_by_those_who_may() {
    let bench = Bench::empty(false).await;
    let path = "/api/v1/pause";
    let why = r#"{"why": "the cluster moves"}"#;
    let refused = bench.ask("POST", path, Some(Scope::Run), why).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let admin = Some(Scope::Admin);
    let begun = bench.ask("POST", path, admin, why).await.json();
    assert_eq!(begun["pause"]["why"], "the cluster moves");
    let shown = bench.ask("GET", path, Some(Scope::Read), "").await.json();
    assert_eq!(shown, begun);
    let page = bench.ask("GET", "/", Some(Scope::Read), "").await.text;
    assert!(page.contains(": the cluster moves."), "{page}");
    let events = bench.ask("GET", "/api/v1/events", admin, "").await.json();
    assert_eq!(events["items"][0]["what"], "everything paused");
    let ended = bench.ask("DELETE", path, admin, "").await.json();
    assert_eq!(ended["pause"], serde_json::Value::Null);
    let again = bench.ask("DELETE", path, admin, "").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    for bad in [r#"{"why": "two\nlines"}"#, r#"{"reason": "x"}"#] {
        let got = bench.ask("POST", path, admin, bad).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn what_would_go_is_told_and_stays() {
    let bench = Bench::empty(false).await;
    let old = crate::store::NewDelivery {
        guid: "old".to_owned(),
        event: "ping".to_owned(),
        action: None,
        body: Bytes::from_static(b"{}"),
        received_ms: 1,
    };
    bench.rooms.store.accept(old).await.unwrap();
    let path = "/api/v1/retention";
    let refused = bench.ask("GET", path, None, "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let read = Some(Scope::Read);
    let told = bench.ask("GET", path, read, "").await.json();
    assert_eq!(told["deliveries"], 0, "it waits: {told}");
    let id = bench.rooms.store.claim_deliveries(1, 1).await.unwrap()[0].id;
    bench
        .rooms
        .store
        .finish_delivery(id, Vec::new(), None)
        .await
        .unwrap();
    for _ in 0..2 {
        let told = bench.ask("GET", path, read, "").await.json();
        assert_eq!((&told["deliveries"], &told["runs"]), (&1.into(), &0.into()));
    }
}

#[tokio::test]
async fn quickstart_locations_are_kept_by_those_who_may() {
    let bench = Bench::empty(false).await;
    let path = "/api/v1/quickstartlocations";
    let acme = r#"{"owner": "acme", "includes": ["ML-*", "DL-*"]}"#;
    let refused = bench.ask("POST", path, Some(Scope::Run), acme).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let admin = Some(Scope::Admin);
    for body in [r#"{"owner": "acme"}"#, r#"{"owner": "other"}"#, acme] {
        assert_eq!(
            bench.ask("POST", path, admin, body).await.status,
            StatusCode::OK
        );
    }
    let listed = bench.ask("GET", path, Some(Scope::Read), "").await.json();
    let items = listed["items"].as_array().expect("a list");
    // The same owner on the same server is one location.
    assert_eq!(items.len(), 2, "{listed}");
    assert_eq!(items[1]["includes"][1], "DL-*");
    for bad in [
        r#"{"owner": "a b"}"#,
        r#"{"owner": "acme", "url": "ftp://x"}"#,
        r#"{"owner": "acme", "color": 1}"#,
    ] {
        let got = bench.ask("POST", path, admin, bad).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let gone = format!("{path}?owner=ACME");
    assert_eq!(
        bench.ask("DELETE", &gone, admin, "").await.status,
        StatusCode::OK
    );
    assert_eq!(
        bench.ask("DELETE", &gone, admin, "").await.status,
        StatusCode::NOT_FOUND
    );
    let events = bench.ask("GET", "/api/v1/events", admin, "").await.json();
    assert_eq!(
        events["items"][0]["what"],
        "quickstarts of acme no longer offered"
    );
}

#[tokio::test]
async fn sources_of_packs_are_kept_by_those_who_may() {
    let bench = Bench::empty(false).await;
    let path = "/api/v1/packsources";
    let acme = r#"{"url": "https://example.org/acme/packs", "ref": "v2"}"#;
    let refused = bench.ask("POST", path, Some(Scope::Run), acme).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let admin = Some(Scope::Admin);
    for body in [
        r#"{"url": "https://example.org/acme/packs/"}"#,
        r#"{"url": "ssh://git@example.org/other"}"#,
        acme,
    ] {
        let kept = bench.ask("POST", path, admin, body).await;
        assert_eq!(kept.status, StatusCode::OK, "{body}");
    }
    let listed = bench.ask("GET", path, Some(Scope::Read), "").await.json();
    let items = listed["items"].as_array().expect("a list");
    // One address is one source.
    assert_eq!(items.len(), 2, "{listed}");
    assert_eq!(items[1]["ref"], "v2");
    for bad in [
        r#"{"url": "acme/packs"}"#,
        r#"{"url": "https://me:secret@example.org/packs"}"#,
        r#"{"url": "file:///srv/packs"}"#,
        r#"{"url": "https://example.org/packs", "ref": "-x"}"#,
        r#"{"url": "https://example.org/packs", "color": 1}"#,
    ] {
        let got = bench.ask("POST", path, admin, bad).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let gone = format!("{path}?url=https://example.org/acme/packs");
    assert_eq!(
        bench.ask("DELETE", &gone, admin, "").await.status,
        StatusCode::OK
    );
    assert_eq!(
        bench.ask("DELETE", &gone, admin, "").await.status,
        StatusCode::NOT_FOUND
    );
    let events = bench.ask("GET", "/api/v1/events", admin, "").await.json();
    assert_eq!(
        events["items"][0]["what"],
        "packs of https://example.org/acme/packs#v2 no longer offered"
    );
}
