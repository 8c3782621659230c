//! `/promote`, `/rollback` and `/unhold`, each once per comment.

use super::open::{About, open, promotion};
use super::step::Place;
use super::{ChangeCause, Environment, HISTORY_MAX, Hold, Release, file};
use crate::contract::Role;
use crate::effect::{Hint, Wake};
use crate::name::{CommentId, Login, PrNumber, VersionRef};
use crate::subject::ask::Ask;
use crate::subject::model::deletion;
use crate::subject::{Act, Given, SubjectKey, answer, react};

/// Carries out `/promote`, `/rollback` and `/unhold`, each once per comment.
pub(super) fn commands(
    act: &mut Act<Environment>,
    place: &Place,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    for hint in &given.hints {
        if matches!(hint, Hint::Unhold) {
            unhold(act);
        }
        let Some(order) = order(hint).filter(|order| is_new(act, order.comment)) else {
            continue;
        };
        match order.verb {
            Verb::Promote => by_command(act, place, &order, ask)?,
            Verb::Rollback { model_only } => {
                rollback(act, place, (&order, model_only), given.now_ms, ask)?;
            }
        }
    }
    Some(())
}

/// Promotions may go on.
fn unhold(act: &mut Act<Environment>) {
    if act.state.hold.take().is_some() {
        wake_open(act);
    }
}

/// Pull requests of changes that are open are looked at again.
pub(super) fn wake_open(act: &mut Act<Environment>) {
    let open: Vec<Wake> = act
        .state
        .changes
        .iter()
        .filter(|change| !change.is_over)
        .filter_map(|change| change.pr)
        .map(|pr| Wake {
            subject: SubjectKey::Pull(act.state.repo.id, pr),
            hint: None,
        })
        .collect();
    act.wakes.extend(open);
}

/// Answers commands that cannot be carried out here.
pub(super) fn turn_away(act: &mut Act<Environment>, given: &Given<Environment>, why: &str) {
    for order in given.hints.iter().filter_map(order) {
        if is_new(act, order.comment) {
            refuse(act, &order, why);
        }
    }
}

/// A command and its place.
struct Order<'a> {
    verb: Verb,
    by: &'a Login,
    pr: PrNumber,
    comment: CommentId,
    version: Option<&'a VersionRef>,
}

enum Verb {
    Promote,
    Rollback { model_only: bool },
}

/// The command that a hint brings, where it brings one with an answer.
fn order(hint: &Hint) -> Option<Order<'_>> {
    let (verb, by, pr, comment, version) = match hint {
        Hint::Promote {
            by,
            pr,
            comment,
            version,
        } => (Verb::Promote, by, *pr, *comment, version.as_ref()),
        Hint::Rollback {
            by,
            pr,
            comment,
            version,
            model_only,
        } => {
            let model_only = *model_only;
            (
                Verb::Rollback { model_only },
                by,
                *pr,
                *comment,
                version.as_ref(),
            )
        }
        Hint::Unhold
        | Hint::Pushed { .. }
        | Hint::PushedBy { .. }
        | Hint::Said { .. }
        | Hint::Labeled { .. }
        | Hint::RunWanted(_)
        | Hint::RunForgotten { .. }
        | Hint::CancelRun { .. }
        | Hint::RunUnneeded
        | Hint::Supersede { .. }
        | Hint::DeleteVersions { .. }
        | Hint::Gone
        | Hint::Removed
        | Hint::Shown { .. } => return None,
    };
    Some(Order {
        verb,
        by,
        pr,
        comment,
        version,
    })
}

fn is_new(act: &mut Act<Environment>, comment: CommentId) -> bool {
    if act.state.acted.contains(&comment) {
        return false;
    }
    act.state.acted.push(comment);
    let extra = act.state.acted.len().saturating_sub(HISTORY_MAX);
    act.state.acted.drain(..extra);
    true
}

fn refuse(act: &mut Act<Environment>, order: &Order<'_>, why: &str) {
    let intent = answer(&act.state.repo, order.pr, order.comment, why);
    act.intents.push(intent);
}

fn rollback(
    act: &mut Act<Environment>,
    place: &Place,
    (order, model_only): (&Order<'_>, bool),
    now_ms: i64,
    ask: &mut Ask,
) -> Option<()> {
    let name = act.state.name.clone();
    let approvers = ask
        .owners(act.state.repo.id, &place.head)?
        .approvers(&file::path(&name));
    let is_approver = approvers.contains(&order.by.lower());
    if !is_approver || !ask.is_here(act.state.repo.id, order.by)? {
        let who: Vec<String> = approvers.iter().map(ToString::to_string).collect();
        let who = if who.is_empty() {
            "nobody: `environments/OWNERS` names none".to_owned()
        } else {
            who.join(", ")
        };
        refuse(
            act,
            order,
            &format!("`/rollback {name}` is for the environment's approvers ({who})"),
        );
        return Some(());
    }
    let release = match choose(&act.state, order.version, model_only) {
        Ok(release) => release,
        Err(why) => {
            refuse(act, order, &why);
            return Some(());
        }
    };
    if let Some(why) = deletion::any_gone(act.state.repo.id, &release.models, ask)? {
        refuse(act, order, &why);
        return Some(());
    }
    let why = format!("rolled back by {}", order.by);
    act.state.hold = Some(Hold {
        by: order.by.clone(),
        why,
        at_ms: now_ms,
    });
    wake_open(act);
    let branch = format!("bowsprit/rollback-{name}-{}", order.comment);
    let about = About {
        cause: ChangeCause::Rollback,
        by: Some(order.by.clone()),
        asked: Some((order.pr, order.comment)),
        why: format!("`/rollback` by {}", order.by),
        replaces: None,
    };
    open(act, &place.base, release, &branch, about);
    act.intents
        .push(react(&act.state.repo.clone(), order.comment));
    Some(())
}

/// What a rollback brings. Errors: why there is nothing to bring.
fn choose(
    state: &Environment,
    version: Option<&VersionRef>,
    model_only: bool,
) -> Result<Release, String> {
    let name = &state.name;
    let Some(live) = &state.live else {
        return Err(format!(
            "{name} serves nothing yet, so there is nothing to go back from"
        ));
    };
    if let Some(why) = unclear(version, live) {
        return Err(why);
    }
    let Some(target) = target(state, version).cloned() else {
        let known: Vec<String> = state.verified.iter().map(|v| v.release.shown()).collect();
        return Err(format!(
            "there is no such release to go back to; verified in {name} so far: {}",
            known.join(", ")
        ));
    };
    let commit = if model_only {
        live.commit.clone()
    } else {
        target.commit.clone()
    };
    // What is being rolled out is gone back from, too: to what still serves.
    let wanted = state.wanted.as_ref().unwrap_or(live);
    if target.models == wanted.models && commit == wanted.commit {
        let serves = match wanted.id == live.id {
            true => "serves",
            false => "is to serve",
        };
        return Err(format!("{name} {serves} {} already", wanted.shown()));
    }
    Ok(Release { commit, ..target })
}

/// Why a version does not tell which model is meant, where a release has several.
fn unclear(version: Option<&VersionRef>, release: &Release) -> Option<String> {
    let version = version.filter(|version| version.model.is_none())?;
    let named: Vec<String> = release
        .models
        .keys()
        .map(|model| format!("`{model}/{version}`"))
        .collect();
    (named.len() > 1).then(|| {
        format!(
            "there are several models here; name the one that is meant: {}",
            named.join(" or ")
        )
    })
}

/// The release to go back to: the named version's, or the one before.
fn target<'a>(state: &'a Environment, version: Option<&VersionRef>) -> Option<&'a Release> {
    let mut good = state.verified.iter().rev().map(|v| &v.release);
    match version {
        Some(version) => good.find(|release| release.has(version)),
        None => state.back(),
    }
}

/// The release of this version that is verified there, the newest where none is named. Errors: why there is none.
fn verified(previous: &Environment, version: Option<&VersionRef>) -> Result<Release, String> {
    let newest = previous.verified.last().map(|v| &v.release);
    if let Some(why) = newest.and_then(|newest| unclear(version, newest)) {
        return Err(why);
    }
    let mut all = previous.verified.iter().rev().map(|v| &v.release);
    let found = match version {
        None => newest,
        Some(version) => all.find(|release| release.has(version)),
    };
    let none = || format!("no such release is verified in {}", previous.name);
    found.cloned().ok_or_else(none)
}

fn by_command(
    act: &mut Act<Environment>,
    place: &Place,
    order: &Order<'_>,
    ask: &mut Ask,
) -> Option<()> {
    let name = act.state.name.clone();
    let Role::After {
        environment: before,
        ..
    } = &place.wanted.role
    else {
        return Some(());
    };
    let Some(previous) = ask.environment(act.state.repo.id, before)? else {
        refuse(
            act,
            order,
            &format!("{before} serves nothing yet; {name} follows it"),
        );
        return Some(());
    };
    let release = match verified(&previous, order.version) {
        Ok(release) => release,
        Err(why) => {
            refuse(act, order, &why);
            return Some(());
        }
    };
    if act
        .state
        .live
        .as_ref()
        .is_some_and(|live| live.id == release.id)
    {
        refuse(
            act,
            order,
            &format!("{name} serves {} already", release.shown()),
        );
        return Some(());
    }
    if let Some(why) = deletion::any_gone(act.state.repo.id, &release.models, ask)? {
        refuse(act, order, &why);
        return Some(());
    }
    let about = About {
        cause: ChangeCause::Promotion,
        by: None,
        asked: Some((order.pr, order.comment)),
        why: format!("`/promote` by {}", order.by),
        replaces: None,
    };
    if let Err(why) = promotion(act, place, release, about, ask)? {
        refuse(act, order, &why);
        return Some(());
    }
    // Whoever may lift a hold lifts it by this; for others the promotion is open and waits.
    let approvers = ask
        .owners(act.state.repo.id, &place.head)?
        .approvers(&file::path(&name));
    if approvers.contains(&order.by.lower()) && ask.is_here(act.state.repo.id, order.by)? {
        act.state.hold = None;
    }
    act.intents
        .push(react(&act.state.repo.clone(), order.comment));
    Some(())
}
