//! `bowsprit create mlquickstart`: what is made, and what can be in the way.

use crate::harness::{World, run_test};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// What came of a call of the program.
pub(crate) struct Ended {
    pub(crate) is_good: bool,
    pub(crate) out: String,
    pub(crate) said: String,
}

/// Makes a pair as somebody who has an account at the hub.
pub(crate) async fn create(t: &World, who: &str, into: &Path, words: &[&str]) -> Ended {
    create_at(&t.hub.url, who, into, words).await
}

/// As [`create`], at any server.
pub(crate) async fn create_at(hub: &str, who: &str, into: &Path, words: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowsprit"));
    command
        .args(["create", "mlquickstart", "--batch"])
        .args(words)
        .arg("--output-dir")
        .arg(into);
    ended(command, (hub, who), Path::new("/nonexistent")).await
}

/// Runs a command as somebody with a home of their own.
pub(crate) async fn ended(mut command: Command, (hub, who): (&str, &str), home: &Path) -> Ended {
    let output = command
        .env("BOWSPRIT_GITHUB__API_URL", hub)
        .env("BOWSPRIT_GITHUB__GIT_URL", hub)
        .env("GITHUB_TOKEN", format!("{who}-token"))
        .env("XDG_CONFIG_HOME", home)
        .output()
        .await
        .expect("it ends");
    Ended {
        is_good: output.status.success(),
        out: String::from_utf8(output.stdout).expect("text"),
        said: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Where a story makes its pairs.
pub(crate) fn folder(t: &World) -> PathBuf {
    t.dir.path().join("new")
}

#[tokio::test]
async fn what_fails_half_way_is_gone_on_with() {
    run_test(async |t| {
        // The first repository is made, the second is not.
        t.fault(json!({
            "kind": "status", "code": 502, "count": 1, "skip": 1,
            "match": {"method": "POST", "path_contains": "/user/repos"},
        }))
        .await;
        // Nobody installed the App for linus: nothing is waited for.
        let words = [
            "--filter",
            "ML-python-sklearn-digits-cpu",
            "--root",
            "demo",
            "--wait",
            "0",
        ];
        let ended = create(t, "linus", &folder(t), &words).await;
        assert!(!ended.is_good);
        assert!(
            ended.said.contains("demo is not whole yet")
                && ended.said.contains("the same command goes on"),
            "{}",
            ended.said
        );
        t.heal().await;
        let ended = create(t, "linus", &folder(t), &words).await;
        assert!(ended.is_good, "{}", ended.said);
        assert!(
            ended.out.contains("install the Bowsprit App"),
            "{}",
            ended.out
        );
        for half in ["demo-service", "demo-training"] {
            let branches = format!("/repos/linus/{half}/branches");
            let branches = t.api("linus", "GET", &branches, None).await;
            assert_eq!(branches[0]["name"], "main", "{half}");
            let contract = folder(t).join(half).join("bowsprit.yaml");
            let contract = std::fs::read_to_string(contract).expect("a contract");
            assert!(!contract.contains("digits-"), "{contract}");
            let aliases = folder(t).join(half).join("OWNERS_ALIASES");
            let aliases = std::fs::read_to_string(aliases).expect("aliases");
            assert!(
                aliases.contains("linus") && !aliases.contains("grace"),
                "{aliases}"
            );
            let config = folder(t).join(half).join(".git/config");
            let config = std::fs::read_to_string(config).expect("git's configuration");
            assert!(!config.contains("token"), "{config}");
        }
        // Once more changes nothing.
        assert!(create(t, "linus", &folder(t), &words).await.is_good);
    })
    .await;
}

#[tokio::test]
async fn wherever_it_fails_the_report_says_how_far_it_came() {
    run_test(async |t| {
        let folder_alone = "demo-training: ../new/demo-training; not on";
        let asked = "demo-training; asked for on";
        // Each call that can be refused, the earliest first; the parts that the report then names.
        let cases = [
            (
                "/user/repos",
                403,
                ["demo-service; asked for on", folder_alone],
            ),
            (
                "demo-service.git/info/refs",
                500,
                ["127.0.0.1, empty", folder_alone],
            ),
            ("/user/repos", 422, ["127.0.0.1, pushed", asked]),
            // What came before is not forgotten.
            (
                "/repos/linus/demo-service",
                500,
                ["127.0.0.1, pushed", asked],
            ),
            (
                "demo-training.git/info/refs",
                500,
                [
                    "127.0.0.1, pushed",
                    "linus/demo-training on 127.0.0.1, empty",
                ],
            ),
        ];
        let words = [
            "--filter",
            "ML-python-sklearn-digits-cpu",
            "--root",
            "demo",
            "--wait",
            "0",
        ];
        for (path, code, says) in cases {
            t.fault(json!({
                "kind": "status", "code": code, "count": 1,
                "match": {"path_contains": path},
            }))
            .await;
            let ended = create(t, "linus", &folder(t), &words).await;
            assert!(!ended.is_good, "{path} {code}");
            for word in says {
                let word = word.replace("../new", &folder(t).display().to_string());
                assert!(
                    ended.said.contains(&word),
                    "{path} {code}: {word}: {}",
                    ended.said
                );
            }
            t.heal().await;
        }
        // For machines the same, on standard output.
        t.fault(json!({
            "kind": "status", "code": 500, "count": 1,
            "match": {"path_contains": "demo-training.git/info/refs"},
        }))
        .await;
        let ended = create(t, "linus", &folder(t), &[&words[..], &["--json"]].concat()).await;
        let told: Value = serde_json::from_str(&ended.out).expect("JSON");
        let reached: Vec<&Value> = { told["parts"].as_array().expect("parts").iter() }
            .map(|part| &part["reached"])
            .collect();
        assert_eq!(reached, ["pushed", "repository"], "{told:#}");
        assert_eq!(told["is_whole"], false);
        t.heal().await;
        assert!(create(t, "linus", &folder(t), &words).await.is_good);
        for half in ["demo-service", "demo-training"] {
            let branches = format!("/repos/linus/{half}/branches");
            let branches = t.api("linus", "GET", &branches, None).await;
            assert_eq!(branches[0]["name"], "main", "{half}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_in_the_way_is_told_before_anything_is_made() {
    run_test(async |t| {
        let digits = "ML-python-sklearn-digits-cpu";
        let here = folder(t);
        std::fs::create_dir_all(here.join("mine-service")).expect("a folder");
        for (words, says) in [
            (
                &["--filter", "fortran", "--root", "demo"][..],
                "no quickstart fits; there are: ",
            ),
            (
                &["--filter", digits][..],
                "--root demo makes demo-service and demo-training",
            ),
            (
                &["--filter", digits, "--root", "Demo"],
                "lower-case letters",
            ),
            (
                &["--filter", digits, "--root", "mine"],
                "mine-service is there already, and not from this",
            ),
            (
                &["--filter", digits, "--root", "tiny"],
                "ada/tiny-service is there already on 127.0.0.1",
            ),
            (
                &[
                    "--filter",
                    digits,
                    "--root",
                    "demo",
                    "--git-owner",
                    "nobody",
                ],
                "no organisation nobody where you may make repositories",
            ),
            (
                &["--filter", digits, "--root", "demo", "-g", "nobody"],
                "list the repositories of nobody",
            ),
            (
                &[
                    "--filter",
                    digits,
                    "--root",
                    "demo",
                    "--api-url",
                    "https://gitlab.com/api/v4",
                ],
                "gitlab.com is not GitHub",
            ),
            (
                &[
                    "--filter",
                    digits,
                    "--root",
                    "demo",
                    "--api-url",
                    "http://127.0.0.1:1",
                ],
                "cannot reach http://127.0.0.1:1",
            ),
        ] {
            let ended = create(t, "ada", &here, words).await;
            assert!(!ended.is_good, "{words:?}");
            // Nothing was made, so nothing is said to be half done.
            assert!(!ended.said.contains("is not whole yet"), "{}", ended.said);
            assert!(ended.said.contains(says), "{words:?}: {}", ended.said);
        }
        let ended = create(t, "stranger", &here, &["--filter", digits, "--root", "x"]).await;
        assert!(
            ended.said.contains("does not know this token"),
            "{}",
            ended.said
        );
        let mine = t.api("ada", "GET", "/user/repos", None).await;
        assert_eq!(mine.as_array().map(Vec::len), Some(2), "{mine}");
    })
    .await;
}

#[tokio::test]
async fn quickstarts_of_others_are_offered_and_one_half_is_enough() {
    run_test(async |t| {
        for (repo, files) in [
            (
                "ML-python-mean-cpu",
                &[(
                    "projectset",
                    r#"[{"Repo": "ML-python-mean-cpu-training", "Tail": "-training"}]"#,
                )][..],
            ),
            (
                "ML-python-mean-cpu-training",
                &[
                    ("README.md", "REPLACE_ME_APP_NAME of REPLACE_ME_ORG\n"),
                    ("REPLACE_ME_APP_NAME/x.txt", "x"),
                ],
            ),
            ("WIP-ML-python-other-cpu", &[("README.md", "not yet")]),
        ] {
            t.api(
                "grace",
                "POST",
                "/user/repos",
                Some(json!({"name": repo, "private": false})),
            )
            .await;
            t.push_new(("grace", repo), files).await;
        }
        let here = folder(t);
        let ended = create(
            t,
            "ada",
            &here,
            &["-g", "grace", "-f", "mean", "-r", "demo", "--no-push"],
        )
        .await;
        assert!(ended.is_good, "{}", ended.said);
        let read = |path: &str| std::fs::read_to_string(here.join(path)).unwrap_or_default();
        assert_eq!(
            read("demo-training/README.md"),
            "demo-training of _set_your_login\n"
        );
        assert_eq!(read("demo-training/demo-training/x.txt"), "x");
        let ended = create(
            t,
            "ada",
            &here,
            &["-g", "grace", "-f", "WIP-", "-r", "other", "--no-push"],
        )
        .await;
        assert!(ended.said.contains("no quickstart fits"), "{}", ended.said);
        // One half alone, of this program.
        let half = "ML-python-sklearn-digits-cpu-service";
        let ended = create(t, "ada", &here, &["-f", half, "-r", "one", "--no-push"]).await;
        assert!(ended.is_good, "{}", ended.said);
        assert!(
            ended
                .out
                .contains("--filter ML-python-sklearn-digits-cpu-training --root one")
        );
        assert!(here.join("one-service/bowsprit.yaml").is_file());
        assert!(!here.join("one-training").exists());
    })
    .await;
}

/// A call of any verb by ada.
async fn bowsprit(t: &World, words: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowsprit"));
    command.args(words);
    ended(command, (&t.hub.url, "ada"), &t.dir.path().join("home")).await
}

#[tokio::test]
async fn locations_are_kept_and_forgotten() {
    run_test(async |t| {
        for repo in ["DL-python-mean-cpu-training", "ML-python-mean-cpu-training"] {
            t.api("grace", "POST", "/user/repos", Some(json!({"name": repo})))
                .await;
        }
        let names = async |t: &World| -> Vec<String> {
            let listed = bowsprit(t, &["get", "quickstarts", "-f", "mean", "--json"]).await;
            assert!(listed.is_good, "{}", listed.said);
            let rows: Vec<Value> = serde_json::from_str(&listed.out).expect("JSON");
            rows.iter()
                .map(|row| row["name"].as_str().expect("a name").to_owned())
                .collect()
        };
        assert_eq!(names(t).await, [""; 0]);
        let grace = ["create", "qsloc", "--owner", "grace", "--includes", "DL-*"];
        assert!(bowsprit(t, &grace).await.is_good);
        assert_eq!(names(t).await, ["DL-python-mean-cpu-training"]);
        let listed = bowsprit(t, &["get", "quickstartlocations"]).await;
        assert!(
            listed.out.contains("grace") && listed.out.contains("DL-*"),
            "{}",
            listed.out
        );
        let gone = ["delete", "quickstartlocation", "--owner", "grace"];
        assert!(bowsprit(t, &gone).await.is_good);
        assert_eq!(names(t).await, [""; 0]);
        let again = bowsprit(t, &gone).await;
        assert!(
            again.said.contains("there is no location of grace"),
            "{}",
            again.said
        );
        // A name that tells too little is not proposed; a good one becomes an issue.
        let propose =
            |name: &'static str| ["quickstart", "propose", name, "--to", "ada/tiny-service"];
        let refused = bowsprit(t, &propose("grace/DL-python-mean-cpu-training")).await;
        assert!(
            refused.said.contains("does not start with `ML-`"),
            "{}",
            refused.said
        );
        let proposed = bowsprit(t, &propose("grace/ML-python-mean-cpu-training")).await;
        assert!(proposed.is_good, "{}", proposed.said);
        assert!(
            proposed.out.contains("/ada/tiny-service/issues/"),
            "{}",
            proposed.out
        );
    })
    .await;
}

#[tokio::test]
async fn without_a_server_the_folders_are_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let words = [
        "--filter",
        "ML-python-sklearn-digits-cpu",
        "--root",
        "demo",
        "--no-push",
    ];
    let ended = create_at("http://127.0.0.1:1", "ada", dir.path(), &words).await;
    assert!(ended.is_good, "{}", ended.said);
    let log = std::process::Command::new("git")
        .args(["log", "--format=%s %an"])
        .current_dir(dir.path().join("demo-training"))
        .output()
        .expect("git");
    let log = String::from_utf8(log.stdout).expect("text");
    assert!(
        log.starts_with("Start from ML-python-sklearn-digits-cpu "),
        "{log}"
    );
}
