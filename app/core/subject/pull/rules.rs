//! The evaluator: every rule of a pull request, met or not, and who can meet it.

use super::step::Seen;
use super::words::{Covers, Word};
use super::{Kind, Pull, wanted};
use crate::contract::{Role, Window};
use crate::effect::CheckStatus;
use crate::name::{Login, RepoPath, Slug};
use crate::owners::Owners;
use crate::subject::Given;
use crate::subject::ask::{Ask, ContextState, Permission};
use crate::subject::environment::{self, ChangeCause, Environment, validate};
use crate::subject::run::{Phase, check};
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
    fn new(name: &str, is_met: bool, detail: impl Into<String>) -> Rule {
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
        }
    }

    fn by(mut self, who: impl IntoIterator<Item = Login>) -> Rule {
        self.who = who.into_iter().collect();
        self
    }
}

/// People shown as able to meet a rule.
const WHO_SHOWN: usize = 5;

/// All rules of an open change, in the order in which people ask for them.
pub(super) fn evaluate(
    pull: &Pull,
    seen: &Seen,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Vec<Rule>> {
    let mut rules = Vec::new();
    if seen.changes.is_cut {
        rules.push(Rule::new(
            "change can be read",
            false,
            "it changes more files than can be checked, or a path that cannot be named",
        ));
    }
    match seen.kind {
        Kind::Mixed => rules.push(Rule::new(
            "one thing at a time",
            false,
            "files under `environments/` change only in a pull request of their own",
        )),
        Kind::Code | Kind::Proposal => {
            rules.push(lgtm(pull, seen, ask)?);
            rules.extend(approved(pull, seen, ask)?);
        }
        Kind::Promotion => rules.extend(promotion(pull, seen, given, ask)?),
    }
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
    if seen.change.is_draft {
        rules.push(Rule::new("ready for review", false, "it is a draft"));
    }
    match seen.change.is_mergeable {
        Some(true) => {}
        Some(false) => rules.push(Rule::new(
            "no conflict",
            false,
            format!("it conflicts with `{}`; merge or rebase", seen.change.base),
        )),
        None => rules.push(Rule {
            state: Standing::Waiting,
            ..Rule::new("no conflict", false, "GitHub is still computing")
        }),
    }
    if !seen.is_trusted {
        let head = &seen.change.head;
        let detail = format!(
            "code of this head runs after `/ok-to-test {}` by somebody who may write here",
            head.short()
        );
        rules.push(Rule::new("trusted head", false, detail));
    } else {
        rules.extend(checks(seen, ask)?);
    }
    rules.extend(required(pull, seen, ask)?);
    Some(rules)
}

fn lgtm(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Rule> {
    let paths = seen.paths();
    let mut given_by = Vec::new();
    for word in &seen.words.lgtm {
        if word.by.is(&seen.view.author) || word.covers != Covers::Yes {
            continue;
        }
        if seen.owners.may_lgtm(&word.by, &paths)
            || ask.permission(pull.repo.id, &word.by)? >= Permission::Write
        {
            given_by.push(word.by.clone());
        }
    }
    if let Some(first) = given_by.first() {
        return Some(Rule::new("lgtm", true, format!("by {first}")).by(given_by));
    }
    let people: BTreeSet<Login> = paths
        .iter()
        .flat_map(|path| {
            seen.owners
                .reviewers(path)
                .into_iter()
                .chain(seen.owners.approvers(path))
        })
        .collect();
    let who = people
        .into_iter()
        .filter(|login| !login.is(&seen.view.author))
        .take(WHO_SHOWN);
    let detail =
        void_word(&seen.words.lgtm).unwrap_or_else(|| "a reviewer says `/lgtm`".to_owned());
    Some(Rule::new("lgtm", false, detail).by(who))
}

/// Why a word that was said does not stand.
fn void_word(words: &[Word]) -> Option<String> {
    words.iter().find_map(|word| match word.covers {
        Covers::Yes => None,
        Covers::Changed => Some(format!(
            "the change is another since {} spoke; please look again",
            word.by
        )),
        Covers::Undated => Some(format!(
            "a push came too close to what {} said to know which came first; please say it again",
            word.by
        )),
    })
}

/// Who has approved this change, the author of code included.
fn approvers(seen: &Seen) -> BTreeSet<Login> {
    let mut by: BTreeSet<Login> = seen
        .words
        .approve
        .iter()
        .filter(|w| w.covers == Covers::Yes)
        .map(|w| w.by.lower())
        .collect();
    let author = seen.view.author.lower();
    if seen.kind == Kind::Code
        && !seen
            .words
            .approve_cancelled
            .iter()
            .any(|login| login.is(&author))
    {
        by.insert(author);
    }
    by
}

fn approved(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let by = approvers(seen);
    if seen.owners.is_empty() {
        for word in seen
            .words
            .approve
            .iter()
            .filter(|w| w.covers == Covers::Yes)
        {
            if ask.permission(pull.repo.id, &word.by)? >= Permission::Write {
                return Some(vec![
                    Rule::new(
                        "approved",
                        true,
                        format!(
                            "by {}, who may write here (there is no OWNERS file)",
                            word.by
                        ),
                    )
                    .by([word.by.clone()]),
                ]);
            }
        }
        return Some(vec![Rule::new(
            "approved",
            false,
            "somebody who may write here says `/approve` (there is no OWNERS file)",
        )]);
    }
    let paths = seen.paths();
    if paths.is_empty() {
        return Some(vec![Rule::new("approved", false, "it changes no file")]);
    }
    let pending = seen.owners.pending(&paths, &by);
    if pending.is_empty() {
        let entitled: BTreeSet<Login> = paths
            .iter()
            .flat_map(|path| seen.owners.approvers(path))
            .filter(|login| by.contains(login))
            .collect();
        let mut rules = vec![
            Rule::new("approved", true, format!("by {}", join(&entitled))).by(entitled.clone()),
        ];
        rules.extend(four_eyes(pull, seen, &entitled, ask)?);
        return Some(rules);
    }
    let who = seen.owners.suggest(&pending, &by);
    let folders: Vec<String> = pending
        .iter()
        .map(|p| {
            if p.dir.is_empty() {
                "the root".to_owned()
            } else {
                format!("`{}/`", p.dir)
            }
        })
        .collect();
    let detail = void_word(&seen.words.approve)
        .unwrap_or_else(|| format!("an approver of {} says `/approve`", folders.join(", ")));
    Some(vec![
        Rule::new("approved", false, detail).by(who.into_iter().take(WHO_SHOWN)),
    ])
}

/// Who pushed the training commit is not the only approver of its model, unless nobody else could be.
fn four_eyes(
    pull: &Pull,
    seen: &Seen,
    entitled: &BTreeSet<Login>,
    ask: &mut Ask,
) -> Option<Option<Rule>> {
    let Some(model) = seen
        .change
        .branch
        .as_str()
        .strip_prefix("bowsprit/")
        .and_then(|name| Slug::parse(name).ok())
    else {
        return Some(None);
    };
    if seen.kind != Kind::Proposal {
        return Some(None);
    }
    let versions = ask.versions(pull.repo.id, &model)?;
    // A version that superseded another in place has the same pull request: the newest is what it proposes.
    let Some(pusher) = versions
        .into_iter()
        .filter(|v| v.pr == Some(pull.number))
        .max_by_key(|v| v.version)
        .and_then(|v| v.pushed_by)
    else {
        return Some(None);
    };
    if entitled.iter().any(|login| !login.is(&pusher)) {
        return Some(None);
    }
    let path = RepoPath::parse(&format!("models/{model}/manifest.json")).ok()?;
    let others: Vec<Login> = seen
        .owners
        .approvers(&path)
        .into_iter()
        .filter(|login| !login.is(&pusher))
        .collect();
    if others.is_empty() {
        return Some(Some(Rule::new(
            "a second pair of eyes",
            true,
            format!("{pusher} pushed the training commit and is the only approver there is"),
        )));
    }
    let detail = format!("{pusher} pushed the training commit; somebody else approves too");
    Some(Some(
        Rule::new("a second pair of eyes", false, detail).by(others),
    ))
}

fn join(people: &BTreeSet<Login>) -> String {
    people
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Runs of ours that this change needs.
fn checks(seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let mut rules = Vec::new();
    for (what, is_optional) in wanted::whats(seen, ask)? {
        let name = what.check_name();
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
            name: format!("check `{name}`"),
            state,
            detail,
            who: Vec::new(),
        });
    }
    Some(rules)
}

/// Contexts that the branch's rules require and that are not ours.
fn required(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let names = ask.required(pull.repo.id, &seen.change.base)?;
    if names.is_empty() {
        return Some(Vec::new());
    }
    let contexts = ask.contexts(pull.repo.id, &seen.change.head)?;
    let rules = names.into_iter().map(|name| {
        let found = contexts.iter().find(|context| context.name == name);
        let (state, detail) = match found.map(|context| context.state) {
            Some(ContextState::Success) => (Standing::Met, "green"),
            Some(ContextState::Pending) | None => (
                Standing::Waiting,
                "required by the branch's rules, not reported yet",
            ),
            Some(ContextState::Failure) => {
                (Standing::Unmet, "required by the branch's rules, and red")
            }
        };
        Rule {
            name: format!("required `{name}`"),
            state,
            detail: detail.to_owned(),
            who: Vec::new(),
        }
    });
    Some(rules.collect())
}

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

fn promotion(pull: &Pull, seen: &Seen, given: &Given<Pull>, ask: &mut Ask) -> Option<Vec<Rule>> {
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
        return Some(vec![Rule::new(
            &format!("environment `{name}`"),
            false,
            "the contract names no such environment",
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
    let mut by: BTreeSet<Login> = seen
        .words
        .approve
        .iter()
        .filter(|w| w.covers == Covers::Yes)
        .map(|w| w.by.lower())
        .collect();
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
