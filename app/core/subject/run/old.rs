//! The old judge: what judged the model that is live, or the newest proposed one, before the judge changed.
//!
//! It judges every candidate too, until the contract of the protected base retires it: who weakens a judge does not get
//! by with that alone. It must never be passed over in silence; one that cannot judge is an error that blocks.

use super::evaluate::{self, Bench};
use super::parity::{self, Probed, Side, parity};
use super::stage::Found;
use super::{Phase, Run};
use crate::contract::{Contract, Training};
use crate::effect::Version;
use crate::gate::{self, Evidence, LiveEvidence, Mode, Verdict, VerdictOutcome};
use crate::name::{CommitSha, Digest, Slug};
use crate::subject::Given;
use crate::subject::ask::{Ask, ContractAt};
use serde::{Deserialize, Serialize};

/// The old judge of a run, and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OldJudge {
    /// The version that it judged.
    pub version: u64,
    /// Its digest.
    pub digest: Digest,
    /// Commit that it is taken from.
    pub sha: CommitSha,
    /// Whether the contract that judges now has retired it.
    pub is_retired: bool,
    /// One a gate of its own; none while it has not spoken, and none once it is retired.
    pub verdicts: Vec<Verdict>,
}

impl OldJudge {
    /// Whether it keeps a model from being proposed.
    pub fn blocks(&self) -> bool {
        !self.is_retired && !gate::may_propose(&self.verdicts)
    }
}

/// What both judges of a run share.
pub(super) struct Scene<'a> {
    /// The contract that judges now.
    pub(super) contract: &'a Training,
    pub(super) side: Option<&'a Side>,
    pub(super) live: Option<&'a Version>,
}

/// Why it has not spoken.
enum Halt {
    /// One of its stages is under way, or the run was ended.
    Found(Found),
    /// It cannot judge.
    Cannot(String),
}

/// Has the old judge judge where there is one; `None` inside once that is done.
pub(super) fn judge(
    run: &mut Run,
    scene: &Scene<'_>,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Option<Found>> {
    let Some(version) = judged_otherwise(run, scene, ask)? else {
        return Some(None);
    };
    let retired = scene.contract.retire_judge.as_deref();
    let mut old = OldJudge {
        version: version.version,
        // A version that a push to the default branch made was judged by the files of that push.
        sha: version.judge_sha.unwrap_or(version.training_commit),
        is_retired: retired.is_some_and(|digits| version.judge_digest.hex().starts_with(digits)),
        digest: version.judge_digest,
        verdicts: Vec::new(),
    };
    // Written down at once, so that it stays the same one though another version goes live meanwhile.
    run.old_judge = Some(old.clone());
    if !old.is_retired {
        old.verdicts = match verdicts(run, &old, scene, given, ask)? {
            Ok(verdicts) => verdicts,
            Err(Halt::Found(found)) => return Some(Some(found)),
            Err(Halt::Cannot(why)) => vec![cannot(why)],
        };
    }
    run.old_judge = Some(old);
    Some(None)
}

/// The live version, else the newest, if another judge than the run's judged it.
fn judged_otherwise(run: &Run, scene: &Scene<'_>, ask: &mut Ask) -> Option<Option<Version>> {
    let Some(side) = scene.side else {
        return Some(None);
    };
    let versions = ask.versions(side.repo.id, &scene.contract.model)?;
    let newest = || versions.iter().max_by_key(|version| version.version);
    let found = match (&run.old_judge, scene.live) {
        (Some(old), _) => versions.iter().find(|v| v.version == old.version),
        (None, Some(live)) => Some(live),
        (None, None) => newest(),
    };
    // Where training measured itself there was no judge.
    let is_other = |version: &&Version| {
        !version.self_reported && run.judge_digest.as_ref() != Some(&version.judge_digest)
    };
    Some(found.filter(is_other).cloned())
}

fn verdicts(
    run: &mut Run,
    old: &OldJudge,
    scene: &Scene<'_>,
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Result<Vec<Verdict>, Halt>> {
    let contract = match contract(run, old, ask)? {
        Ok(contract) => contract,
        Err(why) => return Some(Err(Halt::Cannot(why))),
    };
    let policies = match ask.policies(run.repo.id, &old.sha)? {
        Ok(policies) => policies,
        Err(why) => {
            let why = format!("its policies cannot be used: {why}");
            return Some(Err(Halt::Cannot(why)));
        }
    };
    let bench = match Bench::of(run, "old-", &contract, &old.sha, ask)? {
        Some(bench) if bench.digest == old.digest => Some(bench),
        Some(bench) if evaluate::narrow_digest(run, &bench, ask)? == old.digest => Some(bench),
        Some(_) | None => None,
    };
    let Some(bench) = bench else {
        let why = format!(
            "commit `{}` does not hold the judge that judged v{}",
            old.sha.short(),
            old.version
        );
        return Some(Err(Halt::Cannot(why)));
    };
    let measured = match evaluate::measure(run, &bench, scene.live, given, ask)? {
        Ok(measured) => measured,
        Err(found) => return Some(Err(excused(run, found))),
    };
    let probed = match probe(run, &measured.evidence, (&contract, scene.side), given, ask)? {
        Ok(probed) => probed,
        Err(found) => return Some(Err(Halt::Found(found))),
    };
    let note = measured.note.or(probed.note);
    run.note = run
        .note
        .take()
        .or(note.map(|note| format!("the old judge: {note}")));
    let evidence = Evidence {
        candidate: measured.candidate,
        live: measured
            .live
            .map(|(version, metrics)| LiveEvidence { version, metrics }),
        probe: probed.probe,
        self_reported: false,
        searched: measured.searched,
        tail: measured.tail,
    };
    Some(Ok(gate::judge(&contract.gates, &policies, &evidence)))
}

/// The contract that the old judge judged by. Errors: why there is none.
fn contract(run: &Run, old: &OldJudge, ask: &mut Ask) -> Option<Result<Training, String>> {
    let at = old.sha.short();
    if ask.commit(run.repo.id, &old.sha)?.is_none() {
        return Some(Err(format!("its commit `{at}` is gone")));
    }
    Some(match ask.contract(run.repo.id, &old.sha)? {
        ContractAt::Good(contract, _) => match *contract {
            Contract::Training(contract) => Ok(contract),
            Contract::Service(_) => {
                Err(format!("the contract of its commit `{at}` trains nothing"))
            }
        },
        ContractAt::Missing => Err(format!("its commit `{at}` has no contract")),
        ContractAt::Broken(problems) => Err(format!(
            "the contract of its commit `{at}` cannot be read: {}",
            problems
                .first()
                .map_or("", |problem| problem.message.as_str())
        )),
    })
}

/// The old evaluation's own samples in the service's runtime; what the new one's brought stays with the run.
fn probe(
    run: &mut Run,
    evidence: &[crate::artifact::File],
    (contract, side): (&Training, Option<&Side>),
    given: &Given<Run>,
    ask: &mut Ask,
) -> Option<Result<Probed, Found>> {
    if !parity::is_wanted(contract) {
        return Some(Ok(Probed::default()));
    }
    let kept = (run.probe.clone(), run.tail.clone());
    let probed = parity(run, ("old-parity", evidence), side, given, ask)?;
    (run.probe, run.tail) = kept;
    Some(probed)
}

/// A stage of the old judge that failed is its verdict, not the run's end.
fn excused(run: &mut Run, found: Found) -> Halt {
    if run.phase != Phase::Failed {
        return Halt::Found(found);
    }
    run.phase = Phase::Running;
    run.tail = Vec::new();
    let failure = run.failure.take();
    Halt::Cannot(failure.map_or_else(
        || "its evaluation failed".to_owned(),
        |failure| {
            format!(
                "its evaluation of the {} failed: {}",
                failure.step, failure.message
            )
        },
    ))
}

fn cannot(why: String) -> Verdict {
    Verdict {
        gate: Slug::parse("old-judge").expect("a good name"),
        outcome: VerdictOutcome::Error,
        mode: Mode::Block,
        metric: None,
        observed: None,
        wanted: "an answer".to_owned(),
        live: None,
        delta: None,
        n_test: None,
        reason: format!("the old judge cannot judge: {why}"),
        log: Vec::new(),
    }
}
