//! Acts that change the issue or pull request itself at GitHub, and what is answered once GitHub has done them.

use super::acts::Done;
use super::{Pull, collaborators};
use crate::command::wanted::{GOOD_FIRST_ISSUE, HELP_WANTED};
use crate::effect::{Edit, Effect, EffectResult, EffectState, Intent, Outcome, Priority, Text};
use crate::habits::Habits;
use crate::name::{CommentId, Login};
use crate::subject::ask::{Ask, Comment, PullView};
use crate::subject::{Act, Given, react};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// Most commands that wait for GitHub.
pub const DOING_MAX: usize = 100;

/// A command that GitHub carries out: answered when its effects are there, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// The command.
    pub comment: CommentId,
    /// Who gave it.
    pub by: Login,
    /// Keys of its effects.
    pub keys: Vec<String>,
    /// Whether another command of the same comment was refused: no reaction then.
    pub is_refused: bool,
}

/// An issue or pull request with the habits that hold there.
pub(super) struct Thread<'a> {
    pub(super) view: &'a PullView,
    pub(super) habits: &'a Habits,
}

/// Has GitHub change something; the command is answered afterwards.
pub(super) fn edit(act: &mut Act<Pull>, comment: &Comment, edit: Edit) -> Done {
    let effect = Effect::Edit {
        repo: act.state.repo.clone(),
        pr: act.state.number,
        edit,
    };
    at_github(act, comment, effect)
}

/// Has GitHub change something of our own accord: nobody is told what comes of it.
pub(super) fn unasked(act: &mut Act<Pull>, key: String, edit: Edit) {
    let (repo, pr) = (act.state.repo.clone(), act.state.number);
    act.intents.push(Intent {
        key,
        is_view: false,
        priority: Priority::Answer,
        effect: Effect::Edit { repo, pr, edit },
    });
}

/// Has GitHub do something; the command is answered afterwards.
pub(super) fn at_github(act: &mut Act<Pull>, comment: &Comment, effect: Effect) -> Done {
    let (repo, place) = (act.state.repo.id, act.intents.len());
    let key = format!("act:{repo}:{}:{}:{place}", act.state.number, comment.id);
    act.intents.push(Intent {
        key: key.clone(),
        is_view: false,
        priority: Priority::Answer,
        effect,
    });
    Done::Doing(key)
}

/// Answers the commands that GitHub has carried out, or refused, by now.
pub(super) fn settle(act: &mut Act<Pull>, given: &Given<Pull>) {
    for one in std::mem::take(&mut act.state.doing) {
        let outcomes: Vec<Option<&Outcome>> =
            one.keys.iter().map(|key| given.outcomes.get(key)).collect();
        let is_over = |found: &Option<&Outcome>| {
            found.is_some_and(|outcome| outcome.state != EffectState::Intended)
        };
        if !outcomes.iter().all(is_over) {
            act.state.doing.push(one);
            continue;
        }
        let refused: Vec<String> = outcomes.into_iter().flatten().filter_map(reason).collect();
        answer(act, &one, &refused);
    }
}

fn reason(outcome: &Outcome) -> Option<String> {
    match (&outcome.state, &outcome.result) {
        (EffectState::Done | EffectState::Intended, _) => None,
        (_, EffectResult::Refused { reason }) => Some(format!("GitHub says: {reason}")),
        (EffectState::Refused | EffectState::Dead, _) => {
            Some("GitHub did not take it; please say it again later".to_owned())
        }
    }
}

fn answer(act: &mut Act<Pull>, one: &Doing, refused: &[String]) {
    let repo = act.state.repo.clone();
    if refused.is_empty() {
        if !one.is_refused {
            act.intents.push(react(&repo, one.comment));
        }
        return;
    }
    let data = json!({"who": one.by, "message": refused.join("\n\n")});
    let pr = act.state.number;
    act.intents.push(Intent {
        key: format!("reply:{}:{}:late", repo.id, one.comment),
        is_view: false,
        priority: Priority::Answer,
        effect: Effect::Reply {
            repo,
            pr,
            text: Text::new("refusal/to", data),
        },
    });
}

pub(super) fn assign(act: &mut Act<Pull>, comment: &Comment, add: bool, logins: &[Login]) -> Done {
    let who = people_or_speaker(comment, logins);
    let (add, remove) = match add {
        true => (who, BTreeSet::new()),
        false => (BTreeSet::new(), who),
    };
    edit(act, comment, Edit::Assignees { add, remove })
}

/// The named people; the speaker where nobody is named.
pub(super) fn people_or_speaker(comment: &Comment, logins: &[Login]) -> BTreeSet<Login> {
    match logins {
        [] => BTreeSet::from([comment.author.clone()]),
        [..] => logins.iter().cloned().collect(),
    }
}

pub(super) fn invite(
    act: &mut Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    (add, is_first): (bool, bool),
) -> Done {
    if thread.view.change.is_some() {
        return Done::No("an invitation to others works on an issue".to_owned());
    }
    let both = || BTreeSet::from([HELP_WANTED.to_owned(), GOOD_FIRST_ISSUE.to_owned()]);
    let one = |label: &str| BTreeSet::from([label.to_owned()]);
    let (add, remove) = match (add, is_first) {
        (true, true) => (both(), BTreeSet::new()),
        (true, false) => (one(HELP_WANTED), BTreeSet::new()),
        (false, true) => (BTreeSet::new(), one(GOOD_FIRST_ISSUE)),
        (false, false) => (BTreeSet::new(), both()),
    };
    edit(act, comment, Edit::Labels { add, remove })
}

pub(super) fn milestone(
    act: &mut Act<Pull>,
    comment: &Comment,
    title: Option<&str>,
    ask: &mut Ask,
) -> Option<Done> {
    let Some(title) = title else {
        return Some(edit(act, comment, Edit::Milestone(None)));
    };
    let known = ask.milestones(act.state.repo.id)?;
    if let Some((number, _)) = known.iter().find(|(_, name)| name == title) {
        return Some(edit(act, comment, Edit::Milestone(Some(*number))));
    }
    let names: Vec<String> = known
        .iter()
        .map(|(_, name)| crate::text::code_span(name))
        .collect();
    let names = match names.as_slice() {
        [] => "there are none".to_owned(),
        [..] => format!("there are: {}", names.join(", ")),
    };
    let title = crate::text::code_span(title);
    Some(Done::No(format!(
        "there is no open milestone {title} here; {names}"
    )))
}

/// Whether somebody may close and open it again: its author, and collaborators.
fn is_theirs(
    act: &Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    ask: &mut Ask,
) -> Option<bool> {
    let is_author = comment.author.is(&thread.view.author);
    let here = (act.state.repo.id, thread.habits);
    Some(is_author || collaborators::is_one(&comment.author, here, ask)?)
}

pub(super) fn close(
    act: &mut Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    not_planned: bool,
    ask: &mut Ask,
) -> Option<Done> {
    let is_forsaken = ["lifecycle/stale", "lifecycle/rotten"]
        .iter()
        .any(|label| thread.has(label));
    Some(if !thread.view.is_open {
        Done::No("it is closed already".to_owned())
    } else if !is_forsaken && !is_theirs(act, thread, comment, ask)? {
        Done::No(format!(
            "`/close` is for the author and {} in this repository; anybody may close what is labelled `lifecycle/stale` or `lifecycle/rotten`",
            collaborators::people(thread.habits)
        ))
    } else if not_planned && thread.view.change.is_some() {
        Done::No("`/close not-planned` is for issues; `/close` closes this pull request".to_owned())
    } else {
        edit(act, comment, Edit::Closed { not_planned })
    })
}

pub(super) fn reopen(
    act: &mut Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    ask: &mut Ask,
) -> Option<Done> {
    let merged = thread.view.change.as_ref().and_then(|c| c.merged.as_ref());
    Some(if thread.view.is_open {
        Done::No("it is open".to_owned())
    } else if merged.is_some() {
        Done::No("it is merged; open another pull request".to_owned())
    } else if !is_theirs(act, thread, comment, ask)? {
        let who = collaborators::people(thread.habits);
        Done::No(format!(
            "`/reopen` is for the author and {who} in this repository"
        ))
    } else {
        edit(act, comment, Edit::Open)
    })
}

impl Thread<'_> {
    /// Whether a label is on it.
    pub(super) fn has(&self, label: &str) -> bool {
        let mut on = self.view.labels.iter();
        on.any(|one| one.eq_ignore_ascii_case(label))
    }
}
