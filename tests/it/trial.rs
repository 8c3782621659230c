//! `bowsprit try`: a folder is trained and judged as the bot would, with no server anywhere.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    tried(dir, "train", words)
}

fn tried(dir: &Path, verb: &str, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .current_dir(dir)
        .args(["try", verb, "tiny-training", "--state", "state"])
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
fn a_folder_shows_the_pull_request_that_its_model_would_become() {
    let dir = pair();
    let path = |name: &str| dir.path().join(name);
    let ended = tried(dir.path(), "propose", &["--json"]);
    let first = told(&ended);
    assert!(ended.status.success(), "{first:#}");
    let proposal = &first["proposal"];
    let title = proposal["title"].as_str().expect("a title");
    assert!(title.starts_with("Propose tiny v1 (accuracy "), "{title}");
    let body = proposal["body"].as_str().expect("a text");
    for part in ["#### Gates", "first version", "#### Try it", "/approve"] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
    let put = path("tiny-training/outputs/proposal");
    assert_eq!(
        std::fs::read_to_string(put.join("body.md")).expect("a text"),
        body
    );
    let manifest = std::fs::read(put.join("models/tiny/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(
        (&manifest["digest"], &manifest["version"]),
        (&first["digest"], &json!(1))
    );
    let added = json!({"path": "models/tiny/manifest.json", "change": "added"});
    let files = proposal["files"].as_array().expect("files");
    assert!(files.contains(&added), "{files:?}");

    // Once the service has it, it is no news; another model is the next version, held against it.
    let copied = Command::new("cp")
        .arg("-r")
        .args([put.join("models"), path("tiny-service")])
        .status();
    assert!(copied.expect("it ends").success());
    let ended = tried(dir.path(), "propose", &[]);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no pull request: identical model: the same bytes as v1"),
        "{said}"
    );
    assert!(!said.contains("would propose"), "{said}");
    assert!(!put.exists());
    let train_py = path("tiny-training/train.py");
    let code = std::fs::read_to_string(&train_py).expect("code");
    let moved = code.replace("line = (sum", "line = 0.001 + (sum");
    assert_ne!(code, moved);
    std::fs::write(&train_py, moved).expect("code");
    let ended = tried(dir.path(), "propose", &[]);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("Propose tiny v2 (accuracy "), "{said}");
    assert!(said.contains("xychart-beta"), "{said}");
    assert!(
        said.contains("changed  models/tiny/manifest.json"),
        "{said}"
    );

    // What is not of a try is not taken away.
    std::fs::remove_dir_all(&put).expect("gone");
    std::fs::create_dir(&put).expect("made");
    let ended = tried(dir.path(), "propose", &[]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        !ended.status.success() && said.contains("is not of an earlier try"),
        "{said}"
    );

    // Without a service there is nobody to propose to.
    std::fs::remove_dir_all(path("tiny-service")).expect("gone");
    let ended = tried(dir.path(), "propose", &[]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        !ended.status.success() && said.contains("--service DIR"),
        "{said}"
    );
}

fn serve(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowsprit"));
    let words = ["try", "serve", "tiny-service", "--state", "state", "--json"];
    command.current_dir(dir).args(words);
    command
}

/// What a plain connection brings back.
fn post(address: &str, body: &Value) -> std::io::Result<String> {
    let (host, path) = address
        .trim_start_matches("http://")
        .split_once('/')
        .expect("an address with a path");
    let body = body.to_string();
    let mut line = std::net::TcpStream::connect(host)?;
    write!(
        line,
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    line.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_service_answers_with_what_was_tried_until_it_is_ended() {
    let dir = pair();
    let ended = serve(dir.path()).output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success());
    assert!(
        said.contains("run `bowsprit try train` in `tiny-training`"),
        "{said}"
    );

    assert!(train(dir.path(), &[]).status.success());
    let child = serve(dir.path()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("it starts");
    let mut told = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    // The object ends with a line of its own.
    while !told.ends_with("\n}\n") {
        assert!(out.read_line(&mut told).expect("a line") > 0, "{told}");
    }
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let predict = told["predict"].as_str().expect("an address").to_owned();
    let answer = post(&predict, &told["sample"]).expect("an answer");
    assert!(
        answer.contains("200 OK") && answer.contains("\"label\""),
        "{answer}"
    );
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().expect("an id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it is there");
    assert!(child.wait().expect("it ends").success());
    post(&predict, &told["sample"]).expect_err("nobody answers any more");

    let serve_py = dir.path().join("tiny-service/serve.py");
    std::fs::write(serve_py, "raise SystemExit('no luck today')\n").expect("a server");
    let ended = serve(dir.path()).output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        !ended.status.success() && said.contains("no luck today"),
        "{said}"
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
