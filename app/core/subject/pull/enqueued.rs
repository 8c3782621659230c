//! GitHub's own merge queue: where a branch has one, a pull request is put into it, and GitHub merges.

use super::rules::{Rule, Standing};
use super::step::Seen;
use super::{Pull, landing};
use crate::effect::{Effect, EffectResult, EffectState, Intent, Priority};
use crate::name::CommitSha;
use crate::subject::ask::Ask;
use crate::subject::{Act, Given};
use serde::{Deserialize, Serialize};

/// One head is put in so often: once, and once again.
const TRIES_MAX: u32 = 2;

/// Before it is put in again. Units: milliseconds.
const AGAIN_MS: i64 = 60_000;

/// GitHub's answers may lag behind: so long after it was put in, it is believed to be there. Units: milliseconds.
const LAG_MS: i64 = 10_000;

/// Its place is read again after this, where no delivery tells. Units: milliseconds.
const LOOK_MS: i64 = 5 * 60_000;

/// The rule, as people see it.
pub(super) const NAME: &str = "GitHub's merge queue";

/// A head that was put into GitHub's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enqueued {
    /// Which.
    pub head: CommitSha,
    /// Whether it is to be in.
    pub is_wanted: bool,
    /// Counts puttings in and takings out, so that each is an effect of its own.
    pub turn: u32,
    /// How often GitHub did not merge it.
    pub losses: u32,
    /// When we saw that it is in. Units: milliseconds since 1970, UTC.
    pub in_ms: Option<i64>,
    /// When we saw that it is out again, and in whose words. Units: milliseconds since 1970, UTC.
    pub lost: Option<(i64, String)>,
}

/// A place in GitHub's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// From 1.
    pub position: u64,
    /// GitHub's word, for example `AWAITING_CHECKS`.
    pub state: String,
}

fn key(pull: &Pull, queued: &Enqueued) -> String {
    let (id, head) = (pull.repo.id, queued.head.short());
    format!("enqueue:{id}:{}:{head}:{}", pull.number, queued.turn)
}

/// Whether the branch has a queue of GitHub's: its rules say so, or GitHub did when it refused a merge.
pub(super) fn has_queue(
    act: &Act<Pull>,
    seen: &Seen,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<bool> {
    let refusal = landing::refusal(&act.state, given);
    let is_told = refusal.is_some_and(|words| words.to_lowercase().contains("merge queue"));
    Some(is_told || ask.merge_queue(act.state.repo.id, &seen.change.base)?)
}

/// Puts it in, and says how it stands there as a rule; `false` where GitHub shows something else than what was judged.
pub(super) fn enqueue(
    act: &mut Act<Pull>,
    seen: &Seen,
    rules: &mut Vec<Rule>,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<bool> {
    let mut queued = begin(act, seen);
    if let Some((at_ms, _)) = &queued.lost
        && queued.losses < TRIES_MAX
    {
        let again_ms = at_ms + AGAIN_MS;
        match given.now_ms < again_ms {
            true => act.look_by(again_ms),
            false => queued = queued.anew(),
        }
    }
    let mut place = None;
    if queued.lost.is_none() {
        let outcome = given.outcomes.get(&key(&act.state, &queued));
        match outcome.map(|outcome| (outcome.state, &outcome.result)) {
            None if !landing::is_current(seen, act, ask)? => return Some(false),
            None => act.intents.push(intent(&act.state, &queued)),
            Some((EffectState::Intended, _)) => {}
            Some((EffectState::Done, _)) => place = follow(act, &mut queued, given, ask)?,
            Some((EffectState::Refused | EffectState::Dead, result)) => {
                let why = match result {
                    EffectResult::Refused { reason } => format!("GitHub says: {reason}"),
                    EffectResult::Nothing
                    | EffectResult::Taken
                    | EffectResult::Proposed { .. }
                    | EffectResult::Merged { .. } => "GitHub could not be asked".to_owned(),
                };
                lose(act, &mut queued, why, given);
            }
        }
    }
    rules.push(rule(&queued, place.as_ref()));
    act.state.judged_head = Some(queued.head.clone());
    act.state.enqueued = Some(queued);
    Some(true)
}

/// Where this head stands, or a beginning.
fn begin(act: &Act<Pull>, seen: &Seen) -> Enqueued {
    let head = &seen.change.head;
    let before = act.state.enqueued.clone();
    match before.filter(|queued| queued.head == *head) {
        Some(queued) if queued.is_wanted => queued,
        Some(queued) => queued.anew(),
        None => Enqueued {
            head: head.clone(),
            is_wanted: true,
            turn: 0,
            losses: 0,
            in_ms: None,
            lost: None,
        },
    }
}

impl Enqueued {
    fn anew(self) -> Enqueued {
        Enqueued {
            is_wanted: true,
            turn: self.turn + 1,
            in_ms: None,
            lost: None,
            ..self
        }
    }
}

/// Its place, as long as it is in.
fn follow(
    act: &mut Act<Pull>,
    queued: &mut Enqueued,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Option<QueueEntry>> {
    let in_ms = *queued.in_ms.get_or_insert(given.now_ms);
    let place = ask.queue_entry(act.state.repo.id, act.state.number)?;
    match place {
        Some(_) => act.look_by(given.now_ms + LOOK_MS),
        None if given.now_ms < in_ms + LAG_MS => act.look_by(in_ms + LAG_MS),
        None => lose(act, queued, "GitHub took it out again".to_owned(), given),
    }
    Some(place)
}

fn lose(act: &mut Act<Pull>, queued: &mut Enqueued, why: String, given: &Given<Pull>) {
    queued.losses += 1;
    queued.lost = Some((given.now_ms, why));
    if queued.losses < TRIES_MAX {
        act.look_by(given.now_ms + AGAIN_MS);
    }
}

fn rule(queued: &Enqueued, place: Option<&QueueEntry>) -> Rule {
    let detail = match (&queued.lost, place) {
        (Some((_, why)), _) if queued.losses < TRIES_MAX => {
            format!("{why}; it is put in once more")
        }
        (Some((_, why)), _) => {
            let times = queued.losses;
            let detail = format!("{why}, {times} times; push what it needs, or put it in by hand");
            return Rule::new(NAME, false, detail);
        }
        (None, Some(place)) => format!(
            "at place {}: {}",
            place.position,
            place.state.to_lowercase().replace('_', " ")
        ),
        (None, None) if queued.in_ms.is_some() => "it is in; its place is not shown yet".to_owned(),
        (None, None) => "it is being put in".to_owned(),
    };
    Rule {
        state: Standing::Waiting,
        ..Rule::new(NAME, false, detail)
    }
}

fn intent(pull: &Pull, queued: &Enqueued) -> Intent {
    Intent {
        key: key(pull, queued),
        is_view: false,
        priority: Priority::Merge,
        effect: Effect::Enqueue {
            repo: pull.repo.clone(),
            pr: pull.number,
            head: queued.head.clone(),
            is_in: queued.is_wanted,
        },
    }
}

/// Takes it out where a rule is not met any more: GitHub would merge it all the same.
pub(super) fn take_out(act: &mut Act<Pull>, seen: &Seen) {
    let Some(queued) = &mut act.state.enqueued else {
        return;
    };
    // What was pushed to, GitHub takes out by itself.
    if queued.head == seen.change.head && queued.is_wanted && queued.lost.is_none() {
        (queued.is_wanted, queued.turn) = (false, queued.turn + 1);
        let queued = queued.clone();
        act.intents.push(intent(&act.state, &queued));
    }
}
