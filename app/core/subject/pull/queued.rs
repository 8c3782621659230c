//! A pull request's place among those that may merge into the same branch.

use super::rules::{Rule, Standing};
use super::step::Seen;
use super::{Pull, enqueued, landing};
use crate::effect::{MergeMethod, Wake};
use crate::name::{BranchName, CommitSha, PrNumber};
use crate::queue::wishes;
use crate::queue::{Member, Rank};
use crate::subject::ask::Ask;
use crate::subject::{Act, Given, SubjectKey};
use serde::{Deserialize, Serialize};

/// One that was not looked at for so long holds nobody up: it may be stuck. Units: milliseconds.
const STALE_MS: i64 = 15 * 60_000;

/// How often one that waits says that it is still there. Units: milliseconds.
const STILL_MS: i64 = 5 * 60_000;

/// Most pull requests that a rule names.
const SHOWN_MAX: usize = 3;

/// The rule of a turn, while others go first.
const TURN: &str = "its turn";

/// The rule that nothing blocks the branch.
const BLOCKED: &str = "branch not blocked";

/// Whether a rule is about others than the change itself.
pub(super) fn is_of_the_branch(rule: &Rule) -> bool {
    [TURN, BLOCKED, enqueued::NAME].contains(&rule.name.as_str())
}

/// A pull request that meets every rule but its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The head that is ready.
    pub head: CommitSha,
    /// Where it goes.
    pub base: BranchName,
    /// Higher goes first.
    pub priority: u32,
    /// Merges of this head that GitHub refused.
    pub attempts: u32,
    /// Since when. Units: milliseconds since 1970, UTC.
    pub since_ms: i64,
    /// When it was seen to be so last, more or less. Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Whether its merge is under way.
    pub is_merging: bool,
}

impl Ready {
    fn rank(&self, number: PrNumber) -> Rank {
        Member {
            number,
            head: self.head.clone(),
            priority: self.priority,
            ready_ms: self.since_ms,
            attempts: self.attempts,
        }
        .rank()
    }
}

/// Rules that only merging itself asks for: one method, and a branch that nothing blocks.
pub(super) fn rules(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let mut rules = Vec::new();
    if let Err(labels) = method(seen) {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        rules.push(Rule::new(
            "one way to merge",
            false,
            format!(
                "{} ask for different ones; take off all but one",
                labels.join(" and ")
            ),
        ));
    }
    let label = seen.habits.merges.blocker_label(seen.habits.preset);
    let mut blockers = ask.blockers(pull.repo.id, label)?;
    blockers.retain(|(_, title)| wishes::blocks(title, &seen.change.base));
    if let Some((number, title)) = blockers.first() {
        let others = match blockers.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        rules.push(Rule::new(
            BLOCKED,
            false,
            format!(
                "#{number} ({}) is open and labelled `{label}`{others}",
                landing::one_line(title)
            ),
        ));
    }
    Some(rules)
}

/// How it is merged. Errors: labels that ask for different ways.
pub(super) fn method(seen: &Seen) -> Result<MergeMethod, Vec<String>> {
    match seen.kind {
        super::Kind::Code | super::Kind::Mixed => {
            let merges = &seen.habits.merges;
            merges.method(seen.habits.preset, &seen.view.labels)
        }
        // Their merge commits are the record of what was agreed, and their own commits carry tags.
        super::Kind::Proposal | super::Kind::Promotion => Ok(MergeMethod::Merge),
    }
}

/// Takes its place, and says as a rule who goes first.
pub(super) fn take_place(
    act: &mut Act<Pull>,
    seen: &Seen,
    rules: &mut Vec<Rule>,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    let is_ready = rules.iter().all(|rule| match rule.state {
        Standing::Met => true,
        // GitHub computes anew after each merge: nobody loses their place by it.
        Standing::Waiting => rule.name == landing::NO_CONFLICT,
        // It would be merged if the branch were free, and is looked at once it is.
        Standing::Unmet => rule.name == BLOCKED,
    });
    if !is_ready || landing::is_backing_off(&act.state, seen, given) {
        return leave(act, ask);
    }
    let before = act.state.ready.take();
    let before =
        before.filter(|ready| ready.head == seen.change.head && ready.base == seen.change.base);
    let still_ms = before.as_ref().map(|ready| ready.at_ms);
    let ready = Ready {
        head: seen.change.head.clone(),
        base: seen.change.base.clone(),
        priority: seen
            .habits
            .merges
            .priority(seen.habits.preset, &seen.view.labels),
        attempts: act.state.tries + u32::from(act.state.refused_ms.is_some()),
        since_ms: before.as_ref().map_or(given.now_ms, |ready| ready.since_ms),
        at_ms: still_ms
            .filter(|at_ms| given.now_ms - at_ms < STILL_MS)
            .unwrap_or(given.now_ms),
        is_merging: before.as_ref().is_some_and(|ready| ready.is_merging),
    };
    let mine = ready.rank(act.state.number);
    act.state.ready = Some(ready);
    let first = others(act, &seen.change.base, ask)?;
    let mut first: Vec<(PrNumber, Ready)> = first
        .into_iter()
        .filter(|(number, other)| other.is_merging || other.rank(*number) < mine)
        .filter(|(_, other)| given.now_ms - other.at_ms < STALE_MS)
        .collect();
    first.sort_by_key(|(number, other)| (!other.is_merging, other.rank(*number)));
    if let Some(at_ms) = first.iter().map(|(_, other)| other.at_ms).min() {
        act.look_by(at_ms + STALE_MS);
        rules.push(Rule {
            state: Standing::Waiting,
            ..Rule::new(TURN, false, told(&first))
        });
    }
    Some(())
}

fn told(first: &[(PrNumber, Ready)]) -> String {
    let shown = first.iter().take(SHOWN_MAX).map(|(number, other)| {
        let merging = if other.is_merging { " (merging)" } else { "" };
        format!("#{number}{merging}")
    });
    let more = match first.len().saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("after {}{more}", shown.collect::<Vec<_>>().join(", "))
}

/// Gives up its place, and lets those look who waited behind it.
pub(super) fn leave(act: &mut Act<Pull>, ask: &mut Ask) -> Option<()> {
    let Some(ready) = act.state.ready.clone() else {
        return Some(());
    };
    for (number, _) in others(act, &ready.base, ask)? {
        act.wakes.push(Wake {
            subject: SubjectKey::Pull(act.state.repo.id, number),
            hint: None,
        });
    }
    act.state.ready = None;
    Some(())
}

fn others(act: &Act<Pull>, base: &BranchName, ask: &mut Ask) -> Option<Vec<(PrNumber, Ready)>> {
    let mut pool = ask.pool(act.state.repo.id, base)?;
    pool.retain(|(number, _)| *number != act.state.number);
    Some(pool)
}
