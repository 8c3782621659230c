//! What the gateway adds to an answer of the service behind it, which is Python's own HTTP server.

use crate::Size;
use crate::line::Line;
use crate::table::Times;
use anyhow::Context as _;
use bowsprit_core::name::Digest;
use bowsprit_core::serving::spec::{DoorSpec, Live, RolloutPhase, ServeSpec, ServerSpec};
use bowsprit_core::training::spec::{Sample, SampleSet, Source, Trust};
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const KEY: &str = "key-of-the-figures";
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests between two changes of the way, so that both ways see the same load.
const ROUND: usize = 50;

const SERVICE: &str = r#"
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def log_message(self, *_):
        pass

    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"port": os.environ["PORT"]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer({"label": asked["x"] + 1})

ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Service).serve_forever()
"#;

/// A gateway's process.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The same requests, straight to the service and through the gateway.
pub(crate) async fn run(size: Size) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let gateway = start(dir.path())?;
    let url = live(dir.path()).await?.url;
    let through = url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let request = Request::get("/which").header("authorization", format!("Bearer {KEY}"));
    let request = request.header("host", "bench").body(Full::default())?;
    let (_, said) = Line::open(&through).await?.send(request).await?;
    let said: Value = serde_json::from_slice(&said)?;
    let straight = format!("127.0.0.1:{}", said["port"].as_str().context("no port")?);
    for lines in [1, 8] {
        let (mut direct, mut proxied) = (Vec::new(), Vec::new());
        for _ in 0..size.of(60, 6) / lines.min(2) {
            direct.extend(ask(&straight, lines).await?);
            proxied.extend(ask(&through, lines).await?);
        }
        let (direct, proxied) = (Times::new(direct), Times::new(proxied));
        println!("{lines} connections, straight  {}", direct.row());
        println!("{lines} connections, gateway   {}", proxied.row());
        let added = |share| proxied.ms(share) - direct.ms(share);
        println!(
            "{lines} connections, added     p50 {:.3} ms  p99 {:.3} ms",
            added(500),
            added(990)
        );
    }
    std::fs::write(dir.path().join("stop"), "")?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(gateway);
    Ok(())
}

async fn ask(address: &str, lines: usize) -> anyhow::Result<Vec<Duration>> {
    let mut tasks = Vec::new();
    for _ in 0..lines {
        let mut line = Line::open(address).await?;
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            for number in 0..=ROUND {
                let body = json!({"x": number, "padding": "x".repeat(1_000)}).to_string();
                let request = Request::post("/v1/predict")
                    .header("host", "bench")
                    .header("authorization", format!("Bearer {KEY}"))
                    .header("content-type", "application/json")
                    .body(Full::new(Bytes::from(body)))?;
                let begin = Instant::now();
                let (status, _) = line.send(request).await?;
                anyhow::ensure!(status == 200, "answered {status}");
                // The first of a connection pays for the connection.
                if number > 0 {
                    times.push(begin.elapsed());
                }
            }
            Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}

fn start(dir: &Path) -> anyhow::Result<Gateway> {
    std::fs::write(dir.join("gateway.json"), r#"{"listen":"127.0.0.1:0"}"#)?;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(SERVICE.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "service.py", SERVICE.as_bytes())?;
    let bytes = tar.into_inner()?;
    let snapshot = dir.join("service.tar");
    std::fs::write(&snapshot, &bytes)?;
    let order = order(
        dir,
        Source {
            uri: snapshot.display().to_string(),
            sha256: Digest::of(&bytes),
        },
    );
    std::fs::write(dir.join("wanted.json"), serde_json::to_string(&order)?)?;
    let child = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["agent", "gateway", "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Gateway(child))
}

fn order(dir: &Path, snapshot: Source) -> ServeSpec {
    ServeSpec {
        release: "r1".to_owned(),
        generation: 1,
        server: Some(ServerSpec {
            in_image: None,
            snapshot,
            runtime: None,
            trust: Trust::Trusted,
            cache_dir: dir.join("cache").display().to_string(),
            run: vec!["python3".to_owned(), "service.py".to_owned()],
            ready: "/readyz".to_owned(),
            env: BTreeMap::new(),
            models: Vec::new(),
            digests: BTreeMap::new(),
            sample_sets: vec![SampleSet::new(
                "/v1/predict",
                vec![Sample {
                    input: json!({"x": 1}),
                    output: json!({"label": 2}),
                    tolerance: 0.0,
                }],
            )],
            cpu_millis: 1_000,
            memory_bytes: 512 << 20,
            ready_timeout_s: 30,
            drain_timeout_s: 5,
        }),
        door: DoorSpec {
            keys: vec![Digest::of(KEY.as_bytes())],
            concurrency: 16,
            queue: 64,
            body_bytes_max: 1 << 20,
            telemetry: true,
        },
    }
}

async fn live(dir: &Path) -> anyhow::Result<Live> {
    let began = Instant::now();
    loop {
        let text = std::fs::read(dir.join("live.json")).unwrap_or_default();
        if let Ok(live) = serde_json::from_slice::<Live>(&text)
            && live.phase == RolloutPhase::Live
        {
            return Ok(live);
        }
        anyhow::ensure!(
            began.elapsed() < PATIENCE,
            "the gateway does not become live: {}",
            String::from_utf8_lossy(&text)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
