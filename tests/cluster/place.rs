//! The cluster of the stories: namespaces of their own, restricted, and a bot that may do what its Role says and no more.
//!
//! Read from the environment: `KUBECONFIG`, an administrator's; `BOWSPRIT_TEST_PYTHON_IMAGE` and
//! `BOWSPRIT_TEST_AGENT_IMAGE`, both by digest; `BOWSPRIT_TEST_HOST`, the address of this machine that pods reach; where it
//! runs here, `BOWSPRIT_TEST_API_SERVER`, a file that begins with the process id of the API server.

use crate::harness::{Place, World, run_test_at};
use crate::images;
use crate::passage::Passage;
use bowsprit_core::rbac;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;

/// No story waits longer than this for anything: images are pulled, pods start, the machine does other work.
const PATIENCE: Duration = Duration::from_secs(300);
/// The repository that releases are written to, where they are not applied.
pub(crate) const WRITTEN_TO: &str = "ada/cluster-config";
/// How the configuration says so.
const GITOPS: &str = "[gitops]\nrepository = \"ada/cluster-config\"\npath = \"clusters/story\"\nsync_wait = \"1m\"\n";
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
struct Extent {
    /// Lines of `[cluster]`.
    more: &'static str,
    has_images: bool,
    serves: bool,
    /// By commits that a syncer brings.
    writes: bool,
    /// In a further cluster as well.
    is_two: bool,
}

async fn play(name: &str, extent: Extent, story: impl AsyncFnOnce(&mut World, &Cluster)) {
    if std::env::var_os("KUBECONFIG").is_none() {
        // Past the capture of the test runner: this must be seen.
        let mut loud = std::io::stderr();
        let _ = writeln!(
            loud,
            "SKIPPED cluster story `{name}`: KUBECONFIG is not set; tests/cluster/run.sh runs it"
        );
        return;
    }
    let mut cluster = Cluster::new().await;
    let kubeconfig = cluster.dir.path().join("kubeconfig");
    let (namespace, untrusted) = (cluster.namespace.clone(), cluster.untrusted.clone());
    let (python, agent) = (
        wanted("BOWSPRIT_TEST_PYTHON_IMAGE"),
        wanted("BOWSPRIT_TEST_AGENT_IMAGE"),
    );
    let (python, images) = match extent.has_images {
        true => {
            let builds = format!("{namespace}-builds");
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
    run_test_at(
        place,
        |_| {},
        async |t| {
            story(t, &cluster).await;
            t.settle().await;
            cluster.check(t).await;
        },
    )
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

/// What the bot may do in a namespace: what the chart grants there, and nothing else; of what a syncer brings, only look.
fn rules(place: rbac::Place, is_synced: bool) -> Value {
    let rule = |rule: &'static rbac::Rule| {
        let verbs: Vec<&str> = match is_synced {
            true => rbac::synced(rule).collect(),
            false => rule.verbs.to_vec(),
        };
        let rule = json!({"apiGroups": [rule.group], "resources": [rule.resource], "verbs": verbs});
        (!verbs.is_empty()).then_some(rule)
    };
    rbac::rules(place).filter_map(rule).collect()
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

    /// Rootless builds need user namespaces, so only their namespace is not restricted.
    async fn create_namespace(&self, name: &str, place: rbac::Place) {
        self.create_namespace_with((name, place, false), (BOT, &self.namespace))
            .await;
    }

    /// The same for an account, by its name and namespace.
    async fn create_namespace_with(
        &self,
        (name, place, is_synced): (&str, rbac::Place, bool),
        (account, home): (&str, &str),
    ) {
        let mut labels = json!({});
        let standard = match place {
            rbac::Place::Builds => "privileged",
            rbac::Place::Runs | rbac::Place::Environments | rbac::Place::Cluster => "restricted",
        };
        for mode in ["enforce", "audit", "warn"] {
            labels[format!("pod-security.kubernetes.io/{mode}")] = standard.into();
        }
        self.whole::<Namespace>()
            .create(
                &PostParams::default(),
                &object(json!({"metadata": {"name": name, "labels": labels}})),
            )
            .await
            .expect("a namespace");
        let stage =
            json!({"metadata": {"name": "bowsprit-stage"}, "automountServiceAccountToken": false});
        self.create::<ServiceAccount>(name, stage).await;
        let rules = rules(place, is_synced);
        self.create::<Role>(name, json!({"metadata": {"name": BOT}, "rules": rules}))
            .await;
        let binding = json!({
            "metadata": {"name": BOT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": BOT},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}],
        });
        self.create::<RoleBinding>(name, binding).await;
    }

    /// Makes room for environments; says so as lines of `[cluster]`, and as further sections.
    async fn serve(&mut self, extent: &Extent) -> (String, String) {
        if !extent.serves {
            return (String::new(), String::new());
        }
        let environments = self.environments();
        let place = (
            environments.as_str(),
            rbac::Place::Environments,
            extent.writes,
        );
        self.create_namespace_with(place, (BOT, &self.namespace))
            .await;
        let mut sections = "[releases]\nbackend = \"kubernetes\"\n".to_owned();
        if extent.writes {
            sections.push_str(GITOPS);
        }
        if extent.is_two {
            sections.push_str(&self.add_further().await);
        }
        let line = format!("releases_namespace = \"{environments}\"\n");
        (line, sections)
    }

    /// A namespace that stands for a further cluster, with an account of its own; says how the configuration names it.
    async fn add_further(&mut self) -> String {
        const ACCOUNT: &str = "bowsprit-further";
        let namespace = self.further();
        let place = (namespace.as_str(), rbac::Place::Environments, false);
        self.create_namespace_with(place, (ACCOUNT, &namespace))
            .await;
        let passage = Passage::open().await;
        self.introduce((ACCOUNT, &namespace), &passage, "further")
            .await;
        self.passage_further = Some(passage);
        let kubeconfig = self.dir.path().join("further");
        format!(
            "[clusters.further]\nkubeconfig = {kubeconfig:?}\nreleases_namespace = \"{namespace}\"\n"
        )
    }

    /// The namespace that stands for a further cluster, where there is one.
    pub(crate) fn further(&self) -> String {
        format!("{}-further", self.namespace)
    }

    /// The bot gets an account, and a kubeconfig that leads through a passage.
    async fn introduce(&self, (name, namespace): (&str, &str), passage: &Passage, file: &str) {
        let accounts: Api<ServiceAccount> = self.all(namespace);
        let account = json!({"metadata": {"name": name}});
        self.create::<ServiceAccount>(namespace, account).await;
        let asked = TokenRequest {
            metadata: ObjectMeta::default(),
            spec: TokenRequestSpec {
                audiences: Vec::new(),
                expiration_seconds: Some(3_600),
                bound_object_ref: None,
            },
            status: None,
        };
        let token = accounts
            .create_token_request(name, &PostParams::default(), &asked)
            .await
            .expect("a token");
        let token = token.status.expect("a token").token;
        let text = passage.kubeconfig(&token);
        std::fs::write(self.dir.path().join(file), text.to_string()).expect("a file");
    }

    /// The namespace of environments, where there are any.
    pub(crate) fn environments(&self) -> String {
        format!("{}-environments", self.namespace)
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
        for name in [&self.namespace, &self.untrusted] {
            let removed = self
                .whole::<Namespace>()
                .delete(name, &DeleteParams::default())
                .await;
            removed.expect("it is removed");
        }
        // Only some stories have these.
        for more in ["builds", "environments", "further"] {
            let name = format!("{}-{more}", self.namespace);
            let all = self.whole::<Namespace>();
            let _removed = all.delete(&name, &DeleteParams::default()).await;
        }
    }
}
