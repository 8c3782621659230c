//! `bowsprit try`: a folder is trained and judged as the bot would, with no server anywhere.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// A pair in folders, of which no commit knows.
fn pair() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pair");
    for half in ["training", "service"] {
        let to = dir.path().join(format!("tiny-{half}"));
        let copied = Command::new("cp")
            .arg("-r")
            .arg(from.join(half))
            .arg(to)
            .status();
        assert!(copied.expect("it ends").success());
    }
    dir
}

fn train(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .current_dir(dir)
        .args(["try", "train", "tiny-training", "--state", "state"])
        .args(words)
        .output()
        .expect("it ends")
}

fn told(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"))
}

fn outcome<'a>(told: &'a Value, gate: &str) -> &'a Value {
    let verdicts = told["verdicts"].as_array().expect("verdicts");
    let found = verdicts.iter().find(|verdict| verdict["gate"] == gate);
    &found.unwrap_or_else(|| panic!("{told:#}"))["outcome"]
}

#[test]
fn a_folder_is_trained_judged_and_served_without_a_server() {
    let dir = pair();
    let path = |name: &str| dir.path().join(name);
    let ended = train(dir.path(), &["--json"]);
    let first = told(&ended);
    assert!(ended.status.success(), "{first:#}");
    for gate in ["accuracy", "no-regression", "min-test-rows", "parity"] {
        assert_eq!(outcome(&first, gate), "passed", "{first:#}");
    }
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(log.contains("train/train | line="), "{log}");
    assert!(log.contains("parity/"), "{log}");
    let out = path("tiny-training/outputs");
    let metrics = std::fs::read(out.join("metrics.json")).expect("metrics");
    let metrics: Value = serde_json::from_slice(&metrics).expect("JSON");
    assert_eq!(metrics["accuracy"], first["metrics"]["accuracy"]);
    let model = std::fs::read(out.join("model/model.json")).expect("a model");

    // The same files are the same model; what was written is no part of them.
    let again = told(&train(dir.path(), &["--json"]));
    assert_eq!(again["digest"], first["digest"]);

    // A service that answers otherwise, in words for people.
    let serve = std::fs::read_to_string(path("tiny-service/serve.py")).expect("a server");
    let wrong = serve.replace("\"small\"", "\"tiny\"");
    assert_ne!(serve, wrong);
    std::fs::write(path("tiny-service/serve.py"), wrong).expect("a server");
    let ended = train(dir.path(), &[]);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(!ended.status.success());
    assert!(said.contains("parity") && said.contains("differ"), "{said}");
    assert!(
        said.contains("the bot would not propose this model"),
        "{said}"
    );

    // A training that learns nothing, with nobody to serve it.
    std::fs::remove_dir_all(path("tiny-service")).expect("gone");
    let train_py = path("tiny-training/train.py");
    let code = std::fs::read_to_string(&train_py).expect("code");
    let bent = code.replace("line = (sum", "line = 100 + (sum");
    assert_ne!(code, bent);
    std::fs::write(&train_py, bent).expect("code");
    let ended = train(dir.path(), &["--json"]);
    let bad = told(&ended);
    assert_eq!(ended.status.code(), Some(1), "{bad:#}");
    assert_eq!(bad["passed"], json!(false));
    assert_eq!(outcome(&bad, "accuracy"), "failed", "{bad:#}");
    assert_ne!(outcome(&bad, "parity"), "passed", "{bad:#}");
    assert_ne!(
        std::fs::read(out.join("model/model.json")).expect("a model"),
        model
    );
}

#[test]
fn what_cannot_be_tried_is_told() {
    let dir = pair();
    let contract = dir.path().join("tiny-training/bowsprit.yaml");
    let text = std::fs::read_to_string(&contract).expect("a contract");
    for (from, to, words) in [
        ("steps:", "stps:", "did you mean `steps`"),
        (
            "timeout: 1m",
            "secrets: [KEY]",
            "names secrets, which only the bot has",
        ),
        ("[python, train.py]", "[python, tran.py]", "tran.py"),
        (
            "data: [holdout/]",
            "data: [heldout/]",
            "`heldout` is not in the snapshot",
        ),
    ] {
        std::fs::write(&contract, text.replace(from, to)).expect("a contract");
        let ended = train(dir.path(), &[]);
        let said = [ended.stdout.as_slice(), &ended.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!ended.status.success() && said.contains(words), "{said}");
    }
    std::fs::write(&contract, &text).expect("a contract");
    let held = std::fs::File::create(dir.path().join("state/try.lock")).expect("a lock");
    held.lock().expect("it is free");
    let ended = train(dir.path(), &[]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("another `bowsprit try` is at work"), "{said}");
}
