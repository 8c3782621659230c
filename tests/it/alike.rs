//! Stories that hold on either backend, on this machine and in a cluster, from one source.

use crate::both::{land, train};
use crate::harness::World;

const TRAINING: &str = "tiny-training";
const SERVICE: &str = "tiny-service";
/// An evaluation that sees no rows.
pub(crate) const BLIND: &str = r#"import json, os, pathlib
out = pathlib.Path(os.environ["OUTPUTS_DIR"])
(out / "metrics.json").write_text(json.dumps({"accuracy": 1.0, "n_test": 40, "baseline.accuracy": 0.5}))
samples = [{"input": {"x": float(x)}, "output": {"label": "small"}} for x in range(20)]
(out / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
"#;
/// A line that is on the wrong side of nearly everything.
pub(crate) const WEAK: &str = "1.0,small\n1.2,small\n1.1,large\n1.3,large\n";

/// A contract that lets everything pass.
pub(crate) fn lax(t: &World) -> String {
    t.read(TRAINING, "bowsprit.yaml")
        .replace("min: 0.9", "min: 0.0")
        .replace("  - parity\n", "")
}

async fn proposals(t: &World) -> Vec<String> {
    let all = t.proposals("bowsprit/tiny").await;
    all.iter()
        .map(|pull| pull["title"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A push to a good model is proposed, one that lost most of its data is refused with the metric.
pub(crate) async fn a_good_model_is_proposed_and_a_weak_one_refused(t: &World) {
    let sha = t
        .push(TRAINING, "linus", "main", "Train", &[("note.txt", "1\n")])
        .await;
    t.settle().await;
    let check = t.check(TRAINING, &sha, "train").await.expect("a check run");
    assert_eq!(check["conclusion"], "success", "{}", check["output"]);
    let proposals = t.proposals("bowsprit/tiny").await;
    assert_eq!(proposals.len(), 1);
    assert!(
        proposals[0]["title"]
            .as_str()
            .expect("a title")
            .starts_with("Propose tiny v1")
    );

    let good = t.read(TRAINING, "data.csv");
    let weak = good
        .replace("small", "x")
        .replace("large", "small")
        .replace('x', "large");
    let sha = t
        .push(
            TRAINING,
            "linus",
            "main",
            "Turn the labels round",
            &[("data.csv", &weak.replace(".", ".9"))],
        )
        .await;
    t.settle().await;
    let check = t.check(TRAINING, &sha, "train").await.expect("a check run");
    assert_eq!(
        check["conclusion"], "success",
        "a line between two means does not care which is which"
    );

    let lost = "1.0,small\n1.2,small\n1.1,large\n1.3,large\n";
    let sha = t
        .push(
            TRAINING,
            "linus",
            "main",
            "Lose most of the data",
            &[("data.csv", lost)],
        )
        .await;
    t.settle().await;
    let check = t.check(TRAINING, &sha, "train").await.expect("a check run");
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
}

/// A newer version takes over an open proposal, unless somebody has spoken there.
pub(crate) async fn a_newer_version_takes_over_what_nobody_has_touched(t: &World) {
    train(t, "").await;
    assert!(proposals(t).await[0].starts_with("Propose tiny v1"));
    let check = train(t, "\n").await;
    assert!(
        check["output"].to_string().contains("identical model"),
        "{check}"
    );
    assert_eq!(proposals(t).await.len(), 1);

    train(t, "2.0,small\n").await;
    let titles = proposals(t).await;
    assert_eq!(titles.len(), 1, "{titles:?}");
    assert!(titles[0].starts_with("Propose tiny v2"), "{titles:?}");
    let pr = t.proposals("bowsprit/tiny").await[0]["number"]
        .as_u64()
        .expect("a number");

    t.say(SERVICE, "grace", pr, "I am looking at it.").await;
    t.settle().await;
    train(t, "2.2,small\n").await;
    let titles = proposals(t).await;
    assert!(
        titles.len() == 1 && titles[0].starts_with("Propose tiny v2"),
        "{titles:?}"
    );
    assert!(
        t.status(SERVICE, pr).await.contains("/supersede"),
        "{}",
        t.status(SERVICE, pr).await
    );
    t.say(SERVICE, "mallory", pr, "/supersede").await;
    t.settle().await;
    assert_eq!(
        t.told(SERVICE, pr, "`/supersede` is for approvers").await,
        1
    );
    assert!(proposals(t).await[0].starts_with("Propose tiny v2"));
    t.say(SERVICE, "ada", pr, "/supersede").await;
    t.settle().await;
    let titles = proposals(t).await;
    assert!(
        titles.len() == 1 && titles[0].starts_with("Propose tiny v3"),
        "{titles:?}"
    );
    let path = format!("/repos/ada/{SERVICE}/git/matching-refs/tags/tiny/");
    let tags = t.api("ada", "GET", &path, None).await;
    assert_eq!(
        tags.as_array().expect("a list").len(),
        3,
        "numbers are never used again"
    );
}

/// Production keeps what it serves when the next release does not start, and the pull request back lands.
pub(crate) async fn a_release_that_does_not_start_leaves_the_old_one_and_goes_back(t: &World) {
    train(t, "").await;
    land(t, "v1").await;
    let before = t.environment("production").await.live.expect("it serves");
    t.pull(SERVICE, "main").await;
    let contract = t.read(SERVICE, "bowsprit.yaml");
    let contract = contract.replace("production: {", "production: {env: {STRICT: \"1\"}, ");
    let serve = t.read(SERVICE, "serve.py") + "";
    let serve = serve.replace("    MODEL = load()\n", "    MODEL = load()\n    if \"STRICT\" in os.environ:\n        raise SystemExit(\"too strict\")\n");
    let pr = t
        .change(
            SERVICE,
            "linus",
            "strict",
            &[("bowsprit.yaml", &contract), ("serve.py", &serve)],
        )
        .await;
    t.say(SERVICE, "grace", pr, "/lgtm").await;
    t.say(SERVICE, "ada", pr, "/approve").await;
    t.until_merged(SERVICE, pr).await;
    let promotion = t
        .until("the promotion", async |t| {
            let all = t.proposals("bowsprit/promote-production").await;
            all.into_iter().find(|pull| pull["state"] == "open")?["number"].as_u64()
        })
        .await;
    t.say(SERVICE, "rita", promotion, "/approve").await;
    let revert = t
        .until("the way back", async |t| {
            let path = format!("/repos/ada/{SERVICE}/pulls?state=all");
            let all = t.api("ada", "GET", &path, None).await;
            let all = all.as_array()?.iter();
            let mut back = all.filter(|pull| {
                pull["title"]
                    .as_str()
                    .is_some_and(|title| title.starts_with("Return production"))
            });
            back.next()?["number"].as_u64()
        })
        .await;
    t.until_merged(SERVICE, revert).await;
    t.settle().await;
    let production = t.environment("production").await;
    assert_eq!(production.live.as_ref(), Some(&before), "{production:#?}");
    let promotions = t.proposals("bowsprit/promote-production").await;
    assert!(
        promotions.iter().all(|pull| pull["state"] == "closed"),
        "it is not tried again by itself"
    );
}

/// Contract, judge and held-out rows of a change do not judge it.
pub(crate) async fn a_pull_request_that_softens_its_judge_is_judged_by_the_old_one(t: &World) {
    let lax = lax(t);
    let files = [
        ("bowsprit.yaml", lax.as_str()),
        ("evaluate.py", BLIND),
        ("holdout/rows.csv", "0.1,small\n"),
        ("data.csv", WEAK),
    ];
    let pr = t.change(TRAINING, "linus", "soft", &files).await;
    t.settle().await;
    let head = t.pr(TRAINING, pr).await["head"]["sha"]
        .as_str()
        .expect("a head")
        .to_owned();
    let check = t.check(TRAINING, &head, "train").await.expect("a check");
    assert_eq!(check["conclusion"], "failure", "{check}");
    assert!(
        check["output"]["title"].to_string().contains("accuracy"),
        "{check}"
    );
}

/// A step that fails says what is missing.
pub(crate) async fn a_failing_step_names_the_likely_cause(t: &World) {
    let sha = t
        .push(
            TRAINING,
            "linus",
            "main",
            "Slip",
            &[("train.py", "import nothing_of_that_name\n")],
        )
        .await;
    t.settle().await;
    let check = t.check(TRAINING, &sha, "train").await.expect("a check run");
    assert_eq!(check["conclusion"], "failure");
    assert!(
        check["output"]["summary"]
            .as_str()
            .expect("a summary")
            .contains("nothing_of_that_name"),
        "{}",
        check["output"]
    );
}
