//! What is over and old goes; what anything names stays.

use crate::both::{land, serves, train};
use crate::harness::{World, run_test};
use bowsprit::config::Config;
use bowsprit::worker::now_ms;
use bowsprit::worker::retention;
use bowsprit_core::name::{CommitSha, Digest, Slug};
use bowsprit_core::retention::{EVERY_MS, Keep};
use bowsprit_core::subject::run::Run;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const REPO: &str = "tiny-service";
const TRAINING: &str = "tiny-training";

/// A moment is old.
fn briefly(config: &mut Config) {
    config.retention = Keep {
        runs: Some(1),
        deliveries: Some(1),
        dead_letters: Some(1),
        events: Some(1),
        artifacts_unused: Some(1),
    };
}

/// Bytes that nothing names are old in a moment, and all else stays.
fn bytes_briefly(config: &mut Config) {
    config.retention = Keep {
        runs: None,
        deliveries: None,
        dead_letters: None,
        events: None,
        artifacts_unused: Some(1),
    };
}

/// The last sweep was a day ago.
async fn a_day_later(t: &World) {
    let day_ago = now_ms() - EVERY_MS;
    let sweeps = json!({"done_ms": day_ago, "doubted_ms": null}).to_string();
    let kept = t.bot().rooms.store.put_kv(retention::SWEEPS, &sweeps).await;
    kept.expect("a note");
}

/// Waits until a sweep has ended.
async fn swept(t: &World) {
    t.until("the end of the sweep", async |t| {
        let sweeps = t
            .bot()
            .rooms
            .store
            .kv(retention::SWEEPS)
            .await
            .expect("a note");
        let sweeps: Value = serde_json::from_str(&sweeps?).expect("JSON");
        (sweeps["done_ms"].as_i64()? > now_ms() - EVERY_MS / 2).then_some(())
    })
    .await;
}

async fn runs_at(t: &World, sha: &str) -> Vec<Run> {
    let store = &t.bot().rooms.store;
    let repositories = store.repositories().await.expect("a list").into_iter();
    let mut of_training =
        repositories.filter(|(view, _)| view.repo.name.as_str().ends_with(TRAINING));
    let (view, _) = of_training.next().expect("the repository");
    let sha = CommitSha::parse(sha).expect("a commit");
    store.runs_at(view.repo.id, &sha).await.expect("a list")
}

/// A candidate that passed on a pull request which nobody wanted: its commit, and its bytes.
async fn refused(t: &World) -> (String, BTreeSet<Digest>) {
    let more = t.read(TRAINING, "data.csv") + "3.0,small\n";
    let files = [("data.csv", more.as_str())];
    let sha = t.push(TRAINING, "linus", "side", "Try a row", &files).await;
    let number = t.open_pull(TRAINING, "linus", "side", "Try a row").await;
    t.settle().await;
    let path = format!("/repos/ada/{TRAINING}/pulls/{number}");
    t.api("linus", "PATCH", &path, Some(json!({"state": "closed"})))
        .await;
    t.settle().await;
    let made = runs_at(t, &sha).await.into_iter().find_map(|run| run.made);
    let files = made.expect("a model").files.into_iter();
    (sha, files.map(|file| file.sha256).collect())
}

/// The bytes of every version.
async fn of_versions(t: &World) -> BTreeSet<Digest> {
    let store = &t.bot().rooms.store;
    let versions = store.list_versions(None, 10).await.expect("a list");
    assert_eq!(versions.len(), 2);
    let files = versions.into_iter().flat_map(|version| version.files);
    files.map(|file| file.sha256).collect()
}

async fn are_stored(t: &World, digests: &BTreeSet<Digest>) -> bool {
    for digest in digests {
        let is_stored = t.bot().rooms.artifacts.has(digest).await;
        if !is_stored.expect("an answer") {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn old_things_go_and_what_is_named_stays_so_that_a_rollback_works() {
    run_test(async |t| {
        let first = train(t, "").await;
        land(t, "v1").await;
        train(t, "2.0,small\n").await;
        land(t, "v2").await;
        let (sha, mut candidate) = refused(t).await;
        let versions = of_versions(t).await;
        candidate.retain(|digest| !versions.contains(digest));
        assert!(!candidate.is_empty() && are_stored(t, &candidate).await);
        let kept = retention::preview(&t.bot().rooms).await;
        let kept = kept.expect("a look").expect("nobody else looks");
        assert!(kept.is_nothing(), "all of it is young");

        t.tune = briefly;
        let runs: Vec<String> = runs_at(t, &sha)
            .await
            .into_iter()
            .map(|run| run.id)
            .collect();
        swept(t).await;
        a_day_later(t).await;
        let address = t.halt().await;
        // Two weeks later the folders of its stages are gone.
        let folder = t.dir.path().join("bot/runs");
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if runs
                .iter()
                .any(|run| path.display().to_string().contains(run))
            {
                std::fs::remove_dir_all(path).expect("it is gone");
            }
        }
        // One that is cut short is gone on with at the next start.
        t.resume(address).await;
        t.halt().await;
        t.resume(address).await;
        t.until("the end of the sweep", async |t| {
            let rooms = &t.bot().rooms;
            let is_gone = runs_at(t, &sha).await.is_empty() && !are_stored(t, &candidate).await;
            let old = rooms.store.old_events(i64::MAX, 0).await.expect("a list");
            (is_gone && old.is_empty()).then_some(())
        })
        .await;
        t.settle().await;
        assert!(are_stored(t, &versions).await);
        let head = first["head_sha"].as_str().expect("a commit");
        assert!(
            !runs_at(t, head).await.is_empty(),
            "a version names its run"
        );
        for name in ["staging", "production"] {
            let live = t.environment(name).await.live.expect("it serves");
            assert_eq!(live.shown(), "v2");
        }
        let check = t.check(TRAINING, &sha, "train").await.expect("a check");
        let button = format!("/repos/ada/{TRAINING}/check-runs/{}/rerequest", check["id"]);
        t.api("ada", "POST", &button, None).await;
        t.settle().await;
        let check = t.check(TRAINING, &sha, "train").await.expect("a check");
        let told = check["output"]["title"].to_string();
        assert!(told.contains("was removed, since it is old"), "{check}");
        let proposals = t.proposals("bowsprit/tiny").await.len();

        let path = format!("/repos/ada/{REPO}/issues");
        let body = json!({"title": "Odd answers"});
        let issue = t.api("rita", "POST", &path, Some(body)).await["number"]
            .as_u64()
            .expect("a number");
        t.say(REPO, "rita", issue, "/rollback production").await;
        serves(t, "v1").await;
        t.settle().await;
        t.restart().await;
        t.settle().await;
        serves(t, "v1").await;
        let model = Slug::parse("tiny").expect("a name");
        let service = t.environment("production").await.repo.id;
        let rooms = &t.bot().rooms;
        let stored = rooms.store.versions(service, &model).await;
        assert_eq!(stored.expect("a list").len(), 2, "versions stay");
        assert!(are_stored(t, &versions).await);
        let now = t.proposals("bowsprit/tiny").await.len();
        assert_eq!(now, proposals, "nothing is proposed twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_cannot_be_read_holds_back_what_it_may_name_and_no_more() {
    run_test(async |t| {
        train(t, "").await;
        land(t, "v1").await;
        let body = json!({"name": "other"});
        t.api("ada", "POST", "/user/repos", Some(body)).await;
        t.push_new(("ada", "other"), &[("README.md", "x")]).await;
        let (_, mut candidate) = refused(t).await;
        let versions = t.bot().rooms.store.list_versions(None, 10).await;
        for file in versions
            .expect("a list")
            .iter()
            .flat_map(|version| &version.files)
        {
            candidate.remove(&file.sha256);
        }
        assert!(!candidate.is_empty() && are_stored(t, &candidate).await);
        swept(t).await;
        t.tune = bytes_briefly;
        for (unread, stays) in [(REPO, true), ("other", false)] {
            let path = format!("/ada/{unread}.git/");
            let rule = json!({"kind": "status", "code": 500, "match": {"path_contains": path}});
            t.fault(rule).await;
            a_day_later(t).await;
            t.restart().await;
            swept(t).await;
            assert_eq!(are_stored(t, &candidate).await, stays, "{unread}");
            t.heal().await;
        }
    })
    .await;
}
