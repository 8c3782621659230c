//! Named secrets: a push to a protected branch has them, a pull request is told why not.

use crate::harness::{World, run_test_with};
use bowsprit::config::Config;
use serde_json::Value;

const REPO: &str = "tiny-training";
const VALUE: &str = "correct-horse-battery";

/// The server knows one secret of the training repository.
fn with_key(config: &mut Config) {
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

async fn train(t: &World, branch: &str, name: &str) -> String {
    let files = files(t, name);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    t.push(REPO, "linus", branch, "Use a key", &files).await
}

async fn conclusion(t: &World, sha: &str) -> (Value, String) {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_push_has_its_secrets_and_nothing_shows_them() {
    run_test_with(with_key, async |t| {
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
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_refused_its_secrets_and_an_unknown_name_too() {
    run_test_with(with_key, async |t| {
        let sha = train(t, "topic", "TINY_KEY").await;
        t.open_pull(REPO, "linus", "topic", "Use a key").await;
        let (how, told) = conclusion(t, &sha).await;
        assert_eq!(how, "failure", "{told}");
        assert!(
            told.contains("merge it and the push to `main` trains with them"),
            "{told}"
        );

        t.pull(REPO, "main").await;
        let sha = train(t, "main", "OTHER_KEY").await;
        let (how, told) = conclusion(t, &sha).await;
        assert_eq!(how, "failure", "{told}");
        assert!(told.contains("[secrets."), "{told}");
    })
    .await;
}
