//! The story that is played while the bot dies: from a push to production by people's words alone, and what must be true after it.

use super::REPO;
use crate::harness::{POLL, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A bot that dies all the time needs longer than one that lives.
const PATIENCE: Duration = Duration::from_secs(180);

/// As [`World::until`], with more patience, and without the bot's own words on why: it runs elsewhere.
pub(super) async fn wait<T>(t: &World, what: &str, look: impl AsyncFn(&World) -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look(t).await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        // A person may ask 5,000 times an hour.
        tokio::time::sleep(POLL * 8).await;
    }
}

/// Says words and waits until the pull request is merged. What is missed while dead is found again, so a word is said
/// again only when the bot answers that a push which it saw late has made it void.
async fn agree(t: &World, number: u64, words: &[(&str, &str)]) {
    // A word of the second of a push may be older than it.
    t.next_second().await;
    let mut answers = 0;
    let is_done = async |answers: usize| {
        wait(t, "the merge", async |t| {
            let is_merged = t.is_merged(REPO, number).await;
            let heard = replies(t, number).await;
            (is_merged || heard >= answers + words.len()).then_some((is_merged, heard))
        })
        .await
    };
    loop {
        for (who, word) in words {
            t.say(REPO, who, number, word).await;
        }
        let (is_merged, heard) = is_done(answers).await;
        if is_merged {
            return;
        }
        answers = heard;
    }
}

/// How often the bot has answered people here.
async fn replies(t: &World, number: u64) -> usize {
    let all = t.bot_says(REPO, number).await;
    all.iter()
        .filter(|body| body.contains("bowsprit:reply:"))
        .count()
}

/// Brings a model from a push to production by people's words alone.
pub(super) async fn bring_to_production(t: &World) {
    t.push(
        "tiny-training",
        "linus",
        "main",
        "Train",
        &[("note.txt", "1\n")],
    )
    .await;
    let opened = async |branch: &str| {
        wait(t, branch, async |t| {
            t.proposals(branch).await.first()?["number"].as_u64()
        })
        .await
    };
    let first = opened("bowsprit/tiny").await;
    agree(t, first, &[("grace", "/lgtm"), ("ada", "/approve")]).await;
    let promotion = opened("bowsprit/promote-production").await;
    agree(t, promotion, &[("rita", "/approve")]).await;
    wait(t, "production", async |t| {
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
pub(super) async fn check_once(t: &World) {
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
        let head = pull["head"]["sha"].as_str().expect("a commit");
        let path = format!("/repos/ada/{REPO}/commits/{head}/check-runs");
        let checks = t.api("ada", "GET", &path, None).await;
        let checks = checks["check_runs"].as_array().expect("a list");
        let ids: BTreeSet<&str> = checks
            .iter()
            .filter_map(|check| check["external_id"].as_str())
            .collect();
        assert_eq!(ids.len(), checks.len(), "#{number}: {checks:#?}");
    }
    // A preview may be gone before it served; what people wait for is deployed once for each commit that wants it.
    let mut deployed = Vec::new();
    for deployment in list("deployments?per_page=100").await {
        let id = deployment["id"].as_u64().expect("an id");
        let statuses = list(&format!("deployments/{id}/statuses")).await;
        let good = statuses
            .iter()
            .filter(|status| status["state"] == "success");
        let environment = deployment["environment"].as_str().expect("a name");
        if !environment.starts_with("preview") {
            deployed.push((environment.to_owned(), good.count()));
        }
    }
    deployed.sort();
    let once = |environment: &str| (environment.to_owned(), 1);
    let wanted = ["production", "staging", "staging"].map(once);
    assert_eq!(deployed, wanted, "deployments and their successes");
    let head = t.pull("tiny-training", "main").await;
    let path = format!("/repos/ada/tiny-training/commits/{head}/check-runs");
    let checks = t.api("ada", "GET", &path, None).await;
    assert_eq!(checks["total_count"], 1, "{checks}");
    assert_eq!(checks["check_runs"][0]["conclusion"], "success");
}
