//! What is told of a contract is the same contract.

use super::*;

#[track_caller]
fn same_again(text: &str) -> String {
    let contract = parse(text).expect("a contract");
    let told = serde_saphyr::to_string(&effective(&contract)).expect("YAML");
    let again = parse(&told).unwrap_or_else(|problems| panic!("{problems:?} in:\n{told}"));
    assert_eq!(again, contract, "{told}");
    told
}

#[test]
fn contracts_survive_being_told() {
    let all = "
runtime: {base: {image: registry.example/a/b@sha256:DIGEST, steps: [[apt-get, install, -y, gcc]], requirements: r.lock, cuda: '12.4'}}
steps:
  - {name: prepare, run: python prepare.py, image: registry.example/tools@sha256:DIGEST, env: {A: 'b: c'}, secrets: [KEY], network: true}
  - {name: train, run: [python, train.py], resources: {cpu: 0.5, memory: 512Mi, gpu: 1}, timeout: 1h30m}
evaluate: {run: [python, e.py], data: [holdout/], code: [e.py, lib/]}
gates: [{name: accuracy, with: {metric: accuracy, min: 0.95}, mode: warn}, no-regression]
checks:
  - {name: a, run: [x], run_if_changed: '\\.py$'}
  - {name: b, run: [x], skip_if_only_changed: '\\.md$', optional: true}
  - {name: c, run: [x], always_run: true}
  - {name: d, run: [x], always_run: false, runtime: {python: '3.12', requirements: lint.lock}}
triggers: {push: [main, 'release/1'], pull_request: false, paths-ignore: ['**.md']}
chatops: {compatibility: prow, sticky_approve: false, labels: [Good], restricted_labels: {sec: [ada]}, not_ours: [/close], sticky_lgtm: [ada], trusted_apps: [bot], ask_reviewers: {count: 3}, contexts: {required: [a], required_if_present: [], unknown: skip}}
"
    .replace("DIGEST", &"0".repeat(64));
    same_again(&format!(
        "kind: training\nmodel: digits\nservice: digits-service\n{all}"
    ));
    same_again(TRAINING);
    for runtime in [
        "{python: '3.12'}",
        "{conda: environment.yml}",
        "{dockerfile: Dockerfile}",
    ] {
        let runtime = format!("runtime: {runtime}\n");
        let text = "kind: training\nmodel: digits\nservice: s\nsteps: [{name: train, run: [x]}]\nevaluate: self\ngates: [{name: threshold, with: {metric: a, min: 1}}]\n";
        same_again(&format!("{text}{runtime}"));
    }
    same_again(SERVICE);
    same_again(
        "kind: service
models: {a: {from: x, predict: /a}, b: {from: y}}
serve: {score: score.py}
deploy: {manifests: deploy/}
environments:
  staging: {tracks: main, auth: false, replicas: 2, replicas_max: 4, env: {A: b}}
  preview: {ttl: 1d}
  production: {after: staging, cluster: eu, approvals: 2, soak: 90s, windows: ['Mon-Thu 09:00-16:00 Europe/Madrid'], queue: 3, concurrency: 2, allow_self_reported: true}
ignore: ['docs/**']
logs: true
telemetry: false
",
    );
}

#[test]
fn defaults_are_written_out_in_the_order_of_the_grammar() {
    let told = same_again(
        "kind: training\nmodel: digits\nservice: s\nsteps: [{name: train, run: [x]}]\nevaluate: self\ngates: [{name: threshold, with: {metric: a, min: 1}}]\n",
    );
    expect![[r#"
        kind: training
        model: digits
        service: s
        steps:
        - name: train
          run:
          - x
          resources:
            cpu: 1000m
            memory: 2147483648
            gpu: 0
          timeout: 30m
          env: {}
          secrets: []
          network: false
        evaluate: self
        gates:
        - name: threshold
          with:
            metric: a
            min: 1
          mode: block
        checks: []
        triggers:
          push:
          - main
          pull_request: true
          paths-ignore: []
        chatops: {}
    "#]]
    .assert_eq(&told);
}
