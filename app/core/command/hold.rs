//! `/hold`: nothing merges until somebody lifts it.

use super::{Command, Entry, Right, Say};

/// Longest reason that is kept. Units: characters.
const REASON_CHARS_MAX: usize = 200;

pub(super) const ENTRY: Entry = Entry {
    name: "/hold",
    usage: "/hold [<reason>|cancel]",
    who: "Anybody; on promotions and rollbacks only approvers of the environment may lift it.",
    what: "Keeps the pull request from merging; the reason is shown. `/unhold`, `/hold cancel` or `/remove-hold` lifts it.",
    example: "/hold until the dashboard is back",
    right: Right::Anybody,
    words: &["/hold", "/unhold", "/remove-hold"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    let is_cancel = rest
        .split_whitespace()
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case("cancel"));
    if word != "/hold" || is_cancel {
        return Ok(Say::Unhold.into());
    }
    let reason: String = rest.chars().take(REASON_CHARS_MAX).collect();
    Ok(Say::Hold {
        reason: (!reason.is_empty()).then_some(reason),
    }
    .into())
}
