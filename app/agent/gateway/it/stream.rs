//! Bodies pass as they come.

use crate::house::{House, KEY, Release, read};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use std::convert::Infallible;
use std::time::{SystemTime, UNIX_EPOCH};

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let mut body = house.send(Method::GET, "/events", b"").await.into_body();
    let mut delays_ms = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        let text = String::from_utf8(data.to_vec()).unwrap();
        let sent: f64 = text.split_whitespace().nth(2).unwrap().parse().unwrap();
        delays_ms.push((now - sent) * 1e3);
    }
    assert_eq!(delays_ms.len(), 4, "{delays_ms:?}");
    // Collected, the first would arrive 400 ms after it was sent.
    assert!(delays_ms[0] < 250.0, "{delays_ms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_is_passed_on_and_counted() {
    let house = House::new();
    let mut order = house.order(1, &Release::good("r1", 1));
    order.door.body_bytes_max = 300_000;
    house.want_live(&order).await;
    let url = house.url().await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let send = async |chunks: usize| {
        let frames =
            (0..chunks).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 100_000]))));
        let request = Request::post(format!("{url}/count"))
            .header("Authorization", format!("Bearer {KEY}"))
            .body(StreamBody::new(futures_util::stream::iter(frames)))
            .unwrap();
        read(client.request(request).await.unwrap()).await
    };
    assert_eq!(send(3).await, (200, json!({"bytes": 300_000})));
    assert_eq!(
        send(4).await,
        (413, json!({"error": "the body is too large"}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_through_costs_little() {
    let house = House::new();
    house
        .want_live(&house.order(1, &Release::good("r1", 1)))
        .await;
    let server = format!(
        "http://127.0.0.1:{}",
        house.get("/which").await.1["port"].as_str().unwrap()
    );
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut each_us = Vec::new();
    for base in [&server, &house.url().await] {
        let mut took_us = Vec::new();
        for _ in 0..300 {
            let request = Request::post(format!("{base}/v1/predict"))
                .header("Authorization", format!("Bearer {KEY}"))
                .body(http_body_util::Full::new(Bytes::from_static(
                    br#"{"x": 1}"#,
                )))
                .unwrap();
            let began = std::time::Instant::now();
            let answer = read(client.request(request).await.unwrap()).await;
            took_us.push(began.elapsed().as_micros());
            assert_eq!(answer, (200, json!({"label": 2})));
        }
        took_us.sort_unstable();
        each_us.push((took_us[150], took_us[297]));
    }
    eprintln!("p50 and p99 straight to the server and through the gateway, in us: {each_us:?}");
    assert!(each_us[1].0 < each_us[0].0 + 20_000, "{each_us:?}");
}
