//! Sample records: a pair with four versions, environments, runs of every end, pull requests; some names mean harm.

use super::bench::Bench;
use crate::worker::now_ms;
use bowsprit_core::artifact::File;
use bowsprit_core::effect::{Deleted, ModelFiles, Record, Version};
use bowsprit_core::name::{
    BranchName, CommitSha, Digest, Login, PrNumber, Repo, RepoId, RepoName, RepoPath, Slug,
};
use bowsprit_core::serving::spec::RolloutPhase;
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::environment::{
    Change, ChangeCause, Environment, ModelRef, Release, Verified,
};
use bowsprit_core::subject::run::{Cause, Phase, Run, Stage, Trigger, What};
use bowsprit_core::training::spec::{Failure, FailureKind, Metric, MetricValue, Trust};
use serde_json::json;
use std::collections::BTreeMap;

/// A text that would do harm wherever it is not escaped.
pub(super) const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}\"'\u{1b}[31m";
/// A run that has ended, with a log.
pub(super) const RUN: &str = "r000000000001";
/// A run under way.
pub(super) const GOING: &str = "r000000000002";
/// Its stage.
pub(super) const STAGE: &str = "r000000000001-train";

const MIN: i64 = 60_000;

pub(super) fn training() -> Repo {
    Repo {
        id: RepoId(1),
        name: RepoName::parse("ada/digits-training").unwrap(),
    }
}

pub(super) fn service() -> Repo {
    Repo {
        id: RepoId(2),
        name: RepoName::parse("ada/digits-service").unwrap(),
    }
}

fn sha(digit: char) -> CommitSha {
    CommitSha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

fn login(text: &str) -> Login {
    Login::parse(text).unwrap()
}

/// Fills the rooms.
pub(super) async fn fill(bench: &Bench) {
    let now = now_ms();
    for run in runs(now) {
        let records = vec![Record::Run(Box::new(run.clone()))];
        bench
            .step(SubjectKey::Run(run.id.clone()), json!({}), records, now)
            .await;
    }
    let records = (1..=4)
        .map(|number| Record::Version(Box::new(version(number, now))))
        .collect();
    bench
        .step(
            SubjectKey::Model(RepoId(2), slug("digits")),
            json!({}),
            records,
            now,
        )
        .await;
    for environment in environments(now) {
        let key = SubjectKey::Environment(RepoId(2), environment.name.clone());
        let event = Record::Event {
            who: None,
            what: format!("{} serves v4", environment.name),
            sha: Some(sha('d')),
            why: format!("verified and live {HOSTILE}"),
        };
        bench
            .step(
                key,
                json!({}),
                vec![Record::Environment(Box::new(environment)), event],
                now,
            )
            .await;
    }
    for number in 1..=4_u64 {
        bench
            .step(
                SubjectKey::Pull(RepoId(2), PrNumber(number)),
                pull(number, number < 4),
                Vec::new(),
                now,
            )
            .await;
    }
    let dir = bench.dir.path().join("state/runs").join(STAGE);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("log.txt"), log()).unwrap();
}

/// A log that a hostile step wrote.
pub(super) fn log() -> String {
    let mut log = String::from("prepare runtime sha256:5ab1 found in the cache\n");
    for epoch in 1..=20 {
        log.push_str(&format!(
            "train epoch={epoch} loss={:.4} accuracy={:.4}\n",
            1.9 / f64::from(epoch),
            1.0 - 0.6 / f64::from(epoch)
        ));
    }
    log.push_str("train \u{1b}]0;owned\u{7}\u{1b}[31mred\u{1b}[0m <script>alert(1)</script> \u{202e}desrever\n");
    log.push_str("train saved outputs/model/model.onnx (812 KiB)\n");
    log
}

fn runs(now: i64) -> Vec<Run> {
    let mut passed = run(RUN, 'a', Phase::Succeeded, now - 26 * MIN);
    passed.finished_ms = Some(now - 24 * MIN);
    passed.stages = vec![
        stage(RUN, "train", Some(81_000)),
        stage(RUN, "evaluate", Some(14_500)),
    ];
    passed.metrics = [
        ("accuracy", 0.9744),
        ("f1_macro", 0.9739),
        ("log_loss", 0.0931),
        ("n_test", 450.0),
    ]
    .map(|(name, value)| metric(name, value))
    .into();
    passed.metrics.insert(
        "odd".to_owned(),
        Metric {
            value: MetricValue::Other("NaN".to_owned()),
            origin: "metrics.json".to_owned(),
        },
    );
    passed.live = Some((
        3,
        [("accuracy", 0.9711), ("f1_macro", 0.9702)]
            .map(|(name, value)| metric(name, value))
            .into(),
    ));
    passed.verdicts = serde_json::from_value(json!([
        {"gate": "accuracy", "outcome": "passed", "mode": "block", "metric": "accuracy", "observed": 0.9744, "wanted": "≥ 0.95", "live": 0.9711, "delta": 0.0033, "n_test": 450.0, "reason": "accuracy is 0.9744"},
        {"gate": "no-regression", "outcome": "passed", "mode": "block", "metric": "accuracy", "observed": 0.9744, "wanted": "≥ live 0.9711 − 0.005", "live": 0.9711, "delta": 0.0033, "n_test": 450.0, "reason": "accuracy did not fall"},
        {"gate": "min-test-rows", "outcome": "inconclusive", "mode": "warn", "metric": null, "observed": null, "wanted": "≥ 1000 rows", "live": null, "delta": null, "n_test": 450.0, "reason": HOSTILE},
    ])).unwrap();
    passed.made = Some(ModelFiles {
        name: "candidate".to_owned(),
        version: None,
        digest: Digest::of(b"4"),
        files: Vec::new(),
    });
    let mut going = run(GOING, 'b', Phase::Running, now - MIN);
    going.stages = vec![Stage {
        is_done: false,
        ..stage(GOING, "train", None)
    }];
    going.shown = Some(("training, step train".to_owned(), now));
    let mut failed = run("r000000000003", 'c', Phase::Failed, now - 3 * 60 * MIN);
    failed.finished_ms = Some(now - 179 * MIN);
    failed.stages = vec![stage("r000000000003", "train", Some(9_000))];
    failed.failure = Some(Failure {
        kind: FailureKind::MissingPackage,
        step: "train".to_owned(),
        message: format!("the module `pandas` is missing; add it to requirements.lock {HOSTILE}"),
    });
    failed.tail = vec![
        "Traceback (most recent call last):".to_owned(),
        "ModuleNotFoundError: No module named 'pandas'".to_owned(),
        HOSTILE.to_owned(),
    ];
    let mut cancelled = run("r000000000004", 'd', Phase::Cancelled, now - 27 * MIN);
    cancelled.finished_ms = Some(now - 26 * MIN);
    cancelled.cancelled = Some("superseded by `aaaaaaa`".to_owned());
    vec![failed, cancelled, passed, going]
}

fn run(id: &str, digit: char, phase: Phase, created_ms: i64) -> Run {
    let cause = Cause {
        repo: training(),
        sha: sha(digit),
        what: What::Train,
        trigger: Trigger::Push {
            branch: BranchName::parse("main").unwrap(),
        },
        trust: Trust::Trusted,
        params: BTreeMap::new(),
        by: Some(login("linus")),
    };
    let mut run = Run::new(cause, created_ms);
    run.id = id.to_owned();
    run.phase = phase;
    run.model = Some(slug("digits"));
    run
}

fn stage(run: &str, name: &str, duration_ms: Option<u64>) -> Stage {
    Stage {
        id: format!("{run}-{name}"),
        name: name.to_owned(),
        is_done: true,
        duration_ms,
    }
}

fn metric(name: &str, value: f64) -> (String, Metric) {
    (
        name.to_owned(),
        Metric {
            value: MetricValue::Number(value),
            origin: "metrics.json".to_owned(),
        },
    )
}

fn version(number: u64, now: i64) -> Version {
    let step = number as f64;
    Version {
        service: RepoId(2),
        model: slug("digits"),
        version: number,
        digest: Digest::of(number.to_string().as_bytes()),
        files: vec![File {
            path: RepoPath::parse("model.onnx").unwrap(),
            sha256: Digest::of(b"m"),
            bytes: 831_488,
            media_type: "application/onnx".to_owned(),
        }],
        run: RUN.to_owned(),
        training: RepoId(1),
        training_commit: sha('a'),
        pushed_by: Some(login("linus")),
        judge_digest: Digest::of(b"judge"),
        judge_sha: None,
        metrics: [
            ("accuracy", 0.955 + step * 0.005),
            ("f1_macro", 0.953 + step * 0.005),
            ("log_loss", 0.16 - step * 0.017),
            ("baseline.accuracy", 0.81),
            ("n_test", 450.0),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        self_reported: false,
        commit: sha('e'),
        pr: Some(PrNumber(number)),
        created_ms: now - (5 - i64::try_from(number).unwrap()) * 26 * 60 * MIN,
        deleted: (number == 1).then(|| Deleted {
            by: login("rita"),
            at_ms: now - MIN,
        }),
    }
}

fn release(number: u64) -> Release {
    let model = ModelRef {
        version: number,
        digest: Digest::of(number.to_string().as_bytes()),
    };
    Release {
        id: format!("rel-00000000000{number}"),
        commit: sha('d'),
        models: [(slug("digits"), model)].into(),
    }
}

fn environments(now: i64) -> Vec<Environment> {
    let verified = |number: u64, ago: i64| Verified {
        release: release(number),
        at_ms: now - ago * MIN,
    };
    let mut staging = Environment::new(service(), slug("staging"), now);
    staging.verified = vec![
        verified(1, 6_000),
        verified(2, 4_500),
        verified(3, 3_000),
        verified(4, 12),
    ];
    staging.live = Some(release(4));
    staging.wanted = Some(release(4));
    staging.live_since_ms = Some(now - 12 * MIN);
    staging.phase = Some(RolloutPhase::Live);
    staging.url = Some("http://127.0.0.1:20001".to_owned());
    let mut production = Environment::new(service(), slug("production"), now);
    production.verified = vec![verified(1, 5_900), verified(3, 2_900)];
    production.live = Some(release(3));
    production.wanted = Some(release(4));
    production.live_since_ms = Some(now - 2_900 * MIN);
    production.phase = Some(RolloutPhase::Failed);
    production.reason = Some("the server did not become ready within 60 s".to_owned());
    production.url = Some("http://127.0.0.1:20002".to_owned());
    production.changes = vec![
        change(12, ChangeCause::Promotion, 3, true),
        change(15, ChangeCause::Promotion, 4, false),
    ];
    let mut preview = Environment::new(service(), slug("pr-5"), now);
    preview.phase = Some(RolloutPhase::Starting);
    preview.wanted = Some(release(4));
    vec![staging, production, preview]
}

fn change(pr: u64, cause: ChangeCause, number: u64, is_over: bool) -> Change {
    Change {
        branch: BranchName::parse(&format!("bowsprit/production-{pr}")).unwrap(),
        key: format!("change:{pr}"),
        pr: Some(PrNumber(pr)),
        head: Some(sha('f')),
        cause,
        release: release(number),
        by: Some(login("rita")),
        asked: None,
        is_over,
        is_lost: false,
    }
}

fn pull(number: u64, is_landed: bool) -> serde_json::Value {
    let standing = if is_landed { "met" } else { "unmet" };
    json!({
        "repo": {"id": 2, "name": "ada/digits-service"},
        "number": number,
        "is_open": !is_landed,
        "heads": [{"sha": "e".repeat(40), "at_ms": 0, "is_first": true, "change": null}],
        "acted": [], "tries": 0, "refused_ms": null, "judged_tree": null, "judged_head": null,
        "landed": if is_landed { Some("d".repeat(40)) } else { None },
        "rules": [
            {"name": "lgtm", "state": "met", "detail": "by grace", "who": ["grace"]},
            {"name": "approved", "state": standing, "detail": "an approver of `models/digits/` says `/approve`", "who": ["ada", "rita"]},
            {"name": "check `bowsprit/service`", "state": if is_landed { "met" } else { "waiting" }, "detail": "under way", "who": []},
        ],
        "title": format!("digits v{number} {HOSTILE}"),
    })
}
