//! Labels that a person put on by hand, where the habits let them count; ours are never taken for such.

use super::Pull;
use crate::command::Say;
use crate::effect::Hint;
use crate::habits::{Habits, Switch};
use crate::name::{CommitSha, Login};
use crate::subject::Given;
use crate::subject::ask::PullView;
use serde::{Deserialize, Serialize};

pub(super) const LGTM: &str = "lgtm";
pub(super) const APPROVED: &str = "approved";
pub(super) const OK_TO_TEST: &str = "ok-to-test";
pub(super) const HOLD: &str = "do-not-merge/hold";

/// A label that somebody put on, or took off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// Its name in lower case.
    pub label: String,
    /// Who put it on.
    pub by: Login,
    /// The head that was there then.
    pub head: CommitSha,
    /// When we heard of it. Units: milliseconds since 1970, UTC.
    #[serde(default)]
    pub at_ms: i64,
    /// Whether it was taken off.
    #[serde(default)]
    pub is_off: bool,
}

/// Remembers what people put on, until it is taken off, and what they took off.
pub(super) fn learn(pull: &mut Pull, view: &PullView, given: &Given<Pull>) {
    for hint in &given.hints {
        let Hint::Labeled {
            label,
            by,
            head,
            is_on,
        } = hint
        else {
            continue;
        };
        let label = label.to_lowercase();
        let is_known = [LGTM, APPROVED, OK_TO_TEST, HOLD].contains(&label.as_str());
        if is_known && !by.is_bot() {
            pull.by_hand.retain(|one| one.label != label);
            let (by, head) = (by.clone(), head.clone());
            pull.by_hand.push(ByHand {
                label,
                by,
                head,
                at_ms: given.now_ms,
                is_off: !is_on,
            });
        }
    }
    let is_on = |label: &str| {
        let mut on = view.labels.iter();
        on.any(|one| one.eq_ignore_ascii_case(label))
    };
    pull.by_hand.retain(|one| one.is_off || is_on(&one.label));
}

/// Whether a label that is on counts: an lgtm for its head only, the others for later ones too.
pub(super) fn counts(pull: &Pull, habits: &Habits, label: &str) -> bool {
    let head = pull.heads.last().map(|seen| &seen.sha);
    habits.has(Switch::LabelsByHand)
        && pull
            .by_hand
            .iter()
            .filter(|one| !one.is_off)
            .any(|one| one.label == label && (label != LGTM || Some(&one.head) == head))
}

/// What labels say that keep a change back, or let it go on: who put the hold on, whatever the habits, and who took a hold
/// or an lgtm off, where labels count.
pub(super) fn said<'a>(pull: &'a Pull, habits: &Habits) -> impl Iterator<Item = (&'a ByHand, Say)> {
    let counts = habits.has(Switch::LabelsByHand);
    pull.by_hand.iter().filter_map(move |one| {
        let say = match (one.label.as_str(), one.is_off) {
            (HOLD, false) => Say::Hold {
                reason: Some(format!("the label `{HOLD}` was put on by hand")),
            },
            (HOLD, true) if counts => Say::Unhold,
            (LGTM, true) if counts => Say::LgtmCancel,
            _ => return None,
        };
        Some((one, say))
    })
}
