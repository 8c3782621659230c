//! The rules of a change of environments: what may come where, and who says so.

use super::approved::approvers;
use super::rules::{Rule, Standing, WHO_SHOWN, join, void_word};
use super::step::Seen;
use super::{Pull, gone, known};
use crate::contract::{self, Role, Window};
use crate::name::{Login, RepoId, RepoPath, Slug};
use crate::owners::Owners;
use crate::subject::Given;
use crate::subject::ask::Ask;
use crate::subject::environment::{self, ChangeCause, Environment, validate};
use std::collections::BTreeSet;

/// The environment whose file a path is.
pub(super) fn environment_of(path: &RepoPath) -> Option<Slug> {
    Slug::parse(
        path.as_str()
            .strip_prefix("environments/")?
            .strip_suffix(".yaml")?,
    )
    .ok()
}

/// The environment among these paths that only its own approvers may let go on, where this person is none of them.
pub(super) fn keeps_held(
    id: RepoId,
    (owners, paths): (&Owners, &[RepoPath]),
    who: &Login,
    ask: &mut Ask,
) -> Option<Option<Slug>> {
    let mut names = paths.iter().filter_map(environment_of).peekable();
    let Some(first) = names.peek().cloned() else {
        return Some(None);
    };
    let other = names.find(|name| {
        let approvers = owners.approvers(&environment::file::path(name));
        !approvers.contains(&who.lower())
    });
    Some(match other {
        Some(other) => Some(other),
        None => (!ask.is_here(id, who)?).then_some(first),
    })
}

pub(super) fn promotion(
    pull: &Pull,
    seen: &Seen,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Vec<Rule>> {
    let mut rules = Vec::new();
    for path in seen.paths() {
        let Some(name) = environment_of(&path) else {
            rules.extend(owners_change(seen, &path));
            continue;
        };
        rules.extend(environment_rules(pull, seen, &name, given, ask)?);
    }
    Some(rules)
}

/// `environments/OWNERS` and the like: the folder's own approvers.
fn owners_change(seen: &Seen, path: &RepoPath) -> Vec<Rule> {
    let entitled: BTreeSet<Login> = seen.owners.approvers(path);
    let by: BTreeSet<Login> = approvers(seen).intersection(&entitled).cloned().collect();
    vec![
        Rule::new(
            &format!("approved for `{path}`"),
            !by.is_empty(),
            format!(
                "an approver of that folder says `/approve`{}",
                gone::told(seen, &entitled)
            ),
        )
        .by(entitled.into_iter().take(WHO_SHOWN)),
    ]
}

/// The environment of this name in the contract of the base. Errors: the rule that there is one, not met.
fn named(seen: &Seen, name: &Slug) -> Result<contract::Environment, Rule> {
    let wanted = seen
        .service()
        .and_then(|service| service.environment(name))
        .cloned();
    wanted.ok_or_else(|| {
        let why = match seen.contract {
            Some(_) => "the contract names no such environment",
            None => {
                "`bowsprit.yaml` of the base cannot be read; mend it first, in a pull request of its own"
            }
        };
        Rule::new(&format!("environment `{name}`"), false, why)
    })
}

fn environment_rules(
    pull: &Pull,
    seen: &Seen,
    name: &Slug,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Vec<Rule>> {
    let repo = pull.repo.id;
    let wanted = match named(seen, name) {
        Ok(wanted) => wanted,
        Err(rule) => return Some(vec![rule]),
    };
    let Role::After {
        environment: before,
        approvals,
        windows,
        ..
    } = &wanted.role
    else {
        return Some(vec![Rule::new(
            &format!("environment `{name}`"),
            false,
            "it follows a branch and is not pinned by a file",
        )]);
    };
    let state = ask
        .environment(repo, name)?
        .unwrap_or_else(|| Environment::new(pull.repo.clone(), name.clone(), given.now_ms));
    let previous = ask.environment(repo, before)?;
    let Some(text) = ask.text(repo, &seen.change.head, &environment::file::path(name))? else {
        return Some(vec![Rule::new(
            &format!("`{name}` stays pinned"),
            false,
            "an environment's file cannot be removed",
        )]);
    };
    let (target, told) = match validate::target_of(repo, &seen.base, &text, ask)? {
        Ok(found) => found,
        Err(why) => return Some(vec![Rule::new("release can run", false, why)]),
    };
    let ours = state.change_of(pull.number).filter(|change| {
        change.release.models == target.models && change.release.commit == target.commit
    });
    let cause = ours.map_or(told, |change| change.cause);
    let mut rules: Vec<Rule> = validate::validate(&state, previous.as_ref(), &target, cause)
        .into_iter()
        .map(|(rule, is_met, detail)| Rule::new(&rule, is_met, detail))
        .collect();
    if cause != ChangeCause::BreakGlass {
        for (model, named) in &target.models {
            let why = known::unknown(repo, (model, named), ask)?;
            rules.extend(why.map(|why| known::rule(model, &why)));
        }
    }
    if !wanted.allow_self_reported {
        rules.extend(not_self_reported(repo, &target, ask)?);
    }
    if cause == ChangeCause::Promotion {
        rules.extend(outside_windows(windows, given.now_ms));
        rules.extend(held(&state));
    }
    if cause == ChangeCause::Revert && ours.is_some() {
        rules.push(Rule::new(
            "approved",
            true,
            "a return after a failed rollout needs no approval",
        ));
        return Some(rules);
    }
    let by = agreed(seen, ours.and_then(|change| change.by.as_ref()), repo, ask)?;
    rules.push(quorum(seen, name, *approvals, by));
    Some(rules)
}

/// After a rollback promotions wait until somebody says that they may go on.
fn held(state: &Environment) -> Option<Rule> {
    let hold = state.hold.as_ref()?;
    let detail = format!("{} is held: {}; `/unhold` lifts it", state.name, hold.why);
    Some(Rule::new("not held", false, detail))
}

fn outside_windows(windows: &[Window], now_ms: i64) -> Option<Rule> {
    if windows.is_empty() || windows.iter().any(|window| window.is_open(now_ms)) {
        return None;
    }
    let names: Vec<&str> = windows.iter().map(|window| window.as_str()).collect();
    Some(Rule {
        state: Standing::Waiting,
        ..Rule::new("inside a window", false, names.join(", "))
    })
}

fn not_self_reported(
    repo: crate::name::RepoId,
    target: &environment::Release,
    ask: &mut Ask,
) -> Option<Option<Rule>> {
    for (model, wanted) in &target.models {
        let versions = ask.versions(repo, model)?;
        if versions
            .iter()
            .any(|v| v.version == wanted.version && v.self_reported)
        {
            let detail = format!(
                "{model} v{} was measured by its own training only; the environment may say `allow_self_reported: true`",
                wanted.version
            );
            return Some(Some(Rule::new("independently evaluated", false, detail)));
        }
    }
    Some(None)
}

/// Who has approved, and who gave the command that opened it.
fn agreed(
    seen: &Seen,
    order: Option<&Login>,
    id: RepoId,
    ask: &mut Ask,
) -> Option<BTreeSet<Login>> {
    let mut by = seen.words.approvers();
    let takes_back = |who: &Login| {
        let mut all = seen.words.approve_cancelled.iter();
        all.any(|by| by.is(who))
    };
    if let Some(order) = order
        && !takes_back(order)
        && ask.is_here(id, order)?
    {
        by.insert(order.lower());
    }
    Some(by)
}

/// Distinct entitled people who have approved a change of an environment.
fn quorum(seen: &Seen, name: &Slug, approvals: u32, mut by: BTreeSet<Login>) -> Rule {
    let entitled = seen.owners.approvers(&environment::file::path(name));
    by.retain(|login| entitled.contains(login) && !seen.gone.contains(login));
    let needed = approvals.max(1) as usize;
    let label = format!("approved for {name}");
    if by.len() >= needed {
        return Rule::new(&label, true, format!("by {}", join(&by))).by(by);
    }
    let detail = if entitled.is_empty() {
        "`environments/OWNERS` names nobody who may approve this; add one".to_owned()
    } else {
        let open = void_word(&seen.words.approve).unwrap_or_else(|| {
            format!(
                "{} of {needed}; an approver of the environment says `/approve`",
                by.len()
            )
        });
        open + &gone::told(seen, &entitled)
    };
    Rule::new(&label, false, detail).by(entitled
        .into_iter()
        .filter(|login| !by.contains(login) && !seen.gone.contains(login))
        .take(WHO_SHOWN))
}
