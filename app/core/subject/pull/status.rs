//! The one status comment of a pull request, and the labels that show it.

use super::rules::{Rule, Standing, TRUSTED_HEAD, unready};
use super::step::Seen;
use super::{Kind, ORIGINALS_MAX, Pull, by_hand, landing, owned, queued, talk, verdict};
use crate::effect::{CheckRun, CheckStatus, Effect, Intent, Priority, Text};
use crate::name::Slug;
use crate::queue::TRIES_MAX;
use crate::subject::ask::{Ask, ChangeView, ModelAt};
use crate::subject::{Act, Given, environment, proposal};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Labels that are ours to put on and take off.
pub(super) const MANAGED: [&str; 7] = [
    "lgtm",
    "approved",
    by_hand::HOLD,
    "needs-ok-to-test",
    "do-not-merge/work-in-progress",
    "needs-rebase",
    "do-not-merge/invalid-owners-file",
];

/// Writes comment, check and labels as views.
pub(super) fn tell(
    act: &mut Act<Pull>,
    seen: &Seen,
    rules: &[Rule],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    let repo = act.state.repo.clone();
    let missing: Vec<&Rule> = rules
        .iter()
        .filter(|rule| rule.state != Standing::Met)
        .collect();
    let data = json!({
        "kind": seen.kind,
        "head": seen.change.head,
        "rules": rules,
        "missing": missing,
        "is_ready": missing.is_empty(),
        "next": next(act, seen, ask)?,
        // A branch with a queue refuses merges; that is no news once it is in the queue.
        "refusal": landing::refusal(&act.state, given).filter(|_| act.state.enqueued.is_none()),
        "gave_up": act.state.tries >= TRIES_MAX,
        "unheard_beyond": talk::is_full(&act.state).then_some(ORIGINALS_MAX),
        "page": format!("{}{}", given.public_url, act.state.page()),
        "runs": seen.runs.iter().map(crate::subject::run::check::page_data).collect::<Vec<_>>(),
        "owners": owned::of_the_base(seen),
        "welcome": waits_for_trust(rules).then(|| seen.view.author.to_string()),
        "failures": act.state.failures,
        "preview": preview(act, seen, ask)?,
        "environments": environment::strip(&ask.environments(repo.id)?),
        "public_url": given.public_url,
    });
    let effect = Effect::StatusComment {
        repo: repo.clone(),
        pr: act.state.number,
        text: Text::new("comments/status", data.clone()),
    };
    act.intents.push(Intent {
        key: format!("status:{}:{}", repo.id, act.state.number),
        is_view: true,
        priority: Priority::View,
        effect,
    });
    act.intents.push(labels(act, seen, rules));
    verdict::tell(act, seen, rules, given, ask)?;
    if matches!(seen.kind, Kind::Promotion | Kind::Mixed) {
        act.intents
            .push(promotion_check(act, seen, rules, data, given));
    }
    Some(())
}

/// The run of a newer version that waits, since people have spoken on this proposal.
fn next(act: &Act<Pull>, seen: &Seen, ask: &mut Ask) -> Option<Option<String>> {
    let name = seen.change.branch.as_str().strip_prefix("bowsprit/");
    match name.and_then(|name| Slug::parse(name).ok()) {
        Some(model) if seen.kind == Kind::Proposal => ask.next(act.state.repo.id, &model),
        Some(_) | None => Some(None),
    }
}

/// The last word of the status comment: what became of the pull request, and who agreed.
pub(super) fn close(act: &mut Act<Pull>, change: &ChangeView, given: &Given<Pull>) {
    // Where nothing was ever told, there is nothing to close.
    if act.state.rules.is_empty() {
        return;
    }
    let landed = act.state.landed.clone().or_else(|| change.merged.clone());
    let data = json!({
        "landed": landed,
        "base": change.base,
        "rules": act.state.rules,
        "page": format!("{}{}", given.public_url, act.state.page()),
    });
    verdict::close(act, landed.as_ref(), given);
    let effect = Effect::StatusComment {
        repo: act.state.repo.clone(),
        pr: act.state.number,
        text: Text::new("comments/closed", data),
    };
    let key = format!("status:{}:{}", act.state.repo.id, act.state.number);
    act.intents.push(Intent {
        key,
        is_view: true,
        priority: Priority::View,
        effect,
    });
}

/// The preview: where it answers and a request that works.
fn preview(act: &Act<Pull>, seen: &Seen, ask: &mut Ask) -> Option<Value> {
    let Some(service) = seen.service() else {
        return Some(Value::Null);
    };
    let state = ask.environment(act.state.repo.id, &environment::preview(act.state.number))?;
    let Some(state) = state.filter(|state| !state.is_gone && state.url.is_some()) else {
        return Some(Value::Null);
    };
    let models: Vec<ModelAt> = ask.models(act.state.repo.id, &seen.change.head)?;
    let asked = models
        .iter()
        .filter(|m| service.models.contains_key(&m.model))
        .find_map(|m| Some((&m.model, m.samples.first()?)));
    let sample = asked.map(|(_, sample)| sample);
    let preview = service
        .environments
        .iter()
        .find(|e| matches!(e.role, crate::contract::Role::Preview { .. }));
    Some(json!({
        "url": state.url,
        "predict": asked.map_or(service.serve.predict.as_str(), |(model, _)| service.predict(model)),
        "phase": state.phase,
        "reason": state.reason,
        "commit": state.live.as_ref().map(|live| live.commit.clone()),
        "version": state.live.as_ref().map(environment::Release::shown),
        "is_current": state.live.as_ref().is_some_and(|live| live.commit == seen.change.head),
        "auth": preview.is_some_and(|e| e.auth),
        "name": state.name,
        "input": sample.map(|s| proposal::shown(&s.input)),
        "output": sample.map(|s| proposal::shown(&s.output)),
    }))
}

fn waits_for_trust(rules: &[Rule]) -> bool {
    let mut rules = rules.iter();
    rules.any(|rule| rule.name == TRUSTED_HEAD && rule.state != Standing::Met)
}

fn labels(act: &Act<Pull>, seen: &Seen, rules: &[Rule]) -> Intent {
    let is_met = |start: &str| {
        let mut found = rules
            .iter()
            .filter(|rule| rule.name.starts_with(start))
            .peekable();
        found.peek().is_some() && found.all(|rule| rule.state == Standing::Met)
    };
    let mut set = BTreeSet::new();
    let mut put = |is_on: bool, label: &str| {
        if is_on {
            set.insert(label.to_owned());
        }
    };
    put(is_met("lgtm"), "lgtm");
    put(is_met("approved"), "approved");
    put(seen.words.hold.is_some(), by_hand::HOLD);
    put(waits_for_trust(rules), "needs-ok-to-test");
    put(unready(seen).is_some(), "do-not-merge/work-in-progress");
    put(seen.change.is_mergeable == Some(false), "needs-rebase");
    let unreadable = |rule: &Rule| rule.name == owned::READABLE && rule.state != Standing::Met;
    put(
        rules.iter().any(unreadable),
        "do-not-merge/invalid-owners-file",
    );
    let managed: BTreeSet<String> = MANAGED.iter().map(|label| (*label).to_owned()).collect();
    let labels = seen.view.labels.iter().map(|label| label.to_lowercase());
    let found = labels.filter(|label| managed.contains(label)).collect();
    let effect = Effect::Labels {
        repo: act.state.repo.clone(),
        pr: act.state.number,
        set,
        managed,
        found,
    };
    Intent {
        key: format!("labels:{}:{}", act.state.repo.id, act.state.number),
        is_view: true,
        priority: Priority::Progress,
        effect,
    }
}

/// The check that holds a change of environments against the rules, approval aside.
fn promotion_check(
    act: &Act<Pull>,
    seen: &Seen,
    rules: &[Rule],
    data: Value,
    given: &Given<Pull>,
) -> Intent {
    let facts: Vec<&Rule> = rules
        .iter()
        .filter(|rule| rule.who.is_empty() && !rule.name.starts_with("approved"))
        .filter(|rule| !queued::is_of_the_branch(rule))
        .collect();
    let wrong = facts.iter().find(|rule| rule.state == Standing::Unmet);
    let status = match wrong {
        Some(_) => CheckStatus::Failure,
        None if facts
            .iter()
            .any(|rule| rule.state == Standing::Waiting && !rule.name.contains("conflict")) =>
        {
            CheckStatus::InProgress
        }
        None => CheckStatus::Success,
    };
    let title = wrong.map_or_else(
        || "the release may run there".to_owned(),
        |rule| format!("{}: {}", rule.name, rule.detail),
    );
    let is_done = status != CheckStatus::InProgress;
    let check = CheckRun {
        repo: act.state.repo.clone(),
        sha: seen.change.head.clone(),
        name: "bowsprit/promotion".to_owned(),
        external_id: format!(
            "promotion-{}-{}",
            act.state.number,
            seen.change.head.short()
        ),
        status,
        title: crate::text::truncate(&title, 200),
        summary: Text::new("checks/promotion", data),
        annotations: Vec::new(),
        page: act.state.page(),
        started_ms: seen.view.created_ms,
        completed_ms: is_done.then_some(given.now_ms.max(seen.view.created_ms) / 60_000 * 60_000),
    };
    let key = format!(
        "promotion-check:{}:{}:{}",
        act.state.repo.id,
        act.state.number,
        seen.change.head.short()
    );
    Intent {
        key,
        is_view: true,
        priority: Priority::View,
        effect: Effect::CheckRun(Box::new(check)),
    }
}
