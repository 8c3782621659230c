//! From a push to a proposal, or to a refusal with its reason.

use crate::alike;
use crate::harness::run_test;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_model_is_proposed_and_a_weak_one_refused() {
    run_test(async |t| alike::a_good_model_is_proposed_and_a_weak_one_refused(t).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_contract_is_told_on_its_line() {
    run_test(async |t| {
        let contract = t
            .read("tiny-training", "bowsprit.yaml")
            .replace("kind: training", "kind: training\nmodle: tiny");
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Slip",
                &[("bowsprit.yaml", &contract)],
            )
            .await;
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "failure");
        assert_eq!(
            check["output"]["annotations_count"], 1,
            "{}",
            check["output"]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_step_names_the_likely_cause() {
    run_test(async |t| alike::a_failing_step_names_the_likely_cause(t).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_a_restart_of_the_bot() {
    run_test(async |t| {
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
        t.until("the run", async |t| {
            t.check("tiny-training", &sha, "train").await
        })
        .await;
        t.restart().await;
        t.settle().await;
        let check = t.check("tiny-training", &sha, "train").await;
        assert_eq!(check.expect("a check run")["conclusion"], "success");
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
    })
    .await;
}
