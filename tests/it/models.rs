//! Versions one after the other, and releases that do not start.

use crate::both::{self, land, train};
use crate::harness::{World, run_test};

const REPO: &str = "tiny-service";

async fn proposals(t: &World) -> Vec<String> {
    let all = t.proposals("bowsprit/tiny").await;
    all.iter()
        .map(|pull| pull["title"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_takes_over_what_nobody_has_touched() {
    run_test(async |t| {
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

        t.say(REPO, "grace", pr, "I am looking at it.").await;
        t.settle().await;
        train(t, "2.2,small\n").await;
        let titles = proposals(t).await;
        assert!(
            titles.len() == 1 && titles[0].starts_with("Propose tiny v2"),
            "{titles:?}"
        );
        assert!(
            t.status(REPO, pr).await.contains("/supersede"),
            "{}",
            t.status(REPO, pr).await
        );
        t.say(REPO, "mallory", pr, "/supersede").await;
        t.settle().await;
        assert_eq!(t.told(REPO, pr, "`/supersede` is for approvers").await, 1);
        assert!(proposals(t).await[0].starts_with("Propose tiny v2"));
        t.say(REPO, "ada", pr, "/supersede").await;
        t.settle().await;
        let titles = proposals(t).await;
        assert!(
            titles.len() == 1 && titles[0].starts_with("Propose tiny v3"),
            "{titles:?}"
        );
        let path = format!("/repos/ada/{REPO}/git/matching-refs/tags/tiny/");
        let tags = t.api("ada", "GET", &path, None).await;
        assert_eq!(
            tags.as_array().expect("a list").len(),
            3,
            "numbers are never used again"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_version_comes_back_and_goes_forward_again() {
    run_test(async |t| both::a_named_version_comes_back_and_goes_forward_again(t).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_start_leaves_the_old_one_and_goes_back() {
    run_test(async |t| {
        train(t, "").await;
        land(t, "v1").await;
        let before = t.environment("production").await.live.expect("it serves");
        t.pull(REPO, "main").await;
        let contract = t.read(REPO, "bowsprit.yaml");
        let contract = contract.replace("production: {", "production: {env: {STRICT: \"1\"}, ");
        let serve = t.read(REPO, "serve.py") + "";
        let serve = serve.replace("    MODEL = load()\n", "    MODEL = load()\n    if \"STRICT\" in os.environ:\n        raise SystemExit(\"too strict\")\n");
        let pr = t.change(REPO, "linus", "strict", &[("bowsprit.yaml", &contract), ("serve.py", &serve)]).await;
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        let promotion = t
            .until("the promotion", async |t| {
                let all = t.proposals("bowsprit/promote-production").await;
                all.into_iter().find(|pull| pull["state"] == "open")?["number"].as_u64()
            })
            .await;
        t.say(REPO, "rita", promotion, "/approve").await;
        let revert = t
            .until("the way back", async |t| {
                let path = format!("/repos/ada/{REPO}/pulls?state=all");
                let all = t.api("ada", "GET", &path, None).await;
                let all = all.as_array()?.iter();
                let mut back = all.filter(|pull| pull["title"].as_str().is_some_and(|title| title.starts_with("Return production")));
                back.next()?["number"].as_u64()
            })
            .await;
        t.until_merged(REPO, revert).await;
        t.settle().await;
        let production = t.environment("production").await;
        assert_eq!(production.live.as_ref(), Some(&before), "{production:#?}");
        let promotions = t.proposals("bowsprit/promote-production").await;
        assert!(promotions.iter().all(|pull| pull["state"] == "closed"), "it is not tried again by itself");
    })
    .await;
}
