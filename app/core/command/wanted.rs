//! `/help-wanted` and `/good-first-issue`: an invitation to others.

use super::{Command, Entry, OnThread, Right, alone};

/// The label of what somebody may take up.
pub(crate) const HELP_WANTED: &str = "help wanted";
/// The label of what a newcomer may take up.
pub(crate) const GOOD_FIRST_ISSUE: &str = "good first issue";

pub(super) const HELP: Entry = Entry {
    name: "/help-wanted",
    usage: "/help-wanted",
    who: "Anybody.",
    what: "Puts the label `help wanted` on an issue. `/remove-help-wanted` or `/remove-help` takes it and `good first issue` off.",
    example: "/help-wanted",
    right: Right::Anybody,
    words: &["/help-wanted", "/remove-help-wanted", "/remove-help"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read: help,
};

pub(super) const FIRST: Entry = Entry {
    name: "/good-first-issue",
    usage: "/good-first-issue",
    who: "Anybody.",
    what: "Puts the labels `good first issue` and `help wanted` on an issue. `/remove-good-first-issue` takes the first off.",
    example: "/good-first-issue",
    right: Right::Anybody,
    words: &["/good-first-issue", "/remove-good-first-issue"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read: first,
};

fn help(word: &str, rest: &str) -> Result<Command, String> {
    let is_first = false;
    let add = word == "/help-wanted";
    alone(word, rest, OnThread::Invite { add, is_first })
}

fn first(word: &str, rest: &str) -> Result<Command, String> {
    let is_first = true;
    let add = word == "/good-first-issue";
    alone(word, rest, OnThread::Invite { add, is_first })
}
