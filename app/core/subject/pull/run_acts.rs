//! Commands that start and end runs: `/ok-to-test`, `/retest`, `/test`, `/train`, `/cancel`.

use super::acts::Done;
use super::dated::{Named, named, was_before};
use super::step::Seen;
use super::{Pull, checks_told, landing, pooled, wanted};
use crate::effect::{Hint, Wake};
use crate::habits::Switch;
use crate::name::Login;
use crate::subject::ask::{Ask, Comment};
use crate::subject::run::{Cause, Phase, Trigger, What};
use crate::subject::{Act, SubjectKey};
use crate::text::code_span;
use std::collections::BTreeMap;

pub(super) fn ok_to_test(
    act: &Act<Pull>,
    seen: &Seen,
    (comment, digits): (&Comment, Option<&str>),
    ask: &mut Ask,
) -> Option<Done> {
    let by = &comment.author;
    let is_powerless = seen.habits.has(Switch::IgnoreOkToTest);
    if !is_powerless && !wanted::may_trust(by, (act.state.repo.id, &seen.habits), ask)? {
        let no = "`/ok-to-test` is for members of the organisation in this repository";
        return Some(Done::No(no.to_owned()));
    }
    let meant = digits.map(|digits| named(&act.state.heads, digits, comment.created_ms));
    Some(names_head(seen, meant))
}

fn names_head(seen: &Seen, meant: Option<Named>) -> Done {
    if seen.habits.has(Switch::IgnoreOkToTest) {
        return Done::No("`/ok-to-test` has no power in this repository; say `/test <name>` for what you have looked at".to_owned());
    }
    if seen.habits.has(Switch::StickyOkToTest) {
        return Done::Yes;
    }
    let head = &seen.change.head;
    match meant {
        Some(Named::Head(sha)) if sha == *head => Done::Yes,
        Some(Named::Head(_) | Named::Unknown) => Done::No(format!(
            "the head is `{}` now; look at it, then say `/ok-to-test {}`",
            head.short(),
            head.digits()
        )),
        Some(Named::Several) => Done::No(format!(
            "several commits of this pull request begin so; give more digits: `/ok-to-test {head}` if you mean the head"
        )),
        None => Done::No(format!(
            "trust belongs to one head: say `/ok-to-test {}` once you have looked at it",
            head.digits()
        )),
    }
}

/// What shall run again.
pub(super) enum Again<'a> {
    /// What failed, and what should have run and did not.
    Failed {
        /// Without what is optional.
        required_only: bool,
    },
    /// What is named, or `all`.
    Named(&'a [String]),
    /// What is required and only runs by hand.
    ByHand,
}

/// Why nothing runs of a head that is not trusted. What a trusted person names runs once, as it was looked at.
fn not_even_once(
    pull: &Pull,
    seen: &Seen,
    (comment, again): (&Comment, &Again<'_>),
    ask: &mut Ask,
) -> Option<Option<String>> {
    if !matches!(again, Again::Named(_)) {
        return Some(Some(before(seen)));
    }
    if !wanted::may_trust(&comment.author, (pull.repo.id, &seen.habits), ask)? {
        let who = wanted::who_may_trust(&seen.habits);
        return Some(Some(format!(
            "code of this head runs by a word of {who} only"
        )));
    }
    let (head, written) = (
        &seen.change.head,
        (comment.created_ms, comment.head.as_ref()),
    );
    Some((!was_before(pull, head, written)).then(|| too_late(seen)))
}

/// A word that was said to another head than the one of now, or nobody knows to which.
pub(super) fn too_late(seen: &Seen) -> String {
    format!(
        "a push came after your word, or too close to it: the head is `{}` now; look at it, then say it again",
        seen.change.head.short()
    )
}

/// What would make code of this head run.
fn before(seen: &Seen) -> String {
    match seen.habits.has(Switch::IgnoreOkToTest) {
        true => {
            "nothing of this head runs by itself; say `/test <name>` for what you have looked at"
                .to_owned()
        }
        false => format!(
            "nothing of this head runs before `/ok-to-test {}`; `/test <name>` runs one thing once",
            seen.change.head.digits()
        ),
    }
}

pub(super) fn retest(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    again: &Again<'_>,
    ask: &mut Ask,
) -> Option<Done> {
    if !seen.is_trusted
        && let Some(why) = not_even_once(&act.state, seen, (comment, again), ask)?
    {
        return Some(Done::No(why));
    }
    if let Some(why) = wanted::conflict(seen) {
        return Some(Done::No(why));
    }
    // Its own checks are green, or it would not have been in the pool.
    if matches!(again, Again::Failed { .. }) && pooled::lift(&mut act.state, seen) {
        return Some(Done::Yes);
    }
    if matches!(again, Again::Failed { .. }) && landing::try_anew(&mut act.state, seen) {
        return Some(Done::Yes);
    }
    let called_for = wanted::whats(seen, ask)?;
    let others = wanted::others(seen);
    let failed = |what: &What| {
        let run = seen.runs.iter().find(|run| run.cause.what == *what);
        run.is_none_or(|run| matches!(run.phase, Phase::Failed | Phase::Cancelled))
    };
    let is_named = |what: &What, names: &[String]| {
        let name = what.check_name();
        let bare = name.replace("bowsprit/", "");
        names.iter().any(|one| *one == name || *one == bare)
    };
    let whats = |from: &[(What, bool)], choose: &dyn Fn(&What, bool) -> bool| -> Vec<What> {
        let chosen = from
            .iter()
            .filter(|(what, optional)| choose(what, *optional));
        chosen.map(|(what, _)| what.clone()).collect()
    };
    let chosen: Vec<What> = match again {
        Again::Failed { required_only } => whats(&called_for, &|what, is_optional| {
            failed(what) && !(*required_only && is_optional)
        }),
        Again::Named(names) => {
            let is_all = names.iter().any(|name| name == "all");
            let mut chosen = whats(&called_for, &|what, _| is_all || is_named(what, names));
            chosen.extend(whats(&others, &|what, _| is_named(what, names)));
            chosen
        }
        Again::ByHand => wanted::by_hand(seen),
    };
    let known = called_for.iter().chain(&others);
    let known: Vec<String> = known.map(|(what, _)| what.check_name()).collect();
    let unknown = unknown(again, &known);
    if chosen.is_empty() || !unknown.is_empty() {
        let why = nothing_chosen(again, &unknown);
        let is_about_names = matches!(again, Again::Named(_));
        if !is_about_names {
            return Some(Done::No(why));
        }
        checks_told::tell(act, seen, comment, Some(&why), ask)?;
    } else {
        checks_told::prune(act);
    }
    let is_silent = chosen.is_empty();
    for what in chosen {
        start(act, seen, comment, what, BTreeMap::new());
    }
    Some(if is_silent { Done::Passed } else { Done::Yes })
}

/// Names that no check has.
fn unknown(again: &Again<'_>, known: &[String]) -> Vec<String> {
    let Again::Named(names) = again else {
        return Vec::new();
    };
    let is_known = |name: &str| {
        let mut all = known.iter();
        name == "all" || all.any(|one| one == name || one.replace("bowsprit/", "") == name)
    };
    let unknown = names.iter().filter(|name| !is_known(name));
    unknown.map(|name| code_span(name)).collect()
}

fn nothing_chosen(again: &Again<'_>, unknown: &[String]) -> String {
    match again {
        Again::Failed { .. } => "nothing has failed; `/test all` runs everything again".to_owned(),
        Again::ByHand => {
            "no check here is required and has `always_run: false`; `/test <name>` runs any other"
                .to_owned()
        }
        Again::Named(_) if unknown.is_empty() => {
            "this change calls for no check; each can be run by its name".to_owned()
        }
        Again::Named(_) => format!("there is no check {}", unknown.join(", ")),
    }
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

/// Whether a command of this comment has it run.
pub(super) fn is_started(act: &Act<Pull>, comment: &Comment, what: &What) -> bool {
    let is_by = |trigger: &Trigger| matches!(trigger, Trigger::Comment { comment: id, .. } if *id == comment.id);
    act.wakes.iter().any(|wake| {
        matches!(&wake.hint, Some(Hint::RunWanted(cause)) if cause.what == *what && is_by(&cause.trigger))
    })
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
        return Done::No(before(seen));
    }
    if let Some(why) = wanted::conflict(seen) {
        return Done::No(why);
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
