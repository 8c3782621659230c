//! Judging: what was measured, what the service answered, what the gates say of it.

use super::evaluate::{self, Bench, Measured};
use super::old::{self, Scene};
use super::parity::{self, Side, live_version, parity};
use super::stage::{Found, failed};
use super::{Phase, Run};
use crate::contract::Training;
use crate::effect::Version;
use crate::gate::{self, Evidence, LiveEvidence};
use crate::subject::Given;
use crate::subject::ask::Ask;
use crate::training::spec::{FailureKind, Metric, MetricValue, RunResult};
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
        Err(why) => {
            let why = format!("the policies of the base branch cannot be used: {why}");
            return Some(failed(run, FailureKind::Agent, "policies", why));
        }
    };
    let (side, live) = match opponent(run, contract, ask)? {
        Ok(found) => found,
        Err(why) => return Some(failed(run, FailureKind::Agent, "live", why)),
    };
    let bench = Bench::of(run, "", contract, &judge_sha, ask)?;
    let searched = match &bench {
        None => self_reported(run, trained, live.as_ref()),
        Some(bench) => {
            run.judge_digest = Some(bench.digest.clone());
            match evaluate::measure(run, bench, live.as_ref(), given, ask)? {
                Ok(measured) => take(run, measured),
                Err(found) => return Some(found),
            }
        }
    };
    if parity::is_wanted(contract) {
        let evidence = run.evidence.clone();
        match parity(run, ("parity", &evidence), side.as_ref(), given, ask)? {
            Ok(probed) => {
                run.probe = probed.probe;
                run.note = probed.note.or(run.note.take());
            }
            Err(found) => return Some(found),
        }
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
    let mut is_good = gate::may_propose(&run.verdicts);
    if is_good {
        // What this judge refuses is not shown to the one before it.
        let scene = Scene {
            contract,
            side: side.as_ref(),
            live: live.as_ref(),
        };
        if let Some(found) = old::judge(run, &scene, given, ask)? {
            return Some(found);
        }
        is_good = run.old_judge.as_ref().is_none_or(|old| !old.blocks());
    }
    run.phase = if is_good {
        Phase::Succeeded
    } else {
        Phase::Failed
    };
    Some(Found::Over(Vec::new()))
}

/// The service's side, and the live model: once the judge has begun, the one that it began with, whatever has gone live
/// since. Errors inside: what is live cannot be told.
type Opponent = Result<(Option<Side>, Option<Version>), String>;

fn opponent(run: &mut Run, contract: &Training, ask: &mut Ask) -> Option<Opponent> {
    let side = match parity::side(run, contract, ask)? {
        Ok(Some(side)) => side,
        Ok(None) => return Some(Ok((None, None))),
        Err(why) => return Some(Err(why)),
    };
    let live = match run.live {
        Some((number, _)) => parity::numbered(&side, &contract.model, number, ask)?.map(Some),
        None => live_version(&side, &contract.model, ask)?,
    };
    let live = match live {
        Ok(live) => live,
        Err(why) => return Some(Err(why)),
    };
    if run.live.is_none() {
        run.live = live.as_ref().map(|v| (v.version, BTreeMap::new()));
    }
    Some(Ok((Some(side), live)))
}

fn take(run: &mut Run, measured: Measured) -> Vec<String> {
    run.metrics = measured.candidate;
    run.live = measured.live;
    run.live_run = measured.live_run;
    run.evidence = measured.evidence;
    run.judged_in = measured.runtime;
    run.note = measured.note.or(run.note.take());
    measured.searched
}

/// Takes the training's own figures; says where they were looked for.
fn self_reported(run: &mut Run, trained: &RunResult, live: Option<&Version>) -> Vec<String> {
    run.self_reported = true;
    run.metrics = trained
        .steps
        .iter()
        .flat_map(|step| step.metrics.clone())
        .collect();
    run.live = live.map(|version| (version.version, as_metrics(version)));
    let steps = trained.steps.iter();
    steps.flat_map(|step| step.searched.clone()).collect()
}

/// Metrics that were measured when that version was proposed; used only where a training measures itself.
fn as_metrics(version: &Version) -> BTreeMap<String, Metric> {
    let metric = |(name, value): (&String, &f64)| {
        let metric = Metric {
            value: MetricValue::Number(*value),
            origin: format!("v{}", version.version),
        };
        (name.clone(), metric)
    };
    version.metrics.iter().map(metric).collect()
}
