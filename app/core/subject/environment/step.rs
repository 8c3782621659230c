//! One look at an environment: deploy what git wants, note what is live, open what should come next.

use super::release::{self, Ready};
use super::{ChangeCause, Environment, Release, change, command, observe};
use crate::contract::{Contract, Environment as Wanted, Role, Service};
use crate::effect::{Deployment, DeploymentState, Effect, Hint, Intent, Priority, Record};
use crate::name::{BranchName, CommitSha, PrNumber, Repo, RepoId, Slug};
use crate::serving::spec::RolloutPhase;
use crate::subject::ask::{Ask, ContractAt};
use crate::subject::run::{Phase, What};
use crate::subject::{Act, Given, Step};
use crate::training::spec::Trust;

/// Why commands are refused while nobody knows which environments there should be.
const UNREADABLE: &str = "`bowsprit.yaml` on the default branch cannot be read; mend it first";

/// Says what to do for an environment now.
pub fn step(given: &Given<Environment>, key: (RepoId, &Slug), ask: &mut Ask) -> Step<Environment> {
    match advance(given, key, ask) {
        Some(Some(act)) => Step::Act(Box::new(act)),
        Some(None) => Step::Nothing,
        None => Step::Look(ask.take_missing()),
    }
}

/// What one look works on.
pub(super) struct Place {
    pub(super) base: BranchName,
    pub(super) head: CommitSha,
    pub(super) service: Service,
    pub(super) wanted: Wanted,
}

fn advance(
    given: &Given<Environment>,
    (id, name): (RepoId, &Slug),
    ask: &mut Ask,
) -> Option<Option<Act<Environment>>> {
    let Some(view) = ask.repository(id)? else {
        return Some(None);
    };
    let mut act = Act::keep(begin(given, &view.repo, name));
    let Some(head) = ask.head(id, &view.default_branch)? else {
        return Some(Some(act));
    };
    let found = match ask.contract(id, &head)? {
        ContractAt::Good(contract, _) => find(*contract, name, act.state.pr),
        ContractAt::Missing => None,
        // A broken contract on the default branch changes nothing that runs.
        ContractAt::Broken(_) => {
            command::turn_away(&mut act, given, UNREADABLE);
            return Some(Some(act));
        }
    };
    let Some((service, wanted)) = found else {
        know(&mut act.state, ask)?;
        remove(&mut act, given, "the contract no longer names it");
        let why = format!("the contract names no environment `{name}`");
        command::turn_away(&mut act, given, &why);
        return Some(Some(act));
    };
    let place = Place {
        base: view.default_branch,
        head,
        service,
        wanted,
    };
    let mut not_deployed = None;
    match (act.state.pr, place.wanted.role.clone()) {
        (Some(pr), Role::Preview { ttl_ms }) => {
            not_deployed = preview(&mut act, &place, (pr, ttl_ms), given, ask)?
        }
        (None, Role::Tracks { branch }) => {
            let Some(tip) = ask.head(id, &branch)? else {
                return Some(Some(act));
            };
            let ready = release::of_commit(id, &tip, ask)?;
            take_up(&mut act.state, &ready, ask)?;
            let ready = unless_paused(&act.state, ready, ChangeCause::Promotion, ask)?;
            not_deployed = follow(&mut act, &place, &branch, ready, given);
        }
        (None, Role::After { .. }) => {
            act.state.is_gone = false;
            change::learn(&mut act, given, ask)?;
            if let Some(pinned) = release::pinned(&act.state, &place.head, ask)? {
                let cause = pinned
                    .as_ref()
                    .map_or(ChangeCause::Promotion, |(_, cause)| *cause);
                let ready = pinned.map(|(ready, _)| ready);
                take_up(&mut act.state, &ready, ask)?;
                let ready = unless_paused(&act.state, ready, cause, ask)?;
                not_deployed = want(&mut act, &place, ready, given);
            }
        }
        (Some(_), Role::Tracks { .. } | Role::After { .. }) | (None, Role::Preview { .. }) => {
            return Some(None);
        }
    }
    go_on(&mut act, &place, given, ask)?;
    // What serves goes on; why nothing newer came is told beside it.
    if not_deployed.is_some() {
        act.state.reason = not_deployed;
    }
    Some(Some(recorded(act, given.now_ms)))
}

/// The act with the environment written down as it stands.
fn recorded(mut act: Act<Environment>, now_ms: i64) -> Act<Environment> {
    act.state.updated_ms = now_ms;
    act.records
        .push(Record::Environment(Box::new(act.state.clone())));
    act
}

/// Wants what the branch holds; commands to go elsewhere are turned away.
fn follow(
    act: &mut Act<Environment>,
    place: &Place,
    branch: &BranchName,
    ready: Result<Ready, String>,
    given: &Given<Environment>,
) -> Option<String> {
    act.state.is_gone = false;
    let not_deployed = want(act, place, ready, given);
    let why = format!(
        "`{}` follows `{branch}`; what is merged there comes here, and a revert there brings it back",
        act.state.name
    );
    command::turn_away(act, given, &why);
    not_deployed
}

/// What became of the rollout, and what follows from it.
fn go_on(
    act: &mut Act<Environment>,
    place: &Place,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    if act.state.is_gone {
        return Some(());
    }
    observe::observe(act, place, given, ask)?;
    if let Role::After { .. } = place.wanted.role {
        command::commands(act, place, given, ask)?;
        change::promote(act, place, given, ask)?;
    }
    Some(())
}

fn begin(given: &Given<Environment>, repo: &Repo, name: &Slug) -> Environment {
    let new = || Environment::new(repo.clone(), name.clone(), given.now_ms);
    Environment {
        repo: repo.clone(),
        ..given.state.clone().unwrap_or_else(new)
    }
}

fn find(contract: Contract, name: &Slug, pr: Option<PrNumber>) -> Option<(Service, Wanted)> {
    let Contract::Service(service) = contract else {
        return None;
    };
    let wanted = service.environments.iter().find(|environment| match pr {
        Some(_) => matches!(environment.role, Role::Preview { .. }),
        None => environment.name == *name && !matches!(environment.role, Role::Preview { .. }),
    });
    let wanted = wanted.cloned()?;
    Some((service, wanted))
}

/// What serves without our knowing, as after the loss of the database, is known from now on, so that it can be removed.
fn know(state: &mut Environment, ask: &mut Ask) -> Option<()> {
    let is_known = state.is_gone || state.wanted.is_some() || state.generation > 0;
    if !is_known && let Some(live) = ask.live(state.repo.id, &state.name)? {
        state.generation = live.generation.max(1);
    }
    Some(())
}

fn remove(act: &mut Act<Environment>, given: &Given<Environment>, why: &str) {
    let state = &mut act.state;
    if state.is_gone || (state.wanted.is_none() && state.generation == 0) {
        return;
    }
    state.is_gone = true;
    let key = format!(
        "remove:{}:{}:{}",
        state.repo.id, state.name, state.generation
    );
    let effect = Effect::Remove {
        repo: state.repo.clone(),
        environment: state.name.clone(),
    };
    act.intents.push(Intent {
        key,
        is_view: false,
        priority: Priority::Change,
        effect,
    });
    (state.live_since_ms, state.up_since_ms) = (None, None);
    if let Some(release) = state.live.take().or_else(|| state.wanted.clone()) {
        act.intents
            .push(deployment(state, &release, DeploymentState::Inactive, why));
    }
    state.wanted = None;
    state.updated_ms = given.now_ms;
    act.records
        .push(Record::Environment(Box::new(act.state.clone())));
    act.records.push(Record::Event {
        who: None,
        what: format!("{} removed", act.state.name),
        sha: None,
        why: why.to_owned(),
    });
}

fn preview(
    act: &mut Act<Environment>,
    place: &Place,
    (pr, ttl_ms): (PrNumber, i64),
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<Option<String>> {
    let id = act.state.repo.id;
    let open = ask
        .kept_pull(id, pr)?
        .filter(|view| view.is_open)
        .and_then(|view| view.change);
    let is_told = given.hints.iter().any(|hint| matches!(hint, Hint::Gone));
    let Some(change) = open.filter(|_| !is_told) else {
        know(&mut act.state, ask)?;
        remove(act, given, "the pull request is closed");
        return Some(None);
    };
    let (head, trust) = (change.head, Trust::of_head(change.head_repo, id));
    for hint in &given.hints {
        if let Hint::Shown { head } = hint {
            act.state.allowed = Some(head.clone());
        }
    }
    let is_allowed = act.state.allowed.as_ref() == Some(&head);
    let runs = ask.runs(id, &head)?;
    let is_tested = runs
        .iter()
        .any(|run| run.cause.what == What::Service && run.phase == Phase::Succeeded);
    let there = act
        .state
        .wanted
        .as_ref()
        .map(|wanted| wanted.commit.clone());
    let since = act.state.live_since_ms.unwrap_or(given.now_ms);
    if given.hints.contains(&Hint::Removed) {
        know(&mut act.state, ask)?;
        remove(act, given, "removed by hand; a push brings it back");
        act.state.expired = Some(head);
        return Some(None);
    }
    let mut not_deployed = None;
    if is_tested
        && is_allowed
        && there.as_ref() != Some(&head)
        && act.state.expired.as_ref() != Some(&head)
    {
        let ready = release::of_commit(id, &head, ask)?.map(|ready| Ready { trust, ..ready });
        take_up(&mut act.state, &ready, ask)?;
        act.state.is_gone = false;
        not_deployed = want(act, place, ready, given);
    } else if there.is_some() && given.now_ms - since > ttl_ms {
        remove(act, given, "its time is over; a push brings it back");
        act.state.expired = if is_tested { Some(head) } else { there };
        return Some(None);
    }
    if act.state.wanted.is_some() {
        let since = act.state.live_since_ms.unwrap_or(given.now_ms);
        act.look_by(since + ttl_ms + 1);
    }
    Some(not_deployed)
}

/// Goes on from the gateway's last order where we know of none, as after the loss of the database:
/// what serves already is not ordered again, and a new order has a higher number.
fn take_up(state: &mut Environment, ready: &Result<Ready, String>, ask: &mut Ask) -> Option<()> {
    let (None, Ok(ready)) = (&state.wanted, ready) else {
        return Some(());
    };
    let Some(live) = ask.live(state.repo.id, &state.name)? else {
        return Some(());
    };
    state.generation = state.generation.max(live.generation);
    let serving = live.serving.filter(|_| live.phase == RolloutPhase::Live);
    if live.generation == state.generation
        && serving.is_some_and(|serving| serving.release == ready.release.id)
    {
        state.wanted = Some(ready.release.clone());
    }
    Some(())
}

/// What is ready, unless it would change what runs while everything is paused.
fn unless_paused(
    state: &Environment,
    ready: Result<Ready, String>,
    cause: ChangeCause,
    ask: &mut Ask,
) -> Option<Result<Ready, String>> {
    let is_new = |ready: &Ready| {
        let wanted = state.wanted.as_ref();
        wanted.is_none_or(|wanted| wanted.id != ready.release.id)
    };
    let Some(pause) = ask.pause()?.filter(|_| cause != ChangeCause::BreakGlass) else {
        return Some(ready);
    };
    Some(ready.and_then(|ready| {
        if is_new(&ready) {
            return Err(format!(
                "{} waits: {}",
                ready.release.shown(),
                pause.shown()
            ));
        }
        Ok(ready)
    }))
}

/// Orders a release unless it is ordered already; says why it cannot be.
fn want(
    act: &mut Act<Environment>,
    place: &Place,
    ready: Result<Ready, String>,
    given: &Given<Environment>,
) -> Option<String> {
    let ready = match ready {
        Ok(ready) => ready,
        Err(why) => {
            if act.state.reason.as_deref() != Some(why.as_str()) {
                act.records.push(Record::Event {
                    who: None,
                    what: format!("{} not deployed", act.state.name),
                    sha: None,
                    why: why.clone(),
                });
            }
            return Some(why);
        }
    };
    if act
        .state
        .wanted
        .as_ref()
        .is_some_and(|wanted| wanted.id == ready.release.id)
    {
        return None;
    }
    if act.state.pr.is_some() {
        // A preview's time begins anew with each release.
        act.state.live_since_ms = None;
    }
    act.state.generation += 1;
    act.state.wanted = Some(ready.release.clone());
    act.state.phase = Some(RolloutPhase::Starting);
    act.state.reason = None;
    act.state.updated_ms = given.now_ms;
    let release = ready.release.clone();
    let plan = release::order(&act.state, &place.wanted, ready);
    let key = format!(
        "deploy:{}:{}:{}",
        act.state.repo.id, act.state.name, act.state.generation
    );
    act.intents.push(Intent {
        key,
        is_view: false,
        priority: Priority::Change,
        effect: Effect::Deploy(Box::new(plan)),
    });
    act.intents.push(deployment(
        &act.state,
        &release,
        DeploymentState::InProgress,
        "being rolled out",
    ));
    let what = format!("{} wants {}", act.state.name, release.shown());
    act.records.push(Record::Event {
        who: None,
        what,
        sha: Some(release.commit),
        why: String::new(),
    });
    None
}

pub(super) fn deployment(
    state: &Environment,
    release: &Release,
    to: DeploymentState,
    why: &str,
) -> Intent {
    let environment = match state.pr {
        Some(pr) => format!("preview-{pr}"),
        None => state.name.to_string(),
    };
    let effect = Deployment {
        repo: state.repo.clone(),
        commit: release.commit.clone(),
        environment,
        release: release.id.clone(),
        generation: state.generation,
        state: to,
        description: crate::text::truncate(&format!("{}: {why}", release.shown()), 140),
        url: state.url.clone(),
        transient: state.pr.is_some(),
    };
    Intent {
        key: format!(
            "deployment:{}:{}:{}",
            state.repo.id, state.name, state.generation
        ),
        is_view: true,
        priority: Priority::Change,
        effect: Effect::Deployment(Box::new(effect)),
    }
}
