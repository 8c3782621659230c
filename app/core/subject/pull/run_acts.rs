//! Commands that start and end runs: `/ok-to-test`, `/retest`, `/test`, `/train`, `/cancel`.

use super::acts::Done;
use super::step::Seen;
use super::{Pull, wanted};
use crate::effect::{Hint, Wake};
use crate::name::Login;
use crate::subject::ask::{Ask, Comment};
use crate::subject::run::{Cause, Phase, Trigger, What};
use crate::subject::{Act, SubjectKey};
use std::collections::BTreeMap;

pub(super) fn ok_to_test(seen: &Seen, sha: Option<&str>) -> Done {
    let head = &seen.change.head;
    match sha {
        Some(sha) if head.as_str().starts_with(sha) => Done::Yes,
        Some(_) => Done::No(format!(
            "the head is `{}` now; look at it, then say `/ok-to-test {}`",
            head.short(),
            head.short()
        )),
        None => Done::No(format!(
            "trust belongs to one head: say `/ok-to-test {}` once you have looked at it",
            head.short()
        )),
    }
}

pub(super) fn retest(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    names: &[String],
    ask: &mut Ask,
) -> Option<Done> {
    if !seen.is_trusted {
        return Some(Done::No(format!(
            "nothing of this head runs before `/ok-to-test {}`",
            seen.change.head.short()
        )));
    }
    let all = wanted::whats(seen, ask)?;
    let is_named = |what: &What| {
        names.iter().any(|name| {
            name == "all"
                || *name == what.check_name()
                || *name == what.check_name().replace("bowsprit/", "")
        })
    };
    let failed = |what: &What| {
        seen.runs
            .iter()
            .find(|run| run.cause.what == *what)
            .is_none_or(|run| matches!(run.phase, Phase::Failed | Phase::Cancelled))
    };
    let chosen: Vec<What> = all
        .iter()
        .map(|(what, _)| what.clone())
        .filter(|what| {
            if names.is_empty() {
                failed(what)
            } else {
                is_named(what)
            }
        })
        .collect();
    if chosen.is_empty() {
        let known: Vec<String> = all
            .iter()
            .map(|(what, _)| format!("`{}`", what.check_name()))
            .collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Some(Done::No(if names.is_empty() {
            "nothing has failed; `/test all` runs everything again".to_owned()
        } else {
            format!("no such check; this pull request has: {known}")
        }));
    }
    for what in chosen {
        start(act, seen, comment, what, BTreeMap::new());
    }
    Some(Done::Yes)
}

fn start(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    what: What,
    params: BTreeMap<String, String>,
) {
    let trigger = Trigger::Comment {
        pr: act.state.number,
        comment: comment.id,
        base: seen.base.clone(),
    };
    let cause = Cause {
        params,
        by: Some(comment.author.clone()),
        ..wanted::cause(&act.state, seen, what, trigger)
    };
    act.wakes.push(Wake {
        subject: SubjectKey::Run(cause.run_id()),
        hint: Some(Hint::RunWanted(cause)),
    });
}

pub(super) fn train(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    params: &BTreeMap<String, String>,
) -> Done {
    if !matches!(seen.contract, Some(crate::contract::Contract::Training(_))) {
        return Done::No("`/train` works in a training repository; this one has no training contract on its base branch".to_owned());
    }
    if !seen.is_trusted {
        return Done::No(format!(
            "nothing of this head runs before `/ok-to-test {}`",
            seen.change.head.short()
        ));
    }
    start(act, seen, comment, What::Train, params.clone());
    Done::Yes
}

pub(super) fn cancel(act: &mut Act<Pull>, seen: &Seen, by: &Login, ask: &mut Ask) -> Option<Done> {
    let number = act.state.number;
    // Not only those that the rules look at: a run with other parameters is ended as well.
    let mut active = ask.runs(act.state.repo.id, &seen.change.head)?;
    active.retain(|run| {
        !run.phase.is_final() && run.cause.trigger.pull().is_some_and(|(pr, _)| pr == number)
    });
    if active.is_empty() {
        return Some(Done::No("nothing is running here".to_owned()));
    }
    for run in active {
        act.wakes.push(Wake {
            subject: SubjectKey::Run(run.id.clone()),
            hint: Some(Hint::CancelRun { by: by.clone() }),
        });
    }
    Some(Done::Yes)
}
