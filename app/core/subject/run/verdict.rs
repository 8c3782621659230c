//! Judging: what was measured, what the service answered, what the gates say of it.

use super::evaluate::evaluate;
use super::parity::{live_version, parity, side};
use super::stage::Found;
use super::{Phase, Run};
use crate::contract::{Evaluate, Training};
use crate::effect::Version;
use crate::gate::{self, Evidence, LiveEvidence};
use crate::subject::Given;
use crate::subject::ask::Ask;
use crate::training::spec::{Metric, RunResult};
use std::collections::BTreeMap;

/// Runs what judges a trained model, then the gates.
pub(super) fn judge(
    run: &mut Run,
    contract: &Training,
    trained: &RunResult,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Found> {
    let Some(judge_sha) = run.judge_sha.clone() else {
        return Some(Found::Over(Vec::new()));
    };
    let policies = match ask.policies(run.repo.id, &judge_sha)? {
        Ok(policies) => policies,
        Err(why) => return Some(bad_policies(run, why)),
    };
    let side = side(run, contract, ask)?;
    let live = match &side {
        Some(side) => live_version(side, &contract.model, ask)?,
        None => None,
    };
    let searched = match &contract.evaluate {
        Evaluate::SelfReported => {
            run.self_reported = true;
            run.metrics = trained
                .steps
                .iter()
                .flat_map(|step| step.metrics.clone())
                .collect();
            run.live = live
                .as_ref()
                .map(|version| (version.version, as_metrics(version)));
            trained
                .steps
                .iter()
                .flat_map(|step| step.searched.clone())
                .collect()
        }
        Evaluate::Judge(_) => match evaluate(run, contract, live.as_ref(), given, ask)? {
            Ok(searched) => searched,
            Err(found) => return Some(found),
        },
    };
    if contract
        .gates
        .iter()
        .any(|gate| gate.name.as_str() == "parity")
        && let Some(found) = parity(run, side.as_ref(), given, ask)?
    {
        return Some(found);
    }
    let evidence = Evidence {
        candidate: run.metrics.clone(),
        live: run
            .live
            .clone()
            .map(|(version, metrics)| LiveEvidence { version, metrics }),
        probe: run.probe.clone(),
        self_reported: run.self_reported,
        searched,
        tail: trained.tail.clone(),
    };
    run.verdicts = gate::judge(&contract.gates, &policies, &evidence);
    run.phase = if gate::may_propose(&run.verdicts) {
        Phase::Succeeded
    } else {
        Phase::Failed
    };
    Some(Found::Over(Vec::new()))
}

fn bad_policies(run: &mut Run, why: String) -> Found {
    run.phase = Phase::Failed;
    run.failure = Some(crate::training::spec::Failure {
        kind: crate::training::spec::FailureKind::Agent,
        step: "policies".to_owned(),
        message: format!("the policies of the base branch cannot be used: {why}"),
    });
    Found::Over(Vec::new())
}

/// Metrics that were measured when that version was proposed; used only where a training measures itself.
fn as_metrics(version: &Version) -> BTreeMap<String, Metric> {
    let metric = |(name, value): (&String, &f64)| {
        let metric = Metric {
            value: crate::training::spec::MetricValue::Number(*value),
            origin: format!("v{}", version.version),
        };
        (name.clone(), metric)
    };
    version.metrics.iter().map(metric).collect()
}
