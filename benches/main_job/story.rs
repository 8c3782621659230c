//! What a person waits for: from `/approve` to the merge, and from a push to the run.
//!
//! Hub, bot and this program share one process, so the figures hold the hub's share too.

use crate::Size;
use crate::harness::{World, run_test};
use crate::table::Times;
use bowsprit_core::subject::ask::StageView;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How often the hub is asked.
const POLL: Duration = Duration::from_millis(3);
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

const SERVICE: &str = "tiny-service";
const TRAINING: &str = "tiny-training";

/// A reviewed pull request of code: from the comment's answer to its merge at the hub.
pub(crate) async fn approve(size: Size) -> anyhow::Result<()> {
    let (mut heard, mut whole) = (Vec::new(), Vec::new());
    run_test(async |t| {
        for number in 0..size.of(12, 3) {
            let (branch, text) = (format!("more-{number}"), format!("more {number}\n"));
            t.push(
                SERVICE,
                "linus",
                &branch,
                "Say more",
                &[("README.md", &text)],
            )
            .await;
            let pr = t.open_pull(SERVICE, "linus", &branch, "Say more").await;
            t.say(SERVICE, "grace", pr, "/lgtm").await;
            t.settle().await;
            let began = Instant::now();
            t.say(SERVICE, "ada", pr, "/approve").await;
            let said = Instant::now();
            until(t, &format!("/repos/ada/{SERVICE}/pulls/{pr}"), |pull| {
                pull["merged"] == true
            })
            .await;
            heard.push(said.elapsed());
            whole.push(began.elapsed());
            t.settle().await;
            t.pull(SERVICE, "main").await;
        }
    })
    .await;
    println!("comment answered to merged  {}", Times::new(heard).row());
    println!("comment begun to merged     {}", Times::new(whole).row());
    Ok(())
}

/// A push to the default branch of a training repository: until its check run is in progress, and until its agent works.
pub(crate) async fn train(size: Size) -> anyhow::Result<()> {
    let (mut shown, mut working) = (Vec::new(), Vec::new());
    run_test(async |t| {
        for number in 0..size.of(6, 2) {
            let (text, began_ms) = (format!("{number}\n"), bowsprit::worker::now_ms());
            let sha = t
                .push(TRAINING, "linus", "main", "Train", &[("note.txt", &text)])
                .await;
            let path = format!("/repos/ada/{TRAINING}/commits/{sha}/check-runs");
            let is_shown = |found: &Value| {
                let runs = found["check_runs"].as_array().into_iter().flatten();
                runs.into_iter()
                    .any(|run| run["name"] == "train" && run["status"] != "queued")
            };
            let (mut shown_ms, mut working_ms) = (None, None);
            let begin = Instant::now();
            while shown_ms.is_none() || working_ms.is_none() {
                assert!(begin.elapsed() < PATIENCE, "the run does not start");
                if working_ms.is_none() && is_working(t, &sha).await {
                    working_ms = Some(bowsprit::worker::now_ms());
                }
                if shown_ms.is_none() && is_shown(&t.api("ada", "GET", &path, None).await) {
                    shown_ms = Some(bowsprit::worker::now_ms());
                }
                tokio::time::sleep(POLL).await;
            }
            let heard_ms = heard_ms(t, began_ms).await;
            shown.push(since(heard_ms, shown_ms));
            working.push(since(heard_ms, working_ms));
            t.settle().await;
        }
    })
    .await;
    println!(
        "push heard to check run in progress  {}",
        Times::new(shown).row()
    );
    println!(
        "push heard to agent at work          {}",
        Times::new(working).row()
    );
    Ok(())
}

async fn until(t: &World, path: &str, is_so: impl Fn(&Value) -> bool) {
    let began = Instant::now();
    while !is_so(&t.api("ada", "GET", path, None).await) {
        assert!(began.elapsed() < PATIENCE, "waited in vain at {path}");
        tokio::time::sleep(POLL).await;
    }
}

async fn is_working(t: &World, sha: &str) -> bool {
    let rooms = &t.bot().rooms;
    let runs = rooms
        .store
        .list_runs(&bowsprit::store::RunFilter::default(), None, 20)
        .await;
    let runs = runs.expect("a list");
    let Some(run) = runs.iter().find(|run| run.cause.sha.as_str() == sha) else {
        return false;
    };
    let stages = ["train", "evaluate"].map(|stage| format!("{}-{stage}", run.id));
    run.phase.is_final()
        || stages.iter().any(|stage| {
            matches!(
                rooms.runs.view(stage),
                StageView::Running(_) | StageView::Done(_)
            )
        })
}

/// When the bot heard the push that was made after this.
async fn heard_ms(t: &World, after_ms: i64) -> i64 {
    let newest = t
        .bot()
        .rooms
        .store
        .deliveries(None, 50)
        .await
        .expect("a list");
    let pushes = newest
        .iter()
        .filter(|row| row.event == "push" && row.received_ms >= after_ms);
    pushes.map(|row| row.received_ms).min().unwrap_or(after_ms)
}

fn since(from_ms: i64, to_ms: Option<i64>) -> Duration {
    Duration::from_millis(u64::try_from(to_ms.unwrap_or(from_ms) - from_ms).unwrap_or(0))
}
