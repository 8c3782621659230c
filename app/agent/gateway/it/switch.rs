//! Changing servers under load, and letting the old one finish.

use crate::house::{House, Release, read};
use hyper::Method;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_under_load_costs_no_request() {
    let house = Arc::new(House::new());
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let (is_over, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (house, is_over, sent) = (Arc::clone(&house), Arc::clone(&is_over), Arc::clone(&sent));
        clients.spawn(async move {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            while !is_over.load(Ordering::SeqCst) || sent.load(Ordering::SeqCst) < 500 {
                // One client of eight sends bodies that cannot be sent twice.
                let (path, body) = if number == 0 {
                    ("/count", vec![b'x'; 100_000])
                } else {
                    ("/v1/predict", br#"{"x": 1}"#.to_vec())
                };
                let response = house.send(Method::POST, path, &body).await;
                let release = response
                    .headers()
                    .get("x-bowsprit-release")
                    .map_or("none", |value| value.to_str().unwrap());
                let release = format!("{release} {}", response.status().as_u16());
                let _ = read(response).await;
                *seen.entry(release).or_default() += 1;
                sent.fetch_add(1, Ordering::SeqCst);
            }
            seen
        });
    }
    for (generation, id) in [(2, "r2"), (3, "r3"), (4, "r1"), (5, "r2")] {
        house
            .want_live(&house.order(generation, &Release::good(id, 2)))
            .await;
    }
    is_over.store(true, Ordering::SeqCst);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for part in clients.join_all().await {
        for (release, count) in part {
            *seen.entry(release).or_default() += count;
        }
    }
    let releases: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(releases, ["r1 200", "r2 200", "r3 200"], "{seen:?}");
    assert!(seen.values().sum::<usize>() >= 500, "{seen:?}");
    assert_eq!(house.metric("switches_total").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_request_is_finished_by_the_server_that_took_it() {
    let house = Arc::new(House::new());
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let slow = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.get("/slow?s=3").await }
    });
    while house.metric("in_flight").await < 2 {}
    house
        .want_live(&house.order(2, &Release::good("r2", 1)))
        .await;
    assert!(!slow.is_finished());
    assert_eq!(house.get("/slow?s=0").await, (200, json!({"label": "r2"})));
    assert_eq!(slow.await.unwrap(), (200, json!({"label": "r1"})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_outlasts_the_drain_is_cut_off() {
    let house = Arc::new(House::new());
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let url = house.url().await;
    let stuck = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.get("/slow?s=50").await }
    });
    while house.metric("in_flight").await < 2 {}
    let mut order = house.order(2, &Release::good("r2", 1));
    order.server.as_mut().unwrap().drain_timeout_s = 1;
    let began = Instant::now();
    house.want_live(&order).await;
    assert_eq!(
        stuck.await.unwrap(),
        (502, json!({"error": "the server broke the connection"}))
    );
    assert!(began.elapsed().as_secs() < 40);
    assert_eq!(house.url().await, url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_while_idle_costs_no_request() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    for _ in 0..50 {
        assert_eq!(house.get("/hangup").await.0, 200);
        assert_eq!(house.post("/v1/predict", br#"{"x": 1}"#).await.0, 200);
    }
}
