//! The table of red checks in the status comment: a row stays until a newer result of the same name.

use super::Pull;
use super::step::Seen;
use super::wanted;
use crate::name::CommitSha;
use crate::subject::ask::Ask;
use crate::subject::run::Phase;
use serde::{Deserialize, Serialize};

/// Most rows.
pub const FAILURES_MAX: usize = 40;

/// A check that failed, on a head of the pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The check.
    pub name: String,
    /// Where it ran.
    pub sha: CommitSha,
    /// The run, by its id.
    pub run: String,
    /// Whether it keeps the change from merging.
    pub is_required: bool,
}

/// Takes the results of the present head into the table.
pub(super) fn learn(pull: &mut Pull, seen: &Seen, ask: &mut Ask) -> Option<()> {
    let mut known = wanted::whats(seen, ask)?;
    known.extend(wanted::others(seen));
    for run in &seen.runs {
        let name = run.cause.what.check_name();
        match run.phase {
            Phase::Succeeded | Phase::Skipped => pull.failures.retain(|row| row.name != name),
            Phase::Failed => {
                pull.failures.retain(|row| row.name != name);
                let found = known.iter().find(|(what, _)| *what == run.cause.what);
                pull.failures.push(Failure {
                    name,
                    sha: run.sha.clone(),
                    run: run.id.clone(),
                    is_required: found.is_some_and(|(_, is_optional)| !is_optional),
                });
            }
            // No result: what was known before stands.
            Phase::Pending | Phase::Running | Phase::Cancelled => {}
        }
    }
    // What the contract no longer names can never become green.
    let is_there = |row: &Failure| {
        let mut all = known.iter();
        all.any(|(what, _)| what.check_name() == row.name)
            || seen.runs.iter().any(|run| run.id == row.run)
    };
    pull.failures.retain(is_there);
    pull.failures.sort_by(|a, b| a.name.cmp(&b.name));
    pull.failures.truncate(FAILURES_MAX);
    Some(())
}
