//! People whom OWNERS names and who are in the repository no more: the file outlives them.

use super::Pull;
use super::rules::join;
use super::step::Seen;
use super::words::Words;
use crate::name::{Login, RepoPath};
use crate::owners::Owners;
use crate::subject::ask::Ask;
use std::collections::BTreeSet;

/// Those among the speakers whom a file of the base names for these paths and who are no collaborators, in lower case.
pub(super) fn gone(
    pull: &Pull,
    (owners, paths): (&Owners, &[RepoPath]),
    (words, author): (&Words, &Login),
    ask: &mut Ask,
) -> Option<BTreeSet<Login>> {
    let mut named = BTreeSet::new();
    for path in paths {
        named.extend(owners.approvers(path));
        named.extend(owners.reviewers(path));
        named.extend(owners.required_reviewers(path));
        let code = owners.code_owner(path).into_iter();
        named.extend(code.flat_map(|owner| owner.people.iter().cloned()));
    }
    let said = words.lgtm.iter().chain(&words.approve).map(|word| &word.by);
    let said = said.chain(&words.no_issue).chain([author]);
    let speakers: BTreeSet<Login> = said.map(Login::lower).collect();
    let mut gone = BTreeSet::new();
    for who in speakers.intersection(&named) {
        if !ask.is_here(pull.repo.id, who)? {
            gone.insert(who.clone());
        }
    }
    Some(gone)
}

/// Why the word of some of these does not count, where they said one; follows a sentence that says what would.
pub(super) fn told(seen: &Seen, entitled: &BTreeSet<Login>) -> String {
    let mut said = seen.words.approvers();
    said.retain(|who| seen.gone.contains(who) && entitled.contains(who));
    match said.is_empty() {
        true => String::new(),
        false => format!(
            "; {} is named, but no collaborator any more, and does not count",
            join(&said)
        ),
    }
}
