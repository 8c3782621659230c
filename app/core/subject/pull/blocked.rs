//! GitHub calls a change blocked though every rule here is met: what then.

use super::Pull;
use super::rules::Rule;
use super::step::Seen;
use crate::queue::wishes::Blocked;
use crate::subject::ask::{Ask, ChangeView};
use crate::subject::{Act, Given};

/// GitHub tells nobody when a change is blocked no more; it is read again after this. Units: milliseconds.
const LOOK_MS: i64 = 15_000;

/// The rule, as people see it.
pub(super) const NAME: &str = "not blocked at GitHub";

fn policy(seen: &Seen) -> Blocked {
    seen.habits.merges.blocked.unwrap_or_default()
}

/// How it stands where GitHub calls it blocked; what is kept of it may be from before its last check was green.
pub(super) fn rule(
    act: &mut Act<Pull>,
    seen: &Seen,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Option<Rule>> {
    let policy = policy(seen);
    if policy == Blocked::Ignore || !seen.change.is_blocked {
        return Some(None);
    }
    let now = ask.pull(act.state.repo.id, act.state.number)?;
    let change = now.and_then(|now| now.change);
    if !change.is_some_and(|change| change.is_blocked) {
        return Some(None);
    }
    Some(match policy {
        Blocked::Ignore => None,
        Blocked::Permit => Some(Rule::new(
            NAME,
            true,
            "GitHub calls it blocked; merging is tried, for the App may pass the rule by",
        )),
        Blocked::Block => {
            act.look_by(given.now_ms + LOOK_MS);
            let what =
                "a rule of the branch asks for more, such as a review or a resolved conversation";
            Some(Rule::new(NAME, false, what))
        }
    })
}

/// Whether GitHub calls it blocked now that it was not judged as, where that is waited for.
pub(super) fn is_news(seen: &Seen, now: &ChangeView) -> bool {
    policy(seen) == Blocked::Block && now.is_blocked && !seen.change.is_blocked
}
