//! `/refresh`: what Bowsprit shows is shown again.

use super::{Command, Entry, OnChange, Right, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/refresh",
    usage: "/refresh",
    who: "Anybody.",
    what: "Writes the status comment, labels and checks of the present head again, where GitHub shows something else.",
    example: "/refresh",
    right: Right::Anybody,
    words: &["/refresh"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnChange::Refresh)
}
