//! The shipped policies, each from both sides.

use super::samples::*;
use super::*;
use crate::training::spec::ProbeResult;
use serde_json::{Value, json};

#[test]
fn threshold_takes_what_is_inside_its_bounds() {
    use VerdictOutcome::{Error, Failed, Passed};
    let check = |with: Value, value: f64, outcome, wanted: &str| {
        let verdict = one(
            "accuracy",
            with.clone(),
            &evidence(&[("accuracy", value)], None),
        );
        assert_eq!(verdict.outcome, outcome, "{with}: {verdict:?}");
        assert_eq!(verdict.wanted, wanted, "{verdict:?}");
    };
    check(
        json!({"metric": "accuracy", "min": 0.95}),
        0.95,
        Passed,
        "≥ 0.95",
    );
    check(
        json!({"metric": "accuracy", "min": 0.95}),
        0.9499,
        Failed,
        "≥ 0.95",
    );
    check(json!({"metric": "accuracy", "max": 1}), 1.0, Passed, "≤ 1");
    check(json!({"metric": "accuracy", "max": 1}), 1.1, Failed, "≤ 1");
    check(
        json!({"metric": "accuracy", "min": 0.5, "max": 0.9}),
        0.7,
        Passed,
        "≥ 0.5 and ≤ 0.9",
    );
    check(
        json!({"metric": "accuracy", "min": 0.5, "max": 0.9}),
        0.95,
        Failed,
        "≥ 0.5 and ≤ 0.9",
    );
    check(
        json!({"metric": "accuracy", "min": 0.5, "max": 0.9}),
        0.4,
        Failed,
        "≥ 0.5 and ≤ 0.9",
    );
    check(
        json!({"metric": "accuracy", "min": "0.95"}),
        1.0,
        Error,
        "≥ 0.95",
    );
    check(
        json!({"metric": "accuracy", "min": true}),
        1.0,
        Error,
        "≥ true",
    );
    check(json!({"metric": "accuracy", "min": null}), 1.0, Error, "");
    check(
        json!({"metric": "accuracy", "policy": "threshold"}),
        1.0,
        Error,
        "≥ and ≤",
    );
    let explicit = json!({"policy": "threshold", "metric": "accuracy", "min": 0.5});
    check(explicit, 0.6, Passed, "≥ 0.5");
}

#[test]
fn a_threshold_says_what_it_saw() {
    let verdict = one(
        "f1",
        json!({"metric": "accuracy", "min": 0.95}),
        &evidence(&[("accuracy", 0.94)], None),
    );
    assert_eq!(
        verdict.reason,
        "accuracy is out of bounds: accuracy is 0.94, wanted ≥ 0.95"
    );
    assert_eq!(
        (verdict.metric.as_deref(), verdict.observed),
        (Some("accuracy"), Some(0.94))
    );
}

#[test]
fn no_regression_allows_its_margin_and_no_more() {
    use VerdictOutcome::{Error, Failed, Passed};
    let check = |with: Value,
                 candidate: &[(&str, f64)],
                 live: Option<&[(&str, f64)]>,
                 outcome,
                 wanted: &str| {
        let verdict = one("no-regression", with, &evidence(candidate, live));
        assert_eq!(
            (verdict.outcome, verdict.wanted.as_str()),
            (outcome, wanted),
            "{verdict:?}"
        );
        verdict
    };
    let live: Option<&[(&str, f64)]> = Some(&[("accuracy", 0.981), ("loss", 0.2), ("score", 1.0)]);
    check(
        json!({}),
        &[("accuracy", 0.976)],
        live,
        Passed,
        "≥ live 0.981 − 0.005",
    );
    let failed = check(
        json!({}),
        &[("accuracy", 0.9759)],
        live,
        Failed,
        "≥ live 0.981 − 0.005",
    );
    assert!(
        failed
            .delta
            .is_some_and(|delta| (delta + 0.0051).abs() < 1e-9)
    );
    let first = check(
        json!({}),
        &[("accuracy", 0.1)],
        None,
        Passed,
        "≥ live − 0.005",
    );
    assert_eq!(first.reason, "first version: no live model to compare with");
    check(json!({}), &[("f1", 0.1)], None, Error, "≥ live − 0.005");
    check(
        json!({"metric": "loss", "margin": 0.1}),
        &[("loss", 0.3)],
        live,
        Passed,
        "≤ live 0.2 + 0.1",
    );
    check(
        json!({"metric": "loss", "margin": 0}),
        &[("loss", 0.3)],
        live,
        Failed,
        "≤ live 0.2",
    );
    check(
        json!({"metric": "f1"}),
        &[("f1", 0.3)],
        live,
        Error,
        "≥ live − 0.005",
    );
}

#[test]
fn no_regression_does_not_guess_the_direction() {
    use VerdictOutcome::{Error, Failed, Passed};
    let check = |with: Value,
                 candidate: &[(&str, f64)],
                 live: Option<&[(&str, f64)]>,
                 outcome,
                 wanted: &str| {
        let verdict = one("no-regression", with, &evidence(candidate, live));
        assert_eq!(
            (verdict.outcome, verdict.wanted.as_str()),
            (outcome, wanted),
            "{verdict:?}"
        );
        verdict
    };
    let live: Option<&[(&str, f64)]> = Some(&[("accuracy", 0.981), ("loss", 0.2), ("score", 1.0)]);
    let unknown = check(
        json!({"metric": "score"}),
        &[("score", 2.0)],
        live,
        Error,
        "better or equal to live 1 by 0.005",
    );
    assert!(
        unknown
            .reason
            .contains("write `direction: up` or `direction: down`"),
        "{}",
        unknown.reason
    );
    let down = json!({"metric": "score", "direction": "down"});
    check(down, &[("score", 2.0)], live, Failed, "≤ live 1 + 0.005");
    let up = json!({"metric": "score", "direction": "up"});
    check(up, &[("score", 2.0)], live, Passed, "≥ live 1 − 0.005");
    check(
        json!({"direction": "left"}),
        &[("accuracy", 1.0)],
        live,
        Error,
        "",
    );
    let huge: Option<&[(&str, f64)]> = Some(&[("loss", f64::MAX)]);
    let far = check(
        json!({"metric": "loss"}),
        &[("loss", -f64::MAX)],
        huge,
        Error,
        "≤ live over 10^15 + 0.005",
    );
    assert!(
        far.reason.contains("not finite") && far.delta.is_none(),
        "{far:?}"
    );
}

#[test]
fn better_than_baseline_wants_more_than_a_draw() {
    use VerdictOutcome::{Error, Failed, Passed};
    let check = |with: Value, candidate: &[(&str, f64)], outcome, wanted: &str| {
        let verdict = one("better-than-baseline", with, &evidence(candidate, None));
        assert_eq!(
            (verdict.outcome, verdict.wanted.as_str()),
            (outcome, wanted),
            "{verdict:?}"
        );
        verdict
    };
    check(
        json!({}),
        &[("accuracy", 0.13), ("baseline.accuracy", 0.12)],
        Passed,
        "> baseline 0.12",
    );
    check(
        json!({}),
        &[("accuracy", 0.12), ("baseline.accuracy", 0.12)],
        Failed,
        "> baseline 0.12",
    );
    let margin = json!({"metric": "mae", "margin": 0.5});
    check(
        margin,
        &[("mae", 2.0), ("baseline.mae", 2.4)],
        Failed,
        "< baseline 2.4 − 0.5",
    );
    let missing = check(
        json!({}),
        &[("accuracy", 0.9), ("baseline.acuracy", 0.1)],
        Error,
        "> baseline",
    );
    assert!(
        missing.reason.contains("did you mean `baseline.acuracy`?"),
        "{}",
        missing.reason
    );
}

#[test]
fn rows_and_samples_must_be_enough() {
    use VerdictOutcome::{Error, Failed, Inconclusive, Passed};
    let rows = |n: f64| {
        one(
            "min-test-rows",
            json!({}),
            &evidence(&[("n_test", n)], None),
        )
        .outcome
    };
    assert_eq!(rows(100.0), Passed);
    assert_eq!(rows(99.0), Failed);
    assert_eq!(rows(100.5), Error);
    assert_eq!(rows(-1.0), Error);
    assert_eq!(
        one("min-test-rows", json!({}), &evidence(&[], None)).outcome,
        Error
    );
    let parity = |result: Option<ProbeResult>| {
        one(
            "parity",
            json!({}),
            &Evidence {
                probe: result,
                ..evidence(&[], None)
            },
        )
    };
    assert_eq!(parity(Some(probe(20, 0))).outcome, Passed);
    assert_eq!(
        parity(Some(probe(20, 0))).wanted,
        "0 of ≥ 20 samples differ"
    );
    assert_eq!(parity(Some(probe(19, 0))).outcome, Inconclusive);
    assert_eq!(parity(Some(probe(20, 1))).outcome, Failed);
    assert!(
        parity(Some(probe(20, 1)))
            .reason
            .starts_with("the served model answers differently: 1 of 20 samples")
    );
    assert_eq!(parity(Some(probe(20, 1))).log, ["sample 3: 7 is not 1"]);
    assert_eq!(parity(Some(probe(20, 21))).outcome, Error);
    assert_eq!(parity(None).outcome, Error);
}
