//! What a command costs at GitHub: writes, and reads that were not answered "not modified".

use crate::harness::{World, run_test};
use serde_json::{Value, json};

const REPO: &str = "tiny-service";

impl World {
    async fn calls_since(&self, seq: u64) -> Vec<Value> {
        let path = format!("/_hub/calls?after={seq}");
        let calls = self.admin("GET", &path, None).await;
        calls.as_array().expect("a list").clone()
    }

    /// The bot's calls of its installation that GitHub counts, made while this happens.
    async fn cost(&self, what: impl AsyncFnOnce(&World)) -> Vec<String> {
        self.settle().await;
        let last = self.calls_since(0).await.last().cloned();
        let seq = last.map_or(0, |call| call["seq"].as_u64().expect("a number"));
        what(self).await;
        self.settle().await;
        let calls = self.calls_since(seq).await.into_iter();
        let counted = calls.filter(|call| {
            call["actor"]
                .as_str()
                .is_some_and(|actor| actor.contains("installation"))
                && call["status"] != 304
        });
        counted
            .map(|call| format!("{} {} {}", call["method"], call["path"], call["status"]))
            .collect()
    }
}

/// The speaker is assigned beside: our own words and edits cost no second look.
#[tokio::test(flavor = "multi_thread")]
async fn an_lgtm_with_prows_habits_costs_few_calls_too() {
    run_test(async |t| {
        t.contract_with(REPO, "chatops: {compatibility: prow}\n")
            .await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        // Warm as above; that she was assigned, somebody takes back by hand.
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.settle().await;
        t.say(REPO, "rita", pr, "/remove-lgtm").await;
        t.settle().await;
        let path = format!("/repos/ada/{REPO}/issues/{pr}/assignees");
        t.api(
            "ada",
            "DELETE",
            &path,
            Some(json!({"assignees": ["grace"]})),
        )
        .await;
        let lgtm = t
            .cost(async |t| {
                t.say(REPO, "grace", pr, "/lgtm").await;
            })
            .await;
        at_most(5, &lgtm);
        let shown = t.pr(REPO, pr).await;
        let people = shown["assignees"].as_array().expect("a list");
        let people: Vec<&str> = people
            .iter()
            .filter_map(|one| one["login"].as_str())
            .collect();
        assert_eq!(people, ["rita", "grace"]);
    })
    .await;
}

/// Changes of one run's check run and of the status comment, from queued to done.
const PROGRESS_MAX: usize = 8;

#[track_caller]
fn at_most(max: usize, calls: &[String]) {
    assert!(
        calls.len() <= max,
        "{} calls, more than {max}:\n{}",
        calls.len(),
        calls.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_costs_few_calls() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        // Warm: each label is made once in the life of a repository, and what a person may do is read anew only when
        // it changed.
        t.say(REPO, "rita", pr, "/hold").await;
        t.settle().await;
        t.say(REPO, "grace", pr, "/unhold\n/lgtm").await;
        t.settle().await;
        t.say(REPO, "rita", pr, "/remove-lgtm").await;
        t.say(REPO, "ada", pr, "/hold").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        t.say(REPO, "ada", pr, "/unhold\n/remove-approve").await;
        let hold = t
            .cost(async |t| {
                t.say(REPO, "rita", pr, "/hold").await;
            })
            .await;
        let lgtm = t
            .cost(async |t| {
                t.say(REPO, "grace", pr, "/lgtm").await;
            })
            .await;
        let approve = t
            .cost(async |t| {
                t.say(REPO, "ada", pr, "/approve").await;
            })
            .await;
        let push = t
            .cost(async |t| {
                t.push(REPO, "linus", "doc", "Again", &[("README.md", "again\n")])
                    .await;
            })
            .await;
        // Reaction, status comment and label; once the labels are known.
        at_most(3, &hold);
        at_most(5, &lgtm);
        at_most(5, &approve);
        // Two labels off, the status comment, the new check run and the one that sums up all rules. The delivery told of
        // the head, and whether GitHub can merge it is asked once it matters.
        let made = push
            .iter()
            .position(|call| call.contains("POST") && call.contains("/check-runs"));
        let (before, after) = push.split_at(made.expect("a check run") + 1);
        let is_progress = |call: &&String| {
            call.contains("PATCH") && (call.contains("/check-runs/") || call.contains("/comments/"))
        };
        let (progress, rest): (Vec<&String>, Vec<&String>) = after.iter().partition(is_progress);
        let own: Vec<String> = before.iter().chain(rest).cloned().collect();
        let progress: Vec<String> = progress.into_iter().cloned().collect();
        at_most(6, &own);
        // What the check run and the comment then show of the run: queued, preparing, at work, done.
        at_most(PROGRESS_MAX, &progress);
    })
    .await;
}
