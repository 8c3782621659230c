//! The bot dies at any moment, and GitHub cuts its answers: everything still happens exactly once.

use crate::harness::{PATIENCE, POLL, World, run_test};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const REPO: &str = "tiny-service";

/// The bot as a process of its own, on the state of the world.
fn spawn(t: &World) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(t.dir.path().join("bot.log"))
        .expect("a log");
    Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["server", "--config"])
        .arg(&t.config_file)
        .env_clear()
        .envs(
            ["PATH", "HOME"]
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the bot starts")
}

/// Changes at the hub that the bot made, so far.
async fn writes(t: &World) -> u64 {
    let all = t.admin("GET", "/_hub/writes", None).await;
    all.as_array()
        .and_then(|all| all.last()?["seq"].as_u64())
        .unwrap_or(0)
}

/// Kills the bot after every third change at the hub and starts it again, until told to stop; says how often.
async fn reap(t: &World, is_over: &AtomicBool, kills_max: usize) -> usize {
    let (mut bot, mut kills) = (spawn(t), 0);
    let mut next = writes(t).await + 1;
    let began = Instant::now();
    while !is_over.load(Ordering::SeqCst) {
        assert!(
            began.elapsed() < PATIENCE,
            "the story does not end after {kills} kills"
        );
        if kills < kills_max && writes(t).await >= next {
            bot.kill().expect("it dies");
            bot.wait().expect("it is dead");
            kills += 1;
            bot = spawn(t);
            next = writes(t).await + 3;
        }
        tokio::time::sleep(POLL / 5).await;
    }
    bot.kill().expect("it dies");
    bot.wait().expect("it is dead");
    kills
}

/// Says words until the pull request is merged; a bot that was away asks for them again.
async fn insist(t: &World, number: u64, words: &[(&str, &str)]) {
    for turn in 0.. {
        if t.is_merged(REPO, number).await {
            return;
        }
        assert!(
            turn < 20,
            "#{number} is never merged: {}",
            t.status(REPO, number).await
        );
        for (who, word) in words {
            t.say(REPO, who, number, word).await;
        }
        let began = Instant::now();
        t.until("an answer", async |t| {
            (t.is_merged(REPO, number).await || began.elapsed().as_secs() > 4).then_some(())
        })
        .await;
    }
}

/// Brings a model from a push to production by people's words alone.
async fn bring_to_production(t: &World) {
    t.push(
        "tiny-training",
        "linus",
        "main",
        "Train",
        &[("note.txt", "1\n")],
    )
    .await;
    let opened = async |branch: &str| {
        t.until(branch, async |t| {
            t.proposals(branch).await.first()?["number"].as_u64()
        })
        .await
    };
    let first = opened("bowsprit/tiny").await;
    t.next_second().await;
    insist(t, first, &[("grace", "/lgtm"), ("ada", "/approve")]).await;
    let promotion = opened("bowsprit/promote-production").await;
    t.next_second().await;
    insist(t, promotion, &[("rita", "/approve")]).await;
    t.until("production", async |t| {
        let path = format!("/repos/ada/{REPO}/deployments?environment=production");
        let all = t.api("ada", "GET", &path, None).await;
        let id = all.as_array()?.first()?["id"].as_u64()?;
        let path = format!("/repos/ada/{REPO}/deployments/{id}/statuses");
        let statuses = t.api("ada", "GET", &path, None).await;
        (statuses.as_array()?.first()?["state"] == "success").then_some(())
    })
    .await;
}

/// Holds that everything happened, and nothing twice.
async fn check_once(t: &World) {
    let list = async |path: &str| {
        let path = format!("/repos/ada/{REPO}/{path}");
        let found = t.api("ada", "GET", &path, None).await;
        found.as_array().expect("a list").clone()
    };
    let live = t
        .environment("production")
        .await
        .live
        .expect("production serves");
    assert_eq!(live.shown(), "v1");
    for branch in ["bowsprit/tiny", "bowsprit/promote-production"] {
        assert_eq!(t.proposals(branch).await.len(), 1, "{branch}");
    }
    let tags = list("git/matching-refs/tags/tiny/").await;
    assert_eq!(tags.len(), 1, "{tags:?}");
    let merges: Vec<Value> = list("commits?per_page=100")
        .await
        .into_iter()
        .filter(|one| {
            one["commit"]["message"]
                .as_str()
                .is_some_and(|m| m.starts_with("Merge #"))
        })
        .collect();
    assert_eq!(merges.len(), 2, "{merges:#?}");
    for pull in list("pulls?state=all").await {
        let number = pull["number"].as_u64().expect("a number");
        let mut markers: BTreeMap<String, usize> = BTreeMap::new();
        for body in t.bot_says(REPO, number).await {
            *markers
                .entry(body.lines().next().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
        assert!(
            markers.values().all(|count| *count == 1),
            "#{number}: {markers:#?}"
        );
    }
    let mut successes: BTreeMap<String, usize> = BTreeMap::new();
    for deployment in list("deployments?per_page=100").await {
        let id = deployment["id"].as_u64().expect("an id");
        let statuses = list(&format!("deployments/{id}/statuses")).await;
        let good = statuses
            .iter()
            .filter(|status| status["state"] == "success")
            .count();
        let key = format!("{} {}", deployment["environment"], deployment["sha"]);
        *successes.entry(key).or_default() += good;
    }
    assert!(
        successes.values().all(|count| *count <= 1),
        "{successes:#?}"
    );
    assert!(successes.len() >= 3, "{successes:#?}");
    let head = t.pull("tiny-training", "main").await;
    let path = format!("/repos/ada/tiny-training/commits/{head}/check-runs");
    let checks = t.api("ada", "GET", &path, None).await;
    assert_eq!(checks["total_count"], 1, "{checks}");
    assert_eq!(checks["check_runs"][0]["conclusion"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_it_goes_on_where_it_was() {
    run_test(async |t| {
        let address = t.halt().await;
        let is_over = AtomicBool::new(false);
        let story = async {
            bring_to_production(t).await;
            is_over.store(true, Ordering::SeqCst);
        };
        let (kills, ()) = tokio::join!(reap(t, &is_over, 12), story);
        assert!(kills >= 6, "only {kills} kills");
        t.resume(address).await;
        t.settle().await;
        check_once(t).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_not_made_twice() {
    run_test(async |t| {
        for (method, path) in [
            ("POST", "/git/refs"),
            ("POST", "/pulls"),
            ("PUT", "/merge"),
            ("POST", "/check-runs"),
            ("POST", "/deployments"),
            ("POST", "/statuses"),
        ] {
            let matches = json!({"method": method, "path_contains": path});
            t.fault(json!({"kind": "status", "code": 502, "count": 1, "match": matches}))
                .await;
            t.fault(json!({"kind": "cut_answer", "count": 1, "skip": 1, "match": matches}))
                .await;
        }
        bring_to_production(t).await;
        t.settle().await;
        check_once(t).await;
    })
    .await;
}
