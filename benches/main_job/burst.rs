//! A burst of comments with commands, while GitHub takes 80 ms for each call.

use crate::Size;
use crate::payload::{self, Payload};
use crate::server::{self, mib, write_config};
use crate::{github, line};
use bowsprit::store::Counts;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What GitHub takes for a call.
const DELAY: Duration = Duration::from_millis(80);
/// Comments of each issue.
const COMMENTS: usize = 40;
/// Connections that deliver.
const LINES: usize = 64;
/// Watched no longer than this.
const PATIENCE: Duration = Duration::from_secs(240);

/// All comments delivered, understood and answered.
pub(crate) async fn run(size: Size) -> anyhow::Result<()> {
    let count = size.of(10_000, 800);
    let issues = count / COMMENTS;
    let (api, world) = github::start(DELAY, COMMENTS).await?;
    let dir = tempfile::tempdir()?;
    let config = write_config(dir.path(), &api)?;
    let (server, address) = server::start(&config).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = server.memory("VmRSS");
    let payloads = (1..=issues).map(|issue| Payload::new("issue_comment", payload::comment(issue)));
    let payloads = Arc::new(payloads.collect::<Vec<_>>());
    let (begin, cpu) = (Instant::now(), server.cpu());
    let sent = line::closed(&address, LINES, count, &payloads).await?;
    println!("{count} comments on {issues} issues, {LINES} connections");
    println!(
        "taken: {:.0} a second, put off {}   {}",
        sent.per_s,
        sent.put_off,
        sent.times.row()
    );
    let mut heard = None;
    let mut last = Counts::default();
    while begin.elapsed() < PATIENCE {
        last = counts(&address).await?;
        if heard.is_none() && last.deliveries_new == 0 {
            heard = Some(begin.elapsed());
        }
        if heard.is_some() && last.subjects_wanted + last.effects_intended == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let spent = (server.cpu() - cpu).as_secs_f64();
    println!(
        "all understood after {:.1} s",
        heard.unwrap_or_default().as_secs_f64()
    );
    println!(
        "quiet after {:.1} s; replies {} of {count}; left: {last:?}",
        begin.elapsed().as_secs_f64(),
        world.made()
    );
    println!(
        "calls of the installation {}, open at once at most {} (limit 20)",
        world.calls.load(Ordering::Relaxed),
        world.open_max.load(Ordering::Relaxed)
    );
    println!(
        "RSS before {:.1} MiB, highest {:.1} MiB, after {:.1} MiB; CPU {spent:.2} s, {:.0} us a delivery with its answer",
        mib(before),
        mib(server.memory("VmHWM")),
        mib(server.memory("VmRSS")),
        spent * 1e6 / count as f64
    );
    let unknown = world
        .unknown
        .lock()
        .map(|calls| calls.clone())
        .unwrap_or_default();
    anyhow::ensure!(
        unknown.is_empty(),
        "calls that the stand-in does not know: {unknown:?}"
    );
    Ok(())
}

/// The lengths of the queues, as the server's own metrics tell them.
async fn counts(address: &str) -> anyhow::Result<Counts> {
    let request = http::Request::get("/metrics")
        .header("host", "bowsprit")
        .body(http_body_util::Full::default())?;
    let (_, text) = line::Line::open(address).await?.send(request).await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let figure = |queue: &str| {
        let name = format!("bowsprit_queue_length{{queue=\"{queue}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Ok(Counts {
        deliveries_new: figure("deliveries_new"),
        deliveries_dead: figure("deliveries_dead"),
        subjects_wanted: figure("subjects_wanted"),
        subjects_stuck: figure("subjects_stuck"),
        effects_intended: figure("effects_intended"),
        effects_dead: figure("effects_dead"),
    })
}
