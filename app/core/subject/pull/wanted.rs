//! What a change wants to have run: training, service tests, named checks, a preview; and whether its code may run.

use super::dated::Named;
use super::step::Seen;
use super::words::Words;
use super::{Kind, Pull, lgtm};
use crate::contract::{CheckWhen, Contract};
use crate::effect::{Hint, Wake};
use crate::habits::{Compatibility, Habits, Switch};
use crate::name::{Login, RepoId};
use crate::subject::ask::{Ask, ChangeView, ContractAt, Permission, PullView};
use crate::subject::run::{Cause, DRAFT, Phase, READY, Trigger, What};
use crate::subject::{Act, SubjectKey, environment};
use crate::training::spec::Trust;
use std::collections::BTreeMap;

/// Whether the head's code may run: of the repository itself, or named by somebody who may write here.
pub(super) fn is_trusted(
    view: &PullView,
    change: &ChangeView,
    (id, habits): (RepoId, &Habits),
    words: &Words,
    ask: &mut Ask,
) -> Option<bool> {
    if is_trusted_author(&view.author, change, (id, habits), ask)? {
        return Some(true);
    }
    let app = view.author.as_str().strip_suffix("[bot]");
    let app = app.and_then(|name| Login::parse(name).ok());
    if app.is_some_and(|app| habits.trusted_apps.contains(&app.lower())) {
        return Some(true);
    }
    if habits.has(Switch::IgnoreOkToTest) {
        return Some(false);
    }
    let is_sticky = habits.has(Switch::StickyOkToTest);
    let mut is_trusted = false;
    for word in &words.trust {
        let names_head = word.named == Some(Named::Head(change.head.clone()));
        let counts = word.is_cancel || is_sticky || names_head;
        if counts && may_trust(&word.by, (id, habits), ask)? {
            is_trusted = !word.is_cancel;
        }
    }
    Some(is_trusted)
}

/// Whether what this author brings runs by itself: whoever can write here, or with a switch only members.
fn is_trusted_author(
    author: &Login,
    change: &ChangeView,
    (id, habits): (RepoId, &Habits),
    ask: &mut Ask,
) -> Option<bool> {
    let is_inside = change.head_repo == Some(id);
    if habits.preset == Compatibility::Prow && !author.is_bot() {
        let may_push = is_inside && !habits.has(Switch::OnlyOrgMembers);
        return Some(may_push || belongs(author, (id, habits), ask)?);
    }
    // An App that can push here was let in by an owner of the organisation.
    if author.is_bot() || !habits.has(Switch::OnlyOrgMembers) {
        return Some(
            is_inside || (!author.is_bot() && ask.permission(id, author)? >= Permission::Write),
        );
    }
    ask.org_member(id, author)
}

/// Whether Prow trusts a person: a member of the organisation, or, unless it is for members only, a collaborator.
fn belongs(who: &Login, (id, habits): (RepoId, &Habits), ask: &mut Ask) -> Option<bool> {
    // The order is that of cost: either is enough.
    let is_here = !habits.has(Switch::OnlyOrgMembers) && ask.is_here(id, who)?;
    Some(is_here || ask.org_member(id, who)?)
}

/// Whether somebody may have things run of what is trusted.
pub(super) fn may_start(
    who: &Login,
    (id, habits): (RepoId, &Habits),
    ask: &mut Ask,
) -> Option<bool> {
    match habits.preset {
        Compatibility::Own => Some(ask.permission(id, who)? >= Permission::Write),
        Compatibility::Prow => Some(ask.is_here(id, who)? || ask.org_member(id, who)?),
    }
}

/// Whose word makes code of strangers run.
pub(super) fn who_may_trust(habits: &Habits) -> &'static str {
    match (habits.has(Switch::OnlyOrgMembers), habits.preset) {
        (true, _) => "a member of the organisation",
        (false, Compatibility::Own) => "somebody who may write here",
        (false, Compatibility::Prow) => "a member of the organisation or a collaborator",
    }
}

/// Whether somebody's word makes code of strangers run.
pub(super) fn may_trust(
    who: &Login,
    (id, habits): (RepoId, &Habits),
    ask: &mut Ask,
) -> Option<bool> {
    if habits.preset == Compatibility::Prow {
        return belongs(who, (id, habits), ask);
    }
    if ask.permission(id, who)? < Permission::Write {
        return Some(false);
    }
    Some(!habits.has(Switch::OnlyOrgMembers) || ask.org_member(id, who)?)
}

/// Everything that shall run for this change, and whether it is optional.
pub(super) fn whats(seen: &Seen, ask: &mut Ask) -> Option<Vec<(What, bool)>> {
    let _ = ask;
    let mut whats = Vec::new();
    let checks = match &seen.contract {
        None => return Some(whats),
        Some(Contract::Training(training)) => {
            if training.triggers.pull_request {
                whats.push((What::Train, false));
            }
            &training.checks
        }
        Some(Contract::Service(service)) => {
            if matches!(seen.kind, Kind::Code | Kind::Proposal | Kind::Mixed) {
                whats.push((What::Service, false));
            }
            &service.checks
        }
    };
    if seen.kind != Kind::Promotion {
        let paths = seen.paths();
        whats.extend(
            checks
                .iter()
                .filter(|c| c.when.applies(&paths))
                .map(|c| (What::Check(c.name.clone()), c.optional)),
        );
    }
    Some(whats)
}

/// What can run for this change beside that, and whether it is optional: checks that it does not call for, or that
/// only run by hand.
pub(super) fn others(seen: &Seen) -> Vec<(What, bool)> {
    let (Some(contract), false) = (&seen.contract, seen.kind == Kind::Promotion) else {
        return Vec::new();
    };
    let paths = seen.paths();
    let idle = contract.checks().iter().filter(|c| !c.when.applies(&paths));
    idle.map(|c| (What::Check(c.name.clone()), c.optional))
        .collect()
}

/// What this change needs and nobody has run by a word on this head.
pub(super) fn not_run_by_hand(seen: &Seen, ask: &mut Ask) -> Option<Vec<What>> {
    let mut whats = whats(seen, ask)?;
    let is_run = |what: &What| {
        seen.runs.iter().any(|run| {
            run.cause.what == *what && matches!(run.cause.trigger, Trigger::Comment { .. })
        })
    };
    whats.retain(|(what, is_optional)| !is_optional && !is_run(what));
    Some(whats.into_iter().map(|(what, _)| what).collect())
}

/// Required checks that only run by hand.
pub(super) fn by_hand(seen: &Seen) -> Vec<What> {
    let checks = seen.contract.as_ref().map_or(&[][..], Contract::checks);
    let by_hand = checks
        .iter()
        .filter(|check| check.when == CheckWhen::ByHand && !check.optional);
    by_hand
        .map(|check| What::Check(check.name.clone()))
        .collect()
}

/// Why something runs again.
pub(super) fn cause(pull: &Pull, seen: &Seen, what: What, trigger: Trigger) -> Cause {
    Cause {
        repo: pull.repo.clone(),
        sha: seen.change.head.clone(),
        what,
        trigger,
        trust: Trust::of_head(seen.change.head_repo, pull.repo.id),
        params: BTreeMap::new(),
        by: Some(seen.view.author.clone()),
    }
}

/// Why nothing starts on this head: what would be tried could not be merged.
pub(super) fn conflict(seen: &Seen) -> Option<String> {
    let base = &seen.change.base;
    (seen.change.is_mergeable == Some(false)).then(|| {
        format!("nothing runs while this conflicts with `{base}`; merge or rebase, and it starts by itself")
    })
}

/// Starts what has not run on this head yet.
pub(super) fn runs(act: &mut Act<Pull>, seen: &Seen, ask: &mut Ask) -> Option<()> {
    if seen.change.is_draft || conflict(seen).is_some() {
        return Some(());
    }
    if !seen.is_trusted && !lgtm::lets_run(&act.state, seen, ask)? {
        return Some(());
    }
    let mut wants = whats(seen, ask)?;
    if seen.contract.is_none() {
        // The first contract of a repository: its own steps are tried, nothing judges them yet.
        match ask.contract(act.state.repo.id, &seen.change.head)? {
            ContractAt::Good(contract, _) if matches!(*contract, Contract::Service(_)) => {
                wants.push((What::Service, true))
            }
            ContractAt::Good(..) | ContractAt::Broken(_) => wants.push((What::Train, true)),
            ContractAt::Missing => {}
        }
    }
    for (what, _) in wants {
        let (pr, base) = (act.state.number, seen.base.clone());
        let trigger = match seen.runs.iter().find(|run| run.cause.what == what) {
            None => Trigger::Pull {
                pr,
                base,
                retargeted_ms: act.state.retargeted_ms,
            },
            // It ended because of the draft, which is none any more.
            Some(run) if run.cancelled.as_deref() == Some(DRAFT) => Trigger::Again {
                branch: None,
                pr: Some((pr, base)),
                nonce: format!("{READY}{}", run.id),
            },
            Some(_) => continue,
        };
        let cause = cause(&act.state, seen, what, trigger);
        act.wakes.push(Wake {
            subject: SubjectKey::Run(cause.run_id()),
            hint: Some(Hint::RunWanted(cause)),
        });
    }
    Some(())
}

/// Wakes the preview once the service's tests have passed on this head.
pub(super) fn preview(act: &mut Act<Pull>, seen: &Seen, ask: &mut Ask) -> Option<()> {
    let Some(service) = seen.service() else {
        return Some(());
    };
    let has_preview = service
        .environments
        .iter()
        .any(|e| matches!(e.role, crate::contract::Role::Preview { .. }));
    let is_tested = seen
        .runs
        .iter()
        .any(|run| run.cause.what == What::Service && run.phase == Phase::Succeeded);
    // What ran once by somebody's word is not served because of that.
    if !has_preview || !is_tested || !seen.is_trusted || matches!(seen.kind, Kind::Promotion) {
        return Some(());
    }
    let name = environment::preview(act.state.number);
    let state = ask.environment(act.state.repo.id, &name)?;
    let is_there = state.is_some_and(|e| {
        e.expired.as_ref() == Some(&seen.change.head)
            || e.wanted.is_some_and(|r| r.commit == seen.change.head)
    });
    if !is_there {
        act.wakes.push(Wake {
            subject: SubjectKey::Environment(act.state.repo.id, name),
            hint: Some(Hint::Shown {
                head: seen.change.head.clone(),
            }),
        });
    }
    Some(())
}
