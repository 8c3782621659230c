//! Who is trusted with what, told wherever stages run: on this machine, and in a cluster.

use crate::harness::World;
use bowsprit::config::Config;
use serde_json::{Value, json};

pub(crate) const REPO: &str = "tiny-training";
/// What the secret is.
pub(crate) const VALUE: &str = "correct-horse-battery";

/// The server knows one secret of the training repository.
pub(crate) fn with_key(config: &mut Config) {
    let secrets = [("TINY_KEY".to_owned(), VALUE.into())];
    let of = "ada/tiny-training".to_owned();
    config.secrets.insert(of, secrets.into());
}

/// A contract whose training step names the secret `name`, and a step that says it and learns whether it has it.
fn files(t: &World, name: &str) -> [(&'static str, String); 2] {
    let contract = t.read(REPO, "bowsprit.yaml").replace(
        "    timeout: 1m\n",
        &format!("    timeout: 1m\n    secrets: [{name}]\n"),
    );
    let train = format!(
        "import os\nkey = open(os.environ['{name}_FILE']).read()\nprint('the key is', key, len(key))\n{}",
        t.read(REPO, "train.py")
    );
    [("bowsprit.yaml", contract), ("train.py", train)]
}

pub(crate) async fn train(t: &World, branch: &str, name: &str) -> String {
    let files = files(t, name);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    t.push(REPO, "linus", branch, "Use a key", &files).await
}

pub(crate) async fn conclusion(t: &World, sha: &str) -> (Value, String) {
    t.settle().await;
    let check = t.check(REPO, sha, "train").await.expect("a check");
    (check["conclusion"].clone(), check["output"].to_string())
}

/// Every file below the bot's directory that holds the value.
fn holders(t: &World) -> Vec<String> {
    let found = std::process::Command::new("grep")
        .args(["-rlaF", VALUE, "bot"])
        .current_dir(t.dir.path())
        .output()
        .expect("grep runs");
    let text = String::from_utf8_lossy(&found.stdout);
    text.lines().map(str::to_owned).collect()
}

/// A push uses a secret, and nothing that is kept or shown has it.
pub(crate) async fn push_with_secrets(t: &World) {
    let sha = train(t, "main", "TINY_KEY").await;
    let (how, told) = conclusion(t, &sha).await;
    assert_eq!(how, "success", "{told}");
    assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
    let check = t.check(REPO, &sha, "train").await.expect("a check");
    let run = check["external_id"].as_str().expect("a run");
    let log = t.bot().rooms.runs.log_path(&format!("{run}-train"));
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(log.contains("the key is *** 21"), "{log}");
    assert_eq!(holders(t), Vec::<String>::new());
}

/// Mallory forks a repository.
pub(crate) async fn fork(t: &World, repo: &str) {
    let path = format!("/repos/ada/{repo}/forks");
    t.api("mallory", "POST", &path, Some(json!({}))).await;
}

/// The pull request of the branch `offer` of mallory's fork: its number.
pub(crate) async fn offer_fork(t: &World, repo: &str) -> u64 {
    let body = json!({"title": "A gift", "head": "mallory:offer", "base": "main"});
    let path = format!("/repos/ada/{repo}/pulls");
    let pr = t.api("mallory", "POST", &path, Some(body)).await;
    pr["number"].as_u64().expect("a number")
}

/// A fork trains once somebody looked at its head, and proposes nothing.
pub(crate) async fn train_a_fork(t: &World) {
    fork(t, REPO).await;
    t.pull(REPO, "main").await;
    let to = ("mallory", REPO);
    t.push_to(to, "mallory", "main", "Mine", &[("note.txt", "mine\n")])
        .await;
    let head = t
        .push_to(to, "mallory", "offer", "Mine", &[("note.txt", "more\n")])
        .await;
    let pr = offer_fork(t, REPO).await;
    t.settle().await;
    assert_eq!(t.check(REPO, &head, "train").await, None::<Value>);
    t.say(REPO, "linus", pr, &format!("/ok-to-test {head}"))
        .await;
    t.settle().await;
    let check = t.check(REPO, &head, "train").await.expect("a check");
    assert_eq!(check["conclusion"], "success", "{check}");
    assert_eq!(
        t.proposals("bowsprit/tiny").await.len(),
        0,
        "a pull request proposes nothing"
    );
}
