//! What judges a change comes from the protected branch, never from the change.

use crate::alike::{self, BLIND, WEAK, lax};
use crate::both;
use crate::harness::{World, run_test};
use serde_json::Value;

const REPO: &str = "tiny-training";

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_softens_its_judge_is_judged_by_the_old_one() {
    run_test(async |t| {
        alike::a_pull_request_that_softens_its_judge_is_judged_by_the_old_one(t).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_softens_its_own_judge_proposes_nothing() {
    run_test(async |t| {
        let lax = lax(t).replace("push: [main]", "push: [main, side]");
        let files = [
            ("bowsprit.yaml", lax.as_str()),
            ("evaluate.py", BLIND),
            ("data.csv", WEAK),
        ];
        let head = t.branch(REPO, "linus", "side", &files).await;
        t.settle().await;
        let check = t.check(REPO, &head, "train").await.expect("a check");
        assert_eq!(
            check["conclusion"], "failure",
            "the default branch judges: {check}"
        );
        assert_eq!(t.proposals("bowsprit/tiny").await, Vec::<Value>::new());

        let contract = t
            .read(REPO, "bowsprit.yaml")
            .replace("min: 0.0", "min: 0.9");
        t.pull(REPO, "main").await;
        let good = t
            .push(
                REPO,
                "linus",
                "side",
                "Good",
                &[("bowsprit.yaml", &contract)],
            )
            .await;
        t.settle().await;
        let check = t.check(REPO, &good, "train").await.expect("a check");
        assert_eq!(check["conclusion"], "success", "{check}");
        assert_eq!(
            t.proposals("bowsprit/tiny").await,
            Vec::<Value>::new(),
            "it is not the default branch"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_commit_run_again_meets_the_judge_of_today() {
    run_test(async |t| {
        let lax = lax(t);
        let files = [("bowsprit.yaml", lax.as_str()), ("data.csv", WEAK)];
        let old = t
            .push(REPO, "linus", "main", "Soft [skip train]", &files)
            .await;
        t.settle().await;
        let old_check = t.check(REPO, &old, "train").await.expect("a check");
        let contract = t
            .read(REPO, "bowsprit.yaml")
            .replace("min: 0.0", "min: 0.9");
        t.push(
            REPO,
            "linus",
            "main",
            "Hard [skip train]",
            &[("bowsprit.yaml", &contract)],
        )
        .await;
        t.settle().await;
        let path = format!("/repos/ada/{REPO}/check-runs/{}/rerequest", old_check["id"]);
        t.api("linus", "POST", &path, Some(serde_json::json!({})))
            .await;
        t.until("the verdict", async |t| {
            let check = t.check(REPO, &old, "train").await?;
            (check["conclusion"] == "failure").then_some(())
        })
        .await;
        assert_eq!(t.proposals("bowsprit/tiny").await, Vec::<Value>::new());
    })
    .await;
}

/// Pushes to `main`; says the `train` check once all is quiet.
async fn train(t: &World, message: &str, files: &[(&str, &str)]) -> Value {
    let sha = t.push(REPO, "linus", "main", message, files).await;
    t.settle().await;
    t.check(REPO, &sha, "train").await.expect("a check")
}

async fn proposal(t: &World) -> Value {
    let all = t.proposals("bowsprit/tiny").await;
    all.last().cloned().expect("a proposal")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weakened_judge_does_not_judge_alone() {
    run_test(async |t| {
        train(t, "Good", &[]).await;
        let first = proposal(t).await["title"].clone();
        let (lax, data) = (lax(t), t.read(REPO, "data.csv"));
        let files = [
            ("bowsprit.yaml", lax.as_str()),
            ("evaluate.py", BLIND),
            ("holdout/rows.csv", "0.1,small\n"),
            ("data.csv", WEAK),
        ];
        let check = train(t, "Weak judge, weak model", &files).await;
        assert_eq!(check["conclusion"], "failure", "{check}");
        let title = check["output"]["title"].to_string();
        assert!(title.contains("for the old judge: accuracy"), "{check}");
        assert_eq!(proposal(t).await["title"], first, "nothing new is proposed");

        let better = data + "2.0,small\n";
        let check = train(t, "Weak judge, good model", &[("data.csv", &better)]).await;
        assert_eq!(check["conclusion"], "success", "{check}");
        let body = proposal(t).await["body"].to_string();
        assert!(body.contains("also passes this model"), "{body}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_judge_imports_is_part_of_it() {
    run_test(async |t| {
        let contract = t.read(REPO, "bowsprit.yaml");
        let all = contract.replace("  code: [evaluate.py]\n", "");
        assert_ne!(all, contract);
        let evaluate = t.read(REPO, "evaluate.py");
        let (head, rest) = evaluate.split_once("\nright = ").expect("the counting");
        let (_, rest) = rest.split_once('\n').expect("more lines");
        let importing =
            format!("{head}\nimport scoring\nright = scoring.right(guess, rows)\n{rest}");
        let honest = "def right(guess, rows): return sum(guess(x) == label for x, label in rows)\n";
        let files = [
            ("bowsprit.yaml", all.as_str()),
            ("evaluate.py", importing.as_str()),
            ("scoring.py", honest),
        ];
        let check = train(t, "Score apart", &files).await;
        assert_eq!(check["conclusion"], "success", "{check}");
        let first = proposal(t).await["title"].clone();

        let kind = "def right(guess, rows): return len(rows)\n";
        let check = train(
            t,
            "Kind scores",
            &[("scoring.py", kind), ("data.csv", WEAK)],
        )
        .await;
        assert_eq!(check["conclusion"], "failure", "{check}");
        let title = check["output"]["title"].to_string();
        assert!(title.contains("for the old judge: accuracy"), "{check}");
        assert_eq!(proposal(t).await["title"], first, "nothing new is proposed");

        let named = contract.replace("code: [evaluate.py]", "code: [evaluate.py, scoring.py]");
        let check = train(t, "Kind scores, named", &[("bowsprit.yaml", &named)]).await;
        let title = check["output"]["title"].to_string();
        assert!(title.contains("for the old judge: accuracy"), "{check}");

        let check = train(t, "Forgotten", &[("bowsprit.yaml", &contract)]).await;
        assert_eq!(check["conclusion"], "failure", "{check}");
        let text = check.to_string();
        assert!(
            text.contains("scoring") && text.contains("`code` and `data`"),
            "{check}"
        );
    })
    .await;
}

/// Turns the labels of the held-out rows round once its own evaluation is over.
const BEND: &str = r#"import atexit, pathlib
rows = pathlib.Path("holdout/rows.csv")
turned = rows.read_text().replace("small", "x").replace("large", "small").replace("x", "large")
atexit.register(lambda: rows.write_text(turned))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_bends_the_rows_while_it_is_loaded_gains_nothing() {
    run_test(async |t| {
        both::train(t, "").await;
        both::land(t, "v1").await;
        let contract = t.read(REPO, "bowsprit.yaml");
        let lenient = contract.replace("min: 0.9", "min: 0.3");
        let evaluate = t.read(REPO, "evaluate.py");
        let loading =
            evaluate.replace("\nrows = ", "\nexec(model.get(\"on_load\", \"\"))\nrows = ");
        assert_ne!(loading, evaluate);
        let train_py = t.read(REPO, "train.py");
        let hostile = train_py.replace(
            "{\"line\": line}",
            &format!("{{\"line\": line + 2, \"on_load\": {BEND:?}}}"),
        );
        assert_ne!(hostile, train_py);
        let files = [
            ("bowsprit.yaml", lenient.as_str()),
            ("evaluate.py", loading.as_str()),
            ("train.py", hostile.as_str()),
        ];
        let check = train(t, "Bend", &files).await;
        assert_eq!(check["conclusion"], "failure", "{check}");
        assert_eq!(
            check["output"]["title"], "not good enough: no-regression",
            "{check}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_be_read_makes_no_model_the_first() {
    run_test(async |t| {
        t.pull("tiny-service", "main").await;
        let good = t.read("tiny-service", "bowsprit.yaml");
        let broken = good.replace("models:", "modles:");
        let service = [("bowsprit.yaml", broken.as_str())];
        t.push("tiny-service", "ada", "main", "Slip", &service)
            .await;
        let check = train(t, "Unseen", &[("note.txt", "1\n")]).await;
        assert_eq!(check["conclusion"], "failure", "{check}");
        let told = check["output"].to_string();
        assert!(told.contains("what is live cannot be told"), "{check}");

        let service = [("bowsprit.yaml", good.as_str())];
        t.push("tiny-service", "ada", "main", "Mend", &service)
            .await;
        let check = train(t, "Seen", &[("note.txt", "2\n")]).await;
        assert_eq!(check["conclusion"], "success", "{check}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_change_does_not_see_the_held_out_rows() {
    run_test(async |t| {
        let peek =
            "import os, sys; sys.exit(os.path.exists('holdout') or not os.path.exists('data.csv'))";
        let contract = format!(
            "{}checks: [{{name: peek, run: [python, -c, \"{peek}\"]}}]\n",
            t.read(REPO, "bowsprit.yaml")
        );
        train(t, "Peek [skip train]", &[("bowsprit.yaml", &contract)]).await;
        let own = contract.replace("data: [holdout/]", "data: [other/]");
        assert_ne!(own, contract);
        let files = [("bowsprit.yaml", own.as_str())];
        let head = t.branch(REPO, "linus", "peek", &files).await;
        t.open_pull(REPO, "linus", "peek", "Peek").await;
        t.settle().await;
        let check = t.check(REPO, &head, "peek").await.expect("a check");
        assert_eq!(check["conclusion"], "success", "{check}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judge_judges_until_the_contract_retires_it() {
    run_test(async |t| {
        train(t, "Good", &[]).await;
        let lax = lax(t);
        let files = [
            ("bowsprit.yaml", lax.as_str()),
            ("evaluate.py", BLIND),
            ("data.csv", WEAK),
        ];
        let check = train(t, "Another judge", &files).await;
        assert_eq!(check["conclusion"], "failure", "{check}");
        let summary = check["output"]["summary"].as_str().expect("a summary");
        let (_, rest) = summary
            .split_once("`retire_judge: ")
            .expect("it says how to retire it");
        let (digits, _) = rest.split_once('`').expect("the end of the code");
        let retired = format!("{lax}retire_judge: {digits}\n");
        let check = train(t, "Retire it", &[("bowsprit.yaml", &retired)]).await;
        assert_eq!(check["conclusion"], "success", "{check}");
        let body = proposal(t).await["body"].to_string();
        assert!(body.contains("retired by `retire_judge`"), "{body}");
    })
    .await;
}
