//! Environments of one service in two clusters: the second is reached as somebody else, and may be away.

use crate::both::{self, Production};
use crate::harness::World;
use crate::place::run_in_two;
use bowsprit_core::serving::spec::RolloutPhase;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use serde_json::json;

const REPO: &str = "tiny-service";

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_holds_its_own_environment_and_no_other() {
    run_in_two("a_cluster_that_is_away", async |t, cluster| {
        let contract = t.read(REPO, "bowsprit.yaml");
        let contract = contract.replace("soak: 1s", "soak: 1s, cluster: further");
        let files = [("bowsprit.yaml", contract.as_str())];
        t.push(REPO, "ada", "main", "Serve elsewhere", &files).await;
        t.settle().await;
        both::train(t, "").await;
        both::land(t, "v1").await;
        let names = async |namespace: &str| {
            let all = cluster.all::<Deployment>(namespace);
            let all = all
                .list(&ListParams::default())
                .await
                .expect("a list")
                .items;
            let names = all.into_iter().filter_map(|one| one.metadata.name);
            names.collect::<Vec<String>>().join(" ")
        };
        let here = names(&cluster.environments()).await;
        let there = names(&cluster.further()).await;
        assert!(
            here.contains("-staging-") && !here.contains("-production-"),
            "{here}"
        );
        assert!(
            there.contains("-production-") && !there.contains("-staging-"),
            "{there}"
        );
        let production = Production::of(t).await;
        let answers = async || production.ask("/v1/predict", 1.0).await.expect("an answer");
        assert_eq!(answers().await, (200, json!({"label": "small"})));

        // The second cluster is away: its environment says so and goes on answering, and staging gets the next version.
        let passage = cluster.passage_further.as_ref().expect("a second way");
        passage.close();
        says_so(t, RolloutPhase::Live).await;
        both::train(t, "2.0,small\n").await;
        let proposal = both::open(t, "bowsprit/tiny").await;
        t.say(REPO, "grace", proposal, "/lgtm").await;
        t.say(REPO, "ada", proposal, "/approve").await;
        t.until_merged(REPO, proposal).await;
        t.until("staging serves v2", async |t| {
            let live = t.find_environment("staging").await?.live?;
            (live.shown() == "v2").then_some(())
        })
        .await;
        let promotion = both::open(t, "bowsprit/promote-production").await;
        t.say(REPO, "rita", promotion, "/approve").await;
        t.until_merged(REPO, promotion).await;
        says_so(t, RolloutPhase::Starting).await;
        assert_eq!(answers().await.0, 200);
        passage.reopen();
        both::serves(t, "v2").await;
        assert_eq!(answers().await.0, 200);
    })
    .await;
}

/// Waits until production is in this phase and says that nobody reaches its cluster.
async fn says_so(t: &World, phase: RolloutPhase) {
    t.until("production says that its cluster is away", async |t| {
        let production = t.find_environment("production").await?;
        let reason = production
            .reason
            .filter(|_| production.phase == Some(phase))?;
        reason
            .contains("the API server cannot be reached")
            .then_some(())
    })
    .await;
}
