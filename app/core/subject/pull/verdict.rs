//! The check run that sums up all rules: green once every one is met.
//!
//! A branch that requires it merges by the rules alone, whoever presses the button. It changes with the verdict and not
//! with each rule, since each change is a call; what is missing stands in the status comment and on the page.

use super::landing::NO_CONFLICT;
use super::rules::{Rule, Standing};
use super::step::Seen;
use super::{Pull, blocked, contexts, enqueued, queued};
use crate::effect::{CheckRun, CheckStatus, Effect, Intent, Priority, Text};
use crate::habits::Switch;
use crate::name::CommitSha;
use crate::subject::ask::{Ask, ContextState};
use crate::subject::{Act, Given};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Its name at GitHub.
pub const NAME: &str = "bowsprit/merge";

/// GitHub shows a check run that it was given within this. Units: milliseconds.
const SHOWN_MS: i64 = 5_000;

/// What was said last of a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which head.
    pub head: CommitSha,
    /// Whether every rule was met.
    pub is_ready: bool,
    /// Since when. Units: milliseconds since 1970, UTC.
    pub since_ms: i64,
}

/// Whether every rule is met that the change itself can meet.
///
/// Its turn, and what GitHub still computes, come by themselves; and GitHub calls a change blocked for want of this very
/// check.
fn is_ready(rules: &[Rule]) -> bool {
    let comes_by_itself = [NO_CONFLICT, queued::TURN, enqueued::NAME];
    rules.iter().all(|rule| match rule.state {
        Standing::Met => true,
        Standing::Waiting => comes_by_itself.contains(&rule.name.as_str()) || is_own(rule),
        Standing::Unmet => rule.name == blocked::NAME,
    })
}

/// The rule that GitHub shows this check as green, where it is required; it is no part of the sum.
pub(super) fn rule(shown: Option<ContextState>, addition: Option<String>) -> Rule {
    if shown == Some(ContextState::Success) {
        return Rule::new(&rule_name(), true, "green");
    }
    let mut detail = "green once every other rule is met".to_owned();
    detail.extend(addition);
    Rule {
        state: Standing::Waiting,
        ..Rule::new(&rule_name(), false, detail)
    }
}

fn rule_name() -> String {
    format!("required `{NAME}`")
}

fn is_own(rule: &Rule) -> bool {
    rule.name == rule_name()
}

/// Says how an open change stands, where somebody looks for it: the branch requires it, or the contract wants it shown.
pub(super) fn tell(
    act: &mut Act<Pull>,
    seen: &Seen,
    rules: &[Rule],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    let required = contexts::required(&act.state, seen, ask)?;
    let is_required = required.iter().any(|(one, _)| one.name == NAME);
    if !is_required && !seen.habits.has(Switch::MergeCheck) {
        return Some(());
    }
    let (head, is_ready) = (&seen.change.head, is_ready(rules));
    let before = act.state.verdict.take();
    // GitHub tells of its own answers by a delivery, which may be lost.
    if is_required
        && is_ready
        && rules
            .iter()
            .any(|rule| is_own(rule) && rule.state != Standing::Met)
    {
        act.look_by(given.now_ms + SHOWN_MS);
    }
    let verdict = before
        .filter(|before| before.head == *head && before.is_ready == is_ready)
        .unwrap_or_else(|| Verdict {
            head: head.clone(),
            is_ready,
            since_ms: given.now_ms,
        });
    let (status, title) = match is_ready {
        true => (CheckStatus::Success, "Every rule is met"),
        false => (
            CheckStatus::InProgress,
            "The status comment says what it waits for",
        ),
    };
    act.intents
        .push(intent(&act.state, &verdict, (status, title), given));
    act.state.verdict = Some(verdict);
    Some(())
}

/// The last word: what never merged is not left waiting.
pub(super) fn close(act: &mut Act<Pull>, landed: Option<&CommitSha>, given: &Given<Pull>) {
    let Some(verdict) = &act.state.verdict else {
        return;
    };
    let (status, title) = match landed {
        Some(_) => (CheckStatus::Success, "Merged"),
        None => (CheckStatus::Cancelled, "Closed without a merge"),
    };
    act.intents
        .push(intent(&act.state, verdict, (status, title), given));
}

fn intent(
    pull: &Pull,
    verdict: &Verdict,
    (status, title): (CheckStatus, &str),
    given: &Given<Pull>,
) -> Intent {
    let page = pull.page();
    let data = json!({
        "is_waiting": status == CheckStatus::InProgress,
        "page": format!("{}{page}", given.public_url),
    });
    let check = CheckRun {
        repo: pull.repo.clone(),
        sha: verdict.head.clone(),
        name: NAME.to_owned(),
        external_id: format!("merge-{}-{}", pull.number, verdict.head.short()),
        status,
        title: title.to_owned(),
        summary: Text::new("checks/merge", data),
        annotations: Vec::new(),
        page,
        started_ms: verdict.since_ms,
        completed_ms: (status != CheckStatus::InProgress).then_some(verdict.since_ms),
    };
    Intent {
        key: format!(
            "merge-check:{}:{}:{}",
            pull.repo.id,
            pull.number,
            verdict.head.short()
        ),
        is_view: true,
        priority: Priority::View,
        effect: Effect::CheckRun(Box::new(check)),
    }
}
