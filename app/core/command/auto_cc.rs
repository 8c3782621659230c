//! `/auto-cc`: reviewers as OWNERS names them.

use super::{Command, Entry, OnChange, Right, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/auto-cc",
    usage: "/auto-cc",
    who: "Anybody.",
    what: "Asks reviewers for a review whom OWNERS names for the changed files, those nearest to the files first; two, unless `chatops.ask_reviewers` says another number.",
    example: "/auto-cc",
    right: Right::Anybody,
    words: &["/auto-cc"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnChange::AutoCc)
}
