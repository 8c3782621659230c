//! From a push to a proposal, or to a refusal with its reason.

use crate::harness::run_test;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_model_is_proposed_and_a_weak_one_refused() {
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
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "success", "{}", check["output"]);
        let proposals = t.proposals("bowsprit/tiny").await;
        assert_eq!(proposals.len(), 1);
        assert!(
            proposals[0]["title"]
                .as_str()
                .expect("a title")
                .starts_with("Propose tiny v1")
        );

        let good = t.read("tiny-training", "data.csv");
        let weak = good
            .replace("small", "x")
            .replace("large", "small")
            .replace('x', "large");
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Turn the labels round",
                &[("data.csv", &weak.replace(".", ".9"))],
            )
            .await;
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(
            check["conclusion"], "success",
            "a line between two means does not care which is which"
        );

        let lost = "1.0,small\n1.2,small\n1.1,large\n1.3,large\n";
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Lose most of the data",
                &[("data.csv", lost)],
            )
            .await;
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "failure", "{}", check["output"]);
        assert!(
            check["output"]["title"]
                .as_str()
                .expect("a title")
                .contains("accuracy"),
            "{}",
            check["output"]["title"]
        );
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
    })
    .await;
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
    run_test(async |t| {
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Slip",
                &[("train.py", "import nothing_of_that_name\n")],
            )
            .await;
        t.settle().await;
        let check = t
            .check("tiny-training", &sha, "train")
            .await
            .expect("a check run");
        assert_eq!(check["conclusion"], "failure");
        assert!(
            check["output"]["summary"]
                .as_str()
                .expect("a summary")
                .contains("nothing_of_that_name"),
            "{}",
            check["output"]
        );
    })
    .await;
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
