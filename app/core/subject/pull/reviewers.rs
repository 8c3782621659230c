//! Whom to ask for a review: `/cc`, `/uncc`, `/auto-cc`.

use super::Pull;
use super::acts::Done;
use super::edits::{edit, people_or_speaker};
use super::step::Seen;
use crate::effect::Edit;
use crate::name::{Login, Slug};
use crate::subject::Act;
use crate::subject::ask::Comment;
use std::collections::{BTreeMap, BTreeSet};

/// Reviewers asked at once.
const REQUEST_COUNT: usize = 2;

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
    let logins = choose(seen, act.state.number.0);
    if logins.is_empty() {
        return Done::No("OWNERS names nobody but the author for the changed files".to_owned());
    }
    let (add, teams) = (true, BTreeSet::new());
    edit(act, comment, Edit::Reviewers { add, logins, teams })
}

/// Those who review most of the changed files; reviewers before approvers, and who of equals the number decides.
fn choose(seen: &Seen, number: u64) -> BTreeSet<Login> {
    let mut files: BTreeMap<Login, (usize, usize)> = BTreeMap::new();
    for path in seen.paths() {
        for login in seen.owners.reviewers(&path) {
            files.entry(login).or_default().0 += 1;
        }
        for login in seen.owners.approvers(&path) {
            files.entry(login).or_default().1 += 1;
        }
    }
    files.retain(|login, _| !login.is(&seen.view.author));
    let mut all: Vec<(Login, (usize, usize))> = files.into_iter().collect();
    let turn = usize::try_from(number).unwrap_or(0) % all.len().max(1);
    all.rotate_left(turn);
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.into_iter()
        .take(REQUEST_COUNT)
        .map(|(login, _)| login)
        .collect()
}
