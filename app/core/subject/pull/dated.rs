//! Which head a word was said to.

use super::{HeadSeen, Pull};
use crate::name::{CommitSha, Digest};
use std::collections::BTreeSet;

/// Whether a word was said to the change as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Covers {
    /// The same change.
    Yes,
    /// A change that a later push made another.
    Changed,
    /// A push came so close to it, or unseen, that it cannot be dated.
    Undated,
    /// It names a commit by digits with which several heads begin.
    Several,
}

/// Which head somebody named by its first digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// This one.
    Head(CommitSha),
    /// Several heads that were there begin so.
    Several,
    /// No head that is known to have been there when it was said.
    Unknown,
}

/// The head that was named at this time. What came later is not meant, whatever it begins with: first digits can be
/// made to fit.
pub(super) fn named(heads: &[HeadSeen], digits: &str, at_ms: i64) -> Named {
    if let Ok(whole) = CommitSha::parse(digits) {
        return Named::Head(whole);
    }
    let known = heads
        .iter()
        .filter(|seen| seen.is_first || second(seen.at_ms) <= second(at_ms))
        .filter(|seen| seen.sha.as_str().starts_with(digits));
    let known: BTreeSet<&CommitSha> = known.map(|seen| &seen.sha).collect();
    match (known.first(), known.len()) {
        (Some(only), 1) => Named::Head((*only).clone()),
        (Some(_), _) => Named::Several,
        (None, _) => Named::Unknown,
    }
}

/// Whether a word said at this time, or to this head, was said to the change as it is now.
pub(super) fn covers(
    pull: &Pull,
    change: &Digest,
    at_ms: i64,
    head: Option<&CommitSha>,
    digits: Option<&str>,
) -> Covers {
    if let Some(digits) = digits {
        let newest = pull.heads.last().map(|seen| &seen.sha);
        let is_of = |sha: &CommitSha| {
            let seen = head_seen(&pull.heads, sha, at_ms);
            seen.is_some_and(|seen| seen.change.as_ref() == Some(change))
        };
        return match named(&pull.heads, digits, at_ms) {
            Named::Head(sha) if Some(&sha) == newest && is_of(&sha) => Covers::Yes,
            Named::Head(_) => Covers::Changed,
            Named::Several => Covers::Several,
            Named::Unknown if newest.is_some_and(|sha| sha.as_str().starts_with(digits)) => {
                Covers::Undated
            }
            Named::Unknown => Covers::Changed,
        };
    }
    let seen = match head {
        Some(head) => head_seen(&pull.heads, head, at_ms),
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

/// A head as it was when somebody spoke of it: with another base it is another change.
fn head_seen<'a>(heads: &'a [HeadSeen], sha: &CommitSha, at_ms: i64) -> Option<&'a HeadSeen> {
    let mut all = heads.iter().filter(|seen| seen.sha == *sha);
    let first = all.next()?;
    let later = all.rfind(|seen| second(seen.at_ms) < second(at_ms));
    Some(later.unwrap_or(first))
}

/// Whether this head is the one that somebody had before them who wrote at this time, or on a line of it.
pub(super) fn was_before(
    pull: &Pull,
    head: &CommitSha,
    (at_ms, on): (i64, Option<&CommitSha>),
) -> bool {
    match on {
        Some(on) => on == head,
        None => head_at(&pull.heads, at_ms).is_ok_and(|seen| seen.sha == *head),
    }
}

/// GitHub's times have whole seconds: a push in the same second as a word cannot be put before it.
const SECOND_MS: i64 = 1_000;

/// The head that somebody who spoke at this time had before them.
fn head_at(heads: &[HeadSeen], at_ms: i64) -> Result<&HeadSeen, Covers> {
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

fn second(ms: i64) -> i64 {
    ms.div_euclid(SECOND_MS)
}
