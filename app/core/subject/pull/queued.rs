//! A pull request's place among those that may merge into the same branch.

use super::rules::{PAUSED, Rule, Standing};
use super::step::Seen;
use super::{Kind, Pull, blocked, enqueued, landing, overrides, pooled, tested};
use crate::effect::{MergeMethod, Wake};
use crate::name::{BranchName, CommitSha, PrNumber};
use crate::queue::{Rank, wishes};
use crate::subject::ask::Ask;
use crate::subject::{Act, Given, SubjectKey};
use crate::training::spec::Trust;
use serde::{Deserialize, Serialize};

/// One that was not looked at for so long holds nobody up: it may be stuck. Units: milliseconds.
pub(super) const STALE_MS: i64 = 15 * 60_000;

/// How often one that waits says that it is still there. Units: milliseconds.
pub(super) const STILL_MS: i64 = 5 * 60_000;

/// Most pull requests that a rule names.
const SHOWN_MAX: usize = 3;

/// The rule of a turn, while others go first.
pub(super) const TURN: &str = "its turn";

/// The rule that nothing blocks the branch.
const BLOCKED: &str = "branch not blocked";

/// Whether a rule is about others than the change itself.
pub(super) fn is_of_the_branch(rule: &Rule) -> bool {
    [TURN, BLOCKED, blocked::NAME, enqueued::NAME, pooled::OUT].contains(&rule.name.as_str())
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
    /// Whether it is tested with the others before it merges.
    #[serde(default)]
    pub is_tested: bool,
    /// Whether its code is trusted, where it is tested.
    #[serde(default = "Trust::untold")]
    pub trust: Trust,
    /// Checks that are overridden on this head, which its tests leave out.
    #[serde(default)]
    pub overridden: Vec<String>,
    /// Tests with it that began no later are forgotten. Units: milliseconds since 1970, UTC.
    #[serde(default)]
    pub forgets_ms: i64,
}

impl Ready {
    pub(super) fn rank(&self, number: PrNumber) -> Rank {
        Rank::new(self.attempts, self.priority, self.since_ms, number)
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
        Kind::Code | Kind::Mixed => {
            let merges = &seen.habits.merges;
            merges.method(seen.habits.preset, &seen.view.labels)
        }
        // Their merge commits are the record of what was agreed, and their own commits carry tags.
        Kind::Proposal | Kind::Promotion => Ok(MergeMethod::Merge),
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
    // Its tests go on while everything is paused; where there are none, its place would hold up what passes a pause by.
    let is_in_pool =
        seen.habits.merges.tests.is_some_and(|n| n > 0) && seen.kind != Kind::Promotion;
    let is_ready = rules.iter().all(|rule| match rule.state {
        Standing::Met => true,
        // GitHub computes anew after each merge: nobody loses their place by it.
        Standing::Waiting => rule.name == landing::NO_CONFLICT,
        // It would be merged if the branch were free, and is looked at once it is.
        Standing::Unmet => rule.name == BLOCKED || (is_in_pool && rule.name == PAUSED),
    });
    if !is_ready || landing::is_backing_off(&act.state, seen, given) {
        return leave(act, ask);
    }
    let has_tests = pooled::has_tests(act, seen, given, ask)?;
    let is_tested = has_tests && seen.kind != Kind::Promotion;
    if let Some(out) = pooled::standing(&act.state, seen).filter(|_| is_tested) {
        rules.push(out.rule());
        return leave(act, ask);
    }
    let before = act.state.ready.take();
    let before =
        before.filter(|ready| ready.head == seen.change.head && ready.base == seen.change.base);
    let ready = place(act, seen, is_tested, before.as_ref(), given);
    let mine = ready.rank(act.state.number);
    act.state.ready = Some(ready);
    if is_tested {
        let is_new = before.is_none_or(|before| before.rank(act.state.number) != mine);
        return pooled::take_turn(act, (seen, is_new), rules, given, ask);
    }
    let first = others(act, &seen.change.base, ask)?;
    let mut first: Vec<(PrNumber, Ready)> = first
        .into_iter()
        // What is tested waits for its test, and so for nobody who merges at once.
        .filter(|(_, other)| other.is_merging || !(has_tests && other.is_tested))
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

/// Its place now, given the one that it had for the same head.
fn place(
    act: &Act<Pull>,
    seen: &Seen,
    is_tested: bool,
    before: Option<&Ready>,
    given: &Given<Pull>,
) -> Ready {
    let merges = &seen.habits.merges;
    let still_ms = before.map(|ready| ready.at_ms);
    let overridden = match is_tested {
        true => overrides::names(&act.state, seen),
        false => Vec::new(),
    };
    Ready {
        head: seen.change.head.clone(),
        base: seen.change.base.clone(),
        priority: merges.priority(seen.habits.preset, &seen.view.labels),
        attempts: act.state.tries + u32::from(act.state.refused_ms.is_some()),
        since_ms: before.map_or(given.now_ms, |ready| ready.since_ms),
        at_ms: still_ms
            .filter(|at_ms| given.now_ms - at_ms < STILL_MS)
            .unwrap_or(given.now_ms),
        is_merging: before.is_some_and(|ready| ready.is_merging),
        is_tested,
        trust: Trust::of_head(seen.change.head_repo, act.state.repo.id),
        overridden,
        forgets_ms: pooled::forgets_ms(&act.state, seen),
    }
}

pub(super) fn told(first: &[(PrNumber, Ready)]) -> String {
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
    let others = others(act, &ready.base, ask)?;
    if ready.is_tested && !others.iter().any(|(_, other)| other.is_tested) {
        // Nobody is left who would end its tests.
        let runs = ask.queue_runs(act.state.repo.id, &ready.base)?;
        act.wakes.extend(tested::ends(runs.iter()));
    }
    for (number, _) in others {
        act.wakes.push(Wake {
            subject: SubjectKey::Pull(act.state.repo.id, number),
            hint: None,
        });
    }
    act.state.ready = None;
    Some(())
}

pub(super) fn others(
    act: &Act<Pull>,
    base: &BranchName,
    ask: &mut Ask,
) -> Option<Vec<(PrNumber, Ready)>> {
    let mut pool = ask.pool(act.state.repo.id, base)?;
    pool.retain(|(number, _)| *number != act.state.number);
    Some(pool)
}
