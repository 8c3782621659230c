//! The database is an index: what it forgets stands in the repositories.

use crate::harness::{World, run_test};
use serde_json::{Value, json};

const REPO: &str = "tiny-service";

async fn train(t: &World, row: &str) -> u64 {
    let more = t.read("tiny-training", "data.csv") + row;
    let files = [("data.csv", more.as_str())];
    t.push("tiny-training", "linus", "main", "Another row", &files)
        .await;
    t.settle().await;
    let proposals = t.proposals("bowsprit/tiny").await;
    let numbers = proposals.iter().filter_map(|pull| pull["number"].as_u64());
    numbers.max().expect("a proposal")
}

async fn land(t: &World, number: u64) {
    t.say(REPO, "grace", number, "/lgtm").await;
    t.say(REPO, "ada", number, "/approve").await;
}

async fn promote(t: &World, version: &str) {
    let promotion = t
        .until("a promotion", async |t| {
            let all = t.proposals("bowsprit/promote-production").await;
            all.into_iter().find(|pull| pull["state"] == "open")
        })
        .await;
    let number = promotion["number"].as_u64().expect("a number");
    t.say(REPO, "rita", number, "/approve").await;
    serves(t, "production", version).await;
}

async fn serves(t: &World, name: &str, version: &str) {
    t.until(&format!("{version} in {name}"), async |t| {
        let live = t.find_environment(name).await?.live?;
        (live.shown() == version).then_some(())
    })
    .await;
}

async fn count(t: &World, path: &str) -> usize {
    let path = format!("/repos/ada/{REPO}/{path}");
    let list: Value = t.api("ada", "GET", &path, None).await;
    list.as_array().expect("a list").len()
}

/// What stands at GitHub: issues and pull requests, tags, deployments of production, comments on one issue.
async fn record(t: &World, issue: u64) -> [usize; 4] {
    [
        count(t, "issues?state=all&per_page=100").await,
        count(t, "git/matching-refs/tags/tiny/").await,
        count(t, "deployments?environment=production&per_page=100").await,
        t.bot_says(REPO, issue).await.len(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_costs_no_version_no_release_and_no_second_act() {
    run_test(async |t| {
        let first = train(t, "1.5,small\n").await;
        land(t, first).await;
        promote(t, "v1").await;
        let path = format!("/repos/ada/{REPO}/issues");
        let issue = t
            .api("rita", "POST", &path, Some(json!({"title": "Odd"})))
            .await["number"]
            .as_u64()
            .expect("a number");
        t.say(REPO, "rita", issue, "/rollback production").await;
        t.settle().await;
        let before = record(t, issue).await;

        t.next_second().await;
        let address = t.halt().await;
        for file in ["bowsprit.db", "bowsprit.db-wal", "bowsprit.db-shm"] {
            let path = t.dir.path().join("bot").join(file);
            if path.exists() {
                std::fs::remove_file(path).expect("it is gone");
            }
        }
        t.resume(address).await;
        for name in ["staging", "production"] {
            serves(t, name, "v1").await;
        }
        t.settle().await;
        assert_eq!(record(t, issue).await, before);

        let second = train(t, "2.5,small\n").await;
        assert_ne!(first, second);
        land(t, second).await;
        promote(t, "v2").await;
        t.say(REPO, "rita", issue, "/rollback production").await;
        serves(t, "production", "v1").await;
    })
    .await;
}
