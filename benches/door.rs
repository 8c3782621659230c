//! How fast the door takes deliveries, each on disk before its answer: `cargo bench --bench door`.
//!
//! Signature, scan, group commit and answer, without the network. One row a number of senders.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use bowsprit::http::health::Readiness;
use bowsprit::http::webhook::{Door, router};
use bowsprit::store::Store;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use std::time::{Duration, Instant};
use tower::ServiceExt;

const SECRET: &str = "a secret that only this bench knows";
/// What is sent in each row; below the number that may wait.
const DELIVERIES: usize = 2_000;
/// A usual payload. Units: bytes.
const BODY_BYTES: usize = 10_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("senders  deliveries/s  p50 ms  p99 ms");
    for senders in [1, 16, 64, 256] {
        let dir = tempfile::tempdir()?;
        let store = Store::open(&dir.path().join("door.db").display().to_string()).await?;
        let app = router(Door {
            store: store.clone(),
            secrets: vec![SecretString::from(SECRET)],
            readiness: Readiness::default(),
            bodies_at_once: 64,
        });
        let begin = Instant::now();
        let each = DELIVERIES / senders;
        let tasks = (0..senders).map(|sender| tokio::spawn(send(app.clone(), sender, each)));
        let mut times = Vec::with_capacity(DELIVERIES);
        for task in tasks.collect::<Vec<_>>() {
            times.extend(task.await??);
        }
        let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
        times.sort();
        let at = |share: usize| {
            let time = times.get(times.len() * share / 100);
            time.map_or(0.0, Duration::as_secs_f64) * 1_000.0
        };
        println!("{senders:7}  {rate:12.0}  {:6.2}  {:6.2}", at(50), at(99));
        store.close().await?;
    }
    Ok(())
}

async fn send(app: Router, sender: usize, count: usize) -> anyhow::Result<Vec<Duration>> {
    let mut body = br#"{"ref": "refs/heads/main"}"#.to_vec();
    body.resize(BODY_BYTES, b' ');
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?.chain_update(&body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let request = Request::post("/webhook")
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", format!("{sender}-{number}"))
            .header("x-hub-signature-256", &signature)
            .body(Body::from(body.clone()))?;
        let begin = Instant::now();
        let response = app.clone().oneshot(request).await?;
        times.push(begin.elapsed());
        anyhow::ensure!(response.status() == 202, "answered {}", response.status());
    }
    Ok(times)
}
