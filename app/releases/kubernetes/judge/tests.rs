//! Releases that fail, in a cluster of tests: what they brought is taken back, all of it.

use super::*;
use crate::cluster::fake::{self, Fake, Shelf};
use crate::hands::StartError;
use crate::releases::kubernetes::Kubernetes;
use crate::releases::kubernetes::tests::{deploy, plan, staging, target_in};
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::serving::spec::Replicas;
use bowsprit_core::training::spec::RuntimeSpec;
use serde_json::{Value, json};
use std::path::Path;

/// An environment in a cluster of tests.
struct House {
    dir: tempfile::TempDir,
    shelf: Shelf,
    fake: Fake,
    target: Kubernetes,
    artifacts: crate::artifacts::Artifacts,
}

impl House {
    async fn new() -> House {
        let (dir, shelf) = (tempfile::tempdir().unwrap(), Shelf::default());
        let answers = shelf.clone();
        let fake = fake::serve(move |asked| answers.answer(asked)).await;
        let (target, artifacts) = target_in(dir.path(), fake.cluster.clone());
        House {
            dir,
            shelf,
            fake,
            target,
            artifacts,
        }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// One that needs more of everything.
    async fn larger(&self, generation: u64) -> DeployPlan {
        DeployPlan {
            runtime: Some(RuntimeSpec::Python {
                minimum: "3.11".to_owned(),
                requirements: None,
            }),
            replicas: Replicas { min: 2, max: 5 },
            ..plan(generation, &self.artifacts).await
        }
    }

    async fn look(&self) -> Live {
        let papers = self.target.post.papers(&staging());
        let yard = self.target.post.clusters.of(None).unwrap();
        look(yard, &papers).await.unwrap();
        papers.live().unwrap()
    }

    /// The Deployment's controller says this of it.
    fn say(&self, status: Value) {
        let mut objects = self.shelf.objects.lock().unwrap();
        let mut deployments = objects
            .iter_mut()
            .filter(|(path, _)| path.contains("/deployments/"));
        deployments.next().unwrap().1["status"] = status;
    }

    fn say_that_it_arrived(&self) {
        self.say(json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}));
    }

    fn say_that_it_is_stuck(&self) {
        self.say(json!({"conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}));
    }

    /// What stands in the cluster, as it was sent.
    fn standing(&self) -> BTreeMap<String, Value> {
        let mut objects = self.shelf.objects.lock().unwrap().clone();
        for object in objects.values_mut() {
            object.as_object_mut().unwrap().remove("status");
        }
        objects
    }

    /// The first release serves; what stands in the cluster then.
    async fn with_first(&self) -> BTreeMap<String, Value> {
        let first = plan(1, &self.artifacts).await;
        deploy(&self.target, self.dir(), &first).await.unwrap();
        self.say_that_it_arrived();
        assert_eq!(self.look().await.phase, RolloutPhase::Live);
        self.standing()
    }
}

#[tokio::test]
async fn a_release_that_failed_is_taken_back_with_all_that_it_brought() {
    let house = House::new().await;
    let first = house.with_first().await;
    let larger = house.larger(2).await;
    deploy(&house.target, house.dir(), &larger).await.unwrap();
    let tried = house.standing();
    for kind in ["horizontalpodautoscalers", "poddisruptionbudgets"] {
        assert!(tried.keys().any(|path| path.contains(kind)), "{kind}");
    }
    house.say_that_it_is_stuck();
    assert_eq!(house.look().await.phase, RolloutPhase::Failed);
    assert_eq!(house.standing(), first);
    // Nothing is sent again.
    house.fake.asked();
    house.look().await;
    let lines = house.fake.lines();
    assert!(
        lines.iter().all(|line| line.starts_with("GET ")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_release_that_was_refused_in_the_middle_is_taken_back_too() {
    let house = House::new().await;
    let first = house.with_first().await;
    *house.shelf.refused.lock().unwrap() = Some("/deployments/");
    let larger = house.larger(2).await;
    let refused = deploy(&house.target, house.dir(), &larger).await;
    assert!(
        matches!(refused, Err(StartError::Refused(_))),
        "{refused:?}"
    );
    assert_ne!(house.standing(), first);
    let live = house.look().await;
    assert_eq!(live.phase, RolloutPhase::Failed);
    let reason = live.reason.unwrap();
    assert!(reason.contains("is not taken back yet"), "{reason}");
    *house.shelf.refused.lock().unwrap() = None;
    let live = house.look().await;
    assert_eq!(live.reason.as_deref(), Some("it is not valid"));
    assert_eq!(house.standing(), first);
}

#[tokio::test]
async fn a_first_release_that_failed_leaves_its_address_alone() {
    let house = House::new().await;
    let larger = house.larger(1).await;
    deploy(&house.target, house.dir(), &larger).await.unwrap();
    house.say_that_it_is_stuck();
    assert_eq!(house.look().await.phase, RolloutPhase::Failed);
    let standing = house.standing();
    let kinds = standing.keys().filter_map(|path| path.rsplit('/').nth(1));
    let mut kinds: Vec<&str> = kinds.collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "namespaces",
            "networkpolicies",
            "secrets",
            "serviceaccounts",
            "services"
        ]
    );
}

#[tokio::test]
async fn what_a_release_needs_is_noted_for_one_that_served_before() {
    let house = House::new().await;
    house.with_first().await;
    let papers = house.target.post.papers(&staging());
    let kept = papers.kept().unwrap().unwrap();
    assert_eq!(kept.rollout.as_ref().map(|one| one.generation), Some(1));
    papers
        .write_kept(Some(&Kept {
            rollout: None,
            ..kept.clone()
        }))
        .unwrap();
    house.look().await;
    assert_eq!(papers.kept().unwrap(), Some(kept));
}
