//! The queue with tests: what is ready is merged in the mirror, tested as it would land, and lands if that was green.

use crate::harness::{World, run_test};
use bowsprit_core::name::{BranchName, RepoName};
use bowsprit_core::subject::run::{Phase, Run, Trigger, What};
use serde_json::json;

const SERVICE: &str = "tiny-service";
const TRAINING: &str = "tiny-training";

/// Two files that are good alone and bad together.
pub(crate) const CHECK: &str = "checks:\n  - {name: pair, run: [python, -c, \"import os, sys; sys.exit(os.path.exists('b.flag') and os.path.exists('c.flag'))\"]}\n";

impl World {
    /// From now on the queue of a repository tests so many rows at once.
    async fn with_tests(&self, repo: &str, count: u32, more: &str) {
        let more = format!("{more}chatops: {{merge_tests: {count}}}\n");
        self.contract_with(repo, &more).await;
    }

    /// From now on the contract of a repository says this, too.
    pub(crate) async fn contract_with(&self, repo: &str, more: &str) {
        self.pull(repo, "main").await;
        let contract = format!("{}{more}", self.read(repo, "bowsprit.yaml"));
        let files = [("bowsprit.yaml", contract.as_str())];
        self.push(repo, "ada", "main", "Another contract [skip train]", &files)
            .await;
        self.settle().await;
    }

    /// A change that everybody agrees on, by one file.
    pub(crate) async fn ready(&self, repo: &str, name: &str) -> u64 {
        let file = format!("{name}.flag");
        let pr = self.change(repo, "linus", name, &[(&file, "new\n")]).await;
        self.settle().await;
        self.say(repo, "grace", pr, "/lgtm").await;
        self.say(repo, "ada", pr, "/approve").await;
        self.settle().await;
        pr
    }

    /// Runs of the queue's tests, oldest first.
    pub(crate) async fn tests(&self, repo: &str) -> Vec<Run> {
        let name = RepoName::parse(&format!("ada/{repo}")).expect("a name");
        let store = &self.bot().rooms.store;
        let found = store.repository_named(&name).await.expect("an answer");
        let (view, _) = found.expect("a repository");
        let main = BranchName::parse("main").expect("a branch");
        let runs = store.queue_runs(view.repo.id, &main).await;
        runs.expect("a list")
    }

    /// Whom each test was of, a word a test, by letters that stand for numbers.
    async fn rows(&self, repo: &str, names: &[(u64, char)]) -> Vec<String> {
        let mut rows = Vec::new();
        for run in self.tests(repo).await {
            let Trigger::Queue {
                members,
                whats,
                turn,
                ..
            } = &run.cause.trigger
            else {
                continue;
            };
            if whats.first() != Some(&run.cause.what) {
                continue;
            }
            let name = |number: u64| names.iter().find(|(one, _)| *one == number);
            let row = members
                .iter()
                .map(|(pr, _)| name(pr.0).map_or('?', |one| one.1));
            rows.push(format!("{}{turn}", row.collect::<String>()));
        }
        rows
    }

    pub(crate) async fn block(&self, repo: &str) -> u64 {
        let path = format!("/repos/ada/{repo}/issues");
        let body = json!({"title": "Not now", "labels": ["merge-blocker"]});
        let issue = self.api("ada", "POST", &path, Some(body)).await;
        issue["number"].as_u64().expect("a number")
    }

    pub(crate) async fn unblock(&self, repo: &str, issue: u64) {
        let path = format!("/repos/ada/{repo}/issues/{issue}");
        self.api("ada", "PATCH", &path, Some(json!({"state": "closed"})))
            .await;
    }

    /// Whom `main` holds, oldest first, by its merges.
    async fn order(&self, repo: &str) -> Vec<u64> {
        let path = format!("/repos/ada/{repo}/commits?sha=main&per_page=50");
        let commits = self.api("ada", "GET", &path, None).await;
        let numbers = commits
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| {
                let words = one["commit"]["message"].as_str()?;
                let number = words.strip_prefix("Merge #")?.split_once(':')?.0;
                number.parse().ok()
            });
        let mut order: Vec<u64> = numbers.collect();
        order.reverse();
        order
    }
}

/// Three that are good together and blocked by an issue: the issue, each number, and each with its letter.
async fn three_ready(t: &World) -> (u64, Vec<u64>, [(u64, char); 3]) {
    t.with_tests(SERVICE, 3, CHECK).await;
    let issue = t.block(SERVICE).await;
    let mut all = Vec::new();
    for name in ["a", "d", "e"] {
        all.push(t.ready(SERVICE, name).await);
    }
    let names = [(all[0], 'a'), (all[1], 'd'), (all[2], 'e')];
    (issue, all, names)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_good_ones_land_by_their_tests() {
    run_test(async |t| {
        let (issue, all, names) = three_ready(t).await;
        assert_eq!(t.rows(SERVICE, &names).await, ["a0", "ad0", "ade0"]);
        let status = t.status(SERVICE, all[2]).await;
        assert!(status.contains("place 3 of 3"), "{status}");
        assert!(status.contains("is green; it lands after"), "{status}");
        // Nothing is remembered but places and runs.
        t.restart().await;
        t.unblock(SERVICE, issue).await;
        for pr in &all {
            t.until_merged(SERVICE, *pr).await;
        }
        t.settle().await;
        assert_eq!(t.order(SERVICE).await, all);
        assert_eq!(t.rows(SERVICE, &names).await.len(), 3);
        for pr in all {
            assert_eq!(t.told(SERVICE, pr, "holds other files than").await, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_bad_beside_another_is_put_out_and_the_rest_lands() {
    run_test(async |t| {
        t.with_tests(SERVICE, 3, CHECK).await;
        let issue = t.block(SERVICE).await;
        let mut all = Vec::new();
        for name in ["a", "b", "c", "d"] {
            all.push(t.ready(SERVICE, name).await);
        }
        t.unblock(SERVICE, issue).await;
        for at in [0, 1, 3] {
            t.until_merged(SERVICE, all[at]).await;
        }
        t.settle().await;
        assert!(!t.is_merged(SERVICE, all[2]).await);
        let status = t.status(SERVICE, all[2]).await;
        assert!(
            status.contains("everything else in them has landed"),
            "{status}"
        );
        assert!(status.contains("· [run](<"), "{status}");
        t.pull(SERVICE, "main").await;
        assert_eq!(t.read(SERVICE, "b.flag"), "new\n");
        assert_eq!(t.read(SERVICE, "d.flag"), "new\n");
        assert_eq!(t.read(SERVICE, "c.flag"), "");
        // Let in again, it is tested anew; with what makes it good, it lands.
        let before = t.tests(SERVICE).await.len();
        t.say(SERVICE, "linus", all[2], "/retest").await;
        t.until("another test", async |t| {
            (t.tests(SERVICE).await.len() > before).then_some(())
        })
        .await;
        t.settle().await;
        let status = t.status(SERVICE, all[2]).await;
        assert!(
            status.contains("everything else in them has landed"),
            "{status}"
        );
        assert!(!t.is_merged(SERVICE, all[2]).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_leaves_and_a_foreign_push_cost_no_more_than_they_must() {
    run_test(async |t| {
        let (issue, all, names) = three_ready(t).await;
        t.say(SERVICE, "rita", all[1], "/hold").await;
        t.settle().await;
        let rows = t.rows(SERVICE, &names).await;
        assert_eq!(
            rows,
            ["a0", "ad0", "ade0", "ae0"],
            "the test of `a` is kept"
        );
        t.pull(SERVICE, "main").await;
        let moved = t
            .push(SERVICE, "ada", "main", "By hand", &[("hand.flag", "new\n")])
            .await;
        t.settle().await;
        let rows = t.rows(SERVICE, &names).await;
        assert!(rows.len() > 4, "{rows:?}");
        let over = t.tests(SERVICE).await.into_iter();
        let over = over.filter(|run| {
            run.cause
                .trigger
                .base()
                .is_some_and(|b| b.as_str() == moved)
        });
        assert!(over.count() > 0, "what is ready is tested on the new base");
        t.unblock(SERVICE, issue).await;
        for at in [0, 2] {
            t.until_merged(SERVICE, all[at]).await;
        }
        t.settle().await;
        assert!(!t.is_merged(SERVICE, all[1]).await);
        // A pushed fix and a lifted hold: it is in again, alone.
        t.say(SERVICE, "rita", all[1], "/unhold").await;
        t.until_merged(SERVICE, all[1]).await;
        assert_eq!(t.order(SERVICE).await, [all[0], all[2], all[1]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_inputs_are_not_trained_again() {
    run_test(async |t| {
        t.with_tests(TRAINING, 1, "").await;
        let issue = t.block(TRAINING).await;
        let pr = t.ready(TRAINING, "note").await;
        t.pull(TRAINING, "main").await;
        let words = [("README.md", "Other words\n")];
        t.push(TRAINING, "ada", "main", "Words", &words).await;
        t.settle().await;
        let tests = t.tests(TRAINING).await;
        assert_eq!(tests.len(), 2, "one a base");
        for run in &tests {
            assert_eq!(run.cause.what, What::Train);
            assert!(run.stages.is_empty(), "{run:?}");
            let other = run.same_as.clone().expect("another run's verdict");
            let store = &t.bot().rooms.store;
            let other = store.run(&other).await.expect("an answer").expect("a run");
            assert_eq!(run.phase, other.phase);
        }
        t.unblock(TRAINING, issue).await;
        t.until_merged(TRAINING, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_goes_on_while_words_move_the_base() {
    run_test(async |t| {
        t.pull(TRAINING, "main").await;
        // What is ready trains in the queue alone.
        let contract = t.read(TRAINING, "bowsprit.yaml");
        let contract = contract.replace("pull_request: true", "pull_request: false");
        let contract = format!("{contract}chatops: {{merge_tests: 1}}\n");
        let files = [("bowsprit.yaml", contract.as_str())];
        t.push(
            TRAINING,
            "ada",
            "main",
            "Test the queue [skip train]",
            &files,
        )
        .await;
        let issue = t.block(TRAINING).await;
        let pr = t
            .change(TRAINING, "linus", "note", &[("note", "new\n")])
            .await;
        t.settle().await;
        t.say(TRAINING, "grace", pr, "/lgtm").await;
        t.say(TRAINING, "ada", pr, "/approve").await;
        t.until("a stage of the test", async |t| {
            let tests = t.tests(TRAINING).await;
            tests.iter().any(|run| !run.stages.is_empty()).then_some(())
        })
        .await;
        t.pull(TRAINING, "main").await;
        let words = [("README.md", "Other words\n")];
        t.push(TRAINING, "ada", "main", "Words", &words).await;
        t.settle().await;
        let tests = t.tests(TRAINING).await;
        let trained = tests.iter().filter(|run| run.same_as.is_none());
        assert_eq!((tests.len(), trained.count()), (2, 1), "{tests:#?}");
        assert!(tests.iter().all(|run| run.phase == Phase::Succeeded));
        t.unblock(TRAINING, issue).await;
        t.until_merged(TRAINING, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_what_goes_before_is_told_before_it_lands() {
    run_test(async |t| {
        t.with_tests(SERVICE, 2, CHECK).await;
        let issue = t.block(SERVICE).await;
        let mut all = Vec::new();
        for name in ["one", "two"] {
            let files = [("shared.txt", name)];
            let pr = t.change(SERVICE, "linus", name, &files).await;
            t.settle().await;
            t.say(SERVICE, "grace", pr, "/lgtm").await;
            t.say(SERVICE, "ada", pr, "/approve").await;
            t.settle().await;
            all.push(pr);
        }
        let status = t.status(SERVICE, all[1]).await;
        assert!(
            status.contains("conflicts with what goes before it"),
            "{status}"
        );
        t.unblock(SERVICE, issue).await;
        t.until_merged(SERVICE, all[0]).await;
        t.settle().await;
        let status = t.status(SERVICE, all[1]).await;
        assert!(status.contains("merge or rebase"), "{status}");
        assert!(!t.is_merged(SERVICE, all[1]).await);
    })
    .await;
}
