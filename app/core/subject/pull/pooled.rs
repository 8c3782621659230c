//! A change among those that are tested together before they merge into a branch: its turn, and why it has none.
//!
//! Every member decides alike, from the same places, runs and commits; the first of them has the tests begin and end.

use super::queued::{self, STALE_MS, STILL_MS, TURN};
use super::rules::{Rule, Standing};
use super::step::Seen;
use super::tested::Scene;
use super::{Pull, Ready, enqueued};
use crate::effect::{Record, Wake};
use crate::name::{BranchName, CommitSha, PrNumber};
use crate::queue::{Verdict, Why};
use crate::subject::ask::Ask;
use crate::subject::{Act, Given, SubjectKey};
use serde::{Deserialize, Serialize};

/// The rule that the pool has not put it out.
pub(super) const OUT: &str = "merge queue";

/// Tests that begin are there after this; those that they replace may be what they wait for. Units: milliseconds.
const BEGUN_MS: i64 = 1_000;

/// Most pull requests that are named beside it.
const SHOWN_MAX: usize = 5;

/// A head that a pool tests no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutOut {
    /// Which.
    pub head: CommitSha,
    /// Of the pool of this branch.
    pub base: BranchName,
    /// Why.
    pub why: Why,
    /// The runs that say so.
    pub runs: Vec<String>,
    /// When. Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Whether somebody let it in again, so that its tests before are forgotten.
    pub is_lifted: bool,
}

impl PutOut {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            runs: self.runs.clone(),
            ..Rule::new(OUT, false, self.why.to_string())
        }
    }
}

/// Whether what is ready for the branch is tested together, and by us.
pub(super) fn has_tests(
    act: &Act<Pull>,
    seen: &Seen,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<bool> {
    let is_asked_for = seen.habits.merges.tests.is_some_and(|tests| tests > 0);
    Some(is_asked_for && !enqueued::has_queue(act, seen, given, ask)?)
}

fn of_head<'a>(pull: &'a Pull, seen: &Seen) -> Option<&'a PutOut> {
    let out = pull.put_out.as_ref()?;
    (out.head == seen.change.head && out.base == seen.change.base).then_some(out)
}

/// Why this head is out, unless it was let in again.
pub(super) fn standing<'a>(pull: &'a Pull, seen: &Seen) -> Option<&'a PutOut> {
    of_head(pull, seen).filter(|out| !out.is_lifted)
}

/// Tests of this head that began no later are forgotten. Units: milliseconds since 1970, UTC.
pub(super) fn forgets_ms(pull: &Pull, seen: &Seen) -> i64 {
    let lifted = of_head(pull, seen).filter(|out| out.is_lifted);
    lifted.map_or(0, |out| out.at_ms)
}

/// Lets it in again; `false` where it is not out.
pub(super) fn lift(pull: &mut Pull, seen: &Seen) -> bool {
    let is_out = standing(pull, seen).is_some();
    if let Some(out) = pull.put_out.as_mut().filter(|_| is_out) {
        out.is_lifted = true;
    }
    is_out
}

/// Takes its place in the pool, and says as a rule how it stands there.
pub(super) fn take_turn(
    act: &mut Act<Pull>,
    (seen, is_new): (&Seen, bool),
    rules: &mut Vec<Rule>,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    let (own, number) = (act.state.ready.clone()?, act.state.number);
    let mut others = queued::others(act, &seen.change.base, ask)?;
    let is_silent = |other: &Ready| given.now_ms - other.at_ms >= STALE_MS;
    let silent = others.iter().filter(|(_, other)| is_silent(other));
    let silent = silent.map(|(_, other)| other.head.clone()).collect();
    others.retain(|(_, other)| !is_silent(other));
    // A test may take hours: whoever is silent so long would be given up by the others.
    act.look_by(given.now_ms + STILL_MS);
    let members = others.iter().filter(|(_, other)| other.is_tested);
    let members = members.cloned().chain([(number, own)]).collect();
    let mut scene = Scene::of(&act.state.repo, seen, members, ask)?;
    scene.silent = silent;
    let first = scene.members.first().map(|(first, _)| *first);
    let pull = |number: PrNumber| Wake {
        subject: SubjectKey::Pull(act.state.repo.id, number),
        hint: None,
    };
    if first == Some(number) {
        let out = scene.decision.out.iter().map(|out| out.number);
        let concerned = out.chain(scene.decision.merge.first().copied());
        let concerned = concerned.filter(|other| *other != number).map(pull);
        let starts = scene.starts();
        let mut wakes: Vec<Wake> = concerned.collect();
        match starts.is_empty() && !scene.is_beginning(given.now_ms) {
            true => wakes.extend(scene.cancels()),
            false => act.look_by(given.now_ms + BEGUN_MS),
        }
        act.wakes.extend(starts.into_iter().chain(wakes));
    } else if is_new {
        let first = first.map(pull);
        act.wakes.extend(first);
    }
    let out = scene.decision.out.iter().find(|out| out.number == number);
    if let Some(out) = out {
        return put_out(act, (&scene, given), out.why, rules, ask);
    }
    others.retain(|(_, other)| other.is_merging && !scene.landed.contains(&other.head));
    rules.push(turn(&scene, (number, &seen.change.head), &others));
    Some(())
}

/// Leaves the pool, and says why. A conflict is seen again as long as it is one; red tests are remembered.
fn put_out(
    act: &mut Act<Pull>,
    (scene, given): (&Scene, &Given<Pull>),
    why: Why,
    rules: &mut Vec<Rule>,
    ask: &mut Ask,
) -> Option<()> {
    let place = act.state.ready.as_ref()?;
    let out = PutOut {
        head: place.head.clone(),
        base: place.base.clone(),
        why,
        runs: scene.red_runs(&place.head),
        at_ms: given.now_ms,
        is_lifted: false,
    };
    rules.push(out.rule());
    if let Why::Red { .. } = why {
        act.records.push(Record::Event {
            who: None,
            what: "put out of the merge queue".to_owned(),
            sha: Some(out.head.clone()),
            why: why.to_string(),
        });
        act.state.put_out = Some(out);
    }
    queued::leave(act, ask)
}

/// How a member stands in the pool.
fn turn(
    scene: &Scene,
    (number, head): (PrNumber, &CommitSha),
    merging: &[(PrNumber, Ready)],
) -> Rule {
    let row = &scene.decision.merge;
    if row.first() == Some(&number) && merging.is_empty() {
        let (with, runs) = scene.told(head, Verdict::Green);
        return Rule {
            runs,
            ..Rule::new(TURN, true, format!("the test{with} is green"))
        };
    }
    let (detail, runs) = if row.contains(&number) {
        let (with, runs) = scene.told(head, Verdict::Green);
        let before: Vec<PrNumber> = row
            .iter()
            .copied()
            .take_while(|one| *one != number)
            .collect();
        let after = match before.is_empty() {
            true => queued::told(merging),
            false => format!("after {}", numbers(&before)),
        };
        (format!("the test{with} is green; it lands {after}"), runs)
    } else if let Some(before) = scene.in_the_way(head) {
        let detail = format!(
            "it conflicts with what goes before it ({}); once that landed, merge or rebase",
            numbers(&before)
        );
        (detail, Vec::new())
    } else {
        let (running, red) = (
            scene.told(head, Verdict::Running),
            scene.told(head, Verdict::Red),
        );
        match (running, red) {
            ((with, runs), _) if !runs.is_empty() => (format!("tested{with}"), runs),
            (_, (with, runs)) if !runs.is_empty() => {
                (format!("the test{with} was red; the next one begins"), runs)
            }
            (_, (_, none)) => ("its test begins".to_owned(), none),
        }
    };
    let place = scene.members.iter().position(|(one, _)| *one == number);
    let (place, count) = (place.unwrap_or_default() + 1, scene.members.len());
    Rule {
        state: Standing::Waiting,
        runs,
        ..Rule::new(TURN, false, format!("place {place} of {count}: {detail}"))
    }
}

/// Pull requests by their numbers, some of many.
pub(super) fn numbers(all: &[PrNumber]) -> String {
    let shown: Vec<String> = all
        .iter()
        .take(SHOWN_MAX)
        .map(|number| format!("#{number}"))
        .collect();
    match all.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
