//! `/supersede`: a newer model into this proposal.

use super::{Command, Entry, OnChange, Right, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/supersede",
    usage: "/supersede",
    who: "Approvers of the model's folder.",
    what: "Replaces the version in this proposal by the newest that waits; reviews given so far are for the old one and lapse.",
    example: "/supersede",
    right: Right::Anybody,
    words: &["/supersede"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnChange::Supersede)
}
