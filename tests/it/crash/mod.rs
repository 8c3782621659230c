//! The bot dies at any moment, and GitHub cuts its answers: everything still happens exactly once.

mod passage;
mod reaper;
mod tale;

use crate::harness::{SECRET, World, run_test};
use crate::pools::CHECK;
use passage::{Naming, Passage, Side};
use reaper::{Chance, Mortal, rest_of_store, writes_of_store};
use serde_json::json;
use std::time::Duration;
use tale::{bring_to_production, check_once, wait};

const REPO: &str = "tiny-service";
/// The journal of the bot's store: each commit is written there.
const STORE: &str = "bot/bowsprit.db-wal";
/// The story has at least so many changes, deliveries and deaths after commits; with fewer it would show nothing.
const CHANGES_MIN: usize = 24;
const DELIVERIES_MIN: usize = 15;
const DEATHS_MIN: usize = 20;
const POOL_DEATHS_MIN: usize = 4;

/// A change that the bot asks of the hub: its call and what it says, so that the same call with other words is another.
fn change(parts: &http::request::Parts, body: &[u8]) -> Option<String> {
    let path = parts.uri.path();
    // A new token changes nothing, and each life begins with one.
    if parts.method == http::Method::GET || path.ends_with("/access_tokens") {
        return None;
    }
    // Each try to have a delivery again has a number of its own; one of them stands for all.
    if path.starts_with("/app/hook/deliveries/") {
        return Some("POST /app/hook/deliveries/N/attempts".to_owned());
    }
    let words = String::from_utf8_lossy(body);
    Some(format!("{} {path} {words}", parts.method))
}

/// A delivery that the hub sends to the bot; half of them are held before, and half after it was heard.
fn delivery(parts: &http::request::Parts, _body: &[u8]) -> Option<(Side, String)> {
    let header = |name: &str| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let (event, id) = (header("x-github-event")?, header("x-github-delivery")?);
    let side = match id.starts_with(|first: char| first.is_ascii_digit()) {
        true => Side::Before,
        false => Side::After,
    };
    Some((side, format!("{event} {id}")))
}

/// Plays the story while the bot dies at every change that it asks of the hub.
async fn die_at_changes(t: &mut World, name: Naming) {
    let address = t.halt().await;
    let mut passage = Passage::open(&t.hub.url, name).await;
    let mortal = Mortal::new(t, &passage.url);
    let store = t.dir.path().join(STORE);
    mortal
        .lives(bring_to_production(t), async || {
            passage.next().await;
            // What is under way beside it may end, so that nobody is blamed for a dozen deaths that were not theirs.
            rest_of_store(&store).await;
        })
        .await;
    let held = passage.held();
    assert!(held >= CHANGES_MIN, "only {held} changes");
    t.resume(address).await;
    t.settle().await;
    check_once(t).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_every_change_at_the_hub_it_makes_it_once() {
    run_test(async |t| {
        die_at_changes(t, |parts, body| Some((Side::Before, change(parts, body)?))).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_every_change_at_the_hub_it_makes_it_once() {
    run_test(async |t| {
        die_at_changes(t, |parts, body| Some((Side::After, change(parts, body)?))).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_or_after_every_delivery_it_misses_none() {
    run_test(async |t| {
        let address = t.halt().await;
        let mut passage = Passage::open(&format!("http://{address}"), delivery).await;
        let hook = |url: &str| json!({"url": format!("{url}/webhook"), "secret": SECRET});
        t.admin("PUT", "/_hub/webhook", Some(hook(&passage.url)))
            .await;
        let mortal = Mortal::new(t, &t.hub.url);
        // Looks at each start may bring the model to production before the hub has sent everything.
        let until_all_are_sent = async {
            bring_to_production(t).await;
            t.until("the last delivery", async |t| {
                let pending = t.admin("GET", "/_hub/pending", None).await;
                (pending["pending"] == 0).then_some(())
            })
            .await;
        };
        mortal
            .lives(until_all_are_sent, async || passage.next().await)
            .await;
        let held = passage.held();
        assert!(held >= DELIVERIES_MIN, "only {held} deliveries");
        let direct = hook(&format!("http://{address}"));
        t.admin("PUT", "/_hub/webhook", Some(direct)).await;
        t.resume(address).await;
        t.settle().await;
        check_once(t).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_commit_of_the_store_it_goes_on_where_it_was() {
    run_test(async |t| {
        let address = t.halt().await;
        let (mut chance, mut is_short) = (Chance(20_261_129), false);
        let mortal = Mortal::new(t, &t.hub.url);
        let store = t.dir.path().join(STORE);
        let deaths = mortal
            .lives(bring_to_production(t), async || {
                is_short = !is_short;
                // A short life ends while it starts: one death upon another. The long one after it gets somewhere.
                let commits = match is_short {
                    true => chance.below(12),
                    false => 15 + chance.below(30),
                };
                writes_of_store(&store, commits, Duration::from_millis(chance.below(3))).await;
            })
            .await;
        assert!(deaths >= DEATHS_MIN, "only {deaths} deaths");
        t.resume(address).await;
        t.settle().await;
        check_once(t).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_pool_is_tested_and_lands_it_lands_what_is_good_together() {
    run_test(async |t| {
        let issue = t.block(REPO).await;
        let mut all = Vec::new();
        for name in ["a", "b", "c"] {
            all.push(t.ready(REPO, name).await);
        }
        t.pull(REPO, "main").await;
        let contract = t.read(REPO, "bowsprit.yaml");
        let contract = format!("{contract}{CHECK}chatops: {{merge_tests: 3}}\n");
        let address = t.halt().await;
        let mut chance = Chance(20_261_130);
        let mortal = Mortal::new(t, &t.hub.url);
        let store = t.dir.path().join(STORE);
        let land = async {
            let files = [("bowsprit.yaml", contract.as_str())];
            t.push(REPO, "ada", "main", "Test the queue", &files).await;
            t.unblock(REPO, issue).await;
            wait(t, "the merges", async |t| {
                let is_other = t.is_merged(REPO, all[1]).await || t.is_merged(REPO, all[2]).await;
                (is_other && t.is_merged(REPO, all[0]).await).then_some(())
            })
            .await;
        };
        let deaths = mortal
            .lives(land, async || {
                let commits = 15 + chance.below(30);
                writes_of_store(&store, commits, Duration::from_millis(chance.below(3))).await;
            })
            .await;
        assert!(deaths >= POOL_DEATHS_MIN, "only {deaths} deaths");
        t.resume(address).await;
        t.settle().await;
        // Of the two that are bad together the first lands, and which of them is ready first hangs on the deaths.
        let is_second = t.is_merged(REPO, all[1]).await;
        assert_ne!(is_second, t.is_merged(REPO, all[2]).await);
        let status = t.status(REPO, all[if is_second { 2 } else { 1 }]).await;
        assert!(status.contains("has landed"), "{status}");
        t.pull(REPO, "main").await;
        let flags = ["a.flag", "b.flag", "c.flag"].map(|flag| t.read(REPO, flag));
        let landed = match is_second {
            true => ["new\n", "new\n", ""],
            false => ["new\n", "", "new\n"],
        };
        assert_eq!(flags, landed);
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
