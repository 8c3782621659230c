//! `bowsprit import`: a repository that exists gets what it lacks, and keeps what it has.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn bowsprit(words: &[&str], dirs: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(words)
        .args(dirs)
        .output()
        .expect("it ends")
}

#[test]
fn what_the_packs_files_name_and_nobody_has_is_told() {
    let top = tempfile::tempdir().expect("a folder");
    let dir = top.path().join("iris-training");
    std::fs::create_dir(&dir).expect("a folder");
    std::fs::write(dir.join("train.py"), "x").expect("a file");
    let said = |words: &[&str]| {
        let done = bowsprit(words, &[&dir]);
        assert!(done.status.success());
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let words = ["import", "--owner", "ada", "--dry-run"];
    assert!(said(&words).contains("there is no `requirements.lock` yet"));
    std::fs::write(dir.join("requirements.lock"), "").expect("a file");
    assert_eq!(said(&words), "");
}

#[test]
fn a_pair_is_taken_in_and_nothing_of_it_changes() {
    let top = tempfile::tempdir().expect("a folder");
    let (training, service) = (
        top.path().join("iris-training"),
        top.path().join("iris-service"),
    );
    for (dir, files) in [
        (
            &training,
            [
                ("train.py", "x"),
                ("requirements.txt", "numpy"),
                ("OWNERS", "approvers: [grace]\n"),
            ],
        ),
        (
            &service,
            [
                ("score.py", "x"),
                ("requirements.txt", "numpy"),
                ("README.md", "mine"),
            ],
        ),
    ] {
        std::fs::create_dir(dir).expect("a folder");
        for (name, text) in files {
            std::fs::write(dir.join(name), text).expect("a file");
        }
    }
    let words = ["import", "--owner", "ada", "--json"];
    let dry = bowsprit(
        &[&words[..], &["--dry-run"]].concat(),
        &[&training, &service],
    );
    assert!(dry.status.success());
    assert!(!training.join("bowsprit.yaml").exists());
    let done = bowsprit(&words, &[&training, &service]);
    assert_eq!(dry.stdout, done.stdout, "what is told is what is done");
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(told[0]["pack"], "python-training");
    assert_eq!(told[0]["kept"], json!(["OWNERS"]));
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
    assert_eq!(read(&training.join("OWNERS")), "approvers: [grace]\n");
    assert!(read(&service.join("environments/OWNERS")).contains("- ada"));
    assert!(read(&training.join("bowsprit.yaml")).contains("requirements: requirements.txt"));
    for dir in [&training, &service] {
        let lint = bowsprit(&["contract", "lint"], &[dir]);
        assert!(
            lint.status.success(),
            "{}",
            String::from_utf8_lossy(&lint.stdout)
        );
        let effective = bowsprit(&["contract", "effective", "--json"], &[dir]);
        let effective: Value = serde_json::from_slice(&effective.stdout).expect("JSON");
        assert!(effective["kind"].is_string(), "{effective}");
    }
    // Again: everything is there.
    let again: Value =
        serde_json::from_slice(&bowsprit(&words, &[&training]).stdout).expect("JSON");
    assert_eq!(again[0]["added"], json!([]));
}

#[test]
fn what_cannot_be_told_is_asked_for_and_nothing_is_written() {
    let top = tempfile::tempdir().expect("a folder");
    let (good, vague) = (top.path().join("iris-training"), top.path().join("iris"));
    for dir in [&good, &vague] {
        std::fs::create_dir(dir).expect("a folder");
    }
    std::fs::write(good.join("train.py"), "x").expect("a file");
    let ended = bowsprit(&["import", "--owner", "ada"], &[&good, &vague]);
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("cannot tell whether `iris` trains or serves"),
        "{said}"
    );
    assert!(!good.join("bowsprit.yaml").exists(), "all or nothing");
    let packs = bowsprit(&["get", "packs"], &[]);
    assert!(String::from_utf8_lossy(&packs.stdout).contains("python-service"));
    let ended = bowsprit(
        &["import", "--owner", "ada", "--pack", "python-service"],
        &[&vague],
    );
    assert!(ended.status.success());
}
