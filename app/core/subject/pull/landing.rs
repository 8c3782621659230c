//! Merging exactly what was judged, and looking at what landed.

use super::rules::{self, Rule, Standing, overall};
use super::step::Seen;
use super::{Kind, Pull, blocked, queued};
use crate::effect::{
    CheckStatus, Effect, EffectResult, EffectState, Intent, MergeMethod, Outcome, Priority, Record,
    Text,
};
use crate::name::{CommentId, CommitSha, PrNumber, RepoId};
use crate::queue::TRIES_MAX;
use crate::subject::ask::{Ask, Comment};
use crate::subject::{Act, Given};
use serde_json::json;

/// Wait after the first refusal, doubled each time. Units: milliseconds.
const BACK_OFF_MS: i64 = 15_000;

/// While GitHub computes, or a run is about to start, the pull request is looked at again after this. Units: milliseconds.
const COMPUTING_MS: i64 = 2_000;

/// The rule that GitHub can merge it.
pub(super) const NO_CONFLICT: &str = "no conflict";

fn key(pull: &Pull, head: &CommitSha) -> String {
    key_after(pull, head, pull.withdrawn)
}

/// The key of a merge before which so many were withdrawn.
fn key_after(pull: &Pull, head: &CommitSha, withdrawn: u32) -> String {
    let (id, number, head, tries) = (pull.repo.id, pull.number, head.short(), pull.tries);
    let before = match withdrawn {
        0 => String::new(),
        count => format!(":{count}"),
    };
    format!("merge:{id}:{number}:{head}:{tries}{before}")
}

/// The merge of this head that happened though it was withdrawn on its way, else the one that is wanted last.
fn outcome<'g>(pull: &Pull, head: &CommitSha, given: &'g Given<Pull>) -> Option<&'g Outcome> {
    let of = |withdrawn| given.outcomes.get(&key_after(pull, head, withdrawn));
    let mut before = (0..pull.withdrawn).filter_map(of);
    before
        .find(|outcome| outcome.state == EffectState::Done)
        .or_else(|| of(pull.withdrawn))
}

/// Takes back a merge that has not happened, since a rule is not met any more: it would happen whatever was said since.
fn withdraw(act: &mut Act<Pull>, given: &Given<Pull>) {
    let Some(head) = act.state.judged_head.clone() else {
        return;
    };
    let key = key(&act.state, &head);
    let outcome = given.outcomes.get(&key);
    if outcome.is_some_and(|outcome| outcome.state == EffectState::Intended) {
        act.withdrawn.push(key);
        act.state.withdrawn += 1;
        if let Some(ready) = &mut act.state.ready {
            ready.is_merging = false;
        }
    }
}

/// Takes over what the merge brought back, and holds the landed tree against the judged one.
pub(super) fn learn(act: &mut Act<Pull>, given: &Given<Pull>, ask: &mut Ask) -> Option<()> {
    let Some(head) = act.state.judged_head.clone() else {
        return Some(());
    };
    let Some(outcome) = outcome(&act.state, &head, given) else {
        return Some(());
    };
    match (&outcome.state, &outcome.result) {
        (EffectState::Done, EffectResult::Merged { commit, tree })
            if act.state.landed.is_none() =>
        {
            act.state.landed = Some(commit.clone());
            act.records.push(Record::Event {
                who: None,
                what: "merged".to_owned(),
                sha: Some(commit.clone()),
                why: format!("#{}", act.state.number),
            });
            if act
                .state
                .judged_tree
                .as_ref()
                .is_some_and(|judged| judged != tree)
                && !is_merge_of(act.state.repo.id, &head, (commit, tree), ask)?
            {
                alarm(act, commit, tree);
            }
        }
        (EffectState::Refused | EffectState::Dead, _) if act.state.refused_ms.is_none() => {
            act.state.refused_ms = Some(given.now_ms)
        }
        (
            EffectState::Intended | EffectState::Done | EffectState::Refused | EffectState::Dead,
            _,
        ) => {}
    }
    Some(())
}

/// Takes over what GitHub's queue merged, and holds it against the head that was judged.
pub(super) fn learn_queued(act: &mut Act<Pull>, merged: &CommitSha, ask: &mut Ask) -> Option<()> {
    let Some(queued) = act.state.enqueued.clone().filter(|queued| queued.is_wanted) else {
        return Some(());
    };
    let id = act.state.repo.id;
    let Some(tree) = ask.merge_tree(id, merged, merged)? else {
        return Some(());
    };
    if !is_merge_of(id, &queued.head, (merged, &tree), ask)? {
        alarm(act, merged, &tree);
    }
    act.state.landed = Some(merged.clone());
    act.records.push(Record::Event {
        who: None,
        what: "merged".to_owned(),
        sha: Some(merged.clone()),
        why: format!("#{} by GitHub's queue", act.state.number),
    });
    Some(())
}

/// Whether the branch moved on between the look and the merge, and what landed is the head on top of that.
fn is_merge_of(
    id: RepoId,
    head: &CommitSha,
    (commit, tree): (&CommitSha, &CommitSha),
    ask: &mut Ask,
) -> Option<bool> {
    let found = ask.commit(id, commit)?;
    let Some(onto) = found.and_then(|found| found.parents.into_iter().next()) else {
        return Some(false);
    };
    Some(ask.merge_tree(id, &onto, head)?.as_ref() == Some(tree))
}

fn alarm(act: &mut Act<Pull>, commit: &CommitSha, tree: &CommitSha) {
    let judged = act
        .state
        .judged_tree
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let text = Text::new(
        "comments/alarm",
        json!({"commit": commit, "landed": tree, "judged": judged}),
    );
    let effect = Effect::Reply {
        repo: act.state.repo.clone(),
        pr: act.state.number,
        text,
    };
    act.intents.push(Intent {
        key: format!("alarm:{}:{commit}", act.state.repo.id),
        is_view: false,
        priority: Priority::Answer,
        effect,
    });
    let why = format!("the landed tree {tree} is not the judged one {judged}");
    act.records.push(Record::Event {
        who: None,
        what: "alarm".to_owned(),
        sha: Some(commit.clone()),
        why,
    });
}

/// Why the last merge of this head was refused, in GitHub's words.
pub(super) fn refusal(pull: &Pull, given: &Given<Pull>) -> Option<String> {
    let head = pull.judged_head.as_ref()?;
    match given
        .outcomes
        .get(&key(pull, head))
        .map(|outcome| &outcome.result)
    {
        Some(EffectResult::Refused { reason }) => Some(reason.clone()),
        Some(
            EffectResult::Nothing
            | EffectResult::Taken
            | EffectResult::Proposed { .. }
            | EffectResult::Merged { .. },
        )
        | None => None,
    }
}

/// When a refused merge is tried again, where its head is still the one.
fn again_ms(pull: &Pull, seen: &Seen) -> Option<i64> {
    let is_it = pull.judged_head.as_ref() == Some(&seen.change.head);
    let at_ms = pull.refused_ms.filter(|_| is_it)?;
    Some(at_ms + (BACK_OFF_MS << pull.tries.min(TRIES_MAX)))
}

/// Whether GitHub refused this head, and it is not tried again yet, or no more.
pub(super) fn is_backing_off(pull: &Pull, seen: &Seen, given: &Given<Pull>) -> bool {
    again_ms(pull, seen).is_some_and(|again| pull.tries >= TRIES_MAX || given.now_ms < again)
}

/// Has a merge that was given up tried once more; `false` where none was.
pub(super) fn try_anew(pull: &mut Pull, seen: &Seen) -> bool {
    let is_given_up = pull.judged_head.as_ref() == Some(&seen.change.head)
        && pull.refused_ms.is_some()
        && pull.tries >= TRIES_MAX;
    if is_given_up {
        (pull.tries, pull.refused_ms) = (0, None);
        // What was tried before is another merge.
        pull.withdrawn += 1;
    }
    is_given_up
}

/// Merges when every rule is met; `false` where GitHub shows something else than what was judged.
pub(super) fn land(
    act: &mut Act<Pull>,
    seen: &Seen,
    rules: &[Rule],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<bool> {
    if rules::awaited(rules).is_some() {
        let before = rules::awaited(&act.state.rules);
        // The longer it takes, the more seldom it is asked for.
        let since_ms = before.map_or(0, |rule| given.now_ms - rule.since_ms);
        act.look_by(given.now_ms + COMPUTING_MS.max(since_ms));
    }
    let head = seen.change.head.clone();
    if act.state.judged_head.as_ref() != Some(&head) {
        // What was refused about another head says nothing of this one.
        (act.state.tries, act.state.refused_ms, act.state.judged_head) = (0, None, None);
    }
    if act.state.tries < TRIES_MAX
        && let Some(again_ms) = again_ms(&act.state, seen).filter(|again| given.now_ms < *again)
    {
        act.look_by(again_ms);
    }
    if overall(rules) != CheckStatus::Success {
        withdraw(act, given);
        return Some(true);
    }
    let Ok(method) = queued::method(seen) else {
        return Some(true);
    };
    if act.state.landed.is_some() || is_backing_off(&act.state, seen, given) {
        return Some(true);
    }
    if act.state.refused_ms.take().is_some() {
        act.state.tries += 1;
    }
    if !is_current(seen, act, ask)? {
        return Some(false);
    }
    act.state.judged_tree = ask.merge_tree(act.state.repo.id, &seen.base, &head)?;
    act.state.judged_head = Some(head.clone());
    let effect = Effect::Merge {
        repo: act.state.repo.clone(),
        pr: act.state.number,
        head: head.clone(),
        base: Some(seen.change.base.clone()),
        title: title(act.state.number, &seen.view.title, method),
        message: message(seen, rules, ask, act)?,
        method,
    };
    if let Some(ready) = &mut act.state.ready {
        (ready.is_merging, ready.at_ms) = (true, given.now_ms);
    }
    act.intents.push(Intent {
        key: key(&act.state, &head),
        is_view: false,
        priority: Priority::Merge,
        effect,
    });
    Some(true)
}

/// Whether GitHub still shows what was judged: what is kept may have missed a delivery.
pub(super) fn is_current(seen: &Seen, act: &Act<Pull>, ask: &mut Ask) -> Option<bool> {
    let (id, number) = (act.state.repo.id, act.state.number);
    let (view, comments) = (ask.pull(id, number), ask.comments(id, number));
    let (view, comments) = (view?, comments?);
    let is_same = view.is_some_and(|mut now| {
        let then = &seen.view;
        if let Some(change) = now
            .change
            .as_mut()
            .filter(|now| !blocked::is_news(seen, now))
        {
            change.is_blocked = seen.change.is_blocked;
        }
        now.change == then.change
            && (now.is_open, &now.title, &now.labels) == (then.is_open, &then.title, &then.labels)
    });
    // Others' words only: ours are no reason to wait.
    let said = |all: &[Comment]| -> Vec<Comment> {
        let words = all.iter().filter(|one| !one.is_bot);
        let words = words.filter(|one| matches!(one.id, CommentId::Comment(_)));
        let mut words: Vec<Comment> = words.cloned().collect();
        words.sort_by_key(|one| one.id);
        words
    };
    Some(is_same && said(&comments) == said(&seen.comments))
}

/// The first line of what lands.
fn title(number: PrNumber, title: &str, method: MergeMethod) -> String {
    let title = one_line(title);
    match method {
        MergeMethod::Merge | MergeMethod::Rebase => format!("Merge #{number}: {title}"),
        MergeMethod::Squash => format!("{title} (#{number})"),
    }
}

/// A title that cannot forge trailers or commands.
pub(super) fn one_line(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    crate::text::truncate(clean.trim(), 120)
}

/// Trailers that tell who agreed to what.
fn message(seen: &Seen, rules: &[Rule], ask: &mut Ask, act: &Act<Pull>) -> Option<String> {
    let mut lines = Vec::new();
    for rule in rules.iter().filter(|rule| rule.state == Standing::Met) {
        let trailer = match rule.name.as_str() {
            "lgtm" => "Lgtm-by",
            name if name.starts_with("approved") => "Approved-by",
            _ => continue,
        };
        lines.extend(rule.who.iter().map(|who| format!("{trailer}: {who}")));
    }
    if matches!(seen.kind, Kind::Proposal | Kind::Promotion) {
        let mut judge = None;
        for model in ask.models(act.state.repo.id, &seen.change.head)? {
            let Ok(manifest) = model.manifest else {
                continue;
            };
            if seen.kind == Kind::Proposal {
                lines.push(format!("Model-Digest: {}", manifest.digest));
            }
            judge = Some(manifest.judge_digest);
        }
        if seen.kind == Kind::Proposal {
            lines.extend(judge.map(|digest| format!("Judge-Digest: {digest}")));
        }
        for path in seen.paths() {
            if super::promotion::environment_of(&path).is_none() {
                continue;
            }
            let text = ask
                .text(act.state.repo.id, &seen.change.head, &path)?
                .unwrap_or_default();
            if let Ok(pinned) = crate::subject::environment::file::parse(&text) {
                lines.extend(
                    pinned
                        .models
                        .values()
                        .map(|m| format!("Model-Digest: {}", m.digest)),
                );
            }
        }
    }
    lines.dedup();
    Some(lines.join("\n"))
}
