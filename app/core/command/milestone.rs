//! `/milestone`: the milestone that it belongs to.

use super::{Command, Entry, OnThread, Right};

/// Longest title. Units: characters.
const TITLE_CHARS_MAX: usize = 255;

pub(super) const ENTRY: Entry = Entry {
    name: "/milestone",
    usage: "/milestone <title>|clear",
    who: "People who may write in the repository.",
    what: "Sets the milestone, which must be open; `clear` takes it off.",
    example: "/milestone v1.2",
    right: Right::Writer,
    words: &["/milestone"],
    any_case: false,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if rest.is_empty() || rest.chars().count() > TITLE_CHARS_MAX {
        return Err(format!(
            "`{word}` needs the title of a milestone, or `clear`"
        ));
    }
    Ok(OnThread::Milestone {
        title: (rest != "clear").then(|| rest.to_owned()),
    }
    .into())
}
