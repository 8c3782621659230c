//! `bowsprit migrate prow`: the files of a team that comes from Prow become files that our own readers take.

use bowsprit::config::Config;
use bowsprit_core::habits::Switch;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const PLUGINS: &str = "plugins:
  acme:
    plugins: [approve, lgtm, trigger, blunderbuss, label, cat]
approve: [{repos: [acme], require_self_approval: true}]
lgtm: [{repos: [acme], trusted_team_for_sticky_lgtm: core}]
triggers: [{repos: [acme/digits-training], only_org_members: true}]
label: {additional_labels: [good first issue]}
";
const CONFIG: &str = "tide:
  queries: [{orgs: [acme], labels: [lgtm, approved]}]
  merge_method: {acme: squash}
  batch_size_limit: {acme: 5}
";
const JOBS: &str = "presubmits:
  acme/digits-training:
  - name: unit
    always_run: true
    spec: {containers: [{image: python, command: [python, -m], args: [pytest]}]}
";

fn migrate(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .current_dir(dir)
        .args(["migrate", "prow", "plugins.yaml", "config.yaml"])
        .args(words)
        .output()
        .expect("it ends")
}

fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let jobs = dir.path().join("jobs/acme");
    std::fs::create_dir_all(&jobs).expect("a folder");
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----\n";
    for (name, text) in [
        ("plugins.yaml", PLUGINS),
        ("config.yaml", CONFIG),
        ("jobs/acme/digits.yaml", JOBS),
        ("jobs/README.md", "no jobs"),
        ("key.pem", pem),
        ("secret", "0123456789abcdef0123456789abcdef\n"),
    ] {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    dir
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn files_of_prow_become_files_that_are_read_again() {
    let home = home();
    let words = ["--job-config", "jobs", "--output", "out"];
    let dry = migrate(home.path(), &[&words[..], &["--dry-run"]].concat());
    assert!(dry.status.success(), "{}", text(&dry.stderr));
    let told = text(&dry.stdout);
    assert!(
        told.contains("config.yaml:4:3: tide.batch_size_limit: `merge_tests` under `chatops`"),
        "{told}"
    );
    assert!(!home.path().join("out").exists(), "nothing was written");

    let done = migrate(home.path(), &[&words[..], &["--json"]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let files = json!([
        "out/bowsprit.toml",
        "out/REPORT.md",
        "out/contracts/acme/digits-training.yaml"
    ]);
    assert_eq!(told["files"], files);
    let count = |key: &str| told[key].as_array().map(Vec::len);
    assert_eq!(told["not_carried_over"], json!(count("left")));
    assert_eq!(told["carried_over"], json!(count("carried")));
    let first = &told["left"][0];
    assert_eq!(
        (&first["line"], &first["key"]),
        (&json!(3), &json!("plugins.acme.plugins[5]"))
    );
    let read =
        |name: &str| std::fs::read_to_string(home.path().join("out").join(name)).expect("a file");
    assert!(read("bowsprit.toml").contains("merge_method = \"squash\""));

    // The server takes its part as it is.
    let dir = home.path().display();
    let server = format!(
        "state_dir = \"{dir}/state\"\n[github]\napp_id = 7\nprivate_key_file = \"{dir}/key.pem\"\nwebhook_secret_files = [\"{dir}/secret\"]\n{}",
        read("bowsprit.toml")
    );
    let path = home.path().join("server.toml");
    std::fs::write(&path, server).expect("a file");
    let config = Config::load(Some(&path), std::iter::empty()).expect("our own reader takes it");
    let of = |name: &str| config.chatops.habits(name);
    let (training, other) = (of("acme/digits-training"), of("acme/other"));
    assert!(training.has(Switch::OnlyOrgMembers) && !other.has(Switch::OnlyOrgMembers));
    assert!(other.has(Switch::RequireSelfApproval) && other.has(Switch::RawText));
    assert!(!other.has(Switch::WipTitles) && other.ask_reviewers.is_some());

    // And so does a contract.
    let contract = format!(
        "kind: training\nmodel: digits\nservice: digits-service\nsteps: [{{name: train, run: [python, train.py]}}]\nevaluate: self\n{}",
        read("contracts/acme/digits-training.yaml")
    );
    std::fs::write(home.path().join("bowsprit.yaml"), contract).expect("a file");
    let lint = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["contract", "lint"])
        .arg(home.path())
        .output()
        .expect("it ends");
    assert!(lint.status.success(), "{}", text(&lint.stdout));

    let again = migrate(home.path(), &words);
    assert!(!again.status.success(), "what was written is kept");
    assert!(text(&again.stderr).contains("it is not empty"));
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_line() {
    let home = home();
    std::fs::write(home.path().join("config.yaml"), "tide:\n  queries: [\n").expect("a file");
    let refused = migrate(home.path(), &[]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stdout);
    assert!(
        told.contains("config.yaml:2:12: this is not YAML"),
        "{told}"
    );
    assert!(told.contains("  |   queries: ["), "{told}");
    assert!(!home.path().join("bowsprit-migration").exists());
    std::fs::remove_file(home.path().join("config.yaml")).expect("it was there");
    let refused = migrate(home.path(), &["--dry-run"]);
    assert!(text(&refused.stderr).contains("cannot open config.yaml"));
}
