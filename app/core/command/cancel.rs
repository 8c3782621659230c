//! `/cancel`: stop what runs.

use super::{Command, Entry, OnChange, Right, TRUSTED, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/cancel",
    usage: "/cancel",
    who: TRUSTED,
    what: "Stops the runs of this pull request; they end as cancelled, not as failed.",
    example: "/cancel",
    right: Right::Trusted,
    words: &["/cancel"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, OnChange::Cancel)
}
