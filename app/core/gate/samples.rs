//! Evidence and gates for tests.

use super::*;
use crate::training::spec::MetricValue;
use serde_json::Value;
use std::sync::LazyLock;

pub(super) fn gate(name: &str, with: Value) -> GateRef {
    GateRef {
        name: Slug::parse(name).unwrap(),
        with: serde_json::from_value(with).unwrap(),
        mode: Mode::Block,
    }
}

pub(super) fn metric(value: f64) -> Metric {
    Metric {
        value: MetricValue::Number(value),
        origin: "metrics.json".to_owned(),
    }
}

pub(super) fn metrics(pairs: &[(&str, f64)]) -> BTreeMap<String, Metric> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), metric(*value)))
        .collect()
}

pub(super) fn evidence(candidate: &[(&str, f64)], live: Option<&[(&str, f64)]>) -> Evidence {
    Evidence {
        candidate: metrics(candidate),
        live: live.map(|pairs| LiveEvidence {
            version: 7,
            metrics: metrics(pairs),
        }),
        probe: None,
        self_reported: false,
        searched: vec!["outputs/metrics.json".to_owned()],
        tail: vec!["epoch 1".to_owned(), "\u{1b}[1mdone".to_owned()],
    }
}

pub(super) fn probe(compared: usize, mismatched: usize) -> ProbeResult {
    ProbeResult {
        compared,
        mismatched,
        first_mismatch: (mismatched > 0).then(|| "sample 3: 7 is not 1".to_owned()),
        ready_ms: 1,
        p50_us: 1,
        p95_us: 1,
        openapi: false,
    }
}

pub(super) fn policies() -> &'static Policies {
    static SHIPPED: LazyLock<Policies> =
        LazyLock::new(|| Policies::new(shipped(), Vec::new()).unwrap());
    &SHIPPED
}

pub(super) fn one(name: &str, with: Value, evidence: &Evidence) -> Verdict {
    judge(&[gate(name, with)], policies(), evidence).remove(0)
}
