//! Files of OWNERS with something wrong in them: those that a change brings, and those that are there.

use super::Pull;
use super::rules::Rule;
use super::step::Seen;
use crate::owners::{OwnersProblem, is_owners};
use crate::subject::ask::Ask;
use serde_json::{Value, json};

/// The rule about those that a change brings.
pub(super) const READABLE: &str = "OWNERS can be read";

/// Problems of the base that are shown.
const SHOWN: usize = 5;

/// Whether the files of OWNERS that are changed can be read; no rule where none is.
pub(super) fn readable(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Option<Rule>> {
    if !seen.paths().iter().any(is_owners) {
        return Some(None);
    }
    let owners = ask.owners(pull.repo.id, &seen.change.head)?;
    // One file too many is a problem of all of them.
    let is_one_too_many = owners.is_beyond() && !seen.owners.is_beyond();
    let is_changed = |problem: &&OwnersProblem| {
        let mut paths = seen.paths().into_iter();
        is_one_too_many || paths.any(|path| path.as_str() == problem.path)
    };
    let mut wrong = owners.problems().iter().filter(is_changed);
    let Some(first) = wrong.next() else {
        let rule = Rule::new(READABLE, true, "nothing is wrong in the files it changes");
        return Some(Some(rule));
    };
    let more = match wrong.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let detail = format!(
        "`{}` line {}: {}{more}",
        first.path, first.line, first.message
    );
    Some(Some(Rule::new(READABLE, false, detail)))
}

/// What is wrong in those of the base, for the status comment.
pub(super) fn of_the_base(seen: &Seen) -> Value {
    let found = seen.owners.problems();
    if found.is_empty() {
        return Value::Null;
    }
    json!({
        "base": seen.change.base,
        "shown": found.iter().take(SHOWN).collect::<Vec<_>>(),
        "more": found.len().saturating_sub(SHOWN),
    })
}
