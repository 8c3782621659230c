//! The rules of a change of environments: what may come where, and who says so.

use super::approved::approvers;
use super::rules::{Rule, Standing, WHO_SHOWN, join, void_word};
use super::step::Seen;
use super::{Pull, known};
use crate::contract::{Role, Window};
use crate::name::{Login, RepoPath, Slug};
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
pub(super) fn keeps_held(owners: &Owners, paths: &[RepoPath], who: &Login) -> Option<Slug> {
    paths.iter().filter_map(environment_of).find(|name| {
        let approvers = owners.approvers(&environment::file::path(name));
        !approvers.contains(&who.lower())
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
            "an approver of that folder says `/approve`",
        )
        .by(entitled.into_iter().take(WHO_SHOWN)),
    ]
}

fn environment_rules(
    pull: &Pull,
    seen: &Seen,
    name: &Slug,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Vec<Rule>> {
    let repo = pull.repo.id;
    let wanted = seen
        .service()
        .and_then(|service| service.environment(name))
        .cloned();
    let Some(wanted) = wanted else {
        let why = match seen.contract {
            Some(_) => "the contract names no such environment",
            None => {
                "`bowsprit.yaml` of the base cannot be read; mend it first, in a pull request of its own"
            }
        };
        return Some(vec![Rule::new(
            &format!("environment `{name}`"),
            false,
            why,
        )]);
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
    rules.push(quorum(
        seen,
        name,
        *approvals,
        ours.and_then(|change| change.by.clone()),
    ));
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

/// Distinct entitled people who have approved a change of an environment.
fn quorum(seen: &Seen, name: &Slug, approvals: u32, commanded_by: Option<Login>) -> Rule {
    let entitled = seen.owners.approvers(&environment::file::path(name));
    let mut by = seen.words.approvers();
    by.extend(commanded_by.map(|login| login.lower()));
    let by: BTreeSet<Login> = by.intersection(&entitled).cloned().collect();
    let needed = approvals.max(1) as usize;
    let label = format!("approved for {name}");
    if by.len() >= needed {
        return Rule::new(&label, true, format!("by {}", join(&by))).by(by);
    }
    let detail = if entitled.is_empty() {
        "`environments/OWNERS` names nobody who may approve this; add one".to_owned()
    } else {
        void_word(&seen.words.approve).unwrap_or_else(|| {
            format!(
                "{} of {needed}; an approver of the environment says `/approve`",
                by.len()
            )
        })
    };
    Rule::new(&label, false, detail).by(entitled
        .into_iter()
        .filter(|login| !by.contains(login))
        .take(WHO_SHOWN))
}
