//! A namespace for builds, the room of images, and what a build reaches: the bot's door and a package index.

use crate::place::among_others;
use axum::Router;
use axum::extract::Path as Asked;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use bowsprit::cluster::Cluster;
use bowsprit::config::Config;
use bowsprit::http::builds;
use bowsprit::images::registry::Client;
use bowsprit::images::{Credentials, Ensured, Images, Wanted};
use bowsprit_core::image::reference::{Pinned, Reference};
use bowsprit_core::name::Digest;
use bowsprit_core::training::spec::Source;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, LogParams, PostParams};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::RwLockReadGuard;

/// A build, with everything that it pulls, on a machine that is busy.
const BUILD_MAX: Duration = Duration::from_secs(600);
/// How often the cluster is asked again.
const PAUSE: Duration = Duration::from_millis(300);

/// Makes a wheel with one module, and prints nothing.
const WHEEL: &str = r#"
import sys, zipfile
name = "bowsprit_greeting-1.0.dist-info"
files = {
    "bowsprit_greeting.py": "WORD = 'ahoy'\n",
    f"{name}/METADATA": "Metadata-Version: 2.1\nName: bowsprit-greeting\nVersion: 1.0\n",
    f"{name}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
files[f"{name}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{name}/RECORD"])
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    for path, text in files.items():
        wheel.writestr(zipfile.ZipInfo(path), text)
"#;

pub(super) struct House {
    pub(super) images: Images,
    pub(super) registry: Client,
    pub(super) base: Pinned,
    pub(super) wheel: Digest,
    pub(super) dir: TempDir,
    client: kube::Client,
    namespace: String,
    prefix: String,
    config: String,
    _turn: RwLockReadGuard<'static, ()>,
}

/// What this cluster's machine is called; the defaults are those of the bed.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn registry_host() -> String {
    setting("KTB_REGISTRY_IN_PODS", "10.87.255.1:5000")
}

/// The base image, and an `[images]` for a bot whose builds are in this namespace; it belongs after `[cluster]`.
pub(crate) async fn section(namespace: &str) -> (String, String) {
    let registry = Client::new(Credentials::default(), vec![registry_host()]).unwrap();
    let base = pinned(&registry, "library/python:3.11-slim", "images base").await;
    let what = "images build bowsprit/builder helm/builder";
    let builder = pinned(&registry, "bowsprit/builder:latest", what).await;
    let section = format!(
        "build_namespace = \"{namespace}\"\n[images]\nregistry = \"{0}\"\nrepository_prefix = \"test/{namespace}\"\n\
         builder_image = \"{builder}\"\ninsecure_registries = \"{0}\"\n",
        registry_host()
    );
    (base.to_string(), section)
}

impl House {
    /// `None`, and a loud word, where there is no cluster.
    pub(super) async fn open(name: &str) -> Option<House> {
        if std::env::var_os("KUBECONFIG").is_none() {
            eprintln!("SKIPPED: KUBECONFIG is not set; `tests/cluster/bed/up` starts a cluster");
            return None;
        }
        let turn = among_others().await;
        let dir = tempfile::tempdir().unwrap();
        let listener = listen().await;
        let index_url = url_of(&listener);
        let registry = Client::new(Credentials::default(), vec![registry_host()]).unwrap();
        let base = pinned(&registry, "library/python:3.11-slim", "images base").await;
        let what = "images build bowsprit/builder helm/builder";
        let builder = pinned(&registry, "bowsprit/builder:latest", what).await;
        let unique = &Digest::of(dir.path().as_os_str().as_encoded_bytes()).hex()[..8].to_owned();
        let namespace = format!("images-{name}-{unique}");
        let prefix = format!("test/{namespace}");
        let config = format!(
            "[github]\napp_id = 7\nprivate_key_file = \"{0}/key.pem\"\nwebhook_secret_files = [\"{0}/secret\"]\n\
             [cluster]\nbuild_namespace = \"{namespace}\"\nservice_account = \"builds\"\nbase_image = \"{base}\"\n\
             [images]\nregistry = \"{1}\"\nrepository_prefix = \"{prefix}\"\nbuilder_image = \"{builder}\"\n\
             insecure_registries = \"{1}\"\nbuild_settings = \"build-settings\"\n",
            dir.path().display(),
            registry_host()
        );
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----\n";
        std::fs::write(dir.path().join("key.pem"), pem).unwrap();
        std::fs::write(dir.path().join("secret"), "0123456789abcdef").unwrap();
        let client = kube::Client::try_default().await.unwrap();
        furnish(&client, &namespace, &index_url).await;
        let (wheel, index) = index(dir.path());
        tokio::spawn(async move { axum::serve(listener, index).await });
        Some(House {
            images: bot(&dir, "state", &config).await,
            registry,
            base,
            wheel,
            dir,
            client,
            namespace,
            prefix,
            config,
            _turn: turn,
        })
    }

    /// Another bot of the same project, with a disk of its own.
    pub(super) async fn twin(&self) -> Images {
        bot(&self.dir, "twin", &self.config).await
    }

    /// A bot whose project has a registry of its own with this account, and for which the usual one is shared.
    pub(super) async fn with_registry(&self, host: &str, account: &str) -> Images {
        let name = Digest::of(account.as_bytes()).short().to_owned();
        let path = self.dir.path().join(format!("{name}.json"));
        let auth = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, account);
        let text = json!({"auths": {host: {"auth": auth}}}).to_string();
        std::fs::write(&path, text).unwrap();
        let usual = registry_host();
        let config = self
            .config
            .replace(
                &format!("\nregistry = \"{usual}\""),
                &format!(
                    "\nregistry = \"{host}\"\nshared_registry = \"{usual}\"\nauth_file = {path:?}"
                ),
            )
            .replace(
                &format!("insecure_registries = \"{usual}\""),
                &format!("insecure_registries = \"{usual}, {host}\""),
            );
        bot(&self.dir, &name, &config).await
    }

    /// Where servers of a test listen, so that pods reach them.
    pub(super) fn address() -> String {
        setting("KTB_HOST_IP", "10.87.255.1")
    }

    /// Asks until there is an end.
    pub(super) async fn end(&self, images: &Images, wanted: &Wanted) -> Ensured {
        let began = Instant::now();
        loop {
            match images.ensure(wanted).await {
                Ok(Ensured::Building { waiting }) => assert!(
                    began.elapsed() < BUILD_MAX,
                    "still being built: {waiting:?}\n{}",
                    self.pods().await
                ),
                Ok(end) => return end,
                Err(error) => panic!("{error:#}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn ready(&self, images: &Images, wanted: &Wanted) -> (Pinned, String) {
        match self.end(images, wanted).await {
            Ensured::Ready { image, found } => (image, found.to_string()),
            other => panic!("not ready: {other:?}"),
        }
    }

    pub(super) async fn reason(&self, wanted: &Wanted) -> String {
        match self.end(&self.images, wanted).await {
            Ensured::Failed { reason } => reason,
            other => panic!("not failed: {other:?}"),
        }
    }

    pub(super) async fn jobs(&self) -> usize {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), &self.namespace);
        jobs.list(&ListParams::default()).await.unwrap().items.len()
    }

    async fn pods(&self) -> String {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pods = pods.list(&ListParams::default()).await.unwrap();
        let shown = pods.items.iter().map(|pod| format!("{:?}\n", pod.status));
        shown.collect()
    }

    /// What a command says in a pod of this image, which runs as the image's own user.
    pub(super) async fn say(&self, image: &Pinned, python: &str) -> String {
        let name = format!("say-{}", &Digest::of(python.as_bytes()).hex()[..8]);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pod = json!({
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true},
                "containers": [{"name": "c", "image": image.to_string(), "command": ["python", "-c", python]}]
            }
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        let began = Instant::now();
        loop {
            let pod = pods.get(&name).await.unwrap();
            let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
            let is_over = matches!(phase.as_deref(), Some("Succeeded" | "Failed"));
            if is_over {
                return pods.logs(&name, &LogParams::default()).await.unwrap();
            }
            assert!(began.elapsed() < BUILD_MAX, "{:?}", pod.status);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A commit's files.
    pub(super) fn snapshot(&self, files: &[(&str, &str)]) -> Source {
        let mut bytes = Vec::new();
        let mut archive = tar::Builder::new(&mut bytes);
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
        archive.finish().unwrap();
        drop(archive);
        let sha256 = Digest::of(&bytes);
        let path = self.dir.path().join(format!("{}.tar", sha256.hex()));
        std::fs::write(&path, bytes).unwrap();
        Source {
            uri: path.display().to_string(),
            sha256,
        }
    }

    /// Where images of this house are kept: `trusted/runtime` and the like.
    pub(super) fn path(&self, kept: &str) -> String {
        format!("{}/{kept}", self.prefix)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let namespace = self.namespace.clone();
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let client = kube::Client::try_default().await.unwrap();
                let all: Api<Namespace> = Api::all(client);
                all.delete(&namespace, &DeleteParams::background()).await
            })
        });
        if let Ok(Err(error)) = removal.join() {
            eprintln!("namespace stays: {error}");
        }
    }
}

/// A bot with a disk and a door of its own.
async fn bot(dir: &TempDir, state: &str, config: &str) -> Images {
    let listener = listen().await;
    let door = format!("[cluster]\nbot_url = \"{}\"\n", url_of(&listener));
    let config = config.replace("[cluster]\n", &door);
    let path = dir.path().join(format!("{state}.toml"));
    let state = dir.path().join(state);
    std::fs::write(&path, format!("state_dir = {state:?}\n{config}")).unwrap();
    let config = Config::load(Some(&path), std::iter::empty()).unwrap();
    let cluster = Cluster::open(&config.cluster).await.unwrap();
    let images = Images::open(&config, config.images.as_ref().unwrap(), cluster).unwrap();
    let router = builds::router(images.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    images
}

async fn listen() -> TcpListener {
    let address = House::address();
    TcpListener::bind((address.as_str(), 0)).await.unwrap()
}

fn url_of(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

async fn pinned(registry: &Client, name: &str, made_by: &str) -> Pinned {
    let name = format!("{}/{name}", registry_host());
    let Reference::Tagged(image) = Reference::parse(&name).unwrap() else {
        panic!("`{name}` has no tag");
    };
    let found = registry.find(&image).await.unwrap();
    found.unwrap_or_else(|| panic!("there is no `{name}`: `tests/cluster/bed/{made_by}` makes it"))
}

/// The namespace, an account without rights, and what builds in this network need.
async fn furnish(client: &kube::Client, namespace: &str, index: &str) {
    let how = PostParams::default();
    let all: Api<Namespace> = Api::all(client.clone());
    let made = json!({"metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    all.create(&how, &serde_json::from_value(made).unwrap())
        .await
        .unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let made = json!({"metadata": {"name": "builds"}});
    accounts
        .create(&how, &serde_json::from_value(made).unwrap())
        .await
        .unwrap();
    let host = url::Url::parse(index).unwrap();
    let host = host.host_str().unwrap();
    let registry = registry_host();
    let settings = json!({"metadata": {"name": "build-settings"}, "data": {
        "pip.conf": format!("[global]\nindex-url = {index}/simple\ntrusted-host = {host}\nretries = 1\n"),
        "registries.conf": format!("[[registry]]\nprefix = \"docker.io\"\nlocation = \"{registry}\"\ninsecure = true\n"),
    }});
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    maps.create(&how, &serde_json::from_value(settings).unwrap())
        .await
        .unwrap();
}

/// An index with one package, and the digest of its wheel.
fn index(dir: &Path) -> (Digest, Router) {
    let file = "bowsprit_greeting-1.0-py3-none-any.whl";
    let path: PathBuf = dir.join(file);
    let made = Command::new("python3")
        .args(["-c", WHEEL])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let bytes = std::fs::read(&path).unwrap();
    let digest = Digest::of(&bytes);
    let page = Html(format!("<a href=\"/wheels/{file}\">{file}</a>"));
    let router = Router::new()
        .route(
            "/simple/{name}/",
            get(move |Asked(name): Asked<String>| async move {
                match name.as_str() {
                    "bowsprit-greeting" => page.into_response(),
                    _ => http::StatusCode::NOT_FOUND.into_response(),
                }
            }),
        )
        .route("/wheels/{file}", get(move || async move { bytes }));
    (digest, router)
}
