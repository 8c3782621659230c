//! From a push to production and back, with stages as Jobs and environments as Deployments.

use crate::both::{self, Production};
use crate::place::{Cluster, run_whole, run_whole_with_images};
use bowsprit_core::serving::spec::RolloutPhase;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};

#[tokio::test(flavor = "multi_thread")]
async fn a_named_version_comes_back_and_goes_forward_again() {
    run_whole("a_named_version_comes_back", async |t, _| {
        both::a_named_version_comes_back_and_goes_forward_again(t).await;
    })
    .await;
}

const REPO: &str = "tiny-service";
/// How many answers say that an environment goes on.
const ANSWERS: usize = 5;

fn of_cluster<K>(cluster: &Cluster) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    Api::namespaced(cluster.client(), &cluster.environments())
}

fn of_environment(name: &str) -> ListParams {
    ListParams::default().labels(&format!("bowsprit.dev/environment={name}"))
}

/// What the gateway of an environment runs in.
async fn image_of(cluster: &Cluster, environment: &str) -> String {
    let all: Api<Deployment> = of_cluster(cluster);
    let found = all.list(&of_environment(environment)).await;
    let mut found = found.expect("Deployments").items;
    assert_eq!(found.len(), 1, "{environment}");
    let spec = found.remove(0).spec.expect("a spec");
    let pod = spec.template.spec.expect("a pod");
    pod.containers[0].image.clone().expect("an image")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_an_image_that_needs_no_bot_to_start() {
    run_whole_with_images("a_release_is_an_image", async |t, cluster| {
        both::train(t, "").await;
        both::land(t, "v1").await;
        let staging = image_of(cluster, "staging").await;
        assert!(staging.contains("/trusted/service@sha256:"), "{staging}");
        assert_eq!(image_of(cluster, "production").await, staging);
        let production = Production::of(t).await;
        assert_eq!(
            production
                .ask("/v1/predict", 1.0)
                .await
                .expect("an answer")
                .0,
            200
        );

        // The bot is away, and the pods of production go: others come without it.
        let address = t.halt().await;
        let pods: Api<Pod> = of_cluster(cluster);
        let before = pods
            .list(&of_environment("production"))
            .await
            .expect("pods");
        for pod in &before.items {
            let name = pod.metadata.name.as_deref().expect("a name");
            let gone = pods.delete(name, &DeleteParams::default()).await;
            gone.expect("a pod that can be deleted");
        }
        let old = |pod: &Pod| {
            before
                .items
                .iter()
                .any(|old| old.metadata.name == pod.metadata.name)
        };
        t.until("other pods answer", async |_| {
            let now = pods.list(&of_environment("production")).await.ok()?;
            now.items.iter().all(|pod| !old(pod)).then_some(())?;
            let (status, answer) = production.ask("/v1/predict", 1.0).await.ok()?;
            (status == 200 && answer["label"] == "small").then_some(())
        })
        .await;
        t.resume(address).await;
        t.settle().await;

        // What fails its tests in the finished image goes nowhere, and what served goes on.
        t.pull(REPO, "main").await;
        let contract = t.read(REPO, "bowsprit.yaml").replace(
            "import serve",
            "import sys; print('2 of 3 answers are wrong'); sys.exit(1)",
        );
        let files = [("bowsprit.yaml", contract.as_str())];
        t.push(REPO, "ada", "main", "Test more", &files).await;
        let reason = t
            .until("staging has failed", async |t| {
                let staging = t.find_environment("staging").await?;
                let is_failed = staging.phase == Some(RolloutPhase::Failed);
                staging.reason.filter(|_| is_failed)
            })
            .await;
        assert!(
            reason.contains("the tests failed in the finished image"),
            "{reason}"
        );
        assert!(reason.contains("2 of 3 answers are wrong"), "{reason}");
        assert_eq!(image_of(cluster, "staging").await, staging);
        let staging = Production::named(t, "staging").await;
        for _ in 0..ANSWERS {
            assert_eq!(
                staging.ask("/v1/predict", 1.0).await.expect("an answer").0,
                200
            );
        }
    })
    .await;
}
