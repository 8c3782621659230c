//! A merged change on another branch, and the list of checks that comes and goes.

use crate::harness::run_test;

const REPO: &str = "tiny-service";
/// A small package, of which nothing else is needed.
const LOCK: &str =
    "six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_change_comes_to_another_branch_and_what_conflicts_is_told() {
    run_test(async |t| {
        t.branch(REPO, "ada", "release", &[]).await;
        t.branch(REPO, "ada", "other", &[("README.md", "otherwise\n")])
            .await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "mallory", pr, "/cherrypick release").await;
        t.say(REPO, "grace", pr, "/cherrypick release\n/cherrypick other")
            .await;
        t.settle().await;
        assert_eq!(t.told(REPO, pr, "is for people who may write").await, 1);
        assert_eq!(t.told(REPO, pr, "once this is merged").await, 1);
        let branch = format!("cherry-pick-{pr}-to-release");
        assert!(t.proposals(&branch).await.is_empty(), "it is not merged");
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        t.settle().await;
        let copies = t.proposals(&branch).await;
        let [copy] = copies.as_slice() else {
            panic!("{copies:?}")
        };
        assert_eq!(copy["base"]["ref"], "release");
        assert_eq!(copy["title"], "[release] Change doc");
        let number = copy["number"].as_u64().expect("a number");
        let copy = t.pr(REPO, number).await;
        assert_eq!(copy["assignees"][0]["login"], "grace");
        assert_eq!(t.told(REPO, pr, "it conflicts in `README.md`").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_checks_is_one_reply_that_goes_when_something_runs() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.settle().await;
        const LIST: &str = "`/test bowsprit/service`";
        t.say(REPO, "grace", pr, "/test ?").await;
        t.settle().await;
        assert_eq!(t.told(REPO, pr, LIST).await, 1);
        t.say(REPO, "grace", pr, "/test nope").await;
        t.settle().await;
        assert_eq!(t.told(REPO, pr, LIST).await, 1, "the older one goes");
        assert_eq!(t.told(REPO, pr, "there is no check `nope`").await, 1);
        t.say(REPO, "grace", pr, "/test bowsprit/service").await;
        t.settle().await;
        assert_eq!(t.told(REPO, pr, LIST).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_runs_in_the_software_that_it_names() {
    run_test(async |t| {
        let contract = t.read(REPO, "bowsprit.yaml");
        let run = r#"run: [python, -c, "import six"]"#;
        let own = r#"runtime: {python: "3.9", requirements: checks.lock}"#;
        let contract = format!(
            "{contract}checks:\n  - {{name: own, {run}, {own}, always_run: true}}\n  - {{name: plain, {run}, always_run: true, optional: true}}\n"
        );
        let files = [("bowsprit.yaml", contract.as_str()), ("checks.lock", LOCK)];
        t.push(REPO, "ada", "main", "Check in software of its own", &files)
            .await;
        t.settle().await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.settle().await;
        let head = t.pr(REPO, pr).await["head"]["sha"].clone();
        let head = head.as_str().expect("a head");
        for (name, conclusion) in [("own", "success"), ("plain", "failure")] {
            let check = t.check(REPO, head, name).await.expect(name);
            assert_eq!(check["conclusion"], conclusion, "{check:#}");
        }
        // The software of the contract lacks what the check's own has, and says so.
        let plain = t.check(REPO, head, "plain").await.expect("a check");
        assert!(plain.to_string().contains("six"), "{plain:#}");
    })
    .await;
}
