//! From a proposal to production and back, by people's words.

use crate::harness::run_test;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn words_bring_a_model_to_production_and_back() {
    run_test(async |t| {
        t.push(
            "tiny-training",
            "linus",
            "main",
            "Train",
            &[("note.txt", "1\n")],
        )
        .await;
        t.settle().await;
        let first = t.proposals("bowsprit/tiny").await[0]["number"]
            .as_u64()
            .expect("a number");
        assert!(
            t.environment(&format!("pr-{first}")).await.live.is_some(),
            "the preview serves"
        );
        t.say("tiny-service", "grace", first, "/lgtm").await;
        t.settle().await;
        assert_eq!(t.proposals("bowsprit/tiny").await[0]["state"], "open");
        t.say("tiny-service", "ada", first, "/approve").await;
        let promotion = t
            .until("the promotion", async |t| {
                t.proposals("bowsprit/promote-production")
                    .await
                    .first()
                    .cloned()
            })
            .await;
        t.settle().await;
        assert_eq!(
            t.environment("staging")
                .await
                .live
                .expect("staging serves")
                .shown(),
            "v1"
        );
        let number = promotion["number"].as_u64().expect("a number");
        t.say("tiny-service", "ada", number, "/approve").await;
        t.settle().await;
        assert!(
            t.environment("production").await.live.is_none(),
            "ada does not own production"
        );
        t.say("tiny-service", "rita", number, "/approve").await;
        t.until("production", async |t| {
            t.environment("production").await.live
        })
        .await;
        assert!(
            t.find_environment(&format!("pr-{first}")).await.is_none(),
            "the preview is gone with its pull request"
        );

        let more = t.read("tiny-training", "data.csv") + "2.0,small\n";
        t.push(
            "tiny-training",
            "linus",
            "main",
            "Another row",
            &[("data.csv", &more)],
        )
        .await;
        t.settle().await;
        let second = t
            .proposals("bowsprit/tiny")
            .await
            .iter()
            .filter_map(|pull| pull["number"].as_u64())
            .max()
            .expect("a number");
        assert_ne!(first, second);
        t.say("tiny-service", "grace", second, "/lgtm").await;
        t.say("tiny-service", "ada", second, "/approve").await;
        let promotion = t
            .until("the second promotion", async |t| {
                t.proposals("bowsprit/promote-production")
                    .await
                    .into_iter()
                    .find(|pull| pull["state"] == "open")
            })
            .await;
        t.say(
            "tiny-service",
            "rita",
            promotion["number"].as_u64().expect("a number"),
            "/approve",
        )
        .await;
        t.until("v2 in production", async |t| {
            t.environment("production")
                .await
                .live
                .filter(|live| live.shown() == "v2")
        })
        .await;

        let issue = t
            .api(
                "rita",
                "POST",
                "/repos/ada/tiny-service/issues",
                Some(json!({"title": "Odd"})),
            )
            .await["number"]
            .as_u64()
            .expect("a number");
        t.say("tiny-service", "grace", issue, "/rollback production")
            .await;
        t.settle().await;
        assert_eq!(
            t.environment("production")
                .await
                .live
                .expect("it serves")
                .shown(),
            "v2",
            "grace does not own production"
        );
        t.say("tiny-service", "rita", issue, "/rollback production")
            .await;
        t.until("v1 in production", async |t| {
            t.environment("production")
                .await
                .live
                .filter(|live| live.shown() == "v1")
        })
        .await;
        t.settle().await;
        let open = t
            .proposals("bowsprit/promote-production")
            .await
            .into_iter()
            .filter(|pull| pull["state"] == "open")
            .count();
        assert_eq!(open, 0, "nothing rolls it forward again by itself");
    })
    .await;
}
