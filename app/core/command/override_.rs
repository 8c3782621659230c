//! `/override`: a red context counts as green, once and in somebody's name.

use super::{Command, Entry, OnChange, Overriding, Right, quoted};
use crate::habits::{Habits, Switch};

/// Most names in one command.
const NAMES_MAX: usize = 20;
/// Longest name. Units: characters.
const NAME_CHARS_MAX: usize = 200;

pub(super) const ENTRY: Entry = Entry {
    name: "/override",
    usage: "/override|/override-sticky <context>... | /override-cancel [<context>...]",
    who: "Administrators of the repository, approvers of the OWNERS file at its root where `override_by_top_level_owners` is on, and whom `overriders` names.",
    what: "Lets red or missing checks and contexts count as green for the present head. `/override` holds while the base stays as it is, `/override-sticky` until the next push. `/override-cancel` takes back the named ones, or all. Names with blanks stand in double quotes.",
    example: "/override unit \"legal review\"",
    right: Right::Anybody,
    words: &["/override", "/override-sticky", "/override-cancel"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

/// Who that is in a repository of these habits.
pub(super) fn who(habits: &Habits) -> String {
    let mut who = vec!["Administrators of the repository".to_owned()];
    if habits.has(Switch::OverrideByTopLevelOwners) {
        who.push("approvers of the OWNERS file at its root".to_owned());
    }
    who.extend(habits.overriders.iter().map(ToString::to_string));
    who.join(", ") + "."
}

fn read(word: &str, rest: &str) -> Result<Command, String> {
    let names = shlex::split(rest).ok_or_else(|| "a quote is not closed".to_owned())?;
    let how = match word {
        "/override-cancel" => Overriding::Cancel,
        "/override-sticky" => Overriding::Sticky,
        _ => Overriding::Once,
    };
    if names.is_empty() && how != Overriding::Cancel {
        return Err(format!("`{word}` needs the name of a check or context"));
    }
    if names.len() > NAMES_MAX {
        return Err(format!("`{word}` takes at most {NAMES_MAX} names"));
    }
    let is_bad = |name: &&String| {
        name.is_empty()
            || name.chars().count() > NAME_CHARS_MAX
            || name.chars().any(char::is_control)
    };
    if let Some(bad) = names.iter().find(is_bad) {
        return Err(format!("`{}` is not the name of a context", quoted(bad)));
    }
    Ok(OnChange::Override { how, names }.into())
}
