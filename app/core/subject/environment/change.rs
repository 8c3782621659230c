//! Pull requests that change an environment: promotion, rollback, revert.

use super::release;
use super::step::Place;
use super::{Change, ChangeCause, Environment, HISTORY_MAX, Hold, Release, file, strip};
use crate::contract::Role;
use crate::effect::{
    Content, Effect, EffectResult, EffectState, Hint, Intent, Priority, Propose, Record, Text, Wake,
};
use crate::name::{BranchName, CommentId, CommitSha, Login, PrNumber};
use crate::subject::ask::Ask;
use crate::subject::{Act, Given, SubjectKey, answer, react};
use serde_json::json;
use std::collections::BTreeMap;

/// Takes over what the effects of our changes brought back, and which are over.
pub(super) fn learn(
    act: &mut Act<Environment>,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    let repo = act.state.repo.id;
    for index in 0..act.state.changes.len() {
        let change = act.state.changes[index].clone();
        if change.is_over {
            continue;
        }
        let Some(pr) = change.pr else {
            if let Some(outcome) = given.outcomes.get(&change.key) {
                arrived(act, index, &outcome.state, &outcome.result, given.now_ms);
            }
            continue;
        };
        let is_open = ask.pull(repo, pr)?.is_some_and(|view| view.is_open);
        act.state.changes[index].is_over = !is_open;
    }
    Some(())
}

fn arrived(
    act: &mut Act<Environment>,
    index: usize,
    state: &EffectState,
    result: &EffectResult,
    now_ms: i64,
) {
    let change = &mut act.state.changes[index];
    match (state, result) {
        (EffectState::Done, EffectResult::Proposed { pr, commit }) => {
            change.pr = Some(*pr);
            change.head = Some(commit.clone());
            let hint = Some(Hint::Pushed {
                head: commit.clone(),
                at_ms: now_ms,
            });
            act.wakes.push(Wake {
                subject: SubjectKey::Pull(act.state.repo.id, *pr),
                hint,
            });
        }
        (EffectState::Refused | EffectState::Dead, _) => change.is_over = true,
        (EffectState::Intended | EffectState::Done, _) => {}
    }
}

/// Carries out `/promote`, `/rollback` and `/unhold`, each once per comment.
pub(super) fn commands(
    act: &mut Act<Environment>,
    place: &Place,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    for hint in &given.hints {
        match hint {
            Hint::Rollback {
                by,
                pr,
                comment,
                version,
                model_only,
            } => {
                let order = Order {
                    by,
                    pr: *pr,
                    comment: *comment,
                    version: *version,
                    model_only: *model_only,
                };
                if is_new(act, *comment) {
                    rollback(act, place, &order, given.now_ms, ask)?;
                }
            }
            Hint::Promote {
                by,
                pr,
                comment,
                version,
            } => {
                let order = Order {
                    by,
                    pr: *pr,
                    comment: *comment,
                    version: *version,
                    model_only: false,
                };
                if is_new(act, *comment) {
                    by_command(act, place, &order, ask)?;
                }
            }
            Hint::Unhold => unhold(act),
            Hint::Pushed { .. }
            | Hint::RunWanted(_)
            | Hint::CancelRun { .. }
            | Hint::Supersede { .. }
            | Hint::Gone => {}
        }
    }
    Some(())
}

/// Promotions may go on.
fn unhold(act: &mut Act<Environment>) {
    if act.state.hold.take().is_some() {
        wake_open(act);
    }
}

/// What is open looks at the hold again.
fn wake_open(act: &mut Act<Environment>) {
    let open: Vec<Wake> = act
        .state
        .changes
        .iter()
        .filter(|change| !change.is_over)
        .filter_map(|change| change.pr)
        .map(|pr| Wake {
            subject: SubjectKey::Pull(act.state.repo.id, pr),
            hint: None,
        })
        .collect();
    act.wakes.extend(open);
}

/// Answers commands that cannot be carried out here.
pub(super) fn turn_away(act: &mut Act<Environment>, given: &Given<Environment>, why: &str) {
    for hint in &given.hints {
        match hint {
            Hint::Rollback { pr, comment, .. } | Hint::Promote { pr, comment, .. } => {
                if is_new(act, *comment) {
                    let intent = answer(&act.state.repo, *pr, *comment, why);
                    act.intents.push(intent);
                }
            }
            Hint::Unhold
            | Hint::Pushed { .. }
            | Hint::RunWanted(_)
            | Hint::CancelRun { .. }
            | Hint::Supersede { .. }
            | Hint::Gone => {}
        }
    }
}

/// A command and its place.
struct Order<'a> {
    by: &'a Login,
    pr: PrNumber,
    comment: CommentId,
    version: Option<u64>,
    model_only: bool,
}

fn is_new(act: &mut Act<Environment>, comment: CommentId) -> bool {
    if act.state.acted.contains(&comment.0) {
        return false;
    }
    act.state.acted.push(comment.0);
    let extra = act.state.acted.len().saturating_sub(HISTORY_MAX);
    act.state.acted.drain(..extra);
    true
}

fn refuse(act: &mut Act<Environment>, order: &Order<'_>, why: &str) {
    let intent = answer(&act.state.repo, order.pr, order.comment, why);
    act.intents.push(intent);
}

fn rollback(
    act: &mut Act<Environment>,
    place: &Place,
    order: &Order<'_>,
    now_ms: i64,
    ask: &mut Ask,
) -> Option<()> {
    let name = act.state.name.clone();
    let approvers = ask
        .owners(act.state.repo.id, &place.head)?
        .approvers(&file::path(&name));
    if !approvers.iter().any(|login| login.is(order.by)) {
        let who: Vec<String> = approvers.iter().map(ToString::to_string).collect();
        let who = if who.is_empty() {
            "nobody: `environments/OWNERS` names none".to_owned()
        } else {
            who.join(", ")
        };
        refuse(
            act,
            order,
            &format!("`/rollback {name}` is for the environment's approvers ({who})"),
        );
        return Some(());
    }
    let release = match choose(&act.state, order) {
        Ok(release) => release,
        Err(why) => {
            refuse(act, order, &why);
            return Some(());
        }
    };
    let why = format!("rolled back by {}", order.by);
    act.state.hold = Some(Hold {
        by: order.by.clone(),
        why,
        at_ms: now_ms,
    });
    wake_open(act);
    let branch = format!("bowsprit/rollback-{name}-{}", order.comment.0);
    let about = About {
        cause: ChangeCause::Rollback,
        by: Some(order.by.clone()),
        why: format!("`/rollback` by {}", order.by),
        replaces: None,
    };
    open(act, &place.base, release, &branch, about);
    act.intents
        .push(react(&act.state.repo.clone(), order.comment));
    Some(())
}

/// What a rollback brings. Errors: why there is nothing to bring.
fn choose(state: &Environment, order: &Order<'_>) -> Result<Release, String> {
    let name = &state.name;
    let Some(live) = &state.live else {
        return Err(format!(
            "{name} serves nothing yet, so there is nothing to go back from"
        ));
    };
    let Some(target) = target(state, live, order.version) else {
        let known: Vec<String> = state.verified.iter().map(|v| v.release.shown()).collect();
        return Err(format!(
            "there is no such release to go back to; verified in {name} so far: {}",
            known.join(", ")
        ));
    };
    let commit = if order.model_only {
        live.commit.clone()
    } else {
        target.commit.clone()
    };
    if target.models == live.models && commit == live.commit {
        return Err(format!("{name} serves {} already", live.shown()));
    }
    Ok(Release { commit, ..target })
}

/// The release to go back to: the named version's, or the last good one before what is live first came,
/// so that a second rollback goes further back and not to what the first one left.
fn target(state: &Environment, live: &Release, version: Option<u64>) -> Option<Release> {
    let good = state.verified.iter().rev().map(|v| &v.release);
    match version {
        Some(number) => good
            .clone()
            .find(|r| r.models.values().any(|m| m.version == number))
            .cloned(),
        None => {
            let since = state
                .verified
                .iter()
                .position(|v| v.release.id == live.id)?;
            state.verified[..since]
                .iter()
                .rev()
                .map(|v| &v.release)
                .find(|r| r.id != live.id)
                .cloned()
        }
    }
}

fn by_command(
    act: &mut Act<Environment>,
    place: &Place,
    order: &Order<'_>,
    ask: &mut Ask,
) -> Option<()> {
    let name = act.state.name.clone();
    let Role::After {
        environment: before,
        ..
    } = &place.wanted.role
    else {
        return Some(());
    };
    let Some(previous) = ask.environment(act.state.repo.id, before)? else {
        refuse(
            act,
            order,
            &format!("{before} serves nothing yet; {name} follows it"),
        );
        return Some(());
    };
    let release = match order.version {
        None => previous.verified.last().map(|v| v.release.clone()),
        Some(number) => previous
            .verified
            .iter()
            .rev()
            .map(|v| &v.release)
            .find(|r| r.models.values().any(|m| m.version == number))
            .cloned(),
    };
    let Some(release) = release else {
        refuse(
            act,
            order,
            &format!("no such release is verified in {before}"),
        );
        return Some(());
    };
    if act
        .state
        .live
        .as_ref()
        .is_some_and(|live| live.id == release.id)
    {
        refuse(
            act,
            order,
            &format!("{name} serves {} already", release.shown()),
        );
        return Some(());
    }
    let about = About {
        cause: ChangeCause::Promotion,
        by: None,
        why: format!("`/promote` by {}", order.by),
        replaces: None,
    };
    if let Err(why) = promotion(act, place, release, about, ask)? {
        refuse(act, order, &why);
        return Some(());
    }
    // Whoever may lift a hold lifts it by this; for others the promotion is open and waits.
    let approvers = ask
        .owners(act.state.repo.id, &place.head)?
        .approvers(&file::path(&name));
    if approvers.iter().any(|login| login.is(order.by)) {
        act.state.hold = None;
    }
    act.intents
        .push(react(&act.state.repo.clone(), order.comment));
    Some(())
}

/// Opens or supersedes the promotion once the environment before is verified and soaked.
pub(super) fn promote(
    act: &mut Act<Environment>,
    place: &Place,
    given: &Given<Environment>,
    ask: &mut Ask,
) -> Option<()> {
    let Role::After {
        environment: before,
        soak_ms,
        windows,
        ..
    } = &place.wanted.role
    else {
        return Some(());
    };
    let Some(previous) = ask.environment(act.state.repo.id, before)? else {
        return Some(());
    };
    let Some(ready) = previous.live.clone() else {
        return Some(());
    };
    let Some(at_ms) = previous.verified_at(&ready) else {
        return Some(());
    };
    let is_there = |release: &Option<Release>| release.as_ref().is_some_and(|r| r.id == ready.id);
    if is_there(&act.state.wanted)
        || is_there(&act.state.live)
        || act.state.hold.is_some()
        || ready.models.is_empty()
    {
        return Some(());
    }
    let soaked = at_ms + soak_ms;
    if given.now_ms < soaked {
        act.look_by(soaked);
        return Some(());
    }
    if !windows.is_empty() && !windows.iter().any(|window| window.is_open(given.now_ms)) {
        if let Some(next) = windows
            .iter()
            .filter_map(|window| window.next_open_ms(given.now_ms))
            .min()
        {
            act.look_by(next);
        }
        return Some(());
    }
    let about = About {
        cause: ChangeCause::Promotion,
        by: None,
        why: format!("verified in {before}"),
        replaces: None,
    };
    if last_promotion(&act.state).is_some_and(|last| last.release.id == ready.id) {
        // Open already, or a person closed it.
        return Some(());
    }
    // One that people have acted on waits for them; nobody asked, so nobody is answered.
    let _waits = promotion(act, place, ready, about, ask)?;
    Some(())
}

/// Why a change is opened, and in whose place.
struct About {
    cause: ChangeCause,
    by: Option<Login>,
    why: String,
    replaces: Option<(PrNumber, CommitSha)>,
}

fn last_promotion(state: &Environment) -> Option<&Change> {
    let mut newest_first = state.changes.iter().rev();
    newest_first.find(|change| change.cause == ChangeCause::Promotion)
}

/// Opens a promotion, or puts it in the place of one that nobody has acted on. Errors, inside: why not now.
fn promotion(
    act: &mut Act<Environment>,
    place: &Place,
    release: Release,
    mut about: About,
    ask: &mut Ask,
) -> Option<Result<(), String>> {
    let branch = format!("bowsprit/promote-{}", act.state.name);
    let last = last_promotion(&act.state)
        .filter(|last| !last.is_over)
        .cloned();
    let replaces = match last {
        None => None,
        Some(Change {
            pr: Some(pr),
            head: Some(head),
            release: proposed,
            ..
        }) => {
            if proposed.id == release.id {
                return Some(Err(format!("#{pr} proposes {} already", release.shown())));
            }
            let is_touched = ask
                .comments(act.state.repo.id, pr)?
                .iter()
                .any(|c| !c.is_bot)
                || ask
                    .reviews(act.state.repo.id, pr)?
                    .iter()
                    .any(|r| !r.is_bot);
            if is_touched {
                return Some(Err(format!(
                    "people have spoken on #{pr}, which proposes {}; merge or close it first",
                    proposed.shown()
                )));
            }
            Some((pr, head))
        }
        Some(_) => {
            return Some(Err(
                "a promotion is being opened at this moment; say it again in a minute".to_owned(),
            ));
        }
    };
    if let Some((pr, _)) = &replaces {
        for change in act
            .state
            .changes
            .iter_mut()
            .filter(|change| change.pr == Some(*pr))
        {
            change.is_over = true;
        }
    }
    about.replaces = replaces;
    open(act, &place.base, release, &branch, about);
    Some(Ok(()))
}

/// Opens the pull request back to what still serves, after a failed rollout.
pub(super) fn revert(act: &mut Act<Environment>, place: &Place, failed: &Release, why: &str) {
    let Some(live) = act.state.live.clone().filter(|live| live.id != failed.id) else {
        return;
    };
    let branch = format!(
        "bowsprit/revert-{}-{}",
        act.state.name, act.state.generation
    );
    let about = About {
        cause: ChangeCause::Revert,
        by: None,
        why: format!("{} could not be rolled out: {why}", failed.shown()),
        replaces: None,
    };
    open(act, &place.base, live, &branch, about);
}

fn open(
    act: &mut Act<Environment>,
    base: &BranchName,
    release: Release,
    branch: &str,
    about: About,
) {
    let state = &mut act.state;
    let Ok(branch) = BranchName::parse(branch) else {
        return;
    };
    let key = format!(
        "change:{}:{}:{}:{}",
        state.repo.id,
        branch,
        release.id,
        state.changes.len()
    );
    let effect = propose(state, (base, &branch), &release, &about);
    act.intents.push(Intent {
        key: key.clone(),
        is_view: false,
        priority: Priority::Change,
        effect: Effect::Propose(Box::new(effect)),
    });
    let what = format!(
        "{} {:?} to {} opened",
        state.name,
        about.cause,
        release.shown()
    )
    .to_lowercase();
    act.records.push(Record::Event {
        who: about.by.clone(),
        what,
        sha: Some(release.commit.clone()),
        why: about.why,
    });
    state.changes.push(Change {
        branch,
        key,
        pr: None,
        head: None,
        cause: about.cause,
        release,
        by: about.by,
        is_over: false,
    });
    let extra = state.changes.len().saturating_sub(HISTORY_MAX);
    state.changes.drain(..extra);
}

/// The pull request, from `branch` into `base`.
fn propose(
    state: &Environment,
    (base, branch): (&BranchName, &BranchName),
    release: &Release,
    about: &About,
) -> Propose {
    let verb = match about.cause {
        ChangeCause::Promotion => "Promote",
        ChangeCause::Rollback => "Roll back",
        ChangeCause::Revert => "Return",
        ChangeCause::BreakGlass => "Force",
    };
    let title = format!("{verb} {} to {}", state.name, release.shown());
    let digests: Vec<String> = release
        .models
        .values()
        .map(|m| format!("Model-Digest: {}", m.digest))
        .collect();
    let body = Text::new(
        "pr/change",
        json!({
            "environment": state.name, "cause": about.cause, "why": about.why, "by": about.by,
            "from": state.live.as_ref().map(Release::shown), "to": release.shown(), "release": release,
            "environments": strip(std::slice::from_ref(state)),
        }),
    );
    let content = file::write(release, about.cause);
    Propose {
        repo: state.repo.clone(),
        base: base.clone(),
        branch: branch.clone(),
        files: BTreeMap::from([(file::path(&state.name), Content::Text(content))]),
        tag: None,
        message: format!("{title}\n\n{}\nRelease: {}", digests.join("\n"), release.id),
        title,
        body,
        replaces: about.replaces.clone(),
    }
}

/// Whether a pull request of an environment may land, rule by rule: `(rule, is met, detail)`.
pub fn validate(
    state: &Environment,
    previous: Option<&Environment>,
    target: &Release,
    cause: ChangeCause,
) -> Vec<(String, bool, String)> {
    let mut rules = Vec::new();
    match cause {
        ChangeCause::Promotion => {
            let before = previous.map_or_else(
                || "the environment before".to_owned(),
                |p| p.name.to_string(),
            );
            let is_met = previous.is_some_and(|p| p.verified_at(target).is_some());
            rules.push((format!("verified in {before}"), is_met, target.shown()));
        }
        ChangeCause::Rollback | ChangeCause::Revert => {
            // Both were here, perhaps not together: `--model-only` keeps the code.
            let has = |is_it: fn(&Release, &Release) -> bool| {
                state.verified.iter().any(|v| is_it(&v.release, target))
            };
            let is_known = has(|one, other| one.models == other.models)
                && has(|one, other| one.commit == other.commit);
            rules.push((
                format!("served in {} before", state.name),
                is_known,
                target.shown(),
            ));
        }
        ChangeCause::BreakGlass => rules.push((
            "break-glass".to_owned(),
            true,
            "past the usual rules, on the record".to_owned(),
        )),
    }
    rules
}

/// The release that a pull request's version of the file names. Errors: why it cannot be used.
pub fn target_of(
    repo: crate::name::RepoId,
    head: &CommitSha,
    text: &str,
    ask: &mut Ask,
) -> Option<Result<(Release, ChangeCause), String>> {
    let pinned = match file::parse(text) {
        Ok(pinned) => pinned,
        Err(why) => return Some(Err(why)),
    };
    let cause = pinned.cause;
    Some(release::of_pinned(repo, head, &pinned, ask)?.map(|ready| (ready.release, cause)))
}
