//! `/skip`: optional checks that are red are let go.

use super::{Command, Entry, OnChange, Right, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/skip",
    usage: "/skip",
    who: "Anybody.",
    what: "Shows optional checks that did not pass as skipped; they keep nothing from merging in any case.",
    example: "/skip",
    right: Right::Anybody,
    words: &["/skip"],
    any_case: true,
    is_guessed: false,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnChange::Skip)
}
