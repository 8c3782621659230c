//! Servers that die, and gateways that end and come back.

use crate::house::{House, Release, eventually, is_alive};
use bowsprit_core::serving::spec::{Live, RolloutPhase};
use hyper::Method;
use serde_json::json;
use std::path::Path;

/// Ends the server again and again until the gateway says this of it.
pub(crate) async fn kill_server_until(house: &House, phase: RolloutPhase) -> Live {
    let _ = house.send(Method::GET, "/die", b"").await;
    house
        .live_when(&format!("{phase:?} after a death"), |live| {
            live.phase == phase
        })
        .await
}

/// Since when it answers. Units: milliseconds since 1970, UTC.
fn since_ms(live: &Live) -> i64 {
    live.serving.as_ref().unwrap().since_ms
}

/// Processes whose working directory is in a release of this house.
fn servers(house: &House) -> Vec<u32> {
    let releases = house.path("releases").canonicalize().unwrap_or_default();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let cwd = std::fs::read_link(Path::new("/proc").join(entry.file_name()).join("cwd"));
        if cwd.is_ok_and(|cwd| cwd.starts_with(&releases)) && is_alive(pid) {
            found.push(pid);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_died_is_started_again() {
    let house = House::new();
    let first = house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let before = servers(&house);
    assert_eq!(before.len(), 1);
    assert_eq!(house.get("/die").await.0, 502);
    // Who comes while it is ending meets it dead; who comes after waits at the door until it is back.
    let mut answer = house.post("/v1/predict", br#"{"x": 1}"#).await;
    for _ in 0..20 {
        if answer.0 == 502 {
            answer = house.post("/v1/predict", br#"{"x": 1}"#).await;
        }
    }
    assert_eq!(answer, (200, json!({"label": 2})));
    let again = house
        .live_when("it is live again", |live| {
            live.phase == RolloutPhase::Live && live.serving.is_some()
        })
        .await;
    assert!(since_ms(&again) > since_ms(&first), "it was down between");
    assert_ne!(servers(&house), before);
    assert_eq!(house.metric("server_restarts_total").await, 1);
    assert!(
        house.log().contains("server dying as asked"),
        "{}",
        house.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_again_and_again_counts_as_failed_until_it_is_back() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    // Each of these waits at the door until the server is back, and ends it, unless it came while it was ending.
    let mut tries = 0;
    while house.live().unwrap().phase != RolloutPhase::Failed {
        let (status, _) = house.get("/die").await;
        if status == 503 {
            // The door knew of the last death before it was written down.
            break;
        }
        assert_eq!(status, 502);
        house
            .live_when("the death is noted", |live| live.serving.is_none())
            .await;
        tries += 1;
        assert!(tries < 20, "it never counts as failed");
    }
    let failed = house
        .live_when("it counts as failed", |live| {
            live.phase == RolloutPhase::Failed
        })
        .await;
    assert!(failed.reason.unwrap().contains("the server ended"));
    assert_eq!(
        house.get("/which").await,
        (503, json!({"error": "the server is starting again"}))
    );
    house
        .live_when("it is back", |live| live.phase == RolloutPhase::Live)
        .await;
    assert_eq!(house.get("/which").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_killed_comes_back_with_address_and_release() {
    let mut house = House::new();
    let order = house.order(7, &Release::good("r1", 1));
    let live = house.want_live(&order).await;
    let orphans = servers(&house);
    house.kill();
    eventually("its servers are gone", || {
        orphans.iter().all(|pid| !is_alive(*pid)).then_some(())
    })
    .await;
    house.start();
    let back = house
        .live_when("the new one serves", |now| {
            now.pid != live.pid && now.serving.is_some()
        })
        .await;
    assert_eq!(
        (&back.url, back.generation, back.phase),
        (&live.url, 7, RolloutPhase::Live)
    );
    assert!(since_ms(&back) > since_ms(&live), "it was down between");
    let release = |live: Live| live.serving.unwrap().release;
    assert_eq!(release(back), release(live));
    assert_eq!(
        house.post("/v1/predict", br#"{"x": 1}"#).await,
        (200, json!({"label": 2}))
    );
    assert_eq!(servers(&house).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_order_is_not_tried_again_by_a_new_gateway() {
    let mut house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let wrong = Release {
        expected: 5,
        ..Release::good("r2", 2)
    };
    house.want(&house.order(2, &wrong));
    let failed = house.settled(2, RolloutPhase::Failed).await;
    house.kill();
    house.start();
    let back = house
        .live_when("the new one serves", |now| {
            now.pid != failed.pid && now.serving.is_some()
        })
        .await;
    assert_eq!(
        (back.phase, back.reason, back.generation),
        (RolloutPhase::Failed, failed.reason, 2)
    );
    assert_eq!(back.serving.unwrap().release, "r1");
    assert_eq!(house.log().matches("rolling out release r2").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_lets_requests_finish_and_leaves_nothing() {
    let mut house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let url = house.url().await;
    let slow = tokio::spawn(ask_slowly(url));
    while house.metric("in_flight").await < 2 {}
    let left = servers(&house);
    assert!(house.stop().await);
    assert!(slow.await.unwrap().contains("\"label\": \"r1\""));
    assert!(left.iter().all(|pid| !is_alive(*pid)));
    assert!(!house.path("gateway.pid").exists());
    let live = house.live().unwrap();
    assert_eq!((live.serving, live.phase), (None, RolloutPhase::Waiting));

    std::fs::remove_file(house.path("stop")).unwrap();
    house.start();
    house.settled(1, RolloutPhase::Live).await;
}

async fn ask_slowly(url: String) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    let request = format!(
        "GET /slow?s=2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        crate::house::KEY
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
