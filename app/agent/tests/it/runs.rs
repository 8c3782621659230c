//! What a run gives its steps, and what it keeps of them.

use crate::order::{Order, PYTHON, assert_succeeded};
use bowsprit_agent::confine;
use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::spec::{
    FailureKind, MetricValue, Outcome, Phase, RuntimeSpec, StageKind, Trust,
};

const TRAIN: &str = r##"
import json, os, sys
out = os.environ["OUTPUTS_DIR"]
os.makedirs(out + "/model")
open(out + "/model/weights.json", "w").write("[1]")
os.makedirs("outputs/plots")
open("outputs/plots/a.svg", "w").write("<svg/>")
json.dump({"accuracy": float("nan"), "test": {"f1": 0.5}}, open(out + "/metrics.json", "w"))
open(os.environ["GITHUB_OUTPUT"], "a").write("auc=0.75\n")
open(os.environ["GITHUB_STEP_SUMMARY"], "a").write("# Hello\n")
open(os.environ["TMPDIR"] + "/scratch", "w").write("x")
open(os.environ["HOME"] + "/.cache", "w").write("x")
print("\x1b[32mloss=0.25\x1b[0m")
print("progress=0.5")
print("input", open("input.txt").read())
print("model", open(os.environ["MODEL_DIR"] + "/weights.json").read(), os.environ["MODEL_VERSION"])
print("threads", os.environ["OMP_NUM_THREADS"], os.environ["EPOCHS"], "PLANTED_SECRET" in os.environ)
print("warned", file=sys.stderr)
"##;

#[test]
fn a_run_keeps_outputs_and_metrics() {
    let mut order = Order::new(&[
        ("train.py", TRAIN),
        ("input.txt", "given"),
        ("metrics.json", r#"{"stale": 1}"#),
    ])
    .model("live", b"[0]")
    .step(&[PYTHON, "train.py"]);
    order.last().model = Some("live".to_owned());
    order
        .last()
        .env
        .insert("EPOCHS".to_owned(), "20".to_owned());
    let result = order.run();
    assert_succeeded(&order, &result);
    assert_eq!(result.unconfined, confine::look().shortfall);
    let paths: Vec<&str> = result
        .outputs
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "metrics.json",
            "model/weights.json",
            "plots/a.svg",
            "summary.md"
        ]
    );
    assert_eq!(result.outputs[1].sha256, Digest::of(b"[1]"));
    let step = &result.steps[0];
    assert_eq!(step.exit_code, Some(0));
    assert!(step.peak_rss_bytes > 1 << 20, "{step:?}");
    let value = |name: &str| step.metrics[name].value.clone();
    assert_eq!(value("accuracy"), MetricValue::Other("NaN".to_owned()));
    assert_eq!(value("test.f1"), MetricValue::Number(0.5));
    assert_eq!(value("auc"), MetricValue::Number(0.75));
    assert_eq!(value("loss"), MetricValue::Number(0.25));
    assert_eq!(step.metrics["loss"].origin, "stdout:1");
    assert!(!step.metrics.contains_key("stale") && !step.metrics.contains_key("progress"));
    let log = order.log();
    for line in [
        "step-1 input given",
        "step-1 model [0] 7",
        "step-1 threads 2 20 False",
        "step-1 warned",
        "step-1 loss=0.25",
    ] {
        assert!(
            log.lines().any(|logged| logged.ends_with(line)),
            "{line} in {log}"
        );
    }
    assert_eq!(order.status().unwrap().phase, Phase::Done);
    assert!(result.tail.contains(&"warned".to_owned()));
    assert!(!order.path(".step/plan.json").exists());
}

#[test]
fn a_step_can_change_neither_the_result_nor_a_model() {
    let order = Order::new(&[])
        .model("live", b"[0]")
        .step(&["sh", "-c", "for f in ../result.json ../spec.json ../log.txt ../models/live/weights.json ../models/live/new; do echo x 2>/dev/null >> $f && echo wrote $f; done; true"]);
    let result = order.run();
    assert_succeeded(&order, &result);
    assert!(!order.log().contains("wrote"), "{}", order.log());
}

/// A judge that counts rows, remembers them in a file beside it, and runs what a model says.
const JUDGE: &str = r#"
import json, os, pathlib
exec(json.loads(pathlib.Path(os.environ["MODEL_DIR"], "weights.json").read_text()))
cache = pathlib.Path("rows.json")
if not cache.exists():
    cache.write_text(json.dumps(pathlib.Path("holdout/rows.csv").read_text().split()))
rows = json.loads(cache.read_text())
print("site", os.path.exists(os.environ["HOME"] + "/left") or os.path.exists(os.environ["TMPDIR"] + "/left"))
pathlib.Path(os.environ["OUTPUTS_DIR"], "metrics.json").write_text(json.dumps({"rows": len(rows)}))
"#;

#[test]
fn a_model_that_is_judged_leaves_nothing_to_the_next_one() {
    let hostile = r#"
import os, pathlib
for name in ["holdout/rows.csv", "evaluate.py", "rows.json"]:
    pathlib.Path(name).write_text("[]")
for at in ["HOME", "TMPDIR"]:
    pathlib.Path(os.environ[at], "left").write_text("x")
for name in ["metrics.json", "samples.jsonl"]:
    try:
        pathlib.Path(os.environ["OUTPUTS_DIR"], "../live", name).write_text('{"rows": 0}')
        print("reached", name)
    except OSError:
        pass
"#;
    let model = |code: &str| serde_json::to_vec(code).unwrap();
    for (kind, wanted) in [(StageKind::Evaluate, "3"), (StageKind::Train, "fails")] {
        let mut order = Order::new(&[("evaluate.py", JUDGE), ("holdout/rows.csv", "1\n2\n3\n")])
            .model("candidate", &model(hostile))
            .model("live", &model(""));
        order.spec.kind = kind;
        for name in ["candidate", "live"] {
            order = order.step(&[PYTHON, "evaluate.py"]);
            order.last().outputs = name.to_owned();
            order.last().model = Some(name.to_owned());
        }
        let result = order.run();
        let live = result
            .steps
            .get(1)
            .and_then(|step| step.metrics.get("rows"));
        let found = match live.map(|metric| &metric.value) {
            Some(MetricValue::Number(rows)) => rows.to_string(),
            Some(MetricValue::Other(_)) | None => "fails".to_owned(),
        };
        assert_eq!(found, wanted, "{}", order.log());
        if kind == StageKind::Evaluate {
            assert_succeeded(&order, &result);
            assert!(order.log().contains("step-2 site False"), "{}", order.log());
            let samples = result
                .outputs
                .iter()
                .any(|file| file.path.as_str().ends_with("samples.jsonl"));
            let reached = order.log().contains("reached");
            assert_eq!(samples, reached, "{}", order.log());
            assert!(!reached || result.unconfined.is_some(), "{}", order.log());
        }
    }
}

#[test]
fn each_step_has_its_own_outputs_directory() {
    let mut order = Order::new(&[]);
    for name in ["candidate", "live"] {
        order = order.step(&[
            "sh",
            "-c",
            "echo '{\"accuracy\": 1}' > $OUTPUTS_DIR/metrics.json",
        ]);
        order.last().outputs = name.to_owned();
    }
    let result = order.run();
    assert_succeeded(&order, &result);
    let paths: Vec<&str> = result
        .outputs
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(paths, ["candidate/metrics.json", "live/metrics.json"]);
    assert!(
        result
            .steps
            .iter()
            .all(|step| step.metrics.contains_key("accuracy"))
    );
}

#[test]
fn a_runtime_is_built_once_and_read_by_the_untrusted() {
    let order = |trust: Trust| {
        let mut order = Order::new(&[]).python().step(&[
            "python",
            "-c",
            "import sys; print('prefix', sys.prefix)",
        ]);
        order.spec.trust = trust;
        order
    };
    let first = order(Trust::Trusted);
    let built = first.run();
    assert_succeeded(&first, &built);
    assert!(!built.runtime_cached);
    assert!(
        first
            .log()
            .contains(&format!("prefix {}/trusted/", first.spec.cache_dir)),
        "{}",
        first.log()
    );
    for trust in [Trust::Trusted, Trust::Untrusted] {
        let mut again = order(trust);
        again.spec.cache_dir.clone_from(&first.spec.cache_dir);
        let result = again.run();
        if trust == Trust::Untrusted && confine::look().shortfall.is_some() {
            eprintln!("NOT CONFINED HERE: an untrusted run is refused");
            assert_eq!(result.outcome, Outcome::Failed);
            continue;
        }
        assert_succeeded(&again, &result);
        assert!(result.runtime_cached);
        assert_eq!(result.runtime, built.runtime);
    }
}

#[test]
fn what_cannot_be_prepared_is_said() {
    let failure = |minimum: &str, requirements: Option<&str>| {
        let mut order = Order::new(&[("bad.txt", "numpy\n-e .\n")]);
        order.spec.runtime = Some(RuntimeSpec::Python {
            minimum: minimum.to_owned(),
            requirements: requirements.map(|path| RepoPath::parse(path).unwrap()),
        });
        order.run().failure.unwrap()
    };
    let missing = failure("3.9", Some("requirements.lock"));
    assert_eq!(missing.kind, FailureKind::MissingFile);
    assert!(
        missing.message.contains("`requirements.lock`"),
        "{missing:?}"
    );
    let refused = failure("3.9", Some("bad.txt"));
    assert_eq!(refused.kind, FailureKind::Install);
    assert!(refused.message.contains("bad.txt:2: `-e .`"), "{refused:?}");
    let none = failure("3.99", None);
    assert_eq!(none.kind, FailureKind::MissingPackage);
    assert!(none.message.contains("no Python 3.99"), "{none:?}");
}

#[test]
fn a_conda_file_of_pips_packages_is_a_runtime() {
    let run = |file: &str| {
        let mut order = Order::new(&[("environment.yml", file)]).step(&["python", "-V"]);
        order.spec.runtime = Some(RuntimeSpec::Conda {
            file: RepoPath::parse("environment.yml").unwrap(),
        });
        let result = order.run();
        (order, result)
    };
    let (order, result) = run("dependencies:\n- python>=3.9\n- pip: []\n");
    assert_succeeded(&order, &result);
    assert!(result.runtime.is_some());
    let failure = run("dependencies: [cudnn]").1.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Install);
    assert!(failure.message.contains("`cudnn`"), "{failure:?}");
}
