//! `/supersede`: a newer model into this proposal.

use super::{Command, Entry, alone};

pub(super) const ENTRY: Entry = Entry {
    name: "/supersede",
    usage: "/supersede",
    who: "Approvers of the model's folder.",
    what: "Replaces the version in this proposal by the newest that waits; reviews given so far are for the old one and lapse.",
    example: "/supersede",
    words: &["/supersede"],
    any_case: true,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    alone(word, rest, Command::Supersede)
}
