//! Code that hangs, floods, fills, lies or looks around: the bot says what happened and goes on.

use crate::harness::{World, run_test, run_test_with};
use serde_json::Value;

const REPO: &str = "tiny-training";

/// Pushes to `main` and says the `train` check once all is quiet.
async fn train(t: &World, message: &str, files: &[(&str, &str)]) -> Value {
    let sha = t.push(REPO, "linus", "main", message, files).await;
    t.settle().await;
    t.check(REPO, &sha, "train").await.expect("a check")
}

#[track_caller]
fn failed(check: &Value, words: &str) {
    assert_eq!(check["conclusion"], "failure", "{check}");
    let told = check["output"].to_string();
    assert!(told.contains(words), "`{words}` is not in {told}");
    assert!(told.len() < 65_536);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_hangs_or_floods_or_fills_the_disk_is_ended() {
    run_test_with(
        |config| config.limits.run_disk_bytes = 4 << 20,
        async |t| {
            let good = t.read(REPO, "train.py");
            let contract = t.read(REPO, "bowsprit.yaml");
            let quick = contract.replace("timeout: 1m", "timeout: 2s");
            let hangs = "import time\nprint('now it hangs', flush=True)\ntime.sleep(60)\n";
            let check = train(t, "Hang", &[("train.py", hangs), ("bowsprit.yaml", &quick)]).await;
            failed(&check, "2 s");
            failed(&check, "now it hangs");

            let fills = "import os, time\nwith open(os.environ['OUTPUTS_DIR'] + '/big', 'wb') as big:\n    for _ in range(64):\n        big.write(b'x' * (1 << 20))\n        big.flush()\ntime.sleep(20)\n";
            let check = train(t, "Fill", &[("train.py", fills), ("bowsprit.yaml", &contract)]).await;
            failed(&check, "disk quota");

            let floods = format!("for n in range(20000):\n    print('flood ' * 50, n)\n{good}");
            let check = train(t, "Flood", &[("train.py", &floods)]).await;
            assert_eq!(check["conclusion"], "success", "{check}");
            assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_is_missing_or_no_number_never_passes() {
    run_test(async |t| {
        let evaluate = t.read(REPO, "evaluate.py");
        let nan = evaluate.replace(
            "\"accuracy\": right / len(rows)",
            "\"accuracy\": float('nan')",
        );
        failed(&train(t, "NaN", &[("evaluate.py", &nan)]).await, "NaN");
        let quoted = evaluate.replace(
            "\"accuracy\": right / len(rows)",
            "\"accuracy\": str(right / len(rows))",
        );
        assert_ne!(quoted, evaluate);
        failed(
            &train(t, "Quoted", &[("evaluate.py", &quoted)]).await,
            "not a finite number",
        );
        let slip = evaluate.replace("\"accuracy\": right", "\"acuracy\": right");
        failed(
            &train(t, "Slip", &[("evaluate.py", &slip)]).await,
            "acuracy",
        );
        assert_eq!(t.proposals("bowsprit/tiny").await, Vec::<Value>::new());
    })
    .await;
}

/// Looks for everything that a step must not see, and writes it into its model.
const SPY: &str = r#"
import json, os, pathlib, socket, urllib.request
found, secrets = [], [b"97531.8642", b"a webhook secret of the stories", b"PRIVATE KEY", b"SQLite format 3", b"ghs_"]
seen = 0
def look(path):
    global seen
    try:
        with open(path, "rb") as file:
            data = file.read(2 << 20)
    except OSError:
        return
    seen += 1
    for secret in secrets:
        if secret in data and not str(path).startswith(os.getcwd() + "/train.py"):
            found.append(f"{path}: {secret!r}")
def walk(top, deep):
    for here, dirs, files in os.walk(top):
        if here.count("/") > deep or here.startswith(("/proc", "/sys", "/usr", "/lib", "/dev")):
            dirs[:] = []
            continue
        for name in files:
            look(os.path.join(here, name))
here = pathlib.Path.cwd()
for top in [here, *list(here.parents)[:-1], pathlib.Path(STORY), pathlib.Path("/tmp"), pathlib.Path("/root"), pathlib.Path("/home"), pathlib.Path("/etc"), pathlib.Path("/")]:
    walk(str(top), 12)
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ["environ", "cmdline", "maps", "cwd/app.pem", "root/etc/shadow"]:
        if int(pid) not in (os.getpid(), os.getppid(), 1):
            look(f"/proc/{pid}/{name}")
for name in ["secret", "app.pem", "bowsprit.toml", "bot/bowsprit.db", "bot/mirrors", "bot/artifacts", "bot/snapshots", "bot/keys", "hub", "copies"]:
    path = pathlib.Path(STORY, name)
    try:
        list(path.iterdir()) if path.is_dir() else path.read_bytes()
        found.append(f"{path} can be read")
    except OSError:
        pass
for url in [HUB + "/repos/ada/tiny-service", HUB + "/_hub/deliveries", BOT + "/healthz", BOT + "/webhook"]:
    try:
        urllib.request.urlopen(url, timeout=2)
        found.append(f"{url} answers")
    except urllib.error.HTTPError:
        found.append(f"{url} answers with a refusal")
    except OSError:
        pass
for name in os.environ:
    if any(word in name for word in ["TOKEN", "SECRET", "KEY", "BOWSPRIT", "CARGO"]):
        found.append(f"environment: {name}")
pathlib.Path(os.environ["OUTPUTS_DIR"], "model", "found.json").write_text(json.dumps({"seen": seen, "found": found}))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_looks_around_finds_nothing() {
    run_test(async |t| {
        let rows = t.read(REPO, "holdout/rows.csv") + "97531.8642,large\n";
        let bot = format!("http://{}", t.bot().address);
        let spy = format!(
            "{}\nSTORY, HUB, BOT = {:?}, {:?}, {bot:?}\n{SPY}",
            t.read(REPO, "train.py"),
            t.dir.path().display().to_string(),
            t.hub.url
        );
        let files = [("holdout/rows.csv", rows.as_str()), ("train.py", &spy)];
        let check = train(t, "Look around", &files).await;
        let rooms = &t.bot().rooms;
        let run = rooms
            .store
            .list_runs(&bowsprit::store::RunFilter::default(), None, 10)
            .await
            .expect("a list")
            .into_iter()
            .find(|run| check["external_id"] == run.id.as_str())
            .expect("the run");
        if let Some(why) = run.unconfined {
            panic!("this system cannot confine ({why}), so the story has nothing to say");
        }
        let made = run.made.unwrap_or_else(|| panic!("a model: {check}"));
        let file = made
            .files
            .iter()
            .find(|file| file.path.as_str() == "found.json");
        let bytes = rooms
            .artifacts
            .read(&file.expect("a report").sha256, 1 << 20)
            .await;
        let report: Value = serde_json::from_slice(&bytes.expect("bytes")).expect("JSON");
        assert_eq!(report["found"], serde_json::json!([]), "{report:#}");
        assert!(report["seen"].as_u64() > Some(3), "it did look: {report}");
    })
    .await;
}
