//! A syncer of git and kubectl alone, and what stands in the repository that it reads.

use crate::harness::{POLL, World};
use crate::place::{Cluster, FURTHER_PATH, PATH, WRITTEN_TO};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// What a syncer notes its objects by where they are in several namespaces, as kubectl wants it.
const APPLY_SETS: &str = r#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "applysets.story.bowsprit.dev", "labels": {"applyset.kubernetes.io/is-parent-type": "true"}},
    "spec": {"group": "story.bowsprit.dev", "scope": "Cluster", "names": {"kind": "ApplySet", "plural": "applysets"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}"#;
/// One of these; the label is the digest of its name and kind.
const APPLY_SET: &str = r#"{"apiVersion": "story.bowsprit.dev/v1", "kind": "ApplySet", "metadata": {"name": "synced",
    "labels": {"applyset.kubernetes.io/id": "applyset-ixwHUg8xyvkYogV0OOLd6sBCw0MzZ2nIyggvPgMFi4E-v1"},
    "annotations": {"applyset.kubernetes.io/tooling": "kubectl/v1.34", "applyset.kubernetes.io/contains-group-kinds": ""}}}"#;

/// Brings a folder of the repository to the cluster whenever its branch has moved, as Flux would: what is gone there goes
/// here.
pub(crate) struct Syncer {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Syncer {
    /// Begins to bring what is for the cluster.
    pub(crate) fn start(t: &World, cluster: &Cluster) -> Syncer {
        Syncer::start_for(t, PATH, &cluster.environments())
    }

    /// Begins to bring a folder to a namespace.
    pub(crate) fn start_for(t: &World, folder: &str, namespace: &str) -> Syncer {
        let to = ["--namespace", namespace, "--applyset=configmap/synced"];
        Syncer::bring(t, folder, &to)
    }

    /// The same to whatever namespaces its objects name.
    pub(crate) fn start_apart(t: &World) -> Syncer {
        for text in [APPLY_SETS, APPLY_SET] {
            let file = t.dir.path().join("applysets.json");
            std::fs::write(&file, text).expect("a file");
            kubectl(&["apply", "--filename", path(&file)]).expect("it is applied");
            let kind = "crd/applysets.story.bowsprit.dev";
            let wait = ["wait", "--for=condition=Established", kind];
            kubectl(&wait).expect("the kind is known");
        }
        Syncer::bring(t, PATH, &["--applyset=applysets.story.bowsprit.dev/synced"])
    }

    fn bring(t: &World, folder: &str, to: &[&str]) -> Syncer {
        let url = url(t);
        let copy = t.dir.path().join(folder.replace('/', "-"));
        let filename = copy.join(folder);
        let apply = ["apply", "--prune", "--recursive", "--filename"];
        let apply = [apply.as_slice(), &[path(&filename)], to].concat();
        let apply: Vec<String> = apply.into_iter().map(str::to_owned).collect();
        let is_over = Arc::<AtomicBool>::default();
        let over = is_over.clone();
        let task = tokio::task::spawn_blocking(move || {
            let apply: Vec<&str> = apply.iter().map(String::as_str).collect();
            let mut seen = String::new();
            while !over.load(Ordering::Relaxed) {
                let head = fetch(&url, &copy);
                if head != seen {
                    match kubectl(&apply) {
                        Ok(_) => seen = head,
                        // A syncer tries again; what it said helps whoever reads why a story failed.
                        Err(told) => eprintln!("kubectl: {told}"),
                    }
                }
                std::thread::sleep(POLL * 20);
            }
        });
        Syncer { is_over, task }
    }

    /// Ends.
    pub(crate) async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.expect("it ends");
    }

    /// Ends, as one that was started for several namespaces.
    pub(crate) async fn stop_apart(self) {
        self.stop().await;
        kubectl(&["delete", "crd", "applysets.story.bowsprit.dev"]).expect("it is removed");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path")
}

fn url(t: &World) -> String {
    let host = t.hub.url.trim_start_matches("http://");
    format!("http://ada:ada-token@{host}/{WRITTEN_TO}.git")
}

/// What kubectl says. Errors: what it says of a failure.
fn kubectl(words: &[&str]) -> Result<String, String> {
    let output = Command::new("kubectl")
        .args(words)
        .env("KUBECTL_APPLYSET", "true")
        .output()
        .expect("kubectl runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

/// Takes over what the branch has; says its head.
fn fetch(url: &str, copy: &Path) -> String {
    if !copy.exists() {
        std::fs::create_dir_all(copy).expect("a folder");
        git(copy, &["init", "-q"]);
    }
    git(copy, &["fetch", "-q", url, "main"]);
    git(copy, &["reset", "-q", "--hard", "FETCH_HEAD"]);
    git(copy, &["rev-parse", "HEAD"])
}

fn git(dir: &Path, words: &[&str]) -> String {
    let output = Command::new("git").args(words).current_dir(dir).output();
    let output = output.expect("git runs");
    assert!(output.status.success(), "git {words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The repository is there, with a file of a person's in what is synced to each cluster.
pub(crate) async fn begin(t: &World, cluster: &Cluster) {
    let name = WRITTEN_TO.trim_start_matches("ada/");
    let made = json!({"name": name, "auto_init": true});
    t.api("ada", "POST", "/user/repos", Some(made)).await;
    let places = [
        (PATH, cluster.environments()),
        (FURTHER_PATH, cluster.further()),
    ];
    for (folder, namespace) in places {
        let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"kept": "yes"},
            "metadata": {"name": "theirs", "namespace": namespace}});
        let path = format!("/repos/{WRITTEN_TO}/contents/{folder}/theirs.yaml");
        let file =
            json!({"message": "Keep something", "content": STANDARD.encode(theirs.to_string())});
        t.api("ada", "PUT", &path, Some(file)).await;
    }
    t.settle().await;
}

/// The commits of the bot, newest first.
pub(crate) async fn commits(t: &World) -> Vec<Value> {
    let path = format!("/repos/{WRITTEN_TO}/commits?per_page=100");
    let all = t.api("ada", "GET", &path, None).await;
    let all = all.as_array().expect("a list").iter();
    let ours = all.filter(|commit| commit["commit"]["author"]["name"] == "bowsprit[bot]");
    ours.cloned().collect()
}

/// The first lines of what they say, newest first.
pub(crate) async fn subjects(t: &World) -> Vec<String> {
    let subject = |commit: &Value| {
        let message = commit["commit"]["message"].as_str().unwrap_or_default();
        message.lines().next().unwrap_or_default().to_owned()
    };
    commits(t).await.iter().map(subject).collect()
}

/// The files of the bot, as the branch has them now.
pub(crate) fn written(t: &World) -> Vec<PathBuf> {
    let copy = t.dir.path().join("looked-at");
    fetch(&url(t), &copy);
    let list = git(&copy, &["ls-files", "clusters"]);
    let ours = list.lines().filter(|path| !path.ends_with("theirs.yaml"));
    ours.map(|path| copy.join(path)).collect()
}

/// Whether the branch has a file of this environment.
pub(crate) fn is_written(t: &World, environment: &str) -> bool {
    let folder = format!("/bowsprit-tiny-service-{environment}-");
    let files = written(t);
    let mut files = files.iter().map(|path| path.to_string_lossy());
    files.any(|path| path.contains(&folder))
}

/// The file of an environment's Deployment; empty where there is none.
pub(crate) fn deployment_of(t: &World, environment: &str) -> String {
    let folder = format!("bowsprit-tiny-service-{environment}-");
    let mut files = written(t).into_iter();
    let found = files.find(|path| {
        let text = path.to_string_lossy();
        text.contains(&folder) && text.ends_with("/deployment.yaml")
    });
    let text = found.map(std::fs::read_to_string);
    text.transpose().expect("a file").unwrap_or_default()
}
