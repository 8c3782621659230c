//! `/lifecycle`: how alive it is.

use super::{Command, Entry, OnThread, Right};

/// The four, which exclude each other.
pub(crate) const LIFECYCLES: [&str; 4] = ["active", "frozen", "stale", "rotten"];

pub(super) const ENTRY: Entry = Entry {
    name: "/lifecycle",
    usage: "/lifecycle active|frozen|stale|rotten",
    who: "Anybody.",
    what: "Puts `lifecycle/stale` or another of the four on, and the other three off. `/remove-lifecycle stale` takes it off.",
    example: "/lifecycle frozen",
    right: Right::Anybody,
    words: &["/lifecycle", "/remove-lifecycle"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    let lower = rest.to_ascii_lowercase();
    let found = LIFECYCLES.into_iter().find(|state| *state == lower);
    match found {
        Some(state) => Ok(OnThread::Lifecycle {
            add: word == "/lifecycle",
            state,
        }
        .into()),
        None => Err(format!("`{word}` takes one of: {}", LIFECYCLES.join(", "))),
    }
}
