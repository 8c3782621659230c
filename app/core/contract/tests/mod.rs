//! A contract, one change, and what is told about it.

mod of_any;
mod of_effective;
mod of_runtime;
mod of_service;
mod of_training;

use super::*;
use expect_test::{Expect, expect};

const TRAINING: &str = r#"kind: training
model: digits
service: digits-service
runtime: {python: "3.11", requirements: requirements.lock}
steps:
  - name: train
    run: [python, train.py]
    resources: {cpu: 1, memory: 1Gi, gpu: 0}
    timeout: 30m
    env: {EPOCHS: "20"}
    secrets: [DATASET_KEY]
evaluate:
  run: [python, evaluate.py]
  data: [holdout/]
gates:
  - {name: accuracy, with: {metric: accuracy, min: 0.95}}
  - no-regression
  - {name: better-than-baseline, mode: warn}
checks:
  - {name: unit, run: [python, -m, pytest, -q], run_if_changed: '\.py$'}
triggers: {push: [main], pull_request: true, paths-ignore: ["**.md"]}
"#;

const SERVICE: &str = r#"kind: service
models:
  digits: {from: digits-training}
runtime: {python: "3.11", requirements: requirements.lock}
serve:
  run: [python, -m, digits_service]
  test: [python, -m, pytest, -q]
  resources: {cpu: 250m, memory: 256Mi}
environments:
  preview: {ttl: 72h}
  staging: {tracks: main, env: {LOG_LEVEL: debug}}
  production: {after: staging, approvals: 1, soak: 10m, windows: ["Mon-Thu 09:00-16:00 Europe/Madrid"]}
"#;

/// What is told about a text, one problem a line.
#[track_caller]
fn check(text: &str, told: Expect) {
    let lines: Vec<String> = match parse(text) {
        Ok(_) => vec!["fine".to_owned()],
        Err(problems) => problems
            .iter()
            .map(|problem| format!("{}:{} {}", problem.line, problem.column, problem.message))
            .collect(),
    };
    told.assert_eq(&lines.join("\n"));
}

/// The training contract with one text replaced.
#[track_caller]
fn trained(from: &str, to: &str, told: Expect) {
    assert!(TRAINING.contains(from), "{from}");
    check(&TRAINING.replacen(from, to, 1), told);
}

/// The service contract with one text replaced.
#[track_caller]
fn served(from: &str, to: &str, told: Expect) {
    assert!(SERVICE.contains(from), "{from}");
    check(&SERVICE.replacen(from, to, 1), told);
}

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("test path")
}
