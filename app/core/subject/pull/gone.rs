//! People whom OWNERS names and who are in the repository no more: the file outlives them.

use super::Pull;
use super::rules::join;
use super::step::Seen;
use super::words::Words;
use crate::name::Login;
use crate::owners::Owners;
use crate::subject::ask::Ask;
use std::collections::BTreeSet;

/// Those among the speakers whom a file of the base names and who are no collaborators, in lower case.
pub(super) fn gone(
    pull: &Pull,
    owners: &Owners,
    (words, author): (&Words, &Login),
    ask: &mut Ask,
) -> Option<BTreeSet<Login>> {
    let said = words.lgtm.iter().chain(&words.approve).map(|word| &word.by);
    let said = said.chain(&words.no_issue).chain([author]);
    let speakers: BTreeSet<Login> = said.map(Login::lower).collect();
    let mut gone = BTreeSet::new();
    for who in speakers {
        if owners.names(&who) && !ask.is_here(pull.repo.id, &who)? {
            gone.insert(who);
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
