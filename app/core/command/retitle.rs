//! `/retitle`: another title.

use super::{Command, Entry, OnThread, Right};

/// Longest title, says GitHub. Units: characters.
const TITLE_CHARS_MAX: usize = 256;

pub(super) const ENTRY: Entry = Entry {
    name: "/retitle",
    usage: "/retitle <title>",
    who: "People who may write in the repository.",
    what: "Gives the issue or pull request another title.",
    example: "/retitle Train on the new digits",
    right: Right::Writer,
    words: &["/retitle"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if rest.is_empty() || rest.chars().count() > TITLE_CHARS_MAX {
        return Err(format!(
            "`{word}` needs a title of at most {TITLE_CHARS_MAX} characters"
        ));
    }
    Ok(OnThread::Retitle {
        title: rest.to_owned(),
    }
    .into())
}
