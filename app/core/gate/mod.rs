//! Gates: policies, the evidence they weigh, and the verdicts that they give.
//!
//! A gate fails closed: what is missing, not finite, ambiguous or not computable is an error, never a pass.
//! Policies may come from a repository, so their size, depth and cost are capped before anything is computed (see `rule`).
//! Nothing here loads a model or reads a file: the evidence comes in as values, and the same evidence gives the same verdicts.

mod context;
mod direction;
mod explain;
mod figures;
mod judge;
#[cfg(test)]
mod judge_tests;
mod policy;
mod rule;
#[cfg(test)]
mod samples;
mod shelf;
#[cfg(test)]
mod shipped_tests;
mod trial;
mod uses;

// One public path to each: `gate::X`; the files are for the reader.
pub use direction::{Direction, direction_of};
pub use judge::judge;
pub use policy::{Policy, PolicyProblem, parse_policy};
pub use shelf::{NameClash, Policies, shipped};

use crate::name::Slug;
use crate::training::spec::{Metric, ProbeResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One gate of a contract: a policy by name, its parameters, and whether a no blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateRef {
    /// The policy's name.
    pub name: Slug,
    /// Parameters that replace the policy's defaults.
    pub with: BTreeMap<String, serde_json::Value>,
    /// Whether a failed verdict stops the model.
    pub mode: Mode,
}

/// What a failed gate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The model is not proposed.
    Block,
    /// The proposal says so.
    Warn,
}

/// What was measured about a candidate, and what it is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The candidate's metrics, reserved names (`n_test`, `baseline.<metric>`) among them.
    pub candidate: BTreeMap<String, Metric>,
    /// The live model, judged on the same rows; `None` before the first version.
    pub live: Option<LiveEvidence>,
    /// What the service's own runtime answered to the samples; `None` when it was not asked.
    pub probe: Option<ProbeResult>,
    /// Whether training reported its own figures (`evaluate: self`).
    pub self_reported: bool,
    /// The files that were searched for metrics.
    pub searched: Vec<String>,
    /// The last log lines of the evaluation.
    pub tail: Vec<String>,
}

/// The live model's share of the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveEvidence {
    /// Its version number.
    pub version: u64,
    /// Its metrics, from the same evaluation.
    pub metrics: BTreeMap<String, Metric>,
}

/// What one gate says about a candidate.
///
/// `reason`, `wanted`, `metric` and `log` hold text from the evaluated repository: escape them before they go into Markdown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The gate's name in the contract.
    pub gate: Slug,
    /// What it says.
    pub outcome: VerdictOutcome,
    /// Whether a no blocks.
    pub mode: Mode,
    /// The metric it looked at, where it looks at one.
    pub metric: Option<String>,
    /// The candidate's value of that metric, when finite.
    pub observed: Option<f64>,
    /// The bound in words: `≥ 0.95`, `≥ live 0.981 − 0.005`.
    pub wanted: String,
    /// The live model's value of that metric, when finite.
    pub live: Option<f64>,
    /// Candidate minus live.
    pub delta: Option<f64>,
    /// How many rows the evaluation scored.
    pub n_test: Option<f64>,
    /// One sentence for a person: why.
    pub reason: String,
    /// Lines that may tell why: the evaluation's last ones after an error, the first difference after a failed replay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// What a gate, or all of them, can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictOutcome {
    /// The rule holds.
    Passed,
    /// The rule does not hold.
    Failed,
    /// The rule holds, but on too little evidence.
    Inconclusive,
    /// It could not be told; never a pass.
    Error,
}

impl VerdictOutcome {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            VerdictOutcome::Passed => "passed",
            VerdictOutcome::Failed => "failed",
            VerdictOutcome::Inconclusive => "inconclusive",
            VerdictOutcome::Error => "error",
        }
    }

    fn severity(self) -> u8 {
        match self {
            VerdictOutcome::Passed => 0,
            VerdictOutcome::Inconclusive => 1,
            VerdictOutcome::Failed => 2,
            VerdictOutcome::Error => 3,
        }
    }
}

/// The worst outcome among the blocking gates: error, failed, inconclusive, passed.
///
/// No gates at all is a failure: nothing vouches for the model. Gates that only warn change nothing.
pub fn overall(verdicts: &[Verdict]) -> VerdictOutcome {
    if verdicts.is_empty() {
        return VerdictOutcome::Failed;
    }
    verdicts
        .iter()
        .filter(|verdict| verdict.mode == Mode::Block)
        .map(|verdict| verdict.outcome)
        .max_by_key(|outcome| outcome.severity())
        .unwrap_or(VerdictOutcome::Passed)
}

/// Whether a model with these verdicts may be proposed: there is a gate, and every blocking one passed.
pub fn may_propose(verdicts: &[Verdict]) -> bool {
    overall(verdicts) == VerdictOutcome::Passed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: VerdictOutcome, mode: Mode) -> Verdict {
        Verdict {
            gate: Slug::parse("g").unwrap(),
            outcome,
            mode,
            metric: None,
            observed: None,
            wanted: String::new(),
            live: None,
            delta: None,
            n_test: None,
            reason: String::new(),
            log: Vec::new(),
        }
    }

    #[test]
    fn the_worst_blocking_gate_decides() {
        use Mode::{Block, Warn};
        use VerdictOutcome::{Error, Failed, Inconclusive, Passed};
        let check = |gates: &[(VerdictOutcome, Mode)], worst, proposed| {
            let verdicts: Vec<_> = gates.iter().map(|(o, m)| verdict(*o, *m)).collect();
            assert_eq!(overall(&verdicts), worst, "{gates:?}");
            assert_eq!(may_propose(&verdicts), proposed, "{gates:?}");
        };
        check(&[], Failed, false);
        check(&[(Passed, Block)], Passed, true);
        check(
            &[(Passed, Block), (Inconclusive, Block)],
            Inconclusive,
            false,
        );
        check(&[(Failed, Block), (Inconclusive, Block)], Failed, false);
        check(
            &[(Failed, Block), (Error, Block), (Passed, Block)],
            Error,
            false,
        );
        check(&[(Passed, Block), (Error, Warn)], Passed, true);
        check(&[(Failed, Warn)], Passed, true);
    }
}
