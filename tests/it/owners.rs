//! Files of OWNERS with something wrong in them.

use crate::harness::run_test;

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
