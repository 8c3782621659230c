//! `/retest`: run again what failed.

use super::{Command, Entry, OnChange, Right};

pub(super) const ENTRY: Entry = Entry {
    name: "/retest",
    usage: "/retest",
    who: "Trusted people: members and collaborators.",
    what: "Runs again what failed on the current head, and what should have run and did not.",
    example: "/retest",
    right: Right::Writer,
    words: &["/retest"],
    any_case: false,
    is_guessed: true,
    read,
};

fn read(_word: &str, rest: &str) -> Result<Command, String> {
    if rest.is_empty() {
        Ok(OnChange::Retest.into())
    } else {
        Err("`/retest` takes no argument; `/test <name>` runs one check".to_owned())
    }
}
