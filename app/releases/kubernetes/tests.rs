//! The target while nobody answers at the cluster's address: what is kept, and who gets what of it.

use super::*;
use crate::cluster::Cluster;
use crate::hands::tests::config;
use bowsprit_core::artifact::{self, File};
use bowsprit_core::contract::Deploy;
use bowsprit_core::effect::{ModelFiles, ServePlan};
use bowsprit_core::image::reference::Pinned;
use bowsprit_core::name::{CommitSha, Digest, Repo, RepoName, RepoPath};
use bowsprit_core::serving::spec::{DoorSpec, Replicas};
use bowsprit_core::training::spec::Trust;
use secrecy::ExposeSecret as _;
use std::path::Path;

const REPO: RepoId = RepoId(7);
const NOWHERE: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "x",
    "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "x", "user": {}}], "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}"#;

pub(super) fn staging() -> Key {
    (REPO, Slug::parse("staging").unwrap())
}

async fn target(dir: &Path) -> (Kubernetes, Artifacts) {
    std::fs::write(dir.join("kubeconfig"), NOWHERE).unwrap();
    let mut settings = crate::config::Cluster::unused();
    settings.kubeconfig = Some(dir.join("kubeconfig"));
    target_in(dir, Cluster::open(&settings).await.unwrap())
}

/// The target in this cluster, which has lost another.
pub(super) fn target_in(dir: &Path, cluster: Cluster) -> (Kubernetes, Artifacts) {
    let state_dir = dir.join("state");
    let artifacts = Artifacts::open(&state_dir).unwrap();
    let mut config = config(&state_dir, 1);
    let image = |name: &str| Some(format!("r/{name}@sha256:{}", "a".repeat(64)));
    (config.cluster.base_image, config.cluster.agent_image) = (image("python"), image("agent"));
    let nobody: Arc<Commit> = Arc::new(|_| unreachable!("nothing is written"));
    let lost = crate::config::OtherCluster {
        way: config.cluster.clone(),
        serving: config.releases.serving.clone(),
        gitops_path: None,
    };
    config.clusters.insert(Slug::parse("lost").unwrap(), lost);
    let ways = Ways {
        cluster,
        others: BTreeMap::from([(
            Slug::parse("lost").unwrap(),
            Err("no kubeconfig".to_owned()),
        )]),
        commit: nobody,
    };
    let program = vec!["bowsprit".into()];
    let target = Kubernetes::open(&config, artifacts.clone(), ways, program).unwrap();
    (target, artifacts)
}

/// What is made in this cluster, where each environment has its own namespace.
pub(super) fn yard(cluster: &Cluster) -> Yard {
    let dir = tempfile::tempdir().unwrap();
    let (target, _) = target_in(dir.path(), cluster.clone());
    target.post.clusters.of(None).unwrap().clone()
}

pub(super) async fn plan(generation: u64, artifacts: &Artifacts) -> DeployPlan {
    let sha256 = artifacts.put_bytes("weights".into()).await.unwrap();
    let file = File {
        path: RepoPath::parse("model.bin").unwrap(),
        sha256,
        bytes: 7,
        media_type: "application/octet-stream".to_owned(),
    };
    DeployPlan {
        repo: Repo {
            id: REPO,
            name: RepoName::parse("octo/digits-service").unwrap(),
        },
        environment: staging().1,
        release: format!("rel-{generation}"),
        generation,
        commit: CommitSha::parse(&"a".repeat(40)).unwrap(),
        trust: Trust::Trusted,
        runtime: None,
        test: None,
        image: None,
        deploy: None,
        serve: Some(ServePlan {
            run: vec!["python".to_owned()],
            ready: "/readyz".to_owned(),
            env: BTreeMap::new(),
            sample_sets: Vec::new(),
            ready_timeout_s: 60,
            cpu_millis: 250,
            memory_bytes: 1 << 28,
            model: Some("digits".to_owned()),
        }),
        models: vec![ModelFiles {
            name: "digits".to_owned(),
            version: Some(generation),
            digest: artifact::digest(std::slice::from_ref(&file)),
            files: vec![file],
        }],
        door: DoorSpec {
            keys: Vec::new(),
            concurrency: 4,
            queue: 8,
            body_bytes_max: 1 << 20,
            telemetry: true,
        },
        auth: true,
        logs: false,
        replicas: Replicas::default(),
        cluster: None,
        pr: None,
    }
}

pub(super) async fn deploy(
    target: &Kubernetes,
    dir: &Path,
    plan: &DeployPlan,
) -> Result<(), StartError> {
    deploy_files(target, dir, plan, plan.release.as_bytes()).await
}

async fn deploy_files(
    target: &Kubernetes,
    dir: &Path,
    plan: &DeployPlan,
    bytes: &[u8],
) -> Result<(), StartError> {
    let path = dir.join("snapshot.tar");
    std::fs::write(&path, bytes).unwrap();
    let snapshot = Source {
        uri: path.display().to_string(),
        sha256: Digest::of(bytes),
    };
    let outcome = target.deploy(plan, snapshot).await;
    assert!(!path.exists(), "a snapshot is taken with its order");
    outcome
}

#[tokio::test]
async fn an_order_is_taken_and_followed_while_the_cluster_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let (target, artifacts) = target(dir.path()).await;
    for generation in [1, 1, 2] {
        let plan = plan(generation, &artifacts).await;
        deploy(&target, dir.path(), &plan).await.unwrap();
    }
    let papers = target.post.papers(&staging());
    assert_eq!(papers.desk.wanted().unwrap().unwrap().generation, 2);
    let site = papers.site().unwrap().unwrap();
    assert_eq!(site.namespace, "bowsprit-digits-service-staging");
    assert_eq!(site.name, "bowsprit-digits-service-staging-7");
    // What cannot be removed there is not forgotten here.
    assert!(target.remove(REPO, &staging().1).await.is_err());
    assert!(papers.desk.is_ordered());
    assert!(target.keys(REPO, &staging().1).is_some());
    // A start meanwhile does not bring it back; another order does.
    let yard = target.post.clusters.of(None).unwrap();
    assert!(papers.is_ending());
    assert!(judge::look(yard, &papers).await.unwrap().is_none());
    let plan = plan(3, &artifacts).await;
    deploy(&target, dir.path(), &plan).await.unwrap();
    assert!(!papers.is_ending() && judge::look(yard, &papers).await.is_err());
}

#[tokio::test]
async fn a_token_opens_the_files_of_its_environment_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (target, artifacts) = target(dir.path()).await;
    let plan = plan(1, &artifacts).await;
    deploy(&target, dir.path(), &plan).await.unwrap();
    let key = staging();
    let token = target.post.papers(&key).token().unwrap();
    let token = token.expose_secret();

    let order = target.order(&key, "rel-1", token).unwrap();
    assert_eq!(order.door.keys, Vec::new());
    let server = order.server.unwrap();
    let model = &server.models[0].sources[0];
    assert_eq!((model.uri.as_str(), server.snapshot.uri.as_str()), ("", ""));
    let digests = [model.sha256.hex(), server.snapshot.sha256.hex()];
    for (digest, bytes) in digests.into_iter().zip(["weights", "rel-1"]) {
        let path = target.file(&key, ("rel-1", digest), token).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), bytes);
        assert_eq!(target.file(&key, ("rel-1", digest), "other"), None);
        assert_eq!(target.file(&key, ("rel-2", digest), token), None);
    }
    let unnamed = Digest::of(b"another artifact");
    assert_eq!(target.file(&key, ("rel-1", unnamed.hex()), token), None);
    for other in ["", "other"] {
        assert_eq!(target.order(&key, "rel-1", other), None);
    }
    let production = (REPO, Slug::parse("production").unwrap());
    assert_eq!(target.order(&production, "rel-1", token), None);
}

#[tokio::test]
async fn a_release_that_is_an_image_is_handed_its_order_beside_the_one_that_served() {
    let dir = tempfile::tempdir().unwrap();
    let (target, artifacts) = target(dir.path()).await;
    let image = Pinned::parse(&format!("r.example/service@sha256:{}", "c".repeat(64))).unwrap();
    let whole = DeployPlan {
        image: Some(image.clone()),
        ..plan(1, &artifacts).await
    };
    deploy(&target, dir.path(), &whole).await.unwrap();
    let papers = target.post.papers(&staging());
    let rollout = papers.rollout().unwrap().unwrap();
    assert_eq!(
        (rollout.image, rollout.is_whole, rollout.has_order),
        (Some(image), true, true)
    );
    assert!(!rollout.installs, "all is in the image");
    assert_eq!(rollout.model_bytes, 0, "nothing is fetched");
    let order = papers.desk.wanted().unwrap().unwrap();
    let text = mounted(&order).unwrap().unwrap();
    let shown: ServeSpec = serde_json::from_slice(&text).unwrap();
    let server = shown.server.unwrap();
    assert_eq!(server.in_image.unwrap().models, "/srv/models");
    assert_eq!(
        (server.snapshot.uri.as_str(), shown.door.keys.len()),
        ("", 0)
    );

    // One without an image fetches, and one that is too large for a Secret does as well.
    let plain = DeployPlan {
        image: None,
        ..plan(2, &artifacts).await
    };
    deploy(&target, dir.path(), &plain).await.unwrap();
    let rollout = papers.rollout().unwrap().unwrap();
    assert_eq!(
        (rollout.image, rollout.is_whole, rollout.has_order),
        (None, false, false)
    );
    let mut large = order;
    let env = &mut large.server.as_mut().unwrap().env;
    env.insert("NOTE".to_owned(), "x".repeat(MOUNTED_BYTES_MAX));
    assert_eq!(mounted(&large).unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_applied_is_refused_before_anything_is_ordered() {
    let dir = tempfile::tempdir().unwrap();
    let (target, artifacts) = target(dir.path()).await;
    let archive = |name: &str, text: &str| {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, text.as_bytes())
            .unwrap();
        archive.into_inner().unwrap()
    };
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n";
    let sidecar = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: \"${BOWSPRIT_NAME}\"}\nspec: {template: {spec: {containers: [{name: a, image: b}]}}}\n";
    for (name, text, why) in [
        (
            "deploy/secret.yaml",
            secret,
            "`deploy/secret.yaml`: `Secret` of `v1` is not applied",
        ),
        (
            "deploy/all.yml",
            sidecar,
            "container `a`: image must be named by its digest",
        ),
        ("deploys/all.yml", sidecar, "there is no YAML file"),
        ("deploy/notes.txt", sidecar, "there is no YAML file"),
    ] {
        let plan = DeployPlan {
            deploy: Some(Deploy::Manifests(RepoPath::parse("deploy").unwrap())),
            ..plan(1, &artifacts).await
        };
        let refused = deploy_files(&target, dir.path(), &plan, &archive(name, text)).await;
        let Err(StartError::Refused(told)) = refused else {
            panic!("{name}: {refused:?}");
        };
        assert!(told.contains(why), "{name}: {told}");
    }
    let built = DeployPlan {
        runtime: Some(RuntimeSpec::Dockerfile {
            file: RepoPath::parse("Dockerfile").unwrap(),
        }),
        ..plan(1, &artifacts).await
    };
    let Err(StartError::Refused(told)) = deploy(&target, dir.path(), &built).await else {
        panic!("a Dockerfile without a registry");
    };
    assert!(told.contains("`images.registry`"), "{told}");
    assert!(!target.post.papers(&staging()).desk.is_ordered());
}

#[tokio::test]
async fn a_cluster_that_cannot_be_used_stops_its_own_environments_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (target, artifacts) = target(dir.path()).await;
    let order = async |generation, cluster: Option<&str>| {
        let plan = DeployPlan {
            cluster: cluster.map(|name| Slug::parse(name).unwrap()),
            ..plan(generation, &artifacts).await
        };
        deploy(&target, dir.path(), &plan).await
    };
    for (name, why) in [
        ("lost", "there is no way to cluster `lost`: no kubeconfig"),
        (
            "eu",
            "this server knows no cluster `eu` (`[clusters.eu]` of its configuration); it knows `lost`",
        ),
    ] {
        let Err(StartError::Refused(told)) = order(1, Some(name)).await else {
            panic!("{name}");
        };
        assert_eq!(told, why);
    }
    assert!(!target.post.papers(&staging()).desk.is_ordered());
    order(1, None).await.unwrap();
    // Where it lives is settled: it ends there before it begins elsewhere.
    let Err(StartError::Refused(told)) = order(2, Some("lost")).await else {
        panic!("it moved");
    };
    assert!(
        told.starts_with("it lives in the usual cluster, and the contract says cluster `lost`"),
        "{told}"
    );
    let wanted = target.post.papers(&staging()).desk.wanted().unwrap();
    assert_eq!(wanted.unwrap().generation, 1);
}
