//! Until a server is ready, and what it holds while nothing happens.

use crate::Size;
use crate::github;
use crate::line::Line;
use crate::payload::SECRET;
use crate::process::Process;
use crate::table::Times;
use anyhow::Context as _;
use bowsprit::store::Store;
use http_body_util::Full;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Deliveries of a database that has seen a week.
const DELIVERIES: usize = 100_000;
/// How long nothing happens before a server is called idle.
const QUIET: Duration = Duration::from_secs(3);
/// How often a server that starts is asked whether it is ready; the times are as coarse as this.
const POLL: Duration = Duration::from_millis(1);
/// No start takes longer.
const START_MAX: Duration = Duration::from_secs(30);

/// Start with nothing and with a full database; memory at rest.
pub(crate) async fn run(size: Size) -> anyhow::Result<()> {
    let (api, _world) = github::start(Duration::ZERO, 0).await?;
    let deliveries = size.of(DELIVERIES, DELIVERIES / 10);
    for (name, rows) in [("empty", 0), ("full", deliveries)] {
        let dir = tempfile::tempdir()?;
        let config = write_config(dir.path(), &api)?;
        if rows > 0 {
            fill(dir.path(), rows).await?;
            let bytes = std::fs::metadata(database(dir.path()))?.len();
            println!("{name}: {rows} deliveries, {} MiB", bytes >> 20);
        }
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..size.of(9, 3) {
            drop(last.take());
            let begin = Instant::now();
            let (server, _) = start(&config).await?;
            times.push(begin.elapsed());
            last = Some(server);
        }
        println!("{name}: start to ready  {}", Times::new(times).row());
        let server = last.context("none was started")?;
        tokio::time::sleep(QUIET).await;
        println!(
            "{name}: at rest RSS {:.1} MiB (own {:.1}, of files {:.1}), {} threads",
            mib(server.memory("VmRSS")),
            mib(server.memory("RssAnon")),
            mib(server.memory("RssFile")),
            server.memory("Threads")
        );
    }
    Ok(())
}

pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// The program as an operator starts it; returns once `/readyz` says that it is ready, with its address.
pub(crate) async fn start(config: &str) -> anyhow::Result<(Process, String)> {
    // Freed for the server; nothing else here asks for ports meanwhile.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let server = Process::spawn(
        Command::new(env!("CARGO_BIN_EXE_bowsprit"))
            .args(["server", "--config", config])
            .env("BOWSPRIT_LISTEN", &address),
    )?;
    let until = Instant::now() + START_MAX;
    while !is_ready(&address).await {
        anyhow::ensure!(
            Instant::now() < until,
            "it does not become ready (set BENCH_STDERR to see why)"
        );
        tokio::time::sleep(POLL).await;
    }
    Ok((server, address))
}

async fn is_ready(address: &str) -> bool {
    let Ok(mut line) = Line::open(address).await else {
        return false;
    };
    let ask = http::Request::get("/readyz")
        .header("host", address)
        .body(Full::default());
    let Ok(ask) = ask else { return false };
    line.send(ask)
        .await
        .is_ok_and(|(status, _)| status.is_success())
}

/// A configuration for a server of which this GitHub is all it knows.
pub(crate) fn write_config(dir: &Path, api: &str) -> anyhow::Result<String> {
    static KEY: OnceLock<String> = OnceLock::new();
    let key = KEY.get_or_init(|| bowsprit_hub::key::generate().expect("a key").private_pem);
    std::fs::write(dir.join("app.pem"), key)?;
    std::fs::write(dir.join("secret"), SECRET)?;
    let text = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = {:?}\n[github]\napi_url = \"{api}\"\ngit_url = \"{api}\"\napp_id = 7\nprivate_key_file = {:?}\nwebhook_secret_files = [{:?}]\n[limits]\ngithub_writes_per_minute = 100000\ngithub_writes_per_hour = 1000000\n",
        dir.join("state"),
        dir.join("app.pem"),
        dir.join("secret"),
    );
    let file = dir.join("bowsprit.toml");
    std::fs::write(&file, text)?;
    Ok(file.display().to_string())
}

fn database(dir: &Path) -> PathBuf {
    dir.join("state/bowsprit.db")
}

/// Done deliveries of 10 KB each, as a week leaves them.
async fn fill(dir: &Path, rows: usize) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir.join("state"))?;
    let path = database(dir);
    Store::open(&path.display().to_string())
        .await?
        .close()
        .await?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    sqlx::query(
        "INSERT INTO delivery (guid, event, action, received_ms, state, attempts, body)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
        SELECT 'g-' || n, 'push', NULL, $2 - n, 'done', 1, zeroblob(10000) FROM numbers",
    )
    .bind(i64::try_from(rows)?)
    .bind(bowsprit::worker::now_ms())
    .execute(&mut conn)
    .await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut conn)
        .await?;
    conn.close().await?;
    Ok(())
}
