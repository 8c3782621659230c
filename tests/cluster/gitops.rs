//! Releases that are commits: written by the bot, which may not apply them, and brought by a syncer of git and kubectl alone.

use crate::both::{self, Production};
use crate::harness::{POLL, World};
use crate::place::{Cluster, WRITTEN_TO, run_written};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit_core::serving::spec::RolloutPhase;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

const REPO: &str = "tiny-service";
/// A file that a person keeps beside the bot's folders, and that is synced as they are.
const THEIRS: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}, data: {kept: \"yes\"}}\n";

/// Brings the repository to the cluster whenever its branch has moved, as Flux would: what is gone there goes here.
struct Syncer {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Syncer {
    fn start(t: &World, cluster: &Cluster) -> Syncer {
        let host = t.hub.url.trim_start_matches("http://");
        let url = format!("http://ada:ada-token@{host}/{WRITTEN_TO}.git");
        let copy = t.dir.path().join("synced");
        let namespace = cluster.environments();
        let is_over = Arc::<AtomicBool>::default();
        let over = is_over.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut seen = String::new();
            while !over.load(Ordering::Relaxed) {
                let head = fetch(&url, &copy);
                if head != seen && apply(&copy, &namespace) {
                    seen = head;
                }
                std::thread::sleep(POLL * 20);
            }
        });
        Syncer { is_over, task }
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.expect("it ends");
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

fn apply(copy: &Path, namespace: &str) -> bool {
    let mut words = vec!["--namespace", namespace, "apply", "--prune"];
    words.extend([
        "--applyset=configmap/synced",
        "--recursive",
        "--filename",
        "clusters/story",
    ]);
    let output = Command::new("kubectl")
        .args(words)
        .current_dir(copy)
        .env("KUBECTL_APPLYSET", "true")
        .output()
        .expect("kubectl runs");
    if !output.status.success() {
        // A syncer tries again; what it said helps whoever reads why a story failed.
        eprintln!("kubectl: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// The repository is there, with a file of a person's.
async fn begin(t: &World) {
    let name = WRITTEN_TO.trim_start_matches("ada/");
    let made = json!({"name": name, "auto_init": true});
    t.api("ada", "POST", "/user/repos", Some(made)).await;
    let path = format!("/repos/{WRITTEN_TO}/contents/clusters/story/theirs.yaml");
    let file = json!({"message": "Keep something", "content": STANDARD.encode(THEIRS)});
    t.api("ada", "PUT", &path, Some(file)).await;
    t.settle().await;
}

/// The commits of the bot, newest first.
async fn commits(t: &World) -> Vec<Value> {
    let path = format!("/repos/{WRITTEN_TO}/commits?per_page=100");
    let all = t.api("ada", "GET", &path, None).await;
    let all = all.as_array().expect("a list").iter();
    let ours = all.filter(|commit| commit["commit"]["author"]["name"] == "bowsprit[bot]");
    ours.cloned().collect()
}

/// The first lines of what they say, newest first.
async fn subjects(t: &World) -> Vec<String> {
    let subject = |commit: &Value| {
        let message = commit["commit"]["message"].as_str().unwrap_or_default();
        message.lines().next().unwrap_or_default().to_owned()
    };
    commits(t).await.iter().map(subject).collect()
}

/// The files below the synced folder, as the branch has them now.
fn written(t: &World) -> Vec<PathBuf> {
    let host = t.hub.url.trim_start_matches("http://");
    let url = format!("http://ada:ada-token@{host}/{WRITTEN_TO}.git");
    let copy = t.dir.path().join("looked-at");
    fetch(&url, &copy);
    let list = git(&copy, &["ls-files", "clusters/story"]);
    list.lines().map(|path| copy.join(path)).collect()
}

/// The file of an environment's Deployment; empty where there is none.
fn deployment_of(t: &World, environment: &str) -> String {
    let folder = format!("bowsprit-tiny-service-{environment}-");
    let mut files = written(t).into_iter();
    let found = files.find(|path| {
        let text = path.to_string_lossy();
        text.contains(&folder) && text.ends_with("/deployment.yaml")
    });
    let text = found.map(std::fs::read_to_string);
    text.transpose().expect("a file").unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_commits_and_a_named_version_comes_back() {
    run_written("releases_are_commits", async |t, cluster| {
        begin(t).await;
        let syncer = Syncer::start(t, cluster);
        both::a_named_version_comes_back_and_goes_forward_again(t).await;
        t.settle().await;
        syncer.stop().await;
        let subjects = subjects(t).await;
        let production: Vec<&str> = subjects
            .iter()
            .rev()
            .filter_map(|subject| subject.strip_suffix(" of ada/tiny-service to production"))
            .collect();
        let versions = ["tiny v1", "tiny v2", "tiny v1", "tiny v2"];
        let want = versions.map(|version| format!("Release {version}"));
        assert_eq!(production, want, "{subjects:#?}");
        for commit in commits(t).await {
            assert_eq!(commit["commit"]["verification"]["verified"], true);
        }
        // The promotions that were merged are named, and previews have come and gone.
        let last = commits(t).await;
        let told = |words: &str| last.iter().any(|commit| commit.to_string().contains(words));
        assert!(told("Pull request: ada/tiny-service#"), "{last:#?}");
        assert!(told("Remove pr-"), "{subjects:#?}");
        assert!(deployment_of(t, "pr").is_empty());
        assert!(deployment_of(t, "production").contains("kind: Deployment"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_sync_brings_and_what_cannot_serve_is_told_and_committed_back() {
    run_written("what_no_sync_brings", async |t, cluster| {
        begin(t).await;
        let syncer = Syncer::start(t, cluster);
        both::train(t, "").await;
        both::land(t, "v1").await;
        t.settle().await;
        let theirs = cluster.all::<ConfigMap>(&cluster.environments());
        assert!(theirs.get("theirs").await.is_ok());

        // The syncer dies: a preview is written, and the pull request says what nobody did.
        syncer.stop().await;
        let pr = t
            .change(REPO, "linus", "words", &[("README.md", "more words\n")])
            .await;
        let folder = format!("bowsprit-tiny-service-pr-{pr}-");
        let says = async |words: &str| {
            t.until(words, async |t| {
                let said = t.bot_says(REPO, pr).await.join("\n");
                said.contains(words).then_some(())
            })
            .await;
        };
        says("waiting for the sync").await;
        assert!(deployment_of(t, &format!("pr-{pr}")).contains("kind: Deployment"));
        says("no sync brought it to the cluster within 1 min").await;
        says("Argo CD, Flux").await;
        t.until("what was tried is taken back", async |t| {
            deployment_of(t, &format!("pr-{pr}"))
                .is_empty()
                .then_some(())
        })
        .await;
        // It lives again, and the pull request is closed: nothing of the preview is left, and what others have stays.
        let syncer = Syncer::start(t, cluster);
        let path = format!("/repos/ada/{REPO}/pulls/{pr}");
        t.api("ada", "PATCH", &path, Some(json!({"state": "closed"})))
            .await;
        t.until("the preview is gone", async |t| {
            let left = written(t);
            let mut left = left.iter().map(|path| path.to_string_lossy());
            (!left.any(|path| path.contains(&folder))).then_some(())
        })
        .await;
        t.settle().await;
        assert!(theirs.get("theirs").await.is_ok());

        // What answers otherwise than its samples is committed back, and what served goes on.
        let before = deployment_of(t, "staging");
        t.pull(REPO, "main").await;
        let odd = t
            .read(REPO, "serve.py")
            .replace("\"small\" if", "\"odd\" if");
        t.push(REPO, "ada", "main", "Answer oddly", &[("serve.py", &odd)])
            .await;
        let reason = t
            .until("staging has failed", async |t| {
                let staging = t.find_environment("staging").await?;
                let is_failed = staging.phase == Some(RolloutPhase::Failed);
                staging.reason.filter(|_| is_failed)
            })
            .await;
        assert!(reason.contains("samples"), "{reason}");
        t.until("the former files are back", async |t| {
            (deployment_of(t, "staging") == before).then_some(())
        })
        .await;
        let subjects = subjects(t).await;
        assert!(subjects[0].starts_with("Return to rel-"), "{subjects:#?}");
        let staging = Production::named(t, "staging").await;
        let (status, answer) = staging.ask("/v1/predict", 1.0).await.expect("an answer");
        assert_eq!((status, &answer["label"]), (200, &json!("small")));
        t.settle().await;
        syncer.stop().await;
    })
    .await;
}
