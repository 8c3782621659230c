//! Deliveries at the door: what reading one costs, and how many are durably taken.
//!
//! The ceiling is a bare handler of the same HTTP stack that checks the signature, scans the JSON and syncs a log:
//! one sync for each delivery, or one for all that wait.

use crate::Size;
use crate::line;
use crate::payload::{self, Payload, SECRET};
use crate::process::Process;
use crate::table::Times;
use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bowsprit::http::connections;
use bowsprit::http::health::Readiness;
use bowsprit::http::webhook::{Door, router};
use bowsprit::store::Store;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::body::Bytes;
use secrecy::SecretString;
use serde::de::IgnoredAny;
use sha2::Sha256;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Deliveries due in a second, in the open loop.
const PER_S: usize = 500;

/// What is handed to the log, and its answer.
type Entry = (Bytes, oneshot::Sender<bool>);

fn door(store: Store) -> Router {
    router(Door {
        store,
        secrets: vec![SecretString::from(SECRET)],
        readiness: Readiness::default(),
        bodies_at_once: 64,
    })
}

/// Signature and scan as the door does them, and the parse as the inbox does it.
pub(crate) async fn parse(size: Size) -> anyhow::Result<()> {
    let count = size.of(5_000, 500);
    let push = Payload::new("push", payload::push());
    println!("one push of {} bytes", push.body.len());
    let mut signed = Vec::with_capacity(count);
    let mut read = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        is_signed(&push.body, &push.signature)
            .then_some(())
            .context("the signature is good")?;
        signed.push(begin.elapsed());
        let begin = Instant::now();
        let seen = bowsprit::github::event::seen(push.event, &push.body);
        read.push(begin.elapsed());
        anyhow::ensure!(seen.is_ok(), "the payload is good");
    }
    let dir = tempfile::tempdir()?;
    let store = Store::open(&dir.path().join("door.db").display().to_string()).await?;
    let app = door(store.clone());
    // The event's name does not fit: refused after signature and scan, before the store.
    let other = Payload::new("issues", payload::push());
    let mut checked = Vec::with_capacity(count);
    for number in 0..count {
        let request = other.request(&format!("p-{number}")).map(Body::new);
        let begin = Instant::now();
        let answer = app.clone().oneshot(request).await?;
        checked.push(begin.elapsed());
        anyhow::ensure!(answer.status() == StatusCode::BAD_REQUEST, "refused");
    }
    store.close().await?;
    println!(
        "HMAC-SHA256 alone                {}",
        Times::new(signed).row_us()
    );
    println!(
        "door: headers, signature, scan   {}",
        Times::new(checked).row_us()
    );
    println!(
        "inbox: parse to what was seen    {}",
        Times::new(read).row_us()
    );
    Ok(())
}

/// Durable acceptance over HTTP, against the ceiling; the rounds take turns, so that all see the same load.
pub(crate) async fn run(size: Size) -> anyhow::Result<()> {
    let payloads = Arc::new(vec![Payload::new("push", payload::push())]);
    let rounds = size.of(5, 1);
    println!("medians of {rounds} rounds");
    println!("lines  server        deliveries/s  of ceiling  CPU us each  p50 ms   p99 ms");
    for lines in [1, 16, 64] {
        // One connection waits for one sync at a time.
        let count = if lines == 1 { 400 } else { size.of(3_000, 800) };
        let mut found = KINDS.map(|_| Vec::new());
        for _ in 0..rounds {
            for (kind, rows) in KINDS.iter().zip(&mut found) {
                let dir = tempfile::tempdir()?;
                let (server, address) = start(kind, dir.path())?;
                let before = server.cpu();
                let sent = line::closed(&address, lines, count, &payloads).await?;
                rows.push(row(&server, before, count, (sent.per_s, &sent.times)));
            }
        }
        show(&format!("{lines:5}"), found);
    }
    let count = PER_S * size.of(6, 3);
    let mut found = KINDS.map(|_| Vec::new());
    for _ in 0..rounds {
        for (kind, rows) in KINDS.iter().zip(&mut found) {
            let dir = tempfile::tempdir()?;
            let (server, address) = start(kind, dir.path())?;
            let before = server.cpu();
            let times = line::open_loop(&address, PER_S, count, &payloads[0]).await?;
            rows.push(row(&server, before, count, (PER_S as f64, &times)));
        }
    }
    show(&format!("{PER_S}/s"), found);
    Ok(())
}

/// The first is what the others are compared with.
const KINDS: [&str; 3] = ["ceiling-all", "ceiling-each", "door"];

/// Deliveries a second, CPU each, median and p99 of a round.
fn row(server: &Process, before: Duration, count: usize, sent: (f64, &Times)) -> [f64; 4] {
    let cpu_us = (server.cpu() - before).as_secs_f64() * 1e6 / count as f64;
    [sent.0, cpu_us, sent.1.ms(500), sent.1.ms(990)]
}

fn show(name: &str, found: [Vec<[f64; 4]>; 3]) {
    let median = |rows: &[[f64; 4]], column: usize| {
        let mut values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let ceiling = median(&found[0], 0);
    for (kind, rows) in KINDS.iter().zip(&found) {
        let [per_s, cpu_us, p50, p99] = [0, 1, 2, 3].map(|column| median(rows, column));
        let share = per_s / ceiling;
        println!(
            "{name}  {kind:12}  {per_s:12.0}  {share:10.2}  {cpu_us:11.0}  {p50:6.3}  {p99:7.3}"
        );
    }
}

fn start(kind: &str, dir: &Path) -> anyhow::Result<(Process, String)> {
    let dir = dir.display().to_string();
    let mut server = match kind {
        "door" => Process::start(&["child:door", &dir])?,
        _ => Process::start(&["child:ceiling", &dir, kind])?,
    };
    let address = server.line()?;
    Ok((server, address))
}

/// The product's door in a process of its own; nothing works on what it takes.
pub(crate) fn child(args: &[String]) -> anyhow::Result<()> {
    bowsprit::telemetry::init(bowsprit::telemetry::LogFormat::Json, "info")?;
    let dir = args.get(1).context("no directory")?.clone();
    tokio::runtime::Runtime::new()?.block_on(async move {
        let store = Store::open(&format!("{dir}/door.db")).await?;
        serve(door(store)).await
    })
}

/// The bare handler in a process of its own.
pub(crate) fn ceiling(args: &[String]) -> anyhow::Result<()> {
    let dir = args.get(1).context("no directory")?.clone();
    let is_each = args.get(2).is_some_and(|kind| kind == "ceiling-each");
    let log = std::fs::File::create(Path::new(&dir).join("log"))?;
    let (entries, waiting) = mpsc::channel::<Entry>(4_096);
    std::thread::spawn(move || keep(log, waiting, is_each));
    tokio::runtime::Runtime::new()?.block_on(async move {
        let app = Router::new()
            .route("/webhook", post(hear))
            .with_state(entries);
        serve(app).await
    })
}

async fn serve(app: Router) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let never = CancellationToken::new();
    connections::serve(listener, app, connections::Limits::default(), never).await;
    Ok(())
}

async fn hear(
    State(entries): State<mpsc::Sender<Entry>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let signature = headers
        .get("x-hub-signature-256")
        .and_then(|value| value.to_str().ok());
    if !signature.is_some_and(|signature| is_signed(&body, signature)) {
        return StatusCode::FORBIDDEN;
    }
    if serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return StatusCode::BAD_REQUEST;
    }
    let (answer, answered) = oneshot::channel();
    match entries.send((body, answer)).await.is_ok() && answered.await.unwrap_or(false) {
        true => StatusCode::ACCEPTED,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn is_signed(body: &[u8], signature: &str) -> bool {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).map(|mac| mac.chain_update(body));
    let bytes = hex::decode(signature.trim_start_matches("sha256="));
    mac.is_ok_and(|mac| bytes.is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok()))
}

fn keep(mut log: std::fs::File, mut waiting: mpsc::Receiver<Entry>, is_each: bool) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while !is_each && batch.len() < 512 {
            match waiting.try_recv() {
                Ok(entry) => batch.push(entry),
                Err(_) => break,
            }
        }
        let written = batch.iter().try_for_each(|(body, _)| log.write_all(body));
        let is_kept = written.and_then(|()| log.sync_data()).is_ok();
        for (_, answer) in batch {
            let _ = answer.send(is_kept);
        }
    }
}
