//! A merged change on another branch, and the list of checks that comes and goes.

use crate::harness::run_test;

const REPO: &str = "tiny-service";

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
