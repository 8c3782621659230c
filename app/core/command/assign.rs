//! `/assign` and `/unassign`: who works on it.

use super::{Command, Entry, OnThread, Right, people};

pub(super) const ENTRY: Entry = Entry {
    name: "/assign",
    usage: "/assign [@<login>...]",
    who: "Anybody; GitHub decides who can be assigned.",
    what: "Assigns the named people, or the speaker. `/unassign` takes them off again.",
    example: "/assign @ada @grace",
    right: Right::Anybody,
    words: &["/assign", "/unassign"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    Ok(OnThread::Assign {
        add: word == "/assign",
        logins: people(word, rest)?,
    }
    .into())
}
