//! Labels that a person put on by hand, where the habits let them count; ours are never taken for such.

use super::Pull;
use crate::effect::Hint;
use crate::habits::{Habits, Switch};
use crate::name::{CommitSha, Login};
use crate::subject::Given;
use crate::subject::ask::PullView;
use serde::{Deserialize, Serialize};

pub(super) const LGTM: &str = "lgtm";
pub(super) const APPROVED: &str = "approved";
pub(super) const OK_TO_TEST: &str = "ok-to-test";

/// A label that somebody put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// Its name in lower case.
    pub label: String,
    /// Who put it on.
    pub by: Login,
    /// The head that was there then.
    pub head: CommitSha,
}

/// Remembers what people put on, until it is taken off.
pub(super) fn learn(pull: &mut Pull, view: &PullView, given: &Given<Pull>) {
    for hint in &given.hints {
        let Hint::Labeled { label, by, head } = hint else {
            continue;
        };
        let label = label.to_lowercase();
        let is_known = [LGTM, APPROVED, OK_TO_TEST].contains(&label.as_str());
        if is_known && !by.is_bot() {
            pull.by_hand.retain(|one| one.label != label);
            let (by, head) = (by.clone(), head.clone());
            pull.by_hand.push(ByHand { label, by, head });
        }
    }
    let is_on = |label: &str| {
        let mut on = view.labels.iter();
        on.any(|one| one.eq_ignore_ascii_case(label))
    };
    pull.by_hand.retain(|one| is_on(&one.label));
}

/// Whether a label that is on counts: an lgtm for its head only, the others for later ones too.
pub(super) fn counts(pull: &Pull, habits: &Habits, label: &str) -> bool {
    let head = pull.heads.last().map(|seen| &seen.sha);
    habits.has(Switch::LabelsByHand)
        && pull
            .by_hand
            .iter()
            .any(|one| one.label == label && (label != LGTM || Some(&one.head) == head))
}
