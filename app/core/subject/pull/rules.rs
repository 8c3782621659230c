//! The evaluator: every rule of a pull request, met or not, and who can meet it.

use super::dated::Covers;
use super::landing::NO_CONFLICT;
use super::step::Seen;
use super::words::Word;
use super::{
    Kind, Pull, agreed, approved, contexts, known, lgtm, overrides, owned, promotion, queued,
    wanted,
};
use crate::effect::CheckStatus;
use crate::habits::Switch;
use crate::name::Login;
use crate::subject::Given;
use crate::subject::ask::{Ask, ChangeView, PullView};
use crate::subject::environment::validate;
use crate::subject::run::{Phase, check};
use crate::text::code_span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One rule of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What must be.
    pub name: String,
    /// How it stands.
    pub state: Standing,
    /// Why, in a few words.
    pub detail: String,
    /// Who can meet it, where people can.
    pub who: Vec<Login>,
    /// Runs that say so, by their ids, where they are not the head's own.
    #[serde(default)]
    pub runs: Vec<String>,
    /// Since when it stands so, as far as we saw. Units: milliseconds since 1970, UTC.
    #[serde(default)]
    pub since_ms: i64,
}

/// How a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It holds.
    Met,
    /// It will be known without anybody's doing.
    Waiting,
    /// Somebody must do something.
    Unmet,
}

impl Rule {
    pub(super) fn new(name: &str, is_met: bool, detail: impl Into<String>) -> Rule {
        let state = if is_met {
            Standing::Met
        } else {
            Standing::Unmet
        };
        Rule {
            name: name.to_owned(),
            state,
            detail: detail.into(),
            who: Vec::new(),
            runs: Vec::new(),
            since_ms: 0,
        }
    }

    pub(super) fn by(mut self, who: impl IntoIterator<Item = Login>) -> Rule {
        self.who = who.into_iter().collect();
        self
    }
}

/// People shown as able to meet a rule.
pub(super) const WHO_SHOWN: usize = 5;

/// Dates each rule: one that stood alike at the last look has its date of then.
pub(super) fn date(rules: &mut [Rule], before: &[Rule], now_ms: i64) {
    for rule in rules {
        let same = |old: &&Rule| old.name == rule.name && old.state == rule.state;
        let known = before.iter().find(same).map(|old| old.since_ms);
        rule.since_ms = known.filter(|ms| *ms > 0).unwrap_or(now_ms);
    }
}

/// All rules of an open change, in the order in which people ask for them.
pub(super) fn evaluate(
    pull: &Pull,
    seen: &Seen,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Vec<Rule>> {
    let mut rules = Vec::new();
    rules.extend(unreadable(seen));
    match seen.kind {
        Kind::Mixed => rules.push(Rule::new(
            "one thing at a time",
            false,
            "files under `environments/` change only in a pull request of their own",
        )),
        Kind::Code | Kind::Proposal => {
            rules.push(lgtm::lgtm(pull, seen, ask)?);
            rules.extend(approved::approved(pull, seen, ask)?);
            rules.extend(known::models(pull, seen, ask)?);
            rules.extend(agreed::issue(seen));
            rules.extend(agreed::required_reviewers(pull, seen, ask)?);
        }
        Kind::Promotion => rules.extend(promotion::promotion(pull, seen, given, ask)?),
    }
    rules.extend(owned::readable(pull, seen, ask)?);
    if let Some((by, reason)) = &seen.words.hold {
        let why = reason
            .as_ref()
            .map(|r| format!(": {r}"))
            .unwrap_or_default();
        rules.push(Rule::new(
            "not held",
            false,
            format!("held by {by}{why}; `/unhold` lifts it"),
        ));
    }
    if let Some(why) = unready(seen) {
        rules.push(Rule::new("ready for review", false, why));
    }
    match seen.change.is_mergeable {
        Some(true) => {}
        Some(false) => rules.push(Rule::new(
            NO_CONFLICT,
            false,
            format!("it conflicts with `{}`; merge or rebase", seen.change.base),
        )),
        None => {}
    }
    let untrusted = match seen.is_trusted {
        true => None,
        false => Some(untrusted(seen, ask)?),
    };
    if untrusted
        .as_ref()
        .is_none_or(|rule| rule.state == Standing::Met)
    {
        rules.extend(checks(pull, seen, ask)?);
    }
    rules.extend(untrusted);
    rules.extend(contexts::rules(pull, seen, ask)?);
    if overall(&rules) != CheckStatus::Queued {
        rules.extend(queued::rules(pull, seen, ask)?);
    }
    rules.extend(paused(&rules, ask)?);
    rules.extend(computing(pull, seen, &rules, given, ask)?);
    Some(rules)
}

/// GitHub's word is waited for so long; some never say, and the merge itself answers. Units: milliseconds.
const SILENT_MS: i64 = 60_000;

/// Whether GitHub's word was waited for at the last look, and is not here yet.
pub(super) fn is_computing(pull: &Pull, view: &PullView) -> bool {
    let is_unsaid = |change: &ChangeView| change.is_mergeable.is_none();
    view.change.as_ref().is_some_and(is_unsaid) && awaited(&pull.rules).is_some()
}

/// The rule that waits for GitHub's word on whether the change can be merged.
pub(super) fn awaited(rules: &[Rule]) -> Option<&Rule> {
    let mut rules = rules.iter();
    rules.find(|rule| rule.name == NO_CONFLICT && rule.state == Standing::Waiting)
}

/// What holds while GitHub has not said whether the change can be merged.
///
/// A merge of ours shows whether it can, so GitHub is asked again only once nothing else is waited for, or where it
/// would say that there is a conflict.
fn computing(
    pull: &Pull,
    seen: &Seen,
    rules: &[Rule],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Option<Rule>> {
    if seen.change.is_mergeable.is_some() {
        return Some(None);
    }
    let merged = ask.merge_tree(pull.repo.id, &seen.base, &seen.change.head)?;
    if merged.is_some() && overall(rules) != CheckStatus::Success {
        return Some(None);
    }
    let before = pull.rules.iter().find(|rule| rule.name == NO_CONFLICT);
    let is_silent = before.is_some_and(|rule| match rule.state {
        Standing::Met => true,
        Standing::Waiting => given.now_ms - rule.since_ms >= SILENT_MS,
        Standing::Unmet => false,
    });
    if merged.is_some() && is_silent {
        let detail = "GitHub does not say; the two merge here, and its own merge has the last word";
        return Some(Some(Rule::new(NO_CONFLICT, true, detail)));
    }
    Some(Some(Rule {
        state: Standing::Waiting,
        ..Rule::new(NO_CONFLICT, false, "GitHub is still computing")
    }))
}

/// What of the change, or of its base, cannot be read: nobody knows what it needs then.
fn unreadable(seen: &Seen) -> Vec<Rule> {
    let mut rules = Vec::new();
    if seen.changes.is_cut {
        rules.push(Rule::new(
            "change can be read",
            false,
            "it changes more files than can be checked, or a path that cannot be named",
        ));
    }
    if seen.is_broken {
        rules.push(Rule::new(
            "contract can be read",
            false,
            format!(
                "`bowsprit.yaml` of `{}` cannot be read, so nobody knows what this change needs; mend it first, in a pull request of its own",
                seen.change.base
            ),
        ));
    }
    rules
}

/// The rule that somebody has looked at the code of a stranger.
pub(super) const TRUSTED_HEAD: &str = "trusted head";

/// What has to be said before anything of this head runs, and by whom.
///
/// Where no word makes a head trusted, each thing runs by a word of its own. Once all that the change needs was run so,
/// nothing of it is left to be looked at.
fn untrusted(seen: &Seen, ask: &mut Ask) -> Option<Rule> {
    let who = wanted::who_may_trust(&seen.habits);
    if !seen.habits.has(Switch::IgnoreOkToTest) {
        let digits = seen.change.head.digits();
        let detail = format!("code of this head runs after `/ok-to-test {digits}` by {who}");
        return Some(Rule::new(TRUSTED_HEAD, false, detail));
    }
    let open = wanted::not_run_by_hand(seen, ask)?;
    if open.is_empty() {
        let detail = "all that the change needs was run by a word";
        return Some(Rule::new(TRUSTED_HEAD, true, detail));
    }
    let names: Vec<String> = open
        .iter()
        .map(|what| code_span(&what.check_name()))
        .collect();
    let detail = format!(
        "{who} looks at it and says `/test` with what it needs: {}",
        names.join(", ")
    );
    Some(Rule::new(TRUSTED_HEAD, false, detail))
}

/// Why it is not to be merged yet, by its author's own word.
pub(super) fn unready(seen: &Seen) -> Option<&'static str> {
    if seen.change.is_draft {
        return Some(
            "it is a draft: nothing runs by itself until it is ready; `/test all` runs what it calls for",
        );
    }
    let title = seen
        .view
        .title
        .trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_wip = title
        .get(..3)
        .is_some_and(|word| word.eq_ignore_ascii_case("wip"))
        && !title.chars().nth(3).is_some_and(char::is_alphanumeric);
    (is_wip && seen.habits.has(Switch::WipTitles)).then_some("its title says `WIP`")
}

/// The rule that nothing is paused.
pub(super) const PAUSED: &str = "not paused";

/// A pause of everything holds all but what is on record as the way past it.
fn paused(rules: &[Rule], ask: &mut Ask) -> Option<Option<Rule>> {
    let is_past_rules = rules
        .iter()
        .any(|rule| rule.name == validate::BREAK_GLASS && rule.state == Standing::Met);
    let pause = ask.pause()?.filter(|_| !is_past_rules);
    Some(pause.map(|pause| {
        let detail = format!("{}; `bowsprit resume` ends it", pause.shown());
        Rule::new(PAUSED, false, detail)
    }))
}

/// Why a word that was said does not stand.
pub(super) fn void_word(words: &[Word]) -> Option<String> {
    let given = words.iter().filter(|word| !word.is_cancel);
    given.into_iter().find_map(|word| match word.covers {
        Covers::Yes => None,
        Covers::Changed => Some(format!(
            "the change is another since {} spoke; please look again",
            word.by
        )),
        Covers::Undated => Some(format!(
            "a push came too close to what {} said to know which came first; please say it again",
            word.by
        )),
        Covers::Several => Some(format!(
            "several commits of this pull request begin with what {} named; please give more digits",
            word.by
        )),
    })
}

pub(super) fn join(people: &BTreeSet<Login>) -> String {
    people
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Runs of ours that this change needs.
fn checks(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let mut rules = Vec::new();
    let mut whats = wanted::whats(seen, ask)?;
    // What was started by hand counts like the rest once it is there.
    let mut others = wanted::others(seen);
    others.retain(|(what, _)| seen.runs.iter().any(|run| run.cause.what == *what));
    whats.extend(others);
    for (what, is_optional) in whats {
        let name = what.check_name();
        if let Some(Ok(by)) = overrides::standing(pull, seen, &name) {
            rules.push(Rule::new(
                &format!("check `{name}`"),
                true,
                format!("overridden by {by}"),
            ));
            continue;
        }
        let run = seen.runs.iter().find(|run| run.cause.what == what);
        let (state, detail) = match run {
            None => (Standing::Waiting, "about to start".to_owned()),
            Some(run) => match run.phase {
                Phase::Pending | Phase::Running => (Standing::Waiting, "under way".to_owned()),
                Phase::Succeeded | Phase::Skipped => (Standing::Met, check::headline(run)),
                Phase::Failed | Phase::Cancelled => (Standing::Unmet, check::headline(run)),
            },
        };
        if is_optional && state != Standing::Met {
            continue;
        }
        rules.push(Rule {
            state,
            ..Rule::new(&format!("check `{name}`"), false, detail)
        });
    }
    Some(rules)
}

/// Everything together, as a check would say it.
pub(super) fn overall(rules: &[Rule]) -> CheckStatus {
    if rules.iter().any(|rule| rule.state == Standing::Unmet) {
        return CheckStatus::Queued;
    }
    if rules.iter().all(|rule| rule.state == Standing::Met) {
        CheckStatus::Success
    } else {
        CheckStatus::InProgress
    }
}
