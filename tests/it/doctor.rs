//! The doctor: what it finds before the server is ever started, and what it says to do.

use crate::harness::{hub_config, write_config};
use bowsprit::github::own;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::process::Command;

/// Where the bot of these stories would listen. It is never started.
const BOT: &str = "127.0.0.1:9";

struct World {
    hub: bowsprit_hub::Running,
    config: PathBuf,
    dir: TempDir,
}

async fn world(change: impl FnOnce(&mut bowsprit_hub::Config)) -> World {
    let dir = TempDir::new().expect("a directory");
    let mut config = hub_config(dir.path(), &format!("http://{BOT}"));
    let app = config.app.as_mut().expect("an App");
    let needed = own::needed();
    app.permissions = needed.permissions;
    app.events = needed.events.into_iter().collect();
    change(&mut config);
    let hub = bowsprit_hub::start(config).await.expect("a hub");
    let config = write_config(dir.path(), &hub.url, BOT, &|text, _| text);
    World { hub, config, dir }
}

/// What the doctor prints, and whether it ended well.
async fn ask(config: &Path, more: &[&str]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["doctor", "--config"])
        .arg(config)
        .args(more)
        .output()
        .await
        .expect("the doctor answers");
    let text = String::from_utf8(output.stdout).expect("text");
    (text, output.status.success())
}

/// The verdict on a matter and what was said of it.
async fn finding(config: &Path, about: &str) -> (String, String) {
    let (text, _) = ask(config, &["--json"]).await;
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let findings = found["findings"].as_array().expect("a list");
    let one = findings.iter().find(|one| one["about"] == about);
    let one = one.unwrap_or_else(|| panic!("nothing about {about}: {text}"));
    let of = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    (of("verdict"), of("says"))
}

#[tokio::test]
async fn doctor_looks_for_the_repository_that_releases_are_written_to() {
    let t = world(|_| {}).await;
    let text = std::fs::read_to_string(&t.config).expect("a file");
    let image = format!("r/x@sha256:{}", "a".repeat(64));
    let text = format!(
        "{text}[releases]\nbackend = \"kubernetes\"\n[cluster]\nkubeconfig = \"/nowhere\"\nbase_image = \"{image}\"\nagent_image = \"{image}\"\n[gitops]\nrepository = \"ada/cluster-config\"\n"
    );
    std::fs::write(&t.config, text).expect("a file");
    let (verdict, says) = finding(&t.config, "releases repository").await;
    assert_eq!(verdict, "problem");
    assert!(says.contains("no installation of the App shows"), "{says}");
}

#[tokio::test]
async fn doctor_finds_a_server_that_can_start() {
    let t = world(|_| {}).await;
    let (text, is_well) = ask(&t.config, &[]).await;
    // Whether this machine confines, and what its disk holds, is its own matter.
    let problems: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("problem") && !line.contains("  disk  "))
        .collect();
    assert_eq!(problems, [""; 0], "{text}");
    assert!(is_well || text.contains("disk"), "{text}");
    for about in [
        "configuration",
        "git ",
        "python",
        "confinement",
        "GitHub App",
    ] {
        assert!(text.contains(about), "{about}: {text}");
    }
    let (verdict, says) = finding(&t.config, "GitHub App").await;
    assert_eq!(
        (verdict.as_str(), says.as_str()),
        ("ok", "bowsprit, with all permissions and events")
    );
    assert_eq!(finding(&t.config, "installations").await.1, "1");
    // GitHub could not reach this address, and nothing else is wrong with it.
    assert_eq!(finding(&t.config, "webhook").await.0, "warning");
}

#[tokio::test]
async fn doctor_names_what_the_app_lacks_and_where_its_webhook_leads() {
    let t = world(|config| {
        let app = config.app.as_mut().expect("an App");
        app.permissions
            .insert("checks".to_owned(), "read".to_owned());
        app.events.retain(|event| event != "push");
        let hook = config.webhook.as_mut().expect("a webhook");
        hook.url = "http://127.0.0.1:10/elsewhere".to_owned();
        config.installations.clear();
    })
    .await;
    let (verdict, says) = finding(&t.config, "GitHub App").await;
    assert_eq!(verdict, "problem");
    assert_eq!(says, "bowsprit lacks permission checks: write, event push");
    let (verdict, says) = finding(&t.config, "webhook").await;
    assert_eq!(verdict, "problem");
    assert_eq!(says, "GitHub sends to http://127.0.0.1:10/elsewhere");
    assert_eq!(finding(&t.config, "installations").await.0, "warning");
    let (text, is_well) = ask(&t.config, &[]).await;
    assert!(!is_well);
    assert!(
        text.contains(&format!("→ set the App's webhook to http://{BOT}/webhook")),
        "{text}"
    );
}

#[tokio::test]
async fn doctor_tells_a_github_that_does_not_know_us() {
    let t = world(|config| config.app.as_mut().expect("an App").id = 8).await;
    let (verdict, says) = finding(&t.config, "GitHub App").await;
    assert_eq!(verdict, "problem");
    assert!(says.starts_with("GitHub does not know us"), "{says}");
    drop(t.hub);
}

#[tokio::test]
async fn doctor_tells_every_problem_of_the_configuration() {
    let t = world(|_| {}).await;
    let file = t.dir.path().join("wrong.toml");
    std::fs::write(&file, "listne = \"x\"\n[github]\napp_id = \"x\"\n").expect("a file");
    let (text, is_well) = ask(&file, &[]).await;
    assert!(!is_well);
    for words in [
        "wrong.toml:1: `listne`",
        "wrong.toml:3: `github.app_id`",
        "git ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
