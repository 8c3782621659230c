//! Labels that people put on and take off by commands.

use super::Pull;
use super::acts::Done;
use super::edits::{Thread, edit};
use super::status::MANAGED;
use crate::command::lifecycle::LIFECYCLES;
use crate::effect::Edit;
use crate::subject::Act;
use crate::subject::ask::{Ask, Comment};
use crate::text::code_span;
use std::collections::BTreeSet;

/// What a command asks for.
pub(super) struct Wish<'a> {
    pub(super) add: bool,
    pub(super) family: Option<&'static str>,
    pub(super) names: &'a [String],
}

pub(super) fn label(
    act: &mut Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    wish: &Wish<'_>,
    ask: &mut Ask,
) -> Option<Done> {
    let known: BTreeSet<String> = ask
        .labels(act.state.repo.id)?
        .iter()
        .map(|label| label.to_lowercase())
        .collect();
    let (mut done, mut good) = (Vec::new(), BTreeSet::new());
    for name in wish.names {
        match why_not(thread, comment, wish, (name, &known)) {
            Some(why) => done.push(Done::No(why)),
            None => {
                good.insert(name.clone());
            }
        }
    }
    if !good.is_empty() {
        let (add, remove) = with_need(thread, wish, good, &known);
        done.push(edit(act, comment, Edit::Labels { add, remove }));
    }
    Some(Done::Several(done))
}

fn why_not(
    thread: &Thread<'_>,
    comment: &Comment,
    wish: &Wish<'_>,
    (name, known): (&str, &BTreeSet<String>),
) -> Option<String> {
    let habits = thread.habits;
    let shown = code_span(name);
    if MANAGED.contains(&name) {
        return Some(format!(
            "{shown} is put on and taken off by Bowsprit itself"
        ));
    }
    if let Some(people) = habits.restricted.get(name)
        && !people.contains(&comment.author.lower())
    {
        let people: Vec<String> = people.iter().map(ToString::to_string).collect();
        return Some(format!("{shown} is for: {}", people.join(", ")));
    }
    let is_listed = habits.labels.contains(name) || habits.restricted.contains_key(name);
    if wish.family.is_none() && !is_listed {
        let listed: Vec<String> = habits.labels.iter().map(|one| code_span(one)).collect();
        let listed = match listed.as_slice() {
            [] => "it lists none".to_owned(),
            [..] => listed.join(", "),
        };
        return Some(format!(
            "`/label` takes the labels under `chatops.labels` of `bowsprit.yaml` on the base branch: {listed}"
        ));
    }
    match wish.add {
        true if !known.contains(name) => Some(format!(
            "this repository has no label {shown}; somebody who may write here can make it"
        )),
        false if !thread.has(name) => Some(format!("the label {shown} is not on it")),
        true | false => None,
    }
}

/// The labels, and `needs-<family>`: on while no label of the family is, where the repository has it.
fn with_need(
    thread: &Thread<'_>,
    wish: &Wish<'_>,
    good: BTreeSet<String>,
    known: &BTreeSet<String>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let need = wish.family.map(|family| format!("needs-{family}"));
    let need = need.filter(|need| known.contains(need));
    if wish.add {
        let remove = need.filter(|need| thread.has(need)).into_iter().collect();
        return (good, remove);
    }
    let is_left = |family: &str| {
        let start = format!("{family}/");
        let on = thread.view.labels.iter().map(|label| label.to_lowercase());
        on.into_iter()
            .any(|label| label.starts_with(&start) && !good.contains(&label))
    };
    let add = need.filter(|_| wish.family.is_some_and(|family| !is_left(family)));
    (add.into_iter().collect(), good)
}

pub(super) fn lifecycle(
    act: &mut Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    (add, state): (bool, &str),
) -> Done {
    let label = |state: &str| format!("lifecycle/{state}");
    let wanted = label(state);
    if !add {
        if !thread.has(&wanted) {
            return Done::No(format!("the label `{wanted}` is not on it"));
        }
        let (add, remove) = (BTreeSet::new(), BTreeSet::from([wanted]));
        return edit(act, comment, Edit::Labels { add, remove });
    }
    let others = LIFECYCLES.into_iter().filter(|other| *other != state);
    let remove = others
        .map(label)
        .filter(|other| thread.has(other))
        .collect();
    let add = BTreeSet::from([wanted]);
    edit(act, comment, Edit::Labels { add, remove })
}
