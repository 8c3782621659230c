//! Who may agree to what, and which words count.

use crate::harness::{World, run_test, run_test_with};
use crate::people::now_s;
use bowsprit_core::habits::{Chatops, Compatibility, Switch};
use bowsprit_core::name::Login;
use bowsprit_core::subject::pause::Pause;
use serde_json::json;

const REPO: &str = "tiny-service";

/// Drops what tells of pushes.
async fn lose_pushes(t: &World) {
    for event in ["push", "pull_request"] {
        t.fault(json!({"kind": "drop_delivery", "match": {"event": event}}))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_never_belongs_to_a_push_that_came_unheard() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.settle().await;
        lose_pushes(t).await;
        let evil = t
            .push(REPO, "linus", "doc", "Evil", &[("README.md", "evil\n")])
            .await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        // Seen in the same second or a later one: either way the word must be said again.
        assert_eq!(t.told(REPO, pr, "say `/approve` again").await, 1);
        t.heal().await;

        t.next_second().await;
        t.say(REPO, "ada", pr, "/approve deadbeef").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        t.say(REPO, "ada", pr, &format!("/approve {}", &evil[..8]))
            .await;
        t.settle().await;
        assert!(
            !t.is_merged(REPO, pr).await,
            "grace's word is older than the push"
        );
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.until_merged(REPO, pr).await;
        assert_eq!(t.pr(REPO, pr).await["head"]["sha"], evil);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_never_belongs_to_a_push_in_any_order_of_deliveries() {
    run_test(async |t| {
        let (mut seed, mut tried) = (0, 0);
        while tried < 4 {
            seed += 1;
            assert!(
                seed <= 20,
                "this machine never pushes and speaks within a second"
            );
            let branch = format!("doc{seed}");
            let path = format!("doc{seed}.md");
            let pr = t.change(REPO, "linus", &branch, &[(&path, "more\n")]).await;
            t.say(REPO, "grace", pr, "/lgtm").await;
            t.settle().await;
            t.fault(json!({"kind": "shuffle_deliveries", "window_ms": 150, "seed": seed}))
                .await;
            let second = t.next_second().await;
            t.push(REPO, "linus", &branch, "Evil", &[(&path, "evil\n")])
                .await;
            t.say(REPO, "ada", pr, "/approve").await;
            t.say(REPO, "grace", pr, "/lgtm").await;
            let is_same_second = second == now_s();
            t.settle().await;
            t.heal().await;
            // Words of a later second were said to what was pushed.
            if is_same_second {
                assert!(!t.is_merged(REPO, pr).await, "order {seed}");
                tried += 1;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_count_only_from_those_who_may_and_as_they_were_written() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "linus", pr, "/lgtm").await;
        t.say(REPO, "mallory", pr, "/lgtm\n/approve").await;
        t.say(REPO, "grace", pr, "/approve").await;
        t.settle().await;
        assert_eq!(
            t.told(REPO, pr, "an author cannot lgtm their own change")
                .await,
            1
        );
        assert_eq!(
            t.told(REPO, pr, "`/lgtm` counts from people who may write here")
                .await,
            1
        );
        assert_eq!(
            t.told(REPO, pr, "counts from approvers of the changed files")
                .await,
            2
        );

        for label in ["lgtm", "approved"] {
            let path = format!("/repos/ada/{REPO}/issues/{pr}/labels");
            t.api("linus", "POST", &path, Some(json!({"labels": [label]})))
                .await;
        }
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await, "labels have no power");
        let labels = t.pr(REPO, pr).await["labels"].to_string();
        assert!(
            !labels.contains("approved"),
            "a false label is taken off: {labels}"
        );

        t.say(REPO, "grace", pr, "/lgtm").await;
        let comment = t.say(REPO, "ada", pr, "I will look at it.").await;
        let path = format!("/repos/ada/{REPO}/issues/comments/{comment}");
        t.next_second().await;
        t.api("ada", "PATCH", &path, Some(json!({"body": "/approve"})))
            .await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await, "an edited comment is no word");
        t.review(REPO, "ada", pr, "APPROVE").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_stand_while_only_the_base_moves() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.settle().await;
        t.pull(REPO, "main").await;
        t.push(REPO, "ada", "main", "Elsewhere", &[("notes.md", "note\n")])
            .await;
        t.settle().await;
        let path = format!("/repos/ada/{REPO}/pulls/{pr}/update-branch");
        t.next_second().await;
        t.api("linus", "PUT", &path, Some(json!({}))).await;
        t.settle().await;
        t.next_second().await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        assert_eq!(t.told(REPO, pr, "say `/lgtm` again").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_of_the_base_decide() {
    run_test(async |t| {
        let mine = "approvers: [linus, mallory]\nreviewers: [linus]\n";
        let files = [("OWNERS", mine), ("environments/OWNERS", mine)];
        let both = t.change(REPO, "linus", "both", &files).await;
        let root = t.change(REPO, "linus", "root", &files[..1]).await;
        t.settle().await;
        assert!(t.status(REPO, both).await.contains("one thing at a time"));
        for pr in [both, root] {
            t.say(REPO, "grace", pr, "/lgtm").await;
            t.say(REPO, "linus", pr, "/approve").await;
            t.say(REPO, "mallory", pr, "/approve").await;
            t.settle().await;
            assert!(!t.is_merged(REPO, pr).await);
        }
        t.say(REPO, "ada", both, "/approve").await;
        t.say(REPO, "rita", both, "/approve").await;
        t.say(REPO, "ada", root, "/approve").await;
        t.until_merged(REPO, root).await;
        assert!(
            !t.is_merged(REPO, both).await,
            "files of environments go by themselves"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_what_is_approved() {
    run_test(async |t| {
        let store = t.bot().rooms.store.clone();
        let pause = Pause {
            by: Login::parse("ada").expect("a login"),
            why: "the cluster moves".to_owned(),
            at_ms: 0,
        };
        store.begin_pause(&pause).await.expect("a pause");
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        assert_eq!(
            t.told(REPO, pr, "paused by ada: the cluster moves").await,
            1
        );
        store.end_pause(None, 0).await.expect("an end");
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_says_why_and_ends_by_a_word() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "rita", pr, "/hold until the `freeze` is over")
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        let status = t.status(REPO, pr).await;
        assert!(
            status.contains("held by rita") && status.contains("freeze"),
            "{status}"
        );
        t.say(REPO, "linus", pr, "/unhold").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_context_of_others_is_waited_for() {
    run_test(async |t| {
        t.require(REPO, json!({"context": "legal"})).await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        assert!(
            t.status(REPO, pr).await.contains("required `legal`"),
            "{}",
            t.status(REPO, pr).await
        );
        let head = t.pr(REPO, pr).await["head"]["sha"]
            .as_str()
            .expect("a head")
            .to_owned();
        let path = format!("/repos/ada/{REPO}/statuses/{head}");
        let say = async |state: &str| {
            t.api(
                "ada",
                "POST",
                &path,
                Some(json!({"state": state, "context": "legal"})),
            )
            .await;
            t.settle().await;
        };
        say("pending").await;
        assert!(!t.is_merged(REPO, pr).await);
        say("failure").await;
        assert!(!t.is_merged(REPO, pr).await);
        say("success").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_by_hand_of_what_nobody_verified_is_refused() {
    run_test(async |t| {
        let commit = t.pull(REPO, "main").await;
        let file = format!("release:\n  commit: {commit}\n  models: {{}}\ncause: promotion\n");
        let pr = t
            .change(
                REPO,
                "rita",
                "by-hand",
                &[("environments/production.yaml", &file)],
            )
            .await;
        t.say(REPO, "rita", pr, "/approve").await;
        t.say(REPO, "ada", pr, "/approve\n/lgtm").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        let head = t.pr(REPO, pr).await["head"]["sha"]
            .as_str()
            .expect("a head")
            .to_owned();
        let check = t
            .check(REPO, &head, "bowsprit/promotion")
            .await
            .expect("a check");
        assert_eq!(check["conclusion"], "failure", "{check}");
        assert!(t.environment("production").await.wanted.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_requested_in_the_review_box_take_the_lgtm_back() {
    run_test(async |t| {
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.settle().await;
        t.review(REPO, "rita", pr, "REQUEST_CHANGES").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        assert!(t.status(REPO, pr).await.contains("taken back by rita"));
        t.next_second().await;
        t.review(REPO, "rita", pr, "APPROVE").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_habits_of_prow_words_count_as_they_do_there() {
    run_test_with(
        |config| config.chatops.compatibility = Compatibility::Prow,
        async |t| {
            let pr = t
                .change(REPO, "linus", "doc", &[("README.md", "more\n")])
                .await;
            t.say(REPO, "rita", pr, "```\n/hold\n```").await;
            t.review(REPO, "grace", pr, "APPROVE").await;
            t.say(REPO, "ada", pr, "/approve looks fine").await;
            t.settle().await;
            let status = t.status(REPO, pr).await;
            assert!(status.contains("held by rita"), "{status}");
            assert!(status.contains("a reviewer says `/lgtm`"), "{status}");

            t.next_second().await;
            t.push(REPO, "linus", "doc", "Again", &[("README.md", "again\n")])
                .await;
            t.next_second().await;
            t.say(REPO, "rita", pr, "/hold\n/hold cancel").await;
            t.settle().await;
            let path = format!("/repos/ada/{REPO}/issues/{pr}/labels");
            t.api("grace", "POST", &path, Some(json!({"labels": ["lgtm"]})))
                .await;
            t.until_merged(REPO, pr).await;
        },
    )
    .await;
}

fn place(preset: Option<Compatibility>, switches: &[(Switch, bool)]) -> Chatops {
    Chatops {
        compatibility: preset,
        switches: switches.iter().copied().collect(),
        ..Chatops::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_file_says_it_for_an_owner_and_a_repository() {
    run_test_with(
        |config| {
            let owner = place(Some(Compatibility::Prow), &[]);
            let one = place(None, &[(Switch::RawText, false)]);
            config.chatops.owners.insert("ada".to_owned(), owner);
            let name = format!("ada/{REPO}");
            config.chatops.repositories.insert(name, one);
        },
        async |t| {
            let pr = t
                .change(REPO, "linus", "doc", &[("README.md", "more\n")])
                .await;
            t.say(REPO, "rita", pr, "```\n/hold\n```").await;
            t.say(REPO, "ada", pr, "/approve looks fine").await;
            t.settle().await;
            let status = t.status(REPO, pr).await;
            assert!(!status.contains("held by rita"), "{status}");
            assert!(status.contains("a reviewer says `/lgtm`"), "{status}");
            t.say(REPO, "rita", pr, "/lgtm\n/lgtm cancel").await;
            t.until_merged(REPO, pr).await;
        },
    )
    .await;
}
