//! The rule that a second person has read the change.

use super::dated::Covers;
use super::edits::unasked;
use super::rules::{Rule, Standing, WHO_SHOWN, void_word};
use super::step::Seen;
use super::words::Word;
use super::{Kind, Pull, by_hand, collaborators, wanted};
use crate::effect::Edit;
use crate::habits::{Compatibility, Habits, Member, Switch};
use crate::name::Login;
use crate::subject::Act;
use crate::subject::ask::{Ask, Comment};
use std::collections::BTreeSet;

pub(super) fn lgtm(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Rule> {
    let paths = seen.paths();
    let mut given_by: Vec<Login> = Vec::new();
    let mut taken_back = None;
    for word in &seen.words.lgtm {
        if takes_back(pull, seen, word, ask)? {
            given_by.clear();
            taken_back = Some(&word.by);
        } else if !word.is_cancel
            && !word.by.is(&seen.view.author)
            && word.covers == Covers::Yes
            && may_lgtm(pull, seen, &word.by, ask)?
        {
            given_by.push(word.by.clone());
            taken_back = None;
        }
    }
    if let Some(first) = given_by.first() {
        return Some(Rule::new("lgtm", true, format!("by {first}")).by(given_by));
    }
    if by_hand::counts(pull, &seen.habits, by_hand::LGTM) {
        return Some(Rule::new("lgtm", true, "the label was put on by hand"));
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
    let detail = match taken_back {
        Some(by) => format!("taken back by {by}; a reviewer says `/lgtm` again"),
        None => void_word(&seen.words.lgtm).unwrap_or_else(|| "a reviewer says `/lgtm`".to_owned()),
    };
    Some(Rule::new("lgtm", false, detail).by(who))
}

/// Whether a word takes back every lgtm before it.
pub(super) fn takes_back(pull: &Pull, seen: &Seen, word: &Word, ask: &mut Ask) -> Option<bool> {
    let by = &word.by;
    Some(word.is_cancel && (by.is(&seen.view.author) || may_lgtm(pull, seen, by, ask)?))
}

/// Whether somebody's lgtm counts here, and their taking it back: a collaborator's, or of whom OWNERS names.
pub(super) fn may_lgtm(pull: &Pull, seen: &Seen, who: &Login, ask: &mut Ask) -> Option<bool> {
    let is_named = seen.owners.may_lgtm(who, &seen.paths()) && !seen.gone.contains(&who.lower());
    if seen.habits.has(Switch::SkipCollaborators) && !seen.owners.is_empty() {
        return Some(is_named);
    }
    Some(is_named || collaborators::is_one(who, (pull.repo.id, &seen.habits), ask)?)
}

/// Whether code of a stranger runs on this head without being trusted: Prow has it run once, when somebody who could have
/// said `/ok-to-test` has given the lgtm instead.
pub(super) fn lets_run(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<bool> {
    let habits = &seen.habits;
    let is_habit = habits.preset == Compatibility::Prow && !habits.has(Switch::IgnoreOkToTest);
    if !is_habit || seen.kind == Kind::Promotion {
        return Some(false);
    }
    // An lgtm that outlives a push says nothing of what was pushed.
    if keeps_lgtm(pull, &seen.view.author, habits, ask)? {
        return Some(false);
    }
    let rule = lgtm(pull, seen, ask)?;
    if rule.state != Standing::Met {
        return Some(false);
    }
    for who in &rule.who {
        if wanted::may_trust(who, (pull.repo.id, habits), ask)? {
            return Some(true);
        }
    }
    Some(false)
}

/// Assigns a collaborator who gives or takes back an lgtm, where that is the habit; what GitHub says to it is not told.
pub(super) fn assign(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    ask: &mut Ask,
) -> Option<()> {
    let (habits, who) = (&seen.habits, &comment.author);
    let is_there = seen.view.assignees.iter().any(|login| login.is(who));
    let is_wanted =
        habits.has(Switch::AssignOnLgtm) && !habits.has(Switch::SkipCollaborators) && !is_there;
    let id = act.state.repo.id;
    let is_theirs = who.is(&seen.view.author);
    if !is_wanted || is_theirs || !collaborators::is_one(who, (id, habits), ask)? {
        return Some(());
    }
    let (add, remove) = (BTreeSet::from([who.clone()]), BTreeSet::new());
    let key = format!("assign:{id}:{}:{}", act.state.number, comment.id);
    unasked(act, key, Edit::Assignees { add, remove });
    Some(())
}

/// Whether a push takes no lgtm from changes of this author; nobody asks about teams before there was a push.
pub(super) fn keeps_lgtm(
    pull: &Pull,
    author: &Login,
    habits: &Habits,
    ask: &mut Ask,
) -> Option<bool> {
    if habits.sticky_lgtm.contains(&Member::Person(author.lower())) {
        return Some(true);
    }
    if pull.heads.len() <= 1 {
        return Some(false);
    }
    ask.in_a_team(&pull.repo, &habits.sticky_lgtm, author)
}
