//! Who comes in, and how many at once.

use crate::house::{House, KEY, Release, eventually, read};
use bowsprit_core::name::Digest;
use bowsprit_core::serving::spec::RolloutPhase;
use hyper::Method;
use serde_json::json;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_and_are_rotated_without_a_rollout() {
    let house = House::new();
    let mut order = house.order(1, &Release::good("r1", 1));
    house.want_live(&order).await;
    let as_key = async |key: Option<&str>| house.send_as(key, Method::GET, "/which", b"").await;

    let refused = as_key(None).await;
    assert_eq!(
        refused.headers()["www-authenticate"],
        "Bearer realm=\"bowsprit\""
    );
    assert_eq!(
        read(refused).await,
        (401, json!({"error": "an accepted key is required"}))
    );
    assert_eq!(as_key(Some("wrong")).await.status(), 401);
    assert_eq!(as_key(Some(KEY)).await.status(), 200);
    assert_eq!(
        house
            .send_as(None, Method::GET, "/.bowsprit/health", b"")
            .await
            .status(),
        200
    );
    for page in ["live", "metrics", "models/adder/offset.txt"] {
        let path = format!("/.bowsprit/{page}");
        assert_eq!(
            house.send_as(None, Method::GET, &path, b"").await.status(),
            401,
            "{page}"
        );
    }

    order.door.keys.push(Digest::of(b"the next one"));
    order.generation = 2;
    house.want_live(&order).await;
    assert_eq!(as_key(Some(KEY)).await.status(), 200);
    assert_eq!(as_key(Some("the next one")).await.status(), 200);

    // The same generation, too: the door alone has changed.
    order.door.keys.remove(0);
    house.want(&order);
    let reload = house
        .send_as(Some("the next one"), Method::POST, "/.bowsprit/reload", b"")
        .await;
    assert_eq!(reload.status(), 202);
    eventually_refused(&house).await;
    assert_eq!(as_key(Some("the next one")).await.status(), 200);
    assert_eq!(house.live().unwrap().phase, RolloutPhase::Live);
    assert_eq!(house.log().matches("r1 is starting").count(), 1);
}

async fn eventually_refused(house: &House) {
    for _ in 0..1_000 {
        if house.send(Method::GET, "/which", b"").await.status() == 401 {
            return;
        }
    }
    panic!("the old key still opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_never_sees_the_key() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let (_, seen) = house.get("/which").await;
    let headers = seen["headers"].to_string().to_lowercase();
    assert!(
        !headers.contains("authorization") && !headers.contains(KEY),
        "{headers}"
    );
    assert!(
        headers.contains("\"x-forwarded-for\":\"127.0.0.1\""),
        "{headers}"
    );
    assert!(!house.log().contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_queue_requests_are_sent_away() {
    let house = Arc::new(House::new());
    let mut order = house.order(1, &Release::good("r1", 1));
    order.door.concurrency = 1;
    order.door.queue = 1;
    house.want_live(&order).await;
    let mut ask = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let house = Arc::clone(&house);
        ask.spawn(async move {
            let response = house.send(Method::GET, "/slow?s=1", b"").await;
            let retry = response
                .headers()
                .get("retry-after")
                .map(|value| value.to_str().unwrap().to_owned());
            (read(response).await, retry)
        });
    }
    let answers = ask.join_all().await;
    let served = answers
        .iter()
        .filter(|((status, _), _)| *status == 200)
        .count();
    let away = answers
        .iter()
        .filter(|((status, _), _)| *status == 429)
        .count();
    assert_eq!((served, away), (2, 4), "{answers:?}");
    let refusal = answers
        .iter()
        .find(|((status, _), _)| *status == 429)
        .unwrap();
    assert_eq!(refusal.1.as_deref(), Some("1"));
    assert_eq!(
        refusal.0.1,
        json!({"error": "too many requests are waiting"})
    );
    assert_eq!(house.metric("queue_depth").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_its_limit_is_refused() {
    let house = House::new();
    let mut order = house.order(1, &Release::good("r1", 1));
    order.door.body_bytes_max = 200_000;
    house.want_live(&order).await;
    assert_eq!(
        house.post("/count", &vec![b'x'; 200_000]).await,
        (200, json!({"bytes": 200_000}))
    );
    assert_eq!(house.post("/count", &vec![b'x'; 200_001]).await.0, 413);
    assert_eq!(
        house.post("/count", b"small").await,
        (200, json!({"bytes": 5}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_of_a_directory_ends_at_once() {
    let house = House::new();
    let url = house.url().await;
    assert!(house.command().status().unwrap().success());
    assert_eq!(house.url().await, url);
    let pid: u32 = std::fs::read_to_string(house.path("gateway.pid"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(eventually("pid", || house.live()).await.pid, pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_wants_no_telemetry_is_not_counted() {
    let house = House::new();
    let mut order = house.order(1, &Release::good("r1", 1));
    order.door.telemetry = false;
    house.want_live(&order).await;
    for _ in 0..3 {
        assert_eq!(house.get("/which").await.0, 200);
    }
    let (status, answer) = house.get("/.bowsprit/metrics").await;
    assert_eq!(status, 404);
    assert!(answer.to_string().contains("telemetry: false"), "{answer}");
    for page in ["health", "live"] {
        assert_eq!(house.get(&format!("/.bowsprit/{page}")).await.0, 200);
    }
    // What went before the switch is not known after it, and what comes then is counted.
    order.generation = 2;
    order.door.telemetry = true;
    house.want_live(&order).await;
    assert_eq!(house.metric("request_seconds_count").await, 0);
    assert_eq!(house.get("/which").await.0, 200);
    assert_eq!(house.metric("request_seconds_count").await, 2);
}
