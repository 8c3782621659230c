//! `/retest`: run again what failed.

use super::{Command, Entry, OnChange, Right, TESTERS};

pub(super) const ENTRY: Entry = Entry {
    name: "/retest",
    usage: "/retest|/retest-required",
    who: TESTERS,
    what: "Runs again what failed on the current head, and what should have run and did not; tries a merge once more that was given up. `/retest-required` leaves out optional checks.",
    example: "/retest",
    right: Right::Trusted,
    words: &["/retest", "/retest-required"],
    any_case: false,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if rest.is_empty() {
        let required_only = word == "/retest-required";
        Ok(OnChange::Retest { required_only }.into())
    } else {
        let why = format!("`{word}` takes no argument; `/test <name>` runs one check");
        Ok(OnChange::Tests { why: Some(why) }.into())
    }
}
