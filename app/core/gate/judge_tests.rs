//! The rules of judging, each from both sides.

use super::samples::*;
use super::*;
use crate::training::spec::MetricValue;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn what_is_missing_or_no_number_is_told_with_its_surroundings() {
    let mut seen = evidence(&[("acuracy", 0.99), ("f1", 0.9), ("n_test", 10.0)], None);
    let verdict = one("accuracy", json!({"metric": "accuracy", "min": 0.9}), &seen);
    assert_eq!(verdict.outcome, VerdictOutcome::Error);
    assert_eq!(
        verdict.reason,
        "no metric `accuracy`; did you mean `acuracy`?; seen: `acuracy`, `f1`; searched: `outputs/metrics.json`"
    );
    assert_eq!(verdict.log, ["epoch 1", "done"]);
    let odd = Metric {
        value: MetricValue::Other("NaN".to_owned()),
        origin: "stdout:3".to_owned(),
    };
    seen.candidate.insert("accuracy".to_owned(), odd);
    let verdict = one("accuracy", json!({"metric": "accuracy", "min": 0.9}), &seen);
    assert_eq!(
        verdict.reason,
        "metric `accuracy` is `NaN`, not a finite number (stdout:3)"
    );
    seen.self_reported = true;
    let verdict = one("f1", json!({"metric": "f1", "min": 0.5}), &seen);
    assert_eq!(
        (verdict.outcome, verdict.log.len()),
        (VerdictOutcome::Passed, 0)
    );
    assert!(
        verdict.reason.ends_with(" (self-reported)"),
        "{}",
        verdict.reason
    );
}

#[test]
fn gates_that_are_not_understood_are_errors() {
    let check = |name: &str, with: Value, why: &str| {
        let verdict = one(
            name,
            with,
            &evidence(&[("accuracy", 1.0), ("n_test", 500.0)], None),
        );
        assert_eq!(verdict.outcome, VerdictOutcome::Error, "{verdict:?}");
        assert!(verdict.reason.contains(why), "{}", verdict.reason);
    };
    check(
        "no-regresion",
        json!({}),
        "no policy `no-regresion`; did you mean `no-regression`?",
    );
    check(
        "accuracy",
        json!({"metric": "accuracy"}),
        "give `metric` and `min` or `max`",
    );
    check(
        "no-regression",
        json!({"marign": 1}),
        "unknown parameter `marign`; policy `no-regression` has `margin`, `metric`",
    );
    check(
        "no-regression",
        json!({"margin": "big"}),
        "parameter `margin` must be a number, not a text",
    );
    check(
        "no-regression",
        json!({"margin": [1]}),
        "must be a number, a text, true or false",
    );
    check(
        "no-regression",
        json!({"metric": 3}),
        "must be the name of a metric",
    );
    check(
        "no-regression",
        json!({"policy": "threshold"}),
        "has a policy's name but asks for policy `threshold`",
    );
    check(
        "x",
        json!({"policy": 3}),
        "`policy` must be the name of a policy",
    );
    check(
        "n",
        json!({"metric": "n_tests", "min": 1}),
        "no metric `n_tests`",
    );
    let reserved = one(
        "n",
        json!({"metric": "n_test", "min": 1}),
        &evidence(&[("n_test", 5.0)], None),
    );
    assert_eq!(reserved.outcome, VerdictOutcome::Passed);
}

#[test]
fn a_repositorys_policy_fails_closed() {
    let check = |rule: &str, candidate: &[(&str, f64)], outcome| {
        let text = format!("name: own\nparams: {{names: loss}}\nrule: {rule}\nmessage: no\n");
        let own = parse_policy(&text).unwrap();
        let policies = Policies::new(shipped(), vec![own]).unwrap();
        let verdict = judge(
            &[gate("own", json!({}))],
            &policies,
            &evidence(candidate, None),
        )
        .remove(0);
        assert_eq!(verdict.outcome, outcome, "{rule}: {verdict:?}");
    };
    use VerdictOutcome::{Error, Failed, Passed};
    check("metrics.f1 > 0.5", &[("f1", 0.6)], Passed);
    check("metrics.f1 > 0.5 || true", &[], Error);
    check("'!has(metrics.f1) || metrics.f1 > 0.5'", &[], Passed);
    check(
        "'!has(metrics.f1) || metrics.f1 > 0.5'",
        &[("f1", f64::NAN)],
        Error,
    );
    check(
        "'!has(metrics.f1) || metrics.f1 > 0.5'",
        &[("f1", 0.4)],
        Failed,
    );
    check(
        "metrics.all(k, metrics[k] > 0.5)",
        &[("f1", 0.6), ("n_test", 0.0)],
        Passed,
    );
    check(
        "metrics.all(k, metrics[k] > 0.5)",
        &[("f1", 0.6), ("x", f64::INFINITY)],
        Error,
    );
    check("size(live.metrics) > 0", &[("f1", 0.6)], Error);
    check("metrics[params.names] < 1.0", &[("loss", 0.5)], Passed);
    check("1.0 / 0.0 > metrics.f1 && 1 / 0 > 0", &[("f1", 0.5)], Error);
}

#[test]
fn a_name_may_stand_once() {
    let own =
        |name: &str| parse_policy(&format!("name: {name}\nrule: n_test > 1\nmessage: m")).unwrap();
    let clash = |repository| {
        Policies::new(shipped(), repository)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let clashes: Vec<String> = clash(vec![own("threshold"), own("mine"), own("mine")]);
    assert_eq!(
        clashes,
        [
            "policy `threshold` ships with Bowsprit and may not be replaced; give yours another name",
            "policy `mine` is there twice"
        ]
    );
    let names: Vec<String> = policies().names().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "better-than-baseline",
            "min-test-rows",
            "no-regression",
            "parity",
            "threshold"
        ]
    );
}

#[test]
fn a_verdict_survives_its_journey() {
    let verdict = one("parity", json!({}), &evidence(&[], None));
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
}

fn odd_value() -> impl Strategy<Value = MetricValue> {
    prop_oneof![
        Just(MetricValue::Number(f64::NAN)),
        Just(MetricValue::Number(f64::INFINITY)),
        Just(MetricValue::Number(f64::NEG_INFINITY)),
        "\\PC{0,12}".prop_map(MetricValue::Other),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_shipped_gate_passes_on_what_is_no_number(value in odd_value(), in_live in any::<bool>(), fine in -1e9..1e9_f64) {
        let gates = [
            gate("a", json!({"metric": "accuracy", "max": 1e300})),
            gate("no-regression", json!({"margin": 1e300})),
            gate("better-than-baseline", json!({"margin": -1e300})),
            gate("min-test-rows", json!({"rows": -1e300})),
        ];
        let all = [("accuracy", fine), ("baseline.accuracy", fine), ("n_test", 1e3)];
        let odd = Metric { value, origin: String::new() };
        for (gate, name) in gates.iter().zip(["accuracy", "accuracy", "baseline.accuracy", "n_test"]) {
            let mut seen = evidence(&all, Some(&all));
            prop_assert_eq!(judge(std::slice::from_ref(gate), policies(), &seen)[0].outcome, VerdictOutcome::Passed);
            if in_live && gate.name.as_str() == "no-regression" {
                seen.live.as_mut().unwrap().metrics.insert(name.to_owned(), odd.clone());
            } else {
                seen.candidate.insert(name.to_owned(), odd.clone());
            }
            let verdicts = judge(std::slice::from_ref(gate), policies(), &seen);
            prop_assert_eq!(verdicts[0].outcome, VerdictOutcome::Error);
            prop_assert!(!may_propose(&verdicts));
        }
    }

    #[test]
    fn judging_never_panics_and_repeats_itself(
        name in "[a-z][a-z-]{0,8}|no-regression|parity",
        key in "metric|min|max|margin|policy|direction|rows|\\PC{0,8}",
        text in "\\PC{0,12}",
        value in any::<f64>(),
    ) {
        let gates = [gate(&name, json!({ key.clone(): text, "metric": key })), gate(&name, json!({ "min": value, "metric": key }))];
        let seen = evidence(&[(&key, value), (&text, 1.0)], Some(&[(&key, -value)]));
        let verdicts = judge(&gates, policies(), &seen);
        prop_assert_eq!(verdicts.len(), 2);
        let again = judge(&gates, policies(), &seen);
        prop_assert_eq!(format!("{verdicts:?}"), format!("{again:?}"));
    }
}
