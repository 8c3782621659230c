//! Which head a word was said to.

use super::{HeadSeen, Pull};
use crate::name::{CommitSha, Digest};

/// Whether a word was said to the change as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Covers {
    /// The same change.
    Yes,
    /// A change that a later push made another.
    Changed,
    /// A push came so close to it, or unseen, that it cannot be dated.
    Undated,
}

/// Whether a word said at this time, or to this head, was said to the change as it is now.
pub(super) fn covers(
    pull: &Pull,
    change: &Digest,
    at_ms: i64,
    head: Option<&CommitSha>,
    named: Option<&str>,
) -> Covers {
    if let Some(prefix) = named {
        let newest = pull.heads.last();
        return if newest.is_some_and(|seen| seen.sha.as_str().starts_with(prefix)) {
            Covers::Yes
        } else {
            Covers::Changed
        };
    }
    let seen = match head {
        Some(head) => pull.heads.iter().rev().find(|seen| seen.sha == *head),
        None => match head_at(&pull.heads, at_ms) {
            Ok(seen) => Some(seen),
            Err(covers) => return covers,
        },
    };
    match seen {
        Some(seen) if seen.change.as_ref() == Some(change) => Covers::Yes,
        Some(_) => Covers::Changed,
        None => Covers::Undated,
    }
}

/// GitHub's times have whole seconds: a push in the same second as a word cannot be put before it.
const SECOND_MS: i64 = 1_000;

/// The head that somebody who spoke at this time had before them.
fn head_at(heads: &[HeadSeen], at_ms: i64) -> Result<&HeadSeen, Covers> {
    let second = |ms: i64| ms.div_euclid(SECOND_MS);
    if heads
        .iter()
        .any(|seen| !seen.is_first && second(seen.at_ms) == second(at_ms))
    {
        return Err(Covers::Undated);
    }
    heads
        .iter()
        .rev()
        .find(|seen| seen.is_first || seen.at_ms < at_ms)
        .ok_or(Covers::Undated)
}
