//! What stands beside a server: other containers of its pods, objects of a release that failed, work of others.

use super::house::{House, PATIENCE, POLL, Release};
use bowsprit_core::serving::spec::RolloutPhase;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Instant;

const SIDECAR: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: \"${BOWSPRIT_NAME}\"}
spec:
  template:
    spec:
      containers:
      - name: aside
        image: \"${BOWSPRIT_IMAGE}\"
        command: [python3, -c, \"import time; print('nobody reads this', flush=True); time.sleep(100000)\"]
        resources:
          requests: {cpu: 10m, memory: 64Mi, ephemeral-storage: 64Mi}
          limits: {memory: 64Mi, ephemeral-storage: 64Mi}
";
const BUDGET: &str = "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: \"${BOWSPRIT_NAME}\"}
spec: {maxUnavailable: 1}
";
const SCALER: &str = "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: \"${BOWSPRIT_NAME}\"}
spec:
  minReplicas: 1
  maxReplicas: 7
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: \"${BOWSPRIT_NAME}\"}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_heard_beside_another_container_and_once_by_a_bot_that_comes_again() {
    let name = "a_server_is_heard_beside_another_container_and_once_by_a_bot_that_comes_again";
    let Some(mut house) = House::open(name).await else {
        return;
    };
    let with_sidecar = Release {
        manifests: &[("sidecar.yaml", SIDECAR)],
        ..Release::good("r1", 10)
    };
    house.deploy(1, &with_sidecar).await;
    house.settled(1, RolloutPhase::Live).await;
    house.until_heard(" server r1 is starting").await;
    let before = house.log();
    house.restart().await;
    house.settled(1, RolloutPhase::Live).await;
    house.deploy(2, &Release::good("r2", 20)).await;
    house.settled(2, RolloutPhase::Live).await;
    house.until_heard(" server r2 is starting").await;
    let log = house.log();
    assert!(log.starts_with(&before), "{log}");
    assert!(!log.contains("nobody reads this"), "{log}");
    let starts = log.matches(" server r1 is starting").count();
    assert_eq!(starts, before.matches(" server r1 is starting").count());
    house.remove().await;
    house.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_failed_takes_its_scaler_and_its_budget_with_it() {
    let name = "a_release_that_failed_takes_its_scaler_and_its_budget_with_it";
    let Some(house) = House::open(name).await else {
        return;
    };
    house.deploy(1, &Release::good("r1", 10)).await;
    let live = house.settled(1, RolloutPhase::Live).await;
    assert_eq!(house.pods_at_most().await, Some(2));
    let wrong = Release {
        expected: 99,
        manifests: &[("budget.yaml", BUDGET), ("scaler.yaml", SCALER)],
        ..Release::good("r2", 20)
    };
    house.deploy(2, &wrong).await;
    house.until_named::<PodDisruptionBudget>(&[""]).await;
    assert_eq!(house.pods_at_most().await, Some(7));
    house.settled(2, RolloutPhase::Failed).await;
    house.until_named::<PodDisruptionBudget>(&[]).await;
    assert_eq!(house.pods_at_most().await, Some(2));
    assert_eq!(house.predict(&live.url, 5).await, Some(15));
    house.remove().await;
    house.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_stays_for_the_scheduled_work_of_others() {
    let Some(house) = House::open_apart("a_namespace_stays_for_the_scheduled_work_of_others").await
    else {
        return;
    };
    house.deploy(1, &Release::good("r1", 10)).await;
    house.settled(1, RolloutPhase::Live).await;
    house.leave_scheduled_work().await;
    house.remove().await;
    let left: BTreeSet<String> = house.names::<CronJob>().await;
    assert_eq!(left, BTreeSet::from(["theirs".to_owned()]));
    house.is_empty().await;
}

impl House {
    /// Waits until the log has this.
    async fn until_heard(&self, words: &str) {
        let began = Instant::now();
        while !self.log().contains(words) {
            assert!(began.elapsed() < PATIENCE, "{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many pods its scaler lets there be.
    async fn pods_at_most(&self) -> Option<i32> {
        let found = self.all::<HorizontalPodAutoscaler>();
        let found = found.list(&ListParams::default()).await.unwrap().items;
        let spec = found.into_iter().find_map(|scaler| scaler.spec);
        spec.map(|spec| spec.max_replicas)
    }

    /// Somebody else has something done here every night.
    async fn leave_scheduled_work(&self) {
        let theirs = json!({
            "metadata": {"name": "theirs"},
            "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}}}},
        });
        let theirs: CronJob = serde_json::from_value(theirs).unwrap();
        let all = self.all::<CronJob>();
        all.create(&PostParams::default(), &theirs).await.unwrap();
    }
}
