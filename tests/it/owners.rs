//! Files of OWNERS with something wrong in them.

use crate::harness::{World, run_test};
use serde_json::json;

const REPO: &str = "tiny-service";

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_of_owners_does_not_merge_until_it_is_mended() {
    run_test(async |t| {
        let broken = "aprovers: [linus]\n";
        let pr = t
            .change(REPO, "linus", "doc", &[("docs/OWNERS", broken)])
            .await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        let why = "docs/OWNERS` line 1: unknown key `aprovers`";
        assert_eq!(t.told(REPO, pr, why).await, 1);
        let label = "do-not-merge/invalid-owners-file";
        assert!(t.pr(REPO, pr).await["labels"].to_string().contains(label));

        let mended = [("docs/OWNERS", "approvers: [linus]\n")];
        t.push(REPO, "linus", "doc", "Mend it", &mended).await;
        t.settle().await;
        assert!(!t.pr(REPO, pr).await["labels"].to_string().contains(label));
        t.next_second().await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_approves_no_more() {
    run_test(async |t| {
        let owners = [("OWNERS", "approvers: [ada, grace]\n")];
        t.push(REPO, "ada", "main", "Let grace approve", &owners)
            .await;
        let pr = t
            .change(REPO, "linus", "doc", &[("README.md", "more\n")])
            .await;
        t.say(REPO, "ada", pr, "/hold").await;
        t.say(REPO, "rita", pr, "/lgtm").await;
        t.say(REPO, "grace", pr, "/approve").await;
        t.settle().await;
        let has_label = async |t: &World| {
            let labels = t.pr(REPO, pr).await["labels"].to_string();
            labels.contains("\"approved\"")
        };
        assert!(has_label(t).await);
        let place = format!("/repos/ada/{REPO}/collaborators/grace");
        t.api("ada", "DELETE", &place, None).await;
        t.say(REPO, "ada", pr, "/unhold").await;
        t.settle().await;
        assert!(!t.is_merged(REPO, pr).await);
        assert!(!has_label(t).await);
        let why = "grace is named, but no collaborator any more, and does not count";
        assert_eq!(t.told(REPO, pr, why).await, 1);

        let push = json!({"permission": "push"});
        t.api("ada", "PUT", &place, Some(push)).await;
        t.say(REPO, "linus", pr, "/refresh").await;
        t.until_merged(REPO, pr).await;
    })
    .await;
}
