//! What others report on the head, where it counts: contexts that GitHub's rules of the branch require.

use super::Pull;
use super::overrides;
use super::rules::{Rule, Standing};
use super::step::Seen;
use crate::subject::ask::{Ask, Context, ContextState, RequiredContext};

/// Contexts that the branch's rules require and that are not ours.
pub(super) fn required(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let all = ask.required(pull.repo.id, &seen.change.base)?;
    if all.is_empty() {
        return Some(Vec::new());
    }
    let contexts = ask.contexts(pull.repo.id, &seen.change.head)?;
    let rules = all
        .iter()
        .map(|required| of_required(pull, seen, required, &contexts));
    Some(rules.collect())
}

fn of_required(pull: &Pull, seen: &Seen, required: &RequiredContext, contexts: &[Context]) -> Rule {
    let (name, app) = (&required.name, required.app);
    let rule_name = match app {
        Some(app) => format!("required `{name}` of App {app}"),
        None => format!("required `{name}`"),
    };
    let state = required.state(contexts);
    match overrides::standing(pull, seen, name) {
        Some(Ok(by)) => {
            let mut detail = format!("overridden by {by}");
            if let Some(app) = app.filter(|_| state != Some(ContextState::Success)) {
                detail.push_str(&format!("; GitHub itself still waits for App {app}"));
            }
            return Rule::new(&rule_name, true, detail);
        }
        Some(Err(by)) => {
            let detail =
                format!("the override of {by} was for an older base; `/override {name}` renews it");
            return Rule::new(&rule_name, false, detail);
        }
        None => {}
    }
    let (standing, mut detail) = match state {
        Some(ContextState::Success) => (Standing::Met, "green".to_owned()),
        Some(ContextState::Pending) | None => (
            Standing::Waiting,
            "required by the branch's rules, not reported yet".to_owned(),
        ),
        Some(ContextState::Failure) => (
            Standing::Unmet,
            "required by the branch's rules, and red".to_owned(),
        ),
    };
    if let (None, Some(app)) = (state, app) {
        detail.push_str(&of_others(name, app, contexts));
    }
    Rule {
        state: standing,
        ..Rule::new(&rule_name, false, detail)
    }
}

/// Who reported a name instead of the App that must, and why that does not count.
fn of_others(name: &str, app: u64, contexts: &[Context]) -> String {
    let mut named = contexts.iter().filter(|one| one.name == name).peekable();
    if named.peek().is_none() {
        return String::new();
    }
    if named.any(|one| one.is_run) {
        return format!(" by App {app}; a check run of another App does not count");
    }
    format!(
        " by App {app}; a status of that name does not tell its App, so a check run of App {app} is needed, or rules of the branch that take it from any source"
    )
}
