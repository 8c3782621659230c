//! `/why`: what keeps it from merging.

use super::{Command, Entry, OnChange, Right, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/why",
    usage: "/why",
    who: "Anybody.",
    what: "Answers with every rule that is not met yet, and who can meet it.",
    example: "/why",
    right: Right::Anybody,
    words: &["/why"],
    any_case: true,
    is_guessed: false,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnChange::Why)
}
