//! Every quickstart of the catalogue: made and linted, and taken from one command to a model that is merged.

use crate::create::{Ended, create, create_at, ended, folder};
use crate::harness::run_test_with;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

/// Packages are installed in these stories, on busy machines, too.
const PATIENCE: Duration = Duration::from_secs(400);

/// Quickstarts with a story of their own below.
const TOLD: [&str; 5] = [
    "ML-python-sklearn-digits-cpu",
    "ML-python-lightgbm-cancer-cpu",
    "ML-python-xgboost-diabetes-cpu",
    "ML-python-jax-digits-cpu",
    "ML-rust-smartcore-digits-cpu",
];
/// Quickstarts that are made and linted only: their packages are too much for a test.
const TOO_LARGE: [&str; 1] = ["ML-python-pytorch-digits-cpu"];

/// The pair of a quickstart goes from one command to its first proposal.
async fn goes_to_a_proposal(quickstart: &str, model: &str) {
    assert!(
        TOLD.contains(&quickstart),
        "{quickstart} is not in the list"
    );
    let tune = |_: &mut bowsprit::config::Config| {};
    run_test_with(tune, async |t| {
        t.patience = PATIENCE;
        let words = ["--filter", quickstart, "--root", "demo", "--json"];
        let ended = create(t, "ada", &folder(t), &words).await;
        assert!(ended.is_good, "{}", ended.said);
        let told: Value = serde_json::from_str(&ended.out).expect("JSON alone");
        assert_eq!(told["quickstart"], quickstart);
        let names: Vec<&str> = told["parts"]
            .as_array()
            .expect("parts")
            .iter()
            .filter_map(|part| part["name"].as_str())
            .collect();
        assert_eq!(names, ["demo-service", "demo-training"]);
        assert_eq!(told["parts"][1]["check"]["name"], "train", "{told:#}");
        for half in names {
            let linted = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
                .args(["contract", "lint"])
                .arg(folder(t).join(half))
                .status();
            assert!(linted.await.expect("it ends").success(), "{half}");
        }
        let pulls = "/repos/ada/demo-service/pulls?state=all";
        let pull = t
            .until("the proposal", async |t| {
                let pulls = t.api("ada", "GET", pulls, None).await;
                pulls.as_array()?.first().cloned()
            })
            .await;
        assert_eq!(pull["head"]["ref"], format!("bowsprit/{model}"));
        t.settle().await;
        // Who created is who may approve.
        let pull = pull["number"].as_u64().expect("a number");
        t.say("demo-service", "ada", pull, "/lgtm\n/approve").await;
        t.until_merged("demo-service", pull).await;
        t.settle().await;
    })
    .await;
}

#[tokio::test]
async fn digits_go_to_a_proposal() {
    goes_to_a_proposal("ML-python-sklearn-digits-cpu", "digits").await;
}

#[tokio::test]
async fn tumours_go_to_a_proposal() {
    goes_to_a_proposal("ML-python-lightgbm-cancer-cpu", "cancer").await;
}

#[tokio::test]
async fn a_regression_goes_to_a_proposal() {
    goes_to_a_proposal("ML-python-xgboost-diabetes-cpu", "diabetes").await;
}

#[tokio::test]
async fn a_net_goes_to_a_proposal() {
    goes_to_a_proposal("ML-python-jax-digits-cpu", "digits").await;
}

#[tokio::test]
async fn a_forest_in_rust_goes_to_a_proposal() {
    goes_to_a_proposal("ML-rust-smartcore-digits-cpu", "digits").await;
}

/// Runs the program where no server is.
async fn alone(words: &[&str], home: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowsprit"));
    command.args(words);
    ended(command, ("http://127.0.0.1:1", "ada"), home).await
}

#[tokio::test]
async fn every_quickstart_is_made_without_a_server_and_lints_clean() {
    let dir = tempfile::tempdir().expect("a folder");
    let listed = alone(&["get", "quickstarts", "--json"], dir.path()).await;
    let listed: Vec<Value> = serde_json::from_str(&listed.out).expect("JSON");
    let sets: Vec<&Value> = listed.iter().filter(|e| e["part"] == "set").collect();
    assert!(sets.len() > 1, "{listed:#?}");
    for entry in sets {
        let text = |key: &str| entry[key].as_str().expect("text");
        let (name, root) = (text("name"), text("root"));
        assert!(
            TOLD.contains(&name) || TOO_LARGE.contains(&name),
            "{name} has no story"
        );
        let good = alone(&["quickstart", "lint", name], dir.path()).await;
        assert!(good.is_good, "{}", good.out);
        let here = dir.path().join(name);
        let words = ["--filter", name, "--root", "demo", "--no-push"];
        let ended = create_at("http://127.0.0.1:1", "ada", &here, &words).await;
        assert!(ended.is_good, "{name}: {}", ended.said);
        // What comes is said before anything is made.
        let size = format!("{name}: the first run downloads {}", text("download"));
        assert!(ended.said.starts_with(&size), "{}", ended.said);
        for half in ["demo-service", "demo-training"] {
            let folder = here.join(half);
            let words = ["contract", "lint", folder.to_str().expect("text")];
            let linted = alone(&words, dir.path()).await;
            assert!(linted.is_good, "{name}: {}", linted.out);
            let grep = std::process::Command::new("git")
                .args(["grep", "-nwE", &format!("{root}-(service|training)")])
                .current_dir(&folder)
                .output()
                .expect("git");
            let left = String::from_utf8_lossy(&grep.stdout);
            assert!(left.is_empty(), "{name} still names another pair:\n{left}");
        }
    }
}
