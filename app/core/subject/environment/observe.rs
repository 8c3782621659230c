//! What the gateway says of the last order, and what follows from it.

use super::step::{Place, deployment};
use super::{Environment, HISTORY_MAX, Release, Verified, command, open};
use crate::contract::Role;
use crate::effect::{DeploymentState, EffectResult, EffectState, Record, Wake};
use crate::serving::spec::{Live, RolloutPhase};
use crate::subject::ask::Ask;
use crate::subject::{Act, Given, SubjectKey};

/// A rollout under way is looked at again after this. Units: milliseconds.
const LOOK_MS: i64 = 15_000;

/// A server that came back and answered this long has recovered; people are told no sooner. Units: milliseconds.
const STEADY_MS: i64 = 60_000;

/// Takes over what the gateway says.
pub(super) fn observe(
    act: &mut Act<Environment>,
    place: &Place,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    let Some(wanted) = act.state.wanted.clone() else {
        return Some(());
    };
    let key = format!(
        "deploy:{}:{}:{}",
        act.state.repo.id, act.state.name, act.state.generation
    );
    let refused =
        given
            .outcomes
            .get(&key)
            .and_then(|outcome| match (&outcome.state, &outcome.result) {
                (EffectState::Refused, EffectResult::Refused { reason }) => Some(reason.clone()),
                (EffectState::Dead, _) => {
                    Some("the serving target did not take the order".to_owned())
                }
                (EffectState::Intended | EffectState::Done | EffectState::Refused, _) => None,
            });
    let live = ask
        .live(act.state.repo.id, &act.state.name)?
        .filter(|live| live.generation == act.state.generation);
    let (phase, reason) = match (&refused, &live) {
        (Some(why), _) => (RolloutPhase::Failed, Some(why.clone())),
        (None, Some(live)) => (live.phase, live.reason.clone()),
        (None, None) => (RolloutPhase::Starting, None),
    };
    if let Some(live) = &live {
        act.state.url = Some(live.url.clone());
    }
    let is_news = act.state.phase != Some(phase)
        || (phase == RolloutPhase::Live && act.state.live.as_ref() != Some(&wanted));
    let is_waiting = matches!(phase, RolloutPhase::Starting | RolloutPhase::Verifying);
    let is_told = act.state.reason == reason;
    let is_first = act.state.reason.is_none();
    let was_up = act.state.up_since_ms.is_some();
    let has_served = act.state.live.as_ref() == Some(&wanted) && act.state.live_since_ms.is_some();
    note_up(&mut act.state, (phase, has_served), live.as_ref(), given);
    act.state.phase = Some(phase);
    act.state.reason = reason.clone();
    match phase {
        RolloutPhase::Starting | RolloutPhase::Verifying => {
            act.look_by(given.now_ms + LOOK_MS);
            // What it waits for first is told where people look for it; what it waits for next, on its page.
            if let Some(why) = reason.filter(|_| is_first && !has_served) {
                let state = DeploymentState::InProgress;
                act.intents
                    .push(deployment(&act.state, &wanted, state, &why));
            }
        }
        RolloutPhase::Live | RolloutPhase::Waiting if has_served && is_shown(&act.state) => {
            recovered(act, &wanted, given.now_ms)
        }
        RolloutPhase::Live | RolloutPhase::Waiting if is_news => {
            arrived(act, place, &wanted, live.as_ref(), given)
        }
        RolloutPhase::Failed if is_news => failed(act, place, &wanted, &reason.unwrap_or_default()),
        RolloutPhase::Live | RolloutPhase::Waiting | RolloutPhase::Failed => {}
    }
    let is_up = act.state.up_since_ms.is_some();
    if is_news || (is_waiting && !is_told) || is_up != was_up {
        wake_watchers(act, place);
    }
    Some(())
}

/// Notes since when it answers, whichever release that is: the last order's, or the one before that goes on.
fn note_up(
    state: &mut Environment,
    (phase, has_served): (RolloutPhase, bool),
    live: Option<&Live>,
    given: &Given<Environment>,
) {
    // Nothing is known of what answers before the order is taken up.
    let Some(live) = live else {
        return;
    };
    let is_done = matches!(phase, RolloutPhase::Live | RolloutPhase::Waiting);
    let serving = live.serving.as_ref();
    if !is_done && serving.is_none() {
        state.up_since_ms = None;
        return;
    }
    let same = serving.zip(state.live.as_ref());
    let is_back = has_served || same.is_some_and(|(serving, live)| serving.release == live.id);
    let known_ms = state.up_since_ms.unwrap_or(given.now_ms);
    let told_ms = serving.map_or(known_ms, |serving| serving.since_ms.min(given.now_ms));
    let was_done = matches!(
        state.phase,
        Some(RolloutPhase::Live | RolloutPhase::Waiting)
    );
    state.up_since_ms = Some(match state.up_since_ms {
        Some(up_ms) => up_ms.max(told_ms),
        // It was seen to be down: whatever the far end says, it answers since now.
        None if is_back && !was_done => given.now_ms,
        None => told_ms,
    });
}

/// Whether people were told how this order ended.
fn is_shown(state: &Environment) -> bool {
    state.shown.is_some_and(|(of, _)| of == state.generation)
}

/// Tells that what could not serve any more serves again, once it has done so for a while.
fn recovered(act: &mut Act<Environment>, wanted: &Release, now_ms: i64) {
    if act.state.shown == Some((act.state.generation, DeploymentState::Success)) {
        return;
    }
    let up_ms = act.state.up_since_ms.unwrap_or(now_ms);
    if now_ms < up_ms + STEADY_MS {
        act.look_by(up_ms + STEADY_MS);
        return;
    }
    let success = (DeploymentState::Success, "serves");
    tell(act, wanted, success, "live again");
}

fn arrived(
    act: &mut Act<Environment>,
    place: &Place,
    wanted: &Release,
    live: Option<&Live>,
    given: &Given<Environment>,
) {
    let at_ms = live
        .and_then(|live| live.serving.as_ref())
        .map_or(given.now_ms, |serving| serving.since_ms.min(given.now_ms));
    act.state.live = Some(wanted.clone());
    act.state.live_since_ms = Some(at_ms);
    let waits = wanted.models.is_empty() && !place.service.models.is_empty();
    if !waits {
        let last = act.state.verified.last();
        if last.is_none_or(|last| last.release.id != wanted.id) {
            act.state.verified.push(Verified {
                release: wanted.clone(),
                at_ms,
            });
        }
        let extra = act.state.verified.len().saturating_sub(HISTORY_MAX);
        act.state.verified.drain(..extra);
    }
    let why = if waits {
        "waiting for a model"
    } else {
        "verified and live"
    };
    tell(act, wanted, (DeploymentState::Success, "serves"), why);
}

/// Notes how an order ended, at GitHub and among the events.
fn tell(
    act: &mut Act<Environment>,
    wanted: &Release,
    (state, verb): (DeploymentState, &str),
    why: &str,
) {
    act.state.shown = Some((act.state.generation, state));
    act.intents.push(deployment(&act.state, wanted, state, why));
    act.records.push(Record::Event {
        who: None,
        what: format!("{} {verb} {}", act.state.name, wanted.shown()),
        sha: Some(wanted.commit.clone()),
        why: why.to_owned(),
    });
}

fn failed(act: &mut Act<Environment>, place: &Place, wanted: &Release, why: &str) {
    // One that dies again and again is told of once.
    if act.state.shown != Some((act.state.generation, DeploymentState::Failure)) {
        tell(
            act,
            wanted,
            (DeploymentState::Failure, "could not serve"),
            why,
        );
    }
    if let Role::After { .. } = place.wanted.role {
        open::revert(act, place, wanted, why);
    }
}

/// Environments after this one, the pull request of a preview, and the pull requests of its changes.
fn wake_watchers(act: &mut Act<Environment>, place: &Place) {
    let repo = act.state.repo.id;
    if let Some(pr) = act.state.pr {
        act.wakes.push(Wake {
            subject: SubjectKey::Pull(repo, pr),
            hint: None,
        });
    }
    for other in &place.service.environments {
        if let Role::After { environment, .. } = &other.role
            && *environment == act.state.name
        {
            act.wakes.push(Wake {
                subject: SubjectKey::Environment(repo, other.name.clone()),
                hint: None,
            });
        }
    }
    command::wake_open(act);
}
