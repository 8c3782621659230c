//! `/compare`: the figures of this change beside those of a version.

use super::{Command, Entry, OnChange, Right};
use crate::name::VersionRef;

pub(super) const ENTRY: Entry = Entry {
    name: "/compare",
    usage: "/compare [<version>]",
    who: "Anybody.",
    what: "Answers with the metrics of the present head beside those of a version of the model; of the newest, where none is named.",
    example: "/compare v7",
    right: Right::Anybody,
    words: &["/compare"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    if rest.is_empty() {
        return Ok(OnChange::Compare { version: None }.into());
    }
    // The change is of one model, which needs no naming.
    match VersionRef::parse(rest) {
        Ok(VersionRef {
            model: None,
            number,
        }) => Ok(OnChange::Compare {
            version: Some(number),
        }
        .into()),
        Ok(_) | Err(_) => Err(format!("`{word}` takes nothing, or a version such as `v7`")),
    }
}
