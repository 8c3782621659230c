//! What others report on the head, where it counts: contexts that GitHub's rules of the branch or the contract require.

use super::rules::{Rule, Standing};
use super::step::Seen;
use super::{Kind, Pull};
use super::{overrides, verdict, wanted};
use crate::subject::ask::{Ask, Context, ContextState, RequiredContext};
use crate::text::code_span;
use std::collections::{BTreeMap, BTreeSet};

/// The rule of everything that is required of nobody by name.
const OTHERS: &str = "contexts of others";
/// Names that a rule shows.
const NAMES_SHOWN: usize = 5;

/// Who requires a context.
const BY_BRANCH: &str = "the branch's rules";
const BY_CONTRACT: &str = "`chatops.contexts`";

/// Contexts that must be green and that are not ours.
pub(super) fn rules(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let required = required(pull, seen, ask)?;
    let is_asking = is_asking(seen);
    if required.is_empty() && !is_asking {
        return Some(Vec::new());
    }
    let contexts = ask.contexts(pull.repo.id, &seen.change.head)?;
    let told = required
        .iter()
        .map(|(one, by)| of_required(pull, seen, (one, by), &contexts));
    let mut rules: Vec<Rule> = told.collect();
    if is_asking {
        let names = required.iter().map(|(one, _)| one.name.as_str()).collect();
        rules.extend(others(pull, seen, (&names, &contexts), ask)?);
    }
    Some(rules)
}

/// Contexts that are required by their name, each with who says so; what the branch requires is named once.
pub(super) fn required(
    pull: &Pull,
    seen: &Seen,
    ask: &mut Ask,
) -> Option<Vec<(RequiredContext, &'static str)>> {
    let of_branch = ask.required(pull.repo.id, &seen.change.base)?;
    let mut all: Vec<_> = of_branch.into_iter().map(|one| (one, BY_BRANCH)).collect();
    if is_asking(seen) {
        for name in seen.habits.contexts.required() {
            if all.iter().all(|(one, _)| one.name != *name) {
                all.push((RequiredContext::of_anybody(name.clone()), BY_CONTRACT));
            }
        }
    }
    Some(all)
}

/// Whether anything counts that the branch does not require. A promotion or a way back cannot be overridden, so what GitHub
/// does not ask of it does not hold it.
fn is_asking(seen: &Seen) -> bool {
    seen.kind != Kind::Promotion && seen.habits.contexts.is_asking(seen.habits.preset)
}

/// What must be green because it is there; nothing where nothing such is.
fn others(
    pull: &Pull,
    seen: &Seen,
    (required, contexts): (&BTreeSet<&str>, &[Context]),
    ask: &mut Ask,
) -> Option<Option<Rule>> {
    let (wishes, preset) = (&seen.habits.contexts, seen.habits.preset);
    let mut own = wanted::whats(seen, ask)?;
    own.extend(wanted::others(seen));
    let own: BTreeMap<String, bool> = own
        .into_iter()
        .map(|(what, is_optional)| (what.check_name(), is_optional))
        .collect();
    let counts = |name: &str| {
        wishes.must_be_green(preset, name)
            && !required.contains(name)
            && own.get(name) != Some(&true)
    };
    // A check run and a status of one name are two words; of several Apps' check runs the best counts.
    let mut found: BTreeMap<(&str, bool), ContextState> = BTreeMap::new();
    for one in contexts {
        // A status of ours stands for one of somebody else, which GitHub shows no more.
        let is_foreign = !one.is_ours || !one.is_run;
        if is_foreign && counts(&one.name) {
            let entry = found.entry((&one.name, one.is_run)).or_insert(one.state);
            *entry = (*entry).max(one.state);
        }
    }
    if found.is_empty() {
        return Some(None);
    }
    let (mut red, mut pending, mut lapsed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for ((name, _), state) in found {
        match (overrides::standing(pull, seen, name), state) {
            (Some(Ok(_)), _) => false,
            (Some(Err(_)), _) => lapsed.insert(name),
            (None, ContextState::Failure) => red.insert(name),
            (None, ContextState::Pending) => pending.insert(name),
            (None, ContextState::Success) => false,
        };
    }
    let told: Vec<String> = [
        ("red", &red),
        ("overridden for an older base", &lapsed),
        ("not finished", &pending),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {}", shown(names)))
    .collect();
    let state = match (red.is_empty() && lapsed.is_empty(), pending.is_empty()) {
        (false, _) => Standing::Unmet,
        (true, false) => Standing::Waiting,
        (true, true) => return Some(Some(Rule::new(OTHERS, true, "all that count are green"))),
    };
    let detail = format!(
        "{}; `/override` lets one count as green, {BY_CONTRACT} says which count",
        told.join("; ")
    );
    Some(Some(Rule {
        state,
        ..Rule::new(OTHERS, false, detail)
    }))
}

fn shown(names: &BTreeSet<&str>) -> String {
    let first: Vec<String> = names
        .iter()
        .take(NAMES_SHOWN)
        .map(|name| code_span(name))
        .collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn of_required(
    pull: &Pull,
    seen: &Seen,
    (required, by): (&RequiredContext, &str),
    contexts: &[Context],
) -> Rule {
    let (name, app) = (&required.name, required.app);
    let rule_name = match app {
        Some(app) => format!("required `{name}` of App {app}"),
        None => format!("required `{name}`"),
    };
    let state = required.state(contexts);
    if name == verdict::NAME {
        let by_another = app.filter(|_| state.is_none());
        return verdict::rule(state, by_another.map(|app| of_others(name, app, contexts)));
    }
    match overrides::standing(pull, seen, name) {
        Some(Ok(who)) => {
            let mut detail = format!("overridden by {who}");
            if let Some(app) = app.filter(|_| state != Some(ContextState::Success)) {
                detail.push_str(&format!("; GitHub itself still waits for App {app}"));
            }
            return Rule::new(&rule_name, true, detail);
        }
        Some(Err(who)) => {
            let detail = format!(
                "the override of {who} was for an older base; `/override {name}` renews it"
            );
            return Rule::new(&rule_name, false, detail);
        }
        None => {}
    }
    let (standing, mut detail) = match state {
        Some(ContextState::Success) => (Standing::Met, "green".to_owned()),
        Some(ContextState::Pending) | None => (
            Standing::Waiting,
            format!("required by {by}, not reported yet"),
        ),
        Some(ContextState::Failure) => (Standing::Unmet, format!("required by {by}, and red")),
    };
    if let (None, Some(app)) = (state, app) {
        detail.push_str(&of_others(name, app, contexts));
    }
    Rule {
        state: standing,
        ..Rule::new(&rule_name, false, detail)
    }
}

/// Who reported a name instead of the App that must, and that it does not count.
fn of_others(name: &str, app: u64, contexts: &[Context]) -> String {
    match contexts.iter().any(|one| one.name == name) {
        true => format!(" by App {app}; a check run of another App does not count"),
        false => String::new(),
    }
}
