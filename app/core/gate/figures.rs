//! The figures that gates read, and what is wrong with them.
//!
//! A figure counts when it is a finite number under exactly the name asked for. A text, NaN, infinity or a missing name is told
//! with what was seen and where it was searched, and never becomes a number.

use super::Evidence;
use super::context::{Param, Values};
use super::direction::Direction;
use super::explain::{self, shown};
use super::uses::{Name, Place, Uses};
use crate::training::spec::{Metric, MetricValue};
use std::collections::BTreeMap;

/// Most metrics of a candidate or a live model that gates read: it bounds what a rule over all of them costs.
const METRICS_MAX: usize = 1_000;
/// Longest name of a metric. Units: bytes.
const METRIC_NAME_BYTES_MAX: usize = 200;
/// The reserved name of the number of scored rows.
pub(super) const N_TEST: &str = "n_test";
/// The prefix of the trivial predictor's figures.
const BASELINE: &str = "baseline.";

/// The finite figures of the evidence, by the names that a rule uses.
pub(super) fn values(
    evidence: &Evidence,
    params: BTreeMap<String, Param>,
    metric: Option<&str>,
) -> Values {
    let of = |metrics: &BTreeMap<String, Metric>| {
        // A reserved name is a metric only for a gate that names it outright.
        let is_own = |name: &str| !is_reserved(name) || Some(name) == metric;
        metrics
            .iter()
            .filter(|(name, _)| is_own(name))
            .filter_map(|(name, metric)| Some((name.clone(), finite(metric)?)))
            .collect::<BTreeMap<_, _>>()
    };
    let baseline = evidence.candidate.iter().filter_map(|(name, metric)| {
        let name = name.strip_prefix(BASELINE)?;
        Some((name.to_owned(), finite(metric)?))
    });
    Values {
        metrics: of(&evidence.candidate),
        live: evidence.live.as_ref().map(|live| of(&live.metrics)),
        baseline: baseline.collect(),
        params,
        n_test: evidence
            .candidate
            .get(N_TEST)
            .and_then(finite)
            .filter(|n| *n >= 0.0 && n.fract() == 0.0),
        sign: None,
        probe: evidence
            .probe
            .as_ref()
            .map(|probe| (probe.compared as f64, probe.mismatched as f64)),
    }
}

fn is_reserved(name: &str) -> bool {
    name == N_TEST || name.starts_with(BASELINE)
}

fn finite(metric: &Metric) -> Option<f64> {
    match metric.value {
        MetricValue::Number(value) => Some(value).filter(|value| value.is_finite()),
        MetricValue::Other(_) => None,
    }
}

/// Checks that what the rules read is there and finite.
pub(super) struct Reader<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) values: &'a Values,
    pub(super) uses: &'a Uses,
}

impl Reader<'_> {
    /// The candidate's metrics; they must be sound even when the rule turns out not to apply.
    pub(super) fn check_candidate(&self) -> Result<(), String> {
        self.check_place(Place::Candidate, &self.evidence.candidate, "")
    }

    /// What a rule reads beside the candidate's metrics; called once it is known that the rule applies.
    pub(super) fn check_others(&self, direction: Option<Direction>) -> Result<(), String> {
        let has = |variable: &str| self.uses.variables.contains(variable);
        if has("sign") && direction.is_none() {
            return Err("it is not known which way this metric gets better; write `direction: up` or `direction: down` in the gate's `with`".to_owned());
        }
        if has(N_TEST) && self.values.n_test.is_none() {
            return Err(match self.evidence.candidate.get(N_TEST) {
                Some(metric) => format!(
                    "`n_test` is {}, not a count ({})",
                    written(metric),
                    shown(&metric.origin)
                ),
                None => "the evaluation did not report `n_test`, the number of rows that it scored"
                    .to_owned(),
            });
        }
        if has("probe") {
            match self.values.probe {
                None => return Err("no samples were replayed against the served model".to_owned()),
                Some((compared, mismatched)) if mismatched > compared => {
                    return Err("the replay reports more differences than samples".to_owned());
                }
                Some(_) => {}
            }
        }
        match &self.evidence.live {
            Some(live) => self.check_place(Place::Live, &live.metrics, "")?,
            None if self.uses.needs_live() => {
                return Err("there is no live model to compare with".to_owned());
            }
            None => {}
        }
        self.check_place(Place::Baseline, &self.evidence.candidate, BASELINE)
    }

    fn check_place(
        &self,
        place: Place,
        metrics: &BTreeMap<String, Metric>,
        prefix: &str,
    ) -> Result<(), String> {
        if metrics.len() > METRICS_MAX
            || metrics
                .keys()
                .any(|name| name.len() > METRIC_NAME_BYTES_MAX)
        {
            return Err(format!(
                "a gate reads at most {METRICS_MAX} metrics with names of {METRIC_NAME_BYTES_MAX} bytes"
            ));
        }
        let of_live = if place == Place::Live {
            " of the live model"
        } else {
            ""
        };
        if self.uses.whole.contains(&place) {
            let odd = metrics
                .iter()
                .find(|(name, metric)| name.starts_with(prefix) && finite(metric).is_none());
            if let Some((name, metric)) = odd {
                return Err(not_finite(name, metric, of_live));
            }
        }
        let is_here = |(at, _): &&(Place, Name)| *at == place;
        for (_, name) in self.uses.guards.iter().filter(is_here) {
            let name = format!("{prefix}{}", self.resolve(name)?);
            if let Some(metric) = metrics.get(&name).filter(|metric| finite(metric).is_none()) {
                return Err(not_finite(&name, metric, of_live));
            }
        }
        for read in self.uses.reads.iter().filter(is_here) {
            let name = format!("{prefix}{}", self.resolve(&read.1)?);
            match metrics.get(&name) {
                Some(metric) if finite(metric).is_none() => {
                    return Err(not_finite(&name, metric, of_live));
                }
                Some(_) => {}
                None if self.uses.guards.contains(read) => {}
                None => return Err(self.missing(&name, metrics, of_live, prefix)),
            }
        }
        Ok(())
    }

    fn resolve(&self, name: &Name) -> Result<String, String> {
        match name {
            Name::Fixed(name) => Ok(name.clone()),
            Name::Param(param) => match self.values.params.get(param) {
                Some(Param::Text(name)) => Ok(name.clone()),
                Some(Param::Number(_) | Param::Flag(_)) => {
                    Err(format!("parameter `{param}` must name a metric"))
                }
                None => Err(format!("the gate must give `{param}`")),
            },
        }
    }

    fn missing(
        &self,
        name: &str,
        metrics: &BTreeMap<String, Metric>,
        of_live: &str,
        prefix: &str,
    ) -> String {
        let is_alike = |seen: &&String| {
            if prefix.is_empty() {
                !is_reserved(seen)
            } else {
                seen.starts_with(prefix)
            }
        };
        let seen: Vec<String> = metrics.keys().filter(is_alike).cloned().collect();
        explain::not_found(
            &format!("no metric{of_live}"),
            name,
            &seen,
            &self.evidence.searched,
        )
    }
}

fn written(metric: &Metric) -> String {
    match &metric.value {
        MetricValue::Number(value) => value.to_string(),
        MetricValue::Other(text) => format!("`{}`", shown(text)),
    }
}

fn not_finite(name: &str, metric: &Metric, of_live: &str) -> String {
    let origin = shown(&metric.origin);
    format!(
        "metric `{}`{of_live} is {}, not a finite number ({origin})",
        shown(name),
        written(metric)
    )
}
