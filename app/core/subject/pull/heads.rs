//! The heads that a pull request had: since when, by whom, and which change each was.

use super::{HeadSeen, Pull};
use crate::effect::Hint;
use crate::name::{BranchName, CommitSha, Digest, Login};
use crate::subject::Given;
use crate::subject::ask::{ChangeView, PullView};

/// Longer than this an older head is not taken for a stale answer. Units: milliseconds.
const STALE_MAX_MS: i64 = 120_000;

/// A head told of within this after the opening is the one it was opened with. Units: milliseconds.
const FIRST_MS: i64 = 1_000;

/// Adds the head that GitHub shows now, dated by the push's own word where there is one.
pub(super) fn learn_heads(
    pull: &mut Pull,
    view: &PullView,
    change: &ChangeView,
    given: &Given<Pull>,
) {
    let mut dated: Vec<(CommitSha, i64)> = Vec::new();
    for hint in &given.hints {
        if let Hint::Pushed { head, at_ms } = hint {
            match dated.iter_mut().find(|(sha, _)| sha == head) {
                Some((_, known)) => *known = (*known).min(*at_ms),
                None => dated.push((head.clone(), *at_ms)),
            }
        }
    }
    for (head, at_ms) in dated {
        if let [only] = &mut pull.heads[..]
            && only.sha == head
            && at_ms <= only.at_ms.min(view.created_ms + FIRST_MS)
        {
            // It was looked at before the word of its opening came: nothing was there before it.
            (only.is_first, only.at_ms) = (true, at_ms);
        }
        if !pull.heads.iter().any(|seen| seen.sha == head)
            || pull
                .heads
                .last()
                .is_some_and(|last| last.sha != head && at_ms > last.at_ms)
        {
            let is_first = pull.heads.is_empty() && at_ms <= view.created_ms + FIRST_MS;
            pull.heads.push(HeadSeen {
                sha: head,
                at_ms,
                is_first,
                by: None,
                change: None,
            });
        }
    }
    pull.heads.sort_by_key(|seen| seen.at_ms);
    let is_stale = |last: &HeadSeen| {
        given.now_ms - last.at_ms < STALE_MAX_MS
            && pull.heads.iter().any(|seen| seen.sha == change.head)
    };
    if pull
        .heads
        .last()
        .is_none_or(|last| last.sha != change.head && !is_stale(last))
    {
        // Nobody told when this head came: every earlier word is void for it.
        pull.heads.push(HeadSeen {
            sha: change.head.clone(),
            at_ms: given.now_ms,
            is_first: false,
            by: None,
            change: None,
        });
    }
}

/// Learns who pushed which head.
pub(super) fn learn_pushers(pull: &mut Pull, given: &Given<Pull>) {
    for hint in &given.hints {
        let Hint::PushedBy { head, by } = hint else {
            continue;
        };
        let of = pull.heads.iter_mut().filter(|seen| seen.sha == *head);
        for seen in of {
            seen.by.get_or_insert_with(|| by.clone());
        }
    }
}

/// Dates the change of the head: with another base the same commit is another change, and words to it are void.
pub(super) fn learn_change(pull: &mut Pull, base: &BranchName, change: &Digest, now_ms: i64) {
    if pull.base.as_ref().is_some_and(|known| known != base) {
        pull.retargeted_ms = Some(now_ms);
    }
    pull.base = Some(base.clone());
    let Some(last) = pull.heads.last_mut() else {
        return;
    };
    match &last.change {
        None => last.change = Some(change.clone()),
        Some(known) if known == change => {}
        Some(_) => {
            let now = HeadSeen {
                sha: last.sha.clone(),
                at_ms: now_ms.max(last.at_ms),
                is_first: false,
                by: last.by.clone(),
                change: Some(change.clone()),
            };
            pull.heads.push(now);
        }
    }
}

/// Whether somebody else than its author is known to have pushed what made it this change.
pub(super) fn is_of_another(pull: &Pull, change: &Digest, author: &Login) -> bool {
    let mut heads = pull.heads.iter();
    let came = heads.find(|seen| seen.change.as_ref() == Some(change));
    let by = came.and_then(|seen| seen.by.as_ref());
    by.is_some_and(|by| !by.is(author))
}
