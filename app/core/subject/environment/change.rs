//! What became of the pull requests that change an environment, and the promotion that is due.

use super::open::{About, last_promotion, promotion};
use super::step::Place;
use super::{Change, ChangeCause, Environment, Release};
use crate::contract::Role;
use crate::effect::{EffectResult, EffectState, Hint, Record, Wake};
use crate::subject::ask::Ask;
use crate::subject::{Act, Given, SubjectKey, answer};

/// Takes over what the effects of our changes brought back, and which are over.
pub(super) fn learn(
    act: &mut Act<Environment>,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    let repo = act.state.repo.id;
    for index in 0..act.state.changes.len() {
        let change = act.state.changes[index].clone();
        // One that could not be opened may be tried again by an operator.
        if change.is_over && !change.is_lost {
            continue;
        }
        let Some(pr) = change.pr else {
            if let Some(outcome) = given.outcomes.get(&change.key) {
                arrived(act, index, &outcome.state, &outcome.result, given.now_ms);
            }
            continue;
        };
        let is_open = ask.pull(repo, pr)?.is_some_and(|view| view.is_open);
        act.state.changes[index].is_over = !is_open;
    }
    Some(())
}

fn arrived(
    act: &mut Act<Environment>,
    index: usize,
    state: &EffectState,
    result: &EffectResult,
    now_ms: i64,
) {
    let change = &mut act.state.changes[index];
    match (state, result) {
        (EffectState::Done, EffectResult::Proposed { pr, commit }) => {
            change.pr = Some(*pr);
            change.head = Some(commit.clone());
            (change.is_over, change.is_lost) = (false, false);
            let hint = Some(Hint::Pushed {
                head: commit.clone(),
                at_ms: now_ms,
            });
            act.wakes.push(Wake {
                subject: SubjectKey::Pull(act.state.repo.id, *pr),
                hint,
            });
        }
        (EffectState::Refused | EffectState::Dead, _) if !change.is_lost => {
            (change.is_over, change.is_lost) = (true, true);
            let change = change.clone();
            lost(act, &change, *state, result);
        }
        (EffectState::Refused | EffectState::Dead, _)
        | (EffectState::Intended | EffectState::Done, _) => {}
    }
}

/// Tells why there is no pull request: among the events, and who asked for it where that was.
fn lost(act: &mut Act<Environment>, change: &Change, state: EffectState, result: &EffectResult) {
    let name = act.state.name.clone();
    let why = match result {
        EffectResult::Refused { reason } => reason.as_str(),
        EffectResult::Nothing
        | EffectResult::Taken
        | EffectResult::Proposed { .. }
        | EffectResult::Merged { .. } => "it was given up",
    };
    let shown = change.release.shown();
    act.records.push(Record::Event {
        who: change.by.clone(),
        what: format!("{name} {:?} to {shown} could not be opened", change.cause).to_lowercase(),
        sha: Some(change.release.commit.clone()),
        why: why.to_owned(),
    });
    let Some((pr, comment)) = change.asked else {
        return;
    };
    let mut told = format!(
        "the pull request that brings {name} to {shown} could not be opened: {why}; say it again once that is mended"
    );
    if state == EffectState::Dead {
        told.push_str(", or an operator's `bowsprit effects redrive` tries it again");
    }
    if change.cause == ChangeCause::Rollback {
        told.push_str(". Promotions wait until then, or until `/unhold`");
    }
    let intent = answer(&act.state.repo, pr, comment, &told);
    act.intents.push(intent);
}

/// Opens or supersedes the promotion once the environment before is verified and soaked.
pub(super) fn promote(
    act: &mut Act<Environment>,
    place: &Place,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    let Role::After {
        environment: before,
        soak_ms,
        windows,
        ..
    } = &place.wanted.role
    else {
        return Some(());
    };
    let Some(previous) = ask.environment(act.state.repo.id, before)? else {
        return Some(());
    };
    let Some(ready) = previous.live.clone() else {
        return Some(());
    };
    // What went down counts from when it came back; what is down is not handed on.
    let Some(at_ms) = previous.steady_since() else {
        return Some(());
    };
    let is_there = |release: &Option<Release>| release.as_ref().is_some_and(|r| r.id == ready.id);
    if is_there(&act.state.wanted)
        || is_there(&act.state.live)
        || act.state.hold.is_some()
        || ready.models.is_empty()
    {
        return Some(());
    }
    let soaked = at_ms + soak_ms;
    if given.now_ms < soaked {
        act.look_by(soaked);
        return Some(());
    }
    if !windows.is_empty() && !windows.iter().any(|window| window.is_open(given.now_ms)) {
        if let Some(next) = windows
            .iter()
            .filter_map(|window| window.next_open_ms(given.now_ms))
            .min()
        {
            act.look_by(next);
        }
        return Some(());
    }
    let about = About {
        cause: ChangeCause::Promotion,
        by: None,
        asked: None,
        why: format!("verified in {before}"),
        replaces: None,
    };
    if last_promotion(&act.state).is_some_and(|last| last.release.id == ready.id) {
        // Open already, or a person closed it.
        return Some(());
    }
    // One that people have acted on waits for them; nobody asked, so nobody is answered.
    let _waits = promotion(act, place, ready, about, ask)?;
    Some(())
}
