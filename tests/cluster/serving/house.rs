//! A bot that serves into a namespace of its own, small releases for it, and clients that ask them.
//!
//! Read from the environment: `KUBECONFIG`; `BOWSPRIT_TEST_PYTHON_IMAGE` and `BOWSPRIT_TEST_AGENT_IMAGE`, both by digest;
//! `BOWSPRIT_TEST_HOST`, the address of this machine that pods reach.

use super::asking::ask;
use crate::place::among_others;
use bowsprit::app::{self, Running};
use bowsprit::config::Config;
use bowsprit::hands::StartError;
use bowsprit::releases::Which;
use bowsprit_core::artifact::{self, File};
use bowsprit_core::effect::{DeployPlan, ModelFiles, ServePlan};
use bowsprit_core::name::{CommitSha, Digest, Repo, RepoId, RepoName, RepoPath, Slug};
use bowsprit_core::serving::spec::{DoorSpec, Live, Replicas, RolloutPhase};
use bowsprit_core::training::spec::{Sample, SampleSet, Source, Trust};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use secrecy::SecretString;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::RwLockReadGuard;

/// No story waits longer than this for anything: images are pulled, pods start, the machine does other work.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
pub(super) const POLL: Duration = Duration::from_millis(100);
const REPO: RepoId = RepoId(7);
/// What every object of the environment is called.
pub(super) const NAME: &str = "bowsprit-adder-service-staging-7";
/// The script of the served process.
const SERVICE: &str = include_str!("../../../app/agent/gateway/it/service.py");

pub(super) type Http = Client<HttpConnector, Full<Bytes>>;

/// What one release differs in from another.
pub(crate) struct Release {
    /// Its id, and what the service calls itself.
    pub(crate) id: &'static str,
    /// What the model adds to `x`.
    pub(crate) offset: i64,
    /// What the samples expect it to add.
    pub(crate) expected: i64,
    /// Environment of the service.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Files in its folder of manifests.
    pub(crate) manifests: &'static [(&'static str, &'static str)],
    /// How many pods answer for it.
    pub(crate) replicas: Replicas,
}

impl Release {
    /// A release whose model does what its samples expect.
    pub(crate) fn good(id: &'static str, offset: i64) -> Release {
        Release {
            id,
            offset,
            expected: offset,
            env: &[],
            manifests: &[],
            replicas: Replicas { min: 1, max: 2 },
        }
    }
}

/// The bot, its namespace, a client.
pub(crate) struct House {
    dir: tempfile::TempDir,
    namespace: String,
    /// How the configuration says so.
    place: String,
    pub(super) client: kube::Client,
    pub(super) http: Http,
    bot: Option<Running>,
    _turn: RwLockReadGuard<'static, ()>,
}

fn staging() -> Slug {
    Slug::parse("staging").unwrap()
}

fn wanted(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}: see tests/cluster/serving/house.rs"))
}

impl House {
    /// A bot with nothing to serve; `None`, said loudly, where there is no cluster.
    pub(crate) async fn open(story: &str) -> Option<House> {
        let own = format!("serve-{:x}", uuid::Uuid::new_v4().as_fields().0);
        let mut house = House::look(story, &own).await?;
        let modes = ["enforce", "audit", "warn"];
        let labels = modes.map(|mode| {
            let label = format!("pod-security.kubernetes.io/{mode}");
            (label, "restricted".to_owned())
        });
        let mut made = Namespace::default();
        made.metadata.name = Some(own.clone());
        made.metadata.labels = Some(labels.into());
        let all: Api<Namespace> = Api::all(house.client.clone());
        all.create(&PostParams::default(), &made).await.unwrap();
        house.place = format!("releases_namespace = \"{own}\"");
        house.begin().await;
        Some(house)
    }

    /// The same where each environment has a namespace of its own.
    pub(crate) async fn open_apart(story: &str) -> Option<House> {
        House::open_apart_with(story, "").await
    }

    /// The same with more lines in `[cluster]`.
    pub(crate) async fn open_apart_with(story: &str, more: &str) -> Option<House> {
        let own = format!("serve-{:x}", uuid::Uuid::new_v4().as_fields().0);
        let mut house = House::look(story, &format!("{own}-adder-service-staging")).await?;
        house.place = format!("releases_prefix = \"{own}\"\n{more}");
        house.begin().await;
        Some(house)
    }

    async fn begin(&mut self) {
        let host = wanted("BOWSPRIT_TEST_HOST");
        self.start(&format!("{host}:0")).await;
    }

    async fn look(story: &str, namespace: &str) -> Option<House> {
        if std::env::var_os("KUBECONFIG").is_none() {
            // Past the capture of the test runner: this must be seen.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED cluster story `{story}`: KUBECONFIG is not set; tests/cluster/bed/up starts a cluster"
            );
            return None;
        }
        let turn = among_others().await;
        let client = kube::Client::try_default().await.unwrap();
        Some(House {
            _turn: turn,
            dir: tempfile::tempdir().unwrap(),
            namespace: namespace.to_owned(),
            place: String::new(),
            client,
            http: Client::builder(TokioExecutor::new()).build_http(),
            bot: None,
        })
    }

    async fn start(&mut self, listen: &str) {
        let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let path = |name: &str| self.dir.path().join(name);
        let key = bowsprit_hub::key::generate().unwrap();
        std::fs::write(path("app.pem"), key.private_pem).unwrap();
        std::fs::write(path("secret"), "a secret of the stories").unwrap();
        let text = format!(
            "listen = \"{address}\"\nstate_dir = {:?}\n\
             [github]\napi_url = \"http://127.0.0.1:9\"\ngit_url = \"http://127.0.0.1:9\"\napp_id = 7\n\
             private_key_file = {:?}\nwebhook_secret_files = [{:?}]\n\
             [releases]\nbackend = \"kubernetes\"\n\
             [reconcile]\nevery = \"1h\"\n\
             [cluster]\nbot_url = \"http://{address}\"\nbase_image = \"{}\"\nagent_image = \"{}\"\n{}\n",
            path("bot"),
            path("app.pem"),
            path("secret"),
            wanted("BOWSPRIT_TEST_PYTHON_IMAGE"),
            wanted("BOWSPRIT_TEST_AGENT_IMAGE"),
            self.place,
        );
        std::fs::write(path("bowsprit.toml"), text).unwrap();
        let config = Config::load(Some(&path("bowsprit.toml")), std::iter::empty()).unwrap();
        let bot = app::start_on(
            listener,
            config,
            vec![env!("CARGO_BIN_EXE_bowsprit").into(), "agent".into()],
        )
        .await;
        self.bot = Some(bot.unwrap());
    }

    fn bot(&self) -> &Running {
        self.bot.as_ref().unwrap()
    }

    /// The bot ends and comes again where it was.
    pub(crate) async fn restart(&mut self) {
        let bot = self.bot.take().unwrap();
        let address = bot.address.to_string();
        bot.stop().await.unwrap();
        self.start(&address).await;
    }

    /// The bot ends, loses all that it knew, and comes again.
    pub(crate) async fn forget(&mut self) {
        let bot = self.bot.take().unwrap();
        let address = bot.address.to_string();
        bot.stop().await.unwrap();
        std::fs::remove_dir_all(self.dir.path().join("bot")).unwrap();
        self.start(&address).await;
    }

    /// Orders a release.
    pub(crate) async fn deploy(&self, generation: u64, release: &Release) {
        self.try_deploy(generation, release).await.unwrap();
    }

    /// The same, where that may be refused.
    pub(crate) async fn try_deploy(
        &self,
        generation: u64,
        release: &Release,
    ) -> Result<(), StartError> {
        let plan = self.plan(generation, release).await;
        let mut tar = tar::Builder::new(Vec::new());
        let manifests = release.manifests.iter();
        let manifests = manifests.map(|(name, text)| (format!("deploy/{name}"), *text));
        for (name, text) in manifests.chain([("service.py".to_owned(), SERVICE)]) {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        let bytes = tar.into_inner().unwrap();
        let path = self.dir.path().join(format!("{generation}.tar"));
        std::fs::write(&path, &bytes).unwrap();
        let snapshot = Source {
            uri: path.display().to_string(),
            sha256: Digest::of(&bytes),
        };
        self.bot().rooms.releases.deploy(&plan, snapshot).await
    }

    async fn plan(&self, generation: u64, release: &Release) -> DeployPlan {
        let label = [("LABEL", release.id)];
        let env = release.env.iter().chain(&label);
        DeployPlan {
            repo: Repo {
                id: REPO,
                name: RepoName::parse("octo/adder-service").unwrap(),
            },
            environment: staging(),
            release: release.id.to_owned(),
            generation,
            commit: CommitSha::parse(&"a".repeat(40)).unwrap(),
            trust: Trust::Trusted,
            runtime: None,
            test: None,
            image: None,
            deploy: release.brings(),
            serve: Some(ServePlan {
                run: vec!["python3".to_owned(), "service.py".to_owned()],
                ready: "/readyz".to_owned(),
                env: env
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                sample_sets: vec![SampleSet::new(
                    "/v1/predict",
                    (0..3)
                        .map(|x| Sample {
                            input: json!({ "x": x }),
                            output: json!({ "label": x + release.expected }),
                            tolerance: 0.0,
                        })
                        .collect(),
                )],
                ready_timeout_s: 60,
                cpu_millis: 50,
                memory_bytes: 128 << 20,
                model: Some("adder".to_owned()),
            }),
            models: vec![self.model(generation, release.offset).await],
            door: DoorSpec {
                keys: Vec::new(),
                concurrency: 16,
                queue: 64,
                body_bytes_max: 1 << 20,
                telemetry: true,
            },
            auth: true,
            logs: false,
            replicas: release.replicas,
            cluster: None,
            pr: None,
        }
    }

    async fn model(&self, version: u64, offset: i64) -> ModelFiles {
        let bytes = offset.to_string();
        let kept = self
            .bot()
            .rooms
            .artifacts
            .put_bytes(bytes.clone().into())
            .await;
        let file = File {
            path: RepoPath::parse("offset.txt").unwrap(),
            sha256: kept.unwrap(),
            bytes: bytes.len() as u64,
            media_type: "text/plain".to_owned(),
        };
        ModelFiles {
            name: "adder".to_owned(),
            version: Some(version),
            digest: artifact::digest(std::slice::from_ref(&file)),
            files: vec![file],
        }
    }

    /// What is live.
    pub(crate) fn live(&self) -> Option<Live> {
        self.bot().rooms.releases.live(REPO, &staging())
    }

    /// Waits until the order is in this phase.
    pub(crate) async fn settled(&self, generation: u64, phase: RolloutPhase) -> Live {
        let began = Instant::now();
        loop {
            let live = self.live();
            if let Some(live) = &live
                && live.generation == generation
                && live.phase == phase
            {
                return live.clone();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{phase:?}: {live:?}\n{}",
                self.log()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the namespace is gone.
    pub(crate) async fn namespace_goes(&self) {
        let all: Api<Namespace> = Api::all(self.client.clone());
        let began = Instant::now();
        while all.get_opt(&self.namespace).await.unwrap().is_some() {
            assert!(began.elapsed() < PATIENCE, "the namespace stays");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the environment is told of.
    pub(crate) async fn news(&self) {
        // The bot's own watch asks too, and may have been told: what it was told it has stored as a wake.
        let began = Instant::now();
        while self.live().is_none() {
            assert!(began.elapsed() < PATIENCE, "nobody tells of it");
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn sweep(&self) {
        self.bot().rooms.releases.sweep().await;
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        let path: PathBuf = self.bot().rooms.releases.log_path(REPO, &staging());
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// The key to use.
    pub(crate) fn key(&self) -> SecretString {
        self.bot()
            .rooms
            .releases
            .keys(REPO, &staging())
            .unwrap()
            .primary
    }

    pub(crate) async fn rotate(&self) {
        let releases = &self.bot().rooms.releases;
        releases
            .rotate(REPO, &staging(), Which::Primary)
            .await
            .unwrap();
    }

    /// Asks again and again until told to end.
    pub(crate) fn load(&self, url: &str) -> Load {
        let load = Load {
            is_over: Arc::new(AtomicBool::new(false)),
            answered: Arc::default(),
            last: Arc::default(),
            task: None,
        };
        let (is_over, answered, last) = (
            Arc::clone(&load.is_over),
            Arc::clone(&load.answered),
            Arc::clone(&load.last),
        );
        let (http, url, key) = (self.http.clone(), url.to_owned(), self.key());
        let task = tokio::spawn(async move {
            let mut failed = Vec::new();
            let until = Instant::now() + 2 * PATIENCE;
            while !is_over.load(Ordering::Relaxed) && Instant::now() < until {
                match ask(&http, &url, Some(&key), 5).await {
                    Ok((200, answer)) => {
                        answered.fetch_add(1, Ordering::Relaxed);
                        last.store(answer["label"].as_i64().unwrap_or(0), Ordering::Relaxed);
                    }
                    Ok((status, answer)) => failed.push(format!("{status} {answer}")),
                    Err(error) => failed.push(error),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            failed
        });
        Load {
            task: Some(task),
            ..load
        }
    }

    pub(super) fn all<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Names of the objects of a kind.
    pub(crate) async fn names<K>(&self) -> BTreeSet<String>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let found = self.all::<K>().list(&ListParams::default()).await.unwrap();
        found
            .items
            .iter()
            .filter_map(|found| found.meta().name.clone())
            .collect()
    }

    pub(crate) async fn pod_names(&self) -> BTreeSet<String> {
        self.names::<Pod>().await
    }

    /// Waits until no pod is there but of this release.
    pub(crate) async fn pods_are_of(&self, release: &str) {
        let began = Instant::now();
        loop {
            let pods = self
                .all::<Pod>()
                .list(&ListParams::default())
                .await
                .unwrap();
            let labels = pods
                .items
                .iter()
                .filter_map(|pod| pod.metadata.labels.as_ref());
            if labels
                .into_iter()
                .all(|labels| labels["bowsprit.dev/release"] == release)
            {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "other pods stay");
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn delete_deployment(&self) {
        for name in self.names::<Deployment>().await {
            let all = self.all::<Deployment>();
            all.delete(&name, &DeleteParams::default()).await.unwrap();
        }
    }

    /// Things of somebody else, and a Service that only looks like one of ours.
    pub(crate) async fn leave_something_foreign(&self) {
        let mut theirs = ConfigMap::default();
        theirs.metadata.name = Some("theirs".to_owned());
        let all = self.all::<ConfigMap>();
        all.create(&PostParams::default(), &theirs).await.unwrap();
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "other", "labels": {"app.kubernetes.io/managed-by": "bowsprit",
                "bowsprit.dev/repo": "7", "bowsprit.dev/environment": "production"}},
            "spec": {"ports": [{"port": 80}]},
        }))
        .unwrap();
        let all = self.all::<Service>();
        all.create(&PostParams::default(), &service).await.unwrap();
    }

    pub(crate) async fn remove(&self) {
        self.bot()
            .rooms
            .releases
            .remove(REPO, &staging())
            .await
            .unwrap();
        assert!(self.bot().rooms.releases.live(REPO, &staging()).is_none());
    }

    pub(crate) async fn only_the_foreign_is_left(&self) {
        let left = self.what_is_left().await;
        assert_eq!(left, ["ConfigMap theirs", "Service other"]);
        self.end().await;
    }

    pub(crate) async fn is_empty(&self) {
        let left = self.what_is_left().await;
        assert_eq!(left, Vec::<String>::new());
        self.end().await;
    }

    /// What is left once everything has ended that is ending.
    async fn what_is_left(&self) -> Vec<String> {
        let began = Instant::now();
        loop {
            let pods = self.names::<Pod>().await;
            let secrets = self.names::<Secret>().await;
            if (pods.is_empty() && secrets.is_empty()) || began.elapsed() > PATIENCE {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        let kinds = [
            ("ConfigMap", self.names::<ConfigMap>().await),
            ("Deployment", self.names::<Deployment>().await),
            (
                "HorizontalPodAutoscaler",
                self.names::<HorizontalPodAutoscaler>().await,
            ),
            ("NetworkPolicy", self.names::<NetworkPolicy>().await),
            ("Pod", self.names::<Pod>().await),
            (
                "PodDisruptionBudget",
                self.names::<PodDisruptionBudget>().await,
            ),
            ("Secret", self.names::<Secret>().await),
            ("Service", self.names::<Service>().await),
            ("ServiceAccount", self.names::<ServiceAccount>().await),
        ];
        let all = kinds
            .into_iter()
            .flat_map(|(kind, names)| names.into_iter().map(move |name| format!("{kind} {name}")));
        // What the cluster puts into every namespace.
        let usual = ["ConfigMap kube-root-ca.crt", "ServiceAccount default"];
        all.filter(|left| !usual.contains(&left.as_str())).collect()
    }

    async fn end(&self) {
        let all: Api<Namespace> = Api::all(self.client.clone());
        all.delete(&self.namespace, &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// Requests that go on and on.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    last: Arc<AtomicI64>,
    task: Option<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    /// Waits until the last answer was this.
    pub(crate) async fn until_answered(&self, label: i64) {
        let began = Instant::now();
        while self.last.load(Ordering::Relaxed) != label {
            assert!(began.elapsed() < PATIENCE, "nobody answers {label}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends it; returns how many were answered, and what the others met.
    pub(crate) async fn end(mut self) -> (u64, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failed = self.task.take().unwrap().await.unwrap();
        (self.answered.load(Ordering::Relaxed), failed)
    }
}
