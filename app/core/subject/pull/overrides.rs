//! Contexts that count as green in somebody's name: `/override`; and optional ones that are let go: `/skip`.

use super::acts::Done;
use super::dated::was_before;
use super::edits::at_github;
use super::run_acts::too_late;
use super::step::Seen;
use super::{Kind, Pull, contexts, run_acts, verdict, wanted};
use crate::command::Overriding;
use crate::effect::{CheckRun, CheckStatus, Effect, Record, Status, Text};
use crate::habits::{Member, Switch};
use crate::name::{CommitSha, Login, RepoPath};
use crate::subject::Act;
use crate::subject::ask::{Ask, Comment, ContextState, Permission};
use crate::subject::run::{Phase, What};
use crate::text::code_span;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Most overrides that are remembered.
pub const OVERRIDES_MAX: usize = 200;

/// A context that counts as green.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Its name.
    pub name: String,
    /// Who said so.
    pub by: Login,
    /// For this head only.
    pub head: CommitSha,
    /// And for this base only, where it is not sticky.
    pub base: Option<CommitSha>,
    /// Whether GitHub knows it as a check run, else as a status.
    pub is_run: bool,
}

/// Who overrides a context now; `Err` when somebody did and it has lapsed since, because the base moved.
pub(super) fn standing<'a>(
    pull: &'a Pull,
    seen: &Seen,
    name: &str,
) -> Option<Result<&'a Login, &'a Login>> {
    let found = pull
        .overrides
        .iter()
        .rev()
        .find(|one| one.name == name && one.head == seen.change.head)?;
    Some(match &found.base {
        Some(base) if *base != seen.base => Err(&found.by),
        Some(_) | None => Ok(&found.by),
    })
}

/// Contexts that are overridden now.
pub(super) fn names(pull: &Pull, seen: &Seen) -> Vec<String> {
    let names = pull.overrides.iter().map(|one| &one.name);
    let names: BTreeSet<&String> = names
        .filter(|name| matches!(standing(pull, seen, name), Some(Ok(_))))
        .collect();
    names.into_iter().cloned().collect()
}

/// Administrators, and whom the repository lets do so as well.
fn may_override(act: &Act<Pull>, seen: &Seen, who: &Login, ask: &mut Ask) -> Option<bool> {
    let id = act.state.repo.id;
    if ask.permission(id, who)? >= Permission::Admin {
        return Some(true);
    }
    let is_owner = seen.habits.has(Switch::OverrideByTopLevelOwners)
        && top_level(seen).iter().any(|owner| owner.is(who));
    let overriders = &seen.habits.overriders;
    if is_owner || overriders.contains(&Member::Person(who.lower())) {
        // The names may outlive their people's stay.
        return ask.is_here(id, who);
    }
    ask.in_a_team(&act.state.repo, overriders, who)
}

/// Approvers whom the OWNERS file at the root names.
fn top_level(seen: &Seen) -> BTreeSet<Login> {
    let root = RepoPath::parse("OWNERS").into_iter();
    root.flat_map(|path| seen.owners.approvers(&path)).collect()
}

fn for_whom(seen: &Seen) -> String {
    let mut who = vec!["administrators of this repository".to_owned()];
    if seen.habits.has(Switch::OverrideByTopLevelOwners) {
        who.push("approvers of the OWNERS file at its root".to_owned());
    }
    who.extend(seen.habits.overriders.iter().map(ToString::to_string));
    format!("`/override` is for {}", who.join(", "))
}

pub(super) fn override_(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    (how, names): (Overriding, &[String]),
    ask: &mut Ask,
) -> Option<Done> {
    if !may_override(act, seen, &comment.author, ask)? {
        return Some(Done::No(for_whom(seen)));
    }
    if seen.kind == Kind::Promotion {
        let no = "what a promotion needs cannot be overridden; a change that must pass at once is made by hand with `break_glass`";
        return Some(Done::No(no.to_owned()));
    }
    if how == Overriding::Cancel {
        return Some(cancel(act, seen, comment, names));
    }
    let written = (comment.created_ms, comment.head.as_ref());
    if !was_before(&act.state, &seen.change.head, written) {
        return Some(Done::No(too_late(seen)));
    }
    let red = red(act, seen, ask)?;
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| !red.contains_key(*name))
        .map(|name| code_span(name))
        .collect();
    if !unknown.is_empty() {
        let known: Vec<String> = red.keys().map(|name| code_span(name)).collect();
        let known = match known.as_slice() {
            [] => "nothing is red here".to_owned(),
            [..] => format!("red or missing: {}", known.join(", ")),
        };
        return Some(Done::No(format!(
            "there is nothing to override in {}; {known}",
            unknown.join(", ")
        )));
    }
    let mut done = Vec::new();
    for name in names {
        let one = Override {
            name: name.clone(),
            by: comment.author.clone(),
            head: seen.change.head.clone(),
            base: (how == Overriding::Once).then(|| seen.base.clone()),
            is_run: red.get(name).copied().unwrap_or_default(),
        };
        let words = format!("Overridden by {}", comment.author);
        done.push(show(act, comment, &one, (CheckStatus::Success, &words)));
        act.state.overrides.push(one);
    }
    act.records.push(Record::Event {
        who: Some(comment.author.clone()),
        what: crate::text::truncate(&format!("overrides {}", names.join(", ")), 100),
        sha: Some(seen.change.head.clone()),
        why: format!("#{}", act.state.number),
    });
    Some(Done::Several(done))
}

fn cancel(act: &mut Act<Pull>, seen: &Seen, comment: &Comment, names: &[String]) -> Done {
    let is_meant = |one: &Override| {
        one.head == seen.change.head && (names.is_empty() || names.contains(&one.name))
    };
    let (gone, kept): (Vec<Override>, Vec<Override>) = std::mem::take(&mut act.state.overrides)
        .into_iter()
        .partition(is_meant);
    act.state.overrides = kept;
    if gone.is_empty() {
        return Done::No("nothing of that is overridden here".to_owned());
    }
    let words = format!("The override was taken back by {}", comment.author);
    let shown: Vec<Done> = gone
        .iter()
        .map(|one| show(act, comment, one, (CheckStatus::Failure, &words)))
        .collect();
    Done::Several(shown)
}

/// Names that are not green on the head, and whether each is a check run.
fn red(act: &Act<Pull>, seen: &Seen, ask: &mut Ask) -> Option<BTreeMap<String, bool>> {
    let id = act.state.repo.id;
    let mut red = BTreeMap::new();
    let reported = ask.contexts(id, &seen.change.head)?;
    for (one, _) in contexts::required(&act.state, seen, ask)? {
        if one.state(&reported) != Some(ContextState::Success) {
            red.insert(one.name, false);
        }
    }
    let overridden = names(&act.state, seen);
    for context in &reported {
        let counts = context.is_ours || !overridden.contains(&context.name);
        if counts && context.state != ContextState::Success {
            red.insert(context.name.clone(), context.is_run);
        }
    }
    for (what, _) in wanted::whats(seen, ask)? {
        let run = seen.runs.iter().find(|run| run.cause.what == what);
        let is_green =
            run.is_some_and(|run| matches!(run.phase, Phase::Succeeded | Phase::Skipped));
        if !is_green {
            red.insert(what.check_name(), true);
        }
    }
    // What shows green only because of an override that has lapsed.
    for one in &act.state.overrides {
        if standing(&act.state, seen, &one.name).is_some_and(|found| found.is_err()) {
            red.insert(one.name.clone(), one.is_run);
        }
    }
    // It is the sum of all rules: what keeps it from being green is overridden itself.
    red.remove(verdict::NAME);
    Some(red)
}

fn show(
    act: &mut Act<Pull>,
    comment: &Comment,
    one: &Override,
    (status, words): (CheckStatus, &str),
) -> Done {
    let effect = if one.is_run {
        Effect::CheckRun(Box::new(check(
            act,
            comment,
            (&one.name, &one.head),
            (status, words),
        )))
    } else {
        Effect::Status(Box::new(Status {
            repo: act.state.repo.clone(),
            sha: one.head.clone(),
            context: one.name.clone(),
            is_success: status == CheckStatus::Success,
            description: words.to_owned(),
        }))
    };
    at_github(act, comment, effect)
}

/// A newer check run of the same name.
fn check(
    act: &Act<Pull>,
    comment: &Comment,
    (name, head): (&str, &CommitSha),
    (status, words): (CheckStatus, &str),
) -> CheckRun {
    CheckRun {
        repo: act.state.repo.clone(),
        sha: head.clone(),
        name: name.to_owned(),
        external_id: format!("said-{}-{name}", comment.id),
        status,
        title: words.to_owned(),
        summary: Text::new("refusal/plain", json!({ "message": words })),
        annotations: Vec::new(),
        page: act.state.page(),
        started_ms: comment.created_ms,
        completed_ms: Some(comment.created_ms),
    }
}

/// Optional checks that did not pass are shown as skipped.
pub(super) fn skip(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    ask: &mut Ask,
) -> Option<Done> {
    let optional = wanted::whats(seen, ask)?.into_iter().filter(|(_, is)| *is);
    let mut red: Vec<What> = optional.map(|(what, _)| what).collect();
    red.retain(|what| {
        let mut of = seen.runs.iter().filter(|run| run.cause.what == *what);
        of.any(|run| matches!(run.phase, Phase::Failed | Phase::Cancelled))
    });
    if red.is_empty() {
        return Some(Done::No("no optional check is red here".to_owned()));
    }
    red.retain(|what| !run_acts::is_started(act, comment, what));
    let words = format!("Skipped by {}", comment.author);
    let head = seen.change.head.clone();
    let shown = red.iter().map(|what| {
        let shown = (CheckStatus::Neutral, words.as_str());
        let check = check(act, comment, (&what.check_name(), &head), shown);
        at_github(act, comment, Effect::CheckRun(Box::new(check)))
    });
    Some(Done::Several(shown.collect()))
}
