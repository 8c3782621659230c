//! The cluster of the stories: namespaces of their own, restricted, and a bot that may do what its Role says and no more.
//!
//! Read from the environment: `KUBECONFIG`, an administrator's; `BOWSPRIT_TEST_PYTHON_IMAGE` and
//! `BOWSPRIT_TEST_AGENT_IMAGE`, both by digest, and `BOWSPRIT_TEST_TOOLS_IMAGE` for `steps.rs`; `BOWSPRIT_TEST_HOST`, the
//! address of this machine that pods reach; where it runs here, `BOWSPRIT_TEST_API_SERVER`, a file that begins with the
//! process id of the API server.

mod room;

use crate::front::Front;
use crate::harness::{Place, World, run_test_at};
use crate::images;
use crate::passage::Passage;
use bowsprit::config::Config;
use bowsprit_core::rbac;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard};

/// No story waits longer than this for anything: images are pulled, pods start, the machine does other work.
const PATIENCE: Duration = Duration::from_secs(300);
/// Held by every story, and whole by one that must be alone.
static TURN: RwLock<()> = RwLock::const_new(());

/// For as long as this is there, no story is played that must be alone.
pub(crate) async fn among_others() -> RwLockReadGuard<'static, ()> {
    TURN.read().await
}

/// The repository that releases are written to, where they are not applied.
pub(crate) const WRITTEN_TO: &str = "ada/cluster-config";
/// How the configuration says so.
pub(crate) const GITOPS: &str = "[gitops]\nrepository = \"ada/cluster-config\"\npath = \"clusters/story\"\nsync_wait = \"1m\"\n";
/// The folder that is synced to the cluster.
pub(crate) const PATH: &str = "clusters/story";
/// The same of a further cluster.
pub(crate) const FURTHER_PATH: &str = "clusters/further";
/// Who the bot is in the cluster.
const BOT: &str = "bowsprit";

/// The cluster of one story.
pub(crate) struct Cluster {
    client: kube::Client,
    /// The namespace of trusted stages.
    pub(crate) namespace: String,
    /// That of the others.
    pub(crate) untrusted: String,
    /// What stands between the bot and the API server.
    pub(crate) passage: Passage,
    /// The same before a further cluster, in the stories that have one.
    pub(crate) passage_further: Option<Passage>,
    /// What answers the bot in place of the API server, in the stories that have it.
    pub(crate) front: Option<Front>,
    /// The directory of the bot's kubeconfigs.
    dir: tempfile::TempDir,
}

/// Plays a story on the cluster, or says loudly that it did not.
pub(crate) async fn run_on_cluster(name: &str, story: impl AsyncFnOnce(&mut World, &Cluster)) {
    play(name, Extent::default(), story).await;
}

/// The same with more lines in `[cluster]` of the configuration.
pub(crate) async fn run_on_cluster_with(
    name: &str,
    more: &'static str,
    story: impl AsyncFnOnce(&mut World, &Cluster),
) {
    let extent = Extent {
        more,
        ..Extent::default()
    };
    play(name, extent, story).await;
}

/// The same while no other story is played.
pub(crate) async fn run_alone(name: &str, story: impl AsyncFnOnce(&mut World, &Cluster)) {
    let extent = Extent {
        is_alone: true,
        ..Extent::default()
    };
    play(name, extent, story).await;
}

/// The same with runtimes that become images.
pub(crate) async fn run_with_images(name: &str, story: impl AsyncFnOnce(&mut World, &Cluster)) {
    let extent = Extent {
        has_images: true,
        ..Extent::default()
    };
    play(name, extent, story).await;
}

/// The same with environments that are served there as well.
pub(crate) async fn run_whole(name: &str, story: impl AsyncFnOnce(&mut World, &Cluster)) {
    let extent = Extent {
        serves: true,
        ..Extent::default()
    };
    play(name, extent, story).await;
}

/// The same where releases are images.
pub(crate) async fn run_whole_with_images(
    name: &str,
    story: impl AsyncFnOnce(&mut World, &Cluster),
) {
    let extent = Extent {
        has_images: true,
        serves: true,
        ..Extent::default()
    };
    play(name, extent, story).await;
}

/// The same where releases are written to a repository, and the bot may not apply them.
pub(crate) async fn run_written(name: &str, story: impl AsyncFnOnce(&mut World, &Cluster)) {
    let extent = Extent {
        serves: true,
        writes: true,
        ..Extent::default()
    };
    play(name, extent, story).await;
}

/// The same where some environments live in a further cluster: another namespace, reached by another account.
pub(crate) async fn run_in_two(name: &str, story: impl AsyncFnOnce(&mut World, &Cluster)) {
    let extent = Extent {
        serves: true,
        is_two: true,
        ..Extent::default()
    };
    play(name, extent, story).await;
}

/// What of the product happens in the cluster beside training.
#[derive(Default)]
pub(crate) struct Extent {
    /// Lines of `[cluster]`.
    pub(crate) more: &'static str,
    pub(crate) has_images: bool,
    pub(crate) serves: bool,
    /// By commits that a syncer brings.
    pub(crate) writes: bool,
    /// In a further cluster as well.
    pub(crate) is_two: bool,
    /// With a namespace for each environment.
    pub(crate) is_apart: bool,
    /// With a front before the API server.
    pub(crate) has_front: bool,
    /// While no other story is played: it stops what all of them need.
    pub(crate) is_alone: bool,
    /// With another configuration, after it was read.
    pub(crate) tune: Option<fn(&mut Config)>,
}

/// Plays a story in a cluster of this extent.
pub(crate) async fn play(
    name: &str,
    extent: Extent,
    story: impl AsyncFnOnce(&mut World, &Cluster),
) {
    if std::env::var_os("KUBECONFIG").is_none() {
        // Past the capture of the test runner: this must be seen.
        let mut loud = std::io::stderr();
        let _ = writeln!(
            loud,
            "SKIPPED cluster story `{name}`: KUBECONFIG is not set; tests/cluster/run.sh runs it"
        );
        return;
    }
    let (_among_others, _alone) = match extent.is_alone {
        false => (Some(among_others().await), None),
        true => (None, Some(TURN.write().await)),
    };
    let mut cluster = Cluster::new().await;
    let kubeconfig = cluster.dir.path().join("kubeconfig");
    if extent.has_front {
        cluster.front = Some(Front::open(&kubeconfig).await);
    }
    let (namespace, untrusted) = (cluster.namespace.clone(), cluster.untrusted.clone());
    let (python, agent) = (
        wanted("BOWSPRIT_TEST_PYTHON_IMAGE"),
        wanted("BOWSPRIT_TEST_AGENT_IMAGE"),
    );
    let (python, images) = match extent.has_images {
        true => {
            let builds = cluster.builds();
            cluster.create_namespace(&builds, rbac::Place::Builds).await;
            images::section(&builds).await
        }
        false => (python, String::new()),
    };
    let more = extent.more;
    let (serving, sections) = cluster.serve(&extent).await;
    let amend = move |text: String, bot: &str| {
        let text = text.replace(
            "[runs]\nslots = 2\n",
            "[runs]\nbackend = \"kubernetes\"\nslots = 60\n",
        );
        format!(
            "{text}run_disk_bytes = 268435456\n[cluster]\nkubeconfig = {kubeconfig:?}\nbot_url = \"http://{bot}\"\nnamespace = \"{namespace}\"\n\
             untrusted_namespace = \"{untrusted}\"\nbase_image = \"{python}\"\nagent_image = \"{agent}\"\n{more}{serving}{images}{sections}"
        )
    };
    let place = Place {
        host: wanted("BOWSPRIT_TEST_HOST"),
        amend: Box::new(amend),
        patience: PATIENCE,
    };
    run_test_at(place, extent.tune.unwrap_or(|_| {}), async |t| {
        story(t, &cluster).await;
        t.settle().await;
        cluster.check(t).await;
    })
    .await;
    cluster.remove().await;
}

fn wanted(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("set {name}: tests/cluster/place.rs says to what"))
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object of Kubernetes")
}

impl Cluster {
    async fn new() -> Cluster {
        let client = kube::Client::try_default().await.expect("a cluster");
        let own = format!("{:x}", uuid::Uuid::new_v4().as_fields().0);
        let cluster = Cluster {
            namespace: format!("jobs-{own}"),
            untrusted: format!("jobs-{own}-untrusted"),
            passage: Passage::open().await,
            passage_further: None,
            front: None,
            dir: tempfile::tempdir().expect("a directory"),
            client,
        };
        for name in [cluster.namespace.clone(), cluster.untrusted.clone()] {
            cluster.create_namespace(&name, rbac::Place::Runs).await;
        }
        let bot = (BOT, cluster.namespace.as_str());
        cluster.introduce(bot, &cluster.passage, "kubeconfig").await;
        cluster
    }

    /// The namespace of builds, where there are any.
    pub(crate) fn builds(&self) -> String {
        format!("{}-builds", self.namespace)
    }

    /// The administrator's client.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    fn whole<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    /// Objects of a kind in a namespace.
    pub(crate) fn all<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Creates an object as the administrator.
    pub(crate) async fn create<K>(&self, namespace: &str, value: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + serde::Serialize,
    {
        let created = self
            .all::<K>(namespace)
            .create(&PostParams::default(), &object(value))
            .await;
        created.expect("it is created");
    }

    /// The Jobs of trusted stages.
    pub(crate) async fn jobs(&self) -> Vec<Job> {
        let jobs: Api<Job> = self.all(&self.namespace);
        jobs.list(&ListParams::default())
            .await
            .expect("a list")
            .items
    }

    /// The same, once the cluster says of each how it ended: that may come after the bot knows.
    pub(crate) async fn jobs_that_are_over(&self, t: &World) -> Vec<Job> {
        t.until("the end of all Jobs", async |_| {
            let jobs = self.jobs().await;
            jobs.iter()
                .all(bowsprit_core::training::job::phase::is_over)
                .then_some(jobs)
        })
        .await
    }

    /// Their pods.
    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let pods: Api<Pod> = self.all(&self.namespace);
        pods.list(&ListParams::default())
            .await
            .expect("a list")
            .items
    }

    /// The name of the pod of a stage that is at work.
    pub(crate) async fn running_pod(&self) -> Option<String> {
        let pods = self.pods().await;
        let running = pods.into_iter().find(|pod| {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
        });
        running.and_then(|pod| pod.metadata.name)
    }

    /// Marks every node as one that takes no new pods, or takes the mark away.
    pub(crate) async fn cordon(&self, is_cordoned: bool) {
        let nodes = self.whole::<k8s_openapi::api::core::v1::Node>();
        for node in nodes.list(&ListParams::default()).await.expect("a list") {
            let name = node.metadata.name.expect("a name");
            let patch = json!({"spec": {"unschedulable": is_cordoned}});
            nodes
                .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .expect("it is patched");
        }
    }

    /// Holds what must be so after every story: no stage had a second Job, and every Job that is over may go.
    async fn check(&self, t: &World) {
        let began = std::time::Instant::now();
        loop {
            let jobs = self.jobs().await;
            let kept: Vec<_> = jobs
                .iter()
                .filter(|job| {
                    let spec = job.spec.as_ref();
                    spec.and_then(|spec| spec.ttl_seconds_after_finished)
                        .is_none()
                })
                .filter_map(|job| job.metadata.name.clone())
                .collect();
            if kept.is_empty() {
                break;
            }
            assert!(
                began.elapsed() < t.patience,
                "these are not let go: {kept:?}"
            );
            tokio::time::sleep(crate::harness::POLL).await;
        }
        let secrets: Api<Secret> = self.all(&self.namespace);
        for secret in secrets.list(&ListParams::default()).await.expect("a list") {
            let owners = secret.metadata.owner_references.unwrap_or_default();
            assert!(owners.iter().any(|owner| owner.kind == "Job"), "{owners:?}");
        }
    }

    async fn remove(self) {
        let (how, all) = (DeleteParams::default(), self.whole::<Namespace>());
        let found = all.list(&ListParams::default()).await.expect("a list");
        let names = found.into_iter().filter_map(|one| one.metadata.name);
        for name in names.filter(|name| name.starts_with(&self.namespace)) {
            // Some go by themselves.
            let _removed = all.delete(&name, &how).await;
        }
        // Only some stories have these.
        let bindings = self.whole::<ClusterRoleBinding>();
        let _removed = bindings.delete(&self.namespace, &how).await;
        let roles = self.whole::<ClusterRole>();
        let _removed = roles.delete(&self.namespace, &how).await;
    }
}
