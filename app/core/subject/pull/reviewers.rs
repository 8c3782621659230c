//! Whom to ask for a review: `/cc`, `/uncc`, `/auto-cc`.

use super::Pull;
use super::acts::Done;
use super::edits::{edit, people_or_speaker, unasked};
use super::step::Seen;
use crate::command::{Command, Heard, OnChange, hear};
use crate::effect::Edit;
use crate::habits::AskReviewers;
use crate::name::{CommentId, Digest, Login, Slug};
use crate::subject::ask::Comment;
use crate::subject::{Act, Given};
use std::collections::BTreeSet;

pub(super) fn cc(
    act: &mut Act<Pull>,
    comment: &Comment,
    add: bool,
    (logins, teams): (&[Login], &[Slug]),
) -> Done {
    let logins = match teams {
        [] => people_or_speaker(comment, logins),
        [..] => logins.iter().cloned().collect(),
    };
    let teams = teams.iter().cloned().collect();
    edit(act, comment, Edit::Reviewers { add, logins, teams })
}

pub(super) fn auto_cc(act: &mut Act<Pull>, seen: &Seen, comment: &Comment) -> Done {
    let asked = seen.habits.ask_reviewers.clone();
    let logins = choose(act, seen, &asked.unwrap_or_default());
    if logins.is_empty() {
        return Done::No("OWNERS names nobody but the author for the changed files".to_owned());
    }
    let (add, teams) = (true, BTreeSet::new());
    edit(act, comment, Edit::Reviewers { add, logins, teams })
}

/// Asks reviewers once, where the repository wants that: when it is opened, or when a draft is ready.
pub(super) fn ask_once(act: &mut Act<Pull>, seen: &Seen, given: &Given<Pull>) {
    let Some(asked) = &seen.habits.ask_reviewers else {
        return;
    };
    let is_waiting = asked.ignore_drafts && seen.change.is_draft;
    if act.state.has_asked || is_waiting || seen.view.created_ms < given.since_ms {
        return;
    }
    act.state.has_asked = true;
    let is_ignored = asked.ignore_authors.contains(&seen.view.author.lower());
    if is_ignored || asks_itself(seen) {
        return;
    }
    let logins = choose(act, seen, asked);
    if logins.is_empty() {
        return;
    }
    let (add, teams) = (true, BTreeSet::new());
    let key = format!("ask:{}:{}", act.state.repo.id, act.state.number);
    unasked(act, key, Edit::Reviewers { add, logins, teams });
}

/// Whether the description says whom to ask.
fn asks_itself(seen: &Seen) -> bool {
    let is_cc = |heard: &Heard| {
        matches!(
            &heard.command,
            Ok(Command::OnChange(OnChange::Cc { add: true, .. }))
        )
    };
    let mut texts = seen.comments.iter();
    texts.any(|one| {
        matches!(one.id, CommentId::Description(_))
            && hear(&one.body, &seen.habits).iter().any(is_cc)
    })
}

/// One of the nearest reviewers of each file, then others of those, then reviewers further up, then approvers, and whom
/// OWNERS requires beside. Of equals the pull request's number decides, the same at each look.
fn choose(act: &Act<Pull>, seen: &Seen, asked: &AskReviewers) -> BTreeSet<Login> {
    let (repo, number) = (act.state.repo.id, act.state.number);
    let ranked = |people: BTreeSet<Login>| -> Vec<Login> {
        let mut people: Vec<Login> = people
            .into_iter()
            .filter(|login| !login.is(&seen.view.author))
            .collect();
        people.sort_by_key(|login| Digest::of(format!("{repo}#{number} {login}").as_bytes()));
        people
    };
    let (mut nearest, mut further) = (BTreeSet::new(), BTreeSet::new());
    let (mut approvers, mut required) = (BTreeSet::new(), BTreeSet::new());
    for path in seen.paths() {
        let mut levels = seen.owners.reviewers_by_distance(&path).into_iter();
        nearest.extend(levels.next());
        further.extend(levels.flatten());
        required.extend(seen.owners.required_reviewers(&path));
        if !asked.exclude_approvers {
            approvers.extend(seen.owners.approvers(&path));
        }
    }
    let (count, max) = (as_size(asked.count), as_size(asked.max));
    let mut chosen: Vec<Login> = Vec::new();
    for one in &nearest {
        let first = ranked(one.clone()).into_iter();
        chosen.extend(
            first
                .filter(|login| !chosen.contains(login))
                .take(1)
                .collect::<Vec<_>>(),
        );
    }
    let rest = [nearest.into_iter().flatten().collect(), further, approvers];
    for login in rest.into_iter().flat_map(ranked) {
        if chosen.len() < count && !chosen.contains(&login) {
            chosen.push(login);
        }
    }
    chosen.truncate(max);
    chosen.extend(ranked(required));
    chosen.into_iter().collect()
}

fn as_size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
